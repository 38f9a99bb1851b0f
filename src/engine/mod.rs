//! What users ask for: containers, images, volumes and their life cycles. Every face of dhow goes through [`Engine`].
//!
//! Each call does its work in the calling process and leaves files behind. A container's lock is held through a start
//! and a removal, never through a grace period, a back-off or a registry.

mod account;
pub(crate) mod activation;
mod artifact_mount;
pub(crate) mod attach;
pub(crate) mod auto_update;
pub(crate) mod boot_unit;
pub(crate) mod cdi;
pub(crate) mod check;
pub(crate) mod cleanup;
pub(crate) mod clone;
pub(crate) mod commit;
pub(crate) mod container;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod disk;
mod environment;
pub(crate) mod event;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod foreground;
pub(crate) mod glob;
mod heal;
pub(crate) mod health;
pub(crate) mod hook;
pub(crate) mod image;
mod image_volume;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod kill;
mod limit;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod merged;
mod migrate;
pub(crate) mod mount;
pub(crate) mod naming;
pub(crate) mod network;
pub(crate) mod owners;
pub(crate) mod pause;
pub(crate) mod policy;
pub(crate) mod port;
mod prune;
pub(crate) mod remove;
pub(crate) mod rename;
pub(crate) mod request;
mod require;
pub(crate) mod reset;
pub(crate) mod rootfs;
pub(crate) mod runtime;
pub(crate) mod secret;
mod session;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod successor;
pub(crate) mod top;
pub(crate) mod undo;
pub(crate) mod update;
pub(crate) mod userns;
pub(crate) mod view;
pub(crate) mod volume;
pub(crate) mod volume_content;
pub(crate) mod volumes;
pub(crate) mod wait;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use crate::model::event::Logger;
use crate::model::id::Id;
use crate::model::image::{Driver, LayerFormat};
pub(crate) use crate::state::config::Config;
pub(crate) use crate::state::config::mounts;
pub(crate) use crate::state::config::storage::Storage;
use crate::state::paths::Paths;
pub(crate) use crate::state::privilege::Privilege;
use crate::storage::{overlay, whole};
pub(crate) use crate::sys::journal::is_there as has_journal;
use container::Locked;

/// Where a store is asked for; `None` is the default place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) root: Option<PathBuf>,
    pub(crate) run: Option<PathBuf>,
    /// Of volumes, where they are not in the root.
    pub(crate) volumes: Option<PathBuf>,
    /// Who keeps events.
    pub(crate) events: Logger,
    /// How new layers are kept.
    pub(crate) layer_format: LayerFormat,
    /// How the roots of new containers are made, where it was said.
    pub(crate) driver: Option<Driver>,
}

/// An open store: where it is, and with which rights it is worked on.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) paths: Paths,
    pub(crate) privilege: Privilege,
    /// Who keeps events.
    pub(crate) events: Logger,
    /// How new layers are kept.
    pub(crate) layer_format: LayerFormat,
    /// How the roots of new containers are made.
    pub(crate) driver: Driver,
}

impl Engine {
    /// Opens the store at `places`, and makes what is missing.
    pub(crate) fn open(privilege: Privilege, places: Places) -> Result<Self> {
        let data = places.root.map_or_else(|| privilege.data_root(), Ok)?;
        let run = places.run.unwrap_or_else(|| privilege.run_root());
        let paths = Paths::new(data, run).with_volumes(places.volumes);
        paths.prepare()?;
        let driver = match places.driver {
            Some(driver) => driver,
            // Copies are slow, and work everywhere.
            None if overlay::check_file_system(paths.data()).is_err() => Driver::Vfs,
            None => Driver::Overlay,
        };
        whole::check_file_system(driver, paths.data())?;
        Ok(Self { paths, privilege, events: places.events, layer_format: places.layer_format, driver })
    }

    /// Locks the container that `name` means, healed.
    pub(crate) fn lock(&self, name: &str) -> Result<Locked> {
        let id = container::find(&self.paths, name)?;
        self.lock_id(&id)
    }

    /// Locks container `id`, healed: whatever a dead owner left is finished or undone first.
    pub(crate) fn lock_id(&self, id: &Id) -> Result<Locked> {
        let locked = Locked::acquire(&self.paths, id)?;
        heal::heal(self, locked)?.ok_or_else(|| container::no_such(id.as_str()).into())
    }
}
