//! The flags of health checks, in podman's words.

use std::time::Duration;

use crate::cli::flags::create::CreateFlags;
use crate::engine::request::{HealthRequest, HealthUpdate};
use crate::model::error::Error;
use crate::model::health::{self, Check, INTERVAL, OnFailure, TIMEOUT};
use crate::model::time;

/// The destination of the log of checks that is no place.
const EVENTS: &str = "events_logger";

/// Reads the flags.
pub(super) fn request(flags: &CreateFlags, cwd: &str) -> Result<HealthRequest, Error> {
    let command = flags.health_cmd.as_deref().filter(|text| !text.is_empty());
    let startup = flags.health_startup_cmd.as_deref().filter(|text| !text.is_empty());
    for (flag, given) in [("health-cmd", command), ("health-startup-cmd", startup)] {
        if flags.no_healthcheck && given.is_some() {
            return Err(Error::invalid(format!("cannot specify both --no-healthcheck and --{flag}")));
        }
    }
    let on_failure = OnFailure::parse(flags.health_on_failure.as_deref().unwrap_or_default())?;
    if flags.health_retries == Some(0) {
        return Err(Error::invalid("healthcheck-retries must be greater than 0"));
    }
    Ok(HealthRequest {
        none: flags.no_healthcheck,
        command: command.map(health::parse_command).transpose()?,
        interval: flags.health_interval.as_deref().map(interval).transpose()?,
        timeout: flags.health_timeout.as_deref().map(timeout).transpose()?,
        retries: flags.health_retries,
        start_period: flags.health_start_period.as_deref().map(start_period).transpose()?,
        startup: match startup {
            None => None,
            Some(text) => Some(Check {
                test: health::parse_command(text)?,
                interval: flags.health_startup_interval.as_deref().map_or(Ok(INTERVAL), interval)?,
                timeout: flags.health_startup_timeout.as_deref().map_or(Ok(TIMEOUT), timeout)?,
                retries: flags.health_startup_retries.unwrap_or(0),
                start_period: Duration::ZERO,
                successes: flags.health_startup_success.unwrap_or(0),
            }),
        }
        .filter(|check| check.command().is_some()),
        on_failure,
        log_count: flags.health_max_log_count,
        log_size: flags.health_max_log_size,
        log_directory: match flags.health_log_destination.as_deref() {
            None | Some(EVENTS) => None,
            Some(place) => destination(place, cwd)?,
        },
        log_events: flags.health_log_destination.as_deref() == Some(EVENTS),
    })
}

/// Reads the flags of `update`; `None` where there are none of these.
pub(super) fn update(flags: &CreateFlags, cwd: &str) -> Result<Option<HealthUpdate>, Error> {
    let texts = [
        &flags.health_cmd,
        &flags.health_interval,
        &flags.health_log_destination,
        &flags.health_on_failure,
        &flags.health_start_period,
        &flags.health_startup_cmd,
        &flags.health_startup_interval,
        &flags.health_startup_timeout,
        &flags.health_timeout,
    ];
    let numbers = [
        flags.health_max_log_count,
        flags.health_max_log_size,
        flags.health_retries,
        flags.health_startup_retries,
        flags.health_startup_success,
    ];
    if !flags.no_healthcheck && texts.iter().all(|text| text.is_none()) && numbers.iter().all(Option::is_none) {
        return Ok(None);
    }
    Ok(Some(HealthUpdate {
        request: request(flags, cwd)?,
        on_failure: flags.health_on_failure.is_some(),
        destination: flags.health_log_destination.is_some(),
        startup_interval: flags.health_startup_interval.as_deref().map(interval).transpose()?,
        startup_timeout: flags.health_startup_timeout.as_deref().map(timeout).transpose()?,
        startup_retries: flags.health_startup_retries,
        startup_successes: flags.health_startup_success,
    }))
}

fn interval(text: &str) -> Result<Duration, Error> {
    if text == "disable" {
        return Ok(Duration::ZERO);
    }
    duration("interval", text)?.ok_or_else(|| Error::invalid("healthcheck-interval must be 0 seconds or greater"))
}

fn timeout(text: &str) -> Result<Duration, Error> {
    let timeout = duration("timeout", text)?.filter(|timeout| !timeout.is_zero());
    timeout.ok_or_else(|| Error::invalid("healthcheck-timeout must be at least 1 second"))
}

fn start_period(text: &str) -> Result<Duration, Error> {
    duration("start-period", text)?
        .ok_or_else(|| Error::invalid("healthcheck-start-period must be 0 seconds or greater"))
}

/// Reads a duration; `None` where it is negative.
fn duration(what: &str, text: &str) -> Result<Option<Duration>, Error> {
    let nanos =
        time::parse_duration(text).map_err(|error| Error::invalid(format!("invalid healthcheck-{what}: {error}")))?;
    Ok(u64::try_from(nanos).ok().map(Duration::from_nanos))
}

/// The directory that gets a copy of the log; `None`: the container's own alone.
fn destination(text: &str, cwd: &str) -> Result<Option<String>, Error> {
    match text {
        "" | "local" => Ok(None),
        path => {
            let path = super::startup::path(std::path::Path::new(path), cwd);
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => Ok(Some(path)),
                Ok(_) => Err(Error::invalid(format!("HealthCheck Log {path:?} destination must be directory"))),
                Err(error) => Err(Error::invalid(format!("HealthCheck Log {path:?} destination error: {error}"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_refused_in_podmans_words() {
        let with = |change: &dyn Fn(&mut CreateFlags)| {
            let mut flags = CreateFlags { health_cmd: Some("x".to_owned()), ..CreateFlags::default() };
            change(&mut flags);
            request(&flags, "/").map_err(|error| error.message)
        };
        let text = |text: &str| Some(text.to_owned());
        let refused = |change: &dyn Fn(&mut CreateFlags)| with(change).unwrap_err();
        assert_eq!(refused(&|f| f.no_healthcheck = true), "cannot specify both --no-healthcheck and --health-cmd");
        assert_eq!(refused(&|f| f.health_retries = Some(0)), "healthcheck-retries must be greater than 0");
        assert_eq!(
            refused(&|f| f.health_interval = text("x")),
            "invalid healthcheck-interval: time: invalid duration \"x\""
        );
        assert_eq!(refused(&|f| f.health_timeout = text("0")), "healthcheck-timeout must be at least 1 second");
        assert_eq!(
            refused(&|f| f.health_start_period = text("-1s")),
            "healthcheck-start-period must be 0 seconds or greater"
        );
        let asked = with(&|f| f.health_interval = text("disable")).unwrap();
        assert_eq!(asked.interval, Some(Duration::ZERO));
    }
}
