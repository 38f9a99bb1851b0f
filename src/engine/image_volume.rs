//! `--mount type=image`: the files of an image, which the monitor mounts as it mounts the root of the container. The record
//! keeps the layers; what is written (`rw`) is in the container's own directory.

use anyhow::Result;

use super::container::Locked;
use super::{Engine, owners, rootfs, volume};
use crate::image::store::{self, ImageStore};
use crate::model::error::Error;
use crate::model::mount::{Mount, Source};
use crate::monitor::config::RootSource;
use crate::storage::overlay;
use crate::sys::mount::Lower;

/// Finds the images that `mounts` name.
pub(super) fn resolve(engine: &Engine, mounts: &mut [Mount]) -> Result<()> {
    let images = ImageStore::new(&engine.paths);
    for mount in mounts {
        let Source::Image { image, id, layers } = &mut mount.source else { continue };
        let found = images.resolve(image)?.ok_or_else(|| store::unknown(image))?;
        *layers = images.open(&found)?.chain_ids();
        if layers.is_empty() {
            return Err(Error::invalid(format!("image {image} has no layers")).into());
        }
        *id = found;
    }
    Ok(())
}

/// The images that are mounted.
pub(super) fn ids(mounts: &[Mount]) -> Vec<String> {
    let id = |mount: &Mount| match &mount.source {
        Source::Image { id, .. } => Some(id.clone()),
        _ => None,
    };
    mounts.iter().filter_map(id).collect()
}

/// What the monitor mounts, by the places in the container.
pub(super) fn sources(engine: &Engine, locked: &Locked) -> Result<Vec<(String, RootSource)>> {
    let config = &locked.config;
    let mut found = Vec::new();
    for (index, mount) in config.mounts.iter().enumerate() {
        let Source::Image { layers, .. } = &mount.source else { continue };
        let maps = owners::maps(engine, config)?;
        let lower = rootfs::layer_dirs(engine, layers, maps.as_ref())?;
        let source = if mount.overlay {
            let place = volume::overlay_dir(&locked.dir(), index);
            let maps = maps.as_ref().filter(|maps| owners::by_mount(engine, Some(maps)));
            RootSource::overlay(overlay::dirs(lower, &place, false, engine.privilege.is_rootless(), maps)?)
        } else if let [Lower::Directory(path)] = lower.as_slice() {
            RootSource::Directory { path: path.clone() }
        } else {
            let userxattr = engine.privilege.is_rootless();
            RootSource::Overlay { lower, upper: None, volatile: false, userxattr }
        };
        found.push((mount.target.clone(), source));
    }
    Ok(found)
}
