//! Starting a program from an open file, cheaply, from a process that may have threads.
//!
//! `clone(CLONE_VM | CLONE_VFORK)`: the child borrows our memory on a stack of its own, so no page table is copied, and
//! this thread waits until it has executed the program. Between the two the child makes system calls alone.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use super::clone::{CLONE_INTO_CGROUP, RawArgs};

/// Stack of the child until it executes: it calls a dozen system calls.
const STACK: usize = 32 << 10;

/// A program to start.
pub(crate) struct Program<'a> {
    /// The executable, opened with `O_PATH` or for reading.
    pub(crate) file: BorrowedFd<'a>,
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    /// Become 0, 1 and 2.
    pub(crate) stdio: [BorrowedFd<'a>; 3],
    /// Become 3 and so on. The program gets no others.
    pub(crate) fds: &'a [BorrowedFd<'a>],
    /// The directory of cgroup v2 to be born in, where the kernel lets it; else that of the parent.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// Files of cgroup v1 to enter by, where they let it.
    pub(crate) entrances: &'a [BorrowedFd<'a>],
}

/// What the child needs, made before it exists: it must not allocate.
struct Plan {
    file: RawFd,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// Where each of them is now, by the number it is to have.
    fds: Vec<RawFd>,
    entrances: Vec<RawFd>,
    errno: libc::c_int,
}

/// Starts `program` as the leader of a session of its own, in `/`, with no signal blocked. Returns its pid and pidfd.
/// clone(2), execveat(2).
pub(crate) fn spawn(program: &Program<'_>) -> io::Result<(Pid, OwnedFd)> {
    let list = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
    let mut plan = Plan {
        file: program.file.as_raw_fd(),
        arguments: list(program.arguments),
        environment: list(program.environment),
        fds: program.stdio.iter().chain(program.fds).map(AsRawFd::as_raw_fd).collect(),
        entrances: program.entrances.iter().map(AsRawFd::as_raw_fd).collect(),
        errno: 0,
    };
    let mut stack = vec![0_u8; STACK];
    let mut pidfd: RawFd = -1;
    // SAFETY: all sets are initialized by the calls that fill them. Every signal is blocked while the child shares our
    // memory, so that no handler of ours runs in it. The stack is live until the child has executed or ended, as
    // CLONE_VFORK suspends this thread; its top is aligned to 16. `plan` outlives the child for the same reason, and
    // `child` touches nothing else. With CLONE_PIDFD the kernel stores the new descriptor through the parent_tid pointer.
    let pid = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
        let top = stack.as_mut_ptr().add(STACK);
        let top = top.sub(top as usize % 16);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD;
        let mut pid = -1;
        if let Some(cgroup) = program.cgroup {
            let raw = RawArgs {
                flags: flags as u64 | CLONE_INTO_CGROUP,
                pidfd: (&raw mut pidfd) as u64,
                exit_signal: libc::SIGCHLD as u64,
                stack: stack.as_mut_ptr() as u64,
                stack_size: (top as usize - stack.as_ptr() as usize) as u64,
                cgroup: u64::try_from(cgroup.as_raw_fd()).unwrap_or_default(),
                ..RawArgs::default()
            };
            pid = clone_into(&raw, (&raw mut plan).cast());
        }
        if pid < 0 {
            pid = libc::clone(child, top.cast(), flags | libc::SIGCHLD, (&raw mut plan).cast(), &raw mut pidfd);
        }
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        if pid < 0 {
            return Err(error);
        }
        pid
    };
    // SAFETY: clone succeeded, so the kernel stored a descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    if plan.errno != 0 {
        // The child is a zombie that nobody else knows of.
        rustix::process::waitid(
            rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)),
            rustix::process::WaitIdOptions::EXITED,
        )
        .ok();
        return Err(io::Error::from_raw_os_error(plan.errno));
    }
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((pid, pidfd))
}

/// clone(2) by `clone3`, which alone knows cgroups and for which there is no wrapper: calls [`child`] with `plan` in the new
/// process. Returns its pid, or less than 0.
///
/// # Safety
/// As for `clone` with `CLONE_VM`: `args` names a stack that outlives the child, its top aligned to 16, and `plan` is what
/// `child` takes; `CLONE_VFORK` is among the flags.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_into(args: &RawArgs, plan: *mut libc::c_void) -> libc::c_int {
    let entry: extern "C" fn(*mut libc::c_void) -> libc::c_int = child;
    let pid: libc::c_long;
    // SAFETY: the parent's registers and stack are untouched but for those declared. The child begins on its own stack, whose
    // top is aligned as a call wants it, with a copy of the registers, and never returns from `child`, which exits.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => pid,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<RawArgs>(),
            in("r12") plan,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    libc::c_int::try_from(pid).unwrap_or(-1)
}

/// Elsewhere the child stays where its parent is.
///
/// # Safety
/// None is needed.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn clone_into(_: &RawArgs, _: *mut libc::c_void) -> libc::c_int {
    -1
}

/// Runs in the child, on memory of the parent: system calls only, by `libc`, whose wrappers of these calls do not
/// allocate or lock.
extern "C" fn child(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `spawn` passes its live `Plan`, which nobody else uses until we are gone.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    // SAFETY: system calls on integers and on the plan's pointers, which are live, NUL-terminated and end with NULL.
    unsafe {
        for entrance in &plan.entrances {
            // One that does not let us in leaves us where our parent is.
            libc::write(*entrance, c"0".as_ptr().cast(), 1);
        }
        if !arrange(plan) {
            plan.errno = *libc::__errno_location();
            libc::_exit(127);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::syscall(
            libc::SYS_execveat,
            plan.file,
            c"".as_ptr(),
            plan.arguments.as_ptr(),
            plan.environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
        plan.errno = *libc::__errno_location();
        libc::_exit(127);
    }
}

/// Puts every descriptor at its number, closes the others, leaves session and directory.
///
/// # Safety
/// Only for [`child`].
unsafe fn arrange(plan: &mut Plan) -> bool {
    let Ok(count) = RawFd::try_from(plan.fds.len()) else { return false };
    // SAFETY: system calls on integers and a literal path.
    unsafe {
        // Out of the way first: the numbers to fill may be in use as sources. Ours to keep is the one after them.
        for fd in &mut plan.fds {
            *fd = libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, count + 1);
            if *fd < 0 {
                return false;
            }
        }
        let file = libc::fcntl(plan.file, libc::F_DUPFD_CLOEXEC, count + 1);
        if file < 0 || libc::dup3(file, count, libc::O_CLOEXEC) < 0 {
            return false;
        }
        plan.file = count;
        for (number, fd) in (0..count).zip(&plan.fds) {
            if libc::dup2(*fd, number) < 0 {
                return false;
            }
        }
        let (first, last) = (libc::c_long::from(count + 1), libc::c_long::from(u32::MAX));
        libc::syscall(libc::SYS_close_range, first, last, 0) == 0
            && libc::setsid() >= 0
            && libc::chdir(c"/".as_ptr()) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn run(script: &str, fds: &[BorrowedFd<'_>]) -> io::Result<(Pid, OwnedFd)> {
        let null = File::open("/dev/null")?;
        let file = File::open("/bin/sh")?;
        let arguments = ["sh", "-c", script].map(|text| CString::new(text).unwrap());
        let stdio = [null.as_fd(), null.as_fd(), null.as_fd()];
        spawn(&Program {
            file: file.as_fd(),
            arguments: &arguments,
            environment: &[],
            stdio,
            fds,
            cgroup: None,
            entrances: &[],
        })
    }

    #[test]
    fn the_program_gets_its_descriptors_and_no_others() {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        // One that is not close-on-exec and must not leak.
        let leak = rustix::io::dup(&write).unwrap();
        let (_, pidfd) = run("cd /proc/self/fd && echo * $PWD_NOT >&3; pwd -P >&3", &[write.as_fd()]).unwrap();
        drop((write, leak));
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        let first = text.lines().next().unwrap();
        // The shell's own descriptors of its glob may follow.
        assert!(first.starts_with("0 1 2 3"), "{text}");
        assert!(first.split(' ').count() <= 6, "{text}");
        let status = rustix::process::waitid(
            rustix::process::WaitId::PidFd(pidfd.as_fd()),
            rustix::process::WaitIdOptions::EXITED,
        );
        assert_eq!(status.unwrap().unwrap().exit_status(), Some(0));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error() {
        let file = File::open("/dev/null").unwrap();
        let stdio = [file.as_fd(), file.as_fd(), file.as_fd()];
        let program = Program {
            file: file.as_fd(),
            arguments: &[],
            environment: &[],
            stdio,
            fds: &[],
            cgroup: None,
            entrances: &[],
        };
        assert_eq!(spawn(&program).unwrap_err().raw_os_error(), Some(libc::EACCES));
    }
}
