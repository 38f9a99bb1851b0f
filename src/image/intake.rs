//! From the parts of an image, while they arrive, to an image of the store. Pull, load and import all end here.
//!
//! Steps:
//! 1. Under the images' lock the lease lists every blob and layer, and what is missing is found: the garbage collection
//!    spares what a live lease lists.
//! 2. Blobs are written to the staging directory by whoever brings them. As many workers as processors give layers to
//!    unpacking processes: a blob that is there whole by its file, one that still arrives through a pipe that is fed from
//!    the file (splice, nothing is copied), so a slow unpack never holds up a download.
//! 3. Digest, size and diff id were compared; what depends on lower layers is finished, from the lowest up.
//! 4. One syncfs brings all of it to the disk; then blobs and layers get their names, then the record is written.
//!
//! A kill before step 4 leaves a staging directory whose lease is free; one in step 4 leaves blobs and layers that no
//! record names. Both go with the next command that sees the dead lease.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use rustix::event::PollFlags;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::manifest::{Config, Manifest};
use super::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::{ImageLayer, ImageRecord, LayerFormat};
use crate::state::paths::Paths;
use crate::state::record;
use crate::storage::content::{Content, Verified};
use crate::storage::extract::Limits;
use crate::storage::layer::{Layers, Staged, chain_ids};
use crate::storage::staging::Staging;
use crate::storage::unpack::{self, Unpacked};
use crate::sys::cancel::{self, Cancel};
use crate::sys::mount::Lower;
use crate::sys::writeback;

/// Room in the pipe to an unpacking process.
const PIPE: usize = 1 << 20;

/// How much of a blob's writeback is begun at once.
const KICK: u64 = 8 << 20;

/// Where images go, and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) paths: Paths,
    /// The store is a user namespace's: overlay's attributes are `user.` ones.
    pub(crate) rootless: bool,
    pub(crate) limits: Limits,
    /// How new layers are kept.
    pub(crate) format: LayerFormat,
    /// Set by a signal: everything ends at once, and nothing is left.
    pub(crate) cancel: Cancel,
}

/// What is told of a download or copy, blob by blob, on the caller's thread.
pub(crate) trait Progress {
    /// The store has it already.
    fn present(&mut self, digest: &Digest, size: u64);
    fn started(&mut self, digest: &Digest, size: u64);
    fn advanced(&mut self, digest: &Digest, bytes: u64);
    fn finished(&mut self, digest: &Digest);
}

/// The documents of an image, as they came and parsed.
pub(crate) struct Documents<'a> {
    pub(crate) manifest_bytes: &'a [u8],
    pub(crate) manifest: &'a Manifest,
    pub(crate) config_bytes: &'a [u8],
    pub(crate) config: &'a Config,
    /// The index that led here, with its digest.
    pub(crate) index: Option<&'a [u8]>,
}

/// A layer that is to be unpacked.
struct Layer {
    chain: Digest,
    /// Which blob has it.
    blob: usize,
    staged: Staged,
    taken: bool,
    unpacked: Option<Unpacked>,
}

/// A blob, or what is known of it so far.
struct Blob {
    digest: Digest,
    size: u64,
    /// The file that has it or will; `None` until somebody begins to write it.
    path: Option<PathBuf>,
    available: u64,
    complete: bool,
    /// It was in the store before.
    present: bool,
}

/// What workers and the bringer share.
struct Shared {
    blobs: Vec<Blob>,
    layers: Vec<Layer>,
    failure: Option<anyhow::Error>,
    /// Nothing more will come.
    ended: bool,
}

/// An image on its way into the store.
pub(crate) struct Intake<'a> {
    target: &'a Target,
    documents: Documents<'a>,
    limits: Limits,
    chain: Vec<Digest>,
    staging: Staging,
    content: Content,
    layers: Layers,
    shared: Mutex<Shared>,
    changed: Condvar,
    /// Set when anything failed, so that every process and download ends.
    stop: Cancel,
}

impl<'a> Intake<'a> {
    /// Step 1: checks the documents and finds what is missing.
    pub(crate) fn begin(target: &'a Target, documents: Documents<'a>) -> Result<Self> {
        let Documents { manifest, config, .. } = &documents;
        manifest.check_is_image()?;
        config.check_layers(manifest)?;
        let digests = manifest.layers.iter().map(|layer| &layer.digest).chain(&config.diff_ids);
        if let Some(odd) = digests.chain([&manifest.config.digest]).find(|digest| digest.algorithm() != "sha256") {
            return Err(Error::unsupported(format!("digest {odd}: only sha256 is supported")).into());
        }
        let limits = target.limits.clone().with(&|key| std::env::var_os(key))?;
        let chain = chain_ids(&config.diff_ids);
        let staging = Staging::new(&target.paths)?;
        let (content, layers) = (Content::new(&target.paths), Layers::new(&target.paths));
        let mut shared = Shared { blobs: Vec::new(), layers: Vec::new(), failure: None, ended: false };
        {
            let _lock = ImageStore::new(&target.paths).lock()?;
            let documents = [Digest::of(documents.manifest_bytes), manifest.config.digest.clone()];
            let index = documents_index(documents.iter(), &manifest.layers);
            staging.protect(index.iter().map(String::as_str).chain(chain.iter().map(Digest::hex)))?;
            let mut known: HashMap<&Digest, usize> = HashMap::new();
            for (descriptor, chain) in manifest.layers.iter().zip(&chain) {
                let blob = match known.get(&descriptor.digest) {
                    Some(blob) => *blob,
                    None => {
                        let present = content.size(&descriptor.digest)? == Some(descriptor.size);
                        shared.blobs.push(Blob {
                            digest: descriptor.digest.clone(),
                            size: descriptor.size,
                            path: present.then(|| content.path(&descriptor.digest)),
                            available: if present { descriptor.size } else { 0 },
                            complete: present,
                            present,
                        });
                        known.insert(&descriptor.digest, shared.blobs.len() - 1);
                        shared.blobs.len() - 1
                    }
                };
                if !layers.exists(chain.hex()) {
                    let staged = Staged::create(staging.dir(), chain.hex(), target.format)?;
                    shared.layers.push(Layer { chain: chain.clone(), blob, staged, taken: false, unpacked: None });
                }
            }
        }
        Ok(Self {
            target,
            documents,
            limits,
            chain,
            staging,
            content,
            layers,
            shared: Mutex::new(shared),
            changed: Condvar::new(),
            stop: Cancel::new().context("make an event")?,
        })
    }

    /// The blobs that somebody has to bring, as indices with digest and size.
    pub(crate) fn missing(&self) -> Vec<(usize, Digest, u64)> {
        let shared = self.lock();
        let missing = shared.blobs.iter().enumerate().filter(|(_, blob)| !blob.complete);
        missing.map(|(index, blob)| (index, blob.digest.clone(), blob.size)).collect()
    }

    /// The blobs that the store has.
    pub(crate) fn present(&self) -> Vec<(Digest, u64)> {
        let shared = self.lock();
        shared.blobs.iter().filter(|blob| blob.present).map(|blob| (blob.digest.clone(), blob.size)).collect()
    }

    /// Begins to write blob `index`.
    pub(crate) fn create(&self, index: usize) -> Result<File> {
        let mut shared = self.lock();
        let blob = &mut shared.blobs[index];
        let path = self.staging.join(format!("blob.{index}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("create {}", path.display()))?;
        blob.path = Some(path);
        Ok(file)
    }

    /// So many bytes of blob `index` more are written.
    pub(crate) fn advanced(&self, index: usize, bytes: u64) {
        self.lock().blobs[index].available += bytes;
        self.changed.notify_all();
    }

    /// Blob `index` is whole; size and digest were compared.
    pub(crate) fn finished(&self, index: usize) {
        self.lock().blobs[index].complete = true;
        self.changed.notify_all();
    }

    /// What ends the bringing: a layer that cannot be unpacked.
    pub(crate) fn stop(&self) -> &Cancel {
        &self.stop
    }

    /// Runs `bring`, which writes what is missing, with the workers beside it (step 2). It must end soon after the
    /// target's `cancel` or [`Self::stop`] is set: with its error the workers that wait for bytes end too.
    pub(crate) fn run(&self, bring: impl FnOnce() -> Result<()>) -> Result<()> {
        let waiting = self.lock().layers.len();
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(waiting);
        let brought = std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work());
            }
            let brought = bring();
            if brought.is_err() {
                self.stop.cancel();
            }
            self.lock().ended = true;
            self.changed.notify_all();
            brought
        });
        // A layer that cannot be unpacked ends the download; its error is the one to tell.
        if let Some(error) = self.lock().failure.take() {
            return Err(error);
        }
        brought?;
        match self.target.cancel.is_cancelled() {
            true => Err(Error::state("cancelled").into()),
            false => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A panic aborts the process: no lock is ever poisoned.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled() || self.target.cancel.is_cancelled()
    }

    /// Waits until something changed; a cancellation ends the bringing, which is a change.
    fn wait<'g>(&self, guard: MutexGuard<'g, Shared>) -> MutexGuard<'g, Shared> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker: takes one layer after the other until there are no more.
    fn work(&self) {
        while let Some(index) = self.take() {
            match self.unpack(index) {
                Ok(unpacked) => self.lock().layers[index].unpacked = Some(unpacked),
                Err(error) => {
                    let cancelled = self.stopped() || is_cancelled(&error);
                    let mut shared = self.lock();
                    if !cancelled && shared.failure.is_none() {
                        shared.failure = Some(error);
                    }
                    // No use in downloading the rest.
                    self.stop.cancel();
                    self.changed.notify_all();
                }
            }
        }
    }

    /// The next layer: one whose blob is whole, else the one that got furthest.
    fn take(&self) -> Option<usize> {
        let mut shared = self.lock();
        loop {
            if self.stopped() {
                return None;
            }
            let free = || shared.layers.iter().enumerate().filter(|(_, layer)| !layer.taken);
            free().next()?;
            let ready =
                free().filter(|(_, layer)| shared.blobs[layer.blob].available > 0 || shared.blobs[layer.blob].complete);
            let best = ready.max_by_key(|(index, layer)| {
                let blob = &shared.blobs[layer.blob];
                (blob.complete, blob.available, usize::MAX - index)
            });
            if let Some((index, _)) = best {
                shared.layers[index].taken = true;
                return Some(index);
            }
            if shared.ended {
                return None;
            }
            shared = self.wait(shared);
        }
    }

    fn unpack(&self, index: usize) -> Result<Unpacked> {
        let (path, complete, place, format, blob, digest, size) = {
            let shared = self.lock();
            let layer = &shared.layers[index];
            let blob = &shared.blobs[layer.blob];
            let path = blob.path.clone().context("a blob that arrives has a file")?;
            let (place, format) = (layer.staged.target(), layer.staged.format());
            (path, blob.complete, place, format, layer.blob, blob.digest.clone(), blob.size)
        };
        let doing = || format!("unpack layer {digest}");
        let file = File::open(&path).with_context(doing)?;
        let limits = &self.limits.for_blob(size);
        let unpacker = if complete {
            kick(&file, 0, size);
            unpack::spawn(file.into(), &place, format, limits).with_context(doing)?
        } else {
            let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
            // Only a wish: an ordinary user may have too many pipes already.
            let _ = rustix::pipe::fcntl_setpipe_size(&write, PIPE);
            rustix::io::ioctl_fionbio(&write, true).context("set up a pipe")?;
            let unpacker = unpack::spawn(read, &place, format, limits).with_context(doing)?;
            self.feed(&file, write, blob).with_context(doing)?;
            unpacker
        };
        let unpacked = unpacker.wait(&[&self.target.cancel, &self.stop]).with_context(doing)?;
        let shared = self.lock();
        let at = self.chain.iter().position(|chain| *chain == shared.layers[index].chain);
        let expected = at.map(|at| &self.documents.config.diff_ids[at]).context("a layer is of the chain")?;
        if unpacked.diff_id != *expected {
            let message = format!("layer {digest} unpacks to {} instead of {expected}", unpacked.diff_id);
            return Err(Error::new(ErrorKind::Unavailable, message).into());
        }
        Ok(unpacked)
    }

    /// Passes a blob on to a pipe while it arrives.
    fn feed(&self, file: &File, pipe: OwnedFd, blob: usize) -> Result<()> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let (mut sent, mut kicked) = (0_u64, 0);
        loop {
            let (available, complete) = {
                let mut shared = self.lock();
                loop {
                    if self.stopped() || (shared.ended && !shared.blobs[blob].complete) {
                        bail!(Error::state("cancelled"));
                    }
                    let blob = &shared.blobs[blob];
                    if blob.available > sent || blob.complete {
                        break (blob.available, blob.complete);
                    }
                    shared = self.wait(shared);
                }
            };
            while sent < available {
                let length = usize::try_from(available - sent).unwrap_or(usize::MAX).min(PIPE);
                match rustix::pipe::splice(file, Some(&mut sent), &pipe, None, length, flags) {
                    Ok(0) => bail!(Error::state("the staged blob is shorter than what was written")),
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    // Full: the reader is slow, and may be so when everything ends.
                    Err(rustix::io::Errno::AGAIN) => {
                        let stops = [&self.target.cancel, &self.stop];
                        if !cancel::ready(&pipe, PollFlags::OUT, &stops).context("feed the unpacking process")? {
                            bail!(Error::state("cancelled"));
                        }
                    }
                    // The reader is gone; it says why.
                    Err(rustix::io::Errno::PIPE) => return Ok(()),
                    Err(errno) => return Err(errno).context("feed the unpacking process"),
                }
            }
            if complete || sent - kicked >= KICK {
                kick(file, kicked, sent - kicked);
                kicked = sent;
            }
            if complete && sent >= available {
                return Ok(());
            }
        }
    }

    /// Steps 3 and 4: the image is in the store when this returns. `names` are full ones; `repo_digests` what registries
    /// call it. Returns its id.
    pub(crate) fn publish(self, names: &[String], repo_digests: Vec<String>) -> Result<String> {
        let Documents { manifest, config, .. } = &self.documents;
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut staged: HashMap<&Digest, &Layer> = HashMap::new();
        for layer in &shared.layers {
            staged.insert(&layer.chain, layer);
        }
        let mut below: Vec<Lower> = Vec::new();
        let mut layers = Vec::with_capacity(self.chain.len());
        for ((descriptor, diff_id), chain) in manifest.layers.iter().zip(&config.diff_ids).zip(&self.chain) {
            let unpacked = match staged.get(chain) {
                Some(layer) => {
                    let unpacked = layer.unpacked.as_ref().context("every layer was unpacked")?;
                    layer
                        .staged
                        .finish(unpacked, &below, self.target.rootless)
                        .with_context(|| format!("finish layer {}", descriptor.digest))?;
                    below.insert(0, layer.staged.lower());
                    unpacked.summary.size
                }
                None => {
                    below.insert(0, self.layers.lower(chain.hex()).ok_or_else(|| gone(chain))?);
                    self.layers.record(chain.hex())?.map_or(0, |record| record.size)
                }
            };
            layers.push(ImageLayer {
                digest: descriptor.digest.clone(),
                size: descriptor.size,
                media_type: descriptor.media_type.clone(),
                diff_id: diff_id.clone(),
                chain_id: chain.clone(),
                unpacked,
            });
        }
        let mut blobs = Vec::new();
        for blob in shared.blobs.iter().filter(|blob| !blob.present) {
            let path = blob.path.clone().context("every blob was written")?;
            blobs.push(Verified::by_writer(path, blob.digest.clone(), blob.size)?);
        }
        let mut documents = Vec::new();
        let index = self.documents.index.map(Digest::of);
        for bytes in [Some(self.documents.manifest_bytes), Some(self.documents.config_bytes), self.documents.index] {
            let Some(bytes) = bytes else { continue };
            documents.extend(self.content.stage(self.staging.dir(), bytes)?);
        }
        if !(blobs.is_empty() && staged.is_empty()) {
            let dir = crate::storage::tree::open(self.staging.dir())?;
            rustix::fs::syncfs(&dir).context("sync the store")?;
        } else {
            for document in &documents {
                document.sync()?;
            }
        }
        blobs.append(&mut documents);
        let store = ImageStore::new(&self.target.paths);
        let lock = store.lock()?;
        self.staging.owe(true);
        self.content.publish(&blobs)?;
        for layer in &shared.layers {
            self.layers.publish(&layer.staged, layer.chain.hex())?;
        }
        self.layers.sync()?;
        let record = ImageRecord {
            version: record::VERSION,
            id: manifest.config.digest.hex().to_owned(),
            config: manifest.config.digest.clone(),
            manifest: Digest::of(self.documents.manifest_bytes),
            index,
            repo_digests,
            history: Vec::new(),
            layers,
            os: config.platform.os.clone(),
            architecture: config.platform.architecture.clone(),
            variant: config.platform.variant.clone(),
            created: config.image.created().as_deref().and_then(|text| text.parse().ok()),
            stored: Timestamp::now(),
            unknown: serde_json::Map::new(),
        };
        let id = record.id.clone();
        store.add(&lock, record, names)?;
        self.staging.owe(false);
        Ok(id)
    }
}

fn gone(chain: &Digest) -> Error {
    Error::state(format!("layer {} is gone from the store", chain.hex()))
}

/// Begins to write a part of a blob to the disk while other work goes on: the sync at the end has less to wait for.
fn kick(file: &File, offset: u64, length: u64) {
    // Only a wish: the sync tells what cannot be written. A length of zero would mean the whole file.
    if length > 0 {
        drop(writeback::begin(file, offset, length));
    }
}

/// Whether an error is only the echo of a cancellation.
fn is_cancelled(error: &anyhow::Error) -> bool {
    let cancelled = |root: &Error| root.kind == ErrorKind::State && root.message == "cancelled";
    error.root_cause().downcast_ref::<Error>().is_some_and(cancelled)
}

/// The digests that the lease lists, as text.
fn documents_index<'d>(
    documents: impl Iterator<Item = &'d Digest>,
    layers: &'d [super::manifest::Descriptor],
) -> Vec<String> {
    documents.chain(layers.iter().map(|layer| &layer.digest)).map(Digest::to_string).collect()
}
