//! The conversation between the monitor and the process that it clones: one typed message a packet, on a pair of
//! `SOCK_SEQPACKET` sockets that close at execve. End of file after [`Message::Executing`] means that execve happened.
//!
//! ```text
//! parent                         child
//! Mapped       ->                      the id maps are written (new user namespace only)
//! Joined       ->                      the child is in its cgroup (where it could not be born in it)
//!              <-    Terminal + fd     the master of the new pty
//!              <-    Hooks             all mounts are made: the hooks of the runtime's namespaces are due (if any)
//! Hooked       ->
//!              <-    Ready             everything is prepared
//! Parked       ->                      somebody else will say Start, at the gate (bundles of others only)
//! Start        ->
//!              <-    Executing         the last that is sure to come through before the seccomp filter
//!              <-    Listening         the number of the listener (a filter that notifies only)
//! Heard        ->
//!              <-    Failed            at any time
//! ```

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::{Deserialize, Serialize};

use crate::model::error::Error;

/// The most that a packet may hold.
const LIMIT: usize = 8192;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    Mapped,
    Joined,
    /// Carries the pty's master.
    Terminal,
    /// Carries a detached mount.
    Mount,
    /// Carries the number of the process that the sender made in its place.
    Process(i32),
    Hooks,
    Hooked,
    Ready,
    Parked,
    Start,
    Executing,
    /// The number of the seccomp listener, which the filter in force keeps from being sent.
    Listening(i32),
    Heard,
    /// An error whose kind a caller may decide upon.
    Failed(Error),
    /// Any other error: its chain, outermost first.
    Broken(Vec<String>),
}

/// One end of the conversation.
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(crate) fn pair() -> Result<(Self, Self)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .context("make a socket pair")?;
        Ok((Self(one), Self(other)))
    }

    /// The conversation over a connected socket.
    pub(crate) fn over(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The same end under a descriptor that is not less than `least`.
    pub(crate) fn above(self, least: i32) -> Result<Self> {
        rustix::io::fcntl_dupfd_cloexec(&self.0, least).map(Self).context("move a conversation")
    }

    /// Goes on with the conversation of `other` under the descriptor of this one: it lies out of the way of those that the
    /// command gets, and a new one might not.
    pub(crate) fn replace(&mut self, other: &Self) -> Result<()> {
        rustix::io::dup3(&other.0, &mut self.0, rustix::io::DupFlags::CLOEXEC).context("replace a conversation")
    }

    /// Sends `message`.
    pub(crate) fn send(&self, message: &Message) -> Result<()> {
        self.send_with(message, None)
    }

    /// Sends `message` with a descriptor.
    pub(crate) fn send_with(&self, message: &Message, fd: Option<&OwnedFd>) -> Result<()> {
        let mut packet = serde_json::to_vec(message).context("encode a message")?;
        if packet.len() > LIMIT {
            packet = serde_json::to_vec(&Message::Broken(vec!["an error too long to tell".into()]))?;
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = fd.map(AsFd::as_fd);
        if let Some(fd) = fds.as_ref() {
            ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(fd)));
        }
        rustix::net::sendmsg(&self.0, &[io::IoSlice::new(&packet)], &mut ancillary, SendFlags::NOSIGNAL)
            .context("send a message to the other side of the container")?;
        Ok(())
    }

    /// Receives the next message and the descriptor that came with it; `None` at the end of the conversation.
    pub(crate) fn receive_with(&self) -> Result<Option<(Message, Option<OwnedFd>)>> {
        let mut packet = [0_u8; LIMIT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [io::IoSliceMut::new(&mut packet)];
            match rustix::net::recvmsg(&self.0, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                done => break done.context("receive a message")?,
            }
        };
        if received.flags.contains(ReturnFlags::TRUNC) {
            bail!("receive a message: longer than {LIMIT} bytes");
        }
        let fd = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        if received.bytes == 0 {
            return Ok(None);
        }
        Ok(Some((decode(&packet[..received.bytes])?, fd)))
    }

    /// Receives the next message; an error of the other side becomes ours, and so does the end.
    pub(crate) fn receive(&self) -> Result<(Message, Option<OwnedFd>)> {
        match self.receive_with()? {
            Some((message, fd)) => Ok((message.into_result()?, fd)),
            None => bail!("the container's first process ended before its time"),
        }
    }

    /// Waits for exactly `expected`.
    pub(crate) fn expect(&self, expected: &Message) -> Result<()> {
        let (message, _) = self.receive()?;
        if message == *expected { Ok(()) } else { bail!("unexpected message {message:?} in place of {expected:?}") }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn decode(packet: &[u8]) -> Result<Message> {
    serde_json::from_slice(packet).context("decode a message")
}

impl Message {
    /// Turns a reported error into one of ours again, its kind and its chain kept.
    pub(crate) fn into_result(self) -> Result<Self> {
        match self {
            Self::Failed(error) => Err(anyhow::Error::new(error)),
            Self::Broken(chain) => {
                let mut chain = chain.into_iter().rev();
                let mut error = anyhow::Error::msg(chain.next().unwrap_or_else(|| "unknown error".into()));
                for context in chain {
                    error = error.context(context);
                }
                Err(error)
            }
            other => Ok(other),
        }
    }

    /// The message that reports `error`.
    pub(crate) fn report(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Error>() {
            Some(known) => {
                let mut known = known.clone();
                // Contexts that were put around it are part of the line.
                let whole = format!("{error:#}");
                if whole.len() > known.message.len() {
                    known.message = whole;
                }
                Self::Failed(known)
            }
            None => Self::Broken(error.chain().map(ToString::to_string).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::ErrorKind;

    #[test]
    fn messages_and_descriptors_arrive() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&Message::Mapped).unwrap();
        one.send_with(&Message::Terminal, Some(&one.0)).unwrap();
        other.expect(&Message::Mapped).unwrap();
        let (message, fd) = other.receive().unwrap();
        assert_eq!(message, Message::Terminal);
        assert!(fd.is_some());
        drop(one);
        drop(fd);
        assert!(other.receive_with().unwrap().is_none());
        assert!(other.receive().is_err());
    }

    #[test]
    fn errors_keep_their_kind_and_their_chain() {
        let known = anyhow::Error::new(Error::new(ErrorKind::NoCommand, "no `x`"));
        let back = Message::report(&known).into_result().unwrap_err();
        assert_eq!(back.downcast_ref::<Error>().unwrap().kind, ErrorKind::NoCommand);
        assert_eq!(format!("{back:#}"), "no `x`");

        let chain = anyhow::Error::msg("EPERM").context("mount proc on /proc");
        let back = Message::report(&chain).into_result().unwrap_err();
        assert_eq!(format!("{back:#}"), "mount proc on /proc: EPERM");
    }

    #[test]
    fn an_error_too_long_is_still_an_error() {
        let (one, other) = Channel::pair().unwrap();
        one.send(&Message::Broken(vec!["x".repeat(LIMIT)])).unwrap();
        assert!(other.receive().is_err());
    }

    /// R26.
    #[test]
    fn a_foreign_message_is_refused() {
        for packet in ["", "{}", "\"Go\"", "{\"Failed\":{}}", "\"Ready\" 1"] {
            assert!(decode(packet.as_bytes()).is_err(), "{packet}");
        }
    }

    proptest::proptest! {
        #[test]
        fn decode_never_panics(bytes: Vec<u8>) {
            let _ignored = decode(&bytes);
        }
    }
}
