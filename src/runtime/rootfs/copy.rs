//! `tmpcopyup`: fills a new tmpfs with what the directory below it holds. Both trees are walked by descriptor, links
//! are copied and never followed, device nodes and sockets are left out.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::sys::path::open_beneath;

/// How deep directories may lie in one another.
const MAX_DEPTH: u32 = 128;

/// Copies all that is in directory `from` (an `O_PATH` descriptor will do), its owner and mode into `to`.
pub(crate) fn contents(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    directory(from, to, 0)
}

fn directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG.into());
    }
    let from = open_beneath(from, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    for entry in Dir::read_from(&from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            one(from.as_fd(), to, name, depth)?;
        }
    }
    let stat = rustix::fs::fstat(&from)?;
    let to = open_beneath(to, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    own(to.as_fd(), &stat)
}

fn one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> io::Result<()> {
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = rustix::fs::openat(from, name, flags, Mode::empty())?;
            let made = rustix::fs::openat(to, name, flags, Mode::empty())?;
            directory(inner.as_fd(), made.as_fd(), depth + 1)
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let target = rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?;
            while rustix::fs::sendfile(&target, &source, None, 1 << 20)? > 0 {}
            own(target.as_fd(), &stat)
        }
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(&text, to, name)?;
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            ignore_unmapped(rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW))
        }
        _ => Ok(()),
    }
}

/// Gives `fd` the owner, mode and times of `stat`; the mode last, for a change of owner clears its high bits.
fn own(fd: BorrowedFd<'_>, stat: &rustix::fs::Stat) -> io::Result<()> {
    ignore_unmapped(rustix::fs::fchown(fd, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid))))?;
    rustix::fs::fchmod(fd, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    let time = |tv_sec, nanoseconds: u64| Timespec { tv_sec, tv_nsec: nanoseconds.cast_signed() };
    let times = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    Ok(rustix::fs::futimens(fd, &times)?)
}

/// An owner that this user namespace does not map stays ours.
fn ignore_unmapped(done: rustix::io::Result<()>) -> io::Result<()> {
    match done {
        Err(Errno::INVAL | Errno::PERM) => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn files_directories_and_links_are_copied() {
        let base = std::env::temp_dir().join(format!("dhow-copy-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join("a/file"), "text").unwrap();
        fs::set_permissions(from.join("a/file"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        contents(File::open(&from).unwrap().as_fd(), File::open(&to).unwrap().as_fd()).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/file")).unwrap(), "text");
        assert_eq!(fs::metadata(to.join("a/file")).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::metadata(to.join("a/b")).unwrap().permissions().mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        let time = |path: &std::path::Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(&from.join("a/file")), time(&to.join("a/file")));
        fs::remove_dir_all(&base).unwrap();
    }
}
