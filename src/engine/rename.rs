//! `rename`: the new name is taken, the record is written, the old name is freed. The state says so meanwhile: whoever
//! finds that frees the name that the record does not have.

use anyhow::Result;

use super::Engine;
use super::container::Locked;
use crate::model::error::Error;
use crate::state::name;
use crate::state::record::Durability;

impl Engine {
    /// Gives the container that `typed` means the name `to`.
    pub(crate) fn rename(&self, typed: &str, to: &str) -> Result<()> {
        let mut locked = self.lock(typed)?;
        if name::check(to).is_err() {
            return Err(Error::invalid("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument").into());
        }
        if locked.config.name == to {
            return Ok(());
        }
        if name::lookup(&self.paths, to)?.is_some() {
            return Err(taken(&locked, to).into());
        }
        let from = std::mem::replace(&mut locked.config.name, to.to_owned());
        locked.state.renaming = Some((from.clone(), to.to_owned()));
        locked.save(Durability::Lazy)?;
        if let Err(error) = name::reserve(&self.paths, to, locked.id()) {
            locked.config.name = from;
            finish(self, &mut locked)?;
            return Err(if super::remove::is_conflict(&error) { taken(&locked, to).into() } else { error });
        }
        locked.save_config()?;
        finish(self, &mut locked)?;
        self.note_container(&locked.config, "rename");
        Ok(())
    }
}

/// Frees whichever of the two names the record does not have.
pub(crate) fn finish(engine: &Engine, locked: &mut Locked) -> Result<()> {
    let Some((from, to)) = locked.state.renaming.take() else { return Ok(()) };
    for name in [from, to].iter().filter(|name| **name != locked.config.name) {
        name::release(&engine.paths, name, locked.id())?;
    }
    locked.save(Durability::Lazy)
}

fn taken(locked: &Locked, to: &str) -> Error {
    let id = locked.id();
    Error::conflict(format!(
        "renaming container {id}: name {to} already in use, cannot rename container {id}: container already exists"
    ))
}
