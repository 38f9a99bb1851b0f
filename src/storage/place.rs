//! The members of a tar stream are placed in a tree that is in use: what `cp` writes.
//!
//! The tree may be a container's whose processes exchange names while we work. Each parent is one look-up with the tree's
//! root as `/`; what is made is new (`O_EXCL`) and is finished by its descriptor; of what cannot be opened, the descriptor
//! without rights (`O_PATH`) must be of the kind that was made. Modes and times of directories are set at the end, on the
//! very directories that were met before. The caller's umask must be empty.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::member::{Archive, Kind, Member, Time};
use super::{tree, whiteout};
use crate::model::error::Error;
use crate::sys::path::open_in_root;

/// Directories that wait for their mode and time. More than these are finished as they come.
const WAITING: usize = 1 << 20;

/// How members are placed.
#[derive(Clone, Copy)]
pub(crate) struct PlaceOptions<'a> {
    /// The owner on the disk, by the member's ids.
    pub(crate) owner: super::pack::Owner<'a>,
    /// A directory may take the place of another kind of file, and the other way round.
    pub(crate) overwrite: bool,
    /// Device nodes, set-id bits and capabilities are kept: not where another's files get our owner.
    pub(crate) special: bool,
}

/// A directory whose mode and time wait for the end.
struct Waiting {
    path: Vec<u8>,
    device: u64,
    inode: u64,
    mode: u32,
    mtime: Time,
}

/// Places members below a directory of a tree.
pub(crate) struct Placer<'a> {
    root: BorrowedFd<'a>,
    /// The directory that members go to, below the root.
    base: Vec<u8>,
    options: PlaceOptions<'a>,
    /// The last parent, which is most often the next one's too.
    parent: Option<(Vec<u8>, OwnedFd)>,
    waiting: Vec<Waiting>,
}

impl<'a> Placer<'a> {
    pub(crate) fn new(root: BorrowedFd<'a>, base: Vec<u8>, options: PlaceOptions<'a>) -> Self {
        Self { root, base, options, parent: None, waiting: Vec::new() }
    }

    /// Places every member. Returns how many there were.
    pub(crate) fn run(mut self, archive: &mut Archive<impl Read>) -> Result<u64> {
        let mut count = 0;
        while let Some(member) = archive.next()? {
            count += 1;
            let components = components(&member.path)?;
            // The directory itself stays as it is.
            let Some((name, parents)) = components.split_last() else { continue };
            let path = self.below(parents);
            self.member(&path, name, &member, archive)?;
        }
        for waiting in std::mem::take(&mut self.waiting).into_iter().rev() {
            self.finish_directory(&waiting)?;
        }
        Ok(count)
    }

    fn below(&self, components: &[&[u8]]) -> Vec<u8> {
        let mut path = self.base.clone();
        for component in components {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        path
    }

    fn member(&mut self, path: &[u8], name: &[u8], member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        let dir = match self.parent.take() {
            Some((known, dir)) if known == path => dir,
            _ => self.open_parent(path)?,
        };
        let place = Place { dir: dir.as_fd(), parent: path, name };
        self.create(&place, member, archive)?;
        self.parent = Some((path.to_vec(), dir));
        Ok(())
    }

    /// Opens the directory at `path`; what is missing on the way is made.
    fn open_parent(&self, path: &[u8]) -> Result<OwnedFd> {
        match self.open_directory(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => return done.with_context(|| format!("open directory /{}", show(path))),
        }
        let mut end = 0;
        loop {
            end = path[end..].iter().position(|byte| *byte == b'/').map_or(path.len(), |at| end + at);
            let (above, name) = split(&path[..end]);
            let parent = self.open_directory(above).with_context(|| format!("open directory /{}", show(above)))?;
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => {
                    let fd = open_own(parent.as_fd(), name)?;
                    let (uid, gid) = (self.options.owner)(0, 0);
                    chown(&fd, uid, gid).with_context(|| format!("chown /{}", show(&path[..end])))?;
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).with_context(|| format!("mkdir /{}", show(&path[..end]))),
            }
            if end == path.len() {
                return self.open_directory(path).with_context(|| format!("open directory /{}", show(path)));
            }
            end += 1;
        }
    }

    fn open_directory(&self, path: &[u8]) -> std::io::Result<OwnedFd> {
        open_in_root(self.root, OsStr::from_bytes(path), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
    }

    fn create(&mut self, place: &Place<'_>, member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        let owner = (self.options.owner)(member.uid, member.gid);
        match member.kind {
            Kind::Directory => self.directory(place, member, owner),
            Kind::File => self.file(place, member, owner, archive).with_context(|| place.doing("write")),
            Kind::Symlink => {
                let target = OsStr::from_bytes(&member.link);
                self.make(place, |dir, name| rustix::fs::symlinkat(target, dir, name))?;
                self.finish_special(place, FileType::Symlink, 0, member, owner)
            }
            Kind::HardLink => self.hard_link(place, member),
            Kind::Fifo => self.node(place, FileType::Fifo, 0, member, owner),
            Kind::Char { .. } | Kind::Block { .. } if !self.options.special => Ok(()),
            // To overlayfs it is a whiteout.
            Kind::Char { major: 0, minor: 0 } => Ok(()),
            Kind::Char { major, minor } => {
                self.node(place, FileType::CharacterDevice, rustix::fs::makedev(major, minor), member, owner)
            }
            Kind::Block { major, minor } => {
                self.node(place, FileType::BlockDevice, rustix::fs::makedev(major, minor), member, owner)
            }
        }
    }

    fn directory(&mut self, place: &Place<'_>, member: &Member, (uid, gid): (u32, u32)) -> Result<()> {
        let path = place.path();
        let fd = loop {
            match rustix::fs::mkdirat(place.dir, place.name, Mode::RWXU) {
                Ok(()) => break open_own(place.dir, place.name).with_context(|| place.doing("open"))?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno).with_context(|| place.doing("mkdir")),
            }
            // A directory that is there takes the members, also one that a link of the tree leads to.
            match self.open_directory(&path) {
                Ok(fd) => break fd,
                Err(error) if error.kind() == std::io::ErrorKind::NotADirectory || is_missing(&error) => {}
                Err(error) => return Err(error).with_context(|| place.doing("open")),
            }
            if !self.options.overwrite {
                let path = show(&path);
                return Err(Error::conflict(format!("error creating \"/{path}\": mkdir /{path}: file exists"))
                    .hint("--overwrite replaces it by the directory")
                    .into());
            }
            remove(place)?;
        };
        chown(&fd, uid, gid).with_context(|| place.doing("chown"))?;
        self.set_attributes(&fd, member).with_context(|| place.doing("set attributes of"))?;
        let stat = rustix::fs::fstat(&fd).with_context(|| place.doing("stat"))?;
        let waiting = Waiting { path, device: stat.st_dev, inode: stat.st_ino, mode: member.mode, mtime: member.mtime };
        if self.waiting.len() >= WAITING {
            return self.finish_directory(&waiting);
        }
        self.waiting.push(waiting);
        Ok(())
    }

    fn finish_directory(&self, waiting: &Waiting) -> Result<()> {
        let Ok(fd) = self.open_directory(&waiting.path) else { return Ok(()) };
        let stat = rustix::fs::fstat(&fd).context("stat")?;
        if (stat.st_dev, stat.st_ino) != (waiting.device, waiting.inode) {
            // Somebody put another one there.
            return Ok(());
        }
        rustix::fs::fchmod(&fd, self.mode(waiting.mode))
            .and_then(|()| rustix::fs::futimens(&fd, &times(waiting.mtime)))
            .with_context(|| format!("set the mode of /{}", show(&waiting.path)))
    }

    fn file(
        &self,
        place: &Place<'_>,
        member: &Member,
        (uid, gid): (u32, u32),
        archive: &mut Archive<impl Read>,
    ) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = |dir: BorrowedFd<'_>, name: &[u8]| rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR);
        let fd = match self.try_make(place, create)? {
            Made::New(fd) => fd,
            // A file that is mounted on its own cannot be replaced: its content is.
            Made::Busy => {
                let fd = open_mounted(place)?;
                return write(&fd, member, archive);
            }
        };
        write(&fd, member, archive)?;
        chown(&fd, uid, gid)?;
        rustix::fs::fchmod(&fd, self.mode(member.mode))?;
        self.set_attributes(&fd, member)?;
        Ok(rustix::fs::futimens(&fd, &times(member.mtime))?)
    }

    fn node(&self, place: &Place<'_>, kind: FileType, device: u64, member: &Member, owner: (u32, u32)) -> Result<()> {
        let mode = self.mode(member.mode);
        self.make(place, |dir, name| rustix::fs::mknodat(dir, name, kind, mode, device))?;
        self.finish_special(place, kind, device, member, owner)
    }

    /// Owner and times of what cannot be opened, if it still is what was made.
    fn finish_special(
        &self,
        place: &Place<'_>,
        kind: FileType,
        device: u64,
        member: &Member,
        (uid, gid): (u32, u32),
    ) -> Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            rustix::fs::openat(place.dir, place.name, flags, Mode::empty()).with_context(|| place.doing("open"))?;
        let stat = rustix::fs::fstat(&fd).with_context(|| place.doing("stat"))?;
        if FileType::from_raw_mode(stat.st_mode) != kind || stat.st_nlink != 1 || stat.st_rdev != device {
            return Err(Error::conflict(format!("/{} changed while it was made", show(&place.path()))).into());
        }
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(&fd, "", uid, gid, AtFlags::EMPTY_PATH)
            .and_then(|()| rustix::fs::utimensat(&fd, "", &times(member.mtime), AtFlags::EMPTY_PATH))
            .with_context(|| place.doing("set the owner of"))
    }

    fn mode(&self, mode: u32) -> Mode {
        Mode::from_raw_mode(if self.options.special { mode } else { mode & !0o6000 })
    }

    /// A file system without attributes, or a kind that only the host's root may set, keeps none.
    fn set_attributes(&self, fd: &OwnedFd, member: &Member) -> rustix::io::Result<()> {
        for (name, value) in &member.xattrs {
            if whiteout::internal(name) || (!self.options.special && name.starts_with(b"security.")) {
                continue;
            }
            match rustix::fs::fsetxattr(fd, &name[..], value, XattrFlags::empty()) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn hard_link(&self, place: &Place<'_>, member: &Member) -> Result<()> {
        let target = components(&member.link)?;
        let Some((name, parents)) = target.split_last() else {
            return Err(Error::invalid(format!("{}: a hard link to nothing", show(&member.path))).into());
        };
        let from = self.open_directory(&self.below(parents)).with_context(|| place.doing("open the target of"))?;
        let stat = rustix::fs::statat(&from, *name, AtFlags::SYMLINK_NOFOLLOW)
            .with_context(|| place.doing("find the target of"))?;
        let own = rustix::fs::statat(place.dir, place.name, AtFlags::SYMLINK_NOFOLLOW);
        if own.is_ok_and(|own| (own.st_dev, own.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        self.make(place, |dir, to| rustix::fs::linkat(&from, *name, dir, to, AtFlags::empty()))
    }

    fn make(&self, place: &Place<'_>, make: impl FnMut(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<()>) -> Result<()> {
        match self.try_make(place, make).with_context(|| place.doing("create"))? {
            Made::New(()) => Ok(()),
            Made::Busy => Err(Errno::BUSY).with_context(|| place.doing("replace")),
        }
    }

    /// Makes a name that is new; what has it goes first.
    fn try_make<T>(
        &self,
        place: &Place<'_>,
        mut make: impl FnMut(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<Made<T>> {
        // Somebody may make the name anew each time: a few rounds.
        for _ in 0..8 {
            match make(place.dir, place.name) {
                Ok(made) => return Ok(Made::New(made)),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let stat = match rustix::fs::statat(place.dir, place.name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                done => done?,
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                if !self.options.overwrite {
                    let message = format!("error creating \"/{}\": file exists", show(&place.path()));
                    return Err(Error::conflict(message).hint("--overwrite replaces the directory").into());
                }
                remove(place)?;
                continue;
            }
            match rustix::fs::unlinkat(place.dir, place.name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::BUSY) => return Ok(Made::Busy),
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EXIST.into())
    }
}

enum Made<T> {
    New(T),
    /// Something is mounted there.
    Busy,
}

/// Where a member goes.
struct Place<'a> {
    dir: BorrowedFd<'a>,
    /// The path of that directory below the root.
    parent: &'a [u8],
    name: &'a [u8],
}

impl Place<'_> {
    fn path(&self) -> Vec<u8> {
        if self.parent.is_empty() { self.name.to_vec() } else { [self.parent, b"/", self.name].concat() }
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} /{}", show(&self.path()))
    }
}

fn remove(place: &Place<'_>) -> Result<()> {
    tree::remove(place.dir, OsStr::from_bytes(place.name))
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::LOOP))
}

/// Opens a directory that was made a moment ago, never through a link.
fn open_own(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn open_mounted(place: &Place<'_>) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(place.dir, place.name, flags, Mode::empty())?;
    let stat: Stat = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::BUSY.into());
    }
    Ok(fd)
}

fn write(fd: &OwnedFd, member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
    let whole = [super::member::Piece { offset: 0, length: member.size }];
    for piece in member.sparse.as_deref().unwrap_or(&whole) {
        rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(piece.offset))?;
        let mut left = piece.length;
        while left > 0 {
            let mut bytes = archive.data(left)?;
            left -= bytes.len() as u64;
            while !bytes.is_empty() {
                match rustix::io::write(fd, bytes) {
                    Ok(length) => bytes = &bytes[length..],
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
    }
    if member.sparse.is_some() {
        rustix::fs::ftruncate(fd, member.size)?;
    }
    Ok(())
}

fn chown(fd: &OwnedFd, uid: u32, gid: u32) -> rustix::io::Result<()> {
    rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn times(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// The parts of a member's path; `..` is refused.
fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    let mut components = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(Error::invalid(format!("the path {} leaves its directory", show(path))).into()),
            name => components.push(name),
        }
    }
    Ok(components)
}

#[cfg(test)]
mod tests;
