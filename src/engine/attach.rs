//! `attach`: one more client of a running container's monitor.

use anyhow::Result;

use super::Engine;
use super::container;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::status::Action;
pub(crate) use crate::monitor::client::AttachClient;
pub(crate) use crate::monitor::client::{Ended, Hooks, Streams};

/// A client of a container that runs.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) id: Id,
    pub(crate) client: AttachClient,
    pub(crate) tty: bool,
}

impl Engine {
    /// Connects to the monitor of the container that `name` means.
    pub(crate) fn attach(&self, name: &str) -> Result<Attached> {
        let id = container::find(&self.paths, name)?;
        let read = self.read_healed(&id)?.ok_or_else(|| container::no_such(name))?;
        read.state.status.after(Action::Attach, &read.config.id)?;
        if read.config.log.driver.is_passthrough() {
            let message = "this container is using the 'passthrough' log driver, cannot attach: this container is not \
                           logging output";
            return Err(Error::state(message).into());
        }
        let client = AttachClient::connect(&self.paths.container_run(&id).join("attach"))?;
        self.note_container(&read.config, "attach");
        Ok(Attached { id, client, tty: read.config.tty })
    }
}
