//! nf_tables over netlink: encodes the plans of `rule` and applies them in single transactions.
//!
//! A batch is one datagram from BATCH_BEGIN to BATCH_END; the kernel takes all of it or nothing, and has answered when
//! `send` returns. So nothing here ever waits: what is not in the queue then will not come.
//! linux/netfilter/nf_tables.h and nfnetlink.h name the numbers.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, setsockopt, socket,
    sockopt,
};

use super::rule::{Chain, Element, Expr, Set, TABLE};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DEL_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const DEL_RULE: u16 = 8;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const GET_ELEMENT: u16 = 13;
const DEL_ELEMENT: u16 = 14;
const GET_GENERATION: u16 = 16;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;

const FAMILY_INET: u8 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_CONCAT: u32 = 0x80;
/// The first 32 bit register (`NFT_REG32_00`).
const REGISTER: u32 = 8;
const VERDICT_JUMP: i32 = -3;
const VERDICT_RETURN: i32 = -5;

/// Elements in one message: its attributes must stay below 64 KiB.
const CHUNK: usize = 200;

/// A socket of NETLINK_NETFILTER, in the network namespace of the thread that opened it.
pub(crate) struct Nft {
    socket: OwnedFd,
}

/// What the kernel refused in a batch: the numbers of the operations (or none: the batch as such), in order.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) operations: Vec<(Option<usize>, i32)>,
}

impl Refusal {
    /// The first error that is not "no such" or "exists", else the first.
    pub(crate) fn error(&self) -> io::Error {
        let soft = |code: i32| matches!(code, libc::ENOENT | libc::EEXIST | libc::EBUSY);
        let first = self.operations.iter().find(|(_, code)| !soft(*code)).or(self.operations.first());
        io::Error::from_raw_os_error(first.map_or(libc::EIO, |(_, code)| *code))
    }

    /// Whether every refused operation failed with one of `codes`.
    pub(crate) fn only(&self, codes: &[i32]) -> bool {
        self.operations.iter().all(|(operation, code)| operation.is_some() && codes.contains(code))
    }
}

/// An element as a dump shows it.
pub(crate) type Dumped = Element;

/// A base chain of someone's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForeignChain {
    pub(crate) family: u8,
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) hook: u32,
    pub(crate) drops: bool,
}

impl Nft {
    /// Opens the socket; an error names what the kernel lacks.
    pub(crate) fn open() -> io::Result<Self> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    /// Sends the batch and reads the kernel's answers.
    pub(crate) fn apply(&self, batch: Batch) -> io::Result<Result<(), Refusal>> {
        let (bytes, first, count) = batch.finish();
        if bytes.len() > 100_000 {
            setsockopt(&self.socket, sockopt::SndBufForce, &(bytes.len() * 4))?;
            setsockopt(&self.socket, sockopt::RcvBufForce, &(bytes.len() * 16))?;
        }
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = vec![0; 32 * 1024];
        let mut refused = Vec::new();
        let mut answered = false;
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(nix::Error::EAGAIN) => break,
                Err(errno) => return Err(errno.into()),
            };
            for message in messages(&buffer[..length]) {
                let Some(code) = message.error() else { continue };
                answered = true;
                if code == 0 {
                    continue;
                }
                let operation = message.sequence.checked_sub(first).and_then(|n| usize::try_from(n).ok());
                refused.push((operation.filter(|n| *n < count), code));
            }
        }
        if !answered {
            return Err(io::Error::other("no answer from nf_tables"));
        }
        Ok(if refused.is_empty() { Ok(()) } else { Err(Refusal { operations: refused }) })
    }

    /// The generation of the ruleset, which changes with every transaction of anyone.
    pub(crate) fn generation(&self) -> io::Result<u32> {
        let mut generation = 0;
        self.request(GET_GENERATION, 0, 0, &[], |message| {
            if let Some(value) = message.attribute(1).and_then(|v| <[u8; 4]>::try_from(v).ok()) {
                generation = u32::from_be_bytes(value);
            }
        })?;
        Ok(generation)
    }

    /// Says whether our table is there.
    pub(crate) fn has_table(&self) -> io::Result<bool> {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        match self.request(GET_TABLE, 0, FAMILY_INET, &body, |_| {}) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Reads all elements of `set`; none where the table or set is missing.
    pub(crate) fn elements(&self, set: Set) -> io::Result<Vec<Dumped>> {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        text(&mut body, 2, set.layout().name);
        let mut found = Vec::new();
        let asked = self.request(GET_ELEMENT, DUMP, FAMILY_INET, &body, |message| {
            for (_, element) in message.attribute(3).map(attributes).into_iter().flatten() {
                found.push(decode_element(set, element));
            }
        });
        match asked {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
            other => other.map(|()| found),
        }
    }

    /// Lists the base chains of all tables.
    pub(crate) fn base_chains(&self) -> io::Result<Vec<ForeignChain>> {
        let mut found = Vec::new();
        self.request(GET_CHAIN, DUMP, 0, &[], |message| {
            let Some(hook) = message.attribute(4) else { return };
            let string = |kind| {
                message
                    .attribute(kind)
                    .map(|v| String::from_utf8_lossy(v.strip_suffix(b"\0").unwrap_or(v)).into_owned())
            };
            found.push(ForeignChain {
                family: message.family,
                table: string(1).unwrap_or_default(),
                name: string(3).unwrap_or_default(),
                hook: attributes(hook).find(|(kind, _)| *kind == 1).map_or(u32::MAX, |(_, value)| number(value)),
                drops: message.attribute(5).map(number) == Some(0),
            });
        })?;
        Ok(found)
    }

    /// Sends one request and gives each answer to `each`.
    fn request(
        &self,
        kind: u16,
        flags: u16,
        family: u8,
        body: &[u8],
        mut each: impl FnMut(&Message<'_>),
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(64);
        message(&mut bytes, (SUBSYSTEM << 8) | kind, REQUEST | flags, 1, family, 0, body);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(nix::Error::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            };
            for message in messages(&buffer[..length]) {
                match message.error() {
                    Some(0) => {}
                    Some(code) => return Err(io::Error::from_raw_os_error(code)),
                    None if message.kind == NLMSG_DONE => return Ok(()),
                    None => each(&message),
                }
            }
        }
    }
}

/// A transaction in the making. Operations are numbered from 0 in the order of the calls.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    count: u32,
    /// Where the last operation begins.
    last: usize,
}

/// The sequence number of operation 0; 1 is the begin.
const FIRST: u32 = 2;

impl Batch {
    /// Begins a batch; with `generation` it is refused (ERESTART) when the ruleset has changed since.
    pub(crate) fn new(generation: Option<u32>) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        let mut body = Vec::new();
        if let Some(generation) = generation {
            attribute(&mut body, 1, &generation.to_be_bytes());
        }
        message(&mut bytes, BATCH_BEGIN, REQUEST, FIRST - 1, 0, SUBSYSTEM, &body);
        Self { bytes, count: 0, last: 0 }
    }

    fn operation(&mut self, kind: u16, flags: u16, body: &[u8]) {
        let sequence = FIRST + self.count;
        self.count += 1;
        self.last = self.bytes.len();
        message(&mut self.bytes, (SUBSYSTEM << 8) | kind, REQUEST | flags, sequence, FAMILY_INET, 0, body);
    }

    /// Makes the table, its sets, its chains and their rules; what is there stays, rules are written afresh.
    pub(crate) fn skeleton(&mut self, chains: &[Chain]) {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        self.operation(NEW_TABLE, CREATE, &body);
        for (id, set) in (1..).zip(Set::ALL) {
            self.set(set, id);
        }
        for chain in chains {
            self.chain(chain);
        }
        self.operation(DEL_RULE, 0, &body);
        for chain in chains {
            for rule in &chain.rules {
                self.rule(chain.name, rule);
            }
        }
    }

    fn set(&mut self, set: Set, id: u32) {
        let layout = set.layout();
        // The type of a concatenation is its parts, six bits each; every part is padded to four bytes.
        let fold = |fields: &[super::rule::Field]| {
            fields.iter().map(|f| f.describe()).fold((0, 0), |(kind, length): (u32, u32), (k, l)| {
                ((kind << 6) | k, length + if fields.len() > 1 { l.next_multiple_of(4) } else { l })
            })
        };
        let concat = layout.key.len() > 1;
        let mut flags = 0;
        if layout.interval {
            flags |= SET_INTERVAL | if concat { SET_CONCAT } else { 0 };
        }
        if !layout.data.is_empty() {
            flags |= SET_MAP;
        }
        let (kind, length) = fold(layout.key);
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        text(&mut body, 2, layout.name);
        long(&mut body, 3, flags);
        long(&mut body, 4, kind);
        long(&mut body, 5, length);
        if !layout.data.is_empty() {
            let (kind, length) = fold(layout.data);
            long(&mut body, 6, kind);
            long(&mut body, 7, length);
        }
        if layout.interval && concat {
            nest(&mut body, 9, |desc| {
                nest(desc, 2, |fields| {
                    for field in layout.key {
                        nest(fields, 1, |f| long(f, 1, field.describe().1));
                    }
                });
            });
        }
        long(&mut body, 10, id);
        if layout.key == [super::rule::Field::Name] {
            // Only `nft` reads this: the key's byte order is the host's.
            attribute(&mut body, 13, &[0, 4, 1, 0, 0, 0]);
        }
        self.operation(NEW_SET, CREATE, &body);
    }

    fn chain(&mut self, chain: &Chain) {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        text(&mut body, 3, chain.name);
        if let Some(hook) = &chain.hook {
            nest(&mut body, 4, |h| {
                long(h, 1, hook.number);
                attribute(h, 2, &hook.priority.to_be_bytes());
            });
            long(&mut body, 5, 1);
            text(&mut body, 7, hook.kind);
        }
        self.operation(NEW_CHAIN, CREATE, &body);
    }

    fn rule(&mut self, chain: &str, expressions: &[Expr]) {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        text(&mut body, 2, chain);
        nest(&mut body, 4, |list| {
            for expression in expressions {
                encode(list, expression);
            }
        });
        self.operation(NEW_RULE, CREATE | APPEND, &body);
    }

    /// Adds elements, which are of one set where they stand together.
    pub(crate) fn add(&mut self, elements: &[Element]) {
        for group in elements.chunk_by(|a, b| a.set == b.set) {
            for chunk in group.chunks(CHUNK) {
                self.elements(NEW_ELEMENT, CREATE, chunk);
            }
        }
    }

    /// Removes one element (with the one that closes its interval), so that its absence is known by its number.
    pub(crate) fn remove(&mut self, element: &[Element]) {
        self.elements(DEL_ELEMENT, 0, element);
    }

    fn elements(&mut self, kind: u16, flags: u16, elements: &[Element]) {
        let Some(first) = elements.first() else { return };
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        text(&mut body, 2, first.set.layout().name);
        nest(&mut body, 3, |list| {
            for element in elements {
                nest(list, 1, |e| {
                    nest(e, 1, |key| attribute(key, 1, &element.key));
                    if element.closes {
                        long(e, 3, 1);
                    }
                    if let Some(end) = &element.end {
                        nest(e, 10, |key| attribute(key, 1, end));
                    }
                    if kind == DEL_ELEMENT {
                        return;
                    }
                    if let Some(data) = &element.data {
                        nest(e, 2, |value| attribute(value, 1, data));
                    }
                    if !element.comment.is_empty() {
                        attribute(e, 6, &comment(&element.comment));
                    }
                });
            }
        });
        self.operation(kind, flags, &body);
    }

    /// Removes the whole table.
    pub(crate) fn remove_table(&mut self) {
        let mut body = Vec::new();
        text(&mut body, 1, TABLE);
        self.operation(DEL_TABLE, 0, &body);
    }

    /// The kernel answers for what it refuses anyway, and for the last operation when it is asked to: an answer for each of
    /// ten thousand ports would not fit in the socket's buffer.
    fn finish(mut self) -> (Vec<u8>, u32, usize) {
        if self.count > 0
            && let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8)
        {
            let asked = u16::from_ne_bytes([flags[0], flags[1]]) | ACK;
            flags.copy_from_slice(&asked.to_ne_bytes());
        }
        message(&mut self.bytes, BATCH_END, REQUEST, FIRST + self.count, 0, SUBSYSTEM, &[]);
        (self.bytes, FIRST, self.count as usize)
    }
}

/// The user data that `nft` shows as a comment: type 0, length, text and NUL.
fn comment(value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len() + 1).unwrap_or(u8::MAX);
    let mut data = vec![0, length];
    data.extend_from_slice(&value.as_bytes()[..usize::from(length) - 1]);
    data.push(0);
    data
}

fn decode_element(set: Set, bytes: &[u8]) -> Dumped {
    let mut element = Element { set, key: Vec::new(), end: None, closes: false, data: None, comment: String::new() };
    let value = |v| attributes(v).find(|(kind, _)| *kind == 1).map_or_else(Vec::new, |(_, v)| v.to_vec());
    for (kind, content) in attributes(bytes) {
        match kind {
            1 => element.key = value(content),
            2 => element.data = Some(value(content)),
            3 => element.closes = number(content) & 1 != 0,
            6 => {
                if let [0, length, rest @ ..] = content {
                    let text = rest.get(..usize::from(*length)).unwrap_or(rest);
                    element.comment = String::from_utf8_lossy(text.strip_suffix(b"\0").unwrap_or(text)).into_owned();
                }
            }
            10 => element.end = Some(value(content)),
            _ => {}
        }
    }
    element
}

fn encode(list: &mut Vec<u8>, expression: &Expr) {
    let mut put = |name: &str, data: &dyn Fn(&mut Vec<u8>)| {
        nest(list, 1, |e| {
            text(e, 1, name);
            nest(e, 2, data);
        });
    };
    let verdict = |code: i32, chain: Option<&'static str>| {
        move |data: &mut Vec<u8>| {
            long(data, 1, 0);
            nest(data, 2, |v| {
                nest(v, 2, |verdict| {
                    attribute(verdict, 1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        text(verdict, 2, chain);
                    }
                });
            });
        }
    };
    match expression {
        Expr::Meta { key, register } => put("meta", &|d| {
            long(d, 2, *key);
            long(d, 1, REGISTER + register);
        }),
        Expr::Payload { base, offset, length, register } => put("payload", &|d| {
            long(d, 1, REGISTER + register);
            long(d, 2, *base);
            long(d, 3, *offset);
            long(d, 4, *length);
        }),
        Expr::Compare { register, equal, value } => put("cmp", &|d| {
            long(d, 1, REGISTER + register);
            long(d, 2, u32::from(!equal));
            nest(d, 3, |v| attribute(v, 1, value));
        }),
        Expr::Mask { register, mask } => put("bitwise", &|d| {
            long(d, 1, REGISTER + register);
            long(d, 2, REGISTER + register);
            long(d, 3, u32::try_from(mask.len()).unwrap_or(0));
            nest(d, 4, |v| attribute(v, 1, mask));
            nest(d, 5, |v| attribute(v, 1, &vec![0; mask.len()]));
        }),
        Expr::Lookup { set, register, into, absent } => put("lookup", &|d| {
            text(d, 1, set.layout().name);
            long(d, 2, REGISTER + register);
            if let Some(into) = into {
                long(d, 3, REGISTER + into);
            }
            if *absent {
                long(d, 5, 1);
            }
        }),
        Expr::FibDestinationType { register } => put("fib", &|d| {
            long(d, 1, REGISTER + register);
            long(d, 2, 3);
            long(d, 3, 2);
        }),
        Expr::Conntrack { key, register } => put("ct", &|d| {
            long(d, 2, *key);
            long(d, 1, REGISTER + register);
        }),
        Expr::Dnat { ipv6, address, port } => put("nat", &|d| {
            long(d, 1, 1);
            long(d, 2, if *ipv6 { 10 } else { 2 });
            long(d, 3, REGISTER + address);
            if let Some(port) = port {
                long(d, 5, REGISTER + port);
            }
        }),
        Expr::Masquerade => put("masq", &|_| {}),
        Expr::Accept => put("immediate", &verdict(1, None)),
        Expr::Drop => put("immediate", &verdict(0, None)),
        Expr::Return => put("immediate", &verdict(VERDICT_RETURN, None)),
        Expr::Jump(chain) => put("immediate", &verdict(VERDICT_JUMP, Some(chain))),
    }
}

/// Appends a message: netlink header, `struct nfgenmsg`, attributes.
fn message(bytes: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, family: u8, resource: u16, body: &[u8]) {
    let length = u32::try_from(20 + body.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0u32.to_ne_bytes());
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn long(bytes: &mut Vec<u8>, kind: u16, value: u32) {
    attribute(bytes, kind, &value.to_be_bytes());
}

fn text(bytes: &mut Vec<u8>, kind: u16, value: &str) {
    let mut value = value.as_bytes().to_vec();
    value.push(0);
    attribute(bytes, kind, &value);
}

fn nest(bytes: &mut Vec<u8>, kind: u16, content: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    content(&mut inner);
    attribute(bytes, kind | NESTED, &inner);
}

fn number(value: &[u8]) -> u32 {
    value.try_into().map_or(0, u32::from_be_bytes)
}

/// A message as it was read.
struct Message<'a> {
    kind: u16,
    sequence: u32,
    family: u8,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The errno of an NLMSG_ERROR (0 is an acknowledgement), or none.
    fn error(&self) -> Option<i32> {
        if self.kind != NLMSG_ERROR {
            return None;
        }
        let code = self.body.get(..4).and_then(|b| b.try_into().ok()).map_or(-libc::EIO, i32::from_ne_bytes);
        Some(code.wrapping_neg())
    }

    fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        let body = self.body.get(4..)?;
        attributes(body).find(|(k, _)| *k == kind).map(|(_, value)| value)
    }
}

/// Walks the messages of a datagram; a torn one ends it.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.get(..16)?;
        let length = usize::try_from(u32::from_ne_bytes(header[..4].try_into().ok()?)).ok()?;
        let body = bytes.get(16..length)?;
        let message = Message {
            kind: u16::from_ne_bytes(header[4..6].try_into().ok()?),
            sequence: u32::from_ne_bytes(header[8..12].try_into().ok()?),
            family: body.first().copied().unwrap_or(0),
            body,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Walks attributes; a torn one ends it.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let length = usize::from(u16::from_ne_bytes(header[..2].try_into().ok()?));
        let kind = u16::from_ne_bytes(header[2..].try_into().ok()?) & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_went() {
        let mut bytes = Vec::new();
        text(&mut bytes, 1, "dhow");
        nest(&mut bytes, 2, |inner| long(inner, 1, 7));
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read[0], (1, &b"dhow\0"[..]));
        assert_eq!(attributes(read[1].1).map(|(k, v)| (k, number(v))).collect::<Vec<_>>(), [(1, 7)]);
    }

    proptest::proptest! {
        #[test]
        fn torn_answers_end_quietly(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for message in messages(&bytes) {
                let _ = (message.error(), message.attribute(3).map(|a| attributes(a).count()));
            }
            let element = decode_element(Set::Ports4, &bytes);
            proptest::prop_assert!(element.comment.len() <= 3 * bytes.len());
        }
    }
}
