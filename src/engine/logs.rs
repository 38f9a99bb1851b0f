//! `logs`: the reader of the monitor's files, told when the container is at its end.

use anyhow::Result;

use super::Engine;
use super::container;
use super::request::LogRequest;
use crate::model::error::Error;
use crate::model::status::Status;
pub(crate) use crate::monitor::log::Stream;
pub(crate) use crate::monitor::log::read::{Piece, Sink};
use crate::monitor::log::{self, read};

impl Engine {
    /// Gives the log of the container that `name` means to `sink`; with `follow` until the container has ended.
    pub(crate) fn logs(&self, name: &str, request: &LogRequest, sink: &mut dyn read::Sink) -> Result<()> {
        let id = container::find(&self.paths, name)?;
        let read = self.read_healed(&id)?.ok_or_else(|| container::no_such(name))?;
        let config = &read.config.log;
        if !config.driver.keeps() {
            let message = format!(
                "this container is using the '{}' log driver, cannot read logs: this container is not logging output",
                config.driver.name()
            );
            return Err(Error::unsupported(message).into());
        }
        let nanos = |time: jiff::Timestamp| i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        let query =
            read::Query { tail: request.tail, since: request.since.map(nanos), until: request.until.map(nanos) };
        let dir = self.paths.container(&id);
        let watch = [dir.clone()];
        let mut ended =
            || !matches!(container::Container::read(&self.paths, &id), Ok(Some(read)) if self.is_logging(&read));
        let follow = request.follow.then_some(read::Follow { watch: &watch, ended: &mut ended });
        read::read(config.driver, &log::path(config, &dir), &query, follow, sink)
    }

    /// Whether more output may come.
    fn is_logging(&self, read: &container::Container) -> bool {
        match read.state.status {
            Status::Running | Status::Paused | Status::Stopping => {
                read.is_orphaned(&self.paths).is_ok_and(|orphaned| !orphaned)
                    && read.exit(&self.paths).is_ok_and(|exit| exit.is_none())
            }
            Status::Created | Status::Initialized => true,
            Status::Exited => read.state.restart_at.is_some(),
            Status::Removing => false,
        }
    }
}
