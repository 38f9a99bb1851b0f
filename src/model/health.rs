//! Health checks: what is asked for ([`HealthConfig`]), what is known of a run ([`Health`]), and how one follows from the
//! other.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;

/// Docker's defaults.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const RETRIES: u32 = 3;
/// podman's defaults.
pub(crate) const LOG_COUNT: u32 = 5;
pub(crate) const LOG_SIZE: u32 = 500;
/// The most bytes of one check's output that are kept where no limit was asked for.
const LOG_SIZE_MAX: u32 = 1 << 20;
/// The most checks that are kept where no limit was asked for.
const LOG_COUNT_MAX: u32 = 10_000;

/// What happens to a container that turned unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnFailure {
    #[default]
    None,
    Kill,
    Restart,
    Stop,
}

impl OnFailure {
    /// Reads `--health-on-failure`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "" | "none" => Self::None,
            "kill" => Self::Kill,
            "restart" => Self::Restart,
            "stop" => Self::Stop,
            _ => {
                let message = format!(
                    "invalid on-failure action {text:?} for health check: supported actions are none,kill,restart,stop"
                );
                return Err(Error::invalid(message));
            }
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// A check and its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// As images say it: `CMD` and the words, or `CMD-SHELL` and one text.
    pub(crate) test: Vec<String>,
    /// Between the end of one and the beginning of the next; zero: only when a user asks.
    pub(crate) interval: Duration,
    /// A check that takes longer has failed.
    pub(crate) timeout: Duration,
    /// Failures in a row that make it unhealthy; of a startup check: that restart the container, where 0 is never.
    pub(crate) retries: u32,
    /// Failures in this time from the start on do not count.
    pub(crate) start_period: Duration,
    /// Of a startup check: successes in a row after which the container is up.
    #[serde(default)]
    pub(crate) successes: u32,
}

impl Check {
    /// Reads what an image says. `None` where it says that there is none, or nothing that could be run.
    pub(crate) fn of_image(document: &Value) -> Option<Self> {
        let test = document.get("Test")?.as_array()?;
        let test: Vec<String> = test.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let time = |key: &str| document.get(key).and_then(Value::as_u64).filter(|&ns| ns > 0).map(Duration::from_nanos);
        let retries = document.get("Retries").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let check = Self {
            test,
            interval: time("Interval").unwrap_or(INTERVAL),
            timeout: time("Timeout").unwrap_or(TIMEOUT),
            retries: retries.filter(|&retries| retries > 0).unwrap_or(RETRIES),
            start_period: time("StartPeriod").unwrap_or_default(),
            successes: 0,
        };
        check.command().is_some().then_some(check)
    }

    /// The words to execute; `None`: nothing.
    pub(crate) fn command(&self) -> Option<Vec<String>> {
        let (kind, words) = self.test.split_first()?;
        match kind.as_str() {
            "CMD" if !words.is_empty() => Some(words.to_vec()),
            "CMD-SHELL" if !words.is_empty() => Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), words.join(" ")]),
            _ => None,
        }
    }
}

/// Reads `--health-cmd`: a JSON array of words, or what a shell is to do; `none` and `CMD …` as in a Containerfile.
pub(crate) fn parse_command(text: &str) -> Result<Vec<String>, Error> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    if let Ok(words) = serde_json::from_str::<Vec<String>>(text) {
        return match words.first().map(String::as_str) {
            None => Err(Error::invalid("must define a healthcheck command for all healthchecks")),
            Some("CMD" | "CMD-SHELL" | "NONE") => Ok(words),
            Some(_) if words.len() > 1 => Ok(std::iter::once("CMD".to_owned()).chain(words).collect()),
            Some(word) => Ok(owned(&["CMD-SHELL", word])),
        };
    }
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match first.to_ascii_uppercase().as_str() {
        "NONE" => owned(&["NONE"]),
        "CMD" => std::iter::once("CMD").chain(rest.split_whitespace()).map(str::to_owned).collect(),
        "CMD-SHELL" => owned(&["CMD-SHELL", rest]),
        _ => owned(&["CMD-SHELL", text]),
    })
}

/// Everything that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthConfig {
    pub(crate) check: Check,
    /// Runs in place of `check` until it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) startup: Option<Check>,
    #[serde(default)]
    pub(crate) on_failure: OnFailure,
    /// Checks that are remembered; 0 is without limit.
    pub(crate) log_count: u32,
    /// Bytes of a check's output that are remembered; 0 is without limit.
    pub(crate) log_size: u32,
    /// A directory that gets a copy of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_directory: Option<String>,
    /// Each check is an event, with its log.
    #[serde(default)]
    pub(crate) log_events: bool,
}

impl HealthConfig {
    pub(crate) fn new(check: Check) -> Self {
        let (log_count, log_size) = (LOG_COUNT, LOG_SIZE);
        Self {
            check,
            startup: None,
            on_failure: OnFailure::None,
            log_count,
            log_size,
            log_directory: None,
            log_events: false,
        }
    }

    /// The check that is due, by what is known.
    pub(crate) fn due(&self, health: &Health) -> &Check {
        self.startup.as_ref().filter(|_| !health.started).unwrap_or(&self.check)
    }

    /// Bytes of output to keep.
    pub(crate) fn output_limit(&self) -> usize {
        let limit = if self.log_size == 0 { LOG_SIZE_MAX } else { self.log_size.min(LOG_SIZE_MAX) };
        limit as usize
    }

    fn entries(&self) -> usize {
        let limit = if self.log_count == 0 { LOG_COUNT_MAX } else { self.log_count.min(LOG_COUNT_MAX) };
        limit as usize
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One check that was made, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// -1 where it took too long.
    pub(crate) exit_code: i32,
    pub(crate) output: String,
}

/// What the monitor of a run knows of its health. `health.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) version: u32,
    /// The run that it speaks of.
    pub(crate) run: u64,
    pub(crate) status: HealthStatus,
    pub(crate) failing_streak: u32,
    /// The startup check has succeeded, or there is none.
    pub(crate) started: bool,
    /// In a row, of the startup check.
    #[serde(default)]
    pub(crate) startup_successes: u32,
    #[serde(default)]
    pub(crate) startup_failures: u32,
    /// The oldest first.
    #[serde(default)]
    pub(crate) log: Vec<Entry>,
}

/// What follows from a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    /// The status is another one now.
    Changed,
    /// It failed, and the container is unhealthy: `on_failure` applies.
    Unhealthy {
        changed: bool,
    },
    /// The startup check failed for the last time: the container is to start again.
    StartupFailed,
}

impl Health {
    /// Of a run that begins.
    pub(crate) fn new(version: u32, run: u64, config: &HealthConfig) -> Self {
        Self { version, run, started: config.startup.is_none(), ..Self::default() }
    }

    /// Counts a check; one in the start period cannot count against the container.
    pub(crate) fn count(&mut self, config: &HealthConfig, success: bool, in_start_period: bool) -> Verdict {
        if let Some(startup) = config.startup.as_ref().filter(|_| !self.started) {
            if success {
                self.startup_failures = 0;
                self.startup_successes += 1;
                self.started = self.startup_successes >= startup.successes.max(1);
            } else {
                self.startup_successes = 0;
                self.startup_failures += 1;
                if startup.retries > 0 && self.startup_failures >= startup.retries {
                    return Verdict::StartupFailed;
                }
            }
            return Verdict::Nothing;
        }
        let before = self.status;
        if success {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
            return if before == self.status { Verdict::Nothing } else { Verdict::Changed };
        }
        // A container that was healthy once is up: its start is over.
        if in_start_period && before == HealthStatus::Starting {
            return Verdict::Nothing;
        }
        self.failing_streak = self.failing_streak.saturating_add(1);
        if self.failing_streak >= config.check.retries {
            self.status = HealthStatus::Unhealthy;
        }
        match self.status {
            HealthStatus::Unhealthy => Verdict::Unhealthy { changed: before != HealthStatus::Unhealthy },
            _ => Verdict::Nothing,
        }
    }

    /// Remembers a check, and forgets the oldest ones.
    pub(crate) fn remember(&mut self, config: &HealthConfig, entry: Entry) {
        self.log.push(entry);
        let surplus = self.log.len().saturating_sub(config.entries());
        self.log.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(retries: u32) -> Check {
        let test = vec!["CMD".to_owned(), "true".to_owned()];
        Check { test, interval: INTERVAL, timeout: TIMEOUT, retries, start_period: Duration::ZERO, successes: 0 }
    }

    #[test]
    fn commands_are_read_as_podman_reads_them() {
        for (text, words) in [
            ("curl -f x || exit 1", &["CMD-SHELL", "curl -f x || exit 1"][..]),
            ("true", &["CMD-SHELL", "true"]),
            ("[\"curl\", \"-f\"]", &["CMD", "curl", "-f"]),
            ("[\"CMD\", \"a b\"]", &["CMD", "a b"]),
            ("[\"a b\"]", &["CMD-SHELL", "a b"]),
            ("CMD a  b", &["CMD", "a", "b"]),
            ("cmd-shell a  b", &["CMD-SHELL", "a  b"]),
            ("none", &["NONE"]),
        ] {
            assert_eq!(parse_command(text).unwrap(), words, "{text}");
        }
        assert!(parse_command("[]").is_err());
        let shell = Check { test: parse_command("a b").unwrap(), ..check(1) };
        assert_eq!(shell.command().unwrap(), ["/bin/sh", "-c", "a b"]);
        assert_eq!(Check { test: vec!["NONE".to_owned()], ..check(1) }.command(), None);
    }

    #[test]
    fn images_say_some_of_it() {
        let of = |text: &str| Check::of_image(&serde_json::from_str(text).unwrap());
        let read = of(r#"{"Test":["CMD-SHELL","x"],"Interval":5000000000,"Retries":0,"Timeout":-1}"#).unwrap();
        assert_eq!((read.interval, read.timeout, read.retries), (Duration::from_secs(5), TIMEOUT, RETRIES));
        for none in [r#"{"Test":["NONE"]}"#, r#"{"Test":[]}"#, r#"{"Test":["CMD"]}"#, "{}", r#"{"Test":7}"#] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn failures_count_after_the_start() {
        let config = HealthConfig::new(check(2));
        let mut health = Health::new(1, 1, &config);
        let unhealthy = |changed| Verdict::Unhealthy { changed };
        for (success, in_start_period, verdict, status, streak) in [
            (false, true, Verdict::Nothing, "starting", 0),
            (false, false, Verdict::Nothing, "starting", 1),
            (true, true, Verdict::Changed, "healthy", 0),
            (true, true, Verdict::Nothing, "healthy", 0),
            (false, true, Verdict::Nothing, "healthy", 1),
            (false, false, unhealthy(true), "unhealthy", 2),
            (false, false, unhealthy(false), "unhealthy", 3),
            (true, false, Verdict::Changed, "healthy", 0),
        ] {
            assert_eq!(health.count(&config, success, in_start_period), verdict);
            assert_eq!((health.status.as_str(), health.failing_streak), (status, streak));
        }
    }

    #[test]
    fn the_startup_check_comes_first() {
        let startup = Check { successes: 2, ..check(2) };
        let config = HealthConfig { startup: Some(startup.clone()), ..HealthConfig::new(check(1)) };
        let mut health = Health::new(1, 1, &config);
        assert_eq!(config.due(&health), &startup);
        for (success, verdict, started) in [
            (true, Verdict::Nothing, false),
            (false, Verdict::Nothing, false),
            (true, Verdict::Nothing, false),
            (true, Verdict::Nothing, true),
            (true, Verdict::Changed, true),
        ] {
            assert_eq!((health.count(&config, success, false), health.started), (verdict, started));
        }
        let mut health = Health::new(1, 1, &config);
        assert_eq!(health.count(&config, false, true), Verdict::Nothing);
        assert_eq!(health.count(&config, false, true), Verdict::StartupFailed);
    }

    #[test]
    fn the_log_is_capped() {
        let config = HealthConfig { log_count: 2, ..HealthConfig::new(check(1)) };
        let mut health = Health::new(1, 1, &config);
        for exit_code in 0..4 {
            let now = Timestamp::UNIX_EPOCH;
            health.remember(&config, Entry { start: now, end: now, exit_code, output: String::new() });
        }
        assert_eq!(health.log.iter().map(|entry| entry.exit_code).collect::<Vec<_>>(), [2, 3]);
    }

    proptest! {
        /// R39: what an image says of its check is a check or nothing, and a command line is words or an error.
        #[test]
        fn any_check_is_read_or_left(text in "(\\[\\PC{0,20}\\]|CMD(-SHELL)? \\PC{0,20}|\\PC{0,20})", number in proptest::num::i64::ANY) {
            if let Ok(test) = parse_command(&text) {
                let image = serde_json::json!({"Test": test, "Interval": number, "Timeout": number, "Retries": number});
                let check = Check::of_image(&image);
                prop_assert!(check.is_none_or(|check| check.retries > 0 && !check.interval.is_zero()));
            }
            prop_assert_eq!(Check::of_image(&serde_json::json!({"Test": number})), None);
        }
    }
}
