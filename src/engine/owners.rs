//! Whose files are whose in a container with a user namespace of its own.
//!
//! As root, the monitor puts the container's map on the mounts of the lower directories. An ordinary user may not do that:
//! their layers are copied once for each map, beside the layer. What the engine makes (the writable layer, `/etc/hosts`, a
//! fresh volume) belongs to the container's root from the beginning.

use anyhow::{Context, Result};

use super::Engine;
use super::container::Container;
use crate::model::container::{ContainerConfig, UserNamespace};
use crate::model::idmap::IdMaps;

/// The maps between a container and the engine; `None` where both see the same ids.
pub(crate) fn maps(engine: &Engine, config: &ContainerConfig) -> Result<Option<IdMaps>> {
    let maps = match &config.userns {
        UserNamespace::Mapped { uids, gids, .. } => IdMaps { uids: uids.clone(), gids: gids.clone() },
        UserNamespace::Container { of } => {
            let other =
                Container::read(&engine.paths, of).context("read the container whose user namespace is joined")?;
            // One can join only what was there before it: this ends.
            return match other {
                Some(other) => maps(engine, &other.config),
                None => Err(super::container::no_such(of.as_str()).into()),
            };
        }
        // Whose maps are told by nobody: the files stay as the engine sees them.
        UserNamespace::Host | UserNamespace::Path { .. } => return Ok(None),
    };
    Ok(Some(maps).filter(|maps| !maps.is_identity()))
}

/// Whether the monitor maps the root file system's owners at each start.
pub(crate) fn by_mount(engine: &Engine, maps: Option<&IdMaps>) -> bool {
    maps.is_some() && !engine.privilege.is_rootless()
}
