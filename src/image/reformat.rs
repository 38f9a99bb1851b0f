//! Layers that are in the store get another format: each is unpacked once more, from its own blob, and takes the place of the
//! old one in a single step. Who is killed in between leaves a layer of one format or the other.

use std::collections::HashSet;

use anyhow::{Context, Result};

use super::intake::Target;
use super::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::LayerFormat;
use crate::state::paths::Paths;
use crate::storage::content::Content;
use crate::storage::layer::{Layers, Staged};
use crate::storage::staging::Staging;
use crate::storage::unpack;

/// A layer that has another format than is wanted.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its chain id (hex).
    pub(crate) chain: String,
    /// The images that have it.
    pub(crate) images: Vec<String>,
    blob: Digest,
    size: u64,
    diff_id: Digest,
    /// The layers below it, the nearest first.
    below: Vec<String>,
}

/// The layers of images that are not kept as `format`, each behind those below it.
pub(crate) fn plan(paths: &Paths, format: LayerFormat) -> Result<Vec<Item>> {
    let layers = Layers::new(paths);
    let mut items: Vec<Item> = Vec::new();
    let mut known = HashSet::new();
    for listed in ImageStore::new(paths).list()?.images {
        let mut below: Vec<String> = Vec::new();
        for layer in &listed.record.layers {
            let chain = layer.chain_id.hex().to_owned();
            if !known.insert(chain.clone()) {
                let again = items.iter_mut().find(|item| item.chain == chain);
                again.into_iter().for_each(|item| item.images.push(listed.record.id.clone()));
            } else if layers.format(&chain).is_some_and(|have| have != format) {
                items.push(Item {
                    chain: chain.clone(),
                    images: vec![listed.record.id.clone()],
                    blob: layer.digest.clone(),
                    size: layer.size,
                    diff_id: layer.diff_id.clone(),
                    below: below.clone(),
                });
            }
            below.insert(0, chain);
        }
    }
    Ok(items)
}

/// Unpacks the layer of `item` in the format of `target`, durably, below `staging`.
pub(crate) fn stage(item: &Item, target: &Target, staging: &Staging) -> Result<Staged> {
    let layers = Layers::new(&target.paths);
    let kept = [item.blob.as_str(), &item.chain];
    staging.protect(kept.into_iter().chain(item.below.iter().map(String::as_str)))?;
    let gone = |what: &str| Error::not_found(format!("{what} is missing from the store"));
    let file = Content::new(&target.paths).open(&item.blob)?.ok_or_else(|| gone(&format!("blob {}", item.blob)))?;
    let below: Option<Vec<_>> = item.below.iter().map(|chain| layers.lower(chain)).collect();
    let below = below.ok_or_else(|| gone("a layer below"))?;
    let staged = Staged::create(staging.dir(), &item.chain, target.format)?;
    let limits = target.limits.for_blob(item.size);
    let unpacker = unpack::spawn(file.into(), &staged.target(), target.format, &limits)?;
    let unpacked = unpacker.wait(&[&target.cancel])?;
    if unpacked.diff_id != item.diff_id {
        let message = format!("blob {} unpacks to {} instead of {}", item.blob, unpacked.diff_id, item.diff_id);
        return Err(Error::new(ErrorKind::State, message).hint("`dhow system check` tells what is damaged").into());
    }
    staged.finish(&unpacked, &below, target.rootless)?;
    rustix::fs::syncfs(crate::storage::tree::open(staging.dir())?).context("sync the store")?;
    Ok(staged)
}
