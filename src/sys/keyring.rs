//! Session keyrings.

use std::io;

/// Gives this process a new, empty session keyring. A kernel without keyrings, or a user whose quota is used up, keeps
/// the old one: says whether there is a new one. keyctl(2), KEYCTL_JOIN_SESSION_KEYRING.
pub(crate) fn join_new_session() -> io::Result<bool> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    let code = unsafe {
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>(), 0, 0, 0)
    };
    if code >= 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EDQUOT | libc::EPERM) => Ok(false),
        _ => Err(error),
    }
}
