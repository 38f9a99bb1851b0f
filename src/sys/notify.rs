//! Messages to a service manager: datagrams of `KEY=VALUE` lines to the socket that `NOTIFY_SOCKET` names. sd_notify(3).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

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
