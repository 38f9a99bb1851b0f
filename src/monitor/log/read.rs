//! Reading a log: the last lines, a span of time, and on while the container runs.
//!
//! The files are opened from the newest to the oldest and known by their inodes, so that a rotation meanwhile shows a
//! file twice at most, never not at all; the second sight is dropped. When the writer has gone on to the next file, the
//! rest of this one is read first. Records that cannot be parsed (torn by a power cut, or not ours) are passed over.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use super::rotate::numbered;
use super::time::{self, Nanos};
use super::{Record, Stream, json_file, k8s_file};
use crate::model::log::LogDriver;

/// How much is read at once.
const BLOCK: usize = 64 << 10;
/// A record longer than this is none of ours and is passed over.
const LINE_LIMIT: usize = 1 << 20;
/// So many names in a row may be missing before a log is at its oldest file.
const HOLES: u32 = 8;
/// So often a look at the files is repeated because of a rotation meanwhile.
const RETRIES: usize = 100;
/// The end of a container is looked for at least this often, should an event be missed.
const TICK: i64 = 1_000_000_000;

/// What to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// Only so many lines from the end.
    pub(crate) tail: Option<u64>,
    /// Only lines that began at this time or later.
    pub(crate) since: Option<Nanos>,
    /// Only lines that began at this time or earlier.
    pub(crate) until: Option<Nanos>,
}

/// A part of a line: most lines have one.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) time: Nanos,
    pub(crate) stream: Stream,
    pub(crate) text: &'a [u8],
    /// Whether the line begins here.
    pub(crate) begins: bool,
    /// Whether the line ends here, with a newline.
    pub(crate) ends: bool,
}

/// Where the pieces go.
pub(crate) trait Sink {
    /// Takes a piece; `Break` ends the reading.
    fn piece(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>>;

    /// There is nothing more for now: what was kept back should be shown.
    fn idle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Going on while the container runs.
pub(crate) struct Follow<'a> {
    /// Directories whose changes may mean that the container ended.
    pub(crate) watch: &'a [PathBuf],
    /// Whether the container has ended: whatever it wrote is in the log then.
    pub(crate) ended: &'a mut dyn FnMut() -> bool,
}

/// Reads the log at `path` into `sink`, and with `follow` goes on until the container ends. A log that does not exist
/// is empty.
pub(crate) fn read(
    driver: LogDriver,
    path: &Path,
    query: &Query,
    mut follow: Option<Follow<'_>>,
    sink: &mut dyn Sink,
) -> Result<()> {
    // Watch first: what happens after this line is either read below or wakes us.
    let watch = follow.as_ref().map(|follow| Watch::new(path, follow.watch)).transpose()?;
    let mut over = follow.as_mut().is_some_and(|follow| (follow.ended)());
    let mut chain = chain(path, None)?;
    let mut parser = Parser::new(driver, query);
    if let Some(tail) = query.tail {
        start_at_tail(&mut chain, driver, tail)?;
    } else if let Some(since) = query.since {
        let old = |open: &Open| open.file.metadata().is_ok_and(|meta| modified(&meta) < since);
        // The newest one stays: it may grow.
        while chain.len() > 1 && old(&chain[0]) {
            chain.remove(0);
        }
    }
    loop {
        while !chain.is_empty() {
            if parser.drain(&mut chain[0], sink)?.is_break() {
                return Ok(());
            }
            if chain.len() == 1 {
                break;
            }
            chain.remove(0);
            parser.forget();
        }
        let (Some(follow), Some(watch)) = (&mut follow, &watch) else {
            return sink.idle();
        };
        if advance(path, &mut chain)? {
            continue;
        }
        sink.idle()?;
        let late = query.until.is_some_and(|until| time::now() > until);
        if over || late {
            return Ok(());
        }
        watch.wait(query.until)?;
        // Before the read that follows: what was written before the end is then read after we know of it.
        over = (follow.ended)();
    }
}

fn modified(meta: &std::fs::Metadata) -> Nanos {
    meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec())
}

/// An open log file and how far it is read.
struct Open {
    file: File,
    inode: Inode,
    offset: u64,
    /// Whether it was the one that is written.
    is_newest: bool,
}

/// Device and number: what a file is, whatever its name.
type Inode = (u64, u64);

fn open(path: &Path, is_newest: bool) -> Result<Option<Open>> {
    let what = || format!("open log {}", path.display());
    match File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Ok(file) => {
            let meta = file.metadata().with_context(what)?;
            Ok(Some(Open { file, inode: (meta.dev(), meta.ino()), offset: 0, is_newest }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(what),
    }
}

/// All files of the log, the oldest first; with `until` only that one and the newer ones, if it is still there.
fn chain(path: &Path, until: Option<Inode>) -> Result<Vec<Open>> {
    for _ in 0..RETRIES {
        let files = look(path, until)?;
        // With another newest file than at first, a newer file may have moved to where an older one was sought.
        if newest(path)? == files.last().filter(|open| open.is_newest).map(|open| open.inode) {
            return Ok(files);
        }
    }
    // A writer that rotates faster than we can look keeps nothing for long anyway.
    look(path, until)
}

/// Opens the files from the newest to the oldest once. Older ones only ever move to higher numbers meanwhile.
fn look(path: &Path, until: Option<Inode>) -> Result<Vec<Open>> {
    let mut files: Vec<Open> = Vec::new();
    let mut missing = 0;
    for n in 0.. {
        let name = if n == 0 { path.to_owned() } else { numbered(path, n) };
        match open(&name, n == 0)? {
            Some(open) => {
                missing = 0;
                let inode = open.inode;
                if files.iter().all(|other| other.inode != inode) {
                    files.push(open);
                }
                if until == Some(inode) {
                    break;
                }
            }
            // A name is missing for a moment while the files are renamed, and the next one perhaps with the next turn.
            None => missing += 1,
        }
        if missing > HOLES {
            break;
        }
    }
    files.reverse();
    Ok(files)
}

/// What is written now.
fn newest(path: &Path) -> Result<Option<Inode>> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(Some((meta.dev(), meta.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("stat log {}", path.display())),
    }
}

/// Looks whether the writer went on to another file. `true`: there is something to read.
fn advance(path: &Path, files: &mut Vec<Open>) -> Result<bool> {
    let Some(current) = files.last_mut() else {
        *files = chain(path, None)?;
        return Ok(!files.is_empty());
    };
    // While a rotation is under way there is none: its end wakes us.
    let Some(newest) = newest(path)? else { return Ok(false) };
    if current.inode == newest {
        let length = current.file.metadata().context("stat log")?.len();
        if length < current.offset {
            // A log of one file started again.
            current.offset = 0;
        }
        return Ok(length > current.offset);
    }
    let inode = current.inode;
    let mut all = chain(path, Some(inode))?;
    // Ours was rotated away altogether when it is not found: then everything left is newer.
    let newer = all.iter().position(|open| open.inode == inode).map_or(0, |at| at + 1);
    // The current one stays in front: its last records may have come after our last read.
    files.extend(all.drain(newer..));
    Ok(files.len() > 1)
}

/// Sets the offsets, and drops older files, so that `tail` lines are left to read.
fn start_at_tail(files: &mut Vec<Open>, driver: LogDriver, tail: u64) -> Result<()> {
    let mut count = Backward { left: tail, seen: [false; 2] };
    for at in (0..files.len()).rev() {
        if let Some(offset) = count.scan(&files[at].file, driver).context("read log")? {
            files[at].offset = offset;
            files.drain(..at);
            return Ok(());
        }
    }
    Ok(())
}

/// Counts lines from the end.
struct Backward {
    left: u64,
    /// Whether a later record of the stream was seen: if not, an unfinished line is the last one.
    seen: [bool; 2],
}

impl Backward {
    /// The offset at which the wanted lines begin, if they all are in this file.
    fn scan(&mut self, file: &File, driver: LogDriver) -> io::Result<Option<u64>> {
        let mut start = file.metadata()?.len();
        // The bytes from `start` on that belong to a line whose beginning is further in front.
        let mut text: Vec<u8> = Vec::new();
        let mut torn = true;
        while start > 0 {
            let length = start.min(BLOCK as u64);
            start -= length;
            let mut block = vec![0; usize::try_from(length).unwrap_or(BLOCK)];
            file.read_exact_at(&mut block, start)?;
            if text.len() > LINE_LIMIT {
                text.clear();
            }
            block.append(&mut text);
            text = block;
            // A line lies between two newlines, the last of which ends `text`; what is behind it at first is torn.
            while let Some(end) = memchr::memrchr(b'\n', &text) {
                if torn {
                    torn = false;
                    text.truncate(end + 1);
                }
                let Some(before) = memchr::memrchr(b'\n', &text[..end]).or((start == 0).then_some(usize::MAX)) else {
                    break;
                };
                let from = before.wrapping_add(1);
                if self.ends_a_line(&text[from..end], driver) {
                    if self.left == 0 {
                        return Ok(Some(start + end as u64 + 1));
                    }
                    self.left -= 1;
                }
                text.truncate(from);
            }
        }
        Ok(None)
    }

    fn ends_a_line(&mut self, line: &[u8], driver: LogDriver) -> bool {
        let Some(record) = decode(driver, line) else { return false };
        let seen = std::mem::replace(&mut self.seen[record.stream as usize], true);
        record.ends || !seen
    }
}

fn decode(driver: LogDriver, line: &[u8]) -> Option<Record<'_>> {
    match driver {
        LogDriver::JsonFile => json_file::decode(line),
        _ => k8s_file::decode(line),
    }
}

/// Cuts bytes into records, and records into the pieces that were asked for.
struct Parser {
    driver: LogDriver,
    since: Option<Nanos>,
    until: Option<Nanos>,
    /// A record whose end is not read yet.
    rest: Vec<u8>,
    /// Whether `rest` grew beyond the limit and everything up to the next newline is to be dropped.
    skip: bool,
    block: Vec<u8>,
    /// For each stream: the line that is not finished yet, and whether it is wanted.
    open: [Option<bool>; 2],
}

impl Parser {
    fn new(driver: LogDriver, query: &Query) -> Self {
        Self {
            driver,
            since: query.since,
            until: query.until,
            rest: Vec::new(),
            skip: false,
            block: vec![0; BLOCK],
            open: [None; 2],
        }
    }

    /// The next bytes come from another file: a torn end of this one is nothing.
    fn forget(&mut self) {
        self.rest.clear();
        self.skip = false;
    }

    /// Reads `open` to its present end.
    fn drain(&mut self, open: &mut Open, sink: &mut dyn Sink) -> Result<ControlFlow<()>> {
        let mut block = std::mem::take(&mut self.block);
        let done = loop {
            let length = match open.file.read_at(&mut block, open.offset) {
                Ok(0) => break Ok(ControlFlow::Continue(())),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(error).context("read log"),
            };
            open.offset += length as u64;
            match self.feed(&block[..length], sink) {
                Ok(ControlFlow::Continue(())) => {}
                done => break done,
            }
        };
        self.block = block;
        done
    }

    fn feed(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> Result<ControlFlow<()>> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.skip) {
                self.rest.clear();
                continue;
            }
            let flow = if self.rest.is_empty() {
                self.line(line, sink)?
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(line);
                let flow = self.line(&whole, sink)?;
                whole.clear();
                self.rest = whole;
                flow
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        if self.rest.len() + bytes.len() > LINE_LIMIT {
            self.skip = true;
            self.rest.clear();
        } else if !self.skip {
            self.rest.extend_from_slice(bytes);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn line(&mut self, line: &[u8], sink: &mut dyn Sink) -> Result<ControlFlow<()>> {
        let Some(record) = decode(self.driver, line) else { return Ok(ControlFlow::Continue(())) };
        let open = &mut self.open[record.stream as usize];
        let begins = open.is_none();
        let wanted = open.unwrap_or_else(|| {
            self.since.is_none_or(|since| record.time >= since) && self.until.is_none_or(|until| record.time <= until)
        });
        *open = (!record.ends).then_some(wanted);
        if !wanted {
            return Ok(ControlFlow::Continue(()));
        }
        let text = record.text.bytes();
        sink.piece(&Piece { time: record.time, stream: record.stream, text, begins, ends: record.ends })
    }
}

/// Wakes us when a log file or a watched directory changes.
struct Watch {
    inotify: std::os::fd::OwnedFd,
}

impl Watch {
    fn new(path: &Path, others: &[PathBuf]) -> Result<Self> {
        use inotify::WatchFlags as Flags;
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .context("watch log: inotify_init")?;
        let add = |dir: &Path, flags| match inotify::add_watch(&inotify, dir, flags) {
            // Not made yet, or gone already: the tick finds out.
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("watch {}", dir.display())),
        };
        let flags = Flags::MODIFY | Flags::CREATE | Flags::MOVED_TO;
        add(path.parent().unwrap_or_else(|| Path::new(".")), flags)?;
        for dir in others {
            // A lock that is let go shows as a file that is closed.
            add(dir, flags | Flags::CLOSE_WRITE | Flags::CLOSE_NOWRITE | Flags::DELETE_SELF | Flags::MASK_ADD)?;
        }
        Ok(Self { inotify })
    }

    /// Waits for a change, for a second at most, and not beyond `until`.
    fn wait(&self, until: Option<Nanos>) -> Result<()> {
        let left = until.map_or(TICK, |until| until.saturating_sub(time::now()).saturating_add(1)).clamp(0, TICK);
        let timeout = Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 };
        let mut fds = [PollFd::from_borrowed_fd(self.inotify.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error).context("wait for log"),
        }
        // What changed does not matter: everything is looked at again.
        let mut events = [0_u8; 4096];
        while rustix::io::read(&self.inotify, &mut events).is_ok_and(|length| length > 0) {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Log;
    use super::*;
    use crate::model::log::LogConfig;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Collect {
        text: Vec<u8>,
        lines: usize,
    }

    impl Sink for Collect {
        fn piece(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>> {
            self.text.extend_from_slice(piece.text);
            if piece.ends {
                self.text.push(b'\n');
            }
            self.lines += usize::from(piece.begins);
            Ok(ControlFlow::Continue(()))
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("dhow-read-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn config(driver: LogDriver, max_size: Option<u64>, max_files: u32) -> LogConfig {
        LogConfig { driver, max_size, max_files, ..LogConfig::default() }
    }

    fn text(config: &LogConfig, dir: &Path, query: &Query) -> String {
        let mut sink = Collect::default();
        read(config.driver, &super::super::path(config, dir), query, None, &mut sink).unwrap();
        String::from_utf8_lossy(&sink.text).into_owned()
    }

    const DRIVERS: [LogDriver; 2] = [LogDriver::K8sFile, LogDriver::JsonFile];

    #[test]
    fn the_last_lines_come_from_the_end_across_files() {
        for driver in DRIVERS {
            let dir = scratch(&format!("tail-{}", driver.name()));
            let config = config(driver, Some(1000), 100);
            let mut log = Log::open(&config, &dir).unwrap();
            let all: Vec<String> = (0..200).map(|n| format!("line {n}\n")).collect();
            for line in &all {
                log.write(Stream::Stdout, line.as_bytes());
            }
            assert!(numbered(&super::super::path(&config, &dir), 5).exists());
            for tail in [0, 1, 2, 7, 50, 199, 200, 1000] {
                let query = Query { tail: Some(tail as u64), ..Query::default() };
                let want = all[all.len().saturating_sub(tail)..].concat();
                assert_eq!(text(&config, &dir, &query), want, "{driver:?} {tail}");
            }
            log.write(Stream::Stdout, b"unfin");
            log.write(Stream::Stdout, b"ished");
            let query = Query { tail: Some(2), ..Query::default() };
            assert_eq!(text(&config, &dir, &query), "line 199\nunfinished");
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    #[test]
    fn torn_and_foreign_lines_are_passed_over() {
        let dir = scratch("torn");
        let path = dir.join("ctr.log");
        let good = "1970-01-01T00:00:01.000000000+00:00 stdout F good\n";
        let zeros = "\0".repeat(5000);
        let long = "x".repeat(3 << 20);
        std::fs::write(&path, format!("junk\n{good}{zeros}\n{long}\n{good}1970-01-01T00:00")).unwrap();
        for tail in [None, Some(2), Some(9)] {
            let mut sink = Collect::default();
            read(LogDriver::K8sFile, &path, &Query { tail, ..Query::default() }, None, &mut sink).unwrap();
            assert_eq!(String::from_utf8(sink.text).unwrap(), "good\ngood\n");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_span_of_time_keeps_lines_whole() {
        let dir = scratch("span");
        let path = dir.join("ctr.log");
        let mut text = String::new();
        for (second, rest) in [(1, "F one"), (2, "P tw"), (3, "F o"), (4, "F four")] {
            text += &format!("1970-01-01T00:00:0{second}.000000000+00:00 stdout {rest}\n");
        }
        std::fs::write(&path, text).unwrap();
        for (since, until, want) in [
            (None, None, "one\ntwo\nfour\n"),
            (Some(2), None, "two\nfour\n"),
            (Some(3), None, "four\n"),
            (None, Some(2), "one\ntwo\n"),
            (Some(2), Some(3), "two\n"),
        ] {
            let nanos = |second: Option<i64>| second.map(|second| second * 1_000_000_000);
            let query = Query { tail: None, since: nanos(since), until: nanos(until) };
            let mut sink = Collect::default();
            read(LogDriver::K8sFile, &path, &query, None, &mut sink).unwrap();
            assert_eq!(String::from_utf8(sink.text).unwrap(), want);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn following_sees_every_byte_across_rotations_and_ends() {
        for driver in DRIVERS {
            let dir = scratch(&format!("follow-{}", driver.name()));
            let config = config(driver, Some(4096), 1000);
            let path = super::super::path(&config, &dir);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let want: String = (0..5000).map(|n| format!("line number {n}\n")).collect();
            let writer = std::thread::spawn({
                let (dir, want) = (dir.clone(), want.clone());
                move || {
                    let mut log = Log::open(&config, &dir).unwrap();
                    for chunk in want.as_bytes().chunks(777) {
                        log.write(Stream::Stdout, chunk);
                    }
                    log.finish();
                    std::fs::write(dir.join("exit.json"), "{}").unwrap();
                }
            });
            let mut sink = Collect::default();
            let end = dir.join("exit.json");
            let mut ended = || end.exists();
            let follow = Follow { watch: std::slice::from_ref(&dir), ended: &mut ended };
            read(driver, &path, &Query::default(), Some(follow), &mut sink).unwrap();
            writer.join().unwrap();
            let text = String::from_utf8(sink.text).unwrap();
            let same = text.bytes().zip(want.bytes()).take_while(|(a, b)| a == b).count();
            assert!(text == want, "{driver:?}: {same} of {} bytes are right, {} came", want.len(), text.len());
            assert_eq!(sink.lines, 5000);
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the cuts of the reads: k8s-file gives back the bytes, json-file the characters.
        #[test]
        fn what_is_written_is_read(text in "[a-zé€😀\n]{0,300}", cuts in proptest::collection::vec(1_usize..40, 1..8)) {
            for driver in DRIVERS {
                let dir = scratch(&format!("prop-{}", driver.name()));
                let config = config(driver, Some(300), 500);
                let mut log = Log::open(&config, &dir).unwrap();
                let mut bytes = text.as_bytes();
                for cut in cuts.iter().cycle() {
                    if bytes.is_empty() {
                        break;
                    }
                    let (now, later) = bytes.split_at((*cut).min(bytes.len()));
                    log.write(Stream::Stderr, now);
                    bytes = later;
                }
                log.finish();
                prop_assert_eq!(self::text(&config, &dir, &Query::default()), text.as_str());
                std::fs::remove_dir_all(dir).unwrap();
            }
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), tail in 0_u64..5) {
            let dir = scratch("bytes");
            let path = dir.join("ctr.log");
            std::fs::write(&path, &bytes).unwrap();
            for driver in DRIVERS {
                let query = Query { tail: Some(tail), ..Query::default() };
                read(driver, &path, &query, None, &mut Collect::default()).unwrap();
            }
            std::fs::remove_dir_all(dir).unwrap();
        }
    }
}
