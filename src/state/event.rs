//! The log of events: `run/events.log`, a line of JSON for each change, and `events.log.1`, the lines before those.
//!
//! Who makes a change writes its line, with one write(2) to a file that is opened for appending: nobody waits for anybody.
//! What is past the limit goes aside by a rename. It is gone after a reboot, as podman's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::paths::Paths;
use crate::model::event::{Event, Logger};
use crate::model::health::HealthStatus;
use crate::sys::journal::{Journal, put};

/// Bytes after which a log goes aside: with the one before, some ten thousand events are there.
const LIMIT: u64 = 1 << 20;
/// The log's name in the run directory.
pub(crate) const NAME: &str = "events.log";
/// What the log was before this one.
const OLD: &str = "events.log.1";

/// Where events are written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) run: PathBuf,
    pub(crate) logger: Logger,
}

impl Log {
    /// Writes events down. A log that cannot be written changes nothing of what was done, so nobody is told.
    pub(crate) fn tell(&self, events: &[Event]) {
        if self.logger != Logger::None {
            drop(append(&self.run, events));
        }
        if self.logger == Logger::Journald
            && let Ok(mut journal) = Journal::open()
        {
            events.iter().for_each(|event| journal.send(&record(event)));
        }
    }
}

/// An event for the journal, in podman's fields.
fn record(event: &Event) -> Vec<u8> {
    let time = event.time.to_string();
    let line = event.line(&time, usize::MAX);
    let mut record = Vec::new();
    let mut field = |key: &str, value: &str| {
        if !value.is_empty() {
            put(&mut record, key, value.as_bytes());
        }
    };
    field("MESSAGE", &line);
    field("PRIORITY", "6");
    field("SYSLOG_IDENTIFIER", "dhow");
    field("PODMAN_EVENT", &event.status);
    field("PODMAN_TYPE", &event.kind);
    field("PODMAN_TIME", &time);
    field("PODMAN_ID", &event.id);
    field("PODMAN_NAME", &event.name);
    field("PODMAN_IMAGE", &event.image);
    field("PODMAN_HEALTH_STATUS", event.health_status.map_or("", HealthStatus::as_str));
    if let Some(code) = event.container_exit_code {
        field("PODMAN_EXIT_CODE", &code.to_string());
    }
    if let Some(labels) = event.attributes.as_ref().filter(|labels| !labels.is_empty()) {
        field("PODMAN_LABELS", &serde_json::to_string(labels).unwrap_or_default());
    }
    record
}

/// Writes events to the file, all in one write.
fn append(run: &Path, events: &[Event]) -> Result<()> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event).context("encode an event")?;
        lines.push(b'\n');
    }
    let path = run.join(NAME);
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(&path).context("open the log of events")?;
    file.write_all(&lines).context("write the log of events")?;
    let meta = file.metadata().context("stat the log of events")?;
    if meta.len() > LIMIT {
        set_aside(run, meta.ino())?;
    }
    Ok(())
}

/// Renames the log if it still is the file `ino`. Who writes to it meanwhile is read all the same.
fn set_aside(run: &Path, ino: u64) -> Result<()> {
    let (path, old) = (run.join(NAME), run.join(OLD));
    let Some(_alone) = Lock::lease(&run.join("events.lock"))? else { return Ok(()) };
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.ino() == ino => fs::rename(&path, &old).context("set the log of events aside"),
        // Somebody else was there first.
        _ => Ok(()),
    }
}

/// A reader that goes on where it was, over renames.
#[derive(Debug)]
pub(crate) struct Reader {
    paths: Paths,
    /// The files that are known, the oldest first. A log that was set aside may still get a line from a slow writer.
    files: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    file: File,
    ino: u64,
    /// A line without its end.
    rest: Vec<u8>,
}

impl Reader {
    /// How many files are kept open: an open file keeps its inode number from being another's.
    const KEPT: usize = 4;

    pub(crate) fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone(), files: Vec::new() }
    }

    /// The events that were written since the last call, in their order; what is no event is left out.
    pub(crate) fn read(&mut self) -> Result<Vec<Event>> {
        self.discover()?;
        let mut events = Vec::new();
        for known in &mut self.files {
            known.file.read_to_end(&mut known.rest).context("read the log of events")?;
            let Some(end) = known.rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = known.rest.split_off(end + 1);
            let lines = std::mem::replace(&mut known.rest, rest);
            events.extend(self::events(&lines));
        }
        Ok(events)
    }

    /// Opens what is new. The log comes first: one that is set aside in between is then found under its old name.
    fn discover(&mut self) -> Result<()> {
        let mut found = Vec::new();
        for name in [NAME, OLD] {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_NOFOLLOW);
            let file = match options.open(self.paths.run().join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.context("open the log of events")?,
            };
            let ino = file.metadata().context("stat the log of events")?.ino();
            if self.files.iter().chain(&found).all(|known: &Known| known.ino != ino) {
                found.push(Known { file, ino, rest: Vec::new() });
            }
        }
        self.files.extend(found.into_iter().rev());
        self.files.drain(..self.files.len().saturating_sub(Self::KEPT));
        Ok(())
    }
}

/// The events of whole lines; what is none is left out.
fn events(lines: &[u8]) -> impl Iterator<Item = Event> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_line_is_read_once_over_renames() {
        let place = std::env::temp_dir().join(format!("dhow-events-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let paths = Paths::new(place.clone(), place.clone());
        let mut reader = Reader::new(&paths);
        assert!(reader.read().unwrap().is_empty());
        let event = |number: usize| Event { name: format!("{number:0>1000}"), ..Event::new("volume", "create") };
        let mut seen = Vec::new();
        // Enough for three renames; the reader looks now and then.
        for number in 0..4000 {
            append(&place, &[event(number)]).unwrap();
            if number % 700 == 0 {
                seen.extend(reader.read().unwrap());
            }
        }
        seen.extend(reader.read().unwrap());
        let numbers: Vec<usize> = seen.iter().map(|event| event.name.parse().unwrap()).collect();
        assert_eq!(numbers, (0..4000).collect::<Vec<_>>());
        let size = |name: &str| fs::metadata(place.join(name)).unwrap().len();
        assert!(size(NAME) <= LIMIT + 2000 && size(OLD) <= LIMIT + 2000, "the log is capped");
        // A torn line, and one that is no event, take no other with them.
        let mut log = OpenOptions::new().append(true).open(place.join(NAME)).unwrap();
        log.write_all(b"{\"Sta\n\n").unwrap();
        append(&place, &[event(1), event(2)]).unwrap();
        assert_eq!(reader.read().unwrap().len(), 2);
        // A second reader has what both files have.
        assert!(Reader::new(&paths).read().unwrap().len() > 1000);
        fs::remove_dir_all(&place).unwrap();
    }

    proptest! {
        /// R39, R43: what is no event is passed over, and takes no other with it.
        #[test]
        fn any_lines_are_events_or_passed_over(lines in "(\\{\"[A-Za-z]{1,6}\":(\\PC{0,8})\\}\n|\\PC{0,20}\n){0,4}") {
            let good = serde_json::to_vec(&Event::new("volume", "create")).unwrap();
            let bytes = [lines.as_bytes(), &good, b"\n"].concat();
            prop_assert!(events(&bytes).last().is_some_and(|event| event.kind == "volume"));
        }
    }
}
