//! User namespaces: whose they are, which one is above, and the maps that a process may write for itself.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::proc::Proc;

/// `_IO(0xb7, 2)`.
const NS_GET_PARENT: libc::Ioctl = 0xb702 as libc::Ioctl;
/// `_IO(0xb7, 4)`, Linux 4.11.
const NS_GET_OWNER_UID: libc::Ioctl = 0xb704 as libc::Ioctl;

/// Opens the user namespace of process `pid`. The process may be another one by now: check a pidfd afterwards.
pub(crate) fn of(pid: i32) -> io::Result<OwnedFd> {
    // One of the kernel's own magic links, so not through `Proc::open`.
    let path = format!("{pid}/ns/user");
    Ok(rustix::fs::openat(Proc::host()?.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens our own user namespace.
pub(crate) fn own() -> io::Result<OwnedFd> {
    of(rustix::process::getpid().as_raw_nonzero().get())
}

/// Who made the user namespace, as an id of ours. ioctl_ns(2), NS_GET_OWNER_UID.
pub(crate) fn owner(namespace: BorrowedFd<'_>) -> io::Result<u32> {
    let mut uid: libc::uid_t = 0;
    // SAFETY: the kernel stores one uid_t through the pointer, which is live.
    let code = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_OWNER_UID, &raw mut uid) };
    if code == 0 { Ok(uid) } else { Err(io::Error::last_os_error()) }
}

/// The user namespace above; `EPERM` where that is out of our sight. ioctl_ns(2), NS_GET_PARENT.
pub(crate) fn parent(namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: no argument is read; a new descriptor is returned.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_PARENT) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made this descriptor for us just now (close-on-exec).
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether both are the same namespace.
pub(crate) fn same(one: impl AsFd, other: impl AsFd) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// Maps root to one user and group: all that the kernel lets an ordinary user write, and only to give up setgroups(2).
/// user_namespaces(7).
pub(crate) fn map_one(uid: u32, gid: u32) -> io::Result<()> {
    let this = Proc::host()?.this()?;
    this.write("setgroups", b"deny")?;
    this.write("gid_map", format!("0 {gid} 1\n").as_bytes())?;
    this.write("uid_map", format!("0 {uid} 1\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_namespace_is_itself_and_not_another_kind() {
        let own = own().unwrap();
        assert!(same(&own, super::own().unwrap()).unwrap());
        let pid = std::fs::File::open("/proc/self/ns/pid").unwrap();
        assert!(!same(&own, &pid).unwrap());
        // A pid namespace has no owner of its own to tell.
        assert!(owner(pid.as_fd()).is_err());
    }
}
