//! Which containers use which images: derived from the containers' records, never counted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::engine::Engine;
use crate::engine::container::{self, Container};
use crate::model::id::Id;
use crate::model::mount::Source;

/// The containers of each image that has any, by the image's id. No lock is taken.
pub(crate) fn users(engine: &Engine) -> Result<BTreeMap<String, Vec<Id>>> {
    let mut users: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for id in container::ids(&engine.paths)? {
        // A damaged record is told by `ps`; it must not keep images from being listed.
        let Ok(Some(read)) = Container::read(&engine.paths, &id) else { continue };
        let own = read.config.image.as_ref().map(|image| &image.id);
        let mounted = read.config.mounts.iter().filter_map(|mount| match &mount.source {
            Source::Image { id, .. } => Some(id),
            _ => None,
        });
        let images: BTreeSet<&String> = own.into_iter().chain(mounted).collect();
        for image in images {
            users.entry(image.clone()).or_default().push(id.clone());
        }
    }
    Ok(users)
}
