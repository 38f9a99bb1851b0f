//! seccomp(2): installs a classic BPF filter on the calling thread.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// One instruction of classic BPF, `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jump_true: u8,
    pub(crate) jump_false: u8,
    pub(crate) value: u32,
}

/// The most instructions that the kernel takes (`BPF_MAXINSNS`).
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

/// `SECCOMP_FILTER_FLAG_TSYNC`.
pub(crate) const FLAG_TSYNC: u32 = 1;
/// `SECCOMP_FILTER_FLAG_LOG`, Linux 4.14.
pub(crate) const FLAG_LOG: u32 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`, Linux 4.17.
pub(crate) const FLAG_SPEC_ALLOW: u32 = 1 << 2;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`, Linux 5.0.
pub(crate) const FLAG_NEW_LISTENER: u32 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH`, Linux 5.7.
pub(crate) const FLAG_TSYNC_ESRCH: u32 = 1 << 4;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`, Linux 5.19.
pub(crate) const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Installs `filter` on the calling thread, with `flags` of `FLAG_*`; gives the listener when `FLAG_NEW_LISTENER` is
/// among them. Needs no_new_privs or CAP_SYS_ADMIN, and does not allocate. seccomp(2).
pub(crate) fn install(filter: &[Instruction], flags: u32) -> io::Result<Option<OwnedFd>> {
    let Some(len) = u16::try_from(filter.len()).ok().filter(|len| usize::from(*len) <= MAX_INSTRUCTIONS) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: `program` and the instructions that it points to live through the call; `Instruction` has the layout of
    // `sock_filter`; the kernel only reads them.
    let code = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match i32::try_from(code) {
        Ok(fd) if fd >= 0 && flags & FLAG_NEW_LISTENER != 0 => {
            // SAFETY: with this flag the kernel returns a new descriptor, close-on-exec, that nobody else owns.
            Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
        }
        Ok(0) => Ok(None),
        // With TSYNC alone, the id of a thread that could not follow.
        Ok(thread) if thread > 0 => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Says whether the kernel knows all of `flags`. It refuses a null filter with EFAULT only after it looked at the flags.
pub(crate) fn knows_flags(flags: u32) -> bool {
    // SAFETY: a null pointer is never followed; nothing is installed.
    let code = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::null::<libc::sock_fprog>())
    };
    code == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_is_laid_out_as_sock_filter() {
        assert_eq!(size_of::<Instruction>(), size_of::<libc::sock_filter>());
        assert_eq!(align_of::<Instruction>(), align_of::<libc::sock_filter>());
    }

    #[test]
    fn install_refuses_what_the_kernel_cannot_take() {
        let ret = Instruction { code: 6, jump_true: 0, jump_false: 0, value: 0x7fff_0000 };
        let error = install(&vec![ret; MAX_INSTRUCTIONS + 1], 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
