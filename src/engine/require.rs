//! Containers that another one requires (`--requires`), which are started before it, or whose namespaces it joins: they
//! stay as long as it does.
//!
//! Who requires a container is a file of that name in `dependents/` in its directory, so that a removal need not read
//! every record. A file whose container is gone, or never came to be, says nothing: the record decides.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Engine;
use super::container::{Container, Locked};
use crate::model::container::{ContainerConfig, Namespace, UserNamespace};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::NetworkMode;

fn dependents(engine: &Engine, id: &Id) -> PathBuf {
    engine.paths.container(id).join("dependents")
}

/// Tells the containers that `locked`, which is being created, requires or joins.
pub(super) fn announce(engine: &Engine, locked: &Locked) -> Result<()> {
    for id in &used(&locked.config) {
        let directory = dependents(engine, id);
        let made = match std::fs::create_dir(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => std::fs::write(directory.join(locked.id().as_str()), ""),
        };
        // The one that is required may be gone since it was found.
        made.with_context(|| format!("require container {}", id.short()))?;
    }
    Ok(())
}

/// Starts what a container requires. Its lock is let go meanwhile: those of others are taken in the order of their ids.
pub(super) fn start(engine: &Engine, locked: Locked) -> Result<Locked> {
    if locked.config.requires.is_empty() {
        return Ok(locked);
    }
    let (id, requires) = (locked.id().clone(), locked.config.requires.clone());
    drop(locked);
    for required in &requires {
        engine
            .start_detached(required)
            .with_context(|| format!("start container {}, which {} requires", required.short(), id.short()))?;
    }
    engine.lock_id(&id)
}

/// Refuses to remove a container that others require or have joined.
pub(super) fn check_unused(engine: &Engine, id: &Id) -> Result<()> {
    let entries = match std::fs::read_dir(dependents(engine, id)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("list who requires container {}", id.short()))?,
    };
    let mut users = Vec::new();
    for entry in entries {
        let name = entry.context("list who requires a container")?.file_name();
        let Ok(user) = name.to_string_lossy().parse::<Id>() else { continue };
        if Container::read(&engine.paths, &user)?.is_some_and(|read| used(&read.config).contains(id)) {
            users.push(user.to_string());
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    users.sort();
    let message = format!(
        "container {id} has dependent containers which must be removed before it: {}: container already exists",
        users.join(", ")
    );
    Err(Error::conflict(message).hint("remove those first").into())
}

/// The containers of which one joins a namespace, or which it requires.
pub(super) fn used(config: &ContainerConfig) -> BTreeSet<Id> {
    let mut used: BTreeSet<Id> = config.requires.iter().cloned().collect();
    for namespace in [&config.pid, &config.ipc, &config.uts, &config.cgroup] {
        if let Namespace::Container(of) = namespace {
            used.insert(of.clone());
        }
    }
    if let NetworkMode::Container(of) = &config.network {
        used.extend(of.parse().ok());
    }
    if let UserNamespace::Container { of } = &config.userns {
        used.insert(of.clone());
    }
    used
}
