//! `system check`: every object of the store is looked at, and what is damaged is named with its remedy. A repair removes
//! what comes back by itself (images), makes anew what can be (records of volumes), and takes containers and secrets only if
//! told to.

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container};
use super::request::RemoveRequest;
use crate::image::check::{self, Findings};
use crate::image::gc::Collection;
use crate::image::store::ImageStore;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::state::secret::Secrets;
use crate::storage::layer::Layers;
use crate::storage::volume::local::Volumes;

/// What is damaged.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    pub(crate) images: Findings,
    pub(crate) containers: Vec<(Id, anyhow::Error)>,
    pub(crate) volumes: Vec<(String, anyhow::Error)>,
    /// Secrets that cannot be read, by id.
    pub(crate) secrets: Vec<(String, anyhow::Error)>,
}

impl Damage {
    pub(crate) fn is_none(&self) -> bool {
        let Findings { images, layers, blobs, names } = &self.images;
        images.is_empty()
            && layers.is_empty()
            && blobs.is_empty()
            && names.is_empty()
            && self.containers.is_empty()
            && self.volumes.is_empty()
            && self.secrets.is_empty()
    }
}

impl Engine {
    /// Looks at everything; `quick` does not read the blobs of images.
    pub(crate) fn check_store(&self, quick: bool) -> Result<Damage> {
        // What killed commands left is no damage.
        container::sweep(&self.paths)?;
        self.heal_images()?;
        let images = {
            // Nobody removes images meanwhile, so that nothing is half gone.
            let _lock = ImageStore::new(&self.paths).lock()?;
            check::check(&self.paths, quick)?
        };
        let mut damage = Damage { images, ..Damage::default() };
        for id in container::ids(&self.paths)? {
            let state = match self.read_healed(&id) {
                Ok(Some(read)) => self.check_layers(&read, &damage.images),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            damage.containers.extend(state.err().map(|error| (id, error)));
        }
        let volumes = Volumes::new(&self.paths);
        for name in volumes.names()? {
            let state = volumes.read(&name).and_then(|config| match config {
                Some(_) if !volumes.data(&name).is_dir() => Err(Error::state("its directory is missing").into()),
                Some(_) => Ok(()),
                None => Err(Error::state("its record is missing").into()),
            });
            damage.volumes.extend(state.err().map(|error| (name, error)));
        }
        let secrets = Secrets::new(&self.paths);
        let (whole, damaged) = secrets.all()?;
        damage.secrets = damaged;
        for record in whole {
            damage.secrets.extend(secrets.value(&record).err().map(|error| (record.id, error)));
        }
        Ok(damage)
    }

    /// Whether the layers that a container stands on are there.
    fn check_layers(&self, read: &Container, found: &Findings) -> Result<()> {
        let store = Layers::new(&self.paths);
        for chain in read.config.layers() {
            if !store.exists(chain) || found.layers.iter().any(|(damaged, _)| damaged == chain) {
                return Err(Error::state(format!("its layer {chain} is missing or damaged")).into());
            }
        }
        Ok(())
    }

    /// Removes what is damaged, containers and secrets with `force` only; gives what could not be removed.
    pub(crate) fn repair_store(&self, damage: &Damage, force: bool) -> Result<Vec<anyhow::Error>> {
        let mut errors = Vec::new();
        for (id, _) in damage.containers.iter().filter(|_| force) {
            let removed = self.remove_id(id, RemoveRequest { force: true, timeout: Some(0), volumes: false });
            errors.extend(removed.with_context(|| format!("remove container {}", id.short())).err());
        }
        let collection = Collection::announce(&self.paths)?;
        let lock = ImageStore::new(&self.paths).lock()?;
        // A record that cannot be read may name any layer: then none goes.
        check::repair(&self.paths, &lock, &collection, &damage.images, self.used_layers().ok().as_ref())?;
        drop(lock);
        drop(collection);
        if !damage.volumes.is_empty() {
            let volumes = Volumes::new(&self.paths);
            let _lock = volumes.lock()?;
            for (name, _) in &damage.volumes {
                errors.extend(volumes.restore(name).with_context(|| format!("repair volume {name}")).err());
            }
        }
        if force && !damage.secrets.is_empty() {
            let secrets = Secrets::new(&self.paths);
            let _lock = secrets.lock()?;
            for (id, _) in &damage.secrets {
                errors.extend(secrets.remove(id).err());
            }
        }
        Ok(errors)
    }
}
