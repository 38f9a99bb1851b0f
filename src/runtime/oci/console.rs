//! Terminals and pidfds for callers: sent over their unix sockets, or, where this process stays, relayed by it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::notify::Listener;
use crate::sys::signal::Signals;
use crate::sys::tty::RawMode;
use crate::sys::{pidfd, process, socket};

/// What a terminal is called when it is sent: that of the container has no name on the host.
pub(crate) const TERMINAL: &str = "/dev/ptmx";
/// What a pidfd is called, as runc has it.
pub(crate) const PIDFD: &str = "pidfd";

/// The caller's socket, found before anything is made.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd> {
    socket::connect(path).with_context(|| format!("connect to {}", path.display()))
}

/// Sends `fd` with its name.
pub(crate) fn send(socket: &OwnedFd, fd: BorrowedFd<'_>, name: &str) -> Result<()> {
    socket::send(socket, fd, name.as_bytes()).with_context(|| format!("send {name} to the caller"))
}

/// Signals that this process keeps for itself while it waits: its own faults, and what cannot be caught.
const KEPT: [i32; 9] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

/// Who waits for a command in the foreground: made before the command starts, so that no signal is lost.
pub(crate) struct Foreground {
    signals: Signals,
}

impl Foreground {
    pub(crate) fn new() -> Result<Self> {
        let forwarded = (1..=64).filter(|signal| !KEPT.contains(signal));
        Ok(Self { signals: Signals::catch(forwarded).context("catch signals")? })
    }

    /// Waits for our child `command`, passes signals on to it, relays its `terminal`, and passes on what its `service` says;
    /// gives its exit code.
    pub(crate) fn wait(
        &self,
        command: &OwnedFd,
        terminal: Option<&OwnedFd>,
        mut service: Option<&mut Listener>,
    ) -> Result<i32> {
        let _raw = match terminal {
            Some(master) => {
                resize(master);
                // Standard input may be none: then there is nothing to be made raw.
                RawMode::enter(rustix::stdio::stdin()).ok()
            }
            None => None,
        };
        let mut relay = terminal.map(Relay::new);
        loop {
            let mut events = vec![command.as_fd(), self.signals.as_fd()];
            events.extend(service.as_deref().map(AsFd::as_fd));
            match &mut relay {
                Some(relay) => relay.step(&events)?,
                None => wait_any(&events)?,
            }
            if let Some(service) = &mut service {
                service.handle();
            }
            while let Some(signal) = self.signals.next().context("take a signal")? {
                match (signal, terminal) {
                    (libc::SIGCHLD, _) => {}
                    (libc::SIGWINCH, Some(master)) => resize(master),
                    _ => process::signal(command, signal).context("pass a signal on")?,
                }
            }
            if pidfd::ended_within(command.as_fd(), Some(std::time::Duration::ZERO))? {
                if let Some(relay) = &mut relay {
                    relay.drain();
                }
                if let Some(service) = &mut service {
                    service.handle();
                }
                return pidfd::reap(command.as_fd()).context("reap the command");
            }
        }
    }
}

fn wait_any(fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    match poll(&mut polled, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno).context("wait for the command"),
    }
}

/// Gives the terminal the size of ours, where we have one.
fn resize(master: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
        // A command that has just ended has no terminal any more.
        let _gone = rustix::termios::tcsetwinsize(master, size);
    }
}

/// Bytes between our streams and a terminal.
struct Relay<'a> {
    master: &'a OwnedFd,
    input_open: bool,
    output_open: bool,
}

impl<'a> Relay<'a> {
    fn new(master: &'a OwnedFd) -> Self {
        Self { master, input_open: true, output_open: true }
    }

    /// Waits for something to do, and does it; or for one of the `others`, which are the caller's.
    fn step(&mut self, others: &[BorrowedFd<'_>]) -> Result<()> {
        let mut fds: Vec<PollFd<'_>> = others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        if self.output_open {
            fds.push(PollFd::new(self.master, PollFlags::IN));
        }
        if self.input_open {
            fds.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno).context("wait for the terminal"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if self.output_open && ready[others.len()] {
            self.output_open = copy(self.master.as_fd(), rustix::stdio::stdout());
        }
        if self.input_open && ready[ready.len() - 1] {
            self.input_open = copy(rustix::stdio::stdin(), self.master.as_fd());
            if !self.input_open {
                // End of file, as typed: the line discipline's VEOF.
                let _gone = rustix::io::write(self.master, &[4]);
            }
        }
        Ok(())
    }

    /// What the command wrote before its end.
    fn drain(&mut self) {
        loop {
            let mut fds = [PollFd::new(self.master, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }));
            if ready != Ok(1) || !fds[0].revents().contains(PollFlags::IN) {
                return;
            }
            if !copy(self.master.as_fd(), rustix::stdio::stdout()) {
                return;
            }
        }
    }
}

/// Copies what is there; false at the end of either side.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut buffer = [0_u8; 8192];
    let length = loop {
        match rustix::io::read(from, &mut buffer) {
            Err(Errno::INTR) => {}
            // The last user of a terminal is gone (EIO), or nothing is there.
            Err(Errno::AGAIN) => return true,
            Err(_) | Ok(0) => return false,
            Ok(length) => break length,
        }
    };
    let mut rest = &buffer[..length];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                if poll(&mut fds, None).is_err_and(|errno| errno != Errno::INTR) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

/// Writes text to standard output; a reader that went away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    use io::Write;
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("write to standard output"),
    }
}
