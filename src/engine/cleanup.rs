//! The role `cleanup`: what a monitor becomes when its container has ended. Takes away what the run had outside, then
//! removes the container (`--rm`) or follows its restart policy, with a back-off that any command may end.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use super::container::Locked;
use crate::model::container::{ContainerState, RestartKind, RestartPolicy};
use crate::model::id::Id;
use crate::model::status::Status;
use crate::state::record::Durability;

/// The first back-off; it doubles with each restart.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The longest back-off.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);
/// A run that lasted this long was healthy: the next back-off is the first again.
const HEALTHY: Duration = Duration::from_secs(10);

impl Engine {
    /// The arguments with which a monitor executes this role.
    pub(crate) fn cleanup_arguments(&self, id: &Id, run: u64) -> Vec<String> {
        let mut arguments = vec!["cleanup".to_owned()];
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        arguments.extend([path(self.paths.data()), path(self.paths.run())]);
        if let crate::state::privilege::Privilege::Rootless { uid, gid } = self.privilege {
            arguments.extend([uid.to_string(), gid.to_string()]);
        } else {
            arguments.extend(["root".to_owned(), "root".to_owned()]);
        }
        arguments.extend([id.to_string(), run.to_string()]);
        arguments
    }

    /// Finishes run `run` of container `id`. Another run, or none, is nobody's business here.
    pub(crate) fn clean_up(&self, id: &Id, run: u64) -> Result<()> {
        let locked = match Locked::acquire(&self.paths, id) {
            Err(error) if super::remove::is_gone(&error) => return Ok(()),
            locked => locked?,
        };
        if locked.state.run != run {
            return Ok(());
        }
        let Some(locked) = super::heal::settle(self, locked)? else { return Ok(()) };
        self.follow_policy(locked, run)
    }

    /// Starts the container again as its policy says, after the back-off.
    fn follow_policy(&self, mut locked: Locked, run: u64) -> Result<()> {
        let Some(delay) = restart_delay(locked.config.restart, &locked.state) else { return Ok(()) };
        let id = locked.id().clone();
        let at = Timestamp::now().checked_add(delay).context("reckon the restart")?;
        locked.state.restart_at = Some(at);
        locked.save(Durability::Lazy)?;
        let dir = locked.dir();
        drop(locked);
        // A stop, start or removal changes the directory: whoever did it has decided.
        crate::sys::watch::changed_within(&dir, "state.json", delay).context("wait for the restart")?;
        let mut locked = match Locked::acquire(&self.paths, &id) {
            Err(error) if super::remove::is_gone(&error) => return Ok(()),
            locked => locked?,
        };
        let state = &mut locked.state;
        if state.status != Status::Exited || state.run != run || state.restart_at != Some(at) {
            return Ok(());
        }
        state.restart_at = None;
        state.restarts += 1;
        self.start_locked(&mut locked, None).map(drop)
    }
}

/// Lets a Cleanup go on where one was killed. The caller does not wait for it.
pub(crate) fn resume(engine: &Engine, locked: &Locked) -> Result<()> {
    if restart_delay(locked.config.restart, &locked.state).is_none() {
        return Ok(());
    }
    let arguments = engine.cleanup_arguments(locked.id(), locked.state.run);
    crate::monitor::spawn::cleanup(&arguments).context("start the clean-up")
}

/// How long to wait before a restart; `None` where the policy asks for none.
fn restart_delay(policy: RestartPolicy, state: &ContainerState) -> Option<Duration> {
    if state.stopped_by_user || state.status != Status::Exited {
        return None;
    }
    let wanted = match policy.kind {
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
        for (policy, state, expected) in cases {
            assert_eq!(restart_delay(policy, &state), expected.map(Duration::from_millis), "{policy:?}");
        }
    }
}
