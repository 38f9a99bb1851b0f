//! The layers of images as `image tree` shows them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::engine::Engine;
use crate::image::store::{ImageStore, Listed};

/// An image with its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
    pub(crate) size: u64,
    pub(crate) layers: Vec<TreeLayer>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeLayer {
    /// The chain id, in hex.
    pub(crate) id: String,
    pub(crate) size: u64,
    /// The names of the images that end with it.
    pub(crate) top_of: Vec<String>,
}

impl Engine {
    /// The layers of the image that `name` means, the lowest first; with `children` instead its top layer and those that
    /// other images put on it.
    pub(crate) fn image_tree(&self, name: &str, children: bool) -> Result<Tree> {
        let store = ImageStore::new(&self.paths);
        let image = store.find(name)?;
        let all = store.list()?.images;
        let own = image.chain_ids();
        let chains = match (children, own.last()) {
            (true, Some(top)) => above(&all, top),
            _ => own,
        };
        let sizes: BTreeMap<&str, u64> = all
            .iter()
            .flat_map(|listed| &listed.record.layers)
            .map(|layer| (layer.chain_id.hex(), layer.unpacked))
            .collect();
        let layers = chains.into_iter().map(|id| TreeLayer {
            size: sizes.get(id.as_str()).copied().unwrap_or_default(),
            top_of: ending(&all, &id),
            id,
        });
        let layers = layers.collect();
        Ok(Tree { names: store.names(&image.id)?, size: image.record.size(), id: image.id, layers })
    }
}

/// The names of the images whose top layer is `chain`; an image without a name is told by its id.
fn ending(all: &[Listed], chain: &str) -> Vec<String> {
    let mut names = Vec::new();
    for Listed { record, names: own } in all {
        if record.layers.last().is_some_and(|top| top.chain_id.hex() == chain) {
            names.extend(own.iter().cloned());
        }
    }
    names
}

/// `chain` and every layer above it, each before those that stand on it.
fn above(all: &[Listed], chain: &str) -> Vec<String> {
    let mut on: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Listed { record, .. } in all {
        for pair in record.layers.windows(2) {
            on.entry(pair[0].chain_id.hex()).or_default().insert(pair[1].chain_id.hex());
        }
    }
    // A chain id is a digest of those below it: there are no circles.
    let (mut found, mut waiting) = (Vec::new(), vec![chain]);
    while let Some(next) = waiting.pop() {
        found.push(next.to_owned());
        waiting.extend(on.get(next).into_iter().flatten().rev());
    }
    found
}
