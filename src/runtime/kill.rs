//! Signals to a container's processes: only to the one that was recorded, whatever has its number now.

use std::os::fd::AsFd;

use anyhow::{Context, Result};

use crate::model::error::Error;
use crate::sys::{pidfd, process};

/// Sends signal number `signal` to process `pid` that started at `start_time`.
pub(crate) fn kill(pid: i32, start_time: u64, signal: i32) -> Result<()> {
    let gone = || Error::state("container not running");
    let fd = process::open(pid, start_time).with_context(|| format!("open process {pid}"))?.ok_or_else(gone)?;
    match pidfd::signal(fd.as_fd(), signal) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(gone().into()),
        done => done.with_context(|| format!("send signal {signal} to process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc;

    #[test]
    fn only_the_process_that_was_recorded_is_signalled() {
        let mut child = std::process::Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let time = proc::start_time(pid).unwrap();
        assert!(kill(pid, time + 1, libc::SIGKILL).is_err());
        assert!(process::is_alive(pid, time));
        kill(pid, time, libc::SIGKILL).unwrap();
        child.wait().unwrap();
        let error = kill(pid, time, libc::SIGKILL).unwrap_err();
        assert_eq!(error.to_string(), "container not running");
    }
}
