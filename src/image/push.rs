//! From the store to a registry.
//!
//! First the image is made what was asked for (its format, how layers are packed), then the blobs that the registry lacks
//! go, the configuration with them, and the manifest last.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use super::archive::image::{Archived, Checked, OutgoingLayer};
use super::archive::tree::{Blob, unnamed_file};
use super::archive::{self, directory, docker, oci};
use super::convert::{self, Family, Packing};
use super::intake::Progress;
use super::manifest::{Compression, Config, DOCUMENT_MAX, Descriptor, Manifest, layer_compression};
use super::registry::client::{Client, Resolved};
use super::registry::transfer::{Job, Sinks};
use super::registry::upload::{Event, Outgoing, same_registry};
use super::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::{ImageRecord, Instance};
use crate::model::reference::Reference;
use crate::state::paths::Paths;
use crate::storage::content::Content;
use crate::storage::layer::Layers;
use crate::storage::staging::Staging;
use crate::sys::cancel::Cancel;

/// Uploads at once.
const PARALLEL: usize = 6;
/// From how many other repositories a blob is asked for, and an image in all.
const MOUNTS: usize = 3;
const MOUNTS_ALL: usize = 8;

/// What the image is to be when it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `None`: what it is.
    pub(crate) format: Option<Family>,
    /// How layers that are not packed go; `None` leaves those as they are too.
    pub(crate) packing: Option<Packing>,
    /// Layers that are packed otherwise are packed anew.
    pub(crate) force: bool,
}

/// An image as it leaves.
pub(crate) struct Prepared {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) config_bytes: Vec<u8>,
    pub(crate) layers: Vec<PreparedLayer>,
    /// Its lease lists all of these.
    staging: Staging,
    /// Where it was fetched from.
    origin: Option<Reference>,
}

/// A layer as it leaves.
pub(crate) struct PreparedLayer {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: Digest,
    /// Bytes of the layer as an archive, where they are known.
    tar_size: Option<u64>,
    place: Place,
}

/// Where a layer's bytes are.
enum Place {
    Kept(PathBuf),
    /// Packed for this push.
    Made(File),
}

impl PreparedLayer {
    /// The bytes that the descriptor names.
    fn reader(&self) -> Result<Blob> {
        Ok(Blob::whole(self.file()?, self.descriptor.size))
    }

    /// The file with the bytes that the descriptor names, to be read by position.
    fn file(&self) -> Result<File> {
        match &self.place {
            Place::Kept(path) => File::open(path),
            Place::Made(file) => file.try_clone(),
        }
        .with_context(|| format!("open blob {}", self.descriptor.digest))
    }
}

/// Makes of the image `id` what is wished. While that is held, nobody removes what it stands on.
pub(crate) fn prepare(paths: &Paths, id: &str, wish: Wish, stop: &Cancel) -> Result<Prepared> {
    let (store, content, kept) = (ImageStore::new(paths), Content::new(paths), Layers::new(paths));
    let staging = Staging::new(paths)?;
    let record = {
        let _lock = store.lock()?;
        let record = store.record(id)?.ok_or_else(|| super::store::unknown(id))?;
        let documents = [&record.manifest, &record.config];
        let digests = documents.into_iter().chain(record.layers.iter().map(|layer| &layer.digest));
        staging.protect(digests.map(|digest| digest.to_string()).collect::<Vec<_>>().iter().map(String::as_str))?;
        record
    };
    let (bytes, manifest) = store.manifest(&record)?;
    let config_bytes = store.config_bytes(&record)?;
    for layer in &record.layers {
        if content.size(&layer.digest)? != Some(layer.size) {
            return Err(super::save::missing(&layer.digest).into());
        }
    }
    let layers = record.layers.iter().zip(&manifest.layers);
    let layers = layers
        .map(|(layer, descriptor)| PreparedLayer {
            descriptor: descriptor.clone(),
            diff_id: layer.diff_id.clone(),
            tar_size: kept.archive_size(layer.chain_id.hex()),
            place: Place::Kept(content.path(&layer.digest)),
        })
        .collect();
    finish(Prepared { manifest, manifest_bytes: bytes, config_bytes, layers, staging, origin: None }, wish, stop)
}

/// The same of a manifest whose blobs the store keeps for a list, with or without an image. Its lock is not held.
pub(crate) fn prepare_kept(paths: &Paths, instance: &Instance, wish: Wish, stop: &Cancel) -> Result<Prepared> {
    let (store, content) = (ImageStore::new(paths), Content::new(paths));
    let staging = Staging::new(paths)?;
    {
        let _lock = store.lock()?;
        staging.protect(instance.keeps.iter().map(Digest::as_str))?;
    }
    let (bytes, manifest) = store.instance_manifest(instance)?;
    let config_bytes = content.document(&manifest.config.digest, DOCUMENT_MAX)?;
    if let Some(lacking) = manifest.layers.iter().find(|layer| !matches!(content.size(&layer.digest), Ok(Some(_)))) {
        return Err(super::save::missing(&lacking.digest).into());
    }
    let places = manifest.layers.iter().map(|layer| Place::Kept(content.path(&layer.digest)));
    let layers = assemble(&manifest, &config_bytes, places);
    finish(Prepared { manifest, manifest_bytes: bytes, config_bytes, layers, staging, origin: None }, wish, stop)
}

/// The same of what a registry has; its layers are fetched, checked and kept beside the store for as long as this lives.
pub(crate) fn prepare_fetched(
    paths: &Paths,
    client: &Client,
    resolved: &Resolved,
    origin: &Reference,
    wish: Wish,
    stop: &Cancel,
) -> Result<Prepared> {
    let staging = Staging::new(paths)?;
    let manifest = resolved.manifest.clone();
    let config_bytes = client.fetch_bytes(resolved, &manifest.config)?;
    let path = |digest: &Digest| staging.join(format!("fetched.{}", digest.hex()));
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for layer in &manifest.layers {
        // Some images have a layer twice.
        if jobs.iter().any(|job| job.descriptor.digest == layer.digest) {
            continue;
        }
        let path = path(&layer.digest);
        let open = Box::new(move || {
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            let file = file.with_context(|| format!("create {}", path.display()))?;
            Ok(Sinks { file: Some(file), pipe: None })
        });
        jobs.push(Job { descriptor: layer.clone(), open });
    }
    client.fetch_all(resolved, jobs, PARALLEL, stop, &mut |_| {})?;
    let layers =
        assemble(&manifest, &config_bytes, manifest.layers.iter().map(|layer| Place::Kept(path(&layer.digest))));
    let (manifest_bytes, origin) = (resolved.manifest_bytes.clone(), Some(origin.clone()));
    finish(Prepared { manifest, manifest_bytes, config_bytes, layers, staging, origin }, wish, stop)
}

/// The same of an image of an archive; its layers are checked and copied beside the store for as long as this lives.
pub(crate) fn prepare_archived(paths: &Paths, image: &Archived, wish: Wish, stop: &Cancel) -> Result<Prepared> {
    let staging = Staging::new(paths)?;
    let mut layers = Vec::with_capacity(image.layers.len());
    for (layer, diff_id) in image.layers.iter().zip(&image.config.diff_ids) {
        let digest = &layer.descriptor.digest;
        let mut file = unnamed_file(staging.dir())?;
        let mut reader = Checked::new(layer.blob.rewound(), digest);
        let mut buffer = vec![0; 1 << 20];
        loop {
            if stop.is_cancelled() {
                bail!(Error::state("cancelled"));
            }
            match reader.read(&mut buffer).with_context(|| format!("read layer {digest}"))? {
                0 => break,
                length => file.write_all(&buffer[..length]).with_context(|| format!("copy layer {digest}"))?,
            }
        }
        // Who packs it anew reads from where it stands.
        file.rewind().context("rewind a staged layer")?;
        let (descriptor, diff_id) = (layer.descriptor.clone(), diff_id.clone());
        layers.push(PreparedLayer { descriptor, diff_id, tar_size: None, place: Place::Made(file) });
    }
    let (manifest, manifest_bytes) = (image.manifest.clone(), image.manifest_bytes.clone());
    let config_bytes = image.config_bytes.clone();
    finish(Prepared { manifest, manifest_bytes, config_bytes, layers, staging, origin: None }, wish, stop)
}

/// The layers of a manifest, with the diff ids of its configuration. What is no image has none: its blobs go as they are.
fn assemble(manifest: &Manifest, config: &[u8], places: impl Iterator<Item = Place>) -> Vec<PreparedLayer> {
    let config = Config::parse(config).ok().filter(|config| config.check_layers(manifest).is_ok());
    let diff_ids = config.map(|config| config.diff_ids);
    let layers = manifest.layers.iter().zip(places).enumerate();
    layers
        .map(|(index, (descriptor, place))| PreparedLayer {
            descriptor: descriptor.clone(),
            diff_id: diff_ids.as_ref().map_or(&descriptor.digest, |ids| &ids[index]).clone(),
            tar_size: None,
            place,
        })
        .collect()
}

/// Makes of an image what is wished. What is no image stays what it is.
fn finish(mut image: Prepared, wish: Wish, stop: &Cancel) -> Result<Prepared> {
    if image.manifest.check_is_image().is_err() {
        return Ok(image);
    }
    let zstd = wish.packing.is_some_and(|packing| packing.compression == Compression::Zstd);
    let family = match wish.format {
        Some(family) => family,
        // Docker's format has no such layers.
        None if zstd => Family::Oci,
        None => Family::of(&image.manifest),
    };
    let mut work: Vec<(usize, Compression, Packing)> = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let now = layer_compression(&layer.descriptor.media_type)?;
        if let Some(packing) = wish.packing
            && now != packing.compression
            && (now == Compression::None || wish.force)
        {
            work.push((index, now, packing));
        }
    }
    for (index, made) in pack_all(&image.layers, work, image.staging.dir(), stop)? {
        (image.layers[index].descriptor, image.layers[index].place) = (made.0, Place::Made(made.1));
    }
    let descriptors: Vec<Descriptor> = image.layers.iter().map(|layer| layer.descriptor.clone()).collect();
    (image.manifest_bytes, image.manifest) =
        convert::rewrite(&image.manifest_bytes, &image.manifest, family, &descriptors)?;
    for (layer, descriptor) in image.layers.iter_mut().zip(&image.manifest.layers) {
        layer.descriptor = descriptor.clone();
    }
    Ok(image)
}

/// Packs layers anew, as many at once as there are processors; the first error ends the others.
fn pack_all(
    layers: &[PreparedLayer],
    work: Vec<(usize, Compression, Packing)>,
    dir: &Path,
    stop: &Cancel,
) -> Result<Vec<(usize, (Descriptor, File))>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(work.len());
    // The first layer is taken first.
    let waiting = Mutex::new(work.into_iter());
    let take = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let pack = || -> Result<Vec<_>> {
        let mut made = Vec::new();
        while let Some((index, from, packing)) = take() {
            let layer = &layers[index];
            let packed = convert::repack(layer.file()?, from, packing, &layer.diff_id, dir, stop)
                .with_context(|| format!("pack layer {}", layer.descriptor.digest));
            if packed.is_err() {
                while take().is_some() {}
            }
            made.push((index, packed?));
        }
        Ok(made)
    };
    let results: Vec<Result<Vec<_>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(pack)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        // A panic aborts the process.
        joined.filter_map(std::result::Result::ok).collect()
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    Ok(all)
}

/// Where a prepared image is written that goes to no registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written<'p> {
    DockerArchive(&'p Path),
    OciArchive(&'p Path),
    Layout(&'p Path),
    Directory(&'p Path),
}

/// Writes a prepared image to a file or directory, with these names; returns the digest of its manifest. An archive must
/// not exist before; one that cannot be finished is removed.
pub(crate) fn write(image: &Prepared, place: Written<'_>, names: &[String]) -> Result<Digest> {
    write_out(std::slice::from_ref(image), None, place, names)?;
    Ok(Digest::of(&image.manifest_bytes))
}

/// The same of an index and its images, which are OCI's where the place is; of an archive of Docker's there is none.
pub(crate) fn write_list(images: &[Prepared], index: &[u8], place: Written<'_>, names: &[String]) -> Result<Digest> {
    write_out(images, Some(index), place, names)?;
    Ok(Digest::of(index))
}

fn write_out(images: &[Prepared], index: Option<&[u8]>, place: Written<'_>, names: &[String]) -> Result<()> {
    let open = |layer| {
        let layer: &PreparedLayer = layer;
        move || -> Result<Box<dyn Read + Send>> { Ok(Box::new(layer.reader()?)) }
    };
    let openers: Vec<Vec<_>> = images.iter().map(|image| image.layers.iter().map(open).collect()).collect();
    let mut outgoing = Vec::with_capacity(images.len());
    for (image, openers) in images.iter().zip(&openers) {
        let mut layers = Vec::with_capacity(openers.len());
        for (layer, open) in image.layers.iter().zip(openers) {
            let compression = layer_compression(&layer.descriptor.media_type)?;
            let (descriptor, diff_id) = (&layer.descriptor, &layer.diff_id);
            layers.push(OutgoingLayer { descriptor, diff_id, compression, tar_size: layer.tar_size, open });
        }
        outgoing.push(archive::image::Outgoing {
            names: if index.is_some() { Vec::new() } else { names.to_vec() },
            manifest: &image.manifest,
            manifest_bytes: &image.manifest_bytes,
            config: &image.config_bytes,
            layers,
        });
    }
    let docker = images.iter().any(|image| Family::of(&image.manifest) == Family::Docker);
    if index.is_some() && docker && matches!(place, Written::OciArchive(_) | Written::Layout(_)) {
        let error = Error::unsupported("the list has images of Docker's format, and a layout has none");
        bail!(error.hint("dir: takes them as they are"));
    }
    let list = index.map(|bytes| oci::List { bytes, name: names.first().map(String::as_str) });
    let archive = |path: &Path, write: &dyn Fn(&mut dyn Write) -> Result<()>| {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let mut out = match file {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let message = "archives that exist cannot be changed";
                bail!(Error::conflict(format!("{}: {message}", path.display())))
            }
            made => BufWriter::with_capacity(1 << 20, made.with_context(|| format!("create {}", path.display()))?),
        };
        write(&mut out)
            .and_then(|()| out.flush().with_context(|| format!("write {}", path.display())))
            .inspect_err(|_| drop(std::fs::remove_file(path)))
    };
    match place {
        Written::DockerArchive(_) if index.is_some() => {
            let error = Error::unsupported("an archive of Docker's has no lists of images");
            Err(error.hint("push the images of the list one by one, or use oci-archive:").into())
        }
        Written::DockerArchive(path) => archive(path, &|out| docker::write(out, &outgoing)),
        Written::OciArchive(path) => archive(path, &|out| oci::write_with(out, &outgoing, list)),
        Written::Layout(dir) => oci::write_layout(dir, &outgoing, list),
        Written::Directory(dir) => directory::write(dir, &outgoing, index),
    }
}

/// Puts an index under `name`; what it lists is there.
pub(crate) fn push_index(client: &Client, name: &Reference, media_type: &str, bytes: &[u8]) -> Result<Digest> {
    let digest = Digest::of(bytes);
    if let Some(named) = name.digest().filter(|named| **named != digest) {
        bail!(Error::invalid(format!("the index has the digest {digest}, not {named}")));
    }
    let destination = client.open_destination(name, &[])?;
    client.put_manifest(&destination, name, media_type, bytes)?;
    Ok(digest)
}

/// Sends a prepared image to the place that `name` names; returns the digest of its manifest.
pub(crate) fn push(
    paths: &Paths,
    client: &Client,
    image: &Prepared,
    name: &Reference,
    progress: &mut dyn Progress,
) -> Result<Digest> {
    let digest = Digest::of(&image.manifest_bytes);
    if let Some(named) = name.digest().filter(|named| **named != digest) {
        bail!(Error::invalid(format!("the manifest has the digest {digest}, not {named}")));
    }
    let digests: Vec<&Digest> = image.layers.iter().map(|layer| &layer.descriptor.digest).collect();
    let mut mounts = elsewhere(paths, &digests, name)?;
    if let Some(origin) = image.origin.as_ref().filter(|origin| same_registry(origin, name)) {
        for digest in &digests {
            mounts.entry((*digest).clone()).or_default().insert(0, origin.path().to_owned());
        }
    }
    let mut others: Vec<String> = mounts.values().flatten().cloned().collect();
    others.sort_unstable();
    others.dedup();
    others.truncate(MOUNTS_ALL);
    let destination = client.open_destination(name, &others)?;
    let mut outgoing: Vec<Outgoing<'_>> = Vec::new();
    for layer in &image.layers {
        // Some images have a layer twice.
        if outgoing.iter().any(|known| known.descriptor.digest == layer.descriptor.digest) {
            continue;
        }
        let mut mounts = mounts.get(&layer.descriptor.digest).cloned().unwrap_or_default();
        mounts.retain(|repository| others.contains(repository));
        outgoing.push(Outgoing { descriptor: layer.descriptor.clone(), mounts, open: Box::new(|| layer.file()) });
    }
    let layers = outgoing.len();
    let config = || -> Result<File> {
        let mut file = unnamed_file(image.staging.dir())?;
        file.write_all(&image.config_bytes).context("write the configuration")?;
        Ok(file)
    };
    let descriptor = image.manifest.config.clone();
    outgoing.push(Outgoing { descriptor, mounts: Vec::new(), open: Box::new(config) });
    let about: Vec<(Digest, u64)> =
        outgoing.iter().map(|blob| (blob.descriptor.digest.clone(), blob.descriptor.size)).collect();
    let mut tell = |event: Event| match event {
        // The configuration has a line of its own.
        Event::Present { blob } | Event::Started { blob } | Event::Advanced { blob, .. } | Event::Finished { blob }
            if blob >= layers => {}
        Event::Present { blob } => progress.present(&about[blob].0, about[blob].1),
        Event::Started { blob } => progress.started(&about[blob].0, about[blob].1),
        Event::Advanced { blob, bytes } => progress.advanced(&about[blob].0, bytes),
        Event::Finished { blob } => progress.finished(&about[blob].0),
    };
    client.send_all(&destination, &outgoing, PARALLEL, &mut tell)?;
    client.put_manifest(&destination, name, &image.manifest.media_type, &image.manifest_bytes)?;
    Ok(digest)
}

/// For each blob the other repositories of the registry that an image of this store with the blob came from or went to.
fn elsewhere(paths: &Paths, digests: &[&Digest], name: &Reference) -> Result<HashMap<Digest, Vec<String>>> {
    let mut found: HashMap<Digest, Vec<String>> = HashMap::new();
    for listed in ImageStore::new(paths).list()?.images {
        let record: &ImageRecord = &listed.record;
        let shared: Vec<&Digest> = digests
            .iter()
            .copied()
            .filter(|digest| record.layers.iter().any(|layer| layer.digest == **digest))
            .collect();
        if shared.is_empty() {
            continue;
        }
        for known in record.repo_digests.iter().chain(&record.history) {
            let Ok(known) = known.parse::<Reference>() else { continue };
            if known.is_short() || !same_registry(&known, name) || known.path() == name.path() {
                continue;
            }
            for digest in &shared {
                let places = found.entry((*digest).clone()).or_default();
                if places.len() < MOUNTS && !places.iter().any(|place| place == known.path()) {
                    places.push(known.path().to_owned());
                }
            }
        }
    }
    Ok(found)
}
