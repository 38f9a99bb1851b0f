//! `kill`: one signal to init.

use anyhow::Result;

use super::Engine;
use super::container;
use super::stop::{END_PATIENCE, Held};
use crate::model::id::Id;
use crate::model::status::{Action, Status};
use crate::state::record::Durability;

impl Engine {
    /// Sends signal number `signal` to the init of the container that `name` means.
    pub(crate) fn kill(&self, name: &str, signal: i32) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        let mut locked = self.lock_id(&id)?;
        locked.check(Action::Kill)?;
        if signal == libc::SIGKILL || signal == locked.config.stop_signal {
            // podman: a policy does not undo what a user killed.
            locked.state.stopped_by_user = true;
            locked.save(Durability::Lazy)?;
        }
        let held = Held::open(&locked)?;
        held.signal(signal)?;
        self.note_container(&locked.config, "kill");
        if locked.state.status == Status::Paused && signal == libc::SIGKILL {
            super::pause::thaw(&locked)?;
        }
        if signal == libc::SIGKILL {
            // Nobody survives it: who starts the container next, starts it.
            drop(locked);
            held.wait_end(END_PATIENCE)?;
        }
        Ok(id)
    }
}
