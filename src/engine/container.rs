//! The directory of a container: found, read, locked, changed, made and taken away.
//!
//! `containers/<id>` appears and goes by one rename each: it is made as `containers/.<id>` and renamed when its lock is
//! held and its records are written; it is renamed back before its tree is deleted. So a directory without a dot always
//! has both records, and one with a dot whose lock is free was left by a killed command and is swept.
//!
//! While `create` works, the status is `Removing`: who finds the lock free finishes the removal.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::merged;
use crate::model::container::{ContainerConfig, ContainerState, ExitRecord, InitRecord};
use crate::model::error::Error;
use crate::model::health::{Health, HealthConfig};
use crate::model::id::Id;
use crate::model::status::{Action, Status};
use crate::runtime::cgroup::Cgroup;
use crate::state::lock::{self, Lock, Rank};
use crate::state::paths::{self, Paths};
use crate::state::record::{self, Durability};
use crate::state::{boot, name};

/// Exists until a creation has come to its end. Names are on the disk with the configuration, which is synced when the
/// creation begins; the state's bytes need not be: a power cut leaves them torn, and this says what they said.
const CREATING: &str = "creating";

/// Both records of a container as they were read, without its lock.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) config: ContainerConfig,
    pub(crate) state: ContainerState,
    /// Where checks were asked for.
    pub(crate) health: Option<Health>,
}

impl Container {
    /// Reads both records. `None` when there is no such directory.
    pub(crate) fn read(paths: &Paths, id: &Id) -> Result<Option<Self>> {
        let dir = paths.container(id);
        let Some(config) = record::read::<ContainerConfig>(&dir.join("config.json"))? else { return Ok(None) };
        // A torn state is void: it is read as an end whose code nobody knows.
        let state = match record::read::<ContainerState>(&dir.join("state.json")) {
            Ok(Some(state)) => state,
            Err(error) if is_damage(&error) && dir.join(CREATING).exists() => ContainerState::creating(""),
            Ok(None) => return Ok(None),
            Err(error) if is_damage(&error) => ContainerState {
                status: Status::Exited,
                creating: false,
                effects: true,
                ..ContainerState::creating("")
            },
            Err(error) => return Err(error),
        };
        let health = config.health.as_deref().map(|asked| health(paths, &config.id, asked, state.run));
        let mut read = Self { config, state, health };
        if read.state.status.is_alive() && read.state.monitor.is_none() {
            // The engine that started or replaced it was killed before it wrote down who it is.
            read.state.monitor = read.init(paths).ok().flatten().and_then(|record| record.monitor);
        }
        Ok(Some(read))
    }

    /// Whether the record says that it lives and nobody is there who could know.
    pub(crate) fn is_orphaned(&self, paths: &Paths) -> Result<bool> {
        if !self.state.status.is_alive() {
            return Ok(false);
        }
        Ok(self.state.boot != boot::id() || !lock::is_held(&monitor_lock(paths, &self.config.id))?)
    }

    /// Whether somebody who holds the lock has work to finish.
    pub(crate) fn needs_healing(&self, paths: &Paths) -> Result<bool> {
        let status = self.state.status;
        if status == Status::Removing
            || self.state.renaming.is_some()
            || (self.state.effects && !status.is_alive())
            || self.is_orphaned(paths)?
        {
            return Ok(true);
        }
        if status == Status::Stopping {
            return Ok(self
                .state
                .stopper
                .is_none_or(|stopper| !crate::sys::process::is_alive(stopper.pid, stopper.start_time)));
        }
        if status == Status::Initialized && self.init(paths)?.is_some_and(|record| record.started) {
            return Ok(true);
        }
        let dir = paths.container(&self.config.id);
        if status.is_alive() && !super::session::abandoned(&dir)?.is_empty() {
            return Ok(true);
        }
        Ok([".state.json.tmp", ".config.json.tmp"].iter().any(|name| dir.join(name).exists()))
    }

    /// What the monitor of this run wrote of its init and of itself.
    pub(crate) fn init(&self, paths: &Paths) -> Result<Option<InitRecord>> {
        let path = paths.container(&self.config.id).join("init.json");
        Ok(record::read::<InitRecord>(&path)?.filter(|record| record.run == self.state.run))
    }

    /// How this run ended, when its monitor wrote it.
    pub(crate) fn exit(&self, paths: &Paths) -> Result<Option<ExitRecord>> {
        let path = paths.container(&self.config.id).join("exit.json");
        Ok(record::read::<ExitRecord>(&path)?.filter(|exit| exit.run == self.state.run))
    }
}

/// What is known of the health of run `run`; before its first check, that it starts.
fn health(paths: &Paths, id: &Id, config: &HealthConfig, run: u64) -> Health {
    // A torn record is replaced by the next check.
    let record = record::read::<Health>(&paths.container(id).join("health.json")).ok().flatten();
    let fresh = || Health::new(record::VERSION, run, config);
    record.filter(|record| record.run == run).unwrap_or_else(fresh)
}

/// Whether an error says that a record is torn rather than unreadable or newer.
pub(crate) fn is_damage(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|error| error.message.contains("is damaged"))
}

/// The lock that a live monitor holds.
pub(crate) fn monitor_lock(paths: &Paths, id: &Id) -> PathBuf {
    paths.container(id).join("monitor.lock")
}

/// The ids of all containers. Directories with a dot are not listed.
pub(crate) fn ids(paths: &Paths) -> Result<Vec<Id>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(paths.containers()).context("list containers")? {
        if let Some(id) = entry.context("list containers")?.file_name().to_str().and_then(|name| name.parse().ok()) {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

/// Finds a container by its name, its id, or the beginning of its id.
pub(crate) fn find(paths: &Paths, text: &str) -> Result<Id> {
    if let Some(id) = name::lookup(paths, text)? {
        return Ok(id);
    }
    if let Ok(id) = text.parse::<Id>()
        && paths.container(&id).is_dir()
    {
        return Ok(id);
    }
    let prefix = !text.is_empty() && text.len() < 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if prefix {
        let mut found = ids(paths)?.into_iter().filter(|id| id.as_str().starts_with(text));
        if let Some(id) = found.next() {
            return match found.next() {
                None => Ok(id),
                Some(_) => {
                    let message = format!(
                        "more than one result for container name or ID prefix \"{text}\": container already exists"
                    );
                    Err(Error::invalid(message).hint("give more of the id").into())
                }
            };
        }
    }
    Err(no_such(text).into())
}

/// podman's words for a container that is not there.
pub(crate) fn no_such(text: &str) -> Error {
    Error::not_found(format!("no container with name or ID \"{}\" found: no such container", text.escape_debug()))
}

/// A container whose lock this process holds: the only thing that can be changed.
#[derive(Debug)]
pub(crate) struct Locked {
    paths: Paths,
    pub(crate) config: ContainerConfig,
    pub(crate) state: ContainerState,
    lock: Lock,
}

impl Locked {
    /// Makes the directory and both records of a new container, and holds its lock. The state stays that of a container
    /// to be removed until [`Self::created`].
    pub(crate) fn new(paths: &Paths, config: ContainerConfig) -> Result<Self> {
        let id = config.id.clone();
        let staged = staging(paths, &id);
        let context = || format!("create the directory of container {}", id.short());
        let lock = loop {
            fs::DirBuilder::new().mode(0o700).create(&staged).with_context(context)?;
            let lock = Lock::exclusive(Rank::Container, &staged.join("lock"))?;
            // A sweeper may have taken the directory for a stale one before the lock was held.
            if fs::metadata(staged.join("lock"))
                .is_ok_and(|at| lock.file().metadata().is_ok_and(|held| held.ino() == at.ino()))
            {
                break lock;
            }
        };
        let state = ContainerState::creating(boot::id());
        let durability = durability(&config);
        if durability == Durability::Synced {
            fs::File::create_new(staged.join(CREATING)).with_context(context)?;
        }
        record::write(&staged.join("state.json"), &state, Durability::Lazy)?;
        record::write(&staged.join("config.json"), &config, durability)?;
        fs::rename(&staged, paths.container(&id)).with_context(context)?;
        Ok(Self { paths: paths.clone(), config, state, lock })
    }

    /// Ends the creation: from here on the container stays.
    pub(crate) fn created(&mut self) -> Result<()> {
        self.state.creating = false;
        self.state.status = Status::Created;
        paths::remove_file(&self.dir().join(CREATING)).context("end the creation")?;
        self.save(durability(&self.config))?;
        if durability(&self.config) == Durability::Synced {
            record::sync_parent(&self.dir()).context("sync the containers")?;
        }
        Ok(())
    }

    /// Waits for the container's lock and reads it afresh. What a dead owner left is not yet healed.
    pub(crate) fn acquire(paths: &Paths, id: &Id) -> Result<Self> {
        let path = paths.container(id).join("lock");
        let lock = match Lock::exclusive(Rank::Container, &path) {
            Ok(lock) => lock,
            Err(_) if !paths.container(id).is_dir() => return Err(no_such(id.as_str()).into()),
            Err(error) => return Err(error),
        };
        Self::read(paths, id, lock)?.ok_or_else(|| no_such(id.as_str()).into())
    }

    /// Takes the lock if it is free. `None` when it is busy or the container is gone.
    pub(crate) fn try_acquire(paths: &Paths, id: &Id) -> Result<Option<Self>> {
        match Lock::try_exclusive(Rank::Container, &paths.container(id).join("lock")) {
            Ok(Some(lock)) => Self::read(paths, id, lock),
            Ok(None) => Ok(None),
            Err(_) if !paths.container(id).is_dir() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(paths: &Paths, id: &Id, lock: Lock) -> Result<Option<Self>> {
        let dir = paths.container(id);
        for name in ["state.json", "config.json"] {
            match record::heal(&dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotADirectory => {
                    return Err(error).context("heal a record");
                }
                _ => {}
            }
        }
        let Some(Container { config, state, .. }) = Container::read(paths, id)? else { return Ok(None) };
        Ok(Some(Self { paths: paths.clone(), config, state, lock }))
    }

    pub(crate) fn id(&self) -> &Id {
        &self.config.id
    }

    /// Its directory in the data root.
    pub(crate) fn dir(&self) -> PathBuf {
        self.paths.container(&self.config.id)
    }

    /// Its directory of sockets and FIFOs.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.paths.container_run(&self.config.id)
    }

    /// The cgroup of its run.
    pub(crate) fn cgroup(&self) -> Result<Cgroup> {
        match self.state.cgroup.clone() {
            Some(value) => serde_json::from_value(value).context("read the cgroup of the container"),
            None => Ok(Cgroup::None),
        }
    }

    /// The status after `action`, or why it may not be.
    pub(crate) fn check(&self, action: Action) -> Result<Status> {
        Ok(self.state.status.after(action, self.id())?)
    }

    /// Writes the state.
    pub(crate) fn save(&mut self, durability: Durability) -> Result<()> {
        boot::id().clone_into(&mut self.state.boot);
        let path = self.dir().join("state.json");
        record::write_or_over(&path, &path, &self.state, durability)
    }

    /// Writes the configuration (rename, update).
    pub(crate) fn save_config(&mut self) -> Result<()> {
        let path = self.dir().join("config.json");
        record::write_or_over(&path, &path, &self.config, durability(&self.config))
    }

    /// As [`Container`], for functions that only read.
    pub(crate) fn snapshot(&self) -> Container {
        Container { config: self.config.clone(), state: self.state.clone(), health: None }
    }

    /// Frees the name and deletes the directory: the end of a removal, after everything outside is undone.
    pub(crate) fn delete(self) -> Result<()> {
        let Self { paths, config, state: _, lock } = self;
        name::release(&paths, &config.name, &config.id)?;
        delete(&paths, &config.id, lock, durability(&config))
    }
}

/// Deletes the directory of container `id`, whose lock is held: aside by a rename, then its tree.
fn delete(paths: &Paths, id: &Id, lock: Lock, durability: Durability) -> Result<()> {
    let (dir, staged) = (paths.container(id), staging(paths, id));
    merged::detach(&dir)?;
    match fs::rename(&dir, &staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove {}", dir.display()));
        }
        _ => {}
    }
    let deleted = delete_tree(&staged);
    drop(lock);
    deleted?;
    if durability == Durability::Synced {
        record::sync_parent(&dir).context("sync the containers")?;
    }
    Ok(())
}

/// Deletes a container whose records cannot be read; `undo` takes away what it may have outside, by its id alone.
pub(crate) fn delete_damaged(paths: &Paths, id: &Id, undo: impl FnOnce() -> Result<()>) -> Result<()> {
    let lock = Lock::exclusive(Rank::Container, &paths.container(id).join("lock"))?;
    undo()?;
    name::release_all(paths, id)?;
    delete(paths, id, lock, Durability::Synced)
}

/// What is told to be kept is synced; what goes with its end is not.
fn durability(config: &ContainerConfig) -> Durability {
    if config.remove { Durability::Lazy } else { Durability::Synced }
}

fn staging(paths: &Paths, id: &Id) -> PathBuf {
    paths.containers().join(format!(".{id}"))
}

fn delete_tree(path: &Path) -> Result<()> {
    crate::storage::tree::remove_path(path)
}

/// Deletes what killed commands left half made or half removed.
pub(crate) fn sweep(paths: &Paths) -> Result<()> {
    for entry in fs::read_dir(paths.containers()).context("list containers")? {
        let entry = entry.context("list containers")?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let dir = entry.path();
        match Lock::lease(&dir.join("lock")) {
            Ok(Some(lock)) => {
                delete_tree(&dir)?;
                drop(lock);
            }
            Ok(None) => {}
            // Somebody else swept it meanwhile.
            Err(_) if !dir.exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
