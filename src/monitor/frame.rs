//! The attach protocol: what a client and the monitor say to each other on a `SOCK_SEQPACKET` socket.
//!
//! One packet is one frame: a type byte and up to 32 KiB of payload. Packets keep their bounds, so there is no length
//! to get wrong. The monitor speaks first, with `Hello`; unknown types are passed over, so that either side may be newer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvFlags, SendFlags, recv, send};

/// The version of the protocol, in `Hello`. From 2 on a monitor answers `Reload`.
pub(crate) const VERSION: u8 = 2;
/// The most payload in a frame.
pub(crate) const PAYLOAD: usize = 32 << 10;
/// A buffer of this size holds any frame.
pub(crate) const FRAME: usize = 1 + PAYLOAD;

/// From client to monitor.
pub(crate) const STDIN: u8 = 1;
pub(crate) const STDIN_EOF: u8 = 2;
pub(crate) const RESIZE: u8 = 3;
pub(crate) const CLEANING: u8 = 4;
pub(crate) const DETACH: u8 = 5;
pub(crate) const CHECK: u8 = 6;
pub(crate) const RELOAD: u8 = 7;
/// From monitor to client.
pub(crate) const HELLO: u8 = 16;
pub(crate) const STDOUT: u8 = 17;
pub(crate) const STDERR: u8 = 18;
pub(crate) const EXIT: u8 = 19;
pub(crate) const CHECKED: u8 = 20;

/// What a client may say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// Bytes for the container's stdin.
    Stdin(&'a [u8]),
    /// There will be no more of them.
    StdinEof,
    /// The size of the client's terminal.
    Resize { rows: u16, cols: u16 },
    /// The foreground client saw `Exit` and cleans up itself.
    Cleaning,
    /// The client goes, the container stays.
    Detach,
    /// Make a health check now, and say how it went.
    Check,
    /// The container's record asks for other health checks now; answered by `Checked` when they are taken.
    Reload,
}

/// What the monitor may say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    Hello {
        version: u8,
        tty: bool,
        stdin: bool,
    },
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
    Exit {
        code: i32,
    },
    /// How the health check went; `None`: it does not count.
    Checked(Option<bool>),
}

impl<'a> Request<'a> {
    /// Reads a frame; `None` for one that this version does not know or that is malformed.
    pub(crate) fn decode(frame: &'a [u8]) -> Option<Self> {
        let (kind, payload) = frame.split_first()?;
        Some(match (*kind, payload) {
            (STDIN, data) => Self::Stdin(data),
            (STDIN_EOF, []) => Self::StdinEof,
            (RESIZE, [r1, r2, c1, c2]) => {
                Self::Resize { rows: u16::from_be_bytes([*r1, *r2]), cols: u16::from_be_bytes([*c1, *c2]) }
            }
            (CLEANING, []) => Self::Cleaning,
            (DETACH, []) => Self::Detach,
            (CHECK, []) => Self::Check,
            (RELOAD, []) => Self::Reload,
            _ => return None,
        })
    }
}

impl<'a> Reply<'a> {
    /// Reads a frame; `None` for one that this version does not know or that is malformed.
    pub(crate) fn decode(frame: &'a [u8]) -> Option<Self> {
        let (kind, payload) = frame.split_first()?;
        Some(match (*kind, payload) {
            (HELLO, [version, flags, ..]) => {
                Self::Hello { version: *version, tty: flags & 1 != 0, stdin: flags & 2 != 0 }
            }
            (STDOUT, data) => Self::Stdout(data),
            (STDERR, data) => Self::Stderr(data),
            (CHECKED, [result, ..]) => Self::Checked((*result < 2).then_some(*result == 0)),
            (EXIT, [a, b, c, d, ..]) => Self::Exit { code: i32::from_be_bytes([*a, *b, *c, *d]) },
            _ => return None,
        })
    }
}

/// The frame `Resize`.
pub(crate) fn resize(rows: u16, cols: u16) -> [u8; 5] {
    let ([r1, r2], [c1, c2]) = (rows.to_be_bytes(), cols.to_be_bytes());
    [RESIZE, r1, r2, c1, c2]
}

/// The frame `Hello`.
pub(crate) fn hello(tty: bool, stdin: bool) -> [u8; 3] {
    [HELLO, VERSION, u8::from(tty) | u8::from(stdin) << 1]
}

/// The frame `Exit`.
pub(crate) fn exit(code: i32) -> [u8; 5] {
    let [a, b, c, d] = code.to_be_bytes();
    [EXIT, a, b, c, d]
}

/// The frame `Checked`.
pub(crate) fn checked(success: Option<bool>) -> [u8; 2] {
    [CHECKED, success.map_or(2, |success| u8::from(!success))]
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    /// The other side's buffer is full.
    Full,
    /// The other side is gone.
    Gone,
}

/// Sends one frame, without waiting and without a signal when nobody listens any more.
pub(crate) fn put(socket: impl AsFd, frame: &[u8]) -> Sent {
    loop {
        match send(&socket, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => return Sent::Done,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS | rustix::io::Errno::NOMEM) => return Sent::Full,
            Err(_) => return Sent::Gone,
        }
    }
}

/// What came out of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// A frame of so many bytes is in the buffer.
    Frame(usize),
    /// Nothing is there now.
    Empty,
    /// The other side is gone.
    Gone,
}

/// Takes one frame into `buffer`, without waiting.
pub(crate) fn take(socket: impl AsFd, buffer: &mut [u8]) -> Got {
    loop {
        match recv(&socket, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            // An empty packet is how the end looks as well; nobody sends one.
            Ok((_, 0)) => return Got::Gone,
            // A packet that is larger than any frame comes from nobody of ours.
            Ok((_, length)) if length > buffer.len() => return Got::Gone,
            Ok((_, length)) => return Got::Frame(length),
            // Said once where the other side went with frames of ours unread: what it had sent before is still to come.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            Err(rustix::io::Errno::AGAIN) => return Got::Empty,
            Err(_) => return Got::Gone,
        }
    }
}

/// A connected pair of packet sockets, close-on-exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_frames_come_though_ours_were_not_read() {
        let (a, b) = pair().unwrap();
        assert_eq!(put(&b, &resize(24, 80)), Sent::Done);
        assert_eq!(put(&a, &[1, 2, 3]), Sent::Done);
        drop(a);
        let mut buffer = vec![0; FRAME];
        assert_eq!((take(&b, &mut buffer), &buffer[..3]), (Got::Frame(3), &[1, 2, 3][..]));
        assert_eq!(take(&b, &mut buffer), Got::Gone);
    }

    #[test]
    fn frames_survive_the_socket() {
        let (a, b) = pair().unwrap();
        let mut buffer = vec![0; FRAME];
        assert_eq!(take(&b, &mut buffer), Got::Empty);
        assert_eq!(put(&a, &resize(24, 80)), Sent::Done);
        assert_eq!(put(&a, &[DETACH]), Sent::Done);
        assert_eq!(take(&b, &mut buffer), Got::Frame(5));
        assert_eq!(Request::decode(&buffer[..5]), Some(Request::Resize { rows: 24, cols: 80 }));
        assert_eq!(take(&b, &mut buffer), Got::Frame(1));
        assert_eq!(Request::decode(&buffer[..1]), Some(Request::Detach));
        let big = vec![STDIN; FRAME];
        let sent = (0..1000).take_while(|_| put(&a, &big) == Sent::Done).count();
        assert!((1..1000).contains(&sent), "a full socket says so: {sent}");
        drop(b);
        assert_eq!(put(&a, &[DETACH]), Sent::Gone);
        assert_eq!(take(&a, &mut buffer), Got::Gone);
    }

    #[test]
    fn replies_read_back() {
        assert_eq!(Reply::decode(&exit(137)), Some(Reply::Exit { code: 137 }));
        assert_eq!(
            Reply::decode(&hello(true, false)),
            Some(Reply::Hello { version: VERSION, tty: true, stdin: false })
        );
        assert_eq!(Reply::decode(&[STDERR, b'x']), Some(Reply::Stderr(b"x")));
        for result in [Some(true), Some(false), None] {
            assert_eq!(Reply::decode(&checked(result)), Some(Reply::Checked(result)));
        }
        assert_eq!(Request::decode(&[CHECK]), Some(Request::Check));
        assert_eq!(Request::decode(&[RELOAD]), Some(Request::Reload));
        assert_eq!(Reply::decode(&[99]), None);
        assert_eq!(Reply::decode(&[]), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = Request::decode(&bytes);
            let _ = Reply::decode(&bytes);
        }
    }
}
