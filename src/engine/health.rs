//! Health checks as users ask for them. The monitor makes the checks and owns `health.json`; here is what is asked of it,
//! and what others read.

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container};
use super::request::{HealthRequest, HealthUpdate};
use crate::image::store::Image;
use crate::model::error::Error;
use crate::model::health::{Check, HealthConfig, HealthStatus, INTERVAL, LOG_COUNT, LOG_SIZE, RETRIES, TIMEOUT};
use crate::model::status::Status;
use crate::monitor::client::AttachClient;

/// What the image says with what the user says about it. `None`: there is no check.
pub(crate) fn resolve(request: &HealthRequest, image: Option<&Image>) -> Result<Option<Box<HealthConfig>>> {
    let of_image = image.and_then(|image| image.full.healthcheck.as_ref()).and_then(Check::of_image);
    let base = match &request.command {
        _ if request.none => None,
        Some(test) => Some(of_command(test)),
        None => of_image,
    };
    let Some(base) = base.filter(|check| check.command().is_some()) else {
        if request.startup.is_some() {
            return Err(Error::invalid("cannot set a startup healthcheck when there is no regular healthcheck").into());
        }
        return Ok(None);
    };
    let check = timed(base, request);
    Ok(Some(Box::new(HealthConfig {
        startup: request.startup.clone(),
        on_failure: request.on_failure,
        log_count: request.log_count.unwrap_or(LOG_COUNT),
        log_size: request.log_size.unwrap_or(LOG_SIZE),
        log_directory: request.log_directory.clone(),
        log_events: request.log_events,
        ..HealthConfig::new(check)
    })))
}

/// A check by `test` with the times that nobody has asked for.
fn of_command(test: &[String]) -> Check {
    Check {
        test: test.to_vec(),
        interval: INTERVAL,
        timeout: TIMEOUT,
        retries: RETRIES,
        start_period: std::time::Duration::ZERO,
        successes: 0,
    }
}

/// The check with the times that were asked for.
fn timed(base: Check, request: &HealthRequest) -> Check {
    Check {
        interval: request.interval.unwrap_or(base.interval),
        timeout: request.timeout.unwrap_or(base.timeout),
        retries: request.retries.unwrap_or(base.retries),
        start_period: request.start_period.unwrap_or(base.start_period),
        ..base
    }
}

/// What there is with what the user changes about it. `None`: there is no check any more.
pub(crate) fn updated(old: Option<&HealthConfig>, update: &HealthUpdate) -> Result<Option<Box<HealthConfig>>, Error> {
    let request = &update.request;
    if request.none {
        return Ok(None);
    }
    let base = match (&request.command, old) {
        (None, None) => {
            return Err(Error::invalid("cannot change a healthcheck when there is none: give --health-cmd"));
        }
        (None, Some(old)) => old.check.clone(),
        (Some(test), Some(old)) => Check { test: test.clone(), ..old.check.clone() },
        (Some(test), None) => of_command(test),
    };
    if base.command().is_none() {
        return Ok(None);
    }
    let mut new = old.cloned().unwrap_or_else(|| HealthConfig::new(base.clone()));
    new.check = timed(base, request);
    if request.startup.is_some() {
        new.startup.clone_from(&request.startup);
    }
    let times = (update.startup_interval, update.startup_timeout, update.startup_retries, update.startup_successes);
    match &mut new.startup {
        Some(startup) => {
            startup.interval = times.0.unwrap_or(startup.interval);
            startup.timeout = times.1.unwrap_or(startup.timeout);
            startup.retries = times.2.unwrap_or(startup.retries);
            startup.successes = times.3.unwrap_or(startup.successes);
        }
        None if times != (None, None, None, None) => {
            return Err(Error::invalid(
                "cannot change a startup healthcheck when there is none: give --health-startup-cmd",
            ));
        }
        None => {}
    }
    if update.on_failure {
        new.on_failure = request.on_failure;
    }
    if update.destination {
        new.log_directory.clone_from(&request.log_directory);
        new.log_events = request.log_events;
    }
    new.log_count = request.log_count.unwrap_or(new.log_count);
    new.log_size = request.log_size.unwrap_or(new.log_size);
    Ok(Some(Box::new(new)))
}

/// The status that listings show: of a container that runs.
pub(crate) fn shown(read: &Container) -> Option<HealthStatus> {
    read.health.as_ref().filter(|_| read.state.status.is_alive()).map(|health| health.status)
}

impl Engine {
    /// Has the monitor of the container that `name` means make a check now. Whether it succeeded.
    pub(crate) fn check_health(&self, name: &str) -> Result<bool> {
        let id = container::find(&self.paths, name)
            .with_context(|| format!("unable to look up {name} to perform a health check"))?;
        let read = self.read_healed(&id)?.ok_or_else(|| container::no_such(name))?;
        if read.config.health.is_none() {
            return Err(Error::invalid(format!("container {id} has no defined healthcheck")).into());
        }
        let not_running = || Error::state(format!("container {id} is not running"));
        if read.state.status != Status::Running {
            return Err(not_running().into());
        }
        let client = AttachClient::connect(&self.paths.container_run(&id).join("attach"))?;
        client.check()?.ok_or_else(|| not_running().into())
    }
}
