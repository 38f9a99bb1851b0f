//! From the store into archives that docker, podman and others load.

use std::io::{Read, Write};

use anyhow::{Context, Result};

use super::archive::image::{Outgoing, OutgoingLayer};
use super::archive::{docker, oci};
use super::manifest::{Manifest, layer_compression};
use super::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::ImageRecord;
use crate::state::paths::Paths;
use crate::storage::content::Content;
use crate::storage::layer::Layers;

/// The formats of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    DockerArchive,
    OciArchive,
}

/// An image to save: its id and the full names that the archive gives it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
}

/// What of an image is held while it is written.
struct Open {
    record: ImageRecord,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    config: Vec<u8>,
    names: Vec<String>,
}

/// Writes `images` to `out`. Nothing is written before every image was found whole.
pub(crate) fn save(paths: &Paths, images: &[Saved], format: Format, out: &mut dyn Write) -> Result<()> {
    let (store, content, kept) = (ImageStore::new(paths), Content::new(paths), Layers::new(paths));
    let mut opened = Vec::with_capacity(images.len());
    for image in images {
        let record = store.record(&image.id)?.ok_or_else(|| super::store::unknown(&image.id))?;
        let (manifest_bytes, manifest) = store.manifest(&record)?;
        let config = store.config_bytes(&record)?;
        for layer in &record.layers {
            if content.size(&layer.digest)? != Some(layer.size) {
                return Err(missing(&layer.digest).into());
            }
        }
        opened.push(Open { record, manifest, manifest_bytes, config, names: image.names.clone() });
    }
    let open_blob = |digest: &Digest| -> Result<Box<dyn Read + Send>> {
        let file = content.open(digest)?.ok_or_else(|| missing(digest))?;
        Ok(Box::new(file))
    };
    let openers: Vec<Vec<_>> = opened
        .iter()
        .map(|image| image.record.layers.iter().map(|layer| || open_blob(&layer.digest)).collect())
        .collect();
    let mut outgoing = Vec::with_capacity(opened.len());
    for (image, openers) in opened.iter().zip(&openers) {
        let mut layers = Vec::with_capacity(openers.len());
        for ((descriptor, layer), open) in image.manifest.layers.iter().zip(&image.record.layers).zip(openers) {
            layers.push(OutgoingLayer {
                descriptor,
                diff_id: &layer.diff_id,
                compression: layer_compression(&layer.media_type)?,
                tar_size: kept.archive_size(layer.chain_id.hex()),
                open,
            });
        }
        outgoing.push(Outgoing {
            names: image.names.clone(),
            manifest: &image.manifest,
            manifest_bytes: &image.manifest_bytes,
            config: &image.config,
            layers,
        });
    }
    match format {
        Format::DockerArchive => docker::write(out, &outgoing),
        Format::OciArchive => oci::write(out, &outgoing),
    }
    .context("write the archive")?;
    out.flush().context("write the archive")
}

pub(crate) fn missing(digest: &Digest) -> Error {
    Error::state(format!("blob {digest} is missing from the store")).hint("pull the image again")
}
