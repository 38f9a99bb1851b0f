//! The local driver: `volumes/<name>/{volume.json, _data/}`.
//!
//! A volume appears by one rename: it is made as `volumes/.<name>`, and goes by the rename back. `volumes/lock` is held for
//! both, so what has a dot while the lock can be had was left by a killed command.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::model::error::Error;
use crate::model::mount::Mount;
use crate::model::volume::{Owner, VolumeConfig};
use crate::state::lock::{Lock, Rank};
use crate::state::name;
use crate::state::paths::Paths;
use crate::state::record::{self, Durability};
use crate::storage::tree;

/// The volumes of a store.
#[derive(Clone, Debug)]
pub(crate) struct Volumes {
    dir: PathBuf,
}

impl Volumes {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { dir: paths.volumes() }
    }

    /// Holds the volumes still: for creation, population and removal.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let lock = Lock::exclusive(Rank::Volume, &self.dir.join("lock"))?;
        self.sweep()?;
        Ok(lock)
    }

    /// The directory that containers see.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.dir.join(name).join("_data")
    }

    /// Reads the record of volume `name`.
    pub(crate) fn read(&self, name: &str) -> Result<Option<VolumeConfig>> {
        if name::check(name).is_err() {
            return Ok(None);
        }
        let dir = self.dir.join(name);
        match record::read(&dir.join("volume.json"))? {
            // A volume appears with its record.
            None if dir.join("_data").is_dir() => Err(Error::state(format!("the record of volume {name} is missing"))
                .hint("`system check --repair` gives it a new one and keeps what is in it")
                .into()),
            config => Ok(config),
        }
    }

    /// The record of volume `name`, by its name or the only one that begins so.
    pub(crate) fn find(&self, text: &str) -> Result<VolumeConfig> {
        if let Some(config) = self.read(text)? {
            return Ok(config);
        }
        let mut found = Vec::new();
        if !text.is_empty() {
            found = self.names()?.into_iter().filter(|name| name.starts_with(text)).collect();
        }
        match found.as_slice() {
            [name] => self.read(name)?.ok_or_else(|| no_such(text).into()),
            [] => Err(no_such(text).into()),
            _ => {
                Err(Error::invalid(format!("more than one result for volume name {text}: volume already exists"))
                    .into())
            }
        }
    }

    /// Removes every volume, and nothing else that may be in their directory.
    pub(crate) fn clear(&self) -> Result<()> {
        for name in self.names()? {
            let volume = self.dir.join(name);
            if volume.join("volume.json").exists() {
                tree::remove_path(&volume)?;
            }
        }
        tree::remove_path(&self.dir.join("lock"))
    }

    /// The names of all volumes, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).context("list volumes")? {
            let entry = entry.context("list volumes")?;
            if let Ok(name) = entry.file_name().into_string()
                && name::check(&name).is_ok()
                && name != "lock"
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Makes volume `name`; the caller holds the lock. `Conflict` when it is there.
    pub(crate) fn create(
        &self,
        name: &str,
        labels: BTreeMap<String, String>,
        options: BTreeMap<String, String>,
        anonymous: bool,
    ) -> Result<VolumeConfig> {
        name::check(name).context("running volume create option")?;
        if name == "lock" {
            return Err(Error::invalid("\"lock\" cannot be the name of a volume").into());
        }
        check_options(&options)?;
        if self.dir.join(name).exists() {
            return Err(
                Error::conflict(format!("volume with name {name} already exists: volume already exists")).into()
            );
        }
        let config = VolumeConfig {
            version: record::VERSION,
            name: name.to_owned(),
            created: Timestamp::now(),
            labels,
            options,
            anonymous,
            populated: false,
            unknown: serde_json::Map::new(),
        };
        let staged = self.dir.join(format!(".{name}"));
        let made = (|| {
            make_dir(&staged, 0o700)?;
            make_dir(&staged.join("_data"), 0o755)?;
            give(&staged.join("_data"), config.owner())?;
            record::write(&staged.join("volume.json"), &config, Durability::Synced)?;
            fs::rename(&staged, self.dir.join(name)).with_context(|| format!("publish volume {name}"))?;
            record::sync_parent(&self.dir.join(name)).context("sync the volumes")
        })();
        if made.is_err() {
            // The first error is the one to tell; the next command sweeps.
            drop(tree::remove_path(&staged));
        }
        made.map(|()| config)
    }

    /// Writes the record of a volume again; the caller holds the lock.
    pub(crate) fn save(&self, config: &VolumeConfig) -> Result<()> {
        record::write(&self.dir.join(&config.name).join("volume.json"), config, Durability::Synced)
    }

    /// Gives volume `name`, whose record or directory is damaged, a record without labels and options, and keeps what is in
    /// it. The lock is held.
    pub(crate) fn restore(&self, name: &str) -> Result<()> {
        let data = self.data(name);
        if !data.is_dir() {
            std::fs::create_dir(&data).with_context(|| format!("create {}", data.display()))?;
        }
        if matches!(self.read(name), Ok(Some(_))) {
            return Ok(());
        }
        self.save(&VolumeConfig {
            version: record::VERSION,
            name: name.to_owned(),
            created: Timestamp::now(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            anonymous: false,
            // What is in it is not ours to add to.
            populated: true,
            unknown: serde_json::Map::new(),
        })
    }

    /// Removes volume `name` and what is in it; the caller holds the lock. One that is not there is success.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        name::check(name)?;
        let (dir, staged) = (self.dir.join(name), self.dir.join(format!(".{name}")));
        match fs::rename(&dir, &staged) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.with_context(|| format!("remove volume {name}"))?,
        }
        record::sync_parent(&dir).context("sync the volumes")?;
        tree::remove_path(&staged)
    }

    fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir).context("list volumes")? {
            let entry = entry.context("list volumes")?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                tree::remove_path(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Whether a killed command left something: then somebody should take the lock.
    pub(crate) fn needs_sweep(&self) -> Result<bool> {
        let mut entries = fs::read_dir(&self.dir).context("list volumes")?;
        Ok(entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."))))
    }
}

/// podman's words for a volume that is not there.
pub(crate) fn no_such(name: &str) -> Error {
    Error::not_found(format!("no volume with name \"{}\" found: no such volume", name.escape_debug()))
}

/// The options that the local driver knows: `type`, `device` and `o` of a tmpfs or a bind.
fn check_options(options: &BTreeMap<String, String>) -> Result<()> {
    for (key, value) in options {
        match (key.as_str(), value.as_str()) {
            ("type", "tmpfs" | "none" | "bind" | "") | ("device" | "o", _) => {}
            ("type", other) => {
                return Err(Error::unsupported(format!("volume option type={other} is not supported"))
                    .hint("types are tmpfs, bind and none")
                    .into());
            }
            _ => {
                return Err(Error::invalid(format!(
                    "invalid mount option {} for driver 'local': invalid argument",
                    key.escape_debug()
                ))
                .into());
            }
        }
    }
    let kind = options.get("type").map(String::as_str).unwrap_or_default();
    let bind = matches!(kind, "none" | "bind");
    if let Some(text) = options.get("o").filter(|text| !text.is_empty()) {
        if kind.is_empty() {
            if Owner::parse(text).is_none() {
                let message = "volume option o= needs a type=: tmpfs, bind or none";
                return Err(Error::invalid(message).hint("without a type there are uid= and gid=").into());
            }
        } else {
            Mount::volume_options(kind, text)?;
        }
    }
    let device = options.get("device").map(String::as_str).unwrap_or_default();
    if bind && !Path::new(device).is_absolute() {
        return Err(Error::invalid("a bind volume needs an absolute path as device=").into());
    }
    Ok(())
}

/// Gives the content of a volume to the owner that was asked for, if any.
pub(crate) fn give(path: &Path, owner: Owner) -> Result<()> {
    if owner.is_some() {
        std::os::unix::fs::chown(path, owner.uid, owner.gid)
            .with_context(|| format!("change the owner of {}", path.display()))?;
    }
    Ok(())
}

fn make_dir(path: &Path, mode: u32) -> Result<()> {
    DirBuilder::new().mode(mode).create(path).with_context(|| format!("create {}", path.display()))?;
    // Whatever the umask is.
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| format!("chmod {}", path.display()))
}
