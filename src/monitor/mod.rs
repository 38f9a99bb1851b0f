//! The process beside a container. One per running container and per exec session: role `monitor`, executed by
//! `spawn.rs`, with one thread and no allocation once the container runs.
//!
//! Its life, as [`main`] reads: take the channel, the lock that means life and the configuration; make the process
//! (`process.rs`), or take over one (`successor.rs`); record it; serve it (`serve.rs`, by the table in `table.rs`) until
//! its end is recorded; then leave the cleaning to the foreground client, or become `Cleanup`.
//!
//! ```text
//! data_dir  monitor.lock  held by the monitor and by nobody else
//!           init.json     the process, and whether it was let go
//!           exit.json     how it ended; synced before the lock is free
//!           log/          see log/rotate.rs
//! run_dir   attach        the socket for later clients
//!           start         the gate of a container that is initialized, for the engine that starts it
//!           stdout stderr FIFOs without a terminal
//! ```

pub(crate) mod attach;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod exit;
pub(crate) mod frame;
mod health;
pub(crate) mod log;
pub(crate) mod port;
mod process;
mod relay;
mod report;
mod serve;
#[cfg(test)]
mod serve_test;
pub(crate) mod spawn;
mod stdio;
mod successor;
mod table;

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::Mode;

use crate::model::container::{InitRecord, ProcessRef};
use crate::model::error::Error;
use crate::model::log::LogDriver;
use crate::runtime::notify::Notify;
use crate::runtime::stdio::Preserved;
use crate::state::lock::Lock;
use crate::state::paths::remove_file;
use crate::state::record::{self, Durability, VERSION};
use crate::sys::exec::inherited;
use crate::sys::signal::Signals;
use config::MonitorConfig;
use health::Watchman;
use log::Log;
use log::journal::Journal;
use process::Made;
use relay::Relay;
use report::{Channel, GATE, Report, failure};
use serve::{Keeper, Outcome, Setup, Starter, Stop};

/// How long the engine may take to send the configuration, or to take a report.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first inherited descriptors: the channel, and the lock that says that this monitor lives. The engine took it, so
/// that nobody finds it free between the engine's death and our first step.
const CHANNEL: i32 = 3;
const LEASE: i32 = 4;

/// The role `monitor`.
pub(crate) fn main() -> ExitCode {
    // Seen in listings of processes instead of a descriptor's number.
    rustix::thread::set_name(c"dhow-monitor").ok();
    // What the caller masks is not to show in the modes of our files; init sets its own.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let (Ok(channel), Ok(lease)) = (take(CHANNEL).map(Channel::from_fd), take(LEASE).map(Lock::handed)) else {
        return ExitCode::from(2);
    };
    match run(channel, lease) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever listens was told; a monitor has no other place to say it.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(channel: Channel, lease: Lock) -> Result<()> {
    let received = channel.receive::<MonitorConfig>(PATIENCE);
    let config = match received {
        Ok(Some(config)) => config,
        Ok(None) => return Ok(()),
        Err(error) => return tell(&channel, error),
    };
    if config.version > config::VERSION {
        return tell(&channel, Error::unsupported("the monitor is older than its engine").into());
    }
    let made = match Handed::take(&config).and_then(|handed| make(&config, handed)) {
        Ok(made) => made,
        Err(error) => {
            undo(&config);
            drop(lease);
            return tell(&channel, error);
        }
    };
    match serve_made(&config, made, channel) {
        Ok(Outcome::Left) => {
            close_session(&config);
            Ok(())
        }
        Ok(Outcome::CleanUp) => {
            close_session(&config);
            become_cleanup(&config)
        }
        Ok(Outcome::Undone(told)) => {
            undo(&config);
            close_session(&config);
            drop(lease);
            if let Some((channel, error)) = told {
                channel.send(&Report::Failed(error), PATIENCE).ok();
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Reports an error to the engine and ends with it.
fn tell(channel: &Channel, error: anyhow::Error) -> Result<()> {
    // An engine that is gone needs no report.
    channel.send(&Report::Failed(failure(&error)), PATIENCE).ok();
    Err(error)
}

/// The descriptors that came with the channel and the lock.
struct Handed {
    foreground: Option<OwnedFd>,
    preserved: Preserved,
}

impl Handed {
    fn take(config: &MonitorConfig) -> Result<Self> {
        let mut numbers = LEASE + 1..;
        let mut next = || take(numbers.next().unwrap_or(i32::MAX));
        let foreground = if config.foreground { Some(next()?) } else { None };
        let fds = (0..config.preserve_fds).map(|_| next()).collect::<Result<_>>()?;
        Ok(Self { foreground, preserved: Preserved { fds, holes: config.holes.clone() } })
    }
}

/// Takes over the descriptor `number`, which is not to go on to another program.
fn take(number: i32) -> Result<OwnedFd> {
    let fd = inherited(number).with_context(|| format!("take over descriptor {number}"))?;
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).context("close a descriptor on exec")?;
    Ok(fd)
}

/// The process with the foreground client and the relay of its ports.
struct Ready {
    made: Made,
    foreground: Option<OwnedFd>,
    relay: Option<Relay>,
    notify: Option<Notify>,
}

/// Makes the process, and records a container's first one.
fn make(config: &MonitorConfig, handed: Handed) -> Result<Ready> {
    let Handed { foreground, preserved } = handed;
    // First: a port in use is told before anything is made.
    let relay = relay(config)?;
    let notify = config.notify.as_ref().map(|notify| Notify::open(&notify.socket, &notify.to, None)).transpose()?;
    let made = match (&config.adopt, &config.exec) {
        (Some(reference), _) => successor::adopt(config, *reference)?,
        (None, Some(source)) => process::session(config, source, preserved)?,
        (None, None) => process::container(config, preserved)?,
    };
    if config.exec.is_none() {
        let adopted = config.adopt.is_some();
        // A container that is started at once is let go without a second record.
        let stage = if adopted || config.start_immediately { Stage::Started } else { Stage::Created };
        match write_init(config, made.reference, stage) {
            Err(error) if !adopted => {
                made.child.kill();
                return Err(error);
            }
            // A container that runs is not given up for a full disk.
            _ => {}
        }
    }
    Ok(Ready { made, foreground, relay, notify })
}

/// Reserves the published ports.
fn relay(config: &MonitorConfig) -> Result<Option<Relay>> {
    if config.ports.is_empty() {
        return Ok(None);
    }
    let relay = port::reserve(&config.ports).and_then(|reserved| {
        let mut relay = Relay::new(reserved).context("make the relay of published ports")?;
        if config.adopt.is_some() {
            relay.open(&config.addresses).context("relay published ports")?;
        }
        Ok(relay)
    });
    match relay {
        Ok(relay) if relay.is_idle() => Ok(None),
        // A container that runs is not given up for a port that somebody took meanwhile.
        Err(_) if config.adopt.is_some() => Ok(None),
        relay => relay.map(Some),
    }
}

/// How far init has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Created,
    /// It waits for another engine than the one that had it made.
    Kept,
    Started,
}

/// Writes which process is init, how far it is, and who we are.
fn write_init(config: &MonitorConfig, init: ProcessRef, stage: Stage) -> Result<()> {
    let (pid, start_time) = crate::sys::process::own().context("read the own start time")?;
    let monitor = Some(ProcessRef { pid, start_time });
    let (started, kept) = (stage == Stage::Started, stage == Stage::Kept);
    let init = InitRecord { version: VERSION, run: config.run, init, started, kept, monitor };
    record::write(&config.data_dir.join("init.json"), &init, Durability::Lazy)
}

/// Reports the process, and serves it to its end.
fn serve_made(config: &MonitorConfig, ready: Ready, channel: Channel) -> Result<Outcome> {
    let Ready { made: Made { reference, child, ends, init }, foreground, relay, notify } = ready;
    let prepared = (|| {
        let mut log = Log::open(&config.log, &config.data_dir)?;
        if config.log.driver == LogDriver::Journald
            && let Ok(journal) = Journal::open(config.id.as_str(), &config.name, config.log.tag.as_deref())
        {
            log.copy_to(journal);
        }
        // A passed-through process has nothing to attach to, and a session of `exec` has its own client.
        let attaches = !config.log.driver.is_passthrough() || config.health.is_some();
        let listens = attaches && config.exec.is_none();
        let listener = if listens { Some(attach::listen(&config.run_dir.join("attach"))?) } else { None };
        anyhow::Ok((log, listener))
    })();
    let (log, listener) = match prepared {
        Ok(prepared) => prepared,
        Err(error) if config.adopt.is_some() => return Err(error),
        Err(error) => {
            child.kill();
            return Ok(Outcome::Undone(Some((channel, failure(&error)))));
        }
    };
    let report = if init.is_some() {
        Report::Created { pid: reference.pid, start_time: reference.start_time }
    } else {
        Report::Running
    };
    if config.exec.is_some() {
        config.tell("exec", |_| {});
    }
    // That an engine is gone shows on the channel, and the table knows what to do then.
    channel.send(&report, PATIENCE).ok();
    let keep = init.is_some().then(|| -> Keeper<'_> {
        Box::new(|| {
            let gate = attach::listen(&config.run_dir.join(GATE))?;
            write_init(config, reference, Stage::Kept)?;
            Ok(gate)
        })
    });
    let start = init.map(|mut init| -> Starter<'_> {
        Box::new(move || {
            if !config.start_immediately {
                write_init(config, reference, Stage::Started)?;
            }
            init.start()?;
            if config.hooks {
                process::tell_started(config, reference)?;
            }
            Ok(())
        })
    });
    let durability = if config.durable { Durability::Synced } else { Durability::Lazy };
    let mut record = |end: exit::End, cause| {
        if config.exec.is_some() {
            config.tell("exec_died", |event| event.container_exit_code = Some(end.code()));
            return;
        }
        let oom = config.cgroup.oom_kills().is_ok_and(|kills| kills > 0);
        // Where it cannot be written, the free lock says that the code is lost.
        exit::write(&config.data_dir, &exit::record(config.run, end, oom, cause), durability).ok();
    };
    // Of a container only: an exec session has nobody to ask for its end.
    let signals = config.stop.map(|_| Signals::catch([libc::SIGTERM])).transpose().context("catch signals")?;
    let thaw = || {
        if config.cgroup.is_frozen().unwrap_or(false) {
            // What stays frozen is killed when its grace is over.
            config.cgroup.thaw().ok();
        }
    };
    let stop =
        config.stop.map(|(signal, grace)| Stop { signal, grace: Duration::from_secs(grace.into()), thaw: &thaw });
    serve::serve(Setup {
        child,
        ends,
        stdin: config.stdin,
        log,
        listener,
        foreground,
        channel: Some(channel),
        relay,
        notify,
        health: Watchman::new(config, reference),
        reload: Some((config, reference)),
        signals,
        stop,
        start,
        keep,
        immediately: config.start_immediately,
        timeout: (config.timeout > 0).then(|| Duration::from_secs(config.timeout)),
        cleans: !config.cleanup.is_empty(),
        record: &mut record,
    })
}

/// Undoes what this monitor made outside; the process is dead. Every step may have been done already.
fn undo(config: &MonitorConfig) {
    if config.adopt.is_some() || config.exec.is_some() {
        return;
    }
    // Whoever takes the container's lock next finishes what fails here.
    config.cgroup.remove().ok();
    for name in ["attach", GATE, "stdout", "stderr"] {
        remove_file(&config.run_dir.join(name)).ok();
    }
    remove_file(&config.data_dir.join("init.json")).ok();
}

/// Removes the directories of an exec session that is over.
fn close_session(config: &MonitorConfig) {
    if config.exec.is_some() {
        // What is left is swept with the container.
        std::fs::remove_dir_all(&config.run_dir).ok();
        std::fs::remove_dir_all(&config.data_dir).ok();
    }
}

/// Executes `Cleanup`, which keeps our pid: who waits for it waits for the cleaning too. The lock goes with this program.
fn become_cleanup(config: &MonitorConfig) -> Result<()> {
    if config.cleanup.is_empty() {
        return Ok(());
    }
    // Our name says where the binary is installed (see `spawn::installed`).
    let name = std::env::args_os().next().unwrap_or_default();
    let error = Command::new("/proc/self/exe").arg0(name).args(&config.cleanup).env_clear().exec();
    Err(error).context("execute the clean-up")
}
