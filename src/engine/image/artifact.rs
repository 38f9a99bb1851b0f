//! Artifacts of the store and of registries.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::interrupt::Guard;
use super::manifest::resolve;
use super::progress::PullProgress;
use super::push::{SignRequest, Wish};
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::artifact;
use crate::image::gc::Collection;
use crate::image::push;
use crate::image::registry::transfer::{Job, Sinks};
use crate::image::sign::Signers;
use crate::image::store::ImageStore;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::ArtifactRecord;
use crate::model::platform::Platform;
use crate::model::reference::{DOCKER_HUB, Reference, Source};
use crate::storage::staging::Staging;

pub(crate) use crate::image::artifact::{AddRequest, Choice};

/// Downloads at once.
const PARALLEL: usize = 6;

/// What a listing of artifacts found; a damaged record is told and hides no other.
#[derive(Debug, Default)]
pub(crate) struct Artifacts {
    pub(crate) artifacts: Vec<ArtifactRecord>,
    pub(crate) damaged: Vec<anyhow::Error>,
}

impl Engine {
    /// Makes an artifact of files, or adds them to one; returns its record.
    pub(crate) fn add_artifact(&self, name: &str, files: &[PathBuf], request: &AddRequest) -> Result<ArtifactRecord> {
        self.heal_images()?;
        let guard = Guard::new()?;
        let work = || {
            let staged = artifact::stage(&self.paths, name, files, request)?;
            let collection = Collection::announce(&self.paths)?;
            let lock = ImageStore::new(&self.paths).lock()?;
            let made = staged.publish(&self.paths, &lock, request)?;
            self.collect_artifacts(&collection, &lock)?;
            Ok(made)
        };
        guard.outcome(work())
    }

    /// What a replaced or removed artifact alone has kept goes.
    fn collect_artifacts(&self, collection: &Collection, lock: &crate::state::lock::Lock) -> Result<()> {
        match self.used_layers() {
            Ok(used) => collection.collect(lock, &used).context("remove what only the artifact kept"),
            // A damaged container may stand on any layer: it goes once that is gone.
            Err(_) => Ok(()),
        }
    }

    /// All artifacts, by their names.
    pub(crate) fn artifacts(&self) -> Result<Artifacts> {
        let store = ImageStore::new(&self.paths);
        let mut found = Artifacts::default();
        for id in store.artifact_ids()? {
            match store.artifact_record(&id) {
                Ok(record) => found.artifacts.extend(record),
                Err(error) => found.damaged.push(error),
            }
        }
        found.artifacts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The document of the artifact that `name` means.
    pub(crate) fn inspect_artifact(&self, name: &str) -> Result<Value> {
        let store = ImageStore::new(&self.paths);
        let found = store.find_artifact(name)?;
        artifact::shown(&store.artifact_manifest(&found)?.0, &found)
    }

    /// Removes the artifact that `name` means; returns its digest.
    pub(crate) fn remove_artifact(&self, name: &str) -> Result<Digest> {
        let store = ImageStore::new(&self.paths);
        let collection = Collection::announce(&self.paths)?;
        let lock = store.lock()?;
        let found = store.find_artifact(name)?;
        store.remove_artifact(&lock, &found)?;
        self.collect_artifacts(&collection, &lock)?;
        Ok(found.instance.digest)
    }

    /// Fetches an artifact from its registry; returns its record.
    pub(crate) fn pull_artifact(
        &self,
        name: &str,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<ArtifactRecord> {
        let reference = place(name)?;
        self.heal_images()?;
        let guard = Guard::new()?;
        let mut work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let (name, resolved) = resolve(&access, &client, &reference, &Platform::host())?;
            self.admit_fetched(&client, &name, &resolved)?;
            if resolved.manifest.check_is_image().is_ok() || resolved.index.is_some() {
                bail!(
                    Error::invalid(format!("{}: this is an image, not an artifact", artifact::name_of(&name)))
                        .hint("`dhow pull` takes images")
                );
            }
            let staging = Staging::new(&self.paths)?;
            let at = |digest: &Digest| staging.join(format!("fetched.{}", digest.hex()));
            let blobs = artifact::blobs_of(&resolved.manifest);
            let jobs = blobs.iter().map(|descriptor| {
                let path = at(&descriptor.digest);
                let open = Box::new(move || {
                    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
                    let file = file.with_context(|| format!("create {}", path.display()))?;
                    Ok(Sinks { file: Some(file), pipe: None })
                });
                Job { descriptor: (*descriptor).clone(), open: open as _ }
            });
            for blob in &blobs {
                progress.started(&blob.digest, blob.size);
            }
            client.fetch_all(&resolved, jobs.collect(), PARALLEL, &guard.cancel, &mut |_| {})?;
            for blob in &blobs {
                progress.finished(&blob.digest);
            }
            let full = artifact::name_of(&name);
            let (bytes, manifest) = (&resolved.manifest_bytes, &resolved.manifest);
            let fetched = artifact::fetched(&self.paths, &full, &staging, bytes, manifest, &at)?;
            let collection = Collection::announce(&self.paths)?;
            let lock = ImageStore::new(&self.paths).lock()?;
            let made = fetched.publish(&self.paths, &lock)?;
            self.collect_artifacts(&collection, &lock)?;
            Ok(made)
        };
        guard.outcome(work())
    }

    /// Sends an artifact to the registry of its name; returns the digest of its manifest.
    pub(crate) fn push_artifact(
        &self,
        name: &str,
        options: &RegistryOptions,
        sign: &SignRequest,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        let signers = Signers::open(sign)?;
        let found = ImageStore::new(&self.paths).find_artifact(name)?;
        let reference: Reference = found.name.parse()?;
        signers.check(&reference, self.privilege.is_rootless())?;
        let guard = Guard::new()?;
        let mut work = || {
            let client = self.registries(options)?.client(&guard.cancel)?;
            let prepared = push::prepare_kept(&self.paths, &found.instance, Wish::default(), &guard.cancel)?;
            let digest = push::push(&self.paths, &client, &prepared, &reference, progress)
                .with_context(|| format!("pushing {name} to docker://{}", found.name))?;
            self.sign_pushed(&signers, &client, &reference, &digest)?;
            Ok(digest)
        };
        guard.outcome(work())
    }

    /// Writes files of an artifact to `target`: a directory, or for a single one the file itself.
    pub(crate) fn extract_artifact(&self, name: &str, target: &Path, choice: &Choice) -> Result<()> {
        let store = ImageStore::new(&self.paths);
        let found = store.find_artifact(name)?;
        let parts = choice.of(artifact::parts(&store.artifact_manifest(&found)?.0)?)?;
        if target.is_dir() {
            for (part, file) in parts.iter().zip(choice.names(&parts)?) {
                part.extract(&self.paths, target, &file)?;
            }
            return Ok(());
        }
        let [part] = &parts[..] else {
            let message = format!(
                "the artifact consists of several blobs and the target {:?} is not a directory and neither digest or \
                 title was specified to only copy a single blob",
                target.display().to_string()
            );
            bail!(Error::invalid(message));
        };
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = target.file_name().and_then(|name| name.to_str());
        let file = file.ok_or_else(|| Error::invalid(format!("{}: not the name of a file", target.display())))?;
        part.extract(&self.paths, parent, file)
    }
}

/// A name of a registry.
fn place(name: &str) -> Result<Reference> {
    match name.parse()? {
        Source::Registry { reference, .. } => Ok(reference.qualified(DOCKER_HUB)?.or_latest()),
        _ => Err(Error::invalid(format!("{name}: artifacts come from registries")).into()),
    }
}
