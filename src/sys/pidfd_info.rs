//! What a pidfd still knows of a process that somebody else reaped.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct pidfd_info` of Linux 6.13, its first 64 bytes.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid and eight ids.
    ids: [u32; 11],
    exit_code: i32,
}

/// `_IOWR(0xff, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: libc::Ioctl = 0xc040_ff0b_u32 as libc::Ioctl;
/// Linux 6.15.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// The wait status of a process that was reaped. `None`: it was not yet, or this kernel does not tell.
/// ioctl_pidfd(2).
pub(crate) fn exit_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: `info` is a live repr(C) struct of the size that the request number encodes; the kernel fills it.
    let code = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if code < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // Not reaped and gone; or a kernel before 6.13.
            Some(libc::ESRCH | libc::ENOTTY | libc::EINVAL) => Ok(None),
            _ => Err(error),
        };
    }
    Ok((info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code))
}
