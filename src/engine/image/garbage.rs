//! What only a removed image used goes with it; what killed commands left goes with the next command.

use std::collections::HashSet;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::engine::container::{self, Container};
use crate::image::gc;
use crate::model::container::RootFs;

impl Engine {
    /// Finishes what killed pulls, loads and removals left. Cheap when there is nothing.
    pub(crate) fn heal_images(&self) -> Result<()> {
        let mut unreadable = false;
        let healed = gc::heal(&self.paths, &mut || self.used_layers().inspect_err(|_| unreadable = true));
        // A damaged container may stand on any layer: what was left goes once it is gone.
        if unreadable { Ok(()) } else { healed.context("clean up after an interrupted command") }
    }

    /// The chain ids of layers that containers stand on. A record that cannot be read may name any: then nothing goes.
    pub(super) fn used_layers(&self) -> Result<HashSet<String>> {
        let mut used = HashSet::new();
        for id in container::ids(&self.paths)? {
            let Some(read) = Container::read(&self.paths, &id)? else { continue };
            if let RootFs::Image { layers } = read.config.root_fs {
                used.extend(layers);
            }
        }
        Ok(used)
    }
}
