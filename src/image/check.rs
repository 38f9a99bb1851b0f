//! Whether the images of the store are whole: every record readable, every blob what its digest says, every layer there.
//! What is damaged can be removed; it comes back with the next pull.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};

use super::gc::Collection;
use super::hash::Hash;
use super::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::{ImageRecord, Instance};
use crate::state::lock::Lock;
use crate::state::paths::Paths;
use crate::storage::content::Content;
use crate::storage::layer::Layers;

/// Bytes that are hashed at a time.
const CHUNK: usize = 1 << 20;

/// An image that is not whole, and why.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) id: String,
    pub(crate) errors: Vec<anyhow::Error>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) images: Vec<Damaged>,
    /// Layers without a record, or without their tree, by chain id (hex).
    pub(crate) layers: Vec<(String, anyhow::Error)>,
    /// Blobs that are not what their names say.
    pub(crate) blobs: Vec<(Digest, anyhow::Error)>,
    /// Records of names that cannot be read.
    pub(crate) names: Vec<anyhow::Error>,
}

/// Looks at every image, layer and blob; `quick` does not read blobs but compares their sizes.
pub(crate) fn check(paths: &Paths, quick: bool) -> Result<Findings> {
    let (store, content, layers) = (ImageStore::new(paths), Content::new(paths), Layers::new(paths));
    let mut findings = Findings::default();
    if !quick {
        for digest in content.list()? {
            if let Err(error) = whole(&content, &digest) {
                findings.blobs.push((digest, error));
            }
        }
    }
    for chain in layers.list()? {
        let state = layers.record(&chain).and_then(|record| {
            record.ok_or_else(|| missing(&format!("the record of layer {chain}")))?;
            layers.verify(&chain)
        });
        findings.layers.extend(state.err().map(|error| (chain, error)));
    }
    findings.names = store.name_damage()?;
    for id in store.ids()? {
        let errors = match store.record(&id) {
            Ok(Some(record)) => faults(&record, &content, &layers, &findings),
            Ok(None) => continue,
            Err(error) => vec![error],
        };
        if !errors.is_empty() {
            findings.images.push(Damaged { id, errors });
        }
    }
    for id in store.list_ids()? {
        let errors = match store.list_record(&id) {
            Ok(None) => continue,
            Ok(Some(record)) => instance_faults(record.instances.iter(), &content, &findings),
            Err(error) => vec![error],
        };
        if !errors.is_empty() {
            findings.images.push(Damaged { id, errors });
        }
    }
    for id in store.artifact_ids()? {
        let errors = match store.artifact_record(&id) {
            Ok(None) => continue,
            Ok(Some(record)) => instance_faults(std::iter::once(&record.instance), &content, &findings),
            Err(error) => vec![error],
        };
        if !errors.is_empty() {
            findings.images.push(Damaged { id, errors });
        }
    }
    Ok(findings)
}

/// Removes the images, layers, blobs and names of `findings`, and then whatever nothing names any more. `used` are the chain
/// ids (hex) that containers use: those layers stay; where they are not known all do. The images' lock is held.
pub(crate) fn repair(
    paths: &Paths,
    lock: &Lock,
    collection: &Collection,
    findings: &Findings,
    used: Option<&HashSet<String>>,
) -> Result<()> {
    let (store, content, layers) = (ImageStore::new(paths), Content::new(paths), Layers::new(paths));
    for image in &findings.images {
        let names = store.names(&image.id)?;
        store.delete(&image.id, names)?;
    }
    store.remove_damaged_names(lock)?;
    store.sweep(lock)?;
    for (digest, _) in &findings.blobs {
        content.remove(digest)?;
    }
    let Some(used) = used else { return Ok(()) };
    for (chain, _) in findings.layers.iter().filter(|(chain, _)| !used.contains(chain)) {
        collection.take(lock, chain, &layers)?;
    }
    collection.collect(lock, used)
}

fn missing(what: &str) -> anyhow::Error {
    Error::not_found(format!("{what} is missing")).into()
}

/// What is wrong with the image of a readable record.
fn faults(record: &ImageRecord, content: &Content, layers: &Layers, found: &Findings) -> Vec<anyhow::Error> {
    let mut errors = Vec::new();
    let bad: HashMap<&Digest, String> =
        found.blobs.iter().map(|(digest, error)| (digest, format!("{error:#}"))).collect();
    let mut blob = |digest: &Digest, size: Option<u64>| {
        let state = match (bad.get(digest), content.size(digest)) {
            (Some(why), _) => Err(Error::state(why.clone()).into()),
            (None, Ok(None)) => Err(missing(&format!("blob {digest}"))),
            (None, Ok(Some(have))) if size.is_some_and(|size| size != have) => {
                Err(Error::state(format!("blob {digest} has {have} bytes")).into())
            }
            (None, state) => state.map(drop),
        };
        errors.extend(state.err());
    };
    blob(&record.config, None);
    blob(&record.manifest, None);
    for layer in &record.layers {
        blob(&layer.digest, Some(layer.size));
    }
    for layer in &record.layers {
        let chain = layer.chain_id.hex();
        match found.layers.iter().find(|(damaged, _)| damaged == chain) {
            Some((_, error)) => errors.push(Error::state(format!("{error:#}")).into()),
            None if !layers.exists(chain) => errors.push(missing(&format!("layer {chain}"))),
            None => {}
        }
    }
    errors
}

/// What is wrong with the list or artifact of a readable record.
fn instance_faults<'a>(
    instances: impl Iterator<Item = &'a Instance>,
    content: &Content,
    found: &Findings,
) -> Vec<anyhow::Error> {
    let mut errors = Vec::new();
    for digest in instances.flat_map(|instance| &instance.keeps) {
        if let Some((_, error)) = found.blobs.iter().find(|(damaged, _)| damaged == digest) {
            errors.push(Error::state(format!("{error:#}")).into());
            continue;
        }
        match content.size(digest) {
            Ok(Some(_)) => {}
            Ok(None) => errors.push(missing(&format!("blob {digest}"))),
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// Reads a blob and compares it with its digest.
fn whole(content: &Content, digest: &Digest) -> Result<()> {
    let Some(mut file) = content.open(digest)? else { return Ok(()) };
    let mut hasher = Hash::of_kind(digest);
    let mut buffer = vec![0; CHUNK];
    loop {
        match read(&mut file, &mut buffer).with_context(|| format!("read blob {digest}"))? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    hasher.check(digest).with_context(|| format!("blob {digest} is damaged"))
}

fn read(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
