//! The overlay of a root file system or of an image: its layers are directories or EROFS images, with their owners as they are
//! or as a user namespace has them. What is mounted for it is detached and goes with it.

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags};

use super::idmapped;
use crate::runtime::errand;
use crate::sys::clone::Namespaces;
use crate::sys::mount::{self, Lower, OverlayDirs, attach};

/// Mounts `dirs`, their layers with the owners that `namespace` makes of them.
pub(crate) fn mount(dirs: &OverlayDirs, namespace: Option<BorrowedFd<'_>>, attr: MountAttrFlags) -> Result<OwnedFd> {
    let layer = |lower: &Lower| match namespace {
        Some(namespace) => idmapped::layer(lower, namespace),
        None => lower.tree().with_context(|| format!("mount {}", lower.path().display())),
    };
    if let (None, [only]) = (&dirs.upper, dirs.lower.as_slice()) {
        // An overlay wants two layers where none is writable.
        return layer(only);
    }
    if namespace.is_none() && !dirs.has_images() {
        return mount::overlay(dirs, attr).context("mount the overlay");
    }
    let trees = dirs.lower.iter().map(layer).collect::<Result<Vec<_>>>()?;
    match mount::overlay_on(&trees, dirs, attr) {
        // Linux before 6.15 takes only mounts that are attached in the caller's mount namespace. Before 6.13 it takes no
        // descriptors at all: EBADF says so of those that are for paths only.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::BADF)) => {
            attached(&trees, dirs, attr)
        }
        done => done.context("mount the overlay"),
    }
}

/// The same by way of a process with a mount namespace of its own, where each tree covers the directory that it is made
/// of, or that of its image. The overlay holds what it needs of them when the process and its namespace are gone.
pub(super) fn attached(trees: &[OwnedFd], dirs: &OverlayDirs, attr: MountAttrFlags) -> Result<OwnedFd> {
    errand::mount(Namespaces::MOUNT, || attach_and_mount(trees, dirs, attr))
}

fn attach_and_mount(trees: &[OwnedFd], dirs: &OverlayDirs, attr: MountAttrFlags) -> Result<OwnedFd> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", all).context("make all mounts private")?;
    let mut lower = Vec::with_capacity(trees.len());
    for (tree, layer) in trees.iter().zip(&dirs.lower) {
        let path = match layer {
            Lower::Directory(path) => path.as_path(),
            Lower::Image { image } => image.parent().context("an image lies in a directory")?,
        };
        let target = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(Errno::into)
            .and_then(|target| attach(tree, target));
        target.with_context(|| format!("attach {}", path.display()))?;
        lower.push(path);
    }
    mount::overlay_at(&lower, dirs, attr).context("mount the overlay")
}
