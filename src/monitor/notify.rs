//! The notification socket of a container: what a service inside says goes on to the service manager that started us.
//! Only what speaks of the service's state does: pids and descriptors of a container mean nothing outside. sd_notify(3).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use anyhow::{Context, Result};

use super::attach;
use super::config::NotifyConfig;
use crate::state::paths::remove_file;

/// Bytes of one message; systemd itself takes 4096.
const LENGTH: usize = 4096;
/// Messages that are passed on at one event, so that no container keeps the monitor busy.
const MESSAGES: usize = 16;
/// What goes on.
const KEYS: [&[u8]; 8] =
    [b"READY", b"RELOADING", b"STOPPING", b"MONOTONIC_USEC", b"STATUS", b"ERRNO", b"WATCHDOG", b"EXTEND_TIMEOUT_USEC"];

/// The socket, and where what comes to it goes.
pub(super) struct Notify {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Notify {
    /// Binds the container's socket, in a directory of its own that the container sees.
    pub(super) fn open(config: &NotifyConfig) -> Result<Self> {
        let what = || format!("bind {}", config.socket.display());
        let dir = config.socket.parent().unwrap_or(Path::new("/"));
        match std::fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error).with_context(what),
            _ => {}
        }
        remove_file(&config.socket).with_context(what)?;
        // A socket's path is short; the directory's descriptor makes it so.
        let (_dir, address) = attach::address(&config.socket)?;
        let socket = UnixDatagram::unbound().with_context(what)?;
        rustix::net::bind(&socket, &address).with_context(what)?;
        // Any user of the container may speak; of the host nobody gets here.
        for (path, mode) in [(dir, 0o755), (config.socket.as_path(), 0o777)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).with_context(what)?;
        }
        socket.set_nonblocking(true).with_context(what)?;
        let to = crate::sys::notify::address(&config.to).with_context(|| format!("NOTIFY_SOCKET={}", config.to))?;
        Ok(Self { socket, to })
    }

    /// Passes on what waits. What the manager has no room for is lost, as it is for any service.
    pub(super) fn handle(&self, buffer: &mut [u8]) {
        let length = LENGTH.min(buffer.len());
        for _ in 0..MESSAGES {
            let Ok(read) = self.socket.recv(&mut buffer[..length]) else { return };
            let message = passed(&buffer[..read]);
            if !message.is_empty() {
                self.socket.send_to_addr(&message, &self.to).ok();
            }
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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
