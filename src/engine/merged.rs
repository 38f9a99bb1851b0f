//! Where a container's root file system is mounted for its user (`mount`): the kernel says whether it is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::CWD;

use crate::sys::mount;

/// Where a container's root file system is mounted for the user.
pub(crate) fn place(dir: &Path) -> PathBuf {
    dir.join("merged")
}

/// The mount of the container whose directory is `dir`, where there is one.
pub(crate) fn mounted(dir: &Path) -> Result<Option<PathBuf>> {
    let path = place(dir);
    Ok(mount::is_mounted(&path).with_context(|| format!("stat {}", path.display()))?.then_some(path))
}

/// A clone of that mount.
pub(crate) fn clone(dir: &Path) -> Result<Option<OwnedFd>> {
    let Some(path) = mounted(dir)? else { return Ok(None) };
    mount::clone_tree(CWD, &path, false).map(Some).with_context(|| format!("clone {}", path.display()))
}

/// Takes the mount away; none is fine.
pub(crate) fn detach(dir: &Path) -> Result<()> {
    while let Some(path) = mounted(dir)? {
        mount::detach(&path).with_context(|| format!("unmount {}", path.display()))?;
    }
    Ok(())
}
