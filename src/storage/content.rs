//! Blobs by digest: `content/sha256/<hex>`, exactly the bytes that came, so that push and save give them again.
//!
//! A blob gets its name only when digest and size were verified and its bytes are on the disk (R13, R40). Until then it
//! is a file in a staging directory under `tmp/`, which a lease keeps alive.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::Digest as _;

use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::state::paths::{Paths, remove_file, replace};

/// The blobs of a store.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    root: PathBuf,
}

impl Content {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { root: paths.content() }
    }

    /// Where the blob is, whether the store has it or not.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join(digest.algorithm()).join(digest.hex())
    }

    /// Opens the blob, `None` when the store does not have it.
    pub(crate) fn open(&self, digest: &Digest) -> Result<Option<File>> {
        let opened = File::open(self.path(digest)).and_then(|file| Ok((file.metadata()?.is_file(), file)));
        match opened {
            Ok((is_file, file)) => Ok(Some(file).filter(|_| is_file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("open blob {digest}")),
        }
    }

    /// The size of the blob, `None` when the store does not have it.
    pub(crate) fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        match std::fs::metadata(self.path(digest)) {
            Ok(meta) => Ok(Some(meta.len()).filter(|_| meta.is_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("stat blob {digest}")),
        }
    }

    /// Reads a document of at most `limit` bytes and checks it against its digest. For manifests and configurations.
    pub(crate) fn document(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let missing = || Error::not_found(format!("blob {digest} is not in the store")).hint("pull the image again");
        let file = self.open(digest)?.ok_or_else(missing)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).with_context(|| format!("read blob {digest}"))?;
        if bytes.len() as u64 > limit {
            return Err(Error::invalid(format!("blob {digest} is larger than {limit} bytes")).into());
        }
        let damaged = || Error::state(format!("blob {digest} is damaged")).hint("pull the image again");
        if Digest::of(&bytes) != *digest {
            return Err(damaged().into());
        }
        Ok(bytes)
    }

    /// Begins a blob in the staging directory `staging`.
    pub(crate) fn ingest(&self, staging: &Path, name: &str) -> Result<Ingest> {
        let path = staging.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("create {}", path.display()))?;
        Ok(Ingest { file, path, hash: sha2::Sha256::new(), size: 0 })
    }

    /// Gives verified blobs, which a sync already brought to the disk, their names; one sync of the directory for all.
    pub(crate) fn publish(&self, blobs: &[Verified]) -> Result<()> {
        for blob in blobs {
            // Whoever came first had the same bytes: to replace them by rename is harmless.
            replace(&blob.path, &self.path(&blob.digest)).with_context(|| format!("publish blob {}", blob.digest))?;
        }
        if !blobs.is_empty() {
            let dir = self.root.join("sha256");
            File::open(&dir).and_then(|dir| dir.sync_all()).with_context(|| format!("sync {}", dir.display()))?;
        }
        Ok(())
    }

    /// Stages a small document, unless the store has it; a damaged copy is replaced.
    pub(crate) fn stage(&self, staging: &Path, bytes: &[u8]) -> Result<Option<Verified>> {
        let digest = Digest::of(bytes);
        if self.document(&digest, bytes.len() as u64).is_ok() {
            return Ok(None);
        }
        let mut ingest = self.ingest(staging, digest.hex())?;
        ingest.write_all(bytes).with_context(|| format!("write blob {digest}"))?;
        Ok(Some(ingest.finish()))
    }

    /// Removes the blob; that it is gone already is success.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<()> {
        remove_file(&self.path(digest)).with_context(|| format!("remove blob {digest}"))
    }

    /// All blobs. Files whose names are not digests are not ours and are left out.
    pub(crate) fn list(&self) -> Result<Vec<Digest>> {
        let dir = self.root.join("sha256");
        let mut digests = Vec::new();
        for entry in std::fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let name = entry.with_context(|| format!("list {}", dir.display()))?.file_name();
            digests.extend(name.to_str().and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()));
        }
        Ok(digests)
    }
}

/// A blob that is being written: hashed as it comes.
#[derive(Debug)]
pub(crate) struct Ingest {
    file: File,
    path: PathBuf,
    hash: sha2::Sha256,
    size: u64,
}

impl Ingest {
    /// The file itself, to read what is there already.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Takes the digest that the bytes have.
    pub(crate) fn finish(self) -> Verified {
        let digest = Digest::sha256(&self.hash.finalize().into());
        Verified { file: self.file, path: self.path, digest, size: self.size }
    }
}

impl Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hash.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A blob whose digest is known to be true, not yet published.
#[derive(Debug)]
pub(crate) struct Verified {
    file: File,
    path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl Verified {
    /// A staged file whose size and digest the one who wrote it has compared.
    pub(crate) fn by_writer(path: PathBuf, digest: Digest, size: u64) -> Result<Self> {
        let file = File::open(&path).with_context(|| format!("open blob {digest}"))?;
        Ok(Self { file, path, digest, size })
    }

    /// Brings the bytes of this one blob to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().with_context(|| format!("sync blob {}", self.digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str) -> (PathBuf, Content, PathBuf) {
        let root = std::env::temp_dir().join(format!("dhow-content-{}-{name}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        (root, Content::new(&paths), paths.tmp())
    }

    #[test]
    fn publishes_what_was_written_under_its_own_digest() {
        let (root, content, tmp) = store("verify");
        let digest = Digest::of(b"hello");
        let mut ingest = content.ingest(&tmp, "a").unwrap();
        ingest.write_all(b"hello").unwrap();
        assert!(content.open(&digest).unwrap().is_none());
        let verified = ingest.finish();
        assert_eq!((&verified.digest, verified.size), (&digest, 5));
        verified.sync().unwrap();
        content.publish(&[verified]).unwrap();
        assert_eq!(content.document(&digest, 5).unwrap(), b"hello");
        assert!(content.document(&digest, 4).is_err());
        assert_eq!(content.list().unwrap(), std::slice::from_ref(&digest));
        content.remove(&digest).unwrap();
        content.remove(&digest).unwrap();
        assert!(content.open(&digest).unwrap().is_none());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn tells_damage_of_a_document() {
        let (root, content, tmp) = store("damage");
        let digest = Digest::of(b"{}");
        content.publish(&[content.stage(&tmp, b"{}").unwrap().unwrap()]).unwrap();
        assert!(content.stage(&tmp, b"{}").unwrap().is_none());
        std::fs::write(content.path(&digest), b"{ ").unwrap();
        let error = format!("{:#}", content.document(&digest, 100).unwrap_err());
        assert!(error.contains("is damaged"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }
}
