//! `dhow wait`.

use std::time::Duration;

use anyhow::Result;

use super::names::latest;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::{Outcomes, kind};
use crate::cli::output::stdout;
use crate::engine::Engine;
use crate::engine::wait::Condition;
use crate::model::error::{Error, ErrorKind};
use crate::model::health::HealthStatus;
use crate::model::id::Id;
use crate::model::service::NotifyMode;
use crate::model::status::Status;

/// Wait until one or more containers have ended, and print their exit codes
#[derive(clap::Args)]
pub(crate) struct WaitArgs {
    /// Wait for a state: configured, created, exited, healthy, initialized, paused, removing, running, stopped, stopping, unhealthy
    #[arg(long, value_name = "STATE")]
    condition: Vec<String>,
    /// A container that does not exist is no error: -1 is printed
    #[arg(long)]
    ignore: bool,
    /// For podman's sake: milliseconds, or a number with a unit; the kernel tells when there is something to see
    #[arg(short = 'i', long = "interval", value_name = "TIME", default_value = "250ms", value_parser = interval)]
    _interval: Duration,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

fn interval(text: &str) -> Result<Duration, crate::model::time::TimeError> {
    match text.parse() {
        Ok(millis) => Ok(Duration::from_millis(millis)),
        Err(_) => crate::cli::flags::value::duration(text),
    }
}

impl Run<Context> for WaitArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let message = match (self.containers.is_empty(), self.latest) {
            (true, false) => "\"dhow wait\" requires a name, id, or the \"--latest\" flag",
            (false, true) => "--latest and containers cannot be used together",
            _ => "",
        };
        if !message.is_empty() {
            return Err(Error::invalid(message).into());
        }
        let conditions = self.condition.iter().map(|text| condition(text)).collect::<Result<Vec<_>, _>>()?;
        let engine = context.engine()?;
        let names = if self.latest { vec![latest(engine)?.config.id.to_string()] } else { self.containers };
        let mut outcomes = Outcomes::default();
        for name in &names {
            match wait(engine, name, &conditions) {
                Ok(code) => stdout::print(&format!("{code}\n"))?,
                Err(error) if self.ignore && kind(&error) == Some(ErrorKind::NotFound) => stdout::print("-1\n")?,
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}

/// A state to wait for.
fn condition(text: &str) -> Result<Condition, Error> {
    let known = Status::ALL.into_iter().find(|status| status.as_str() == text);
    let condition = match text {
        "stopped" => Some(Condition::Status(Status::Exited)),
        "configured" => Some(Condition::Status(Status::Created)),
        "healthy" => Some(Condition::Health(HealthStatus::Healthy)),
        "unhealthy" => Some(Condition::Health(HealthStatus::Unhealthy)),
        _ => known.map(Condition::Status),
    };
    condition.ok_or_else(|| Error::invalid(format!("unknown container state: {text}: invalid argument")))
}

/// Waits, after a start, until the container is as far as its `--sdnotify` says that it must be: healthy, if that.
pub(super) fn until_ready(engine: &Engine, id: &Id, notify: NotifyMode) -> Result<()> {
    if notify == NotifyMode::Healthy {
        engine.wait_for(id.as_str(), &[Condition::Health(HealthStatus::Healthy)])?;
    }
    Ok(())
}

/// Waits for one of the states, or for the end.
fn wait(engine: &Engine, name: &str, conditions: &[Condition]) -> Result<i32> {
    if conditions.is_empty() || conditions == [Condition::Status(Status::Exited)] {
        return engine.wait(name);
    }
    engine.wait_for(name, conditions)
}
