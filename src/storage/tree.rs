//! Whole trees by directory descriptors: remove, measure, pass on attributes.
//!
//! The trees are foreign (a layer, what a container wrote): no component is followed, no mount is entered, depth has no
//! bound that memory or descriptors would feel.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Dir, FileType, IFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use crate::sys::btrfs;

/// Directories deeper than this are moved to the top of the tree before they are emptied.
const DEPTH: usize = 64;

/// Opens a directory that is ours by its path; its last component must not be a link.
pub(crate) fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open directory {}", path.display()))
}

/// Opens the directory `name` of `dir`, never through a link and never across a mount point.
pub(crate) fn open_child(dir: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(dir, name, flags, Mode::empty(), resolve)
}

/// The names in a directory with what they are.
pub(crate) fn entries(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            kind = FileType::from_raw_mode(stat.st_mode);
        }
        names.push((OsStr::from_bytes(name).to_owned(), kind));
    }
    Ok(names)
}

/// Removes the tree or file at `path`, a place of ours. That it is gone already is success.
pub(crate) fn remove_path(path: &Path) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        anyhow::bail!("remove {}: not a name in a directory", path.display());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        done => done.with_context(|| format!("open directory {}", parent.display()))?,
    };
    remove(parent.as_fd(), name).with_context(|| format!("remove {}", path.display()))
}

/// Removes `name` of `dir` and, of a directory, all below it.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
    // Somebody who is about to die may still write: a few rounds, then the error is told.
    for _ in 0..8 {
        match (Removal { top: None, moved: 0 }).entry(dir, name, None, 0) {
            Err(Errno::NOTEMPTY) => {}
            done => return done.with_context(|| format!("remove {}", name.display())),
        }
    }
    Err(Errno::NOTEMPTY).with_context(|| format!("remove {}", name.display()))
}

/// One removal: the directory at its top takes what lies too deep.
struct Removal {
    top: Option<OwnedFd>,
    moved: u64,
}

impl Removal {
    fn entry(&mut self, dir: BorrowedFd<'_>, name: &OsStr, kind: Option<FileType>, depth: usize) -> Result<(), Errno> {
        if kind != Some(FileType::Directory) {
            match unlink(dir, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => {}
                // ext4 and others answer EPERM for a directory.
                Err(Errno::PERM) if is_directory(dir, name) => {}
                done => return done,
            }
        }
        // Most directories that a container left are empty.
        if depth > 0 && rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        if depth > DEPTH
            && let Some(top) = &self.top
        {
            // The round at the top finds it again: neither descriptors nor the stack grow with the depth.
            self.moved += 1;
            let aside = format!(".removed.{}.{}", std::process::id(), self.moved);
            return match rustix::fs::renameat(dir, name, top, aside.as_str()) {
                Err(Errno::NOENT) => Ok(()),
                done => done,
            };
        }
        let child = match open_child(dir, name) {
            Err(Errno::NOENT) => return Ok(()),
            // A user namespace without the owner's id, or no capability: the mode decides then.
            Err(Errno::ACCESS) => {
                widen(dir, name)?;
                open_child(dir, name)?
            }
            done => done?,
        };
        if btrfs::is_subvolume(&child) && btrfs::destroy(dir, name).is_ok() {
            return Ok(());
        }
        if depth == 0 {
            self.top = Some(child.try_clone().map_err(|_| Errno::MFILE)?);
        }
        loop {
            let names = entries(child.as_fd())?;
            if names.is_empty() {
                break;
            }
            for (inner, kind) in names {
                match self.entry(child.as_fd(), &inner, Some(kind), depth + 1) {
                    Err(Errno::ACCESS) => {
                        rustix::fs::fchmod(&child, Mode::RWXU)?;
                        self.entry(child.as_fd(), &inner, Some(kind), depth + 1)?;
                    }
                    done => done?,
                }
            }
            if depth > 0 {
                break;
            }
        }
        drop(child);
        unlink(dir, name, AtFlags::REMOVEDIR)
    }
}

/// Gives the owner all of a directory's rights, without following a link that takes its place.
fn widen(dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    rustix::fs::chmod(crate::sys::path::fd_path(&fd), Mode::RWXU)
}

fn is_directory(dir: BorrowedFd<'_>, name: &OsStr) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Unlinks; an immutable or append-only mark is taken off first, on the entry or on its directory.
fn unlink(dir: BorrowedFd<'_>, name: &OsStr, flags: AtFlags) -> Result<(), Errno> {
    match rustix::fs::unlinkat(dir, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::PERM) => {
            let mut changed = false;
            let open = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            for name in [name, OsStr::new(".")] {
                // Only files and directories have the marks; a device must not be opened.
                let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Directory) {
                    continue;
                }
                let Ok(fd) = rustix::fs::openat(dir, name, open, Mode::empty()) else { continue };
                let Ok(marks) = rustix::fs::ioctl_getflags(&fd) else { continue };
                let held = IFlags::IMMUTABLE | IFlags::APPEND;
                if marks.intersects(held) && rustix::fs::ioctl_setflags(&fd, marks - held).is_ok() {
                    changed = true;
                }
            }
            if !changed {
                return Err(Errno::PERM);
            }
            match rustix::fs::unlinkat(dir, name, flags) {
                Err(Errno::NOENT) => Ok(()),
                done => done,
            }
        }
        done => done,
    }
}

/// Gives directory or file `to` the owner, mode, attributes and times of `from`; overlay's own attributes stay behind.
pub(crate) fn copy_metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let stat = rustix::fs::fstat(from).context("stat")?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
    rustix::fs::fchown(to, Some(uid), Some(gid)).context("chown")?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode)).context("chmod")?;
    for (name, value) in attributes(from)? {
        match rustix::fs::fsetxattr(to, name.as_bytes(), &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(errno) => return Err(errno).context("set extended attribute"),
        }
    }
    rustix::fs::futimens(to, &times(&stat)).context("set times")
}

/// The times of `stat`, to be set elsewhere.
pub(crate) fn times(stat: &rustix::fs::Stat) -> Timestamps {
    let spec =
        |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: spec(stat.st_atime, stat.st_atime_nsec),
        last_modification: spec(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// The extended attributes of an open file, without overlay's own. None where the file system has none.
pub(crate) fn attributes(fd: BorrowedFd<'_>) -> Result<Vec<(OsString, Vec<u8>)>> {
    let mut found = all_attributes(fd)?;
    found.retain(|(name, _)| !super::whiteout::internal(name.as_bytes()));
    Ok(found)
}

/// The extended attributes of an open file. None where the file system has none.
pub(crate) fn all_attributes(fd: BorrowedFd<'_>) -> Result<Vec<(OsString, Vec<u8>)>> {
    let mut names = Vec::new();
    loop {
        let needed = match rustix::fs::flistxattr_query(fd) {
            Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            done => done.context("list extended attributes")?,
        };
        names.resize(needed, 0_u8);
        match rustix::fs::flistxattr(fd, &mut names[..]) {
            Ok(length) => {
                names.truncate(length);
                break;
            }
            // One more came meanwhile.
            Err(Errno::RANGE) => {}
            Err(errno) => return Err(errno).context("list extended attributes"),
        }
    }
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // No attribute is larger (XATTR_SIZE_MAX).
        let mut value = vec![0_u8; 64 << 10];
        match rustix::fs::fgetxattr(fd, name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            Err(Errno::NODATA | Errno::PERM | Errno::OPNOTSUPP) => continue,
            Err(errno) => return Err(errno).context("read extended attribute"),
        }
        found.push((OsStr::from_bytes(name).to_owned(), value));
    }
    Ok(found)
}

/// What a tree takes: bytes on the disk and inodes, a file with several names once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
}

/// Measures the tree below `dir`, itself included.
pub(crate) fn usage(dir: BorrowedFd<'_>) -> Result<Usage> {
    let mut usage = Usage::default();
    let mut linked = HashSet::new();
    let stat = rustix::fs::fstat(dir).context("stat directory")?;
    add(&mut usage, &mut linked, &stat);
    // Paths from the top, not descriptors: the depth is foreign.
    let mut waiting = vec![OsString::from(".")];
    while let Some(path) = waiting.pop() {
        let fd = match open_child(dir, &path) {
            Ok(fd) => fd,
            // Gone meanwhile, a mount, or closed to us: not counted.
            Err(Errno::NOENT | Errno::XDEV | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => {
                continue;
            }
            Err(errno) => return Err(errno).with_context(|| format!("open directory {}", path.display())),
        };
        for (name, kind) in entries(fd.as_fd()).with_context(|| format!("read directory {}", path.display()))? {
            let Ok(stat) = rustix::fs::statat(&fd, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            add(&mut usage, &mut linked, &stat);
            if kind == FileType::Directory {
                let mut below = path.clone();
                below.push("/");
                below.push(&name);
                waiting.push(below);
            }
        }
    }
    Ok(usage)
}

fn add(usage: &mut Usage, linked: &mut HashSet<(u64, u64)>, stat: &rustix::fs::Stat) {
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if stat.st_nlink > 1 && !directory && !linked.insert((stat.st_dev, stat.st_ino)) {
        return;
    }
    usage.inodes += 1;
    usage.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn removes_deep_closed_and_linked_trees() {
        let root = std::env::temp_dir().join(format!("dhow-tree-{}", std::process::id()));
        std::fs::create_dir_all(root.join("victim/closed/inner")).unwrap();
        std::fs::write(root.join("kept"), "kept").unwrap();
        std::os::unix::fs::symlink("../kept", root.join("victim/link")).unwrap();
        std::os::unix::fs::symlink("..", root.join("victim/up")).unwrap();
        std::fs::write(root.join("victim/closed/inner/file"), "x").unwrap();
        std::fs::set_permissions(root.join("victim/closed"), PermissionsExt::from_mode(0o0)).unwrap();
        let mut at = open(&root.join("victim")).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "deep", Mode::RWXU).unwrap();
            at = open_child(at.as_fd(), OsStr::new("deep")).unwrap();
        }
        drop(at);
        remove_path(&root.join("victim")).unwrap();
        remove_path(&root.join("victim")).unwrap();
        remove_path(&root.join("none/none")).unwrap();
        assert!(!root.join("victim").exists());
        assert_eq!(std::fs::read_to_string(root.join("kept")).unwrap(), "kept");
        remove_path(&root).unwrap();
    }

    #[test]
    fn attributes_go_along_but_overlays_own() {
        let root = std::env::temp_dir().join(format!("dhow-attributes-{}", std::process::id()));
        for name in ["from", "to"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let (from, to) = (open(&root.join("from")).unwrap(), open(&root.join("to")).unwrap());
        for (name, value) in [("user.one", &b"1"[..]), ("user.overlay.opaque", b"y"), ("user.empty", b"")] {
            match rustix::fs::fsetxattr(&from, name, value, XattrFlags::empty()) {
                Err(Errno::OPNOTSUPP) => {
                    eprintln!("skipped: no user attributes on this file system");
                    return remove_path(&root).unwrap();
                }
                done => done.unwrap(),
            }
        }
        copy_metadata(from.as_fd(), to.as_fd()).unwrap();
        let mut found = all_attributes(to.as_fd()).unwrap();
        found.sort();
        assert_eq!(found, [("user.empty".into(), Vec::new()), ("user.one".into(), b"1".to_vec())]);
        assert_eq!(all_attributes(from.as_fd()).unwrap().len(), 3);
        remove_path(&root).unwrap();
    }

    #[test]
    fn counts_linked_files_once() {
        let root = std::env::temp_dir().join(format!("dhow-usage-{}", std::process::id()));
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/one"), vec![1; 8192]).unwrap();
        let one = usage(open(&root).unwrap().as_fd()).unwrap();
        std::fs::hard_link(root.join("a/one"), root.join("a/b/two")).unwrap();
        let two = usage(open(&root).unwrap().as_fd()).unwrap();
        assert_eq!((one.inodes, two.inodes), (4, 4));
        assert!(two.bytes >= 8192 && two.bytes == one.bytes);
        remove_path(&root).unwrap();
    }
}
