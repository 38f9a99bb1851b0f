//! Terminals: raw mode that ends with the process, and the window's size.
//!
//! A process that dies of a signal runs no destructor and would leave the user's terminal raw; so while a terminal is
//! raw, the fatal signals that nobody handles restore it first. tcsetattr(3) is async-signal-safe.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{self, OptionalActions, Termios};

/// Signals that end a process by default and may reach one whose terminal is raw.
const FATAL: [libc::c_int; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGABRT];

/// What the handler restores. Written only while `ARMED` is false, and read by the handler only while it is true.
static mut SAVED: Option<(RawFd, libc::termios)> = None;
static ARMED: AtomicBool = AtomicBool::new(false);
/// One terminal at a time, which keeps writers of `SAVED` apart.
static OWNER: Mutex<()> = Mutex::new(());

extern "C" fn restore_and_die(signal: libc::c_int) {
    if ARMED.swap(false, Ordering::AcqRel) {
        // SAFETY: ARMED was true, so SAVED is complete and nobody writes it (its writers clear ARMED first, and the
        // swap lets only one handler in). tcsetattr is async-signal-safe.
        unsafe {
            if let Some((fd, saved)) = (&raw const SAVED).read() {
                libc::tcsetattr(fd, libc::TCSANOW, &raw const saved);
            }
        }
    }
    // SAFETY: signal and raise are async-signal-safe; the default action of these signals ends the process once the
    // handler returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// A terminal in raw mode; dropping it restores what it was.
pub(crate) struct RawMode<F: AsFd> {
    fd: F,
    before: Termios,
    replaced: Vec<libc::c_int>,
    _owner: MutexGuard<'static, ()>,
}

impl<F: AsFd> RawMode<F> {
    /// Makes a terminal raw (termios(3)); one terminal of the process at a time.
    pub(crate) fn enter(fd: F) -> io::Result<Self> {
        let owner = OWNER.try_lock().or_else(|e| match e {
            std::sync::TryLockError::Poisoned(p) => Ok(PoisonError::into_inner(p)),
            std::sync::TryLockError::WouldBlock => Err(io::Error::from(io::ErrorKind::ResourceBusy)),
        })?;
        let before = termios::tcgetattr(&fd)?;
        let number = fd.as_fd().as_raw_fd();
        let mut saved = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the fd is open and the buffer is a termios; it is read only where the call succeeded.
        let saved = unsafe {
            if libc::tcgetattr(number, saved.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            saved.assume_init()
        };
        // SAFETY: we hold OWNER and ARMED is false, so neither another thread nor a handler touches SAVED.
        unsafe { SAVED = Some((number, saved)) };
        ARMED.store(true, Ordering::Release);
        let replaced = FATAL.into_iter().filter(|&signal| take_over(signal)).collect();
        let guard = Self { fd, before, replaced, _owner: owner };
        let mut raw = guard.before.clone();
        raw.make_raw();
        // Where this fails the guard undoes the rest.
        termios::tcsetattr(&guard.fd, OptionalActions::Now, &raw)?;
        Ok(guard)
    }
}

impl<F: AsFd> Drop for RawMode<F> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(&self.fd, OptionalActions::Now, &self.before);
        for &signal in &self.replaced {
            // SAFETY: SIG_DFL is what we found.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        ARMED.store(false, Ordering::Release);
    }
}

/// Installs our handler where the default action stands (sigaction(2)); tells whether it did.
fn take_over(signal: libc::c_int) -> bool {
    // SAFETY: both structures are plain data and valid for the calls; the handler is async-signal-safe.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut old) != 0 || old.sa_sigaction != libc::SIG_DFL {
            return false;
        }
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = restore_and_die as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(signal, &raw const new, std::ptr::null_mut()) == 0
    }
}

/// Returns rows and columns of a terminal (ioctl_tty(2), TIOCGWINSZ).
pub(crate) fn size<F: AsFd>(fd: F) -> io::Result<(u16, u16)> {
    let size = termios::tcgetwinsize(fd)?;
    Ok((size.ws_row, size.ws_col))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{ControlModes, InputModes, LocalModes, Winsize};

    use super::*;

    fn pty() -> (OwnedFd, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let tty = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).unwrap();
        (master, tty)
    }

    /// Set for the child of `a_fatal_signal_restores_the_terminal`.
    const CHILD: &str = "DHOW_TEST_RAW_CHILD";

    #[test]
    fn raw_until_killed() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let _raw = RawMode::enter(std::io::stdin()).unwrap();
        assert!(!termios::tcgetattr(std::io::stdin()).unwrap().local_modes.contains(LocalModes::ICANON));
        // SAFETY: raise has no preconditions.
        unsafe { libc::raise(libc::SIGTERM) };
    }

    #[test]
    fn a_fatal_signal_restores_the_terminal() {
        let (_master, tty) = pty();
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sys::tty::tests::raw_until_killed"])
            .env(CHILD, "1")
            .stdin(tty.try_clone().unwrap())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGTERM));
        assert!(termios::tcgetattr(&tty).unwrap().local_modes.contains(LocalModes::ICANON));
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let (_master, tty) = pty();
        let modes = || {
            let t = termios::tcgetattr(&tty).unwrap();
            (t.local_modes.contains(LocalModes::ICANON), t.input_modes.contains(InputModes::ICRNL))
        };
        assert_eq!(modes(), (true, true));
        let guard = RawMode::enter(&tty).unwrap();
        assert_eq!(modes(), (false, false));
        assert!(termios::tcgetattr(&tty).unwrap().control_modes.contains(ControlModes::CS8));
        assert!(RawMode::enter(&tty).is_err());
        drop(guard);
        assert_eq!(modes(), (true, true));
        termios::tcsetwinsize(&tty, Winsize { ws_row: 33, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        assert_eq!(size(&tty).unwrap(), (33, 77));
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(RawMode::enter(&null).is_err());
        drop(RawMode::enter(&tty).unwrap());
    }

    #[test]
    fn what_is_no_terminal_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(size(&null).is_err());
    }
}
