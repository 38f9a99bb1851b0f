//! The notification socket of a container: what a service inside says goes on to the service manager that started us.
//! Only what speaks of the service's state does: pids and descriptors of a container mean nothing outside. sd_notify(3).
//! Who stays with the container carries it: its monitor, or the runtime's `run` and `start`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use anyhow::{Context, Result};

use crate::state::paths::remove_file;
use crate::sys::{notify, socket};

/// Where a container finds its socket, as podman and runc have it.
pub(crate) const INSIDE: &str = "/run/notify";
/// The name of the socket, there and in the directory that is shown there.
pub(crate) const SOCKET: &str = "notify.sock";
/// How it is shown: nobody inside replaces it.
pub(crate) const OPTIONS: [&str; 6] = ["bind", "rprivate", "nosuid", "nodev", "noexec", "ro"];

/// Bytes of one message; systemd itself takes 4096.
const LENGTH: usize = 4096;
/// Messages that are passed on at one event, so that no container keeps the monitor busy.
const MESSAGES: usize = 16;
/// What goes on.
const KEYS: [&[u8]; 8] =
    [b"READY", b"RELOADING", b"STOPPING", b"MONOTONIC_USEC", b"STATUS", b"ERRNO", b"WATCHDOG", b"EXTEND_TIMEOUT_USEC"];

/// What a service says once it serves.
const READY: &[u8] = b"READY=1";

/// The socket, and where what comes to it goes.
pub(crate) struct Notify {
    socket: UnixDatagram,
    to: SocketAddr,
    /// Whom the manager is to watch, told with the first `READY=1`.
    main: Option<i32>,
}

impl Notify {
    /// Binds the container's socket at `path`, in a directory of its own that the container sees; `to` is the manager's, in
    /// the form of `NOTIFY_SOCKET`, and `main` the process that it is to watch from the service's readiness on.
    pub(crate) fn open(path: &Path, to: &str, main: Option<i32>) -> Result<Self> {
        let what = || format!("bind {}", path.display());
        let dir = path.parent().unwrap_or(Path::new("/"));
        make_directory(dir)?;
        remove_file(path).with_context(what)?;
        let socket = socket::datagram(path).with_context(what)?;
        // Any user of the container may speak; of the host nobody gets here.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).with_context(what)?;
        socket.set_nonblocking(true).with_context(what)?;
        let to = notify::address(to).with_context(|| format!("NOTIFY_SOCKET={to}"))?;
        Ok(Self { socket, to, main })
    }

    /// Passes on what waits, and says whether the container is ready by that. What the manager has no room for is lost, as
    /// it is for any service.
    pub(crate) fn handle(&mut self, buffer: &mut [u8]) -> bool {
        let length = LENGTH.min(buffer.len());
        let mut ready = false;
        for _ in 0..MESSAGES {
            let Ok(read) = self.socket.recv(&mut buffer[..length]) else { break };
            let mut message = passed(&buffer[..read]);
            if message.split(|byte| *byte == b'\n').any(|line| line == READY) {
                ready = true;
                message.extend(self.main.take().map(|pid| format!("\nMAINPID={pid}")).unwrap_or_default().bytes());
            }
            if !message.is_empty() {
                self.socket.send_to_addr(&message, &self.to).ok();
            }
        }
        ready
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Makes the directory that a container sees; that it is there is fine.
pub(crate) fn make_directory(dir: &Path) -> Result<()> {
    let what = || format!("make {}", dir.display());
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).with_context(what),
        _ => {}
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).with_context(what)
}

/// The lines of a message that go on.
fn passed(message: &[u8]) -> Vec<u8> {
    let known = |line: &&[u8]| {
        let key = line.split(|byte| *byte == b'=').next().unwrap_or_default();
        line.contains(&b'=') && KEYS.contains(&key)
    };
    let lines: Vec<&[u8]> = message.split(|byte| *byte == b'\n').filter(known).collect();
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_speaks_of_its_state_only() {
        for (said, heard) in [
            (&b"READY=1"[..], &b"READY=1"[..]),
            (b"STATUS=up\nMAINPID=1\nREADY=1\n", b"STATUS=up\nREADY=1"),
            (b"FDSTORE=1\nFDNAME=x", b""),
            (b"READY", b""),
            (b"\n\n=", b""),
            (b"STATUS=\xff", b"STATUS=\xff"),
        ] {
            assert_eq!(passed(said), heard, "{}", String::from_utf8_lossy(said));
        }
    }
}
