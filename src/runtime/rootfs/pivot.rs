//! Taking the container's root as the root of its mount namespace, and leaving the host's tree behind.

use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use rustix::mount::MountPropagationFlags;

use crate::sys::mount::{MountAttr, attach, pivot_root, set_attr};

/// Cuts all mounts of this (new) namespace off from the host's, and attaches the detached `root` over `/`. Host paths
/// still resolve: this process's own root is below.
pub(crate) fn attach_root(root: BorrowedFd<'_>) -> Result<()> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    // Without this, unmounting the old root would unmount the host's file systems.
    rustix::mount::mount_change("/", all).context("make all mounts private")?;
    let top = rustix::fs::open("/", rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    attach(root, top.as_fd()).context("attach the root")
}

/// Makes `root` the root, and gives it the `propagation` (`MS_SHARED` and the like) that the specification asks for.
pub(crate) fn pivot(root: BorrowedFd<'_>, propagation: Option<(u64, bool)>) -> Result<()> {
    pivot_root(root).context("change the root")?;
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
