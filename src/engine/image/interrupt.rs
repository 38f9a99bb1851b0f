//! Ctrl-C while an image arrives: the signal sets a stop, everything ends in order, and nothing is left.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags};

use crate::sys::cancel::Cancel;

/// A signal ended the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted {
    pub(crate) signal: i32,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Takes the signals that would kill, until it is dropped; then the next one kills again.
pub(crate) struct Guard {
    pub(crate) cancel: Cancel,
    signal: Arc<AtomicI32>,
    before: SigSet,
    /// Closing it ends the thread.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Begins to listen. Threads that are made later inherit that the signals are blocked; programs do not.
    pub(crate) fn new() -> Result<Self> {
        let mut set = SigSet::empty();
        [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| set.add(signal));
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("block signals")?;
        let cancel = Cancel::new().context("make an event")?;
        let mut guard = Self { cancel, signal: Arc::default(), before, end: None, thread: None };
        let signals =
            SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).context("listen for signals")?;
        let (ended, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make a pipe")?;
        let (cancel, signal) = (guard.cancel.clone(), Arc::clone(&guard.signal));
        guard.end = Some(end);
        guard.thread = Some(
            std::thread::Builder::new()
                .name("signals".to_owned())
                .spawn(move || listen(&signals, &ended, &cancel, &signal))
                .context("start a thread")?,
        );
        Ok(guard)
    }

    /// What the work gave, or that a signal ended it.
    pub(crate) fn outcome<T>(&self, result: Result<T>) -> Result<T> {
        match (result, self.signal.load(Ordering::Relaxed)) {
            (Err(_), signal) if signal != 0 => Err(Interrupted { signal }.into()),
            (result, _) => result,
        }
    }
}

fn listen(signals: &SignalFd, ended: &OwnedFd, cancel: &Cancel, signal: &AtomicI32) {
    loop {
        let mut ready = [PollFd::new(signals, PollFlags::IN), PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
        match rustix::event::poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) => {}
        }
        if !ready[1].revents().is_empty() {
            return;
        }
        if let Ok(Some(info)) = signals.read_signal() {
            signal.store(i32::try_from(info.ssi_signo).unwrap_or(libc::SIGINT), Ordering::Relaxed);
            cancel.cancel();
            return;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It ends as soon as its pipe is closed.
            drop(thread.join());
        }
        // The mask came from the kernel: setting it cannot fail.
        let _unchanged = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_comes_back() {
        // A signal to the process would end the other tests; `tests/` send one to a whole command.
        let before = SigSet::thread_get_mask().unwrap();
        let guard = Guard::new().unwrap();
        assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGINT));
        assert_eq!(guard.outcome(Ok(1)).unwrap(), 1);
        guard.signal.store(libc::SIGHUP, Ordering::Relaxed);
        let error = guard.outcome::<()>(Err(anyhow::anyhow!("x"))).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Interrupted { signal: libc::SIGHUP }));
        drop(guard);
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
