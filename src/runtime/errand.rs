//! Work for another mount namespace than ours: a short-lived child goes there and sends back a detached mount. For a
//! process with one thread.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};

use super::channel::{Channel, Message};
use crate::sys::clone::{CloneArgs, Cloned, Namespaces, clone3};
use crate::sys::exec::leave;
use crate::sys::pidfd;

/// Runs `work` in a child that is born with `namespaces` of its own, and gives the mount that it made.
pub(crate) fn mount(namespaces: Namespaces, work: impl FnOnce() -> Result<OwnedFd>) -> Result<OwnedFd> {
    let (ours, theirs) = Channel::pair()?;
    match clone3(CloneArgs { namespaces, ..CloneArgs::default() }).context("make a process for the mount")? {
        Cloned::Child => {
            let told = match work() {
                Ok(tree) => theirs.send_with(&Message::Mount, Some(&tree)),
                Err(error) => theirs.send(&Message::report(&error)),
            };
            leave(i32::from(told.is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(theirs);
            let told = ours.receive();
            pidfd::reap(pidfd.as_fd())?;
            match told? {
                (Message::Mount, Some(tree)) => Ok(tree),
                (message, _) => bail!("unexpected message {message:?} in place of a mount"),
            }
        }
    }
}
