//! `cp`: files between the host and containers, or as a tar stream. Whatever the two ends are, one side packs and the
//! other places, each on a thread whose root is the tree that it works in (R4).
//!
//! A source that is a link is what it leads to. A directory goes into a destination that is there, and becomes one that
//! is not; `DIR/.` is what is in it. Nothing on the way to the destination is made.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use super::view::{Scope, View};
use super::{Engine, container};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::storage::compression;
use crate::storage::member::Archive;
use crate::storage::pack::{PackOptions, Packer};
use crate::storage::place::{PlaceOptions, Placer};
use crate::sys::apart;
use crate::sys::path::{Resolved, open_in_root, resolve};

/// Room in the pipe between the two sides.
const PIPE: usize = 1 << 20;
/// File systems of the kernel's own, whose files have no size: proc, sysfs.
const KERNELS: [i64; 2] = [0x9fa0, 0x6265_6572];
/// What of a container's root is the kernel's, not the container's.
const NOT_ITS_OWN: [&str; 3] = ["dev", "proc", "sys"];

/// One end of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Host(PathBuf),
    Container {
        name: String,
        path: String,
    },
    /// Standard input or output.
    Stream,
}

/// What is copied where.
#[derive(Clone, Debug)]
pub(crate) struct CopyRequest {
    pub(crate) from: End,
    pub(crate) to: End,
    /// What comes into a container belongs to its user; else to who it belonged to.
    pub(crate) archive: bool,
    /// A directory may take the place of a file, and a file that of a directory.
    pub(crate) overwrite: bool,
}

/// Where the files come from.
struct Origin<'a> {
    root: BorrowedFd<'a>,
    view: Option<&'a View>,
    /// The directory that it is in, below the root, and its name there; no name is the root itself.
    parent: Vec<u8>,
    name: Vec<u8>,
    directory: bool,
    /// What is in the directory, not itself.
    contents: bool,
    /// Its name in a destination that is a directory.
    base: Vec<u8>,
}

/// Where the files go.
struct Target<'a> {
    root: BorrowedFd<'a>,
    view: Option<&'a View>,
    /// The directory below the root.
    parent: Vec<u8>,
    /// The name there; `None`: the contents, or the names of the stream.
    name: Option<Vec<u8>>,
}

impl Engine {
    /// Copies. `input` and `output` are the streams that the request may name.
    pub(crate) fn copy(&self, request: &CopyRequest, input: impl Read + Send, output: impl Write + Send) -> Result<()> {
        let ids = [self.end_id(&request.from)?, self.end_id(&request.to)?];
        let views = self.views(&ids)?;
        let view = |end: usize| ids[end].as_ref().and_then(|id| views.iter().find(|view| view.config.id == *id));
        let host = tree("/".as_ref())?;
        let origin = match &request.from {
            End::Stream => None,
            End::Host(path) => Some(Origin::on_host(&host, path)?),
            End::Container { name, path } => Some(Origin::in_container(of(view(0))?, name, path)?),
        };
        let target_host;
        let target = match (&request.to, &origin) {
            (End::Stream, None) => return Err(Error::invalid("one end must be a container").into()),
            (End::Stream, Some(origin)) => return origin.pack(origin.own_name(), output, false),
            (End::Host(path), Some(origin)) => {
                let (dir, name) = on_host(path, origin)?;
                target_host = tree(&dir)?;
                Target { root: target_host.as_fd(), view: None, parent: Vec::new(), name }
            }
            (End::Host(_), None) => return Err(Error::invalid("one end must be a container").into()),
            (End::Container { name, path }, origin) => in_container(of(view(1))?, name, path, origin.as_ref())?,
        };
        match &origin {
            None => target.place(request, input, true),
            Some(origin) => transfer(origin, &target, request),
        }
    }

    fn end_id(&self, end: &End) -> Result<Option<Id>> {
        let End::Container { name, .. } = end else { return Ok(None) };
        match container::find(&self.paths, name) {
            Err(error) if super::remove::is_gone(&error) => {
                Err(Error::not_found(format!("container \"{}\" does not exist", name.escape_debug())).into())
            }
            found => found.map(Some),
        }
    }

    /// A view of each container, their locks in the order of ids.
    fn views(&self, ids: &[Option<Id>]) -> Result<Vec<View>> {
        let mut ids: Vec<&Id> = ids.iter().flatten().collect();
        ids.sort();
        ids.dedup();
        ids.into_iter().map(|id| self.view(id, Scope::Mounts)).collect()
    }
}

fn of(view: Option<&View>) -> Result<&View> {
    view.context("every container has a view")
}

impl<'a> Origin<'a> {
    fn on_host(root: &'a OwnedFd, given: &Path) -> Result<Self> {
        let missing = |error| not_on_host(given, error);
        let whole = std::path::absolute(given).map_err(missing)?;
        let real = std::fs::canonicalize(given).map_err(missing)?;
        let directory = real.is_dir();
        if given.as_os_str().as_bytes().ends_with(b"/") && !directory {
            return Err(missing(Errno::NOTDIR.into()));
        }
        let (parent, name) = split(relative(real.as_os_str().as_bytes()));
        let contents = directory && (is_contents(given.as_os_str().as_bytes()) || name.is_empty());
        let base = whole.file_name().map_or(name, OsStr::as_bytes).to_vec();
        let (parent, name) = (parent.to_vec(), name.to_vec());
        Ok(Self { root: root.as_fd(), view: None, parent, name, directory, contents, base })
    }

    fn in_container(view: &'a View, container: &str, given: &str) -> Result<Self> {
        let missing = |error| not_in(container, given, error);
        let whole = absolute(view, given);
        let (root, inner) = view.tree(&whole);
        let Resolved { path, missing: gone } = resolve(root, inner.as_bytes()).map_err(missing)?;
        if gone {
            return Err(missing(Errno::NOENT.into()));
        }
        let fd = open_in_root(root, OsStr::from_bytes(&path), OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
            .map_err(missing)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd).context("stat")?.st_mode);
        let directory = kind == FileType::Directory;
        if given.ends_with('/') && !directory {
            return Err(missing(Errno::NOTDIR.into()));
        }
        let kernels = rustix::fs::fstatfs(&fd).is_ok_and(|stat| KERNELS.contains(&stat.f_type));
        if kernels || !matches!(kind, FileType::Directory | FileType::RegularFile | FileType::Fifo) {
            let message = format!("{given:?} of container {container} is not a file that can be copied");
            return Err(Error::unsupported(message)
                .hint("what the kernel shows is read with `dhow exec CONTAINER cat FILE`")
                .into());
        }
        let (parent, name) = split(&path);
        let contents = directory && (is_contents(given.as_bytes()) || whole == "/");
        // The directory that a volume is mounted on may not be there yet, but it has a name.
        let base = if name.is_empty() { split(relative(whole.as_bytes())).1 } else { name }.to_vec();
        let (parent, name) = (parent.to_vec(), name.to_vec());
        Ok(Self { root, view: Some(view), parent, name, directory, contents, base })
    }

    /// The name in a stream; `None`: what is in the directory.
    fn own_name(&self) -> Option<&[u8]> {
        (!self.contents).then_some(&self.base[..])
    }

    /// Writes the archive of it, `name` at the top.
    fn pack(&self, name: Option<&[u8]>, out: impl Write + Send, nanoseconds: bool) -> Result<()> {
        let owner = |uid: u32, gid: u32| self.view.map_or((uid, gid), |view| view.owner_inside(uid, gid));
        let whole = self.view.is_some() && self.name.is_empty() && self.parent.is_empty();
        let options =
            PackOptions { owner: &owner, nanoseconds, skip: if whole { &NOT_ITS_OWN } else { &[] }, upper: false };
        let root = self.root;
        within(root, self.view.map(root_of), || {
            let mut packer = Packer::new(BufWriter::with_capacity(64 << 10, out), options);
            let open = |path: &[u8]| {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                open_in_root(root, OsStr::from_bytes(path), flags, Mode::empty())
                    .with_context(|| format!("open directory /{}", path.escape_ascii()))
            };
            match name {
                Some(name) if self.name.is_empty() => {
                    let dir = open(&self.parent)?;
                    packer.directory(dir.as_fd(), name)?;
                    packer.contents(dir.as_fd(), name)?;
                }
                Some(name) => packer.tree(open(&self.parent)?.as_fd(), OsStr::from_bytes(&self.name), name)?,
                None => packer.contents(open(&join(&self.parent, &self.name))?.as_fd(), b"")?,
            }
            packer.finish().map(drop)
        })
    }
}

/// The directory of the host that takes `origin`, and the name in it.
fn on_host(given: &Path, origin: &Origin<'_>) -> Result<(PathBuf, Option<Vec<u8>>)> {
    let missing = |error| not_on_host(given, error);
    let parent = || match given.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let name = || given.file_name().map(|name| name.as_bytes().to_vec());
    let slash = given.as_os_str().as_bytes().ends_with(b"/");
    match std::fs::metadata(given) {
        Ok(meta) if meta.is_dir() => Ok((given.to_path_buf(), origin.own_name().map(<[u8]>::to_vec))),
        Ok(meta) if !meta.is_file() => {
            let message = format!("invalid destination: {given:?} must be a directory or a regular file");
            Err(Error::invalid(message).into())
        }
        Ok(_) if origin.directory => Err(no_directory().into()),
        Ok(_) => Ok((parent(), name())),
        Err(error) if slash || error.kind() != std::io::ErrorKind::NotFound => Err(missing(error)),
        Err(error) => match std::fs::metadata(parent()) {
            // Contents need a directory to be in: it is made of theirs.
            Ok(meta) if meta.is_dir() => Ok((parent(), name())),
            _ => Err(missing(error)),
        },
    }
}

/// The place in a container for `origin`, or for the members of a stream.
fn in_container<'a>(view: &'a View, container: &str, given: &str, origin: Option<&Origin<'_>>) -> Result<Target<'a>> {
    let missing = |error| not_in(container, given, error);
    let only_directory = || Error::invalid("destination must be a directory when copying from stdin");
    let whole = absolute(view, given);
    let (root, inner) = view.tree(&whole);
    let Resolved { path, missing: gone } = match resolve(root, inner.as_bytes()) {
        Err(_) if origin.is_none() => return Err(only_directory().into()),
        done => done.map_err(missing)?,
    };
    let kind = if gone {
        None
    } else {
        let fd = open_in_root(root, OsStr::from_bytes(&path), OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
            .map_err(missing)?;
        Some(FileType::from_raw_mode(rustix::fs::fstat(&fd).context("stat")?.st_mode))
    };
    let view = Some(view);
    match (kind, origin) {
        (Some(FileType::Directory), None) => Ok(Target { root, view, parent: path, name: None }),
        (Some(FileType::Directory), Some(origin)) => {
            Ok(Target { root, view, parent: path, name: origin.own_name().map(<[u8]>::to_vec) })
        }
        (_, None) => Err(only_directory().into()),
        (None, _) if given.ends_with('/') => Err(missing(Errno::NOENT.into())),
        (Some(FileType::RegularFile), Some(origin)) if origin.directory => Err(no_directory().into()),
        (None | Some(FileType::RegularFile), Some(_)) if given.ends_with('/') => Err(missing(Errno::NOTDIR.into())),
        (None | Some(FileType::RegularFile), Some(_)) => {
            let (parent, name) = split(&path);
            Ok(Target { root, view, parent: parent.to_vec(), name: Some(name.to_vec()) })
        }
        (Some(_), Some(_)) => {
            let message = format!("invalid destination: {given:?} must be a directory or a regular file");
            Err(Error::invalid(message).into())
        }
    }
}

impl Target<'_> {
    /// Places the members of the archive that `source` gives.
    fn place(&self, request: &CopyRequest, source: impl Read + Send, foreign: bool) -> Result<()> {
        let user = match self.view.filter(|_| request.archive) {
            Some(view) => {
                let user = crate::runtime::user::lookup(view.root.as_fd(), &view.config.user, &[])?;
                Some(view.owner_outside(user.uid, user.gid))
            }
            None => None,
        };
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let owner = |uid: u32, gid: u32| match self.view {
            // What leaves a container belongs to who asked for it.
            None => own,
            Some(view) => user.unwrap_or_else(|| view.owner_outside(uid, gid)),
        };
        let options = PlaceOptions { owner: &owner, overwrite: request.overwrite, special: self.view.is_some() };
        within(self.root, self.view.map(root_of), || place(self.root, &self.parent, options, source, foreign))
    }
}

/// Places the members of an archive below a directory of a tree. A stream of ours is what it is; one that is foreign may be
/// compressed, or no archive.
pub(super) fn place(
    root: BorrowedFd<'_>,
    parent: &[u8],
    options: PlaceOptions<'_>,
    source: impl Read,
    foreign: bool,
) -> Result<()> {
    let source: Box<dyn Read> = if foreign { compression::reader(source)? } else { Box::new(source) };
    let mut archive = Archive::new(source, u64::MAX, false);
    let placed = Placer::new(root, parent.to_vec(), options).run(&mut archive);
    match placed {
        Ok(0) | Err(_) if foreign && archive.total() < 512 => Err(no_archive().into()),
        Err(error) if foreign && archive.total() > 0 && is_bad_header(&error) => Err(no_archive().into()),
        done => done.map(drop),
    }
}

/// Packs on one thread and places on another.
fn transfer(origin: &Origin<'_>, target: &Target<'_>, request: &CopyRequest) -> Result<()> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
    // Only a wish: an ordinary user may have too many pipes already.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE);
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| origin.pack(target.name.as_deref(), File::from(write), true));
        let placed = target.place(request, File::from(read), false);
        let packed = packing.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the packing thread panicked")));
        match (packed, placed) {
            // The other side is gone and says why.
            (Err(error), Err(placed)) if is_broken_pipe(&error) => Err(placed),
            (packed, placed) => packed.and(placed),
        }
    })
}

/// Who the root of a container is here.
fn root_of(view: &View) -> (u32, u32) {
    view.owner_outside(0, 0)
}

/// Runs `work` with the root of a container as its own root, as the user and group that are `owner`s in there.
fn within<T: Send>(
    root: BorrowedFd<'_>,
    owner: Option<(u32, u32)>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    match owner {
        None => work(),
        Some((0, 0)) => apart::in_root(root, work).context("enter the files of the container")?,
        Some(owner) => apart::in_root_as(root, owner, work).context("enter the files of the container")?,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn is_bad_header(error: &anyhow::Error) -> bool {
    error.to_string().starts_with("invalid archive: ")
}

fn tree(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open directory {}", path.display()))
}

/// A path of a container: relative ones begin where its command does.
fn absolute(view: &View, given: &str) -> String {
    let from = if view.config.workdir.is_empty() { "/" } else { &view.config.workdir };
    let whole = if given.starts_with('/') { given.to_owned() } else { format!("{from}/{given}") };
    let parts: Vec<&str> = whole.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/"))
}

fn relative(path: &[u8]) -> &[u8] {
    path.strip_prefix(b"/").unwrap_or(path)
}

/// `.` at the end: what is in the directory.
fn is_contents(path: &[u8]) -> bool {
    path == b"." || path.ends_with(b"/.")
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn no_directory() -> Error {
    Error::invalid("destination must be a directory when copying a directory")
}

fn no_archive() -> Error {
    Error::invalid("source must be a (compressed) tar archive when copying from stdin")
}

fn not_on_host(path: &Path, error: std::io::Error) -> anyhow::Error {
    Error::not_found(format!("{path:?} could not be found on the host: {}", words(&error))).into()
}

fn not_in(container: &str, path: &str, error: std::io::Error) -> anyhow::Error {
    Error::not_found(format!("{path:?} could not be found on container {container}: {}", words(&error))).into()
}

/// The kernel's words as podman has them.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// R4: whatever is named by a path while a container's files are worked on is named in there.
    #[test]
    fn the_root_of_the_work_is_the_containers() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = std::env::temp_dir().join(format!("dhow-copy-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("inside")).unwrap();
        let root = std::fs::File::open(&dir).unwrap();
        let sees = |container| within(root.as_fd(), container, || Ok(Path::new("/inside").is_dir())).unwrap();
        assert!(sees(Some((0, 0))) && sees(Some((100_000, 100_001))) && !sees(None));
        let made = || Ok(std::fs::create_dir("/made")?);
        within(root.as_fd(), Some((100_000, 100_001)), made).unwrap();
        let stat = std::fs::metadata(dir.join("made")).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (100_000, 100_001));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
