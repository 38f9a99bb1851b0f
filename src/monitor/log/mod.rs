//! The log of a container: what the monitor writes, and the engine's `logs` reads.
//!
//! The writer keeps nothing back: each read of the container's output becomes whole records at once, an unfinished
//! line a partial one, so a killed monitor loses no byte that it had read. Buffers are made once, at the start.

pub(crate) mod journal;
pub(crate) mod json_file;
pub(crate) mod k8s_file;
pub(crate) mod read;
pub(crate) mod rotate;
pub(crate) mod time;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::log::{LogConfig, LogDriver};
use journal::Journal;
use rotate::Rotating;
use time::Nanos;

/// The most text in one record: longer lines become several.
pub(crate) const PIECE: usize = 16 << 10;

/// Records are collected up to this size before they are written.
const BATCH: usize = 48 << 10;

/// Which of the container's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The text of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail<'a> {
    Plain(&'a [u8]),
    Owned(Vec<u8>),
}

impl Tail<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(text) => text,
            Self::Owned(text) => text,
        }
    }
}

/// One record of a log file.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) time: Nanos,
    pub(crate) stream: Stream,
    pub(crate) text: Tail<'a>,
    /// Whether the line ends with this record.
    pub(crate) ends: bool,
}

/// Where the log of the container with directory `dir` is.
pub(crate) fn path(config: &LogConfig, dir: &Path) -> PathBuf {
    config.path.clone().unwrap_or_else(|| dir.join("log").join("ctr.log"))
}

/// The writer's side.
pub(crate) struct Log {
    file: Option<FileLog>,
}

/// A file driver with its buffers.
struct FileLog {
    driver: LogDriver,
    rotating: Rotating,
    batch: Vec<u8>,
    /// Of stdout and stderr: the beginning of a character that the next read completes (json-file only).
    torn: [Torn; 2],
    /// Whether the last write failed, as on a full disk.
    failing: bool,
    /// Who gets a copy.
    journal: Option<Journal>,
}

/// At most three bytes of an unfinished UTF-8 character.
#[derive(Clone, Copy, Default)]
struct Torn {
    bytes: [u8; 3],
    length: usize,
}

impl Log {
    /// Opens the log of the container with directory `dir`, and makes its directory.
    pub(crate) fn open(config: &LogConfig, dir: &Path) -> Result<Self> {
        let room = match config.driver {
            LogDriver::K8sFile | LogDriver::Journald => k8s_file::ROOM,
            LogDriver::JsonFile => json_file::ROOM,
            LogDriver::None | LogDriver::Passthrough | LogDriver::PassthroughTty => return Ok(Self { file: None }),
        };
        let path = path(config, dir);
        if config.path.is_none() {
            let parent = path.parent().unwrap_or(dir);
            if !parent.is_dir() {
                use std::os::unix::fs::DirBuilderExt;
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)
                    .with_context(|| format!("create directory {}", parent.display()))?;
            }
        }
        let rotating = Rotating::open(&path, config.max_size, config.max_files)?;
        let batch = Vec::with_capacity(BATCH + room);
        let torn = [Torn::default(); 2];
        Ok(Self { file: Some(FileLog { driver: config.driver, rotating, batch, torn, failing: false, journal: None }) })
    }

    /// Has `journal` get a copy of all records.
    pub(crate) fn copy_to(&mut self, journal: Journal) {
        if let Some(file) = &mut self.file {
            file.journal = Some(journal);
        }
    }

    /// Writes what one read of a stream gave. A full disk loses it, and the next write tries again: the container is
    /// not stopped for its log.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            file.failing = file.write(stream, bytes).is_err();
        }
    }

    /// Writes what was kept back of torn characters. After it the log is complete.
    pub(crate) fn finish(&mut self) {
        let Some(file) = &mut self.file else { return };
        for stream in [Stream::Stdout, Stream::Stderr] {
            let torn = std::mem::take(&mut file.torn[stream as usize]);
            if torn.length > 0 {
                file.put(&time::stem(time::now()), stream, &torn.bytes[..torn.length], false);
            }
        }
        file.failing = file.flush().is_err();
    }
}

impl FileLog {
    fn write(&mut self, stream: Stream, mut bytes: &[u8]) -> io::Result<()> {
        let stem = time::stem(time::now());
        if self.driver == LogDriver::JsonFile {
            bytes = self.complete(&stem, stream, bytes);
        }
        while !bytes.is_empty() {
            let window = &bytes[..bytes.len().min(PIECE)];
            let (text, ends, used) = match memchr::memchr(b'\n', window) {
                Some(at) => (&window[..at], true, at + 1),
                // A line that is exactly a piece long still ends here.
                None if bytes.get(PIECE) == Some(&b'\n') => (window, true, PIECE + 1),
                None => {
                    let cut = self.cut(window, bytes.len() > window.len());
                    (&window[..cut], false, cut)
                }
            };
            if self.batch.len() >= BATCH {
                self.flush()?;
            }
            self.put(&stem, stream, text, ends);
            self.rotate_if_full()?;
            bytes = &bytes[used..];
        }
        self.flush()
    }

    /// Where to cut a piece so that no character is torn, for the format that cares.
    fn cut(&self, window: &[u8], more: bool) -> usize {
        if more && self.driver == LogDriver::JsonFile {
            window.len() - json_file::incomplete(window)
        } else {
            window.len()
        }
    }

    /// Puts together the character that the last read tore, and keeps back the one that this read tears.
    fn complete<'a>(&mut self, stem: &[u8; 29], stream: Stream, mut bytes: &'a [u8]) -> &'a [u8] {
        let mut torn = std::mem::take(&mut self.torn[stream as usize]);
        if torn.length > 0 {
            let mut whole = [0_u8; 4];
            whole[..torn.length].copy_from_slice(&torn.bytes[..torn.length]);
            while torn.length < 4
                && json_file::incomplete(&whole[..torn.length]) == torn.length
                && let Some((first @ 0x80..=0xbf, rest)) = bytes.split_first()
            {
                whole[torn.length] = *first;
                torn.length += 1;
                bytes = rest;
            }
            if bytes.is_empty() && torn.length < 4 && json_file::incomplete(&whole[..torn.length]) == torn.length {
                torn.bytes.copy_from_slice(&whole[..3]);
                self.torn[stream as usize] = torn;
                return bytes;
            }
            self.put(stem, stream, &whole[..torn.length], false);
        }
        let keep = json_file::incomplete(bytes);
        let (now, later) = bytes.split_at(bytes.len() - keep);
        let kept = &mut self.torn[stream as usize];
        kept.bytes[..keep].copy_from_slice(later);
        kept.length = keep;
        now
    }

    /// Adds a record to the batch.
    fn put(&mut self, stem: &[u8; 29], stream: Stream, text: &[u8], ends: bool) {
        if let Some(journal) = &mut self.journal {
            journal.send(stream, text, ends);
        }
        match self.driver {
            LogDriver::JsonFile => json_file::encode(&mut self.batch, stem, stream, text, ends),
            _ => k8s_file::encode(&mut self.batch, stem, stream, text, ends),
        }
    }

    /// Begins a new file when the batch, whose last record was just added, does not fit into this one.
    fn rotate_if_full(&mut self) -> io::Result<()> {
        if self.batch.len() as u64 <= self.rotating.room() {
            return Ok(());
        }
        let last = memchr::memrchr(b'\n', &self.batch[..self.batch.len() - 1]).map_or(0, |at| at + 1);
        if last > 0 {
            let written = self.rotating.write(&self.batch[..last]);
            self.batch.drain(..last);
            written?;
        }
        if !self.rotating.is_empty() && self.rotating.rotate().is_err() {
            // The file goes on beyond its limit: better than a loss.
            self.failing = true;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let written = self.rotating.write(&self.batch);
        self.batch.clear();
        written
    }
}
