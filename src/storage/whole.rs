//! Whole trees of images, for containers whose root is no overlay: of the drivers `btrfs` and `vfs`.
//!
//! ```text
//! layers/<chain hex>/subvolume[-<maps>]/  btrfs: the layer and all below it in one tree, a subvolume
//! layers/<chain hex>/tree[-<maps>]/       vfs: the same in a directory
//! <dir>/tree/                             a container's own: a snapshot of the one, a copy of the other
//! <dir>/boot                              of one that was not synced: the boot in which it was made
//! ```
//!
//! The first container of an image makes the tree, which then stays beside the top layer as a copy with other owners does:
//! [`derived`] says how it is found and when it goes. Who reads what a container changed compares the two.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};

use super::derived::{self, SUBVOLUME, TREE};
use super::layer::Layers;
use super::staging::Staging;
use super::{changes, replica, tree};
use crate::model::error::Error;
use crate::model::idmap::IdMaps;
use crate::model::image::Driver;
use crate::state::boot;
use crate::state::paths::Paths;
use crate::sys::btrfs;
use crate::sys::mount::Lower;
use crate::sys::path::open_beneath;

/// The root of an image without layers.
const EMPTY_MODE: Mode = Mode::from_raw_mode(0o755);

/// The name of the tree beside the top layer, for containers with `maps` that a mount does not put on.
pub(crate) fn name(driver: Driver, maps: Option<&IdMaps>) -> String {
    let kind = if driver == Driver::Btrfs { SUBVOLUME } else { TREE };
    derived::name(kind, maps)
}

/// Refuses a driver that the store's file system cannot be for.
pub(crate) fn check_file_system(driver: Driver, dir: &Path) -> Result<()> {
    if driver == Driver::Btrfs && !btrfs::is_btrfs(tree::open(dir)?) {
        let message = format!("storage driver \"btrfs\" is not supported: {} is not on btrfs", dir.display());
        return Err(Error::unsupported(message).hint("use --storage-driver overlay or vfs").into());
    }
    Ok(())
}

/// The tree of the layers `chains`, which are kept as `lower`, both the lowest first; it is made where there is none.
/// There is at least one layer.
pub(crate) fn ensure(
    paths: &Paths,
    driver: Driver,
    chains: &[String],
    lower: &[Lower],
    maps: Option<&IdMaps>,
) -> Result<PathBuf> {
    let top = chains.last().context("an image without layers has no tree")?;
    let target = Layers::new(paths).dir(top).with_file_name(name(driver, maps));
    let there = {
        let _lock = derived::lock(paths)?;
        target.is_dir()
    };
    if !there {
        let staging = Staging::new(paths)?;
        let what = || format!("make the tree of layer {}", &top[..12.min(top.len())]);
        make(driver, lower, &target, &staging.join(TREE), maps).with_context(what)?;
    }
    Ok(target)
}

fn make(driver: Driver, lower: &[Lower], target: &Path, staged: &Path, maps: Option<&IdMaps>) -> Result<()> {
    create(driver, staged)?;
    let to = tree::open(staged)?;
    for layer in lower {
        let from = layer.open().with_context(|| format!("open layer {}", layer.path().display()))?;
        replica::merge(from.as_fd(), to.as_fd(), maps)?;
    }
    derived::publish(&to, staged, target)
}

fn create(driver: Driver, path: &Path) -> Result<()> {
    let creating = || format!("create {}", path.display());
    match (driver, path.parent(), path.file_name()) {
        (Driver::Btrfs, Some(parent), Some(name)) => btrfs::create(tree::open(parent)?, name).with_context(creating)?,
        _ => std::fs::create_dir(path).with_context(creating)?,
    }
    rustix::fs::chmod(path, EMPTY_MODE).with_context(creating)
}

/// Where the container's own tree is.
pub(crate) fn own(dir: &Path) -> PathBuf {
    dir.join(TREE)
}

/// Makes the container's own tree in `dir`, like `base`; without one it is empty. A `volatile` one need not outlive the boot.
pub(crate) fn prepare(driver: Driver, base: Option<&Path>, dir: &Path, volatile: bool) -> Result<()> {
    let creating = || format!("create directory {}", dir.display());
    std::fs::create_dir_all(dir).with_context(creating)?;
    let own = own(dir);
    match base {
        None => create(driver, &own)?,
        Some(base) if driver == Driver::Btrfs => {
            btrfs::snapshot(tree::open(base)?, tree::open(dir)?, OsStr::new(TREE))
                .with_context(|| format!("make a snapshot of {}", base.display()))?;
        }
        Some(base) => {
            create(driver, &own)?;
            let (from, to) = (tree::open(base)?, tree::open(&own)?);
            replica::copy(from.as_fd(), to.as_fd(), None).context("copy the tree of the image")?;
            if !volatile {
                rustix::fs::syncfs(&to).context("sync the tree of the container")?;
            }
        }
    }
    if volatile {
        let marker = marker(dir);
        std::fs::write(&marker, boot::id()).with_context(|| format!("write {}", marker.display()))?;
    }
    Ok(())
}

/// Whether the container's own tree is what it was made as. A `volatile` one of another boot is not: nobody knows what of
/// it reached the disk. It is removed then, to be prepared anew.
///
/// # Errors
/// Another one is missing.
pub(crate) fn is_ready(dir: &Path, volatile: bool) -> Result<bool> {
    let own = own(dir);
    if volatile {
        let known = std::fs::read_to_string(marker(dir)).unwrap_or_default();
        if known.is_empty() || known != boot::id() {
            tree::remove_path(&own)?;
            return Ok(false);
        }
    }
    if !own.is_dir() {
        return Err(Error::state("the files of the container are missing").hint("remove the container").into());
    }
    Ok(true)
}

fn marker(dir: &Path) -> PathBuf {
    dir.join("boot")
}

/// Bytes of the files that a container has and the tree `base`, which it was made as, has not.
pub(crate) fn usage(own: BorrowedFd<'_>, base: Option<BorrowedFd<'_>>) -> Result<u64> {
    let mut bytes = 0;
    for change in changes::of_copy(own, base)? {
        let path = Path::new(&change.path).strip_prefix("/").unwrap_or(Path::new(&change.path));
        // Gone, or never to be opened: it takes nothing.
        let Ok(file) = open_beneath(own, path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()) else { continue };
        let blocks = rustix::fs::fstat(&file).context("stat")?.st_blocks;
        bytes += u64::try_from(blocks).unwrap_or(0) * 512;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, XattrFlags};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn lay(root: &Path, files: &[(&str, &str)]) -> Lower {
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Lower::Directory(root.to_owned())
    }

    #[test]
    fn layers_are_laid_as_a_mount_would_show_them() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let root = std::env::temp_dir().join(format!("dhow-whole-{}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        let chains = ["a", "b"].map(|letter| letter.repeat(64));
        let [below, above] = chains.each_ref().map(|chain| Layers::new(&paths).dir(chain));
        let files = [("gone", "x"), ("opaque/old", "x"), ("kept/old", "x"), ("dir/x", "x"), ("file", "x")];
        let lower = [
            lay(&below, &files),
            lay(&above, &[("opaque/new", "y"), ("kept/new", "y"), ("dir", "y"), ("file/in", "y")]),
        ];
        rustix::fs::mknodat(CWD, above.join("gone"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
        rustix::fs::setxattr(above.join("opaque"), "user.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
        rustix::fs::setxattr(below.join("kept"), "user.below", b"1", XattrFlags::empty()).unwrap();
        std::fs::set_permissions(above.join("kept"), PermissionsExt::from_mode(0o1711)).unwrap();
        let base = ensure(&paths, Driver::Vfs, &chains, &lower, None).unwrap();
        assert_eq!(base, paths.layers().join(&chains[1]).join("tree"));
        let list = |root: &Path| {
            let mut found = Vec::new();
            let mut waiting = vec![root.to_owned()];
            while let Some(dir) = waiting.pop() {
                for entry in std::fs::read_dir(dir).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        waiting.push(path.clone());
                    }
                    found.push(path.strip_prefix(root).unwrap().display().to_string());
                }
            }
            found.sort();
            found
        };
        let want = ["dir", "file", "file/in", "kept", "kept/new", "kept/old", "opaque", "opaque/new"];
        assert_eq!(list(&base), want);
        assert_eq!(std::fs::read(base.join("dir")).unwrap(), b"y");
        assert_eq!(std::fs::metadata(base.join("kept")).unwrap().mode() & 0o7777, 0o1711);
        assert!(tree::all_attributes(tree::open(&base.join("kept")).unwrap().as_fd()).unwrap().is_empty());
        assert!(tree::all_attributes(tree::open(&base.join("opaque")).unwrap().as_fd()).unwrap().is_empty());

        let dir = root.join("rootfs");
        prepare(Driver::Vfs, Some(&base), &dir, true).unwrap();
        assert_eq!(list(&own(&dir)), want);
        assert!(is_ready(&dir, true).unwrap());
        let changed = |dir: &Path| {
            let (own, base) = (tree::open(&own(dir)).unwrap(), tree::open(&base).unwrap());
            changes::of_copy(own.as_fd(), Some(base.as_fd())).unwrap().len()
        };
        assert_eq!(changed(&dir), 0);
        // Of the same length, in the same second.
        std::fs::write(own(&dir).join("file/in"), "z").unwrap();
        assert_eq!(changed(&dir), 2);
        rustix::fs::setxattr(own(&dir).join("dir"), "user.one", b"1", XattrFlags::empty()).unwrap();
        assert_eq!(changed(&dir), 3);
        std::fs::write(marker(&dir), "another boot").unwrap();
        assert!(is_ready(&dir, false).unwrap() && !is_ready(&dir, true).unwrap());
        assert!(is_ready(&dir, false).is_err(), "it is gone");
        tree::remove_path(&root).unwrap();
    }
}
