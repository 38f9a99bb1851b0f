//! `rm`: the intent is written first, then everything outside is undone, then the directory goes by one rename.

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Locked};
use super::event::{self, Event};
use super::request::RemoveRequest;
use crate::image::store::ImageStore;
use crate::model::error::{ErrorKind, is_kind};
use crate::model::id::Id;
use crate::model::status::{Action, Status};
use crate::state::record::Durability;

impl Engine {
    /// Removes the container that `name` means. One that runs is stopped first with `force`, else refused.
    pub(crate) fn remove(&self, name: &str, request: RemoveRequest) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        self.remove_id(&id, request)?;
        Ok(id)
    }

    pub(crate) fn remove_id(&self, id: &Id, request: RemoveRequest) -> Result<()> {
        if request.force {
            // Before it is stopped for nothing.
            super::require::check_unused(self, id)?;
            match self.stop_id(id, request.timeout) {
                Err(error) if is_gone(&error) => return Ok(()),
                // A damaged record must not keep a container from being removed.
                Err(error) if !is_kind(&error, ErrorKind::State) => return Err(error),
                _ => {}
            }
        }
        let mut locked = match self.lock_id(id) {
            Err(error) if request.force && is_gone(&error) => return Ok(()),
            Err(error) if request.force && container::is_damage(&error) => {
                return container::delete_damaged(&self.paths, id, || super::undo::by_id(self, id));
            }
            locked => locked?,
        };
        if locked.state.status == Status::Initialized {
            super::require::check_unused(self, id)?;
            super::undo::unmake(self, &mut locked)?;
        }
        self.remove_locked(locked, request)
    }

    /// Removes a container whose lock is held.
    pub(crate) fn remove_locked(&self, mut locked: Locked, request: RemoveRequest) -> Result<()> {
        let action =
            if request.force && !locked.state.status.is_alive() { Action::RemoveForce } else { Action::Remove };
        locked.check(action)?;
        super::require::check_unused(self, locked.id())?;
        if !request.volumes && !locked.config.remove && !locked.config.anonymous_volumes.is_empty() {
            locked.config.anonymous_volumes.clear();
            // The volumes stay: the record that is about to go must not take them along.
            locked.save_config()?;
        }
        locked.state.status = Status::Removing;
        locked.save(if locked.config.remove { Durability::Lazy } else { Durability::Synced })?;
        finish(self, locked)
    }

    /// The containers that use namespaces of container `id`, and those that use theirs: the last ones first.
    pub(crate) fn dependents(&self, id: &Id) -> Result<Vec<Id>> {
        let mut all: Vec<container::Container> = Vec::new();
        for other in container::ids(&self.paths)? {
            all.extend(container::Container::read(&self.paths, &other)?);
        }
        let mut found: Vec<Id> = vec![id.clone()];
        let mut at = 0;
        while at < found.len() {
            for read in &all {
                if super::require::used(&read.config).contains(&found[at]) && !found.contains(&read.config.id) {
                    found.push(read.config.id.clone());
                }
            }
            at += 1;
        }
        found.remove(0);
        found.reverse();
        Ok(found)
    }
}

/// Undoes what a container that is being removed still has outside, and deletes it.
pub(crate) fn finish(engine: &Engine, locked: Locked) -> Result<()> {
    finish_after(engine, locked, Vec::new())
}

/// As [`finish`], of a container that has just had these `events`. They are written once it is gone: until then whoever is
/// next begins anew, and would write them again.
pub(crate) fn finish_after(engine: &Engine, mut locked: Locked, mut events: Vec<Event>) -> Result<()> {
    super::undo::tidy(engine, &mut locked)?;
    let volumes = locked.config.anonymous_volumes.clone();
    let id = locked.id().clone();
    let image = locked.config.image.clone().filter(|_| locked.config.remove_image && locked.state.run > 0);
    for volume in &volumes {
        super::volume::remove_anonymous(engine, volume, &id).with_context(|| format!("remove volume {volume}"))?;
    }
    // What was never there for others cannot go.
    if !locked.state.creating {
        events.push(event::of_container(&locked.config, "remove"));
    }
    locked.delete()?;
    if !events.is_empty() {
        engine.note(&events);
    }
    // The name may be another image's by now.
    if let Some(image) = image
        && ImageStore::new(&engine.paths).resolve(&image.name)?.as_ref() == Some(&image.id)
    {
        match engine.remove_image(&image.name, false, false) {
            // Others use it, or another took it away: the container is gone all the same.
            Err(error) if is_conflict(&error) || is_gone(&error) => {}
            removed => drop(removed.context("remove the image of the container")?),
        }
    }
    Ok(())
}

/// Whether an error says that the object is not there.
pub(crate) fn is_gone(error: &anyhow::Error) -> bool {
    is_kind(error, ErrorKind::NotFound)
}

/// Whether an error says that a name or object is in use.
pub(crate) fn is_conflict(error: &anyhow::Error) -> bool {
    is_kind(error, ErrorKind::Conflict)
}
