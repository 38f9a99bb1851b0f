//! The secrets of a store: `secrets/<id>/{secret.json, data}`, for their owner alone.
//!
//! A secret appears by one rename: it is made as `secrets/.<id>`, and goes by the rename back. `secrets/lock` is held for
//! both, so what has a dot while the lock can be had was left by a killed command.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::lock::{Lock, Rank};
use super::paths::Paths;
use super::record::{self, Durability};
use crate::model::error::Error;
use crate::model::secret::{SecretRecord, Value};

/// Fewer bytes than this, and not none (podman-secret-create(1)).
pub(crate) const LIMIT: usize = 512_000;

/// The secrets of a store.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    dir: PathBuf,
}

impl Secrets {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { dir: paths.data().join("secrets") }
    }

    /// Holds the secrets still, for creation and removal.
    pub(crate) fn lock(&self) -> Result<Lock> {
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).context("make the directory of secrets");
            }
            _ => {}
        }
        let lock = Lock::exclusive(Rank::Secrets, &self.dir.join("lock"))?;
        for entry in fs::read_dir(&self.dir).context("list secrets")? {
            let entry = entry.context("list secrets")?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                remove(&entry.path())?;
            }
        }
        self.drop_replaced()?;
        Ok(lock)
    }

    /// Removes what a killed command had replaced and not yet removed.
    fn drop_replaced(&self) -> Result<()> {
        let (current, damaged) = self.all()?;
        let known = |id: &str| current.iter().any(|record| record.id == id);
        if !damaged.is_empty() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.dir).context("list secrets")? {
            let name = entry.context("list secrets")?.file_name();
            if let Some(id) = name.to_str().filter(|id| *id != "lock" && !known(id)) {
                self.remove(id)?;
            }
        }
        Ok(())
    }

    /// All secrets, by name, and what cannot be read of them, by id.
    pub(crate) fn all(&self) -> Result<(Vec<SecretRecord>, Vec<(String, anyhow::Error)>)> {
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((found, damaged)),
            entries => entries.context("list secrets")?,
        };
        for entry in entries {
            let entry = entry.context("list secrets")?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || name == "lock" {
                continue;
            }
            let id = name.to_string_lossy().into_owned();
            match record::read::<SecretRecord>(&entry.path().join("secret.json")) {
                Ok(Some(record)) => found.push(record),
                // It went meanwhile.
                Ok(None) if !entry.path().exists() => {}
                Ok(None) => {
                    let error = Error::state(format!("secret {id}: its record is missing"))
                        .hint(format!("remove it: secret rm {id}"));
                    damaged.push((id, error.into()));
                }
                Err(error) => damaged.push((id, error)),
            }
        }
        // Of two with one name the older one was to go.
        found.sort_by(|a, b| a.name.cmp(&b.name).then(b.created.cmp(&a.created)));
        found.dedup_by(|a, b| a.name == b.name);
        Ok((found, damaged))
    }

    /// The secret that `text` means: its name, its id, or the only one whose id begins so. Where there is none, one that
    /// cannot be read may have been it, and is told.
    pub(crate) fn find(&self, text: &str) -> Result<SecretRecord> {
        let (all, damaged) = self.all()?;
        let no_such =
            || Error::not_found(format!("no secret with name or id \"{}\": no such secret", text.escape_debug()));
        if let Some(record) = all.iter().find(|record| record.name == text) {
            return Ok(record.clone());
        }
        let mut found = all.into_iter().filter(|record| !text.is_empty() && record.id.starts_with(text));
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record),
            (None, _) => Err(damaged.into_iter().next().map_or_else(|| no_such().into(), |(_, error)| error)),
            (Some(_), Some(_)) => {
                Err(Error::invalid(format!("more than one result secret with prefix {text}: no such secret")).into())
            }
        }
    }

    /// Reads the value of a secret.
    pub(crate) fn value(&self, record: &SecretRecord) -> Result<Value> {
        let mut bytes = Vec::new();
        let file =
            OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(self.place(&record.id).join("data"));
        match file.and_then(|file| file.take(LIMIT as u64).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Value::new(bytes)),
            Err(error) => Err(Error::state(format!("the value of secret {} is damaged: {error}", record.name))
                .hint(format!("make it again: secret create --replace {} FILE", record.name))
                .into()),
        }
    }

    /// Keeps a secret, in place of the one called `replaced`; the lock is held.
    pub(crate) fn keep(&self, record: &SecretRecord, value: &Value, replaced: Option<&SecretRecord>) -> Result<()> {
        let (place, staged) = (self.place(&record.id), self.staged(&record.id));
        let made = (|| {
            DirBuilder::new().mode(0o700).create(&staged).context("make a directory")?;
            write(&staged.join("data"), value.expose(), 0o600)?;
            record::write(&staged.join("secret.json"), record, Durability::Synced)?;
            fs::rename(&staged, &place).context("publish it")?;
            record::sync_parent(&place).context("sync the secrets")?;
            replaced.map_or(Ok(()), |old| self.remove(&old.id))
        })();
        if made.is_err() {
            // The first error is the one to tell; the next command sweeps.
            drop(remove(&staged));
        }
        made.with_context(|| format!("keep secret {}", record.name))
    }

    /// Removes a secret; the lock is held.
    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        let (place, staged) = (self.place(id), self.staged(id));
        match fs::rename(&place, &staged) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.with_context(|| format!("remove secret {id}"))?,
        }
        record::sync_parent(&place).context("sync the secrets")?;
        remove(&staged)
    }

    /// Whether there is something with this id, be it damaged.
    pub(crate) fn is_there(&self, id: &str) -> bool {
        id.len() == 25 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && self.place(id).is_dir()
    }

    fn place(&self, id: &str) -> PathBuf {
        self.dir.join(id)
    }

    fn staged(&self, id: &str) -> PathBuf {
        self.dir.join(format!(".{id}"))
    }
}

/// Writes a file that is new, with `mode`, and has it on disk.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<fs::File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path);
    file.and_then(|mut file| {
        use std::os::unix::fs::PermissionsExt;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        Ok(file)
    })
    .with_context(|| format!("write {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
