//! Restart policies: whether and when a container that ended is started again, and the Cleanup that does it.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use crate::model::container::{ContainerConfig, ContainerState, EndCause, RestartKind, RestartPolicy};
use crate::model::health::OnFailure;
use crate::model::status::Status;

/// The first back-off; it doubles with each restart.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest back-off.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A run that lasted this long was healthy: the next back-off is the first again.
const HEALTHY: Duration = Duration::from_secs(10);

/// The arguments with which this role is executed; `what` it cleans is `ID RUN-NUMBER` or `networks`.
pub(crate) fn cleanup_arguments<S: ToString>(engine: &Engine, what: &[S]) -> Vec<String> {
    let mut arguments = vec!["cleanup".to_owned()];
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    arguments.extend([path(engine.paths.data()), path(engine.paths.run()), path(&engine.paths.volumes())]);
    arguments.push(engine.events.name().to_owned());
    if let crate::state::privilege::Privilege::Rootless { uid, gid } = engine.privilege {
        arguments.extend([uid.to_string(), gid.to_string()]);
    } else {
        arguments.extend(["root".to_owned(), "root".to_owned()]);
    }
    arguments.extend(what.iter().map(ToString::to_string));
    arguments
}

/// What the Cleanup of a container's run is told.
pub(crate) fn run_of(locked: &Locked) -> [String; 2] {
    [locked.id().to_string(), locked.state.run.to_string()]
}

/// Lets a Cleanup go on where one was killed. The caller does not wait for it.
pub(crate) fn resume(engine: &Engine, locked: &Locked) -> Result<()> {
    if restart_delay(locked.config.restart, &locked.state).is_none() {
        return Ok(());
    }
    let arguments = cleanup_arguments(engine, &run_of(locked));
    crate::monitor::spawn::cleanup(&arguments).context("start the clean-up")
}

/// Whether an end of the container may be followed by another run.
pub(crate) fn may_restart(config: &ContainerConfig) -> bool {
    let by_health = |health: &crate::model::health::HealthConfig| {
        health.on_failure == OnFailure::Restart || health.startup.as_ref().is_some_and(|startup| startup.retries > 0)
    };
    config.restart.kind != RestartKind::No || config.health.as_deref().is_some_and(by_health)
}

/// Whether the container is to run again after a boot, as it was before or because its policy says so.
pub(crate) fn starts_on_boot(config: &ContainerConfig, state: &ContainerState) -> bool {
    match config.restart.kind {
        RestartKind::No => false,
        RestartKind::Always => true,
        RestartKind::UnlessStopped => !state.stopped_by_user,
        // Its run did not fail and was not stopped: it was cut short.
        RestartKind::OnFailure => {
            !state.stopped_by_user && (state.status.is_alive() || state.cause == Some(EndCause::Terminated))
        }
    }
}

/// How long to wait before a restart; `None` where the policy asks for none.
pub(crate) fn restart_delay(policy: RestartPolicy, state: &ContainerState) -> Option<Duration> {
    if state.stopped_by_user || state.status != Status::Exited {
        return None;
    }
    let wanted = match policy.kind {
        _ if state.cause == Some(EndCause::HealthRestart) => true,
        // Who ended it starts it again: a boot, or a service manager.
        _ if state.cause == Some(EndCause::Terminated) => false,
        RestartKind::No => false,
        RestartKind::Always | RestartKind::UnlessStopped => true,
        RestartKind::OnFailure => {
            state.exit_code != Some(0) && (policy.retries == 0 || state.restarts < policy.retries)
        }
    };
    if !wanted {
        return None;
    }
    let lasted = match (state.started_at, state.finished_at) {
        (Some(start), Some(end)) => end.duration_since(start).unsigned_abs(),
        _ => Duration::ZERO,
    };
    if lasted >= HEALTHY {
        return Some(BACK_OFF);
    }
    Some(BACK_OFF.saturating_mul(1 << state.restarts.min(10)).min(BACK_OFF_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let state = |code, restarts, stopped| ContainerState {
            status: Status::Exited,
            exit_code: code,
            restarts,
            stopped_by_user: stopped,
            ..ContainerState::creating("")
        };
        let policy = |kind, retries| RestartPolicy { kind, retries };
        let cases = [
            (policy(RestartKind::No, 0), state(Some(1), 0, false), None),
            (policy(RestartKind::OnFailure, 0), state(Some(0), 0, false), None),
            (policy(RestartKind::OnFailure, 2), state(Some(1), 1, false), Some(200)),
            (policy(RestartKind::OnFailure, 2), state(Some(1), 2, false), None),
            (policy(RestartKind::OnFailure, 0), state(None, 0, false), Some(100)),
            (policy(RestartKind::Always, 0), state(Some(0), 3, false), Some(800)),
            (policy(RestartKind::Always, 0), state(Some(0), 3, true), None),
            (policy(RestartKind::Always, 0), state(Some(0), 99, false), Some(60_000)),
        ];
        let ended = |cause, stopped| ContainerState { cause: Some(cause), ..state(Some(1), 0, stopped) };
        let always = policy(RestartKind::Always, 0);
        let cases = cases.into_iter().chain([
            (always, ended(EndCause::Terminated, false), None),
            (always, ended(EndCause::HealthStop, true), None),
            (policy(RestartKind::No, 0), ended(EndCause::HealthRestart, false), Some(100)),
            (policy(RestartKind::No, 0), ended(EndCause::HealthRestart, true), None),
        ]);
        for (policy, state, expected) in cases {
            assert_eq!(restart_delay(policy, &state), expected.map(Duration::from_millis), "{policy:?}");
        }
    }
}
