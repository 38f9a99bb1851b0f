//! An image as archives carry it, read or about to be written.

use std::io::Read;

use anyhow::{Context as _, Result, bail};

use super::tree::{Blob, inflate};
use crate::image::hash::Hash;
use crate::image::manifest::{Compression, Config, DOCKER_MANIFEST, Descriptor, Manifest};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, Reference};

/// An image found in an archive. Manifest and configuration are verified, layers have their promised size; who unpacks
/// a layer checks its digest and its diff id.
pub(crate) struct Archived {
    /// Full or short names, as they were written; may be empty.
    pub(crate) names: Vec<String>,
    /// The manifest as it came; for docker archives, which have none, one made of what is there.
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) config_bytes: Vec<u8>,
    pub(crate) config: Config,
    pub(crate) layers: Vec<ArchivedLayer>,
}

/// A layer in an archive, from the lowest up.
pub(crate) struct ArchivedLayer {
    pub(crate) descriptor: Descriptor,
    /// The bytes that the descriptor names.
    pub(crate) blob: Blob,
}

/// Chooses by the part after the path of a reference: `@N` or a name; without one an archive must have one image.
pub(crate) fn select(mut images: Vec<Archived>, selector: Option<&str>) -> Result<Archived> {
    let index = match selector {
        None if images.len() == 1 => 0,
        None => bail!(Error::invalid(format!("archive has {} images; name one, or use @INDEX", images.len()))),
        Some(selector) => match selector.strip_prefix('@') {
            Some(number) => number.parse().ok().filter(|index| *index < images.len()),
            None => images.iter().position(|image| image.names.iter().any(|name| means(image, selector, name))),
        }
        .ok_or_else(|| Error::not_found(format!("no image \"{}\" in the archive", selector.escape_debug())))?,
    };
    Ok(images.swap_remove(index))
}

/// Whether `selector` means an image's `name`. Docker's archives have references, which may be short; a layout's names are
/// any words.
fn means(image: &Archived, selector: &str, name: &str) -> bool {
    let full =
        |text: &str| text.parse::<Reference>().and_then(|one| one.qualified(DOCKER_HUB)).map(|one| one.or_latest());
    name == selector
        || (image.manifest.media_type == DOCKER_MANIFEST
            && matches!((full(name), full(selector)), (Ok(name), Ok(selector)) if name == selector))
}

/// An image to write.
pub(crate) struct Outgoing<'a> {
    /// Full names with tags.
    pub(crate) names: Vec<String>,
    pub(crate) manifest: &'a Manifest,
    /// The manifest's own bytes, which are kept where the format allows.
    pub(crate) manifest_bytes: &'a [u8],
    pub(crate) config: &'a [u8],
    pub(crate) layers: Vec<OutgoingLayer<'a>>,
}

/// A layer to write: the kept blob, however it is packed.
pub(crate) struct OutgoingLayer<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) diff_id: &'a Digest,
    pub(crate) compression: Compression,
    /// The size of the tar stream, where it is known; else it is inflated twice.
    pub(crate) tar_size: Option<u64>,
    /// Opens the bytes that the descriptor names.
    pub(crate) open: &'a dyn Fn() -> Result<Box<dyn Read + Send + 'a>>,
}

impl<'a> OutgoingLayer<'a> {
    /// The layer as a plain tar stream, with its size.
    pub(crate) fn plain(&self) -> Result<(u64, Box<dyn Read + Send + 'a>)> {
        let open = || inflate(self.compression, (self.open)()?);
        let size = match (self.compression, self.tar_size) {
            (Compression::None, _) => self.descriptor.size,
            (_, Some(size)) => size,
            (_, None) => std::io::copy(&mut open()?, &mut std::io::sink()).context("inflate layer")?,
        };
        Ok((size, open()?))
    }
}

/// How large the pieces are that a reader is ahead, and how many.
const PIECE: usize = 1 << 20;
const PIECES: usize = 4;

/// Reads `reader` on a thread of its own, some pieces ahead of `work`, which gets the same bytes.
pub(crate) fn ahead<T>(
    mut reader: Box<dyn Read + Send + '_>,
    work: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<T> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(PIECES);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let read = (&mut reader).take(PIECE as u64).read_to_end(&mut piece);
                let ended = !matches!(read, Ok(length) if length > 0);
                // Nobody waits for more where the work has ended.
                if sender.send(read.map(|_| piece)).is_err() || ended {
                    break;
                }
            }
        });
        let mut pieces = Pieces { receiver, piece: Vec::new(), at: 0 };
        let done = work(&mut pieces);
        drop(pieces);
        done
    })
}

struct Pieces {
    receiver: std::sync::mpsc::Receiver<std::io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.piece.len() {
            // Who has ended has told all that there is.
            let Ok(piece) = self.receiver.recv() else { return Ok(0) };
            (self.piece, self.at) = (piece?, 0);
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Passes bytes on, counts and hashes them, so that nothing wrong is written without a word.
pub(crate) struct Checked<'d, R> {
    inner: R,
    expected: &'d Digest,
    hash: Hash,
    count: u64,
}

impl<'d, R: Read> Checked<'d, R> {
    pub(crate) fn new(inner: R, expected: &'d Digest) -> Self {
        Self { inner, expected, hash: Hash::of_kind(expected), count: 0 }
    }

    /// The same where the size is not known.
    pub(crate) fn check_digest(&self, expected: &Digest) -> Result<()> {
        self.hash.check(expected)
    }

    /// Compares with what was expected, at the end.
    pub(crate) fn check(&self, expected: &Digest, size: u64) -> Result<()> {
        if self.count != size {
            bail!(Error::state(format!("{expected} has {} bytes instead of {size}", self.count)));
        }
        self.hash.check(expected)
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            // Who reads to the end keeps nothing wrong.
            self.hash.check(self.expected).map_err(std::io::Error::other)?;
        }
        self.hash.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}
