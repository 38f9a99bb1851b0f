//! Session keyrings.

use std::io;

const KEYCTL_GET_KEYRING_ID: libc::c_int = 0;
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
const KEY_SPEC_SESSION_KEYRING: libc::c_long = -3;

/// Gives this process a new, empty session keyring. keyctl(2), KEYCTL_JOIN_SESSION_KEYRING.
///
/// Where the kernel has no keyrings, or a filter around us refuses the whole call, this is success without one: the
/// container inherits the same, so nobody in it can look into the old one either.
pub(crate) fn join_new_session() -> io::Result<()> {
    let Err(error) = keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0) else { return Ok(()) };
    if !matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) {
        return Err(error);
    }
    match keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING) {
        Err(other) if other.raw_os_error() == error.raw_os_error() => Ok(()),
        _ => Err(error),
    }
}

fn keyctl(operation: libc::c_int, argument: libc::c_long) -> io::Result<()> {
    // SAFETY: of these operations the first takes numbers, the second a name, for which zero, a null pointer, asks for
    // none.
    let code = unsafe { libc::syscall(libc::SYS_keyctl, operation, argument, 0_u64, 0_u64, 0_u64) };
    if code >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user of nobody's, whose keys are counted apart.
    const STRANGER: libc::uid_t = 1_987_654_321;

    fn session() -> libc::c_long {
        // SAFETY: numbers only.
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) }
    }

    /// Credentials belong to a thread: each test has one of its own.
    fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn each_call_gives_another_keyring() {
        let (one, two) = apart(|| {
            join_new_session().unwrap();
            let one = session();
            join_new_session().unwrap();
            (one, session())
        });
        assert!(one > 0 && two > 0 && one != two, "{one} {two}");
    }

    #[test]
    fn a_used_up_quota_is_an_error() {
        if !rustix::process::geteuid().is_root() {
            // Only root can be the stranger whose quota is used up.
            return;
        }
        let outcome = apart(|| {
            // SAFETY: the raw call changes this thread alone.
            assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, STRANGER, STRANGER, STRANGER) }, 0);
            // Only who has a session keyring already is held to his quota.
            join_new_session().unwrap();
            for number in 0..100_000_u32 {
                let name = std::ffi::CString::new(format!("dhow-{number}")).unwrap();
                // SAFETY: live strings; the key goes to this thread's own keyring (-1) and with it.
                let code = unsafe {
                    libc::syscall(libc::SYS_add_key, c"user".as_ptr(), name.as_ptr(), c"x".as_ptr(), 1_usize, -1_i64)
                };
                if code < 0 {
                    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EDQUOT));
                    return Some(join_new_session());
                }
            }
            None
        });
        // A host without a limit that can be reached shows nothing.
        if let Some(outcome) = outcome {
            assert_eq!(outcome.unwrap_err().raw_os_error(), Some(libc::EDQUOT));
        }
    }
}
