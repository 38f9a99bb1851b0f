//! Paths that the container must not read (masked) or write (read-only).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::device;
use super::target::file_type;
use crate::sys::mount::{FsOption, MountAttr, attach, clone_tree, fs_mount, set_attr};
use crate::sys::path::open_beneath;

/// Covers each of `paths` that exists: files by a real `/dev/null`, directories by one shared, empty, read-only tmpfs.
pub(crate) fn mask(root: BorrowedFd<'_>, paths: &[String]) -> Result<()> {
    let mut empty: Option<OwnedFd> = None;
    let mut null: Option<OwnedFd> = None;
    for path in paths {
        let Some(target) = open(root, path).with_context(|| format!("mask {path}"))? else { continue };
        let directory = file_type(&target)? == FileType::Directory;
        let cover = if directory { &mut empty } else { &mut null };
        let tree = match &cover {
            // Attached by now, so it can be cloned.
            Some(first) => clone_tree(first.as_fd(), "", false),
            None if directory => empty_directory(),
            None => device::null(root).map_err(std::io::Error::other),
        };
        let tree = tree.with_context(|| format!("mask {path}"))?;
        attach(&tree, &target).with_context(|| format!("mask {path}"))?;
        if cover.is_none() {
            *cover = Some(tree);
        }
    }
    Ok(())
}

/// Makes each of `paths` that exists read-only, with all other attributes that it has.
pub(crate) fn make_read_only(root: BorrowedFd<'_>, paths: &[String]) -> Result<()> {
    for path in paths {
        let Some(target) = open(root, path).with_context(|| format!("make {path} read-only"))? else { continue };
        let attr = MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
        clone_tree(&target, "", true)
            .and_then(|tree| set_attr(&tree, true, attr).map(|()| tree))
            .and_then(|tree| attach(tree, &target))
            .with_context(|| format!("make {path} read-only"))?;
    }
    Ok(())
}

/// Opens `path` in the root; `None` when it is not there. A link on the way is refused: it would protect something else.
fn open(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    let relative = path.trim_start_matches('/');
    if relative.is_empty() || !path.starts_with('/') {
        bail!("not an absolute path");
    }
    match open_beneath(root, relative, OFlags::PATH, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
            _ => Err(error.into()),
        },
    }
}

/// A detached tmpfs with nothing in it.
fn empty_directory() -> std::io::Result<OwnedFd> {
    let attr = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fs_mount("tmpfs", &[FsOption::Text("mode", "755"), FsOption::Text("nr_inodes", "1")], attr)
}
