//! `system migrate`: an ordinary user's namespace is made anew by the next command, unless containers live in it; containers
//! change their runtime, layers their format.

use anyhow::Result;

use super::container::{Container, Locked, ids};
use super::image::interrupt::Guard;
use super::{Engine, merged};
use crate::image::intake::Target;
use crate::image::reformat::{self, Item};
use crate::image::store::ImageStore;
use crate::model::image::LayerFormat;
use crate::model::runtime::OtherRuntime;
use crate::state::pause;
use crate::storage::layer::Layers;
use crate::storage::staging::Staging;

/// What became of the layers that were to change their format.
#[derive(Debug, Default)]
pub(crate) struct Reformatted {
    /// How many did.
    pub(crate) changed: usize,
    /// Those that did not (chain ids), and who uses them.
    pub(crate) kept: Vec<(String, String)>,
}

impl Engine {
    /// Lets the process end that keeps the user's namespace between commands. Whether there was one.
    pub(crate) fn forget_namespace(&self) -> Result<bool> {
        match self.privilege.is_rootless() {
            true => pause::forget(&self.privilege.run_root()),
            false => Ok(false),
        }
    }

    /// Has all containers made by `runtime` from their next start on; `None` is dhow itself. Gives the names of those that
    /// run: they stay as they are.
    pub(crate) fn change_runtime(&self, runtime: Option<&OtherRuntime>) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for id in ids(&self.paths)? {
            let mut locked = match self.lock_id(&id) {
                Err(error) if super::remove::is_gone(&error) => continue,
                locked => locked?,
            };
            if locked.state.status.is_alive() {
                kept.push(locked.config.name.clone());
            } else if locked.config.runtime.as_ref() != runtime {
                locked.config.runtime = runtime.cloned();
                locked.save_config()?;
            }
        }
        Ok(kept)
    }

    /// Has all layers of images kept as `format`. Those of running containers, and of what is mounted, stay as they are.
    pub(crate) fn change_layers(&self, format: LayerFormat) -> Result<Reformatted> {
        let guard = Guard::new()?;
        let target = Target { format, ..self.image_target(guard.cancel.clone()) };
        let mut done = Reformatted::default();
        let changed = reformat::plan(&self.paths, format)?.iter().try_for_each(|item| {
            match self.change_layer(item, &target)? {
                Some(user) => done.kept.push((item.chain.clone(), user)),
                None => done.changed += 1,
            }
            anyhow::Ok(())
        });
        guard.outcome(changed)?;
        Ok(done)
    }

    /// Changes one layer, or says who uses it.
    fn change_layer(&self, item: &Item, target: &Target) -> Result<Option<String>> {
        if let Err(user) = self.hold(item)? {
            return Ok(Some(user));
        }
        let staging = Staging::new(&self.paths)?;
        let staged = reformat::stage(item, target, &staging)?;
        // Somebody may have started a container meanwhile; from now on nobody does.
        let _held = match self.hold(item)? {
            Err(user) => return Ok(Some(user)),
            Ok(held) => held,
        };
        let _lock = ImageStore::new(&self.paths).lock()?;
        for id in &item.images {
            if self.image_mount(id)?.is_some() {
                return Ok(Some(format!("image {} is mounted", &id[..12.min(id.len())])));
            }
        }
        let layers = Layers::new(&self.paths);
        layers.exchange(&staged, &item.chain)?;
        layers.sync()?;
        Ok(None)
    }

    /// Locks the containers that stand on a layer, or names one that uses it now.
    fn hold(&self, item: &Item) -> Result<Result<Vec<Locked>, String>> {
        let mut held = Vec::new();
        let mut all = ids(&self.paths)?;
        all.sort();
        for id in all {
            let Some(read) = Container::read(&self.paths, &id)? else { continue };
            if !read.config.layers().any(|chain| *chain == item.chain) {
                continue;
            }
            let locked = match self.lock_id(&id) {
                Err(error) if super::remove::is_gone(&error) => continue,
                locked => locked?,
            };
            let name = &locked.config.name;
            if locked.state.status.is_alive() {
                return Ok(Err(format!("container {name} runs")));
            }
            if merged::mounted(&locked.dir())?.is_some() {
                return Ok(Err(format!("container {name} is mounted")));
            }
            held.push(locked);
        }
        Ok(Ok(held))
    }
}
