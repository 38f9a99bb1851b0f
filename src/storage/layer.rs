//! Layers by chain id (image-spec, config.md, "Layer ChainID"): each independent, a lower of overlays.
//!
//! ```text
//! layers/<chain hex>/diff/        what the layer adds; whiteouts and opaque directories in overlayfs' own form
//! layers/<chain hex>/layer.erofs  the same in one file, in place of `diff`: see [`erofs`]
//! layers/<chain hex>/layer.json   written before the directory gets this name, never changed
//! ```
//!
//! Which of the two forms a layer has is seen by what is there; a store may hold both.
//!
//! A layer is made in a staging directory and renamed when its bytes are on the disk. Two who make the same one both
//! succeed: the second finds it there.

use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::erofs::{self, Settler};
use super::extract::Note;
use super::tree;
use super::unpack::Unpacked;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::LayerFormat;
use crate::state::paths::Paths;
use crate::state::record::{self, Durability};
use crate::sys::mount::Lower;
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
    /// Bytes of the archive that it was unpacked from; 0 where an older release wrote this.
    #[serde(default)]
    pub(crate) archive: u64,
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

    /// The layer as it is kept, `None` when the store does not have it.
    pub(crate) fn lower(&self, chain: &str) -> Option<Lower> {
        let dir = self.dir(chain);
        if dir.is_dir() {
            return Some(Lower::Directory(dir));
        }
        let image = dir.with_file_name(erofs::FILE);
        image.is_file().then_some(Lower::Image { image })
    }

    /// Where the layer is, or would be, for people.
    pub(crate) fn place(&self, chain: &str) -> String {
        let path = self.lower(chain).map_or_else(|| self.dir(chain), |lower| lower.path().to_owned());
        path.to_string_lossy().into_owned()
    }

    /// How the layer is kept, `None` when the store does not have it.
    pub(crate) fn format(&self, chain: &str) -> Option<LayerFormat> {
        self.lower(chain).map(|lower| match lower {
            Lower::Directory(_) => LayerFormat::Directory,
            Lower::Image { .. } => LayerFormat::Erofs,
        })
    }

    pub(crate) fn exists(&self, chain: &str) -> bool {
        self.lower(chain).is_some()
    }

    /// The record of a layer, `None` when the store does not have it.
    pub(crate) fn record(&self, chain: &str) -> Result<Option<LayerRecord>> {
        record::read(&self.root.join(chain).join("layer.json"))
    }

    /// Bytes of the archive that a layer was unpacked from, where the store knows.
    pub(crate) fn archive_size(&self, chain: &str) -> Option<u64> {
        // Only to spare work: a damaged record is told by others.
        self.record(chain).ok().flatten().map(|record| record.archive).filter(|size| *size > 0)
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

    /// Puts a staged layer, whose bytes are on the disk, in the place of the one that has its name, which then has the place
    /// of the staged one. False when there was none. [`Self::sync`] is owed.
    pub(crate) fn exchange(&self, staged: &Staged, chain: &str) -> Result<bool> {
        match rustix::fs::renameat_with(CWD, &staged.dir, CWD, self.root.join(chain), RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno).with_context(|| format!("exchange layer {chain}")),
        }
    }

    /// Whether the layer can be what it was: the directory is there, or the image begins as one and has its length.
    pub(crate) fn verify(&self, chain: &str) -> Result<()> {
        match self.lower(chain) {
            None => Err(Error::not_found(format!("the tree of layer {chain} is missing")).into()),
            Some(Lower::Directory(_)) => Ok(()),
            Some(Lower::Image { image }) => {
                let file = File::open(&image).with_context(|| format!("open {}", image.display()))?;
                erofs::verify(&file).with_context(|| format!("layer {chain}"))
            }
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
    format: LayerFormat,
}

impl Staged {
    /// Makes the directories of a layer below the staging directory.
    pub(crate) fn create(staging: &Path, name: &str, format: LayerFormat) -> Result<Self> {
        let staged = Self { dir: staging.join(name), format };
        let target = staged.target();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&target)
            .with_context(|| format!("create directory {}", target.display()))?;
        if format == LayerFormat::Directory {
            std::fs::set_permissions(&target, PermissionsExt::from_mode(ROOT_MODE))
                .with_context(|| format!("chmod {}", target.display()))?;
        }
        Ok(staged)
    }

    pub(crate) fn format(&self) -> LayerFormat {
        self.format
    }

    /// The directory for the unpacking process: what becomes the lower, or gets its image.
    pub(crate) fn target(&self) -> PathBuf {
        match self.format {
            LayerFormat::Directory => self.dir.join("diff"),
            LayerFormat::Erofs => self.dir.clone(),
        }
    }

    /// What becomes the lower.
    pub(crate) fn lower(&self) -> Lower {
        match self.format {
            LayerFormat::Directory => Lower::Directory(self.target()),
            LayerFormat::Erofs => Lower::Image { image: self.dir.join(erofs::FILE) },
        }
    }

    /// Finishes what the unpacking process could not do, then writes the record. `below` are the layers below, the nearest
    /// first, finished themselves. In a user namespace overlay's attributes are `user.` ones.
    pub(crate) fn finish(&self, unpacked: &Unpacked, below: &[Lower], userxattr: bool) -> Result<()> {
        let below = Below::new(below);
        match self.format {
            LayerFormat::Directory => self.finish_directory(unpacked, &below, userxattr)?,
            LayerFormat::Erofs => self.finish_image(unpacked, &below)?,
        }
        let record = LayerRecord {
            version: record::VERSION,
            diff_id: unpacked.diff_id.clone(),
            size: unpacked.summary.size,
            inodes: unpacked.summary.inodes,
            skipped: unpacked.summary.skipped,
            archive: unpacked.summary.archive,
        };
        // The sync before the publication covers it.
        record::write(&self.dir.join("layer.json"), &record, Durability::Lazy)
    }

    fn finish_directory(&self, unpacked: &Unpacked, below: &Below<'_>, userxattr: bool) -> Result<()> {
        let diff = tree::open(&self.target())?;
        let opaque = if userxattr { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
        if !unpacked.summary.root
            && let Some(nearest) = below.nearest()?
        {
            tree::copy_metadata(nearest, diff.as_fd()).context("set the root's attributes")?;
        }
        for note in &unpacked.notes {
            match note {
                Note::Opaque(path) => {
                    let dir = open_dir(diff.as_fd(), path)?;
                    rustix::fs::fsetxattr(&dir, opaque, b"y", XattrFlags::empty())
                        .with_context(|| format!("make {} opaque", path.escape_ascii()))?;
                }
                Note::Implied(path) => {
                    // The layer is known by its own tree: /tmp stays 1777.
                    if let Some(theirs) = below.find(path)? {
                        tree::copy_metadata(theirs.as_fd(), open_dir(diff.as_fd(), path)?.as_fd())
                            .with_context(|| format!("set the attributes of {}", path.escape_ascii()))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The kernel mounts it to find the inodes: one that cannot be mounted is not published.
    fn finish_image(&self, unpacked: &Unpacked, below: &Below<'_>) -> Result<()> {
        let lower = self.lower();
        let own = lower.open().map_err(|error| unmountable(&error))?;
        let file = OpenOptions::new().read(true).write(true).open(lower.path());
        let file = file.with_context(|| format!("open {}", lower.path().display()))?;
        let mut settler = Settler::new(file)?;
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).map(|stat| stat.st_ino).context("stat");
        if !unpacked.summary.root
            && let Some(nearest) = below.nearest()?
        {
            settler.settle(inode(own.as_fd())?, nearest).context("set the root's attributes")?;
        }
        for note in &unpacked.notes {
            // Opaque directories are marked already.
            let Note::Implied(path) = note else { continue };
            if let Some(theirs) = below.find(path)? {
                let own = open_dir(own.as_fd(), path)?;
                settler
                    .settle(inode(own.as_fd())?, theirs.as_fd())
                    .with_context(|| format!("set the attributes of {}", path.escape_ascii()))?;
            }
        }
        settler.finish()
    }
}

fn unmountable(error: &io::Error) -> Error {
    Error::unsupported(format!("layers as EROFS images cannot be mounted here: {error}"))
        .hint("it takes root on the host, Linux 6.12 and a file system that can back them: --storage-opt overlay.layer_format=directory")
}

/// The layers below one that is being finished, the nearest first; each is opened once, when it is asked.
struct Below<'a> {
    layers: &'a [Lower],
    open: Vec<OnceCell<OwnedFd>>,
}

impl<'a> Below<'a> {
    fn new(layers: &'a [Lower]) -> Self {
        Self { layers, open: layers.iter().map(|_| OnceCell::new()).collect() }
    }

    fn get(&self, at: usize) -> Result<BorrowedFd<'_>> {
        if let Some(fd) = self.open[at].get() {
            return Ok(fd.as_fd());
        }
        let layer = &self.layers[at];
        let fd = layer.open().with_context(|| format!("open layer {}", layer.path().display()))?;
        Ok(self.open[at].get_or_init(|| fd).as_fd())
    }

    fn nearest(&self) -> Result<Option<BorrowedFd<'_>>> {
        if self.layers.is_empty() { Ok(None) } else { self.get(0).map(Some) }
    }

    /// The directory at `path` as the layers below have it. A whiteout, a file or a link hides what is below it.
    fn find(&self, path: &[u8]) -> Result<Option<OwnedFd>> {
        let name = std::ffi::OsStr::from_bytes(path);
        for at in 0..self.layers.len() {
            match open_beneath(self.get(at)?, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
                Ok(theirs) => return Ok(Some(theirs)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn open_dir(root: BorrowedFd<'_>, path: &[u8]) -> Result<std::os::fd::OwnedFd> {
    let name = std::ffi::OsStr::from_bytes(path);
    open_beneath(root, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
        .with_context(|| format!("open directory {}", path.escape_ascii()))
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
        let lower = Staged::create(&paths.tmp(), "lower", LayerFormat::Directory).unwrap();
        std::fs::create_dir(lower.target().join("tmp")).unwrap();
        std::fs::set_permissions(lower.target().join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::set_permissions(lower.target(), PermissionsExt::from_mode(0o711)).unwrap();
        lower.finish(&unpacked(true, &[]), &[], true).unwrap();
        let upper = Staged::create(&paths.tmp(), "upper", LayerFormat::Directory).unwrap();
        std::fs::create_dir(upper.target().join("tmp")).unwrap();
        upper.finish(&unpacked(false, &[Note::Implied(b"tmp".to_vec())]), &[lower.lower()], true).unwrap();
        assert_eq!(std::fs::metadata(upper.target()).unwrap().mode() & 0o7777, 0o711);
        assert_eq!(std::fs::metadata(upper.target().join("tmp")).unwrap().mode() & 0o7777, 0o1777);
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
