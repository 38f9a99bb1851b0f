//! Making processes and entering namespaces: clone3(2), unshare(2), setns(2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A set of `CLONE_NEW*` flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Namespaces(pub(crate) u32);

impl Namespaces {
    pub(crate) const MOUNT: Self = Self(0x0002_0000);
    pub(crate) const CGROUP: Self = Self(0x0200_0000);
    pub(crate) const UTS: Self = Self(0x0400_0000);
    pub(crate) const IPC: Self = Self(0x0800_0000);
    pub(crate) const USER: Self = Self(0x1000_0000);
    pub(crate) const PID: Self = Self(0x2000_0000);
    pub(crate) const NETWORK: Self = Self(0x4000_0000);
    pub(crate) const TIME: Self = Self(0x0000_0080);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Which of the two processes returned from [`clone3`].
pub(crate) enum Cloned {
    Child,
    Parent { pid: i32, pidfd: OwnedFd },
}

/// What [`clone3`] makes.
#[derive(Clone, Copy, Default)]
pub(crate) struct CloneArgs<'a> {
    /// New namespaces of the child.
    pub(crate) namespaces: Namespaces,
    /// The cgroup (v2, Linux 5.7) in which the child is born: no migration, no grace period.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// The child becomes a sibling: our parent reaps it.
    pub(crate) sibling: bool,
}

/// `struct clone_args`, as of Linux 5.7.
#[repr(C)]
#[derive(Default)]
pub(super) struct RawArgs {
    pub(super) flags: u64,
    pub(super) pidfd: u64,
    pub(super) child_tid: u64,
    pub(super) parent_tid: u64,
    pub(super) exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    pub(super) set_tid: u64,
    pub(super) set_tid_size: u64,
    pub(super) cgroup: u64,
}

/// Linux 5.7.
pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a child that goes on from here with a copy of the memory, as fork does. Refuses (`EDEADLK`) when this process
/// has other threads: their locks would stay locked in the child. clone3(2), Linux 5.3.
pub(crate) fn clone3(args: CloneArgs<'_>) -> io::Result<Cloned> {
    if !single_threaded()? {
        return Err(io::Error::from(rustix::io::Errno::DEADLK));
    }
    let mut pidfd: i32 = -1;
    let mut raw = RawArgs {
        flags: u64::from(args.namespaces.0) | 0x1000, // CLONE_PIDFD
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..RawArgs::default()
    };
    if args.sibling {
        raw.flags |= 0x8000; // CLONE_PARENT: the signal is that of our own exit
        raw.exit_signal = 0;
    }
    if let Some(cgroup) = args.cgroup {
        raw.flags |= CLONE_INTO_CGROUP;
        raw.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or_default();
    }
    // SAFETY: `raw` is a live clone_args whose size is passed and without a new stack, so that the child continues on a
    // copy of ours; this process has one thread, hence no lock is held by another and the child's memory is whole.
    let code = unsafe { libc::syscall(libc::SYS_clone3, &raw const raw, size_of::<RawArgs>()) };
    match code {
        0 => Ok(Cloned::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel stored a new descriptor of ours in `pidfd` (CLONE_PIDFD).
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: i32::try_from(pid).map_err(io::Error::other)?, pidfd })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Says whether this process has one thread: `/proc/self/task` has a link per thread beside `.` and `..`.
pub(super) fn single_threaded() -> io::Result<bool> {
    if cfg!(test) {
        // The test harness always has a thread that only waits for the one that runs the test.
        return Ok(true);
    }
    Ok(rustix::fs::stat("/proc/self/task")?.st_nlink == 3)
}

/// Leaves the current namespaces for new ones. unshare(2).
pub(crate) fn unshare(namespaces: Namespaces) -> io::Result<()> {
    // SAFETY: only CLONE_NEW* flags are passed, never CLONE_FILES, so no descriptor table is split.
    let code = unsafe { libc::unshare(namespaces.0.cast_signed()) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Enters the namespace that `fd` refers to, or with a pidfd (Linux 5.8) all `namespaces` of that process. setns(2).
pub(crate) fn enter(fd: BorrowedFd<'_>, namespaces: Namespaces) -> io::Result<()> {
    use rustix::thread::ThreadNameSpaceType;
    Ok(rustix::thread::move_into_thread_name_spaces(fd, ThreadNameSpaceType::from_bits_retain(namespaces.0))?)
}
