//! A copy of each record for the journal, with the fields that conmon gives. The log that `logs` reads is the file: here is nothing to read.

use std::io;

use super::Stream;
use crate::sys::journal::{self, put};

/// A container's connection to the journal.
pub(crate) struct Journal {
    journal: journal::Journal,
    /// The fields that all records of the container have.
    fields: Vec<u8>,
    record: Vec<u8>,
}

impl Journal {
    /// Connects for the container `id`, called `name`, whose records have `tag`.
    pub(crate) fn open(id: &str, name: &str, tag: Option<&str>) -> io::Result<Self> {
        let journal = journal::Journal::open()?;
        let mut fields = Vec::new();
        let short = id.get(..12).unwrap_or(id);
        for (key, value) in [("CONTAINER_ID_FULL", id), ("CONTAINER_ID", short), ("CONTAINER_NAME", name)] {
            put(&mut fields, key, value.as_bytes());
        }
        if let Some(tag) = tag {
            put(&mut fields, "CONTAINER_TAG", tag.as_bytes());
        }
        put(&mut fields, "SYSLOG_IDENTIFIER", tag.unwrap_or(name).as_bytes());
        Ok(Self { journal, fields, record: Vec::with_capacity(super::PIECE + 1024) })
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
        self.journal.send(&self.record);
    }
}
