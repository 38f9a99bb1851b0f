//! Network namespaces. A process never changes its own: work in another one runs on a thread of its own, which enters,
//! works and ends there.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sched::{CloneFlags, setns};

/// Runs `work` in the network namespace that `namespace` refers to (a namespace file or a pidfd), on a new thread.
pub(crate) fn within<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, move || -> io::Result<T> {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        })?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread in another network namespace panicked")))
    })
}
