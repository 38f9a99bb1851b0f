//! `oci-archive` and `oci:` directories (image-spec, image-layout.md).
//!
//! ```text
//! oci-layout               {"imageLayoutVersion": "1.0.0"}
//! index.json               an index; the annotation org.opencontainers.image.ref.name names an image
//! blobs/<algorithm>/<hex>  manifests, configurations, layers
//! ```

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::Value;

use super::directory;
use super::docker::append;
use super::image::{Archived, ArchivedLayer, Checked, Outgoing};
use super::tree::Tree;
use crate::image::convert::{Family, rewrite};
use crate::image::hash::Hash;
use crate::image::manifest::{
    Config, DOCUMENT_MAX, Descriptor, Document, IndexEntry, OCI_INDEX, OCI_MANIFEST, layer_compression, object,
};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;

/// The file that marks a layout.
pub(crate) const LAYOUT: &str = "oci-layout";
const LAYOUT_TEXT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's and docker's annotation with the full name.
const FULL_NAME: &str = "io.containerd.image.name";

/// Reads all images of a layout; of an index inside, the one for `platform`.
pub(crate) fn read(tree: &Tree, platform: &Platform) -> Result<Vec<Archived>> {
    check_version(&tree.need(LAYOUT, DOCUMENT_MAX)?)?;
    let Document::Index(index) =
        Document::parse(&tree.need(INDEX, DOCUMENT_MAX)?, Some(OCI_INDEX)).with_context(|| format!("read {INDEX}"))?
    else {
        bail!(Error::invalid(format!("{INDEX} is not an index")));
    };
    index.manifests.iter().map(|entry| image(tree, entry, platform)).collect()
}

fn check_version(bytes: &[u8]) -> Result<()> {
    match object(bytes, LAYOUT)?.get("imageLayoutVersion").and_then(|version| version.as_str()) {
        Some(version) if version.starts_with("1.") => Ok(()),
        other => bail!(Error::unsupported(format!("unsupported image layout version {other:?}"))),
    }
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

/// Takes a blob: its path, its size, its bytes; false where it is there already and nothing was read.
type Put<'p> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<bool> + 'p;

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

/// An index of the images that are written, which has the name in their place.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    /// OCI's index, as it is.
    pub(crate) bytes: &'a [u8],
    pub(crate) name: Option<&'a str>,
}

/// Writes an OCI archive; names are full. Manifests of Docker's kind become OCI's, the configuration stays.
pub(crate) fn write(out: &mut dyn Write, images: &[Outgoing<'_>]) -> Result<()> {
    write_with(out, images, None)
}

/// The same, perhaps of a list.
pub(crate) fn write_with(out: &mut dyn Write, images: &[Outgoing<'_>], list: Option<List<'_>>) -> Result<()> {
    let mut builder = tar::Builder::new(out);
    append(&mut builder, LAYOUT, LAYOUT_TEXT.len() as u64, &mut &LAYOUT_TEXT[..])?;
    let mut put =
        |name: &str, size: u64, reader: &mut dyn Read| append(&mut builder, name, size, reader).map(|()| true);
    let manifests = blobs(images, list, &mut put)?;
    let index = OutIndex { schema_version: 2, media_type: OCI_INDEX, manifests };
    let bytes = serde_json::to_vec(&index).context("write index.json")?;
    append(&mut builder, INDEX, bytes.len() as u64, &mut &bytes[..])?;
    builder.finish().context("write archive")
}

/// Adds images to the layout in a directory, which is made where there is none. An image of the same name gives it up;
/// blobs that are there are not written again. The index comes last.
pub(crate) fn write_layout(dir: &Path, images: &[Outgoing<'_>], list: Option<List<'_>>) -> Result<()> {
    let mut index = match directory::read_small(&dir.join(INDEX), DOCUMENT_MAX)? {
        Some(bytes) => {
            let layout = directory::read_small(&dir.join(LAYOUT), DOCUMENT_MAX)?.unwrap_or_default();
            check_version(&layout)?;
            object(&bytes, INDEX)?
        }
        None => {
            directory::create(&dir.join("blobs/sha256"))?;
            directory::put(dir, LAYOUT, &mut &LAYOUT_TEXT[..])?;
            let empty = OutIndex { schema_version: 2, media_type: OCI_INDEX, manifests: Vec::new() };
            object(&serde_json::to_vec(&empty).context("write index.json")?, INDEX)?
        }
    };
    let made = blobs(images, list, &mut |name, size, reader| match std::fs::metadata(dir.join(name)) {
        Ok(meta) if meta.is_file() && meta.len() == size => Ok(false),
        _ => directory::put(dir, name, reader).map(|()| true),
    })?;
    let Some(Value::Array(entries)) = index.get_mut("manifests") else {
        bail!(Error::invalid(format!("{INDEX} has no list of manifests")));
    };
    for entry in made {
        let entry = serde_json::to_value(entry).context("write index.json")?;
        let name = |entry: &Value| entry["annotations"][REF_NAME].as_str().map(str::to_owned);
        entries.retain(|other| match (name(&entry), name(other)) {
            (None, None) => entry["digest"] != other["digest"],
            (new, old) => new != old,
        });
        entries.push(entry);
    }
    let bytes = serde_json::to_vec(&Value::Object(index)).context("write index.json")?;
    directory::put(dir, INDEX, &mut &bytes[..])
}

/// Gives the blobs of images to `put`, each once; returns their lines of the index, or that of the list.
fn blobs(images: &[Outgoing<'_>], list: Option<List<'_>>, put: &mut Put<'_>) -> Result<Vec<OutEntry>> {
    let mut written: HashSet<Digest> = HashSet::new();
    let mut manifests = Vec::new();
    for image in images {
        let (bytes, manifest) = rewrite(image.manifest_bytes, image.manifest, Family::Oci, &image.manifest.layers)?;
        for layer in &image.layers {
            let descriptor = layer.descriptor;
            if written.insert(descriptor.digest.clone()) {
                let mut reader = Checked::new((layer.open)()?, &descriptor.digest);
                if put(&path(&descriptor.digest), descriptor.size, &mut reader)? {
                    reader.check_digest(&descriptor.digest).with_context(|| format!("layer {}", descriptor.digest))?;
                }
            }
        }
        let manifest_digest = Digest::of(&bytes);
        for (digest, content) in [(&manifest.config.digest, image.config), (&manifest_digest, &bytes)] {
            if written.insert(digest.clone()) {
                put(&path(digest), content.len() as u64, &mut &*content)?;
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
    if let Some(list) = list {
        let digest = Digest::of(list.bytes);
        put(&path(&digest), list.bytes.len() as u64, &mut &*list.bytes)?;
        let annotations = list.name.map(|name| OutAnnotations { name: name.to_owned() });
        return Ok(vec![OutEntry { media_type: OCI_INDEX, digest, size: list.bytes.len() as u64, annotations }]);
    }
    Ok(manifests)
}
