//! The end of a container, as its monitor records it.
//!
//! `exit.json` in the container's directory is removed before a start and written before the monitor lets its lock go:
//! a free lock without it means that the monitor was lost.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::model::container::{EndCause, ExitRecord};
use crate::state::record::{self, Durability, VERSION};
use crate::sys::pidfd_info;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
    /// The kernel told nobody whom we could ask.
    Lost,
}

impl End {
    /// Reads a status of wait(2).
    pub(crate) fn from_wait_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Code(status >> 8 & 0xff),
            signal => Self::Signal(signal),
        }
    }

    /// The exit code that people see: 128 and the signal, and 255 where it is lost.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::Lost => 255,
        }
    }
}

/// The record of an end that happens now.
pub(crate) fn record(run: u64, end: End, oom_killed: bool, cause: Option<EndCause>) -> ExitRecord {
    let exit_code = (end != End::Lost).then(|| end.code());
    ExitRecord { version: VERSION, run, exit_code, oom_killed, cause, finished_at: Timestamp::now() }
}

/// Writes the record into the container's directory, on a full disk in the place of the one of its beginning.
pub(crate) fn write(dir: &Path, record: &ExitRecord, durability: Durability) -> Result<()> {
    record::write_or_over(&dir.join("exit.json"), &dir.join("init.json"), record, durability)
}

/// The process that a container lives by.
pub(crate) enum Child {
    /// Our own: we reap it.
    Ours(OwnedFd),
    /// Of a monitor that died: somebody else reaps it.
    Adopted { pidfd: OwnedFd, pid: i32 },
}

impl Child {
    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Ours(pidfd) | Self::Adopted { pidfd, .. } => pidfd.as_fd(),
        }
    }

    /// How it ended; `None` while it lives.
    pub(crate) fn end(&self) -> io::Result<Option<End>> {
        match self {
            Self::Ours(pidfd) => reap(pidfd.as_fd()),
            Self::Adopted { pidfd, pid } => foreign(pidfd.as_fd(), *pid),
        }
    }

    /// Kills the process, without waiting for its end.
    pub(crate) fn signal_kill(&self) {
        use rustix::process::{Signal, pidfd_send_signal};
        // It may have ended by itself meanwhile.
        pidfd_send_signal(self.pidfd(), Signal::KILL).ok();
    }

    /// Kills it and waits for its end.
    pub(crate) fn kill(&self) {
        self.signal_kill();
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(self.pidfd(), rustix::event::PollFlags::IN)];
        while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        self.end().ok();
    }
}

fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<End>> {
    match waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(None) => Ok(None),
        Ok(Some(status)) => Ok(Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => End::Code(code),
            (None, Some(signal)) => End::Signal(signal),
            (None, None) => End::Lost,
        })),
        // Not our child after all.
        Err(rustix::io::Errno::CHILD) => Ok(Some(End::Lost)),
        Err(error) => Err(error.into()),
    }
}

/// The end of a process that is not our child: from its pidfd once it is reaped, before that from the zombie.
fn foreign(pidfd: BorrowedFd<'_>, pid: i32) -> io::Result<Option<End>> {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(pidfd, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    if rustix::event::poll(&mut fds, Some(&now))? == 0 {
        return Ok(None);
    }
    Ok(Some(of_dead(pidfd, pid).unwrap_or(End::Lost)))
}

/// How the dead process `pid`, whose end its pidfd has told, came to it. `None`: the kernel does not tell any more.
pub(crate) fn of_dead(pidfd: BorrowedFd<'_>, pid: i32) -> Option<End> {
    // A zombie until somebody reaps it, which may be between the two looks of the first round, but not of the second.
    let look = || pidfd_info::exit_status(pidfd).ok().flatten().or_else(|| zombie_status(pid));
    look().or_else(look).map(End::from_wait_status)
}

/// Field 52 of `/proc/PID/stat`, `exit_code`, of a process that is dead but still there.
fn zombie_status(pid: i32) -> Option<i32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_zombie(&stat)
}

fn parse_zombie(stat: &[u8]) -> Option<i32> {
    // The command in brackets may hold anything; the fields behind the last bracket are plain. The third is the state.
    let end = memchr::memrchr(b')', stat)?;
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace();
    // A zombie, or one that nobody has to wait for and that is just going.
    if !matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(52 - 4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn wait_statuses_become_codes() {
        for (status, end, code) in
            [(0, End::Code(0), 0), (0x300, End::Code(3), 3), (9, End::Signal(9), 137), (0x8b, End::Signal(11), 139)]
        {
            assert_eq!((End::from_wait_status(status), end.code()), (end, code));
        }
    }

    #[test]
    fn reads_the_zombies_field() {
        let numbers = |count: usize| vec!["0"; count].join(" ");
        assert_eq!(parse_zombie(format!("7 (a) Z b) Z {} 256", numbers(48)).as_bytes()), Some(256));
        assert_eq!(parse_zombie(format!("7 (sh) S {} 256", numbers(48)).as_bytes()), None);
        for bad in ["", "7 (sh", "7 (sh) Z 1 2"] {
            assert_eq!(parse_zombie(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn our_child_and_a_foreign_one_tell_their_end() {
        for (script, want) in [("exit 7", End::Code(7)), ("kill -9 $$", End::Signal(9))] {
            let mut ours = Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
            let pid = i32::try_from(ours.id()).unwrap();
            let raw = rustix::process::Pid::from_raw(pid).unwrap();
            let open = || rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty()).unwrap();
            let foreign = Child::Adopted { pidfd: open(), pid };
            let child = Child::Ours(open());
            let mut fds = [rustix::event::PollFd::from_borrowed_fd(child.pidfd(), rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, None).unwrap();
            assert_eq!(foreign.end().unwrap(), Some(want), "from the zombie");
            assert_eq!(child.end().unwrap(), Some(want), "by reaping");
            // After the reaping, Linux 6.15 still knows.
            if pidfd_info::exit_status(foreign.pidfd()).unwrap().is_some() {
                assert_eq!(foreign.end().unwrap(), Some(want), "from the pidfd");
            } else {
                eprintln!("skipped: PIDFD_INFO_EXIT needs Linux 6.15");
            }
            ours.wait().ok();
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_zombie_or_not(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = parse_zombie(&bytes);
        }
    }
}
