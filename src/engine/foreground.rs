//! The end of a container that a client waits for: the client cleans up itself, so that no Cleanup need be executed.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use super::start::Foreground;
use crate::model::status::Status;
use crate::monitor::exit::{self, End};
use crate::state::record::Durability;
use crate::sys::process;

/// How the container ended, if it has and the kernel tells.
fn end(foreground: &Foreground) -> Option<End> {
    let (pid, init) = foreground.init.as_ref()?;
    let dead = process::wait(init, Some(Duration::ZERO)).unwrap_or(false);
    if dead { exit::of_dead(init.as_fd(), *pid) } else { None }
}

impl Engine {
    /// The exit code of a container whose monitor is gone without a word. A successor waits for the end of one that runs; how
    /// one ended that died with its monitor we alone may know, and then correct the record.
    pub(crate) fn after_loss(&self, foreground: &Foreground) -> Result<i32> {
        let code = self.wait_id(&foreground.id)?;
        let Some(end) = end(foreground).filter(|_| code == -1) else { return Ok(code) };
        match self.lock_id(&foreground.id) {
            Ok(mut locked) => {
                let state = &mut locked.state;
                if state.run == foreground.run && state.status == Status::Exited && state.exit_code.is_none() {
                    state.exit_code = Some(end.code());
                    state.error.clear();
                    locked.save(Durability::Lazy)?;
                }
            }
            Err(error) if super::remove::is_gone(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(end.code())
    }

    /// Called when the monitor said `Exit`, or is gone: makes the end true, and removes a `--rm` container, before the
    /// command ends. Where a restart policy applies, Cleanup does it, and this waits for it.
    pub(crate) fn finish(&self, foreground: Foreground) -> Result<()> {
        let Foreground { id, client, started, restarts, .. } = foreground;
        if !restarts {
            // A monitor that is gone hears nothing; its end is what counts.
            drop(client.cleaning());
        }
        drop(client);
        started.wait().context("wait for the monitor")?;
        if !restarts {
            let locked = match Locked::acquire(&self.paths, &id) {
                Err(error) if super::remove::is_gone(&error) => return Ok(()),
                locked => locked?,
            };
            super::heal::settle(self, locked)?;
        }
        Ok(())
    }
}
