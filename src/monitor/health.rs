//! Health checks of a running container, as its monitor makes them.
//!
//! A check is made by a clone of the monitor, which enters the container, waits for the command and for its time to be
//! over, writes `health.json` and says by its exit code how it went: so nothing in a container can keep the monitor from
//! its work, and no memory grows in it. The clone dies with the monitor and the command with the clone; the monitor ends
//! a clone before it records the container's end, so that `health.json` has one writer at a time.
//!
//! A container whose cgroup is frozen is not checked.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};

use super::config::MonitorConfig;
use super::exit::{Child, End};
use super::process;
use super::stdio::{self, MonitorEnds, Read};
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::model::error::{Error, ErrorKind};
use crate::model::health::{Check, Entry, Health, HealthConfig, HealthStatus, OnFailure, Verdict};
use crate::state::record::{self, Durability, VERSION};
use crate::sys::clone::{CloneArgs, Cloned, clone3};
use crate::sys::exec::{close_all_but, leave};

/// How long beyond its own time a clone may take to enter the container and to end the command.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a killed command may take to die; it dies with the clone at the latest.
const DEATH: Duration = Duration::from_secs(2);
/// The exit code of a check whose time was over, in the log.
const TIMED_OUT: i32 = -1;

/// What a clone says at its end.
const SUCCEEDED: i32 = 0;
const FAILED: i32 = 1;
const UNCOUNTED: i32 = 2;

/// The checks of one run.
pub(super) struct Watchman<'a> {
    config: &'a MonitorConfig,
    health: HealthConfig,
    init: ProcessRef,
    /// Without its log, which only the clones have.
    state: Health,
    /// When the container was started.
    since: Timestamp,
    next: Option<Instant>,
    current: Option<Current>,
    /// Clients that wait for the end of a check, one bit a slot.
    pub(super) askers: u32,
}

/// A check that is being made.
struct Current {
    clone: Child,
    in_start_period: bool,
    deadline: Instant,
}

impl<'a> Watchman<'a> {
    pub(super) fn new(config: &'a MonitorConfig, init: ProcessRef) -> Option<Self> {
        Some(Self::of(config, config.health.clone()?, init))
    }

    fn of(config: &'a MonitorConfig, health: HealthConfig, init: ProcessRef) -> Self {
        let fresh = Health::new(VERSION, config.run, &health);
        // A successor goes on where its predecessor was.
        let mut state = read(config).unwrap_or(fresh);
        state.log = Vec::new();
        let since = config.started_at.unwrap_or_else(Timestamp::now);
        Self { config, health, init, state, since, next: None, current: None, askers: 0 }
    }

    /// Takes over from `old` what `update` has changed in the container's record, in the middle of a run. Where that
    /// cannot be read, everything stays.
    pub(super) fn reload(old: Option<Self>, config: &'a MonitorConfig, init: ProcessRef) -> Option<Self> {
        let Ok(Some(asked)) = record::read::<ContainerConfig>(&config.data_dir.join("config.json")) else { return old };
        match (asked.health, old) {
            (None, None) => None,
            (None, Some(mut old)) => {
                old.end();
                None
            }
            (Some(health), None) => {
                let mut new = Self::of(config, *health, init);
                new.begin();
                Some(new)
            }
            (Some(health), Some(mut old)) => {
                old.health = *health;
                old.next = (!old.health.due(&old.state).interval.is_zero()).then(Instant::now);
                Some(old)
            }
        }
    }

    /// The command runs from now on: the first check is due.
    pub(super) fn begin(&mut self) {
        self.since = self.config.started_at.unwrap_or_else(Timestamp::now);
        self.next = (!self.health.due(&self.state).interval.is_zero()).then(Instant::now);
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map_or(self.next, |current| Some(current.deadline))
    }

    /// The clone to watch, if a check is being made.
    pub(super) fn current(&self) -> Option<BorrowedFd<'_>> {
        self.current.as_ref().map(|current| current.clone.pidfd())
    }

    /// Does what is due: makes a check, or ends one that hangs. Whether a new clone is to be watched.
    pub(super) fn tick(&mut self) -> bool {
        let now = Instant::now();
        if let Some(current) = &mut self.current {
            if current.deadline <= now {
                current.clone.signal_kill();
                current.deadline = now + PATIENCE;
            }
            return false;
        }
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.ask()
    }

    /// Makes a check now, unless one is being made. Whether a new clone is to be watched.
    pub(super) fn ask(&mut self) -> bool {
        if self.current.is_some() {
            return false;
        }
        let check = self.health.due(&self.state);
        if self.config.cgroup.is_frozen().unwrap_or(false) {
            self.settle();
            return false;
        }
        let started = Timestamp::now();
        let lived = started.duration_since(self.since).unsigned_abs();
        let in_start_period = lived < self.health.check.start_period;
        let monitor = rustix::process::getpid();
        match clone3(CloneArgs::default()) {
            Ok(Cloned::Child) => {
                let code = self.make(monitor, started, in_start_period);
                leave(code)
            }
            Ok(Cloned::Parent { pidfd, .. }) => {
                let deadline = Instant::now() + check.timeout + PATIENCE;
                self.current = Some(Current { clone: Child::Ours(pidfd), in_start_period, deadline });
                true
            }
            Err(_) => {
                // The host is out of processes: a failure of the host, not of the container.
                self.settle();
                false
            }
        }
    }

    /// Takes the result of the clone, which has ended: whether the check succeeded, if it counts, and what follows.
    pub(super) fn conclude(&mut self) -> (Option<bool>, Verdict) {
        let Some(current) = self.current.take() else { return (None, Verdict::Nothing) };
        let end = current.clone.end();
        let success = match end {
            Ok(Some(End::Code(SUCCEEDED))) => true,
            Ok(Some(End::Code(UNCOUNTED))) => {
                self.settle();
                return (None, Verdict::Nothing);
            }
            _ => false,
        };
        let verdict = self.state.count(&self.health, success, current.in_start_period);
        self.settle();
        if let Some(to) = &self.config.ready_when_healthy
            && verdict == Verdict::Changed
            && self.state.status == HealthStatus::Healthy
        {
            // A manager that does not listen is not the container's fault.
            crate::sys::notify::send(to, "READY=1").ok();
        }
        (Some(success), verdict)
    }

    /// The container has ended: no check is made any more.
    pub(super) fn end(&mut self) {
        self.next = None;
        if let Some(current) = self.current.take() {
            current.clone.kill();
        }
    }

    /// What happens to the container when it is unhealthy.
    pub(super) fn on_failure(&self) -> OnFailure {
        self.health.on_failure
    }

    /// In the clone: writes an event, where the status is another one now or events are the destination of the log.
    fn tell(&self, state: &Health, entry: &Entry) {
        if state.status == self.state.status && !self.health.log_events {
            return;
        }
        self.config.tell("health_status", |event| {
            event.health_status = Some(state.status);
            event.health_failing_streak = self.health.log_events.then_some(state.failing_streak);
            event.health_log = serde_json::to_string(entry).ok().filter(|_| self.health.log_events);
        });
    }

    /// Sets when the next check is due.
    fn settle(&mut self) {
        let interval = self.health.due(&self.state).interval;
        self.next = (!interval.is_zero()).then(|| Instant::now() + interval);
    }

    /// In the clone: makes one check and writes down how it went.
    fn make(&self, monitor: Pid, start: Timestamp, in_start_period: bool) -> i32 {
        let check = self.health.due(&self.state);
        let made = (|| {
            close_all_but(&mut [0, 1, 2]).context("close the monitor's files")?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("bind to the monitor")?;
            // It may have died before it could take us along.
            if rustix::process::getppid() != Some(monitor) {
                return Ok(None);
            }
            run(self.config, check, self.init, self.health.output_limit())
        })();
        let (exit_code, output) = match made {
            Ok(Some(result)) => result,
            Ok(None) => return UNCOUNTED,
            Err(error) => (code_of(&error), format!("{error:#}").into_bytes()),
        };
        let mut state = self.state.clone();
        state.count(&self.health, exit_code == 0, in_start_period);
        state.log = read(self.config).map(|record| record.log).unwrap_or_default();
        let mut output = String::from_utf8_lossy(&output).into_owned();
        let limit = output.floor_char_boundary(self.health.output_limit());
        output.truncate(limit);
        let entry = Entry { start, end: Timestamp::now(), exit_code, output };
        self.tell(&state, &entry);
        state.remember(&self.health, entry);
        // A full disk: the next check that finds room says what is true then.
        record::write(&self.config.data_dir.join("health.json"), &state, Durability::Lazy).ok();
        if let Some(directory) = &self.health.log_directory {
            let path = Path::new(directory).join(format!("{}-healthcheck.log", self.config.id));
            record::write(&path, &document(&state), Durability::Lazy).ok();
        }
        if exit_code == 0 { SUCCEEDED } else { FAILED }
    }
}

/// Health as podman writes it.
fn document(state: &Health) -> serde_json::Value {
    serde_json::json!({ "Status": state.status, "FailingStreak": state.failing_streak, "Log": state.log })
}

/// What an earlier check of this run wrote.
fn read(config: &MonitorConfig) -> Option<Health> {
    let record = record::read::<Health>(&config.data_dir.join("health.json")).ok().flatten();
    record.filter(|record| record.run == config.run)
}

/// The code of a check that could not be run, as a shell has it.
fn code_of(error: &anyhow::Error) -> i32 {
    match error.downcast_ref::<Error>().map(|error| error.kind) {
        Some(ErrorKind::NoCommand) => 127,
        Some(ErrorKind::NotExecutable) => 126,
        _ => 125,
    }
}

/// Runs the command of `check` and gives its code and the first `limit` bytes of what it printed. `None`: it does not
/// count, because the container was paused meanwhile or has ended.
fn run(config: &MonitorConfig, check: &Check, init: ProcessRef, limit: usize) -> Result<Option<(i32, Vec<u8>)>> {
    let args = check.command().ok_or_else(|| Error::new(ErrorKind::NoCommand, "no health check is defined"))?;
    let made = process::check(config, init, args)?;
    let deadline = Instant::now() + check.timeout;
    let mut reader = Reader { ends: ends(made.ends), output: Vec::new(), limit };
    if !reader.wait(&made.child, deadline)? {
        if config.cgroup.is_frozen().unwrap_or(false) {
            // What is frozen dies with us when it is thawed.
            made.child.signal_kill();
            return Ok(None);
        }
        // With the children that it has: a shell's `curl` would stay behind with each check.
        if let Some(group) = Pid::from_raw(made.reference.pid) {
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        made.child.signal_kill();
        reader.wait(&made.child, Instant::now() + DEATH)?;
        let text = format!("healthcheck command exceeded timeout of {:?}\n", check.timeout);
        let room = limit.saturating_sub(text.len());
        reader.output.truncate(room);
        reader.output.extend_from_slice(text.as_bytes());
        return Ok(Some((TIMED_OUT, reader.output)));
    }
    reader.drain();
    let code = made.child.end().context("reap the check")?.map_or(TIMED_OUT, End::code);
    if !crate::sys::process::is_alive(init.pid, init.start_time) {
        // Its container took it along.
        return Ok(None);
    }
    Ok(Some((code, reader.output)))
}

fn ends(ends: MonitorEnds) -> [Option<OwnedFd>; 2] {
    match ends {
        MonitorEnds::Pipes { stdout, stderr, .. } => [Some(stdout), Some(stderr)],
        MonitorEnds::Terminal(_) | MonitorEnds::Nothing => [None, None],
    }
}

/// Takes what a check prints.
struct Reader {
    ends: [Option<OwnedFd>; 2],
    output: Vec<u8>,
    limit: usize,
}

impl Reader {
    /// Reads until the command ends. Whether it did before the deadline.
    fn wait(&mut self, child: &Child, deadline: Instant) -> Result<bool> {
        loop {
            let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))?;
            let mut fds = vec![PollFd::from_borrowed_fd(child.pidfd(), PollFlags::IN)];
            fds.extend(self.ends.iter().flatten().map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)));
            match poll(&mut fds, Some(&left)) {
                Ok(0) => return Ok(false),
                Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
                Ok(_) => self.drain(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("wait for the check"),
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Reads what there is now; what is beyond the limit is lost.
    fn drain(&mut self) {
        let mut buffer = [0; 4096];
        for end in &mut self.ends {
            // One that never stops printing must not keep us from the clock.
            for _ in 0..64 {
                let Some(fd) = &*end else { break };
                match stdio::read(fd.as_fd(), &mut buffer) {
                    Read::Data(length) => {
                        let room = self.limit.saturating_sub(self.output.len());
                        self.output.extend_from_slice(&buffer[..length.min(room)]);
                    }
                    Read::Empty => break,
                    Read::End => *end = None,
                }
            }
        }
    }
}
