//! `docker-archive`: what `docker save` and `podman save` write.
//!
//! ```text
//! manifest.json            [{"Config": NAME, "RepoTags": [NAME:TAG], "Layers": [NAME]}]
//! <config digest>.json     or blobs/sha256/<digest> (docker 25 and later, which is an OCI layout as well)
//! <diff id>.tar            or <id>/layer.tar, or blobs/sha256/<digest>; links to each other in old archives
//! ```
//!
//! Layers are plain tars; compressed ones are read too. There is no manifest, so one is made.

use std::collections::HashSet;
use std::io::{Read, Write};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::image::{Archived, ArchivedLayer, Checked, Outgoing, ahead};
use super::tree::{Blob, Tree};
use crate::image::manifest::{
    Compression, Config, DOCKER_CONFIG, DOCKER_MANIFEST, DOCUMENT_MAX, Descriptor, Manifest, check_depth,
};
use crate::model::digest::Digest;
use crate::model::error::Error;

/// The file that lists the images.
pub(crate) const MANIFEST: &str = "manifest.json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// The most images in one archive.
const IMAGES_MAX: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    /// Null for an image without a name.
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Reads all images of a docker archive.
pub(crate) fn read(tree: &Tree) -> Result<Vec<Archived>> {
    let bytes = tree.need(MANIFEST, DOCUMENT_MAX)?;
    check_depth(&bytes, MANIFEST)?;
    let entries: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("parse {MANIFEST}: {error}")))?;
    if entries.len() > IMAGES_MAX {
        bail!(Error::invalid(format!("archive has more than {IMAGES_MAX} images")));
    }
    entries.into_iter().map(|entry| image(tree, entry)).collect()
}

fn image(tree: &Tree, entry: Entry) -> Result<Archived> {
    let config_bytes = tree.need(&entry.config, DOCUMENT_MAX)?;
    let digest = Digest::of(&config_bytes);
    // A name that is a digest must be the right one.
    let stem = entry.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(named) = format!("sha256:{stem}").parse::<Digest>()
        && named != digest
    {
        bail!(Error::invalid(format!("configuration {named} has the digest {digest}")));
    }
    let config = Config::parse(&config_bytes)?;
    let paths = entry.layers.unwrap_or_default();
    if paths.len() != config.diff_ids.len() {
        bail!(Error::invalid(format!(
            "archive has {} layers, its configuration {}",
            paths.len(),
            config.diff_ids.len()
        )));
    }
    let layers = paths
        .iter()
        .zip(&config.diff_ids)
        .map(|(path, diff_id)| {
            let blob = tree.file(path)?.ok_or_else(|| {
                Error::invalid(format!("layer \"{}\" is missing in the archive", path.escape_debug()))
            })?;
            layer(blob, diff_id).with_context(|| format!("layer {path}"))
        })
        .collect::<Result<Vec<_>>>()?;
    let manifest = Manifest {
        media_type: DOCKER_MANIFEST.to_owned(),
        config: Descriptor {
            media_type: DOCKER_CONFIG.to_owned(),
            digest,
            size: config_bytes.len() as u64,
            urls: Vec::new(),
        },
        layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
    };
    Ok(Archived {
        names: entry.repo_tags.unwrap_or_default(),
        manifest_bytes: manifest.to_json()?,
        manifest,
        config_bytes,
        config,
        layers,
    })
}

fn layer(blob: Blob, diff_id: &Digest) -> Result<ArchivedLayer> {
    let compression = blob.compression()?;
    let (suffix, digest) = match compression {
        Compression::None => ("", diff_id.clone()),
        Compression::Gzip => (".gzip", hash(&blob)?),
        Compression::Zstd => (".zstd", hash(&blob)?),
    };
    let descriptor = Descriptor { media_type: format!("{LAYER}{suffix}"), digest, size: blob.size(), urls: Vec::new() };
    Ok(ArchivedLayer { descriptor, blob })
}

/// The digest of a compressed layer is written nowhere.
fn hash(blob: &Blob) -> Result<Digest> {
    use sha2::Digest as _;
    let mut reader = blob.rewound();
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer).context("read layer")? {
            0 => return Ok(Digest::sha256(&hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Writes images as docker and podman load them; equal input gives equal bytes.
pub(crate) fn write(out: &mut dyn Write, images: &[Outgoing<'_>]) -> Result<()> {
    let mut builder = tar::Builder::new(out);
    let mut written: HashSet<String> = HashSet::new();
    let mut entries = Vec::new();
    for image in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let name = format!("{}.tar", layer.diff_id.hex());
            if written.insert(name.clone()) {
                let (size, reader) = layer.plain()?;
                ahead(reader, |reader| {
                    let mut reader = Checked::new(reader, layer.diff_id);
                    append(&mut builder, &name, size, &mut reader)?;
                    reader.check(layer.diff_id, size).with_context(|| format!("layer {}", layer.diff_id))
                })?;
            }
            layers.push(name);
        }
        let digest = Digest::of(image.config);
        let config = format!("{}.json", digest.hex());
        if written.insert(config.clone()) {
            append(&mut builder, &config, image.config.len() as u64, &mut &*image.config)?;
        }
        match entries.iter_mut().find(|entry: &&mut Entry| entry.config == config) {
            // The same image under another name.
            Some(entry) => entry.repo_tags.get_or_insert_default().extend(image.names.iter().cloned()),
            None => {
                let repo_tags = Some(image.names.clone()).filter(|names| !names.is_empty());
                entries.push(Entry { config, repo_tags, layers: Some(layers) });
            }
        }
    }
    let manifest = serde_json::to_vec(&entries).context("write manifest.json")?;
    append(&mut builder, MANIFEST, manifest.len() as u64, &mut &manifest[..])?;
    builder.finish().context("write archive")
}

/// Appends one file with a header that says nothing about this machine or hour.
pub(super) fn append(
    builder: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    size: u64,
    reader: &mut dyn Read,
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o444);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    // A reader that gives more must not run over what comes next; less is found by the caller's check.
    builder.append_data(&mut header, name, reader.take(size)).with_context(|| format!("write {name}"))
}
