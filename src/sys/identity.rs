//! What a process is about itself: its ids, signals, personality, and how closely others may look at it.

use std::io;

use rustix::process::{Gid, Uid};

/// Becomes user `uid` and group `gid` with exactly `groups`, or with those that this process has (`None`). Real,
/// effective, saved and file system ids. For a process with one thread. setgroups(2), setresgid(2), setresuid(2).
pub(crate) fn become_user(uid: u32, gid: u32, groups: Option<&[u32]>) -> io::Result<()> {
    if let Some(groups) = groups {
        let groups: Vec<Gid> = groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        match rustix::thread::set_thread_groups(&groups) {
            // A user namespace made by an ordinary user denies it, and has no groups to drop.
            Err(rustix::io::Errno::PERM) if groups.iter().all(|group| group.as_raw() == gid) => {}
            done => done?,
        }
    }
    let gid = Gid::from_raw(gid);
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    let uid = Uid::from_raw(uid);
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}

/// Reads the real, effective and saved user ids, and the group ids. getresuid(2), getresgid(2).
pub(crate) fn ids() -> io::Result<([u32; 3], [u32; 3])> {
    let ([mut user, mut effective_user, mut saved_user], [mut group, mut effective_group, mut saved_group]) =
        ([0; 3], [0; 3]);
    // SAFETY: all six are live, and the kernel writes one number to each.
    let code = unsafe {
        libc::getresuid(&raw mut user, &raw mut effective_user, &raw mut saved_user)
            | libc::getresgid(&raw mut group, &raw mut effective_group, &raw mut saved_group)
    };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(([user, effective_user, saved_user], [group, effective_group, saved_group]))
}

/// Forbids others to trace this process and to look into it, until execve. prctl(2), PR_SET_DUMPABLE.
pub(crate) fn hide() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

/// Gives all signals their default action and blocks none, whatever the parent ignored. sigaction(2), sigprocmask(2).
pub(crate) fn reset_signals() -> io::Result<()> {
    // The kernel's struct sigaction, at most 40 bytes: the default action, no flags, an empty mask. libc's function would
    // leave out the signals that it keeps for itself, and a parent may have ignored those too.
    let default = [0_u64; 5];
    for signal in 1..=64 {
        // SAFETY: `default` is live, and the kernel only reads it; no handler of ours is needed any more. SIGKILL and
        // SIGSTOP are refused, and are what they should be.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, std::ptr::null_mut::<u64>(), 8) };
    }
    // SAFETY: all-zero bytes are an empty set, which the kernel only reads.
    let code = unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut())
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Blocks every signal for this thread, so that [`next_signal`] takes them. sigprocmask(2).
pub(crate) fn block_signals() -> io::Result<()> {
    // SAFETY: the set is filled before it is used; the kernel only reads it.
    let code = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut())
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for a signal and gives its number. sigwaitinfo(2).
pub(crate) fn next_signal() -> io::Result<i32> {
    // SAFETY: the set is filled before it is used; the kernel only reads it, and writes no information to null.
    let signal = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigwaitinfo(&raw const all, std::ptr::null_mut())
    };
    if signal > 0 { Ok(signal) } else { Err(io::Error::last_os_error()) }
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
}
