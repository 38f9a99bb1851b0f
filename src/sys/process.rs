//! Processes that a record speaks of: a pid counts only with its start time.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal};

/// The start time of process `pid`: field 22 of /proc/PID/stat, in clock ticks since the boot. `None` when it is gone or a
/// zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything: fields are counted from the last one on.
    let close = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&stat[close + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether the process that a record speaks of lives.
pub(crate) fn is_alive(pid: i32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// This process's pid and start time.
pub(crate) fn own() -> io::Result<(i32, u64)> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let start = start_time(pid).ok_or_else(|| io::Error::other("read the start time of this process"))?;
    Ok((pid, start))
}

/// Opens the process that a record speaks of. `None` when it is gone: another may have its pid.
pub(crate) fn open(pid: i32, start: u64) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(None) };
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) if is_alive(pid.as_raw_nonzero().get(), start) => Ok(Some(fd)),
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sends `signal` to the process that `fd` holds; that it is gone is success. pidfd_send_signal(2).
pub(crate) fn signal(fd: &OwnedFd, signal: Signal) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(fd, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        done => Ok(done?),
    }
}

/// Waits until the process that `fd` holds is dead, for at most `timeout`. Whether it is.
pub(crate) fn wait(fd: &OwnedFd, timeout: Option<std::time::Duration>) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let deadline = timeout.map(|timeout| std::time::Instant::now() + timeout);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(std::time::Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}
