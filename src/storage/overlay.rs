//! The writable layer of a container.
//!
//! ```text
//! <dir>/upper   what the container changed
//! <dir>/work    overlayfs' own; work/work is there once it was mounted
//! <dir>/boot    of a volatile one: the boot in which it was mounted
//! ```
//!
//! A volatile upper was never synced: one of another boot is thrown away, and for one of this boot the kernel's marker,
//! which refuses a second mount, is removed (overlayfs.rst, "Volatile mount").

use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Gid, Mode, Uid};

use super::tree::{self, Usage};
use crate::model::error::Error;
use crate::model::idmap::IdMaps;
use crate::state::boot;
use crate::sys::mount::{Lower, OverlayDirs};

/// File systems that overlayfs cannot write to: overlay itself, NFS, vfat, exfat.
const UNFIT: [(u64, &str); 4] = [(0x794c_7630, "overlay"), (0x6969, "nfs"), (0x4d44, "vfat"), (0x2011_bab0, "exfat")];

/// Makes the directories of a writable layer at `dir`.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    for name in ["upper", "work"] {
        let path = dir.join(name);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(if name == "upper" { 0o755 } else { 0o700 })
            .create(&path)
            .with_context(|| format!("create directory {}", path.display()))?;
    }
    check_file_system(dir)
}

/// Refuses file systems on which the mount would fail later with less to read.
pub(crate) fn check_file_system(dir: &Path) -> Result<()> {
    let stat = rustix::fs::statfs(dir).with_context(|| format!("stat file system of {}", dir.display()))?;
    match UNFIT.iter().find(|(magic, _)| u64::try_from(stat.f_type).is_ok_and(|kind| kind == *magic)) {
        None => Ok(()),
        Some((_, name)) => {
            let message = format!("the store is on {name}, which cannot hold the writable layer of an overlay");
            Err(Error::unsupported(message).hint("use --root with a directory on ext4, xfs, btrfs or tmpfs").into())
        }
    }
}

/// What the overlay over `lower` is made of, the top one first, with the writable layer at `dir` ready for a mount.
/// With `maps`, whose mount maps the layers' owners, the root's goes the same way.
pub(crate) fn dirs(
    lower: Vec<Lower>,
    dir: &Path,
    volatile: bool,
    userxattr: bool,
    maps: Option<&IdMaps>,
) -> Result<OverlayDirs> {
    if volatile {
        ready_volatile(dir)?;
    }
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    if let Some(top) = lower.first().filter(|_| !work.join("work").exists()) {
        // Overlay shows the root as the upper has it: at first it is as the layers say.
        let from = top.open().with_context(|| format!("open layer {}", top.path().display()))?;
        let to = tree::open(&upper)?;
        tree::copy_metadata(from.as_fd(), to.as_fd()).context("set the root's attributes")?;
        if let Some(maps) = maps {
            let stat = rustix::fs::fstat(&from).context("stat")?;
            let (uid, gid) = maps.owner(stat.st_uid, stat.st_gid);
            rustix::fs::fchown(&to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .context("set the root's owner")?;
            // The change of owner takes special bits away.
            rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777)).context("set the root's mode")?;
        }
    }
    Ok(OverlayDirs { lower, upper: Some((upper, work)), volatile, userxattr })
}

fn ready_volatile(dir: &Path) -> Result<()> {
    let marker = dir.join("boot");
    let known = std::fs::read_to_string(&marker).unwrap_or_default();
    if known == boot::id() && !known.is_empty() {
        return tree::remove_path(&dir.join("work/work/incompat"));
    }
    if dir.join("work/work").exists() {
        // Of another boot, or never marked: nobody knows what of it reached the disk.
        for name in ["upper", "work"] {
            tree::remove_path(&dir.join(name))?;
        }
        prepare(dir)?;
    }
    std::fs::write(&marker, boot::id()).with_context(|| format!("write {}", marker.display()))
}

/// What the container changed, in bytes and inodes.
pub(crate) fn usage(dir: &Path) -> Result<Usage> {
    tree::usage(tree::open(&dir.join("upper"))?.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn the_root_is_the_layers_until_it_was_mounted() {
        let root = std::env::temp_dir().join(format!("dhow-overlay-{}", std::process::id()));
        let (lower, dir) = (root.join("lower"), root.join("rootfs"));
        std::fs::create_dir_all(&lower).unwrap();
        std::fs::set_permissions(&lower, PermissionsExt::from_mode(0o711)).unwrap();
        prepare(&dir).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        let layers = vec![Lower::Directory(lower)];
        let made = dirs(layers.clone(), &dir, true, false, None).unwrap();
        assert_eq!((mode(&dir.join("upper")), made.volatile, made.lower), (0o711, true, layers.clone()));
        // As the kernel leaves it, and the container.
        std::fs::create_dir_all(dir.join("work/work/incompat/volatile")).unwrap();
        std::fs::set_permissions(dir.join("upper"), PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::write(dir.join("upper/file"), "kept").unwrap();
        dirs(layers.clone(), &dir, true, false, None).unwrap();
        assert_eq!(mode(&dir.join("upper")), 0o700);
        assert!(dir.join("upper/file").exists() && !dir.join("work/work/incompat").exists());
        std::fs::write(dir.join("boot"), "another boot").unwrap();
        dirs(layers, &dir, true, false, None).unwrap();
        assert!(!dir.join("upper/file").exists(), "of another boot");
        assert_eq!(mode(&dir.join("upper")), 0o711);
        tree::remove_path(&root).unwrap();
    }
}
