//! Layers by chain id (image-spec, config.md, "Layer ChainID"): each an independent directory, a lower of overlays.
//!
//! ```text
//! layers/<chain hex>/diff/        what the layer adds; whiteouts and opaque directories in overlayfs' own form
//! layers/<chain hex>/layer.json   written before the directory gets this name, never changed
//! ```
//!
//! A layer is made in a staging directory and renamed when its bytes are on the disk. Two who make the same one both
//! succeed: the second finds it there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::extract::Note;
use super::tree;
use super::unpack::Unpacked;
use crate::model::digest::Digest;
use crate::state::paths::Paths;
use crate::state::record::{self, Durability};
use crate::sys::path::open_beneath;

/// The mode of a root directory of which no layer speaks, as podman has it.
const ROOT_MODE: u32 = 0o555;

/// What is known of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    pub(crate) version: u32,
    pub(crate) diff_id: Digest,
    /// Bytes of file data.
    pub(crate) size: u64,
    pub(crate) inodes: u64,
    /// Devices and attributes that could not be kept.
    #[serde(default)]
    pub(crate) skipped: u64,
}

/// The chain ids of an image's layers, the lowest first.
pub(crate) fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain
}

/// The layers of a store.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    root: PathBuf,
}

impl Layers {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { root: paths.layers() }
    }

    /// The directory of the layer whose chain id is `chain` (hex), whether it is there or not.
    pub(crate) fn dir(&self, chain: &str) -> PathBuf {
        self.root.join(chain).join("diff")
    }

    pub(crate) fn exists(&self, chain: &str) -> bool {
        self.dir(chain).is_dir()
    }

    /// The record of a layer, `None` when the store does not have it.
    pub(crate) fn record(&self, chain: &str) -> Result<Option<LayerRecord>> {
        record::read(&self.root.join(chain).join("layer.json"))
    }

    /// The chain ids of all layers.
    pub(crate) fn list(&self) -> Result<Vec<String>> {
        let listing = || format!("list {}", self.root.display());
        let mut chains = Vec::new();
        for entry in std::fs::read_dir(&self.root).with_context(listing)? {
            let name = entry.with_context(listing)?.file_name();
            chains.extend(name.into_string().ok().filter(|name| name.len() == 64));
        }
        Ok(chains)
    }

    /// Gives a staged layer, whose bytes are on the disk, its name. False when it was there already. [`Self::sync`] is
    /// owed.
    pub(crate) fn publish(&self, staged: &Staged, chain: &str) -> Result<bool> {
        match rustix::fs::renameat_with(CWD, &staged.dir, CWD, self.root.join(chain), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(false),
            Err(errno) => Err(errno).with_context(|| format!("publish layer {chain}")),
        }
    }

    /// Brings names that were given or taken to the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        let sync = File::open(&self.root).and_then(|dir| dir.sync_all());
        sync.with_context(|| format!("sync {}", self.root.display()))
    }

    /// Takes a layer's name away: its tree moves to `trash`, from where it is removed. Already gone is success.
    pub(crate) fn discard(&self, chain: &str, trash: &Path) -> Result<()> {
        match std::fs::rename(self.root.join(chain), trash.join(chain)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.with_context(|| format!("remove layer {chain}")),
        }
    }
}

/// A layer that is being made.
#[derive(Debug)]
pub(crate) struct Staged {
    dir: PathBuf,
}

impl Staged {
    /// Makes the directories of a layer below the staging directory.
    pub(crate) fn create(staging: &Path, name: &str) -> Result<Self> {
        let dir = staging.join(name);
        let diff = dir.join("diff");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&diff)
            .with_context(|| format!("create directory {}", diff.display()))?;
        std::fs::set_permissions(&diff, PermissionsExt::from_mode(ROOT_MODE))
            .with_context(|| format!("chmod {}", diff.display()))?;
        Ok(Self { dir })
    }

    /// The directory that becomes the lower.
    pub(crate) fn diff(&self) -> PathBuf {
        self.dir.join("diff")
    }

    /// Finishes what the unpacking process could not do, then writes the record. `below` are the directories of the
    /// layers below, the nearest first, finished themselves. In a user namespace overlay's attributes are `user.` ones.
    pub(crate) fn finish(&self, unpacked: &Unpacked, below: &[PathBuf], userxattr: bool) -> Result<()> {
        let diff = tree::open(&self.diff())?;
        let opaque = if userxattr { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
        if !unpacked.summary.root
            && let Some(nearest) = below.first()
        {
            tree::copy_metadata(tree::open(nearest)?.as_fd(), diff.as_fd()).context("set the root's attributes")?;
        }
        for note in &unpacked.notes {
            match note {
                Note::Opaque(path) => {
                    let dir = open_dir(diff.as_fd(), path)?;
                    rustix::fs::fsetxattr(&dir, opaque, b"y", XattrFlags::empty())
                        .with_context(|| format!("make {} opaque", path.escape_ascii()))?;
                }
                Note::Implied(path) => inherit(diff.as_fd(), path, below)?,
            }
        }
        let record = LayerRecord {
            version: record::VERSION,
            diff_id: unpacked.diff_id.clone(),
            size: unpacked.summary.size,
            inodes: unpacked.summary.inodes,
            skipped: unpacked.summary.skipped,
        };
        // The sync before the publication covers it.
        record::write(&self.dir.join("layer.json"), &record, Durability::Lazy)
    }
}

fn open_dir(root: BorrowedFd<'_>, path: &[u8]) -> Result<std::os::fd::OwnedFd> {
    let name = std::ffi::OsStr::from_bytes(path);
    open_beneath(root, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
        .with_context(|| format!("open directory {}", path.escape_ascii()))
}

/// A directory that the layer has members in without describing it is as it was below: /tmp stays 1777.
fn inherit(diff: BorrowedFd<'_>, path: &[u8], below: &[PathBuf]) -> Result<()> {
    let own = open_dir(diff, path)?;
    for layer in below {
        let layer = tree::open(layer)?;
        let name = std::ffi::OsStr::from_bytes(path);
        match open_beneath(&layer, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
            Ok(theirs) => {
                return tree::copy_metadata(theirs.as_fd(), own.as_fd())
                    .with_context(|| format!("set the attributes of {}", path.escape_ascii()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // A whiteout, a file or a link: what is below it is not seen.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::extract::Summary;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn chains_as_the_specification_says() {
        let (a, b, c) = (Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c"));
        let chain = chain_ids(&[a.clone(), b.clone(), c.clone()]);
        assert_eq!(chain[0], a);
        assert_eq!(chain[1], Digest::of(format!("{a} {b}").as_bytes()));
        assert_eq!(chain[2], Digest::of(format!("{} {c}", chain[1]).as_bytes()));
        assert_eq!(chain_ids(&[]), []);
    }

    #[test]
    fn publishes_once_and_inherits_from_below() {
        let root = std::env::temp_dir().join(format!("dhow-layer-{}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        let layers = Layers::new(&paths);
        let unpacked = |root: bool, notes: &[Note]| Unpacked {
            diff_id: Digest::of(b"x"),
            summary: Summary { root, ..Summary::default() },
            notes: notes.to_vec(),
        };
        let lower = Staged::create(&paths.tmp(), "lower").unwrap();
        std::fs::create_dir(lower.diff().join("tmp")).unwrap();
        std::fs::set_permissions(lower.diff().join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::set_permissions(lower.diff(), PermissionsExt::from_mode(0o711)).unwrap();
        lower.finish(&unpacked(true, &[]), &[], true).unwrap();
        let upper = Staged::create(&paths.tmp(), "upper").unwrap();
        std::fs::create_dir(upper.diff().join("tmp")).unwrap();
        upper.finish(&unpacked(false, &[Note::Implied(b"tmp".to_vec())]), &[lower.diff()], true).unwrap();
        assert_eq!(std::fs::metadata(upper.diff()).unwrap().mode() & 0o7777, 0o711);
        assert_eq!(std::fs::metadata(upper.diff().join("tmp")).unwrap().mode() & 0o7777, 0o1777);
        let chain = "c".repeat(64);
        assert!(!layers.exists(&chain));
        assert!(layers.publish(&lower, &chain).unwrap());
        assert!(!layers.publish(&upper, &chain).unwrap(), "the second comer finds it there");
        assert_eq!(layers.list().unwrap(), std::slice::from_ref(&chain));
        assert_eq!(layers.record(&chain).unwrap().unwrap().diff_id, Digest::of(b"x"));
        layers.discard(&chain, &paths.tmp()).unwrap();
        layers.discard(&chain, &paths.tmp()).unwrap();
        assert!(!layers.exists(&chain));
        tree::remove_path(&root).unwrap();
    }
}
