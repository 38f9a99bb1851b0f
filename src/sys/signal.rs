//! Signals that arrive as reads of a descriptor instead of as interruptions (signalfd(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Blocked signals of this thread, readable from a descriptor; dropping it unblocks them.
///
/// Threads that are made later inherit the mask; programs that [`super::spawn`] executes do not.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    before: libc::sigset_t,
}

impl Signals {
    /// Blocks `signals` and catches them. What is none, or cannot be caught, is left alone.
    pub(crate) fn catch(signals: impl IntoIterator<Item = i32>) -> io::Result<Self> {
        // SAFETY: the sets are plain data that sigemptyset(3) initializes; sigaddset refuses bad numbers by a code;
        // the descriptor that signalfd(2) returns is new and ours.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal);
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            let mut before: libc::sigset_t = std::mem::zeroed();
            match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) {
                0 => Ok(Self { fd, before }),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// Takes the next signal; `None` when none waits.
    pub(crate) fn next(&self) -> io::Result<Option<i32>> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.fd, &mut info) {
            // The number is the first field, ssi_signo.
            Ok(_) => Ok(Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a signal, for `limit` at most, and takes it.
    pub(crate) fn next_within(&self, limit: Duration) -> io::Result<Option<i32>> {
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => self.next(),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: the set is what pthread_sigmask(3) gave us.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read() {
        let signals = Signals::catch([libc::SIGUSR2, 999]).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        // SAFETY: the signal is blocked in this thread, which is the only one that gets it.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
        assert_eq!(signals.next().unwrap(), Some(libc::SIGUSR2));
        assert_eq!(signals.next_within(Duration::ZERO).unwrap(), None);
        // SAFETY: as above.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2) };
        assert_eq!(signals.next_within(Duration::from_secs(60)).unwrap(), Some(libc::SIGUSR2));
    }
}
