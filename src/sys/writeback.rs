//! Writeback that begins early.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Begins to write `length` dirty bytes from `offset` to the disk and does not wait. sync_file_range(2).
pub(crate) fn begin(fd: impl AsFd, offset: u64, length: u64) -> io::Result<()> {
    let too_large = |_| io::Error::from(rustix::io::Errno::INVAL);
    let offset = i64::try_from(offset).map_err(too_large)?;
    let length = i64::try_from(length).map_err(too_large)?;
    // SAFETY: the call takes numbers only; the descriptor is borrowed and stays open.
    let code = unsafe { libc::sync_file_range(fd.as_fd().as_raw_fd(), offset, length, libc::SYNC_FILE_RANGE_WRITE) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
