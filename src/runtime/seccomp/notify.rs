//! Seccomp notification: calls that another process decides (seccomp_unotify(2)).
//!
//! The listener exists only once the filter is in force, and the filter may hold back what would send it. So the process
//! writes its number alone ([`announce`]; a profile that holds back `write` is refused), the parent takes the descriptor
//! by pidfd, sends it with the container process state to `listenerPath` (runtime-spec, "Container Process State"), and
//! answers. Everything after that may wait for the listener's verdict.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction as Action, State};
use rustix::io::Errno;
use rustix::process::PidfdGetfdFlags;
use serde_json::json;

use crate::model::error::Error;
use crate::runtime::channel::Channel;
use crate::sys::socket;

/// The parent's answer, as a [`crate::runtime::channel::Message`] is encoded.
const HEARD: &[u8] = b"\"Heard\"";
/// What stands around the number.
const BEGIN: &[u8] = b"{\"Listening\":";

/// Who decides.
pub(crate) struct Observer {
    socket: OwnedFd,
    metadata: Option<String>,
}

impl Observer {
    /// Connects to the socket of the profile; `None` when it notifies nobody.
    pub(crate) fn connect(seccomp: Option<&LinuxSeccomp>) -> Result<Option<Self>> {
        let Some(seccomp) = seccomp.filter(|seccomp| asks(seccomp)) else { return Ok(None) };
        let path = path(seccomp)?;
        let socket = socket::connect(path)
            .with_context(|| format!("linux.seccomp.listenerPath: connect to {}", path.display()))?;
        Ok(Some(Self { socket, metadata: seccomp.listener_metadata().clone() }))
    }

    /// Takes the listener with that `number` from the process and sends it on.
    pub(crate) fn tell(&self, process: BorrowedFd<'_>, pid: i32, number: i32, state: &State) -> Result<()> {
        let listener = rustix::process::pidfd_getfd(process, number, PidfdGetfdFlags::empty())
            .context("take the seccomp listener from the process")?;
        let mut told = json!({"ociVersion": state.version(), "fds": ["seccompFd"], "pid": pid, "state": state});
        if let Some(metadata) = &self.metadata {
            told["metadata"] = json!(metadata);
        }
        let text = serde_json::to_vec(&told).context("encode the state of the process")?;
        socket::send(&self.socket, listener.as_fd(), &text).context("send the seccomp listener")
    }
}

/// The socket of a profile that notifies. It is not tried before the process is there: who listens would take a
/// connection that says nothing for a broken one.
pub(crate) fn path(seccomp: &LinuxSeccomp) -> Result<&Path> {
    match seccomp.listener_path() {
        Some(path) => Ok(path),
        None => bail!(Error::invalid("linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs one")),
    }
}

/// Whether any call is decided by somebody else.
fn asks(seccomp: &LinuxSeccomp) -> bool {
    let entries = seccomp.syscalls().iter().flatten();
    entries.into_iter().any(|entry| entry.action() == Action::ScmpActNotify && !entry.names().is_empty())
}

/// Tells the parent of the listener and waits until it has it. Allocates nothing and makes two calls.
pub(crate) fn announce(channel: &Channel, listener: &OwnedFd) -> Result<()> {
    use std::os::fd::AsRawFd;
    let mut buffer = [0_u8; 64];
    let length = packet(listener.as_raw_fd().unsigned_abs(), &mut buffer);
    rustix::io::write(channel.as_fd(), &buffer[..length]).context("tell of the seccomp listener")?;
    loop {
        match rustix::io::read(channel.as_fd(), &mut buffer) {
            Err(Errno::INTR) => {}
            Ok(length) if &buffer[..length] == HEARD => return Ok(()),
            Ok(_) => bail!("the seccomp listener was not taken"),
            Err(errno) => return Err(errno).context("wait until the seccomp listener is taken"),
        }
    }
}

/// Writes the message with the number; gives its length.
fn packet(number: u32, buffer: &mut [u8; 64]) -> usize {
    let mut digits = [0_u8; 10];
    let (mut rest, mut count) = (number, 0);
    loop {
        digits[count] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let mut at = BEGIN.len();
    buffer[..at].copy_from_slice(BEGIN);
    for digit in digits[..count].iter().rev() {
        buffer[at] = *digit;
        at += 1;
    }
    buffer[at] = b'}';
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::channel::Message;

    #[test]
    fn the_packet_is_the_message() {
        for number in [0, 7, 10, 4096, u32::MAX >> 1] {
            let mut buffer = [0_u8; 64];
            let length = packet(number, &mut buffer);
            let message: Message = serde_json::from_slice(&buffer[..length]).unwrap();
            assert_eq!(message, Message::Listening(i32::try_from(number).unwrap()));
        }
        assert_eq!(serde_json::to_vec(&Message::Heard).unwrap(), HEARD);
    }

    #[test]
    fn a_profile_that_notifies_needs_a_socket() {
        let profile = |value: serde_json::Value| -> LinuxSeccomp { serde_json::from_value(value).unwrap() };
        let silent = profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere"}));
        assert!(Observer::connect(Some(&silent)).unwrap().is_none());
        let calls = json!([{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]);
        let asking = profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls}));
        let error = Observer::connect(Some(&asking)).err().unwrap();
        assert!(error.to_string().contains("listenerPath"), "{error}");
    }
}
