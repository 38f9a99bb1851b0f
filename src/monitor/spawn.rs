//! Starting a monitor: called by the engine, in any process, with any number of threads.
//!
//! The monitor executes our own binary so that nothing which later reaches its executable from a container can change the
//! installed file (`runtime::seal`). What the monitor executes inherits that.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::attach;
use super::config::MonitorConfig;
use super::report::{Channel, Command, GATE, Report};
use crate::model::container::ProcessRef;
use crate::model::error::{Error, ErrorKind};
use crate::runtime::cgroup::Monitors;
use crate::runtime::seal;
use crate::state::lock::Lock;
use crate::sys::process;
use crate::sys::spawn::{self, Program};

/// How long the small steps may take: reading a message, sending one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a monitor may take to make a container: pulls in cold files, waits for cgroups.
const PATIENCE_CREATE: Duration = Duration::from_secs(60);

/// A monitor that was started, seen from the engine. Dropping it before [`Monitor::start`] undoes the container.
#[derive(Debug)]
pub(crate) struct Monitor {
    pid: Pid,
    pidfd: OwnedFd,
    channel: Channel,
}

/// The files that go to a monitor, besides the channel and its lock.
#[derive(Default)]
pub(crate) struct Handed<'a> {
    /// The monitor's end of the foreground client's pair.
    pub(crate) foreground: Option<BorrowedFd<'a>>,
    /// The caller's own streams, for the passthrough driver.
    pub(crate) streams: Option<[BorrowedFd<'a>; 3]>,
    /// Descriptors for the container (`--preserve-fds`), which are 3 and so on there.
    pub(crate) preserved: &'a [OwnedFd],
}

/// Starts a monitor and gives it its configuration.
pub(crate) fn spawn(config: &MonitorConfig, handed: &Handed<'_>) -> Result<Monitor> {
    let (ours, theirs) = Channel::pair().context("make the monitor's channel")?;
    let file = seal::binary().context("open our own binary")?;
    let null = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
    let stdio = handed.streams.unwrap_or([null.as_fd(); 3]);
    // Taken here and handed on: from now on whoever asks finds it held, until the last of us has ended.
    let lease = Lock::lease_within(&config.data_dir.join("monitor.lock"), PATIENCE)?
        .ok_or_else(|| Error::conflict("another monitor has this container"))?;
    let mut fds = vec![theirs.as_fd(), lease.file().as_fd()];
    fds.extend(handed.foreground);
    fds.extend(handed.preserved.iter().map(AsFd::as_fd));
    let arguments = words(["monitor", config.id.as_str()])?;
    let monitors = if config.stays { Monitors::default() } else { config.cgroup.monitors() };
    let entrances: Vec<_> = monitors.entrances.iter().map(AsFd::as_fd).collect();
    let program = Program {
        file: file.as_fd(),
        arguments: &arguments,
        environment: &[],
        stdio,
        fds: &fds,
        cgroup: monitors.birthplace.as_ref().map(AsFd::as_fd),
        entrances: &entrances,
    };
    let (pid, pidfd) = spawn::spawn(&program).context("execute the monitor")?;
    drop((theirs, lease));
    let monitor = Monitor { pid, pidfd, channel: ours };
    // A monitor that ends before it has read everything says more by its report or exit code than this error does.
    monitor.channel.send(config, PATIENCE).context("configure the monitor")?;
    Ok(monitor)
}

impl Monitor {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the container's first process exists. Gives its pid and start time.
    pub(crate) fn created(&self) -> Result<(i32, u64)> {
        match self.report(PATIENCE_CREATE)? {
            Report::Created { pid, start_time } => Ok((pid, start_time)),
            Report::Failed(error) => Err(error.into()),
            Report::Running | Report::Kept => Err(out_of_turn()),
        }
    }

    /// Lets the process execute its program, and waits until it has. `addresses` are the container's, to which what
    /// comes to its published ports by loopback is relayed. The channel closes with this call.
    pub(crate) fn start(self, addresses: &[IpAddr]) -> Result<Started> {
        self.channel.send(&Command::Start { addresses: addresses.to_vec() }, PATIENCE)?;
        self.running()
    }

    /// Lets the process wait for the start by another command, which finds it by [`knock`].
    pub(crate) fn keep(self) -> Result<Started> {
        self.channel.send(&Command::Keep, PATIENCE)?;
        match self.report(PATIENCE)? {
            Report::Kept => Ok(Started { pid: self.pid, pidfd: self.pidfd }),
            Report::Failed(error) => Err(error.into()),
            Report::Created { .. } | Report::Running => Err(out_of_turn()),
        }
    }

    /// Waits until the program runs, for a monitor that was told to start immediately.
    pub(crate) fn running(self) -> Result<Started> {
        loop {
            match self.report(PATIENCE_CREATE)? {
                Report::Running => return Ok(Started { pid: self.pid, pidfd: self.pidfd }),
                Report::Failed(error) => return Err(error.into()),
                // Not asked for, not wrong.
                Report::Created { .. } | Report::Kept => {}
            }
        }
    }

    fn report(&self, patience: Duration) -> Result<Report> {
        let report = self.channel.receive(patience).context("hear from the monitor")?;
        report.ok_or_else(|| {
            let how = match reap(self.pidfd.as_fd(), WaitIdOptions::EXITED) {
                Ok(Some(code)) => format!(" with code {code}"),
                _ => String::new(),
            };
            Error::new(ErrorKind::Unavailable, format!("the monitor ended{how} before it reported")).into()
        })
    }
}

/// Begins a conversation with a monitor that keeps its container, at the gate in `run_dir`.
pub(crate) fn knock(run_dir: &Path, monitor: ProcessRef) -> Result<Monitor> {
    let gone = || Error::state("the monitor of the container is gone");
    let pid = Pid::from_raw(monitor.pid).ok_or_else(gone)?;
    let pidfd = process::open(monitor.pid, monitor.start_time).context("open the monitor")?.ok_or_else(gone)?;
    let socket = attach::connect(&run_dir.join(GATE)).context("reach the container that waits")?;
    Ok(Monitor { pid, pidfd, channel: Channel::from_fd(socket) })
}

fn out_of_turn() -> anyhow::Error {
    Error::new(ErrorKind::Unavailable, "the monitor reported out of turn").into()
}

/// A monitor whose container runs. It stays when this is dropped.
#[derive(Debug)]
pub(crate) struct Started {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Started {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until monitor and Cleanup have ended, and reaps them: they are our children while we live.
    pub(crate) fn wait(self) -> io::Result<()> {
        reap(self.pidfd.as_fd(), WaitIdOptions::EXITED).map(|_| ())
    }
}

/// Reaps our child `pidfd`: its exit code, or 128 and its signal.
fn reap(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> io::Result<Option<i32>> {
    loop {
        match waitid(WaitId::PidFd(pidfd), options) {
            Ok(status) => {
                return Ok(status.and_then(|status| {
                    status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal))
                }));
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts our own binary with the arguments of a role, for which nobody waits.
pub(crate) fn cleanup(arguments: &[String]) -> Result<()> {
    let file = seal::binary().context("open our own binary")?;
    let null = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
    let arguments = words(arguments.iter().map(String::as_str))?;
    let stdio = [null.as_fd(); 3];
    spawn::spawn(&Program {
        file: file.as_fd(),
        arguments: &arguments,
        environment: &[],
        stdio,
        fds: &[],
        cgroup: None,
        entrances: &[],
    })
    .context("execute the clean-up")?;
    Ok(())
}

/// The arguments of our own binary.
fn words<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Vec<CString>> {
    let name = seal::installed().context("find our own binary")?.into_os_string().into_vec();
    let words = std::iter::once(name).chain(arguments.into_iter().map(|word| word.as_bytes().to_vec()));
    words.map(CString::new).collect::<Result<_, _>>().context("an argument holds a NUL byte")
}
