//! What only a removed image used goes with it; what killed commands left goes with the next command.

use std::collections::HashSet;

use anyhow::{Context, Result};

use crate::engine::container::{self, Container};
use crate::engine::{Engine, remove, rootfs};
use crate::image::gc;
use crate::storage::derived;

impl Engine {
    /// Finishes what killed pulls, loads and removals left. Cheap when there is nothing.
    pub(crate) fn heal_images(&self) -> Result<()> {
        let mut unreadable = false;
        let healed = gc::heal(&self.paths, &mut || self.used_layers().inspect_err(|_| unreadable = true));
        // A damaged container may stand on any layer: what was left goes once it is gone.
        if unreadable { Ok(()) } else { healed.context("clean up after an interrupted command") }
    }

    /// Removes the copies and trees of layers for containers that are there no more. A record that cannot be read may
    /// name any: then nothing goes.
    pub(super) fn prune_copies(&self) -> Result<()> {
        let mut unreadable = false;
        let pruned = derived::collect(&self.paths, &mut || self.used_copies().inspect_err(|_| unreadable = true));
        if unreadable { Ok(()) } else { pruned.context("remove copies of layers") }
    }

    fn used_copies(&self) -> Result<HashSet<derived::Place>> {
        let mut used = HashSet::new();
        for id in container::ids(&self.paths)? {
            let Some(read) = Container::read(&self.paths, &id)? else { continue };
            match rootfs::copies(self, &read.config) {
                Ok(copies) => used.extend(copies),
                // Whose user namespace it shared is gone: it cannot be started any more.
                Err(error) if remove::is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(used)
    }

    /// The chain ids of layers that containers stand on. A record that cannot be read may name any: then nothing goes.
    pub(crate) fn used_layers(&self) -> Result<HashSet<String>> {
        let mut used = HashSet::new();
        for id in container::ids(&self.paths)? {
            let Some(read) = Container::read(&self.paths, &id)? else { continue };
            used.extend(read.config.layers().cloned());
        }
        Ok(used)
    }
}
