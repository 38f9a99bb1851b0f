//! `wait`: the kernel tells when a monitor, and the Cleanup that it becomes, is dead, and when a record is replaced.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container};
use super::remove::is_gone;
use crate::model::container::ProcessRef;
use crate::model::error::Error;
use crate::model::health::HealthStatus;
use crate::model::id::Id;
use crate::model::status::Status;
use crate::monitor::exit::{self, End};
use crate::state::lock;
use crate::sys::process;
use crate::sys::watch::Watch;

/// How long to wait at once for a monitor that only its lock tells of.
const LEASE_PATIENCE: Duration = Duration::from_secs(3600);

/// How long to wait at once for what a dead monitor has left running: by then somebody else may have healed.
const ORPHAN_PATIENCE: Duration = Duration::from_millis(200);

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Status(Status),
    Health(HealthStatus),
}

/// The processes of a live container, as far as its records name them.
struct Watched {
    init: Option<OwnedFd>,
    monitor: Option<OwnedFd>,
    restarter: Option<OwnedFd>,
}

impl Watched {
    fn open(read: &Container) -> Result<Self> {
        let open = |process: Option<ProcessRef>| match process {
            Some(process) => process::open(process.pid, process.start_time).context("open a process of the container"),
            None => Ok(None),
        };
        let state = &read.state;
        Ok(Self { init: open(state.init)?, monitor: open(state.monitor)?, restarter: open(state.restarter)? })
    }
}

impl Engine {
    /// Waits until the container that `name` means does not run, and returns its exit code; -1 when nobody knows it.
    pub(crate) fn wait(&self, name: &str) -> Result<i32> {
        let id = container::find(&self.paths, name)?;
        self.wait_id(&id)
    }

    pub(crate) fn wait_id(&self, id: &Id) -> Result<i32> {
        let mut seen = None;
        loop {
            let Some(read) = Container::read(&self.paths, id)? else {
                // `--rm` took it away; what its exit record said was read before, or asked of the kernel.
                return Ok(seen.unwrap_or(-1));
            };
            if super::heal::heal_one(self, &read)? {
                continue;
            }
            match read.state.status {
                Status::Exited => return Ok(read.state.exit_code.unwrap_or(-1)),
                Status::Created => return Ok(read.state.exit_code.unwrap_or(0)),
                _ => {}
            }
            seen = self.wait_run(&read)?.or(seen);
            self.settled(id)?;
        }
    }

    /// Waits until one of `conditions` holds for the container that `name` means; -1, or its exit code when it has ended.
    ///
    /// Who waits for health only, of a container that is checked never or no more, is told so: it would be for ever.
    pub(crate) fn wait_for(&self, name: &str, conditions: &[Condition]) -> Result<i32> {
        let id = container::find(&self.paths, name)?;
        loop {
            let watch =
                Watch::on(&self.paths.container(&id), &["state.json", "health.json"]).context("watch the container")?;
            let read = self.read_healed(&id)?.ok_or_else(|| container::no_such(name))?;
            let health = super::health::shown(&read);
            let holds = |condition: &Condition| match *condition {
                Condition::Status(status) => read.state.status == status,
                Condition::Health(status) => health == Some(status),
            };
            if conditions.iter().any(holds) {
                let ended = read.state.status == Status::Exited;
                return Ok(read.state.exit_code.filter(|_| ended).unwrap_or(-1));
            }
            if conditions.iter().all(|condition| matches!(condition, Condition::Health(_))) {
                if read.config.health.is_none() {
                    return Err(Error::invalid(format!("container {id} has no defined healthcheck")).into());
                }
                if read.state.status == Status::Exited && self.stays_ended(&id)? {
                    return Err(Error::state(format!("container {id} has ended")).into());
                }
            }
            // The death of a monitor is in no record until somebody heals it.
            let Watched { monitor, restarter, .. } = Watched::open(&read)?;
            let monitor = monitor.filter(|_| read.state.status.is_alive());
            if monitor.is_none() && read.state.status.is_alive() && read.state.monitor.is_some() {
                // It is dead, and nobody has healed that: what it left running (a check) still holds its lock, not for long.
                drop(lock::wait_free(&container::monitor_lock(&self.paths, &id), ORPHAN_PATIENCE));
                self.settled(&id)?;
                continue;
            }
            let others: Vec<_> = monitor.iter().chain(&restarter).map(AsFd::as_fd).collect();
            watch.changed(&others, None).context("wait for a change")?;
            if let Some(monitor) = &monitor
                && process::wait(monitor, Some(Duration::ZERO)).context("look at the monitor")?
            {
                self.settled(&id)?;
            }
        }
    }

    /// Whether a container that was read as ended has ended for good. Who starts it again holds its lock meanwhile.
    fn stays_ended(&self, id: &Id) -> Result<bool> {
        let locked = self.lock_id(id)?;
        let restarts = |who: ProcessRef| process::is_alive(who.pid, who.start_time);
        let ended = locked.state.status == Status::Exited
            && locked.state.restart_at.is_none()
            && !locked.state.restarter.is_some_and(restarts);
        Ok(ended && super::policy::restart_delay(locked.config.restart, &locked.state).is_none())
    }

    /// Waits for whoever works on the container, and heals what nobody does.
    fn settled(&self, id: &Id) -> Result<()> {
        match self.lock_id(id) {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for the end of the run that was read. Its exit code, when it could be learnt on the way.
    fn wait_run(&self, read: &Container) -> Result<Option<i32>> {
        let Watched { init, monitor, .. } = Watched::open(read)?;
        if let Some(init) = &init {
            process::wait(init, None).context("wait for init")?;
        }
        match &monitor {
            Some(monitor) => process::wait(monitor, None).map(drop).context("wait for the monitor")?,
            None => lock::wait_free(&container::monitor_lock(&self.paths, &read.config.id), LEASE_PATIENCE)?,
        }
        // With `--rm` the record is gone by now: the kernel remembers the code as long as somebody holds the pidfd.
        let recorded = read.exit(&self.paths).ok().flatten().and_then(|exit| exit.exit_code);
        Ok(recorded.or_else(|| exit::of_dead(init?.as_fd(), read.state.init?.pid).map(End::code)))
    }
}
