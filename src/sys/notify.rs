//! What passes between a program and its service manager: datagrams of `KEY=VALUE` lines to the socket that
//! `NOTIFY_SOCKET` names, sd_notify(3), and the listening sockets of socket activation, sd_listen_fds(3).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};

use super::socket;

/// How long a manager may take to have room for a message.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address that `name` stands for: a path, or an abstract one after `@`.
pub(crate) fn address(name: &str) -> io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor an abstract address")),
    }
}

/// Sends `text` to the manager at `name`.
pub(crate) fn send(name: &str, text: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(text.as_bytes(), &address(name)?).map(drop)
}

/// Waits until the manager at `name` has taken what was sent before: whose message it is, it cannot tell of a sender that
/// is gone by then. It closes the descriptor that comes with the message. sd_notify_barrier(3).
pub(crate) fn barrier(name: &str) -> io::Result<()> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let sender = UnixDatagram::unbound()?;
    sender.set_write_timeout(Some(PATIENCE))?;
    sender.connect_addr(&address(name)?)?;
    socket::send(&OwnedFd::from(sender), theirs.as_fd(), b"BARRIER=1")?;
    drop(theirs);
    socket::wait(&ours, PATIENCE)
}

/// The variables that tell a program of its sockets.
pub(crate) const LISTEN: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// How many listening sockets the service manager handed to this process and to no other, from descriptor 3 on. `named`:
/// none where it does not say for whom they are.
pub(crate) fn listening(named: bool) -> u32 {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let ours = number("LISTEN_PID").map_or(!named, |pid| pid == std::process::id());
    number("LISTEN_FDS").filter(|_| ours).unwrap_or(0)
}

/// The variables by which `count` of these sockets go on to a process with pid 1.
pub(crate) fn handed_on(count: usize) -> Vec<String> {
    let names = std::env::var("LISTEN_FDNAMES").ok().map(|names| format!("LISTEN_FDNAMES={names}"));
    ["LISTEN_PID=1".to_owned(), format!("LISTEN_FDS={count}")].into_iter().chain(names).collect()
}
