//! Signals to a container's processes, and whether one is still the one that was recorded.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};

use crate::model::error::Error;
use crate::sys::{pidfd, proc};

/// Opens process `pid` if it is still the one that started at `start_time`; `None` when that one is gone.
pub(crate) fn open(pid: i32, start_time: u64) -> Result<Option<OwnedFd>> {
    let gone = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::NotFound) || error.raw_os_error() == Some(libc::ESRCH)
    };
    let fd = match pidfd::open(pid) {
        Ok(fd) => fd,
        Err(error) if gone(&error) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open process {pid}")),
    };
    // Read after the descriptor was opened: what it refers to cannot have been replaced in between.
    match proc::start_time(pid) {
        Ok(now) if now == start_time => Ok(Some(fd)),
        Ok(_) => Ok(None),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("look at process {pid}")),
    }
}

/// Whether process `pid` that started at `start_time` lives; one that ended and is not yet reaped does not.
pub(crate) fn is_alive(pid: i32, start_time: u64) -> Result<bool> {
    match open(pid, start_time)? {
        Some(fd) => Ok(!pidfd::ended_within(fd.as_fd(), Some(std::time::Duration::ZERO))?),
        None => Ok(false),
    }
}

/// Sends `signal` to process `pid` that started at `start_time`.
pub(crate) fn kill(pid: i32, start_time: u64, signal: i32) -> Result<()> {
    let Some(fd) = open(pid, start_time)? else { return Err(Error::state("container not running").into()) };
    match pidfd::signal(fd.as_fd(), signal) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(Error::state("container not running").into()),
        done => done.with_context(|| format!("send signal {signal} to process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let mut child = std::process::Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let time = proc::start_time(pid).unwrap();
        assert!(is_alive(pid, time).unwrap());
        assert!(!is_alive(pid, time + 1).unwrap());
        assert!(kill(pid, time + 1, libc::SIGKILL).is_err());
        kill(pid, time, libc::SIGKILL).unwrap();
        let fd = open(pid, time).unwrap().unwrap();
        assert!(pidfd::ended_within(fd.as_fd(), None).unwrap());
        assert!(!is_alive(pid, time).unwrap());
        child.wait().unwrap();
        assert!(!is_alive(pid, time).unwrap());
    }
}
