//! `oci-archive` and `oci:` directories (image-spec, image-layout.md).
//!
//! ```text
//! oci-layout               {"imageLayoutVersion": "1.0.0"}
//! index.json               an index; the annotation org.opencontainers.image.ref.name names an image
//! blobs/<algorithm>/<hex>  manifests, configurations, layers
//! ```

use std::collections::HashSet;
use std::io::Write;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::docker::append;
use super::image::{Archived, ArchivedLayer, Checked, Outgoing};
use super::tree::Tree;
use crate::image::hash::Hash;
use crate::image::manifest::{
    Config, DOCUMENT_MAX, Descriptor, Document, IndexEntry, OCI_INDEX, OCI_MANIFEST, layer_compression, object,
};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;

/// The file that marks a layout.
pub(crate) const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's and docker's annotation with the full name.
const FULL_NAME: &str = "io.containerd.image.name";

/// Reads all images of a layout; of an index inside, the one for `platform`.
pub(crate) fn read(tree: &Tree, platform: &Platform) -> Result<Vec<Archived>> {
    let layout = object(&tree.need(LAYOUT, DOCUMENT_MAX)?, LAYOUT)?;
    match layout.get("imageLayoutVersion").and_then(|version| version.as_str()) {
        Some(version) if version.starts_with("1.") => {}
        other => bail!(Error::unsupported(format!("unsupported image layout version {other:?}"))),
    }
    let Document::Index(index) =
        Document::parse(&tree.need(INDEX, DOCUMENT_MAX)?, Some(OCI_INDEX)).with_context(|| format!("read {INDEX}"))?
    else {
        bail!(Error::invalid(format!("{INDEX} is not an index")));
    };
    index.manifests.iter().map(|entry| image(tree, entry, platform)).collect()
}

fn image(tree: &Tree, entry: &IndexEntry, platform: &Platform) -> Result<Archived> {
    let names: Vec<String> =
        [FULL_NAME, REF_NAME].iter().find_map(|key| entry.annotation(key)).map(str::to_owned).into_iter().collect();
    let mut descriptor = entry.descriptor.clone();
    let mut bytes = document(tree, &descriptor)?;
    if let Document::Index(index) = Document::parse(&bytes, Some(&descriptor.media_type))? {
        descriptor = index.pick(platform)?.descriptor.clone();
        bytes = document(tree, &descriptor)?;
    }
    let Document::Manifest(manifest) = Document::parse(&bytes, Some(&descriptor.media_type))? else {
        bail!(Error::unsupported("an index inside of an index is not supported"));
    };
    manifest.check_is_image()?;
    let config_bytes = document(tree, &manifest.config)?;
    let config = Config::parse(&config_bytes)?;
    config.check_layers(&manifest)?;
    let layers = manifest
        .layers
        .iter()
        .map(|descriptor| {
            let blob = tree
                .file(&path(&descriptor.digest))?
                .ok_or_else(|| Error::invalid(format!("layer {} is missing in the archive", descriptor.digest)))?;
            if blob.size() != descriptor.size {
                bail!(Error::invalid(format!(
                    "layer {} has {} bytes instead of {}",
                    descriptor.digest,
                    blob.size(),
                    descriptor.size
                )));
            }
            layer_compression(&descriptor.media_type)?;
            Ok(ArchivedLayer { descriptor: descriptor.clone(), blob })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Archived { names, manifest_bytes: bytes, manifest, config_bytes, config, layers })
}

fn path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// Reads and verifies a small blob.
fn document(tree: &Tree, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let bytes = tree.need(&path(&descriptor.digest), DOCUMENT_MAX)?;
    let mut hash = Hash::of_kind(&descriptor.digest);
    hash.update(&bytes);
    hash.check(&descriptor.digest)?;
    if bytes.len() as u64 != descriptor.size {
        bail!(Error::invalid(format!(
            "{} has {} bytes instead of {}",
            descriptor.digest,
            bytes.len(),
            descriptor.size
        )));
    }
    Ok(bytes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutIndex {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<OutEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutEntry {
    media_type: &'static str,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<OutAnnotations>,
}

#[derive(Serialize)]
struct OutAnnotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: String,
}

/// Writes images as an OCI archive; a docker manifest becomes an OCI one, whose digest differs.
pub(crate) fn write(out: &mut dyn Write, images: &[Outgoing<'_>]) -> Result<()> {
    let mut builder = tar::Builder::new(out);
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    append(&mut builder, LAYOUT, layout.len() as u64, &mut &layout[..])?;
    let mut written: HashSet<Digest> = HashSet::new();
    let mut manifests = Vec::new();
    for image in images {
        let converted = image.manifest.to_oci();
        let bytes = match converted == *image.manifest {
            true => image.manifest_bytes.to_vec(),
            false => converted.to_json()?,
        };
        for layer in &image.layers {
            let descriptor = layer.descriptor;
            if written.insert(descriptor.digest.clone()) {
                let mut reader = Checked::new((layer.open)()?, &descriptor.digest);
                append(&mut builder, &path(&descriptor.digest), descriptor.size, &mut reader)?;
                reader
                    .check(&descriptor.digest, descriptor.size)
                    .with_context(|| format!("layer {}", descriptor.digest))?;
            }
        }
        let manifest_digest = Digest::of(&bytes);
        for (digest, content) in [(&image.manifest.config.digest, image.config), (&manifest_digest, &bytes)] {
            if written.insert(digest.clone()) {
                append(&mut builder, &path(digest), content.len() as u64, &mut &*content)?;
            }
        }
        let entry = |name: Option<&String>| OutEntry {
            media_type: OCI_MANIFEST,
            digest: manifest_digest.clone(),
            size: bytes.len() as u64,
            annotations: name.map(|name| OutAnnotations { name: name.clone() }),
        };
        match &image.names[..] {
            [] => manifests.push(entry(None)),
            names => manifests.extend(names.iter().map(|name| entry(Some(name)))),
        }
    }
    let index = OutIndex { schema_version: 2, media_type: OCI_INDEX, manifests };
    let bytes = serde_json::to_vec(&index).context("write index.json")?;
    append(&mut builder, INDEX, bytes.len() as u64, &mut &bytes[..])?;
    builder.finish().context("write archive")
}
