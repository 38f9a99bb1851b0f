//! What a written image gets later: the owners, modes, times and attributes of directories that took them from layers below.
//! Also the check of an image that lies in the store.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};
use rustix::fs::Stat;

use super::format::{self, BLOCK, INODE, SLOT, Superblock};
use super::image::{self, ROOM};
use crate::model::error::Error;
use crate::storage::tree;

/// Overlay's mark, the only attribute that a directory has of which the layer says nothing.
const OPAQUE: (&[u8], &[u8]) = (b"trusted.overlay.opaque", b"y");

/// Changes directories of an image. Nothing has it mounted that goes on.
pub(crate) struct Settler {
    file: File,
    first: Vec<u8>,
    superblock: Superblock,
    /// Attributes to be written at the end of the file, and their numbers.
    added: Vec<u8>,
    known: HashMap<Vec<u8>, u32>,
}

impl Settler {
    /// Begins with the image in `file`.
    pub(crate) fn new(file: File) -> Result<Self> {
        let (first, superblock) = read(&file)?;
        Ok(Self { file, first, superblock, added: Vec::new(), known: HashMap::new() })
    }

    /// Gives the directory with inode number `inode` what directory `from` has.
    pub(crate) fn settle(&mut self, inode: u64, from: BorrowedFd<'_>) -> Result<()> {
        let stat = rustix::fs::fstat(from).context("stat")?;
        let place = inode.checked_mul(SLOT).context("the inode is not of the image")?;
        let mut bytes = [0; 64];
        self.read(&mut bytes, place)?;
        let was_opaque = bytes[2..4] != [0, 0];
        let mut numbers = Vec::new();
        let attributes = tree::attributes(from)?;
        let own = attributes.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        for (name, value) in own.chain(was_opaque.then_some(OPAQUE)) {
            // What has no form here, no image ever had.
            if let Some(entry) = format::attribute(name, value) {
                numbers.push(self.shared(entry)?);
            }
        }
        let behind = format::shared(&numbers);
        if behind.len() as u64 > ROOM {
            return Err(Error::unsupported("a directory of a layer below has too many extended attributes").into());
        }
        let attributes = if numbers.is_empty() { 0 } else { behind.len() as u64 };
        format::change(&mut bytes, stat.st_mode, (stat.st_uid, stat.st_gid), time(&stat), attributes);
        self.write(&bytes, place)?;
        self.write(&behind, place + INODE)
    }

    /// Writes what is left; the image is whole again.
    pub(crate) fn finish(mut self) -> Result<()> {
        let end = u64::from(self.superblock.blocks) * BLOCK;
        self.added.resize(self.added.len().next_multiple_of(usize::try_from(BLOCK)?), 0);
        self.file.write_all_at(&self.added, end).context("write the layer")?;
        self.superblock.blocks = image::block(end + self.added.len() as u64)?;
        self.superblock.put(&mut self.first);
        self.file.write_all_at(&self.first, 0).context("write the layer")
    }

    /// The number of a shared attribute; directories that took theirs from the same place have the same ones.
    fn shared(&mut self, entry: Vec<u8>) -> Result<u32> {
        if let Some(number) = self.known.get(&entry) {
            return Ok(*number);
        }
        let place = u64::from(self.superblock.blocks) * BLOCK + self.added.len() as u64;
        let number = image::number(place, self.superblock.attributes)?;
        self.added.extend(&entry);
        self.known.insert(entry, number);
        Ok(number)
    }

    /// The first block is changed in memory: its checksum comes last.
    fn read(&self, bytes: &mut [u8], place: u64) -> Result<()> {
        match self.first.get(usize::try_from(place)?..).and_then(|rest| rest.get(..bytes.len())) {
            Some(part) => bytes.copy_from_slice(part),
            None => self.file.read_exact_at(bytes, place).context("read the layer")?,
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], place: u64) -> Result<()> {
        match self.first.get_mut(usize::try_from(place)?..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(part) => part.copy_from_slice(bytes),
            None => self.file.write_all_at(bytes, place).context("write the layer")?,
        }
        Ok(())
    }
}

fn time(stat: &Stat) -> (i64, u32) {
    (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

fn read(file: &File) -> Result<(Vec<u8>, Superblock)> {
    let mut first = vec![0; usize::try_from(BLOCK)?];
    let damaged = || Error::state("the image of the layer is damaged");
    file.read_exact_at(&mut first, 0).map_err(|_| damaged())?;
    let superblock = Superblock::get(&first).ok_or_else(damaged)?;
    Ok((first, superblock))
}

/// Whether `file` begins as an image does and is as long as it says.
pub(crate) fn verify(file: &File) -> Result<()> {
    let (_, superblock) = read(file)?;
    let length = file.metadata().context("stat the image of the layer")?.len();
    if length < u64::from(superblock.blocks) * BLOCK {
        return Err(Error::state("the image of the layer was cut off").into());
    }
    Ok(())
}
