//! The end of a container that a client waits for: the client cleans up itself, so that no Cleanup need be executed.

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use super::start::Foreground;
use crate::model::container::RestartKind;

impl Engine {
    /// Called when the monitor said `Exit`, or is gone: makes the end true, and removes a `--rm` container, before the
    /// command ends. Where a restart policy applies, Cleanup does it, and this waits for it.
    pub(crate) fn finish(&self, foreground: Foreground) -> Result<()> {
        let Foreground { id, client, started, restart } = foreground;
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
