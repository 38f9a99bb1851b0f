//! Volumes as objects of their own: made, listed, inspected and removed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Engine;
use super::container::{self, Container, is_damage};
use super::request::RemoveRequest;
use super::volume;
use crate::model::error::{Error, ErrorKind};
use crate::model::filter::Filters;
use crate::model::id::Id;
use crate::model::time::{self, Direction};
use crate::model::volume::VolumeConfig;
use crate::storage::volume::local::{self, Volumes};

/// What `volume ls` chooses by.
const LIST_FILTERS: [&str; 8] = ["dangling", "driver", "label", "name", "opt", "scope", "since", "until"];
/// What `volume prune` chooses by.
const PRUNE_FILTERS: [&str; 4] = ["all", "label", "since", "until"];

/// A volume, and who uses it.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    pub(crate) config: VolumeConfig,
    pub(crate) mountpoint: PathBuf,
    pub(crate) users: Vec<Id>,
}

/// The volumes of the store; damage is local, and hides no other.
#[derive(Debug, Default)]
pub(crate) struct VolumeListing {
    pub(crate) volumes: Vec<Volume>,
    pub(crate) damaged: Vec<anyhow::Error>,
}

impl Volume {
    /// The document that `inspect` and `--format json` show, in podman's shape.
    pub(crate) fn to_json(&self) -> Value {
        let config = &self.config;
        let mut document = json!({
            "Name": config.name,
            "Driver": "local",
            "Mountpoint": self.mountpoint.to_string_lossy(),
            "CreatedAt": time::print_rfc3339(config.created, &TimeZone::UTC),
            "Labels": config.labels,
            "Scope": "local",
            "Options": config.options,
            "MountCount": self.users.len(),
            "NeedsCopyUp": !config.populated,
            "NeedsChown": !config.populated,
        });
        if config.anonymous {
            document["Anonymous"] = Value::Bool(true);
        }
        let owner = config.owner();
        for (key, id) in [("UID", owner.uid), ("GID", owner.gid)] {
            if let Some(id) = id.filter(|id| *id != 0) {
                document[key] = id.into();
            }
        }
        document
    }
}

impl Engine {
    /// Makes a volume, with a random name where none is given. One that is there is an error unless `ignore`.
    pub(crate) fn create_volume(
        &self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        ignore: bool,
    ) -> Result<String> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => Id::from_random(crate::sys::random::bytes().context("get random bytes")?).to_string(),
        };
        let volumes = Volumes::new(&self.paths);
        let _lock = volumes.lock()?;
        if ignore && volumes.read(&name)?.is_some() {
            return Ok(name);
        }
        volumes.create(&name, labels, options, false)?;
        self.note_volume("create", &name);
        Ok(name)
    }

    /// Every volume that the filters let pass, by name.
    pub(crate) fn volumes(&self, filters: &Filters) -> Result<VolumeListing> {
        check(filters, &LIST_FILTERS)?;
        self.select(filters)
    }

    fn select(&self, filters: &Filters) -> Result<VolumeListing> {
        let volumes = Volumes::new(&self.paths);
        if volumes.needs_sweep()? {
            // Taking the lock removes what killed commands left.
            drop(volumes.lock()?);
        }
        let mut found = VolumeListing::default();
        for name in volumes.names()? {
            let config = match volumes.read(&name) {
                Ok(Some(config)) => config,
                Ok(None) => continue,
                Err(error) => {
                    found.damaged.push(error);
                    continue;
                }
            };
            let one = self.volume(&volumes, config)?;
            if passes(&one, filters)? {
                found.volumes.push(one);
            }
        }
        Ok(found)
    }

    fn volume(&self, volumes: &Volumes, config: VolumeConfig) -> Result<Volume> {
        let users = volume::users(self, &config.name)?;
        Ok(Volume { mountpoint: volumes.data(&config.name), users, config })
    }

    /// The volume that `name` means: its name, or the only one that begins so.
    pub(crate) fn find_volume(&self, name: &str) -> Result<Volume> {
        let volumes = Volumes::new(&self.paths);
        let config = volumes.find(name)?;
        self.volume(&volumes, config)
    }

    /// Whether a volume has exactly this name.
    pub(crate) fn volume_exists(&self, name: &str) -> Result<bool> {
        Ok(Volumes::new(&self.paths).read(name)?.is_some())
    }

    /// Removes a volume; with `force` its containers first.
    pub(crate) fn remove_volume(&self, name: &str, force: bool, timeout: Option<u32>) -> Result<String> {
        let name = match self.find_volume(name) {
            // Its record is all that is damaged; it goes by its whole name.
            Err(error) if force && is_damage(&error) => name.to_owned(),
            found => found?.config.name,
        };
        if force {
            for id in volume::users(self, &name)? {
                self.remove_id(&id, RemoveRequest { force: true, timeout, volumes: false })
                    .with_context(|| format!("remove container {}", id.short()))?;
            }
        }
        let volumes = Volumes::new(&self.paths);
        let _lock = volumes.lock()?;
        let users = volume::users(self, &name)?;
        if !users.is_empty() {
            let users: Vec<&str> = users.iter().map(Id::as_str).collect();
            let message = format!(
                "volume {name} is being used by the following container(s): {}: volume is being used",
                users.join(", ")
            );
            return Err(Error::conflict(message).into());
        }
        match volumes.read(&name) {
            Ok(None) => return Err(local::no_such(&name).into()),
            Err(error) if !force || !is_damage(&error) => return Err(error),
            _ => {}
        }
        volumes.remove(&name)?;
        self.note_volume("remove", &name);
        Ok(name)
    }

    /// The volumes that [`Self::prune_volumes`] would remove.
    pub(crate) fn unused_volumes(&self, filters: &Filters) -> Result<Vec<String>> {
        check(filters, &PRUNE_FILTERS)?;
        // A container whose record cannot be read may use any of them.
        for id in container::ids(&self.paths)? {
            Container::read(&self.paths, &id)?;
        }
        let unused = self.select(filters)?.volumes.into_iter().filter(|volume| volume.users.is_empty());
        Ok(unused.map(|volume| volume.config.name).collect())
    }

    /// Removes the volumes that no container uses; returns their names.
    pub(crate) fn prune_volumes(&self, filters: &Filters) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in self.unused_volumes(filters)? {
            match self.remove_volume(&name, false, None) {
                Ok(name) => removed.push(name),
                // Somebody took it into use, or removed it, since it was listed.
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }
}

fn check(filters: &Filters, known: &[&str]) -> Result<()> {
    match filters.iter().find(|(key, _)| !known.contains(key)) {
        Some((key, _)) => Err(Error::invalid(format!("\"{key}\" is an invalid volume filter")).into()),
        None => Ok(()),
    }
}

fn is_overtaken(error: &anyhow::Error) -> bool {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(|error| error.kind);
    matches!(kind, Some(ErrorKind::Conflict | ErrorKind::NotFound))
}

fn passes(volume: &Volume, filters: &Filters) -> Result<bool> {
    let config = &volume.config;
    let now = Timestamp::now();
    let mut moments = Vec::new();
    for key in ["since", "until"] {
        for condition in filters.of(key) {
            moments.push((key, time::parse_moment(&condition.value, now, Direction::Back)?));
        }
    }
    for condition in filters.of("dangling") {
        if !matches!(condition.value.as_str(), "true" | "false" | "1" | "0") {
            let message = format!(
                "\"{}\" is not a valid value for the \"dangling\" filter - must be true or false",
                condition.value
            );
            return Err(Error::invalid(message).into());
        }
    }
    let dangling = volume.users.is_empty();
    let pattern = |text: &str| regex_lite::Regex::new(text).is_ok_and(|regex| regex.is_match(&config.name));
    let option = |text: &str| match text.split_once('=') {
        Some((key, value)) => config.options.get(key).is_some_and(|known| known == value),
        None => config.options.contains_key(text),
    };
    Ok(filters.pass("name", pattern)
        && filters.pass("driver", |driver| driver == "local")
        && filters.pass("scope", |scope| scope == "local")
        && filters.pass("opt", option)
        && filters.pass("dangling", |value| matches!(value, "true" | "1") == dangling)
        && filters.pass_labels(config.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
        && moments.iter().all(|(key, moment)| match *key {
            "since" => config.created >= *moment,
            _ => config.created <= *moment,
        }))
}
