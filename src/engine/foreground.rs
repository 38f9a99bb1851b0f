//! The end of a container that a client waits for: the client cleans up itself, so that no Cleanup need be executed.

use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use super::start::Foreground;
use crate::model::container::RestartKind;
use crate::monitor::exit::{self, End};
use crate::state::record::Durability;
use crate::sys::process;

/// How the container ended, if it has and the kernel tells.
fn end(foreground: &Foreground) -> Option<End> {
    let (pid, init) = foreground.init.as_ref()?;
    let dead = process::wait(init, Some(Duration::ZERO)).unwrap_or(false);
    if dead { exit::of_dead(init.as_fd(), *pid) } else { None }
}

/// How long a monitor that closed its sockets may take to be dead.
const DYING: Duration = Duration::from_secs(1);

impl Engine {
    /// The exit code of a container whose monitor is gone without a word. A successor waits for the end of one that runs; of
    /// one that is dead we alone may know how it ended, and write that down for who cleans up.
    pub(crate) fn after_loss(&self, foreground: &Foreground) -> Result<i32> {
        let Foreground { id, run, .. } = foreground;
        // It may live, and only have had enough of a client that did not keep up.
        if process::wait(foreground.started.pidfd(), Some(DYING)).context("wait for the monitor")? {
            match Locked::acquire(&self.paths, id) {
                Err(error) if super::remove::is_gone(&error) => {}
                locked => self.testify(&locked?, *run, foreground)?,
            }
        }
        match self.wait_id(id)? {
            -1 => Ok(end(foreground).map_or(-1, End::code)),
            code => Ok(code),
        }
    }

    /// Records the end of run `run`, which no monitor saw.
    fn testify(&self, locked: &Locked, run: u64, foreground: &Foreground) -> Result<()> {
        let read = locked.snapshot();
        if read.state.run != run || !read.is_orphaned(&self.paths)? || read.exit(&self.paths)?.is_some() {
            return Ok(());
        }
        let Some(end) = end(foreground) else { return Ok(()) };
        let oom = locked.cgroup()?.oom_kills().is_ok_and(|kills| kills > 0);
        exit::write(&locked.dir(), &exit::record(run, end, oom), Durability::Lazy)
    }

    /// Called when the monitor said `Exit`, or is gone: makes the end true, and removes a `--rm` container, before the
    /// command ends. Where a restart policy applies, Cleanup does it, and this waits for it.
    pub(crate) fn finish(&self, foreground: Foreground) -> Result<()> {
        let Foreground { id, client, started, restart, .. } = foreground;
        if restart == RestartKind::No {
            // A monitor that is gone hears nothing; its end is what counts.
            drop(client.cleaning());
        }
        drop(client);
        started.wait().context("wait for the monitor")?;
        if restart == RestartKind::No {
            let locked = match Locked::acquire(&self.paths, &id) {
                Err(error) if super::remove::is_gone(&error) => return Ok(()),
                locked => locked?,
            };
            super::heal::settle(self, locked)?;
        }
        Ok(())
    }
}
