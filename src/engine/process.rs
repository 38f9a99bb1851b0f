//! Processes that a record speaks of, as the engine uses them: a pid counts only with its start time.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;

pub(crate) use crate::runtime::kill::open;
use crate::sys::{pidfd, proc};

/// Whether the process lives; one that cannot be asked about does not.
pub(crate) fn is_alive(pid: i32, start_time: u64) -> bool {
    crate::runtime::kill::is_alive(pid, start_time).unwrap_or(false)
}

/// The start time of `pid`, when it is there.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    proc::start_time(pid).ok()
}

/// This process's pid and start time.
pub(crate) fn own() -> io::Result<(i32, u64)> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    Ok((pid, proc::start_time(pid)?))
}

/// Sends signal number `number`; that the process is gone is success.
pub(crate) fn signal(fd: impl AsFd, number: i32) -> io::Result<()> {
    match pidfd::signal(fd.as_fd(), number) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done,
    }
}

/// Waits until the process is dead, for at most `timeout`. Whether it is.
pub(crate) fn wait(fd: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    Ok(pidfd::ended_within(fd.as_fd(), timeout)?)
}
