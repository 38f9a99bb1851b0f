//! `stop` and `restart`: a signal, a grace period outside the lock, SIGKILL.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Locked};
use crate::model::container::{EndCause, ProcessRef};
use crate::model::error::{Error, ErrorKind};
use crate::model::id::Id;
use crate::model::status::{Action, Status};
use crate::state::lock;
use crate::state::record::Durability;
use crate::sys::process;

/// How long after SIGKILL the monitor and its Cleanup may take.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(30);

impl Engine {
    /// Stops the container that `name` means. `timeout` in seconds; `None` is its own.
    pub(crate) fn stop(&self, name: &str, timeout: Option<u32>) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        self.stop_id(&id, timeout)?;
        Ok(id)
    }

    /// Stops container `id`; one that does not run is left as it is, but no policy starts it again.
    pub(crate) fn stop_id(&self, id: &Id, timeout: Option<u32>) -> Result<()> {
        self.stop_locked(self.lock_id(id)?, timeout)
    }

    fn stop_locked(&self, mut locked: Locked, timeout: Option<u32>) -> Result<()> {
        let id = &locked.id().clone();
        let next = locked.check(Action::Stop)?;
        if !locked.state.status.is_alive() {
            if locked.state.restart_at.take().is_some() || !locked.state.stopped_by_user {
                locked.state.stopped_by_user = true;
                locked.save(Durability::Lazy)?;
            }
            return Ok(());
        }
        let paused = locked.state.status == Status::Paused;
        // What has not executed its command hears no signal but SIGKILL.
        let deaf = locked.state.status == Status::Initialized;
        if next == Status::Stopping {
            let (pid, start_time) = process::own().context("read the own start time")?;
            locked.state.stopper = Some(ProcessRef { pid, start_time });
        }
        locked.state.status = next;
        locked.state.stopped_by_user = true;
        locked.save(Durability::Lazy)?;
        let held = Held::open(&locked)?;
        self.note_container(&locked.config, "stop");
        let signal = locked.config.stop_signal;
        let grace = if deaf { 0 } else { timeout.unwrap_or(locked.config.stop_timeout) };
        if grace > 0 {
            held.signal(signal)?;
        } else {
            held.signal(libc::SIGKILL)?;
        }
        // What is paused is signalled, then thawed.
        if paused {
            super::pause::thaw(&locked)?;
        }
        drop(locked);
        if !held.wait_init(Duration::from_secs(u64::from(grace)))? {
            held.signal(libc::SIGKILL)?;
        }
        held.wait_end(END_PATIENCE)?;
        if held.monitor.is_none() {
            // A start or a succession whose engine was killed did not write down who it is.
            lock::wait_free(&container::monitor_lock(&self.paths, id), END_PATIENCE)?;
        }
        // Cleanup was there first, usually; a lock that finds the end unwritten heals it.
        match self.lock_id(id) {
            Err(error) if super::remove::is_gone(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(locked) if locked.state.status.is_alive() && locked.state.stopped_by_user => {
                let message = format!("container {} did not end after SIGKILL", id.short());
                Err(Error::new(ErrorKind::Timeout, message)
                    .hint("see `dhow top` for what is in uninterruptible sleep")
                    .into())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Begins to end the container that `name` means as the end of its host does: by its own stop signal and time of
    /// grace, and no policy starts it again before the next boot.
    pub(crate) fn end_until_boot(&self, name: &str) -> Result<Ending> {
        let id = container::find(&self.paths, name)?;
        let mut locked = self.lock_id(&id)?;
        if !locked.state.status.is_alive() {
            if locked.state.restart_at.take().is_some() {
                locked.state.cause = Some(EndCause::Terminated);
                locked.save(Durability::Lazy)?;
            }
            return Ok(Ending { id, held: None });
        }
        let held = Held::open(&locked)?;
        let Some(monitor) = &held.monitor else {
            // One whose start was not written down to its end: the next boot takes it for a user's stop.
            self.stop_locked(locked, None)?;
            return Ok(Ending { id, held: None });
        };
        self.note_container(&locked.config, "stop");
        // The monitor does the rest, whatever becomes of us.
        process::signal(monitor, libc::SIGTERM).context("tell the monitor")?;
        let grace = Duration::from_secs(u64::from(locked.config.stop_timeout));
        Ok(Ending { id, held: Some((held, grace)) })
    }

    /// Waits for the end that [`Self::end_until_boot`] began.
    pub(crate) fn await_end(&self, ending: Ending) -> Result<()> {
        let Ending { id, held } = ending;
        let Some((held, grace)) = held else { return Ok(()) };
        held.wait_end(grace + END_PATIENCE)?;
        match self.lock_id(&id) {
            Err(error) if !super::remove::is_gone(&error) => Err(error),
            Ok(locked) if locked.state.status.is_alive() => {
                Err(Error::new(ErrorKind::Timeout, format!("container {} did not end", id.short())).into())
            }
            _ => Ok(()),
        }
    }

    /// Stops the container and starts it again.
    pub(crate) fn restart(&self, name: &str, timeout: Option<u32>) -> Result<Id> {
        let id = container::find(&self.paths, name)?;
        let mut locked = self.lock_id(&id)?;
        self.note_container(&locked.config, "restart");
        // What is prepared and not started has nothing to stop.
        if locked.state.status != Status::Initialized {
            let (pid, start_time) = process::own().context("read the own start time")?;
            locked.state.restarter = Some(ProcessRef { pid, start_time });
            self.stop_locked(locked, timeout)?;
        } else {
            drop(locked);
        }
        self.start_detached(&id)?;
        Ok(id)
    }
}

/// A container that was told to end until the next boot.
pub(crate) struct Ending {
    id: Id,
    /// With its time of grace.
    held: Option<(Held, Duration)>,
}

/// The processes of a live container, held so that their pids cannot become another's.
pub(crate) struct Held {
    init: Option<std::os::fd::OwnedFd>,
    monitor: Option<std::os::fd::OwnedFd>,
}

impl Held {
    pub(crate) fn open(locked: &Locked) -> Result<Self> {
        let open = |process: Option<ProcessRef>| match process {
            Some(process) => process::open(process.pid, process.start_time),
            None => Ok(None),
        };
        Ok(Self {
            init: open(locked.state.init).context("open init")?,
            monitor: open(locked.state.monitor).context("open the monitor")?,
        })
    }

    /// Sends a signal by number; that init is gone is success.
    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let Some(init) = &self.init else { return Ok(()) };
        process::signal(init, signal).with_context(|| format!("send signal {signal}"))
    }

    fn wait_init(&self, grace: Duration) -> Result<bool> {
        let Some(init) = &self.init else { return Ok(true) };
        process::wait(init, Some(grace)).context("wait for init")
    }

    /// Waits for the monitor and the Cleanup that it becomes.
    pub(super) fn wait_end(&self, patience: Duration) -> Result<()> {
        for fd in [&self.init, &self.monitor].into_iter().flatten() {
            process::wait(fd, Some(patience)).context("wait for the end")?;
        }
        Ok(())
    }
}
