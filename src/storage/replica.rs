//! Copies of trees, file by file; the data is shared where the file system can.
//!
//! One is either a layer as it is, whiteouts and all, or layers one upon the other as a mount of them would show them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::{tree, whiteout};
use crate::model::container::IdRange;
use crate::model::error::Error;
use crate::model::idmap::IdMaps;

/// Copies what is in `from` into the empty directory `to`, which becomes like `from` itself. With `maps` every owner
/// becomes what they say.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, maps: Option<&IdMaps>) -> Result<()> {
    Copy { from, to, maps, merges: false, linked: HashMap::new(), clones: true }.run()
}

/// Lays a layer upon the tree `to`, as overlayfs would show the two.
pub(crate) fn merge(layer: BorrowedFd<'_>, to: BorrowedFd<'_>, maps: Option<&IdMaps>) -> Result<()> {
    Copy { from: layer, to, maps, merges: true, linked: HashMap::new(), clones: true }.run()
}

/// Copies the data and leaves the holes. lseek(2), "Seeking file data and holes".
fn pieces(source: &mut File, copy: &mut File) -> std::io::Result<()> {
    let size = source.metadata()?.len();
    let mut at = 0;
    while at < size {
        at = match rustix::fs::seek(&*source, SeekFrom::Data(at)) {
            // The rest is a hole.
            Err(Errno::NXIO) => break,
            // The file system does not tell: all of it is data.
            Err(Errno::INVAL) => at,
            found => found?,
        };
        let end = rustix::fs::seek(&*source, SeekFrom::Hole(at)).unwrap_or(size);
        rustix::fs::seek(&*source, SeekFrom::Start(at))?;
        rustix::fs::seek(&*copy, SeekFrom::Start(at))?;
        if std::io::copy(&mut source.take(end - at), copy)? == 0 {
            break;
        }
        at = end;
    }
    copy.set_len(size)
}

/// One copy of a tree.
struct Copy<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    maps: Option<&'a IdMaps>,
    /// `to` has the layers below: what is there is replaced, and what is taken away goes.
    merges: bool,
    /// Files with several names, by inode: the directory and the name of the first.
    linked: HashMap<u64, (OsString, OsString)>,
    /// Whether the file system shares data, as far as we know.
    clones: bool,
}

impl Copy<'_> {
    /// Directories wait as paths from the top: their depth is the image's. They get their attributes when they are full.
    fn run(&mut self) -> Result<()> {
        let mut directories = vec![OsString::from(".")];
        let mut next = 0;
        while let Some(path) = directories.get(next).cloned() {
            next += 1;
            let (from, to) = self.both(&path)?;
            for (name, kind) in tree::entries(from.as_fd()).context("list a directory")? {
                let describe = || format!("copy {}/{}", path.display(), name.display());
                if kind == FileType::Directory {
                    self.directory(&from, &to, &name).with_context(describe)?;
                    let mut inner = path.clone();
                    inner.push("/");
                    inner.push(&name);
                    directories.push(inner);
                } else {
                    self.entry(&from, &to, &path, &name, kind).with_context(describe)?;
                }
            }
        }
        for path in directories.iter().rev() {
            let (from, to) = self.both(path)?;
            self.attributes(&from, &to).with_context(|| format!("set the attributes of {}", path.display()))?;
        }
        Ok(())
    }

    fn directory(&self, from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> Result<()> {
        match rustix::fs::mkdirat(to, name, Mode::RWXU) {
            Err(Errno::EXIST) if self.merges => {}
            made => return Ok(made?),
        }
        let there = rustix::fs::statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let upon = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
        if upon && !whiteout::is_opaque(tree::open_child(from.as_fd(), name)?.as_fd())? {
            return Ok(());
        }
        tree::remove(to.as_fd(), name)?;
        Ok(rustix::fs::mkdirat(to, name, Mode::RWXU)?)
    }

    fn both(&self, path: &OsStr) -> Result<(OwnedFd, OwnedFd)> {
        let open = |dir| tree::open_child(dir, path).with_context(|| format!("open directory {}", path.display()));
        Ok((open(self.from)?, open(self.to)?))
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, path: &OsStr, name: &OsStr, kind: FileType) -> Result<()> {
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if self.merges {
            tree::remove(to.as_fd(), name)?;
            if whiteout::is_whiteout(&stat) {
                return Ok(());
            }
        }
        if stat.st_nlink > 1 {
            if let Some((first, known)) = self.linked.get(&stat.st_ino) {
                let first = tree::open_child(self.to, first).context("open the directory of the first name")?;
                return Ok(rustix::fs::linkat(&first, known, to, name, AtFlags::empty())?);
            }
            self.linked.insert(stat.st_ino, (path.to_owned(), name.to_owned()));
        }
        match kind {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let copy = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
                let (source, copy) = self.data(source, copy)?;
                self.attributes(&source, &copy)
            }
            FileType::Symlink => {
                let text = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&text, to, name)?;
                self.own_name(to, name, &stat)
            }
            FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice | FileType::Socket => {
                rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?;
                self.own_name(to, name, &stat)?;
                // The umask took its part when the node was made.
                Ok(rustix::fs::chmodat(to, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?)
            }
            FileType::Directory | FileType::Unknown => Ok(()),
        }
    }

    fn data(&mut self, source: OwnedFd, copy: OwnedFd) -> Result<(OwnedFd, OwnedFd)> {
        if self.clones {
            match rustix::fs::ioctl_ficlone(&copy, &source) {
                Ok(()) => return Ok((source, copy)),
                Err(Errno::OPNOTSUPP | Errno::XDEV | Errno::NOTTY | Errno::INVAL) => self.clones = false,
                Err(errno) => return Err(errno).context("share data"),
            }
        }
        let (mut source, mut copy) = (File::from(source), File::from(copy));
        pieces(&mut source, &mut copy).context("copy data")?;
        Ok((source.into(), copy.into()))
    }

    fn owner(&self, stat: &Stat) -> Result<(Uid, Gid)> {
        let Some(maps) = self.maps else { return Ok((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))) };
        // Who is not mapped is nobody inside, as on a mapped mount: ours, where the container does not have us.
        let nobody =
            |ranges: &[IdRange]| (!ranges.iter().any(|range| range.outside == 0 && range.size > 0)).then_some(0);
        let uid = maps.outside_uid(stat.st_uid).or_else(|| nobody(&maps.uids));
        let gid = maps.outside_gid(stat.st_gid).or_else(|| nobody(&maps.gids));
        let (Some(uid), Some(gid)) = (uid, gid) else {
            let message = format!(
                "potentially insufficient UIDs or GIDs available in user namespace (requested {}:{})",
                stat.st_uid, stat.st_gid
            );
            bail!(Error::invalid(message).hint("give the user namespace more ids"));
        };
        Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
    }

    fn own_name(&self, dir: &OwnedFd, name: &OsStr, stat: &Stat) -> Result<()> {
        let (uid, gid) = self.owner(stat)?;
        rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).context("chown")?;
        let set = rustix::fs::utimensat(dir, name, &tree::times(stat), AtFlags::SYMLINK_NOFOLLOW);
        set.context("set times")
    }

    /// Owner first: the change of owner takes set-user-id bits and capabilities away.
    fn attributes(&self, from: &OwnedFd, to: &OwnedFd) -> Result<()> {
        let stat = rustix::fs::fstat(from).context("stat")?;
        let (uid, gid) = self.owner(&stat)?;
        rustix::fs::fchown(to, Some(uid), Some(gid)).context("chown")?;
        if self.merges {
            // Nothing of a directory below shines through.
            for (name, _) in tree::all_attributes(to.as_fd())? {
                rustix::fs::fremovexattr(to, name.as_bytes()).context("remove extended attribute")?;
            }
        }
        for (name, value) in tree::all_attributes(from.as_fd())? {
            if self.merges && whiteout::internal(name.as_bytes()) {
                continue;
            }
            match rustix::fs::fsetxattr(to, name.as_bytes(), &value, XattrFlags::empty()) {
                Ok(()) => {}
                // Without overlay's own the layer would mean something else.
                Err(Errno::OPNOTSUPP | Errno::PERM) if !whiteout::internal(name.as_bytes()) => {}
                Err(errno) => return Err(errno).context("set extended attribute"),
            }
        }
        rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777)).context("chmod")?;
        rustix::fs::futimens(to, &tree::times(&stat)).context("set times")
    }
}
