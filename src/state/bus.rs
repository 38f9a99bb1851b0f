//! A peer on the message bus: as much of D-Bus as it takes to ask a service manager on its own socket for something and
//! to hear that it was done. What comes in is checked like any bytes of others.
//!
//! Wire format: D-Bus specification, "Message Protocol" and "Authentication Protocol".

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Messages of a service manager are some hundred bytes.
const MAX_MESSAGE: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

const FIELD_PATH: u8 = 1;
const FIELD_INTERFACE: u8 = 2;
const FIELD_MEMBER: u8 = 3;
const FIELD_ERROR_NAME: u8 = 4;
const FIELD_REPLY_SERIAL: u8 = 5;
const FIELD_DESTINATION: u8 = 6;
const FIELD_SIGNATURE: u8 = 8;

/// Bytes of a message, each value at a multiple of its size.
#[derive(Debug, Default)]
pub(crate) struct Body {
    bytes: Vec<u8>,
}

impl Body {
    pub(crate) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn uint32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn uint64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.uint32(value.into());
    }

    /// A string, or an object's path.
    pub(crate) fn string(&mut self, text: &str) {
        self.uint32(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn signature(&mut self, text: &str) {
        self.byte(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array of elements that are aligned to `to`; the length counts what `fill` writes after that alignment.
    pub(crate) fn array(&mut self, to: usize, fill: impl FnOnce(&mut Self)) {
        self.uint32(0);
        let at = self.bytes.len() - 4;
        self.align(to);
        let start = self.bytes.len();
        fill(self);
        let size = length(self.bytes.len() - start);
        self.bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
}

/// Lengths here are of what we write ourselves.
fn length(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// A method of an object.
pub(crate) struct Method<'a> {
    pub(crate) destination: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    pub(crate) signature: &'a str,
}

/// Reads values from bytes; None past their end or where they are malformed.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn align(&mut self, to: usize) -> Option<()> {
        self.take(self.at.next_multiple_of(to) - self.at).map(drop)
    }

    fn uint32(&mut self) -> Option<u32> {
        self.align(4)?;
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<String> {
        let size = usize::try_from(self.uint32()?).ok()?;
        let text = self.take(size)?.to_vec();
        (self.take(1)? == [0]).then_some(())?;
        String::from_utf8(text).ok()
    }

    fn signature(&mut self) -> Option<String> {
        let size = usize::from(*self.take(1)?.first()?);
        let text = self.take(size)?.to_vec();
        (self.take(1)? == [0]).then_some(())?;
        String::from_utf8(text).ok()
    }
}

/// A message that came in.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    kind: u8,
    member: String,
    error: String,
    reply_to: u32,
    signature: String,
    body: Vec<u8>,
}

impl Message {
    /// Parses the head (without its padding) and the body.
    fn parse(head: &[u8], body: Vec<u8>) -> Option<Self> {
        let mut message = Self { kind: *head.get(1)?, body, ..Self::default() };
        let mut reader = Reader { bytes: head, at: 16 };
        while reader.at < head.len() {
            reader.align(8)?;
            let field = *reader.take(1)?.first()?;
            match reader.signature()?.as_str() {
                "s" | "o" => {
                    let text = reader.string()?;
                    match field {
                        FIELD_MEMBER => message.member = text,
                        FIELD_ERROR_NAME => message.error = text,
                        _ => {}
                    }
                }
                "g" => {
                    let text = reader.signature()?;
                    if field == FIELD_SIGNATURE {
                        message.signature = text;
                    }
                }
                "u" => {
                    let number = reader.uint32()?;
                    if field == FIELD_REPLY_SERIAL {
                        message.reply_to = number;
                    }
                }
                _ => return None,
            }
        }
        Some(message)
    }

    /// The strings of a body of plain numbers and texts.
    fn strings(&self) -> Option<Vec<String>> {
        let mut reader = Reader { bytes: &self.body, at: 0 };
        let mut strings = Vec::new();
        for kind in self.signature.chars() {
            match kind {
                's' | 'o' => strings.push(reader.string()?),
                'u' => drop(reader.uint32()?),
                _ => return None,
            }
        }
        Some(strings)
    }
}

/// A connection to a peer.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: UnixStream,
    deadline: Instant,
    serial: u32,
}

impl Peer {
    /// Connects to the socket `path`; the whole conversation may last `patience`.
    pub(crate) fn connect(path: &Path, patience: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        let mut peer = Self { stream, deadline: Instant::now() + patience, serial: 0 };
        peer.arm()?;
        // Who we are the kernel tells; the empty answer says that this is enough.
        peer.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        for expected in ["DATA", "OK "] {
            let line = peer.line()?;
            if !line.starts_with(expected) {
                return Err(io::Error::other(format!("the bus answered {line:?} to our credentials")));
            }
        }
        Ok(peer)
    }

    /// Limits the next call to the time that is left.
    fn arm(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.arm()?;
        self.stream.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.fill(&mut byte)?;
            line.extend(byte);
            if line.len() > 1024 {
                return Err(malformed());
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Calls a method; gives the number by which the answer is known.
    pub(crate) fn call(&mut self, method: &Method<'_>, body: &Body) -> io::Result<u32> {
        self.serial += 1;
        let message = encode(method, self.serial, body);
        self.arm()?;
        self.stream.write_all(&message)?;
        Ok(self.serial)
    }

    fn receive(&mut self) -> io::Result<Message> {
        let mut fixed = [0_u8; 16];
        self.fill(&mut fixed)?;
        let number = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let (body, fields) = (number(4) as usize, number(12) as usize);
        if fixed[0] != b'l' || fields > MAX_MESSAGE || body > MAX_MESSAGE {
            return Err(malformed());
        }
        let mut head = fixed.to_vec();
        head.resize(16 + fields, 0);
        self.fill(&mut head[16..])?;
        let mut padding = [0_u8; 8];
        self.fill(&mut padding[..head.len().next_multiple_of(8) - head.len()])?;
        let mut bytes = vec![0; body];
        self.fill(&mut bytes)?;
        Message::parse(&head, bytes).ok_or_else(malformed)
    }

    /// Waits until the call `serial` was answered.
    pub(crate) fn answer(&mut self, serial: u32) -> io::Result<()> {
        loop {
            let message = self.receive()?;
            match message.kind {
                METHOD_RETURN if message.reply_to == serial => return Ok(()),
                ERROR if message.reply_to == serial => {
                    let text = message.strings().and_then(|strings| strings.into_iter().next()).unwrap_or_default();
                    return Err(io::Error::other(format!("{}: {text}", message.error)));
                }
                _ => {}
            }
        }
    }

    /// Waits until the call `serial` was answered and a signal `member` came with strings that `is_ours` accepts; gives
    /// these. Either may come first.
    pub(crate) fn answer_and_signal(
        &mut self,
        serial: u32,
        member: &str,
        is_ours: impl Fn(&[String]) -> bool,
    ) -> io::Result<Vec<String>> {
        let (mut answered, mut signalled) = (false, None);
        loop {
            let message = self.receive()?;
            match message.kind {
                METHOD_RETURN if message.reply_to == serial => answered = true,
                ERROR if message.reply_to == serial => {
                    let text = message.strings().and_then(|strings| strings.into_iter().next()).unwrap_or_default();
                    return Err(io::Error::other(format!("{}: {text}", message.error)));
                }
                SIGNAL if message.member == member => {
                    signalled = message.strings().filter(|strings| is_ours(strings)).or(signalled);
                }
                _ => {}
            }
            if answered && let Some(strings) = signalled.take() {
                return Ok(strings);
            }
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the bus sent a malformed message")
}

fn encode(method: &Method<'_>, serial: u32, body: &Body) -> Vec<u8> {
    let mut message = Body::default();
    for byte in [b'l', METHOD_CALL, 0, 1] {
        message.byte(byte);
    }
    message.uint32(length(body.bytes.len()));
    message.uint32(serial);
    message.array(8, |fields| {
        for (field, kind, text) in [
            (FIELD_PATH, "o", method.path),
            (FIELD_DESTINATION, "s", method.destination),
            (FIELD_INTERFACE, "s", method.interface),
            (FIELD_MEMBER, "s", method.member),
        ] {
            fields.align(8);
            fields.byte(field);
            fields.signature(kind);
            fields.string(text);
        }
        fields.align(8);
        fields.byte(FIELD_SIGNATURE);
        fields.signature("g");
        fields.signature(method.signature);
    });
    message.align(8);
    message.bytes.extend(&body.bytes);
    message.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message as a manager sends it.
    fn incoming(kind: u8, reply_to: u32, member: &str, signature: &str, body: &Body) -> Vec<u8> {
        let mut message = Body::default();
        for byte in [b'l', kind, 0, 1] {
            message.byte(byte);
        }
        message.uint32(length(body.bytes.len()));
        message.uint32(7);
        message.array(8, |fields| {
            fields.byte(FIELD_MEMBER);
            fields.signature("s");
            fields.string(member);
            fields.align(8);
            fields.byte(FIELD_REPLY_SERIAL);
            fields.signature("u");
            fields.uint32(reply_to);
            fields.align(8);
            fields.byte(FIELD_SIGNATURE);
            fields.signature("g");
            fields.signature(signature);
        });
        message.align(8);
        message.bytes.extend(&body.bytes);
        message.bytes
    }

    fn removed(unit: &str) -> Vec<u8> {
        let mut body = Body::default();
        body.uint32(12);
        for text in ["/job/12", unit, "done"] {
            body.string(text);
        }
        incoming(SIGNAL, 0, "JobRemoved", "uoss", &body)
    }

    /// Talks to a peer that says `lines`, which it may say before it is asked.
    fn converse(lines: &[Vec<u8>]) -> io::Result<Vec<String>> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&lines.concat()).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut peer = Peer { stream: ours, deadline, serial: 0 };
        let method = Method { destination: "a.b", path: "/a", interface: "a.b", member: "C", signature: "" };
        let serial = peer.call(&method, &Body::default())?;
        peer.answer_and_signal(serial, "JobRemoved", |strings| strings.get(1).is_some_and(|unit| unit == "mine"))
    }

    #[test]
    fn an_answer_and_a_signal_may_come_in_any_order() {
        let answer = incoming(METHOD_RETURN, 1, "", "", &Body::default());
        for lines in [[answer.clone(), removed("other"), removed("mine")], [removed("mine"), removed("other"), answer]]
        {
            assert_eq!(converse(&lines).unwrap(), ["/job/12", "mine", "done"]);
        }
        assert_eq!(converse(&[removed("mine")]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_error_is_told_in_the_peers_words() {
        let mut body = Body::default();
        body.string("No way.");
        let error = converse(&[incoming(ERROR, 1, "", "s", &body)]).unwrap_err();
        assert!(error.to_string().contains("No way."), "{error}");
    }

    #[test]
    fn a_call_has_the_form_of_the_specification() {
        let method = Method { destination: "d", path: "/", interface: "i", member: "m", signature: "s" };
        let mut body = Body::default();
        body.string("x");
        let bytes = encode(&method, 3, &body);
        assert_eq!(bytes[..16], [b'l', 1, 0, 1, 6, 0, 0, 0, 3, 0, 0, 0, 71, 0, 0, 0]);
        assert_eq!(bytes[16..26], [FIELD_PATH, 1, b'o', 0, 1, 0, 0, 0, b'/', 0]);
        assert_eq!(bytes.len() % 8, 6);
        let message = Message::parse(&bytes[..16 + 71], bytes[88..].to_vec()).unwrap();
        assert_eq!((message.member.as_str(), message.strings().unwrap()), ("m", vec!["x".to_owned()]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(head in proptest::collection::vec(any::<u8>(), 0..200), body in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(message) = Message::parse(&head, body) {
                drop(message.strings());
            }
        }
    }
}
