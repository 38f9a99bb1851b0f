//! Paths inside trees that we do not trust: every look-up is `openat2(2)` from a directory that we hold.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// Opens `path` below `root` as if `root` were `/`: absolute paths, links and `..` stay inside (`RESOLVE_IN_ROOT`).
/// `flags` are or-ed with `O_CLOEXEC`. Retries the `EAGAIN` that a racing rename causes, with a bound.
pub(crate) fn open_in_root(root: impl AsFd, path: impl AsRef<Path>, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    open_how(root.as_fd(), path.as_ref(), flags, mode, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// Opens `path` below `root`, and refuses whatever would leave it or is a link (`RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`).
pub(crate) fn open_beneath(root: impl AsFd, path: impl AsRef<Path>, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    open_how(root.as_fd(), path.as_ref(), flags, mode, resolve)
}

fn open_how(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // EAGAIN: a rename or mount elsewhere raced with `..`; openat2(2) says to try again.
    for _ in 0..128 {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(rustix::io::Errno::AGAIN) => {}
            done => return Ok(done?),
        }
    }
    Err(io::Error::from(rustix::io::Errno::AGAIN))
}

/// The path `/proc/self/fd/N` of an open file, for calls that take only paths.
pub(crate) fn fd_path(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// A path below a root with every link in it followed, as text: what it means now. Whoever uses it opens it again below
/// the same root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Without a slash in front; empty is the root.
    pub(crate) path: Vec<u8>,
    /// Its last component is not there. All others are.
    pub(crate) missing: bool,
}

/// The most links that one path may go through, as in the kernel.
const LINKS: usize = 40;

/// Follows every link of `path` with `root` as `/`. path_resolution(7). A link to nothing leads to where a file that is
/// made through it would be.
pub(crate) fn resolve(root: impl AsFd, path: &[u8]) -> io::Result<Resolved> {
    let root = root.as_fd();
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let push = |waiting: &mut Vec<Vec<u8>>, path: &[u8]| {
        waiting.extend(path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
    };
    push(&mut waiting, path);
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(part) = waiting.pop() {
        match &part[..] {
            b"" | b"." => continue,
            b".." => {
                done.pop();
                continue;
            }
            _ => {}
        }
        let parent = done.join(&b'/');
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let dir = open_in_root(root, std::ffi::OsStr::from_bytes(&parent), flags, Mode::empty())?;
        let stat = match rustix::fs::statat(&dir, &part[..], rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) if waiting.iter().all(|part| part.is_empty()) => {
                done.push(part);
                return Ok(Resolved { path: done.join(&b'/'), missing: true });
            }
            stat => stat?,
        };
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Symlink {
            done.push(part);
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        let target = rustix::fs::readlinkat(&dir, &part[..], Vec::new())?.into_bytes();
        if target.first() == Some(&b'/') {
            done.clear();
        }
        push(&mut waiting, &target);
    }
    Ok(Resolved { path: done.join(&b'/'), missing: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_inside() {
        let root = std::env::temp_dir().join(format!("dhow-resolve-{}", std::process::id()));
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/f"), "").unwrap();
        symlink("/a", root.join("abs")).unwrap();
        symlink("../../../a/f", root.join("a/b/up")).unwrap();
        symlink("/a/none", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let fd = std::fs::File::open(&root).unwrap();
        for (path, want) in [
            ("/", Some(("", false))),
            ("", Some(("", false))),
            ("/a/./b/..", Some(("a", false))),
            ("../../a/f", Some(("a/f", false))),
            ("abs/b/up", Some(("a/f", false))),
            ("abs/new", Some(("a/new", true))),
            ("abs/new/", Some(("a/new", true))),
            ("dangling", Some(("a/none", true))),
            ("abs/new/x", None),
            ("a/f/x", None),
            ("loop", None),
        ] {
            let found = resolve(&fd, path.as_bytes()).ok();
            let found = found.map(|found| (String::from_utf8(found.path).unwrap(), found.missing));
            assert_eq!(found, want.map(|(path, missing)| (path.to_owned(), missing)), "{path}");
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
