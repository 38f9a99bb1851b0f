//! A log file that is rotated before it grows beyond its limit.
//!
//! ```text
//! ctr.log      what is written now
//! ctr.log.1    the one before it, and so on up to .N-1
//! ```
//!
//! The monitor alone writes. A record never spans two files. Rotation renames from the oldest on, so that a reader
//! that opens from the newest on sees every file at least once, and knows one by its inode.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::state::paths;

/// The open log file and its limits.
pub(crate) struct Rotating {
    path: PathBuf,
    /// `path.1` and so on, made beforehand: rotating allocates nothing.
    older: Vec<PathBuf>,
    file: File,
    size: u64,
    max_size: Option<u64>,
}

impl Rotating {
    /// Opens the file for appending. A torn line that a power cut left is closed with a newline first.
    pub(crate) fn open(path: &Path, max_size: Option<u64>, max_files: u32) -> Result<Self> {
        let what = || format!("open log {}", path.display());
        let mut file = Self::append(path, false).with_context(what)?;
        let mut size = file.metadata().with_context(what)?.len();
        if size > 0 {
            let mut last = [0_u8];
            file.seek(SeekFrom::End(-1)).with_context(what)?;
            file.read_exact(&mut last).with_context(what)?;
            if last != [b'\n'] {
                file.write_all(b"\n").with_context(what)?;
                size += 1;
            }
        }
        let older = (1..max_files.max(1)).map(|n| numbered(path, n)).collect();
        Ok(Self { path: path.to_owned(), older, file, size, max_size })
    }

    fn append(path: &Path, fresh: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).create_new(fresh);
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY);
        paths::open_over(&options, path)
    }

    /// How many bytes fit before the next rotation; never nothing, so that a record larger than the limit is kept too.
    pub(crate) fn room(&self) -> u64 {
        self.max_size.map_or(u64::MAX, |max| max.saturating_sub(self.size))
    }

    /// Whether nothing has been written to the current file.
    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Appends whole records. After an error (a full disk) the file is cut back to its last whole record.
    pub(crate) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(records) {
            // What could not be written is lost anyway; a torn record in the middle would cost its neighbour too.
            drop(self.file.set_len(self.size));
            return Err(error);
        }
        self.size += records.len() as u64;
        Ok(())
    }

    /// Begins a new file. When it cannot, the old one goes on beyond its limit: better than a loss.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        match self.older.last() {
            None => {
                // Only one file is kept: it starts again.
                self.file.set_len(0)?;
                self.size = 0;
                return Ok(());
            }
            Some(oldest) => match fs::remove_file(oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
        for at in (1..self.older.len()).rev() {
            match fs::rename(&self.older[at - 1], &self.older[at]) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, &self.older[0])?;
        match Self::append(&self.path, true) {
            Ok(file) => {
                self.file = file;
                self.size = 0;
                Ok(())
            }
            Err(error) => {
                drop(fs::rename(&self.older[0], &self.path));
                Err(error)
            }
        }
    }
}

/// The name of the `n`-th older file.
pub(crate) fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotates_and_keeps_so_many() {
        let dir = std::env::temp_dir().join(format!("dhow-rotate-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("ctr.log");
        let mut log = Rotating::open(&path, Some(10), 3).unwrap();
        for n in 0..5 {
            if log.room() < 8 {
                log.rotate().unwrap();
            }
            log.write(format!("record{n}\n").as_bytes()).unwrap();
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "record4\n");
        assert_eq!(read(&numbered(&path, 1)), "record3\n");
        assert_eq!(read(&numbered(&path, 2)), "record2\n");
        assert!(!numbered(&path, 3).exists());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 3);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_torn_end_is_closed() {
        let dir = std::env::temp_dir().join(format!("dhow-torn-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("ctr.log");
        fs::write(&path, "torn").unwrap();
        Rotating::open(&path, None, 1).unwrap().write(b"whole\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "torn\nwhole\n");
        fs::remove_dir_all(dir).unwrap();
    }
}
