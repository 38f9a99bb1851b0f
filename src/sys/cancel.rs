//! A stop that everybody hears at once: threads by the flag, polls and futures by a pipe's end. pipe(7).
//!
//! Once set it stays so; the pipe is then readable for ever, for any number of listeners. (A pipe rather than an eventfd:
//! tokio waits for one without unsafe code.)

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

/// A stop; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Cancel(Arc<Event>);

#[derive(Debug)]
struct Event {
    set: AtomicBool,
    /// Nobody reads it.
    read: OwnedFd,
    write: OwnedFd,
}

impl Cancel {
    pub(crate) fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Event { set: AtomicBool::new(false), read, write })))
    }

    pub(crate) fn cancel(&self) {
        if !self.0.set.swap(true, Ordering::SeqCst) {
            // It fails only where the pipe is full or closed, and this is its one byte.
            let _written = rustix::io::write(&self.0.write, b"!");
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.read.as_fd()
    }
}

/// Waits until `fd` has one of `events` (an end of file and an error count) or one of `stops` is set; whether `fd` has.
pub(crate) fn ready(fd: impl AsFd, events: PollFlags, stops: &[&Cancel]) -> io::Result<bool> {
    let mut list = vec![PollFd::from_borrowed_fd(fd.as_fd(), events)];
    list.extend(stops.iter().map(|stop| PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)));
    loop {
        match poll(&mut list, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => return Ok(stops.iter().all(|stop| !stop.is_cancelled())),
        }
    }
}

/// Reads a file or pipe until a stop is set; then each read is an error of the kind `Other` ("cancelled").
pub(crate) struct Reading<'a> {
    pub(crate) file: File,
    pub(crate) stop: &'a Cancel,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match ready(&self.file, PollFlags::IN, &[self.stop])? {
            true => self.file.read(buffer),
            false => Err(io::Error::other("cancelled")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn everybody_hears_it() {
        let stop = Cancel::new().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut reading = Reading { file: File::from(read), stop: &stop };
        rustix::io::write(&write, b"ab").unwrap();
        let mut byte = [0];
        assert_eq!((reading.read(&mut byte).unwrap(), byte), (1, *b"a"));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let (quiet, _open) = rustix::pipe::pipe().unwrap();
                    assert!(!ready(&quiet, PollFlags::IN, &[&stop]).unwrap());
                });
            }
            let begun = Instant::now();
            stop.clone().cancel();
            stop.cancel();
            assert!(begun.elapsed() < Duration::from_secs(5));
        });
        assert!(stop.is_cancelled());
        assert_eq!(reading.read(&mut byte).unwrap_err().to_string(), "cancelled", "although there is a byte");
    }
}
