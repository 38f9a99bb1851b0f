//! The role `cleanup`: what a monitor becomes when its container has ended. Takes away what the run had outside, then
//! removes the container (`--rm`) or follows its restart policy, with a back-off that any command may end.

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::container::Locked;
use super::start::Streams;
use super::{Engine, merged};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::status::Status;
use crate::state::record::Durability;
use crate::sys::watch::Watch;

impl Engine {
    /// Finishes run `run` of container `id`. Another run, or none, is nobody's business here.
    pub(crate) fn clean_up(&self, id: &Id, run: u64) -> Result<()> {
        let locked = match Locked::acquire(&self.paths, id) {
            Err(error) if super::remove::is_gone(&error) => return Ok(()),
            locked => locked?,
        };
        if locked.state.run != run {
            return Ok(());
        }
        let Some(locked) = super::heal::settle(self, locked)? else { return Ok(()) };
        self.follow_policy(locked, run)
    }

    /// `container cleanup`: finishes what a dead owner left, and unmounts. One that lives is refused.
    pub(crate) fn clean_container(&self, name: &str) -> Result<Id> {
        let locked = self.lock(name)?;
        if locked.state.status.is_alive() {
            let id = locked.id();
            let message =
                format!("container {id} is running or paused, refusing to clean up: container state improper");
            return Err(Error::state(message).into());
        }
        merged::detach(&locked.dir())?;
        Ok(locked.id().clone())
    }

    /// Starts the container again as its policy says, after the back-off.
    fn follow_policy(&self, mut locked: Locked, run: u64) -> Result<()> {
        let Some(delay) = super::policy::restart_delay(locked.config.restart, &locked.state) else { return Ok(()) };
        let id = locked.id().clone();
        let at = Timestamp::now().checked_add(delay).context("reckon the restart")?;
        locked.state.restart_at = Some(at);
        locked.save(Durability::Lazy)?;
        // A stop, start or removal changes the directory: whoever did it has decided.
        let decision = Watch::new(&locked.dir(), "state.json").context("watch the container")?;
        drop(locked);
        decision.changed(&[], Some(delay)).context("wait for the restart")?;
        let mut locked = match Locked::acquire(&self.paths, &id) {
            Err(error) if super::remove::is_gone(&error) => return Ok(()),
            locked => locked?,
        };
        let state = &mut locked.state;
        if state.status != Status::Exited || state.run != run || state.restart_at != Some(at) {
            return Ok(());
        }
        state.restart_at = None;
        self.start_locked(&mut locked, Streams { again: true, ..Streams::default() }).map(drop)
    }
}
