//! Paths inside trees that we do not trust: every look-up is `openat2(2)` from a directory that we hold.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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
