//! Health checks as users ask for them. The monitor makes the checks and owns `health.json`; here is what is asked of it,
//! and what others read.

use anyhow::Result;

use super::Engine;
use super::container::{self, Container};
use super::request::HealthRequest;
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
        Some(test) => Some(Check {
            test: test.clone(),
            interval: INTERVAL,
            timeout: TIMEOUT,
            retries: RETRIES,
            start_period: std::time::Duration::ZERO,
            successes: 0,
        }),
        None => of_image,
    };
    let Some(base) = base.filter(|check| check.command().is_some()) else {
        if request.startup.is_some() {
            return Err(Error::invalid("cannot set a startup healthcheck when there is no regular healthcheck").into());
        }
        return Ok(None);
    };
    let check = Check {
        interval: request.interval.unwrap_or(base.interval),
        timeout: request.timeout.unwrap_or(base.timeout),
        retries: request.retries.unwrap_or(base.retries),
        start_period: request.start_period.unwrap_or(base.start_period),
        ..base
    };
    Ok(Some(Box::new(HealthConfig {
        startup: request.startup.clone(),
        on_failure: request.on_failure,
        log_count: request.log_count.unwrap_or(LOG_COUNT),
        log_size: request.log_size.unwrap_or(LOG_SIZE),
        log_directory: request.log_directory.clone(),
        ..HealthConfig::new(check)
    })))
}

/// The status that listings show: of a container that runs.
pub(crate) fn shown(read: &Container) -> Option<HealthStatus> {
    read.health.as_ref().filter(|_| read.state.status.is_alive()).map(|health| health.status)
}

impl Engine {
    /// Has the monitor of the container that `name` means make a check now. Whether it succeeded.
    pub(crate) fn check_health(&self, name: &str) -> Result<bool> {
        let id = container::find(&self.paths, name)?;
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
