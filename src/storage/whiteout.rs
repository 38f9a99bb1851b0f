//! The words in which overlayfs keeps what a layer takes away.

use std::os::fd::BorrowedFd;

use anyhow::{Context, Result};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

/// Attributes by which overlayfs itself speaks.
pub(crate) fn internal(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Whether it says that the name below is gone: a character device 0:0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether a directory hides what is below it.
pub(crate) fn is_opaque(dir: BorrowedFd<'_>) -> Result<bool> {
    for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        let mut value = [0; 8];
        match rustix::fs::fgetxattr(dir, name, &mut value[..]) {
            Ok(1) if value[0] == b'y' => return Ok(true),
            Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::RANGE) => {}
            Err(errno) => return Err(errno).context("read an attribute of a directory"),
        }
    }
    Ok(false)
}
