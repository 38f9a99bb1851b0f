//! Work in progress: `tmp/stage.<random>/`, kept alive by a lease beside it.
//!
//! ```text
//! tmp/stage.<16 hex>.lease   made and locked first, removed last; lists what the work relies on
//! tmp/stage.<16 hex>/        blobs and layers before they have their names
//! tmp/reserve.lease, reserve/  for a removal when there is no inode left: renamed to the two above
//! ```
//!
//! A lease that nobody holds means that its owner is dead: the next sweep takes both away. What live leases list is
//! reachable for the garbage collection.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use super::tree;
use crate::state::lock::{self, Lock};
use crate::state::paths::{Paths, remove_file};
use crate::state::record::is_full;

const PREFIX: &str = "stage.";
const LEASE: &str = ".lease";
const RESERVE: &str = "reserve";

/// A staging directory; dropping it removes it with all that has no other name by then.
#[derive(Debug)]
pub(crate) struct Staging {
    dir: PathBuf,
    path: PathBuf,
    lease: Lock,
    /// See [`Self::owe`].
    owes: AtomicBool,
}

impl Staging {
    pub(crate) fn new(paths: &Paths) -> Result<Self> {
        loop {
            let (dir, path) = free_names(paths)?;
            let Some(lease) = Lock::lease(&path)? else { continue };
            // A sweep may have seen the file before it was locked, and removed it.
            let linked =
                |meta: std::fs::Metadata| std::fs::symlink_metadata(&path).is_ok_and(|there| there.ino() == meta.ino());
            if !lease.file().metadata().is_ok_and(linked) {
                continue;
            }
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&dir)
                .with_context(|| format!("create directory {}", dir.display()))?;
            keep_reserve(paths);
            return Ok(Self { dir, path, lease, owes: AtomicBool::new(false) });
        }
    }

    /// As [`Self::new`], for who will make room: on a full disk the reserve is taken.
    pub(crate) fn for_removal(paths: &Paths) -> Result<Self> {
        match Self::new(paths) {
            Err(error) if is_full(&error) => Self::of_reserve(paths).ok().flatten().ok_or(error),
            made => made,
        }
    }

    fn of_reserve(paths: &Paths) -> Result<Option<Self>> {
        let (dir, path) = free_names(paths)?;
        let reserve = paths.tmp().join(RESERVE);
        let file = reserve.with_extension("lease");
        if !file.exists() {
            return Ok(None);
        }
        // Locked before it can be swept.
        let Some(lease) = Lock::lease(&file)? else { return Ok(None) };
        std::fs::rename(&file, &path).context("take the reserve")?;
        std::fs::rename(&reserve, &dir).context("take the reserve")?;
        Ok(Some(Self { dir, path, lease, owes: AtomicBool::new(false) }))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A path inside.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Lists what the work relies on, besides what was listed before: digests of blobs, chain ids of layers.
    pub(crate) fn protect<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut text = String::new();
        for name in names {
            text.push_str(name);
            text.push('\n');
        }
        let mut file = self.lease.file();
        file.write_all(text.as_bytes()).with_context(|| format!("write {}", self.path.display()))
    }

    /// Says whether things have names by now that nothing reaches yet: who ends so leaves the lease behind, and the next
    /// command collects them.
    pub(crate) fn owe(&self, owes: bool) {
        self.owes.store(owes, Ordering::Relaxed);
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now, the next sweep removes.
        if tree::remove_path(&self.dir).is_ok() && !self.owes.load(Ordering::Relaxed) {
            drop(remove_file(&self.path));
        }
    }
}

/// Names of a directory and its lease that nobody has.
fn free_names(paths: &Paths) -> Result<(PathBuf, PathBuf)> {
    let random = crate::sys::random::bytes().context("get random bytes")?;
    let name: String = random[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((paths.tmp().join(format!("{PREFIX}{name}")), paths.tmp().join(format!("{PREFIX}{name}{LEASE}"))))
}

/// Makes the reserve where there is none. Without it a removal may have to wait for room: nothing to fail for now.
fn keep_reserve(paths: &Paths) {
    let reserve = paths.tmp().join(RESERVE);
    let file = reserve.with_extension("lease");
    if !file.exists() {
        drop(std::fs::DirBuilder::new().mode(0o700).create(&reserve));
        drop(std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file));
    }
}

/// The names of staging directories and leases in `tmp/`, without their endings.
fn names(paths: &Paths) -> Result<HashSet<String>> {
    let tmp = paths.tmp();
    let mut names = HashSet::new();
    for entry in std::fs::read_dir(&tmp).with_context(|| format!("list {}", tmp.display()))? {
        let name = entry.with_context(|| format!("list {}", tmp.display()))?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) {
            names.insert(name.strip_suffix(LEASE).unwrap_or(name).to_owned());
        }
    }
    Ok(names)
}

/// Whether a dead owner left something.
pub(crate) fn any_dead(paths: &Paths) -> Result<bool> {
    for name in names(paths)? {
        if !lock::is_held(&paths.tmp().join(format!("{name}{LEASE}")))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what dead owners left.
pub(crate) fn sweep(paths: &Paths) -> Result<()> {
    for name in names(paths)? {
        let lease = paths.tmp().join(format!("{name}{LEASE}"));
        let Some(held) = Lock::lease(&lease)? else { continue };
        tree::remove_path(&paths.tmp().join(&name))?;
        remove_file(&lease).with_context(|| format!("remove {}", lease.display()))?;
        drop(held);
    }
    Ok(())
}

/// Everything that live leases list.
pub(crate) fn protected(paths: &Paths) -> Result<HashSet<String>> {
    let mut protected = HashSet::new();
    for name in names(paths)? {
        let lease = paths.tmp().join(format!("{name}{LEASE}"));
        if !lock::is_held(&lease)? {
            continue;
        }
        let mut text = String::new();
        match std::fs::File::open(&lease).and_then(|mut file| file.read_to_string(&mut text)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            done => done.with_context(|| format!("read {}", lease.display()))?,
        };
        protected.extend(text.lines().map(str::to_owned));
    }
    Ok(protected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_spares_the_living() {
        let root = std::env::temp_dir().join(format!("dhow-staging-{}", std::process::id()));
        let paths = Paths::new(root.join("data"), root.join("run"));
        paths.prepare().unwrap();
        let live = Staging::new(&paths).unwrap();
        live.protect(["sha256:a", "b"]).unwrap();
        live.protect(["c"]).unwrap();
        std::fs::create_dir_all(paths.tmp().join("stage.dead/inner")).unwrap();
        std::fs::write(paths.tmp().join("stage.dead.lease"), "d").unwrap();
        std::fs::write(paths.tmp().join("other"), "not ours").unwrap();
        sweep(&paths).unwrap();
        assert!(live.dir().is_dir() && !paths.tmp().join("stage.dead").exists());
        let want = ["sha256:a", "b", "c"].map(str::to_owned).into();
        assert_eq!(protected(&paths).unwrap(), want);
        drop(live);
        sweep(&paths).unwrap();
        let list = || {
            let mut left: Vec<_> = std::fs::read_dir(paths.tmp()).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.sort();
            left
        };
        assert_eq!(list(), ["other", "reserve", "reserve.lease"]);
        // The reserve is a lease like others, once.
        let taken = Staging::of_reserve(&paths).unwrap().unwrap();
        assert!(any_dead(&paths).is_ok_and(|dead| !dead) && taken.dir().is_dir());
        assert!(Staging::of_reserve(&paths).unwrap().is_none());
        drop(taken);
        assert_eq!(list(), ["other"]);
        tree::remove_path(&root).unwrap();
    }
}
