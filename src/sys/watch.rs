//! Waiting for a change in a directory. inotify(7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

/// An eye on one entry of a directory. What happens from its making on is seen, so make it before looking at the entry.
#[derive(Debug)]
pub(crate) struct Watch {
    /// `None`: the directory is gone.
    fd: Option<OwnedFd>,
    name: Vec<u8>,
}

impl Watch {
    /// Watches the entry `name` of `dir`.
    pub(crate) fn new(dir: &Path, name: &str) -> io::Result<Self> {
        Self::with(dir, name, inotify::WatchFlags::empty())
    }

    /// Watches what is written to the entry too.
    pub(crate) fn growth(dir: &Path, name: &str) -> io::Result<Self> {
        Self::with(dir, name, inotify::WatchFlags::MODIFY)
    }

    fn with(dir: &Path, name: &str, further: inotify::WatchFlags) -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let events = further
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::MOVE_SELF
            | inotify::WatchFlags::DELETE_SELF;
        let fd = match inotify::add_watch(&fd, dir, events) {
            Ok(_) => Some(fd),
            Err(rustix::io::Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { fd, name: name.into() })
    }

    /// Waits until the entry is replaced, made or removed, the directory goes, or one of `others` is readable; for `limit`
    /// at most, if there is one. Whether any of it happened. A directory that is gone counts as changed.
    pub(crate) fn changed(&self, others: &[BorrowedFd<'_>], limit: Option<Duration>) -> io::Result<bool> {
        let Some(fd) = &self.fd else { return Ok(true) };
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let watched = std::iter::once(fd.as_fd()).chain(others.iter().copied());
        let mut fds: Vec<_> = watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
            match poll(&mut fds, left.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if fds[1..].iter().any(|fd| !fd.revents().is_empty()) {
                return Ok(true);
            }
            let mut reader = inotify::Reader::new(fd, &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) if event.file_name().is_none_or(|entry| entry.to_bytes() == self.name) => {
                        return Ok(true);
                    }
                    Ok(_) => {}
                    Err(rustix::io::Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_since_the_watch_began_is_seen() {
        let dir = std::env::temp_dir().join(format!("dhow-watch-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let watch = Watch::new(&dir, "entry").unwrap();
        std::fs::write(dir.join("other"), "").unwrap();
        assert!(!watch.changed(&[], Some(Duration::ZERO)).unwrap());
        std::fs::write(dir.join("new"), "").unwrap();
        std::fs::rename(dir.join("new"), dir.join("entry")).unwrap();
        assert!(watch.changed(&[], None).unwrap());
        assert!(!watch.changed(&[], Some(Duration::ZERO)).unwrap(), "seen once");
        let (ready, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        assert!(watch.changed(&[ready.as_fd()], None).unwrap(), "another descriptor");
        let growth = Watch::growth(&dir, "entry").unwrap();
        std::fs::write(dir.join("entry"), "more").unwrap();
        assert!(growth.changed(&[], None).unwrap(), "it grew");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(watch.changed(&[], None).unwrap(), "the directory went");
        assert!(Watch::new(&dir, "entry").unwrap().changed(&[], None).unwrap(), "it is gone");
    }
}
