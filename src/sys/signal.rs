//! Signals by number: rustix's type leaves the real-time ones out.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Sends signal number `signal` to the process that `pidfd` holds; that it is gone is success. pidfd_send_signal(2).
pub(crate) fn send(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the fd is borrowed for the call, the info pointer is null as the page allows, no memory is touched.
    let code =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) };
    if code == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}
