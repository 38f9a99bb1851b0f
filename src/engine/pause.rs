//! `pause` and `unpause`: the cgroup's freezer.

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Locked};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::status::Action;
use crate::runtime::cgroup::Cgroup;
use crate::state::record::Durability;

impl Engine {
    /// Freezes every process of the container that `name` means.
    pub(crate) fn pause(&self, name: &str) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        let mut locked = self.lock_id(&id)?;
        let next = locked.check(Action::Pause)?;
        // Written first: who finds it paused and thawed thaws it again, which does nothing.
        locked.state.status = next;
        locked.save(Durability::Lazy)?;
        if let Err(error) = cgroup(&locked).and_then(|cgroup| cgroup.freeze().context("freeze the cgroup")) {
            locked.state.status = locked.check(Action::Unpause)?;
            locked.save(Durability::Lazy)?;
            return Err(error);
        }
        self.note_container(&locked.config, "pause");
        Ok(id)
    }

    /// Lets them run again.
    pub(crate) fn unpause(&self, name: &str) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        let mut locked = self.lock_id(&id)?;
        let next = locked.check(Action::Unpause)?;
        thaw(&locked)?;
        locked.state.status = next;
        locked.save(Durability::Lazy)?;
        self.note_container(&locked.config, "unpause");
        Ok(id)
    }
}

/// Thaws the container's cgroup.
pub(crate) fn thaw(locked: &Locked) -> Result<()> {
    cgroup(locked)?.thaw().context("thaw the cgroup")
}

/// The cgroup of a live container.
pub(crate) fn cgroup(locked: &Locked) -> Result<Cgroup> {
    let value = locked.state.cgroup.clone().ok_or_else(|| {
        Error::unsupported(format!("container {} has no cgroup", locked.id().short()))
            .hint("an ordinary user needs a cgroup that systemd delegated")
    })?;
    serde_json::from_value(value).context("read the cgroup of the container")
}
