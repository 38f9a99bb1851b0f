//! Waiting for a change in a directory. inotify(7).

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

/// Waits until the entry `name` of `dir` is replaced, made or removed, or `dir` itself goes, for `limit` at most. Whether it
/// was. A directory that is gone counts as changed.
pub(crate) fn changed_within(dir: &Path, name: &str, limit: Duration) -> io::Result<bool> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let events = inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::MOVE_SELF
        | inotify::WatchFlags::DELETE_SELF;
    match inotify::add_watch(&fd, dir, events) {
        Ok(_) => {}
        Err(rustix::io::Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    let deadline = Instant::now() + limit;
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut reader = inotify::Reader::new(&fd, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.file_name().is_none_or(|entry| entry.to_bytes() == name.as_bytes()) => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
