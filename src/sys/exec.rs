//! The last steps before another program: descriptors in their places, nothing else left open, execve.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Null-terminated pointers to `strings`, as execve(2) wants them.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Arguments and environment, laid out before a filter may forbid to allocate.
pub(crate) struct Image<'a> {
    path: &'a CStr,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    // Keeps what the pointers point to.
    _strings: (&'a [CString], &'a [CString]),
}

impl<'a> Image<'a> {
    pub(crate) fn new(path: &'a CStr, args: &'a [CString], env: &'a [CString]) -> Self {
        Self { path, argv: pointers(args), envp: pointers(env), _strings: (args, env) }
    }

    /// Becomes the program; returns only the error. execve(2).
    pub(crate) fn exec(&self) -> io::Error {
        // SAFETY: all strings live as long as `self` and end in NUL, both vectors end in a null pointer.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
        io::Error::last_os_error()
    }
}

/// Closes every descriptor but those in `keep`. close_range(2), Linux 5.9.
///
/// For a fresh clone that will never return to its parent's frames: what they own is closed under them.
pub(crate) fn close_all_but(keep: &mut [RawFd]) -> io::Result<()> {
    keep.sort_unstable();
    let mut next: u32 = 0;
    for &mut fd in keep {
        let Ok(fd) = u32::try_from(fd) else { continue };
        if fd > next {
            close_range(next, fd - 1, 0)?;
        }
        next = next.max(fd + 1);
    }
    close_range(next, u32::MAX, 0)
}

/// Marks every descriptor from `first` on close-on-exec. close_range(2), Linux 5.11.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    close_range(first, u32::MAX, 4) // CLOSE_RANGE_CLOEXEC
}

/// The same for one number.
pub(crate) fn close_on_exec(number: u32) -> io::Result<()> {
    close_range(number, number, 4) // CLOSE_RANGE_CLOEXEC
}

fn close_range(first: u32, last: u32, flags: u32) -> io::Result<()> {
    // SAFETY: integers only. Callers promise that nothing uses the closed descriptors any more.
    let code = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Puts `fds` at 0, 1, 2 and so on, open across execve. dup2(2).
pub(crate) fn place(fds: Vec<OwnedFd>) -> io::Result<()> {
    let count = RawFd::try_from(fds.len()).map_err(io::Error::other)?;
    // First out of the way: a source may lie where another one goes.
    let mut high = Vec::with_capacity(fds.len());
    for fd in &fds {
        high.push(if fd.as_raw_fd() < count { Some(rustix::io::fcntl_dupfd_cloexec(fd, count)?) } else { None });
    }
    let sources: Vec<_> = fds.iter().zip(&high).map(|(fd, high)| high.as_ref().unwrap_or(fd).as_raw_fd()).collect();
    for (source, target) in sources.into_iter().zip(0..) {
        // SAFETY: the source is open; the target is one of 0..count, which this process gives up to the container.
        if unsafe { libc::dup2(source, target) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for fd in fds {
        if fd.as_raw_fd() < count {
            // Its number now belongs to the container.
            std::mem::forget(fd);
        }
    }
    Ok(())
}

/// Takes over descriptor number `fd` that this process got from the one before it.
pub(crate) fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl only asks whether the number is open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, and by contract handed to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A copy of descriptor number `fd` that this process got from who executed it. One of our own is none: it closes on
/// exec, and what came by an exec does not.
pub(crate) fn passed_on(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl only asks for the flags of a number, which need not be open.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    if flags < 0 {
        return Err(io::Error::last_os_error());
    }
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: open, and not closed within this call, as the copy is made by the kernel.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Copies the kernel's idea of the working directory; it does not begin with `/` when it lies outside the root.
pub(crate) fn working_directory() -> io::Result<CString> {
    Ok(rustix::process::getcwd(Vec::new())?)
}

/// Says whether the effective user may execute the regular file at `path`. faccessat2(2), Linux 5.8.
pub(crate) fn may_execute(dir: impl AsFd, path: &CStr) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags};
    Ok(rustix::fs::accessat(dir, path, Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// Ends this process without running destructors or exit handlers: for clones. _exit(2).
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}
