//! What is in a volume: exported, imported, and where the user finds it.
//!
//! The volume is worked on through its directory's descriptor, on a thread that has it as its root (R4): no lock is held,
//! and containers may use it meanwhile. An import that ends early leaves what it wrote, as tar does.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Engine;
use crate::model::error::Error;
use crate::model::volume::VolumeConfig;
use crate::storage::pack::{PackOptions, Packer};
use crate::storage::place::PlaceOptions;
use crate::storage::volume::local::Volumes;
use crate::sys::apart;

impl Engine {
    /// Writes what is in the volume that `name` means to `out`, as a tar archive.
    pub(crate) fn export_volume(&self, name: &str, out: impl Write + Send) -> Result<()> {
        let root = self.open_volume(name)?;
        let owner = |uid: u32, gid: u32| (uid, gid);
        let options = PackOptions { owner: &owner, nanoseconds: true, skip: &[], upper: false };
        let pack = || {
            let mut packer = Packer::new(out, options);
            packer.contents(root.as_fd(), b"")?;
            packer.finish().map(drop)
        };
        apart::in_root(&root, pack).context("enter the volume")?
    }

    /// Adds what is in an archive, which may be compressed, to the volume that `name` means.
    pub(crate) fn import_volume(&self, name: &str, source: impl Read + Send) -> Result<()> {
        let root = self.open_volume(name)?;
        let owner = |uid: u32, gid: u32| (uid, gid);
        let options = PlaceOptions { owner: &owner, overwrite: true, special: true };
        let place = || super::copy::place(root.as_fd(), b"", options, source, true);
        apart::in_root(&root, place).context("enter the volume")??;
        // What a volume holds is told to be kept.
        rustix::fs::syncfs(&root).context("sync the volume")
    }

    /// Where the content of the volume that `name` means is; it needs no mount to be seen there.
    pub(crate) fn mount_volume(&self, name: &str) -> Result<PathBuf> {
        self.check_mounts("volume mount")?;
        let volumes = Volumes::new(&self.paths);
        place(&volumes, &volumes.find(name)?)
    }

    /// The counterpart of [`Self::mount_volume`]: there is nothing to undo. Returns the volume's name.
    pub(crate) fn unmount_volume(&self, name: &str) -> Result<String> {
        self.check_mounts("volume unmount")?;
        Ok(Volumes::new(&self.paths).find(name)?.name)
    }

    fn open_volume(&self, name: &str) -> Result<File> {
        let volumes = Volumes::new(&self.paths);
        let Some(config) = volumes.read(name)? else {
            return Err(Error::not_found(format!("no such volume {}", name.escape_debug())).into());
        };
        let path = place(&volumes, &config)?;
        File::open(&path).with_context(|| format!("open {}", path.display()))
    }
}

/// The directory that holds what is in the volume.
fn place(volumes: &Volumes, config: &VolumeConfig) -> Result<PathBuf> {
    let option = |key: &str| config.options.get(key).map(String::as_str).unwrap_or_default();
    match option("type") {
        "tmpfs" => Err(Error::unsupported(format!("volume {} is a fresh tmpfs for each container", config.name))
            .hint("use `dhow cp` with a container that has it")
            .into()),
        "none" | "bind" => Ok(PathBuf::from(option("device"))),
        _ => Ok(volumes.data(&config.name)),
    }
}
