//! Processes that a record speaks of: a pid counts only with its start time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::{pidfd, proc};

/// Whether the process that a record speaks of lives: it is there, with that start time, and is no zombie.
pub(crate) fn is_alive(pid: i32, start: u64) -> bool {
    matches!(open(pid, start), Ok(Some(fd)) if !pidfd::ended_within(fd.as_fd(), Some(Duration::ZERO)).unwrap_or(true))
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

/// Opens the process that a record speaks of. `None` when it is gone: another may have its pid.
pub(crate) fn open(pid: i32, start: u64) -> io::Result<Option<OwnedFd>> {
    match pidfd::open(pid) {
        Ok(fd) => Ok((start_time(pid) == Some(start)).then_some(fd)),
        // EINVAL: it was reaped this moment, or the number is that of somebody's thread by now.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::EINVAL)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends signal number `number`; that the process is gone is success.
pub(crate) fn signal(fd: impl AsFd, number: i32) -> io::Result<()> {
    match pidfd::signal(fd.as_fd(), number) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done,
    }
}

/// Waits until the process is dead, for at most `timeout`. Whether it is.
pub(crate) fn wait(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<bool> {
    pidfd::ended_within(fd.as_fd(), timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R41: a number that another process has by now is nobody's.
    #[test]
    fn a_number_counts_with_its_start_time_only() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = start_time(pid).unwrap();
        assert!(is_alive(pid, start) && open(pid, start).unwrap().is_some());
        for other in [0, start - 1, start + 1] {
            assert!(!is_alive(pid, other) && open(pid, other).unwrap().is_none(), "{other}");
        }
        child.kill().unwrap();
        // A zombie is dead.
        assert!(wait(pidfd::open(pid).unwrap(), None).unwrap() && !is_alive(pid, start));
        child.wait().unwrap();
        assert!(!is_alive(pid, start) && open(pid, start).unwrap().is_none());
    }
}
