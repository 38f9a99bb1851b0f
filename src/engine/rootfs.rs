//! The writable layer of a container, and the directories that its overlay is made of.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::MountAttrFlags;

use super::container::Locked;
use super::{Engine, owners};
use crate::model::container::{ContainerConfig, RootFs};
use crate::model::error::Error;
use crate::model::idmap::IdMaps;
use crate::runtime::rootfs::layered;
use crate::storage::{layer, overlay, shift};
use crate::sys::mount::{self, Lower, OverlayDirs};

/// Makes the writable layer of a container that is being created.
pub(crate) fn prepare(engine: &Engine, locked: &Locked) -> Result<()> {
    if let RootFs::Image { layers } = &locked.config.root_fs {
        // Copies of layers take their time: here, not at the first start.
        layer_dirs(engine, layers, owners::maps(engine, &locked.config)?.as_ref())?;
    }
    match &locked.config.root_fs {
        RootFs::Directory { overlay: false, .. } => Ok(()),
        _ => overlay::prepare(&locked.dir().join("rootfs")).context("make the writable layer"),
    }
}

/// The directories of the container's overlay; `None` where its root is a plain directory.
pub(crate) fn dirs(engine: &Engine, config: &ContainerConfig, dir: &Path) -> Result<Option<OverlayDirs>> {
    let maps = owners::maps(engine, config)?;
    let lower = match &config.root_fs {
        RootFs::Directory { overlay: false, .. } => return Ok(None),
        RootFs::Directory { path, .. } => vec![Lower::Directory(PathBuf::from(path))],
        RootFs::Image { layers } => layer_dirs(engine, layers, maps.as_ref())?,
    };
    let upper = dir.join("rootfs");
    let maps = maps.as_ref().filter(|maps| owners::by_mount(engine, Some(maps)));
    overlay::dirs(lower, &upper, config.remove, engine.privilege.is_rootless(), maps).map(Some)
}

/// An image's layers, the top one first, with owners that suit a container with `maps`.
pub(super) fn layer_dirs(engine: &Engine, layers: &[String], maps: Option<&IdMaps>) -> Result<Vec<Lower>> {
    let dirs = lower(engine, layers)?;
    match maps.filter(|_| engine.privilege.is_rootless()) {
        None => Ok(dirs),
        Some(maps) => {
            let mut shifted = shift::ensure(&engine.paths, layers, maps)?;
            shifted.reverse();
            Ok(shifted.into_iter().map(Lower::Directory).collect())
        }
    }
}

/// An image's layers, the top one first.
pub(super) fn lower(engine: &Engine, layers: &[String]) -> Result<Vec<Lower>> {
    let store = layer::Layers::new(&engine.paths);
    let mut lower = Vec::with_capacity(layers.len());
    for chain in layers.iter().rev() {
        let missing = || {
            let message = format!("layer {} of the image is missing from the store", &chain[..12.min(chain.len())]);
            Error::state(message).hint("pull the image again")
        };
        lower.push(store.lower(chain).ok_or_else(missing)?);
    }
    Ok(lower)
}

/// A detached, read-only view of an image's tree, for what only reads it.
pub(crate) fn view(engine: &Engine, config: &ContainerConfig) -> Result<OwnedFd> {
    let lower = match &config.root_fs {
        RootFs::Directory { path, .. } => {
            return mount::clone_tree(rustix::fs::CWD, path, false).with_context(|| format!("open rootfs {path}"));
        }
        RootFs::Image { layers } => lower(engine, layers)?,
    };
    stack(engine, lower)
}

/// As [`view`], of layers, the lowest first. `None` where there are none.
pub(crate) fn view_layers(engine: &Engine, layers: &[String]) -> Result<Option<OwnedFd>> {
    let dirs = lower(engine, layers)?;
    if dirs.is_empty() { Ok(None) } else { stack(engine, dirs).map(Some) }
}

/// A read-only mount of layers, the top one first.
fn stack(engine: &Engine, lower: Vec<Lower>) -> Result<OwnedFd> {
    let dirs = OverlayDirs { lower, upper: None, volatile: false, userxattr: engine.privilege.is_rootless() };
    layered::mount(&dirs, None, MountAttrFlags::MOUNT_ATTR_RDONLY).context("mount the image's layers")
}
