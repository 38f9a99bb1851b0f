//! Taking the container's root as the root of its mount namespace, and leaving the host's tree behind.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;

use crate::sys::mount::{MountAttr, attach, clone_tree, detach, set_attr};

/// Clones the tree at `path` into a detached one that gets mounts from the host only if `wanted` (the word of
/// `rootfsPropagation`) says so. The root of the error is the `Errno`.
pub(crate) fn open_root(path: &Path, wanted: Option<&str>) -> Result<OwnedFd> {
    let root = clone_tree(rustix::fs::CWD, path, true)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        .with_context(|| format!("clone the root {}", path.display()))?;
    let propagation = match wanted.and_then(propagation) {
        Some((flag, _)) if flag == libc::MS_SLAVE || flag == libc::MS_SHARED => libc::MS_SLAVE,
        _ => libc::MS_PRIVATE,
    };
    set_attr(&root, true, MountAttr { propagation, ..MountAttr::default() }).context("set propagation of the root")?;
    Ok(root)
}

/// Cuts all mounts of this (new) namespace off from the host's, and attaches the detached `root` at `place`, or over `/`.
/// Host paths still resolve: this process's own root is below.
pub(crate) fn attach_root(root: BorrowedFd<'_>, place: Option<&Path>) -> Result<()> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    // Without this, unmounting the old root would unmount the host's file systems.
    rustix::mount::mount_change("/", all).context("make all mounts private")?;
    let place = place.unwrap_or(Path::new("/"));
    let top =
        rustix::fs::open(place, rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
            .with_context(|| format!("open {}", place.display()))?;
    attach(root, top.as_fd()).context("attach the root")
}

/// Makes `root` the root; the old one lies on top of it still. pivot_root(2), "pivot_root(".", ".")".
pub(crate) fn pivot(root: BorrowedFd<'_>) -> Result<()> {
    rustix::process::fchdir(root).context("enter the root")?;
    rustix::process::pivot_root(".", ".").context("change the root")
}

/// Makes `root` the root where the old one cannot be left, as in an initial ramdisk: it is moved over `/` (unless it is
/// there) and changed to. What else is mounted of the host's goes, as far as it is ours to unmount: a process that got
/// out would find the ramdisk alone.
pub(crate) fn move_over(root: BorrowedFd<'_>, elsewhere: bool) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    if elsewhere {
        let top =
            rustix::fs::open("/", rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
                .context("open the old root")?;
        attach(root, top.as_fd()).context("move the root")?;
    }
    // Our own root is still the old one: what lies in the new one has these names too, and is not met by them.
    for line in mounts.lines().rev() {
        let point = line.split(' ').nth(4).unwrap_or("/");
        if point != "/" {
            // Gone with its parent, locked by another user namespace, or in the new root: all is well.
            drop(detach(point.replace("\\040", " ")));
        }
    }
    rustix::process::fchdir(root).context("enter the root")?;
    rustix::process::chroot(".").context("change the root")
}

/// Drops the old root. The kernel makes this wait for all processors, so it is not on the way to being ready.
pub(crate) fn leave_host() -> Result<()> {
    detach(".").context("leave the old root")?;
    rustix::process::chdir("/").context("enter the root")
}

/// Gives the root the `propagation` (`MS_SHARED` and the like) that the specification asks for.
pub(crate) fn propagate(root: BorrowedFd<'_>, propagation: Option<(u64, bool)>) -> Result<()> {
    if let Some((propagation, recursive)) = propagation {
        set_attr(root, recursive, MountAttr { propagation, ..MountAttr::default() })
            .context("set the propagation of the root")?;
    }
    Ok(())
}

/// What a word of `rootfsPropagation` means.
pub(crate) fn propagation(word: &str) -> Option<(u64, bool)> {
    let (word, recursive) = match word.strip_prefix('r') {
        Some(rest) => (rest, true),
        None => (word, false),
    };
    let flag = match word {
        "private" => libc::MS_PRIVATE,
        "slave" => libc::MS_SLAVE,
        "shared" => libc::MS_SHARED,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    };
    Some((flag, recursive))
}
