//! Subvolumes of btrfs: made, copied and removed at once. btrfs-ioctl(2).

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};

/// `statfs.f_type` of btrfs (linux/magic.h).
const MAGIC: u64 = 0x9123_683e;
/// The inode number of a subvolume's root (`BTRFS_FIRST_FREE_OBJECTID`).
const ROOT_INODE: u64 = 256;

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

// `_IOW(0x94, number, struct btrfs_ioctl_vol_args)`.
const fn request(number: u32) -> u32 {
    (1 << 30) | (4096 << 16) | (0x94 << 8) | number
}
const _: () = assert!(size_of::<VolArgs>() == 4096);

const SNAP_CREATE: u32 = request(1);
const SUBVOL_CREATE: u32 = request(14);
const SNAP_DESTROY: u32 = request(15);

/// Whether the file is on btrfs.
pub(crate) fn is_btrfs(fd: impl AsFd) -> bool {
    rustix::fs::fstatfs(fd).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == MAGIC))
}

/// Whether a directory is the root of a subvolume.
pub(crate) fn is_subvolume(dir: impl AsFd) -> bool {
    rustix::fs::fstat(&dir).is_ok_and(|stat| stat.st_ino == ROOT_INODE) && is_btrfs(dir)
}

/// Makes the empty subvolume `name` in `dir`, with mode 755.
pub(crate) fn create(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    control(dir.as_fd(), SUBVOL_CREATE, None, name)
}

/// Makes the writable snapshot `name` in `dir` of the subvolume whose root is open as `source`. What `source` holds is on
/// the disk then.
pub(crate) fn snapshot(source: impl AsFd, dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    control(dir.as_fd(), SNAP_CREATE, Some(source.as_fd()), name)
}

/// Removes the subvolume `name` of `dir` with all that is in it. Needs privilege, or the mount option
/// `user_subvol_rm_allowed`; fails where another subvolume is in it.
pub(crate) fn destroy(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    // The caller's descriptor may be one that only names.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    control(dir.as_fd(), SNAP_DESTROY, None, name)
}

fn control(dir: BorrowedFd<'_>, request: u32, source: Option<BorrowedFd<'_>>, name: &OsStr) -> io::Result<()> {
    let mut args = VolArgs { fd: source.map_or(0, |fd| i64::from(fd.as_raw_fd())), name: [0; 4088] };
    let name = name.as_bytes();
    // The last byte ends the name.
    if name.is_empty() || name.len() >= args.name.len() || name.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    args.name[..name.len()].copy_from_slice(name);
    #[expect(clippy::cast_possible_wrap, reason = "libc's own type of requests")]
    let request = request as libc::Ioctl;
    // SAFETY: `args` is a live struct of the size that the request tells, its name is terminated; the kernel only reads it.
    if unsafe { libc::ioctl(dir.as_raw_fd(), request, &raw const args) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
