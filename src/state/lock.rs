//! Locks are `flock(2)` on close-on-exec files: the kernel frees them with their process. The only user of fs2.
//!
//! Order: pod, container, volume, network, images, names; two of one kind in the order of their names. A debug build
//! asserts it. Lifetime locks (a monitor's, a pull's lease) are outside the order: nobody blocks on them.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use fs2::FileExt;

use crate::model::error::{Error, ErrorKind};

/// How long a command waits for another one that holds an object.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a lock protects; locks are taken in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Container,
    Volume,
    Network,
    Images,
    Names,
    Secrets,
}

thread_local! {
    /// What this thread holds, for the assertion of the order.
    static HELD: RefCell<Vec<(Rank, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    ranked: Option<(Rank, PathBuf)>,
}

impl Lock {
    /// Waits for the lock at `path` (made when missing), for at most a minute: then an error names the holder.
    pub(crate) fn exclusive(rank: Rank, path: &Path) -> Result<Self> {
        let file = open(path)?;
        if !try_lock(&file, path, true)? {
            wait(&file, path, true, PATIENCE)?;
        }
        Ok(Self::ranked(file, rank, path))
    }

    /// As [`Self::exclusive`], beside others who only look.
    pub(crate) fn shared(rank: Rank, path: &Path) -> Result<Self> {
        let file = open(path)?;
        if !try_lock(&file, path, false)? {
            wait(&file, path, false, PATIENCE)?;
        }
        Ok(Self::ranked(file, rank, path))
    }

    /// Takes the lock if it is free now.
    pub(crate) fn try_exclusive(rank: Rank, path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(if try_lock(&file, path, true)? { Some(Self::ranked(file, rank, path)) } else { None })
    }

    /// Takes a lifetime lock that no live process has but who asks whether it is held, which takes a moment: `None` when it
    /// lasts longer than `patience`.
    pub(crate) fn lease_within(path: &Path, patience: Duration) -> Result<Option<Self>> {
        let file = open(path)?;
        if !try_lock(&file, path, true)? {
            match wait(&file, path, true, patience) {
                Err(error) if error.downcast_ref::<Error>().is_some_and(|e| e.kind == ErrorKind::Timeout) => {
                    return Ok(None);
                }
                waited => waited?,
            }
        }
        Ok(Some(Self { file, ranked: None }))
    }

    /// Takes over a lifetime lock that was handed to this process with its open file.
    pub(crate) fn handed(file: OwnedFd) -> Self {
        Self { file: file.into(), ranked: None }
    }

    /// Takes a lifetime lock, outside the order, if it is free now.
    pub(crate) fn lease(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(if try_lock(&file, path, true)? { Some(Self { file, ranked: None }) } else { None })
    }

    fn ranked(file: File, rank: Rank, path: &Path) -> Self {
        let path = path.to_owned();
        HELD.with_borrow_mut(|held| {
            debug_assert!(
                held.iter().all(|(other, at)| (*other, at) < (rank, &path)),
                "lock {} is taken after {held:?}",
                path.display()
            );
            held.push((rank, path.clone()));
        });
        Self { file, ranked: Some((rank, path)) }
    }

    /// The open file, for a child that shall hold the same lock.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(ranked) = self.ranked.take() {
            HELD.with_borrow_mut(|held| held.retain(|other| *other != ranked));
        }
    }
}

/// Whether a live process holds the lock at `path`. A file that does not exist is held by nobody.
pub(crate) fn is_held(path: &Path) -> Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(!try_lock(&file, path, false)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("open {}", path.display())),
    }
}

/// Waits until nobody holds the lock at `path`, for `patience` at most. Others who ask meanwhile are not told that it is
/// held.
pub(crate) fn wait_free(path: &Path, patience: Duration) -> Result<()> {
    match File::open(path) {
        Ok(file) if try_lock(&file, path, false)? => Ok(()),
        Ok(file) => wait(&file, path, false, patience),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("open {}", path.display())),
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    super::paths::open_over(&options, path).with_context(|| format!("open lock {}", path.display()))
}

fn try_lock(file: &File, path: &Path, exclusive: bool) -> Result<bool> {
    let locked = if exclusive { FileExt::try_lock_exclusive(file) } else { FileExt::try_lock_shared(file) };
    match locked {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// Blocks in a thread of its own, so that the wait can end: flock(2) has no deadline.
fn wait(file: &File, path: &Path, exclusive: bool, patience: Duration) -> Result<()> {
    let waiter = file.try_clone().with_context(|| format!("lock {}", path.display()))?;
    let (done, locked) = mpsc::channel();
    std::thread::spawn(move || {
        let result = if exclusive { FileExt::lock_exclusive(&waiter) } else { FileExt::lock_shared(&waiter) };
        // First: a copy that outlived this call would hold the lock after its owner has let it go.
        drop(waiter);
        // The receiver is gone after the deadline; then the lock has gone with the copy.
        drop(done.send(result));
    });
    match locked.recv_timeout(patience) {
        Ok(result) => result.with_context(|| format!("lock {}", path.display())),
        Err(_) => {
            let holder = holder(file).map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            let message =
                format!("{holder} holds the lock {} for more than {} seconds", path.display(), patience.as_secs());
            Err(Error::new(ErrorKind::Timeout, message)
                .hint("see what that process does; its end frees the lock")
                .into())
        }
    }
}

/// The pid that /proc/locks names for the inode of `file`.
fn holder(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields.as_slice() else { return None };
        (place.rsplit(':').next() == Some(inode.as_str())).then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// R14.
    #[test]
    fn is_held_until_dropped() {
        let dir = std::env::temp_dir().join(format!("dhow-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("lock");
        assert!(!is_held(&path).unwrap());
        let lock = Lock::exclusive(Rank::Container, &path).unwrap();
        assert!(is_held(&path).unwrap());
        assert!(Lock::lease(&path).unwrap().is_none());
        drop(lock);
        assert!(!is_held(&path).unwrap());
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// Whether somebody waits for the lock at `path`: `/proc/locks` lists who does with an arrow.
    fn is_awaited(path: &Path) -> bool {
        let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&inode))
    }

    #[test]
    fn who_waited_leaves_nothing_held() {
        let dir = std::env::temp_dir().join(format!("dhow-lock-wait-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("lock");
        for round in 0..200 {
            let held = Lock::lease(&path).unwrap().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_awaited(&path) {
                        std::thread::yield_now();
                    }
                    drop(held);
                });
                wait_free(&path, PATIENCE).unwrap();
                assert!(!is_held(&path).unwrap(), "round {round}");
                assert!(Lock::lease(&path).unwrap().is_some(), "round {round}");
            });
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
