//! Secrets: kept for their owner, and shown to the containers that name them.
//!
//! A container gets copies of its files when it is created (podman's rule: `secret rm` does not touch it), in its own
//! directory; the values of variables are read at each start and are in no record.

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt, fchown};

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::Engine;
use super::container::Locked;
use super::event::Event;
use super::spec::BoundFile;
use crate::model::container::ContainerConfig;
use crate::model::error::{Error, ErrorKind};
use crate::model::filter::Filters;
use crate::model::secret::{SecretRecord, Shown, check_name};
pub(crate) use crate::model::secret::{SecretUse, Value};
use crate::model::time;
use crate::state::record;
use crate::state::secret::{LIMIT, Secrets, write};

/// Where secrets are seen whose path is not absolute.
const PLACE: &str = "/run/secrets";
/// The directory of a container's copies in its own.
const COPIES: &str = "secrets";

/// A secret that is to be made.
#[derive(Debug)]
pub(crate) struct SecretRequest {
    pub(crate) name: String,
    pub(crate) value: Value,
    pub(crate) labels: BTreeMap<String, String>,
    /// In place of one of the same name.
    pub(crate) replace: bool,
    /// One of the same name is as good.
    pub(crate) ignore: bool,
}

impl Engine {
    /// Keeps a secret; its id.
    pub(crate) fn create_secret(&self, request: SecretRequest) -> Result<String> {
        check_name(&request.name)?;
        let length = request.value.expose().len();
        if length == 0 || length >= LIMIT {
            let message = format!("secret data must be larger than 0 and less than {LIMIT} bytes");
            return Err(Error::invalid(message).into());
        }
        let secrets = Secrets::new(&self.paths);
        let _lock = secrets.lock()?;
        let old = secrets.all()?.0.into_iter().find(|record| record.name == request.name);
        if let Some(old) = &old
            && !request.replace
        {
            if request.ignore {
                return Ok(old.id.clone());
            }
            return Err(Error::conflict(format!("{}: secret name in use", request.name)).into());
        }
        let mut id =
            crate::model::id::Id::from_random(crate::sys::random::bytes().context("get random bytes")?).to_string();
        id.truncate(25);
        let now = Timestamp::now();
        let record = SecretRecord {
            version: record::VERSION,
            id: id.clone(),
            name: request.name,
            created: now,
            updated: now,
            labels: request.labels,
            unknown: serde_json::Map::new(),
        };
        secrets.keep(&record, &request.value, old.as_ref())?;
        if let Some(old) = old {
            self.note_secret("remove", &old);
        }
        self.note_secret("create", &record);
        Ok(id)
    }

    /// The secrets that the filters let pass, and what cannot be read of the others.
    pub(crate) fn secrets(&self, filters: &Filters) -> Result<(Vec<Json>, Vec<anyhow::Error>)> {
        for (key, _) in filters.iter() {
            if !matches!(key, "name" | "id") {
                return Err(Error::invalid(format!("invalid filter \"{}\"", key.escape_debug())).into());
            }
        }
        let (all, damaged) = Secrets::new(&self.paths).all()?;
        let matches = |text: &str, value: &str| regex_lite::Regex::new(text).is_ok_and(|regex| regex.is_match(value));
        let chosen = all.iter().filter(|record| {
            filters.pass("name", |text| matches(text, &record.name))
                && filters.pass("id", |text| record.id.starts_with(text))
        });
        let damaged = damaged.into_iter().map(|(_, error)| error).collect();
        Ok((chosen.map(|record| self.secret_document(record)).collect(), damaged))
    }

    /// What `inspect` shows of a secret; with `value` what it says as well.
    pub(crate) fn inspect_secret(&self, name: &str, value: bool) -> Result<Json> {
        let secrets = Secrets::new(&self.paths);
        let record = secrets.find(name).context("inspecting secret")?;
        let mut document = self.secret_document(&record);
        if value {
            let value = secrets.value(&record)?;
            document["SecretData"] = String::from_utf8_lossy(value.expose()).into();
        }
        Ok(document)
    }

    /// Whether there is a secret of this name or id.
    pub(crate) fn secret_exists(&self, name: &str) -> Result<bool> {
        match Secrets::new(&self.paths).find(name) {
            Err(error) if error.downcast_ref::<Error>().is_some_and(|error| error.kind == ErrorKind::NotFound) => {
                Ok(false)
            }
            found => found.map(|_| true),
        }
    }

    /// Removes a secret; its id. A damaged one goes by its whole id.
    pub(crate) fn remove_secret(&self, name: &str) -> Result<String> {
        let secrets = Secrets::new(&self.paths);
        let _lock = secrets.lock()?;
        match secrets.find(name) {
            Err(_) if secrets.is_there(name) => secrets.remove(name).map(|()| name.to_owned()),
            found => {
                let record = found?;
                secrets.remove(&record.id)?;
                self.note_secret("remove", &record);
                Ok(record.id)
            }
        }
    }

    fn secret_document(&self, record: &SecretRecord) -> Json {
        let time = |time: Timestamp| time::print_rfc3339(time, &TimeZone::UTC);
        json!({
            "ID": record.id,
            "CreatedAt": time(record.created),
            "UpdatedAt": time(record.updated),
            "Spec": {
                "Name": record.name,
                "Driver": { "Name": "file", "Options": { "path": self.paths.data().join("secrets") } },
                "Labels": record.labels,
            },
        })
    }

    fn note_secret(&self, status: &str, record: &SecretRecord) {
        self.note(&[Event { id: record.id.clone(), name: record.name.clone(), ..Event::new("secret", status) }]);
    }

    /// The secrets that a container being created asks for, with their ids.
    pub(crate) fn resolve_secrets(&self, asked: &[SecretUse]) -> Result<Vec<SecretUse>> {
        let secrets = Secrets::new(&self.paths);
        let resolve = |asked: &SecretUse| -> Result<SecretUse> {
            let record = secrets.find(&asked.name)?;
            Ok(SecretUse { name: record.name, id: record.id, shown: asked.shown.clone() })
        };
        asked.iter().map(resolve).collect()
    }
}

/// Copies the files of a container that is being created, for their owners in it.
pub(crate) fn prepare(engine: &Engine, locked: &Locked) -> Result<()> {
    let config = &locked.config;
    if !config.secrets.iter().any(|secret| matches!(secret.shown, Shown::File { .. })) {
        return Ok(());
    }
    let secrets = Secrets::new(&engine.paths);
    let maps = super::owners::maps(engine, config)?;
    let directory = locked.dir().join(COPIES);
    std::fs::DirBuilder::new().mode(0o700).create(&directory).context("make the directory of secrets")?;
    for (index, secret) in config.secrets.iter().enumerate() {
        let Shown::File { uid, gid, mode, .. } = secret.shown else { continue };
        let record = secrets.find(&secret.id)?;
        let file = write(&directory.join(index.to_string()), secrets.value(&record)?.expose(), mode)?;
        let (uid, gid) = maps.as_ref().map_or((uid, gid), |maps| maps.owner(uid, gid));
        if (uid, gid) != (0, 0) {
            fchown(&file, Some(uid), Some(gid))
                .with_context(|| format!("change the owner of secret {}", secret.name))?;
        }
    }
    Ok(())
}

/// The files, for the specification.
pub(crate) fn files(locked: &Locked) -> Vec<BoundFile> {
    let directory = locked.dir().join(COPIES);
    let bind = |(index, secret): (usize, &SecretUse)| {
        let Shown::File { target, .. } = &secret.shown else { return None };
        let target = if target.starts_with('/') { target.clone() } else { format!("{PLACE}/{target}") };
        let options = ["bind", "rprivate", "nosuid", "nodev", "noexec", "ro"].map(str::to_owned).into();
        Some(BoundFile { source: directory.join(index.to_string()), target, options })
    };
    locked.config.secrets.iter().enumerate().filter_map(bind).collect()
}

/// The variables, for a process of the container.
pub(crate) fn environment(engine: &Engine, config: &ContainerConfig) -> Result<Vec<String>> {
    let secrets = Secrets::new(&engine.paths);
    let mut variables = Vec::new();
    for secret in &config.secrets {
        let Shown::Variable(name) = &secret.shown else { continue };
        let value = secrets.find(&secret.id).or_else(|_| secrets.find(&secret.name)).and_then(|r| secrets.value(&r))?;
        let text = std::str::from_utf8(value.expose()).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| Error::invalid(format!("secret {}: not a text for a variable", secret.name)))?;
        variables.push(format!("{name}={text}"));
    }
    Ok(variables)
}

/// What `inspect` shows in place of the values.
pub(crate) fn veiled(config: &ContainerConfig) -> impl Iterator<Item = String> {
    config.secrets.iter().filter_map(|secret| match &secret.shown {
        Shown::Variable(name) => Some(format!("{name}=*******")),
        Shown::File { .. } => None,
    })
}

/// What `inspect` shows of the files.
pub(crate) fn document(config: &ContainerConfig) -> Json {
    let one = |secret: &SecretUse| match &secret.shown {
        Shown::File { uid, gid, mode, .. } => {
            Some(json!({ "Name": secret.name, "ID": secret.id, "UID": uid, "GID": gid, "Mode": mode }))
        }
        Shown::Variable(_) => None,
    };
    config.secrets.iter().filter_map(one).collect()
}
