<<<<<<< HEAD
//! What a process is about itself: its ids, personality, and how closely others may look at it.

use std::io;

use rustix::process::{Gid, Uid};

/// Becomes user `uid` and group `gid` with exactly `groups`. Real, effective, saved and file system ids. For a process
/// with one thread. setgroups(2), setresgid(2), setresuid(2).
pub(crate) fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    match rustix::thread::set_thread_groups(&groups) {
        // A user namespace made by an ordinary user denies it, and has no groups to drop.
        Err(rustix::io::Errno::PERM) if groups.is_empty() => {}
        done => done?,
    }
    let gid = Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(uid);
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}

/// Forbids others to trace this process and to look into it, until execve. prctl(2), PR_SET_DUMPABLE.
pub(crate) fn hide() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

/// Sets the execution domain. personality(2).
pub(crate) fn set_personality(persona: libc::c_ulong) -> io::Result<()> {
    // SAFETY: an integer only; it takes effect for this process.
    if unsafe { libc::personality(persona) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets class and priority of input and output of this process. ioprio_set(2).
pub(crate) fn set_io_priority(class: i32, priority: i32) -> io::Result<()> {
    // SAFETY: integers only; IOPRIO_WHO_PROCESS (1) and 0 mean this thread.
    let code = unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, class << 13 | priority) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
=======
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
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
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
>>>>>>> runtime
}
