//! What the engine and a monitor say to each other while a container starts: JSON messages on a `SOCK_SEQPACKET` pair.
//!
//! ```text
//! engine   MonitorConfig ->                        monitor
//!          <- Report::Created { pid, start_time } | Report::Failed(error)
//!          Command::Start ->                      (not with start_immediately)
//!          <- Report::Running | Report::Failed(error)
//!          or Command::Keep ->
//!          <- Report::Kept | Report::Failed(error)
//! ```
//!
//! A monitor that keeps its container listens at the gate `start` in the run directory, where a later engine begins such a
//! conversation with `Start`.
//!
//! Then the engine closes its end. That the engine closed it before `Start` or `Keep` means that it died: the monitor undoes what
//! it made. A message is one or more packets; the first byte of each is the version, the second says whether more follow.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::frame;
use crate::model::error::{Error, ErrorKind};

/// The version of these messages.
const VERSION: u8 = 1;
/// The most of a message in one packet.
const PACKET: usize = 60 << 10;
/// No message is larger.
const LIMIT: usize = 16 << 20;

/// The name of the socket at which a container that is kept waits for its start.
pub(crate) const GATE: &str = "start";

/// What a monitor reports.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The process exists with its namespaces, and waits. Its start time is field 22 of `/proc/PID/stat`.
    Created { pid: i32, start_time: u64 },
    /// The process waits for a later engine.
    Kept,
    /// The program was executed.
    Running,
    /// It was not; nothing is left of it.
    Failed(Error),
}

/// What the engine commands.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Let the process wait for another engine's `Start`.
    Keep,
    /// Let the process execute its program. Its network is connected and has these addresses.
    Start {
        #[serde(default)]
        addresses: Vec<IpAddr>,
    },
}

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = frame::pair()?;
        Ok((Self(a), Self(b)))
    }

    /// Takes a socket that was handed to this process.
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Sends one message; waits while the other side's buffer is full, for `patience` at most.
    pub(crate) fn send<T: Serialize>(&self, message: &T, patience: Duration) -> Result<()> {
        let bytes = serde_json::to_vec(message).context("encode message")?;
        let deadline = Instant::now() + patience;
        let mut packet = Vec::with_capacity(2 + bytes.len().min(PACKET));
        let mut chunks = bytes.chunks(PACKET).peekable();
        while let Some(chunk) = chunks.next() {
            packet.clear();
            packet.extend_from_slice(&[VERSION, u8::from(chunks.peek().is_some())]);
            packet.extend_from_slice(chunk);
            loop {
                match send(&self.0, &packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Ok(_) => break,
                    Err(rustix::io::Errno::AGAIN) => self.wait(PollFlags::OUT, deadline, "send message")?,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error).context("send message"),
                }
            }
        }
        Ok(())
    }

    /// Waits for one message, for `patience` at most. `None`: the other side is gone.
    pub(crate) fn receive<T: DeserializeOwned>(&self, patience: Duration) -> Result<Option<T>> {
        let deadline = Instant::now() + patience;
        let mut bytes = Vec::new();
        let mut packet = vec![0_u8; 2 + PACKET];
        loop {
            match recv(&self.0, packet.as_mut_slice(), RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((_, 0)) => return Ok(None),
                Ok((_, length)) if length < 2 || length > packet.len() => return Err(malformed("bad length").into()),
                Ok((_, length)) => {
                    let [version, more] = [packet[0], packet[1]];
                    if version != VERSION {
                        let message = format!("the other side speaks version {version} of the monitor's messages");
                        return Err(Error::unsupported(message).into());
                    }
                    bytes.extend_from_slice(&packet[2..length]);
                    if bytes.len() > LIMIT {
                        return Err(malformed("too large").into());
                    }
                    if more == 0 {
                        return serde_json::from_slice(&bytes).map(Some).context("decode message");
                    }
                }
                Err(rustix::io::Errno::AGAIN) => self.wait(PollFlags::IN, deadline, "wait for a message")?,
                // Said once where the other side ended with messages of ours unread; its own are still to come.
                Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
                Err(error) => return Err(error).context("receive message"),
            }
        }
    }

    fn wait(&self, flags: PollFlags, deadline: Instant, what: &'static str) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(ErrorKind::Timeout, format!("{what}: the other side does not answer")).into());
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::from_borrowed_fd(self.0.as_fd(), flags)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context(what),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn malformed(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("malformed message between command and monitor: {why}"))
}

/// The error that crosses to the other side: the kind of the root, the whole chain as its text.
pub(crate) fn failure(error: &anyhow::Error) -> Error {
    match error.chain().find_map(|cause| cause.downcast_ref::<Error>()) {
        Some(root) => Error { kind: root.kind, message: format!("{error:#}"), hint: root.hint.clone() },
        None => Error::unavailable(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn messages_of_any_size_arrive() {
        let (a, b) = Channel::pair().unwrap();
        for size in [0, 1, PACKET - 2, PACKET - 1, PACKET, 3 << 20] {
            let text = "x".repeat(size);
            std::thread::scope(|scope| {
                scope.spawn(|| a.send(&text, PATIENCE).unwrap());
                assert!(b.receive::<String>(PATIENCE).unwrap().unwrap() == text, "{size}");
            });
        }
        drop(a);
        assert_eq!(b.receive::<String>(PATIENCE).unwrap(), None);
    }

    #[test]
    fn a_silent_or_strange_peer_is_an_error() {
        let (a, b) = Channel::pair().unwrap();
        let error = b.receive::<Report>(Duration::from_millis(10)).unwrap_err();
        assert_eq!(failure(&error).kind, ErrorKind::Timeout);
        for packet in [&b"x"[..], b"\x09\0{}", b"\x01\0{\"bogus\":1}"] {
            assert_eq!(frame::put(&a, packet), frame::Sent::Done);
            assert!(b.receive::<Report>(PATIENCE).is_err(), "{packet:?}");
        }
    }

    #[test]
    fn errors_keep_kind_and_hint() {
        let error = anyhow::Error::from(Error::conflict("port 80 is in use").hint("take another")).context("bind");
        let crossed = failure(&error);
        assert_eq!(crossed.kind, ErrorKind::Conflict);
        assert_eq!(crossed.message, "bind: port 80 is in use");
        assert_eq!(crossed.hint.as_deref(), Some("take another"));
    }
}
