//! The journal's native protocol (systemd, "Native Journal Protocol"): a datagram of fields for each record.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a writer waits for a journal that does not read. One that stays behind loses records, and holds nobody up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says whether there is a journal.
pub(crate) fn is_there() -> bool {
    std::path::Path::new(SOCKET).exists()
}

/// A connection to the journal.
pub(crate) struct Journal {
    socket: UnixDatagram,
    /// The last record was not taken: the next one does not wait.
    behind: bool,
}

impl Journal {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, behind: false })
    }

    /// Sends a record, made by [`put`].
    pub(crate) fn send(&mut self, record: &[u8]) {
        let sent = self.socket.set_nonblocking(self.behind).and_then(|()| self.socket.send(record));
        self.behind = sent.is_err();
    }
}

/// Adds a field to a record, in the form with a length, which takes any bytes.
pub(crate) fn put(record: &mut Vec<u8>, key: &str, value: &[u8]) {
    record.extend_from_slice(key.as_bytes());
    record.push(b'\n');
    record.extend_from_slice(&(value.len() as u64).to_le_bytes());
    record.extend_from_slice(value);
    record.push(b'\n');
}
