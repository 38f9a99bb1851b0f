//! The root of a container: the writable layer and the directories that its overlay is made of, or its own tree.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::MountAttrFlags;

use super::container::Locked;
use super::{Engine, owners};
use crate::model::container::{ContainerConfig, RootFs};
use crate::model::error::Error;
use crate::model::idmap::IdMaps;
use crate::model::image::Driver;
use crate::runtime::rootfs::layered;
use crate::storage::{derived, layer, overlay, shift, whole};
use crate::sys::mount::{self, Lower, OverlayDirs};

/// Makes the writable layer of a container that is being created.
pub(crate) fn prepare(engine: &Engine, locked: &Locked) -> Result<()> {
    let rootfs = locked.dir().join("rootfs");
    match &locked.config.root_fs {
        // Copies of layers take their time: here, not at the first start.
        RootFs::Image { layers, driver: Driver::Overlay } => {
            layer_dirs(engine, layers, owners::maps(engine, &locked.config)?.as_ref())?;
        }
        RootFs::Image { driver, .. } => {
            let base = base(engine, &locked.config)?;
            return whole::prepare(*driver, base.as_deref(), &rootfs, locked.config.remove);
        }
        RootFs::Directory { .. } => {}
    }
    match &locked.config.root_fs {
        RootFs::Directory { overlay: false, .. } => Ok(()),
        _ => overlay::prepare(&rootfs).context("make the writable layer"),
    }
}

/// The root of a container that is to be mounted.
pub(crate) enum Root {
    /// An overlay of these directories.
    Overlay(OverlayDirs),
    /// A directory: its own tree, or the user's.
    Directory(PathBuf),
}

/// Whether its root is a tree of its own, made as a copy of the image's.
pub(crate) fn is_copy(config: &ContainerConfig) -> bool {
    matches!(&config.root_fs, RootFs::Image { driver, .. } if !driver.is_overlay())
}

/// The container's root, ready for a mount.
pub(crate) fn root(engine: &Engine, config: &ContainerConfig, dir: &Path) -> Result<Root> {
    let maps = owners::maps(engine, config)?;
    let rootfs = dir.join("rootfs");
    let lower = match &config.root_fs {
        RootFs::Directory { path, overlay: false } => return Ok(Root::Directory(PathBuf::from(path))),
        RootFs::Directory { path, .. } => vec![Lower::Directory(PathBuf::from(path))],
        RootFs::Image { layers, driver: Driver::Overlay } => layer_dirs(engine, layers, maps.as_ref())?,
        RootFs::Image { driver, .. } => {
            if !whole::is_ready(&rootfs, config.remove)? {
                whole::prepare(*driver, base(engine, config)?.as_deref(), &rootfs, config.remove)?;
            }
            return Ok(Root::Directory(whole::own(&rootfs)));
        }
    };
    let maps = maps.as_ref().filter(|maps| owners::by_mount(engine, Some(maps)));
    overlay::dirs(lower, &rootfs, config.remove, engine.privilege.is_rootless(), maps).map(Root::Overlay)
}

/// The tree that the container's own was made as; `None` where that was empty.
pub(crate) fn base(engine: &Engine, config: &ContainerConfig) -> Result<Option<PathBuf>> {
    let RootFs::Image { layers, driver } = &config.root_fs else { return Ok(None) };
    if layers.is_empty() {
        return Ok(None);
    }
    let mut lower = lower(engine, layers)?;
    lower.reverse();
    let maps = owners::maps(engine, config)?.filter(|maps| !owners::by_mount(engine, Some(maps)));
    whole::ensure(&engine.paths, *driver, layers, &lower, maps.as_ref()).map(Some)
}

/// What is made of layers for the container and kept beside them.
pub(crate) fn copies(engine: &Engine, config: &ContainerConfig) -> Result<Vec<derived::Place>> {
    let maps = owners::maps(engine, config)?.filter(|maps| !owners::by_mount(engine, Some(maps)));
    let mut copies = Vec::new();
    if let Some(maps) = &maps {
        copies.extend(config.layers().map(|chain| (chain.clone(), shift::name(maps))));
    }
    if let RootFs::Image { layers, driver } = &config.root_fs
        && let (Some(top), false) = (layers.last(), driver.is_overlay())
    {
        copies.push((top.clone(), whole::name(*driver, maps.as_ref())));
    }
    Ok(copies)
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
        RootFs::Image { layers, driver: Driver::Overlay } => lower(engine, layers)?,
        RootFs::Image { .. } => {
            // The container's own tree is as good where there is nothing below it.
            let path = match base(engine, config)? {
                Some(base) => base,
                None => whole::own(&engine.paths.container(&config.id).join("rootfs")),
            };
            return mount::clone_tree(rustix::fs::CWD, &path, false)
                .with_context(|| format!("open {}", path.display()));
        }
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
