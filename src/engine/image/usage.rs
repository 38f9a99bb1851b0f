//! Which containers use which images: derived from the containers' records, never counted.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::engine::Engine;
use crate::engine::container::{self, Container};
use crate::model::id::Id;

/// The containers of each image that has any, by the image's id. No lock is taken.
pub(crate) fn users(engine: &Engine) -> Result<BTreeMap<String, Vec<Id>>> {
    let mut users: BTreeMap<String, Vec<Id>> = BTreeMap::new();
    for id in container::ids(&engine.paths)? {
        // A damaged record is told by `ps`; it must not keep images from being listed.
        let Ok(Some(read)) = Container::read(&engine.paths, &id) else { continue };
        if let Some(image) = read.config.image {
            users.entry(image.id).or_default().push(id);
        }
    }
    Ok(users)
}
