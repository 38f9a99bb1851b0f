//! The transport `dir:`: an image as loose files, made for looking into.
//!
//! ```text
//! version          "Directory Transport Version: 1.1"
//! manifest.json    the manifest as it is
//! <hex>            configuration and layers, by their digests
//! ```
//!
//! Files are written beside their place and renamed, the manifest last.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::image::{Archived, ArchivedLayer, Checked, Outgoing};
use super::tree::Tree;
use crate::image::hash::Hash;
use crate::image::manifest::{Config, DOCUMENT_MAX, Document, layer_compression};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;

pub(crate) const VERSION: &str = "version";
const VERSION_TEXT: &str = "Directory Transport Version: 1.1\n";
const VERSION_BEGIN: &str = "Directory Transport Version: 1.";
const MANIFEST: &str = "manifest.json";

/// Reads the image of a directory, for `platform` where it has several.
pub(crate) fn read(tree: &Tree, platform: &Platform) -> Result<Archived> {
    let version = tree.need(VERSION, 1 << 10)?;
    if !version.starts_with(VERSION_BEGIN.as_bytes()) {
        let version = String::from_utf8_lossy(&version);
        bail!(Error::unsupported(format!("unsupported version of an image directory: {:?}", version.trim())));
    }
    let mut bytes = tree.need(MANIFEST, DOCUMENT_MAX)?;
    if let Document::Index(index) = Document::parse(&bytes, None)? {
        let digest = &index.pick(platform)?.descriptor.digest;
        bytes = tree.need(&format!("{}.{MANIFEST}", digest.hex()), DOCUMENT_MAX)?;
        check(digest, &bytes)?;
    }
    let Document::Manifest(manifest) = Document::parse(&bytes, None)? else {
        bail!(Error::unsupported("an index inside of an index is not supported"));
    };
    manifest.check_is_image()?;
    let config_bytes = tree.need(manifest.config.digest.hex(), DOCUMENT_MAX)?;
    check(&manifest.config.digest, &config_bytes)?;
    let config = Config::parse(&config_bytes)?;
    config.check_layers(&manifest)?;
    let mut layers = Vec::new();
    for descriptor in &manifest.layers {
        let digest = &descriptor.digest;
        let blob = tree.file(digest.hex())?;
        let blob = blob.ok_or_else(|| Error::invalid(format!("layer {digest} is missing in the directory")))?;
        if blob.size() != descriptor.size {
            let message = format!("layer {digest} has {} bytes instead of {}", blob.size(), descriptor.size);
            bail!(Error::invalid(message));
        }
        layer_compression(&descriptor.media_type)?;
        layers.push(ArchivedLayer { descriptor: descriptor.clone(), blob });
    }
    Ok(Archived { names: Vec::new(), manifest_bytes: bytes, manifest, config_bytes, config, layers })
}

fn check(digest: &Digest, bytes: &[u8]) -> Result<()> {
    let mut hash = Hash::of_kind(digest);
    hash.update(bytes);
    hash.check(digest)
}

/// Writes an image, or the images of the index `list`, to a directory that is new, empty, or holds such an image already,
/// which then goes.
pub(crate) fn write(dir: &Path, images: &[Outgoing<'_>], list: Option<&[u8]>) -> Result<()> {
    create(dir)?;
    let old = match read_small(&dir.join(VERSION), 1 << 10)? {
        Some(version) if version.starts_with(VERSION_BEGIN.as_bytes()) => entries(dir)?,
        None if entries(dir)?.is_empty() => HashSet::new(),
        _ => {
            let message = "not a containers image directory, don't want to overwrite important data";
            bail!(Error::conflict(format!("{}: {message}", dir.display())))
        }
    };
    let mut kept: HashSet<String> = [VERSION, MANIFEST].map(str::to_owned).into();
    put(dir, VERSION, &mut VERSION_TEXT.as_bytes())?;
    for layer in images.iter().flat_map(|image| &image.layers) {
        let digest = &layer.descriptor.digest;
        if kept.insert(digest.hex().to_owned()) {
            let mut reader = Checked::new((layer.open)()?, digest);
            put(dir, digest.hex(), &mut reader)?;
            reader.check_digest(digest).with_context(|| format!("layer {digest}"))?;
        }
    }
    for image in images {
        let config = image.manifest.config.digest.hex();
        kept.insert(config.to_owned());
        put(dir, config, &mut &*image.config)?;
        if list.is_some() {
            let name = format!("{}.{MANIFEST}", Digest::of(image.manifest_bytes).hex());
            put(dir, &name, &mut &*image.manifest_bytes)?;
            kept.insert(name);
        }
    }
    match (list, images) {
        (Some(list), _) => put(dir, MANIFEST, &mut &*list)?,
        (None, [image]) => put(dir, MANIFEST, &mut &*image.manifest_bytes)?,
        (None, _) => bail!(Error::invalid("a directory holds one image, or a list")),
    }
    for name in old.difference(&kept) {
        // Only what such an image is made of: a file named by a digest.
        let hex = name.strip_suffix(&format!(".{MANIFEST}")).unwrap_or(name);
        if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            std::fs::remove_file(dir.join(name)).with_context(|| format!("remove {name}"))?;
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<HashSet<String>> {
    let listing = || format!("list {}", dir.display());
    let all = std::fs::read_dir(dir).with_context(listing)?.map(|entry| Ok(entry?.file_name()));
    let names: std::io::Result<Vec<_>> = all.collect();
    Ok(names.with_context(listing)?.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

/// Makes a directory and those above it.
pub(super) fn create(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(dir).with_context(|| format!("create {}", dir.display()))
}

/// Reads a file of at most `limit` bytes; `None` where there is none.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let reading = || format!("read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(reading)?,
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).with_context(reading)?;
    if bytes.len() as u64 > limit {
        bail!(Error::invalid(format!("{} is larger than {limit} bytes", path.display())));
    }
    Ok(Some(bytes))
}

/// Writes a file beside its place and renames it; `name` may have directories, which exist.
pub(super) fn put(dir: &Path, name: &str, reader: &mut dyn Read) -> Result<()> {
    let path = dir.join(name);
    let writing = || format!("write {}", path.display());
    let new = dir.join(format!(".new-{}", std::process::id()));
    let mut write = || -> std::io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 18, File::create(&new)?);
        std::io::copy(reader, &mut out)?;
        out.flush()?;
        std::fs::rename(&new, &path)
    };
    write().inspect_err(|_| drop(std::fs::remove_file(&new))).with_context(writing)
}
