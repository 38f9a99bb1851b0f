//! Containers that nobody runs, removed together.

use anyhow::Result;

use super::Engine;
use super::container::Container;
use super::list::Listed;
use super::remove::is_gone;
use super::request::RemoveRequest;
use crate::model::error::{ErrorKind, is_kind};
use crate::model::id::Id;
use crate::model::status::Status;

impl Engine {
    /// Removes the containers that do not run and that `pass`. Gives what went, and what went wrong.
    pub(crate) fn prune_containers(&self, pass: impl Fn(&Container) -> bool) -> Result<(Vec<Id>, Vec<anyhow::Error>)> {
        let (mut removed, mut errors) = (Vec::new(), Vec::new());
        for listed in self.list()? {
            let Listed::Container(read) = listed else { continue };
            if !matches!(read.state.status, Status::Created | Status::Initialized | Status::Exited) || !pass(&read) {
                continue;
            }
            match self.remove_id(&read.config.id, RemoveRequest { force: false, timeout: None, volumes: false }) {
                Ok(()) => removed.push(read.config.id),
                // One that went or was started meanwhile is none of those.
                Err(error) if is_gone(&error) || is_kind(&error, ErrorKind::State) => {}
                Err(error) => errors.push(error),
            }
        }
        Ok((removed, errors))
    }
}
