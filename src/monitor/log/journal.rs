//! A copy of each record for the journal, in its native protocol (systemd, "Native Journal Protocol"), with the fields that
//! conmon gives. The log that `logs` reads is the file: here is nothing to read.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::Stream;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a container waits for a journal that does not read. One that stays behind loses records, not the container.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether there is a journal.
pub(crate) fn is_there() -> bool {
    std::path::Path::new(SOCKET).exists()
}

/// A connection to the journal.
pub(crate) struct Journal {
    socket: UnixDatagram,
    /// The fields that all records of the container have.
    fields: Vec<u8>,
    record: Vec<u8>,
    /// The last record was not taken: the next one does not wait.
    behind: bool,
}

impl Journal {
    /// Connects for the container `id`, called `name`, whose records have `tag`.
    pub(crate) fn open(id: &str, name: &str, tag: Option<&str>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut fields = Vec::new();
        let short = id.get(..12).unwrap_or(id);
        for (key, value) in [("CONTAINER_ID_FULL", id), ("CONTAINER_ID", short), ("CONTAINER_NAME", name)] {
            put(&mut fields, key, value.as_bytes());
        }
        if let Some(tag) = tag {
            put(&mut fields, "CONTAINER_TAG", tag.as_bytes());
        }
        put(&mut fields, "SYSLOG_IDENTIFIER", tag.unwrap_or(name).as_bytes());
        Ok(Self { socket, fields, record: Vec::with_capacity(super::PIECE + 1024), behind: false })
    }

    /// Sends a record.
    pub(super) fn send(&mut self, stream: Stream, text: &[u8], ends: bool) {
        self.record.clear();
        self.record.extend_from_slice(&self.fields);
        // As syslog(3) counts: information, and errors.
        let priority: &[u8] = match stream {
            Stream::Stdout => b"6",
            Stream::Stderr => b"3",
        };
        put(&mut self.record, "PRIORITY", priority);
        if !ends {
            put(&mut self.record, "CONTAINER_PARTIAL_MESSAGE", b"true");
        }
        put(&mut self.record, "MESSAGE", text);
        let sent = self.socket.set_nonblocking(self.behind).and_then(|()| self.socket.send(&self.record));
        self.behind = sent.is_err();
    }
}

/// Adds a field; the form with a length takes any bytes.
fn put(record: &mut Vec<u8>, key: &str, value: &[u8]) {
    record.extend_from_slice(key.as_bytes());
    record.push(b'\n');
    record.extend_from_slice(&(value.len() as u64).to_le_bytes());
    record.extend_from_slice(value);
    record.push(b'\n');
}
