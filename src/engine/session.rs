//! The directories of exec sessions: `containers/<id>/exec/<session>` in both roots.
//!
//! A session lives while one of two leases in its directory is held: `lock` by the command that starts it, from before
//! it lets go of the container's lock until its monitor runs, and `monitor.lock` by its monitor. One that nobody holds
//! was left by a kill, and is swept by whoever has the container's lock.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::error::Error;
use crate::model::id::Id;
use crate::state::lock::{self, Lock};
use crate::storage::tree;

/// The places of a session, and the proof that somebody starts it.
#[derive(Debug)]
pub(crate) struct Starting {
    pub(crate) data_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    _lease: Lock,
}

impl Starting {
    /// Makes the directories of a session; the container's lock is held.
    pub(crate) fn new(dir: &Path, run_dir: &Path, session: &Id) -> Result<Self> {
        let (data_dir, run_dir) = (place(dir, session), place(run_dir, session));
        for dir in [&data_dir, &run_dir] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.with_context(|| format!("create directory {}", dir.display()))?;
        }
        let lease = Lock::lease(&data_dir.join("lock"))?;
        let lease = lease.ok_or_else(|| Error::conflict("another command has this session"))?;
        Ok(Self { data_dir, run_dir, _lease: lease })
    }

    /// Takes away a session that did not start: it has nothing to say any more.
    pub(crate) fn abandon(self) -> Result<()> {
        remove(&self.data_dir, &self.run_dir)
    }
}

fn place(dir: &Path, session: &Id) -> PathBuf {
    dir.join("exec").join(session.as_str())
}

fn remove(data_dir: &Path, run_dir: &Path) -> Result<()> {
    tree::remove_path(data_dir)?;
    tree::remove_path(run_dir)
}

/// The directories of sessions of the container in `dir` that nobody holds.
pub(crate) fn abandoned(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir.join("exec")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.context("list exec sessions")?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let dir = entry.context("list exec sessions")?.path();
        // In this order: the starter lets go after the monitor has its own.
        if !lock::is_held(&dir.join("lock"))? && !lock::is_held(&dir.join("monitor.lock"))? {
            found.push(dir);
        }
    }
    Ok(found)
}

/// Takes away what killed sessions left of the container in `dir`, whose lock is held.
pub(crate) fn sweep(dir: &Path, run_dir: &Path) -> Result<()> {
    for session in abandoned(dir)? {
        let run_dir = run_dir.join("exec").join(session.file_name().unwrap_or_default());
        remove(&session, &run_dir)?;
    }
    Ok(())
}
