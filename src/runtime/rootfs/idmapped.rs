//! A root file system whose owners are those of the container's user namespace, without a copy: its directories are
//! cloned as detached mounts that carry the namespace's map, and overlaid as such. Nothing of it is in the host's table of
//! mounts, and nothing on the disk changes its owner. The kernel allows it to who has rights over the file system itself:
//! not to an ordinary user.
//!
//! The upper directory is not mapped: what the container writes has its outer ids on the disk.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use rustix::fs::{Mode, OFlags};

use super::pivot;
use crate::model::error::Error;
use crate::runtime::idmap;
use crate::sys::mount::{Lower, MountAttr, set_attr};

/// A user namespace with the maps of the container of `spec`: the one that it joins, or one made for the purpose.
pub(crate) fn namespace(spec: &Spec) -> Result<OwnedFd> {
    let Some(linux) = spec.linux() else { bail!(Error::invalid("the specification has no user namespace")) };
    let user = linux.namespaces().iter().flatten().find(|namespace| namespace.typ() == LinuxNamespaceType::User);
    if let Some(path) = user.and_then(|namespace| namespace.path().as_ref()) {
        return rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("open namespace {}", path.display()));
    }
    let maps = linux.uid_mappings().as_deref().zip(linux.gid_mappings().as_deref());
    let Some((uids, gids)) = maps else { bail!(Error::invalid("the specification has no id maps")) };
    idmap::namespace(uids, gids).context("make a user namespace for the owners of the root file system")
}

/// The tree at `path` as a detached mount with the owners that `namespace` makes of them.
pub(crate) fn directory(path: &Path, propagation: Option<&str>, namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    let root = pivot::open_root(path, propagation)?;
    match map(&root, true, namespace) {
        // A file system below it that knows no maps keeps its owners.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => map(&root, false, namespace),
        done => done,
    }
    .map_err(|error| explain(error, path))?;
    Ok(root)
}

/// The layer `lower` as a detached mount with the owners that `namespace` makes of them.
pub(super) fn layer(lower: &Lower, namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    let tree = lower.tree().with_context(|| format!("clone {}", lower.path().display()))?;
    map(&tree, false, namespace).map_err(|error| explain(error, lower.path()))?;
    Ok(tree)
}

fn map(tree: &OwnedFd, recursive: bool, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let attr = MountAttr {
        set: libc::MOUNT_ATTR_IDMAP,
        userns_fd: u64::try_from(namespace.as_raw_fd()).unwrap_or_default(),
        ..MountAttr::default()
    };
    set_attr(tree, recursive, attr)
}

fn explain(error: io::Error, path: &Path) -> anyhow::Error {
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            let message = format!("the file system of {} cannot map the owners of files", path.display());
            Error::unsupported(message).hint("put the store on ext4, xfs or btrfs; tmpfs can from Linux 6.3 on").into()
        }
        _ => anyhow::Error::new(error).context(format!("map the owners of {}", path.display())),
    }
}

#[cfg(test)]
mod tests;
