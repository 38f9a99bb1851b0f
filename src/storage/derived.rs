//! What is made of layers and kept beside them, for the next container: copies with other owners ([`super::shift`]), whole
//! trees ([`super::whole`]).
//!
//! ```text
//! layers/<chain hex>/<kind>[-<16 hex of the maps' digest>]/
//! layers/shift.lock
//! ```
//!
//! One is made in a staging directory, and renamed when its bytes are on the disk. It stays for the next container that
//! wants the same, and goes with its layer, or when images are pruned and no container needs it ([`collect`]). A container's
//! record is written before it looks, and who collects reads the records after he has listed what there is; the lock keeps
//! the look and the collection apart, so what was found stays.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::layer::Layers;
use super::staging::Staging;
use crate::model::digest::Digest;
use crate::model::idmap::IdMaps;
use crate::state::lock::{Lock, Rank};
use crate::state::paths::Paths;

/// A layer with the owners of a user namespace.
pub(super) const SHIFT: &str = "shift";
/// The tree of a layer and all below it, in a directory.
pub(super) const TREE: &str = "tree";
/// The same in a subvolume.
pub(super) const SUBVOLUME: &str = "subvolume";

/// Where one is: the layer's chain id (hex) and the name beside it.
pub(crate) type Place = (String, String);

/// The name of what is of `kind`, for containers with `maps`.
pub(super) fn name(kind: &str, maps: Option<&IdMaps>) -> String {
    match maps {
        None => kind.to_owned(),
        Some(maps) => format!("{kind}-{}", &Digest::of(maps.canonical().as_bytes()).hex()[..16]),
    }
}

fn is_derived(name: &str) -> bool {
    let kind = name.split_once('-').map_or(name, |(kind, _)| kind);
    [SHIFT, TREE, SUBVOLUME].contains(&kind)
}

/// Held while one looks: nothing is collected then.
pub(super) fn lock(paths: &Paths) -> Result<Lock> {
    Lock::exclusive(Rank::Images, &paths.layers().join("shift.lock"))
}

/// Removes what `used` does not name; it is asked once, after all was listed.
pub(crate) fn collect(paths: &Paths, used: &mut dyn FnMut() -> Result<HashSet<Place>>) -> Result<()> {
    // Emptied after the lock; a kill leaves it to the next command.
    let trash = Staging::new(paths)?;
    let _lock = lock(paths)?;
    let mut found = Vec::new();
    for chain in Layers::new(paths).list()? {
        let dir = paths.layers().join(&chain);
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list {}", dir.display()))?,
        };
        for entry in entries {
            let name = entry.with_context(|| format!("list {}", dir.display()))?.file_name();
            let name = name.into_string().ok().filter(|name| is_derived(name));
            found.extend(name.map(|name| (chain.clone(), name)));
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let used = used()?;
    for (chain, name) in found.iter().filter(|place| !used.contains(*place)) {
        let place = paths.layers().join(chain).join(name);
        match std::fs::rename(&place, trash.join(format!("{chain}-{name}"))) {
            // With its layer, meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            done => done.with_context(|| format!("remove {}", place.display()))?,
        }
    }
    Ok(())
}

/// Gives what was made at `staged`, and is open, its name beside the layer, once it is on the disk. Another's of that name stays.
pub(super) fn publish(open: &OwnedFd, staged: &Path, target: &Path) -> Result<()> {
    rustix::fs::syncfs(open).context("sync the copy")?;
    match rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE) {
        // Somebody else was faster.
        Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
        Err(errno) => return Err(errno).context("publish the copy"),
    }
    let parent = target.parent().context("find the layer")?;
    File::open(parent).and_then(|dir| dir.sync_all()).context("sync the layer")
}
