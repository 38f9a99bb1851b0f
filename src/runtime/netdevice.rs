//! Links of the host that a container takes over (runtime-spec, config-linux.md "Network Devices"): moved into its network
//! namespace with their lasting addresses of global scope, renamed where asked, and set up there.
//!
//! Three kinds of rtnetlink messages, one at a time, each acknowledged. What fails on the way ends the container, and the
//! kernel gives hardware back to the host when the namespace goes.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use oci_spec::runtime::LinuxNetDevice;

use crate::model::error::Error;
use crate::sys::clone::{Namespaces, enter};

/// Devices of the host by their names there.
pub(crate) type Devices = HashMap<String, LinuxNetDevice>;

/// Messages of rtnetlink(7).
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// Flags of netlink(7).
const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE_NEW: u16 = 0x600;
/// Attributes of links and of addresses.
const LINK_NAME: u16 = 3;
const LINK_NAMESPACE_OF: u16 = 19;
const ADDRESS_FLAGS: u16 = 8;
const LINK_UP: u32 = 1;
/// An address is used at once.
const NO_DETECTION: u8 = 0x02;
/// Neither given by a router nor for a time.
const PERMANENT: u32 = 0x80;

/// Refuses names that no link can have, and two devices that would have the same.
pub(crate) fn check(devices: &Devices) -> Result<()> {
    let mut taken = Vec::new();
    for (name, device) in devices {
        let inside = target(name, device);
        for name in [name.as_str(), inside] {
            let bad = name.is_empty()
                || name.len() > 15
                || name == "."
                || name == ".."
                || name.bytes().any(|byte| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace());
            if bad {
                bail!(Error::invalid(format!("linux.netDevices: {name:?} is no name of a link")));
            }
        }
        if taken.contains(&inside) {
            bail!(Error::invalid(format!("linux.netDevices: {inside:?} twice in the container")));
        }
        taken.push(inside);
    }
    Ok(())
}

/// Its name in the container.
fn target<'a>(name: &'a str, device: &'a LinuxNetDevice) -> &'a str {
    device.name().as_deref().filter(|name| !name.is_empty()).unwrap_or(name)
}

/// Moves the devices of this namespace into that of the process `pid`, which `pidfd` refers to.
pub(crate) fn hand_over(devices: &Devices, pid: i32, pidfd: BorrowedFd<'_>) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let here = Netlink::open().context("open a netlink socket")?;
    let there = std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            enter(pidfd, Namespaces::NETWORK)?;
            Netlink::open()
        });
        opened.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
    });
    let there = there.context("open a netlink socket in the container")?;
    for (name, device) in devices {
        let inside = target(name, device);
        let describe = || format!("linux.netDevices: move {name:?} into the container");
        let index = nix::net::if_::if_nametoindex(name.as_str())
            .map_err(|_| Error::invalid(format!("linux.netDevices: the host has no link {name:?}")))?;
        let addresses = here.addresses(index).with_context(describe)?;
        // Down, renamed and moved by one message: a name that the host has too is no hindrance.
        let moved = Message::link(NEW_LINK, 0, index, 0)
            .attribute(LINK_NAME, &terminated(inside))
            .attribute(LINK_NAMESPACE_OF, &pid.to_ne_bytes());
        here.ask(&Message::link(NEW_LINK, 0, index, 0)).and_then(|()| here.ask(&moved)).with_context(describe)?;
        let index = there.index(inside).with_context(describe)?;
        for address in addresses {
            there.ask(&address.into_message(index)).with_context(|| format!("give the link {inside:?} its address"))?;
        }
        there
            .ask(&Message::link(NEW_LINK, 0, index, LINK_UP))
            .with_context(|| format!("set up the link {inside:?}"))?;
    }
    Ok(())
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// A request: header, fixed part and attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        // Sequence and port: there is one question at a time.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        Self(bytes)
    }

    /// An ifinfomsg that changes whether the link is up.
    fn link(kind: u16, flags: u16, index: u32, up: u32) -> Self {
        let mut fixed = vec![0; 4];
        fixed.extend_from_slice(&index.to_ne_bytes());
        fixed.extend_from_slice(&up.to_ne_bytes());
        fixed.extend_from_slice(&LINK_UP.to_ne_bytes());
        Self::new(kind, ACKNOWLEDGE | flags, &fixed)
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn finished(&self) -> Vec<u8> {
        let mut bytes = self.0.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }
}

/// An address as the kernel tells it: family, prefix and scope, and its attributes but for the flags.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    family: u8,
    prefix: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    fn into_message(self, index: u32) -> Message {
        // The link had it before: nobody is asked whether it is free.
        let mut fixed = vec![self.family, self.prefix, NO_DETECTION, 0];
        fixed.extend_from_slice(&index.to_ne_bytes());
        let message = Message::new(NEW_ADDRESS, ACKNOWLEDGE | CREATE_NEW, &fixed);
        self.attributes.into_iter().fold(message, |message, (kind, value)| message.attribute(kind, &value))
    }

    /// Reads an ifaddrmsg; none of another link, of less than global scope, or that passes away.
    fn parse(body: &[u8], index: u32) -> Option<Self> {
        /// The address, that of this side, the label, the broadcast address.
        const KEPT: [u16; 3] = [1, 2, 4];
        let (fixed, mut rest) = body.split_at_checked(8)?;
        if number(&fixed[4..8])? != index || fixed[3] != 0 {
            return None;
        }
        let mut flags = u32::from(fixed[2]);
        let mut attributes = Vec::new();
        while let Some((head, _)) = rest.split_at_checked(4) {
            let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
            let kind = u16::from_ne_bytes([head[2], head[3]]);
            let value = rest.get(4..length)?;
            if kind == ADDRESS_FLAGS {
                flags = number(value)?;
            } else if KEPT.contains(&kind) {
                attributes.push((kind, value.to_vec()));
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        (flags & PERMANENT != 0).then_some(Self { family: fixed[0], prefix: fixed[1], attributes })
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// A socket in the network namespace that it was opened in.
struct Netlink(OwnedFd);

impl Netlink {
    fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Asks, and gives what follows the headers of the answers; an acknowledgement or the last of a list ends them.
    fn answers(&self, message: &Message) -> io::Result<Vec<Vec<u8>>> {
        const ERROR: u16 = 2;
        const DONE: u16 = 3;
        send(self.0.as_raw_fd(), &message.finished(), MsgFlags::empty())?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some((head, _)) = rest.split_at_checked(16) {
                let length = number(&head[..4]).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
                let kind = u16::from_ne_bytes([head[4], head[5]]);
                let Some(body) = rest.get(16..length) else { return Err(io::ErrorKind::InvalidData.into()) };
                match kind {
                    DONE => return Ok(answers),
                    ERROR => {
                        let code = body.get(..4).and_then(number).unwrap_or(0).cast_signed();
                        return if code == 0 { Ok(answers) } else { Err(io::Error::from_raw_os_error(-code)) };
                    }
                    _ => answers.push(body.to_vec()),
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    fn ask(&self, message: &Message) -> io::Result<()> {
        self.answers(message).map(drop)
    }

    fn addresses(&self, index: u32) -> io::Result<Vec<Address>> {
        let answers = self.answers(&Message::new(GET_ADDRESS, DUMP, &[0; 8]))?;
        Ok(answers.iter().filter_map(|body| Address::parse(body, index)).collect())
    }

    /// The number of the link `name` where this socket is.
    fn index(&self, name: &str) -> io::Result<u32> {
        const GET_LINK: u16 = 18;
        let question = Message::new(GET_LINK, ACKNOWLEDGE, &[0; 16]).attribute(LINK_NAME, &terminated(name));
        let answers = self.answers(&question)?;
        let index = answers.first().and_then(|body| number(body.get(4..8)?));
        index.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(list: &[(&str, &str)]) -> Devices {
        list.iter()
            .map(|(name, inside)| {
                let mut device = LinuxNetDevice::default();
                device.set_name(Some((*inside).to_owned()));
                ((*name).to_owned(), device)
            })
            .collect()
    }

    #[test]
    fn names_are_those_of_links() {
        assert!(check(&devices(&[("eth0", ""), ("eth1", "eth0x")])).is_ok());
        for bad in [
            &[("eth0", ""), ("x", "eth0")][..],
            &[("a/b", "")],
            &[("..", "")],
            &[("a", "sixteen-letters.")],
            &[("a", "b c")],
        ] {
            assert!(check(&devices(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_lasting_addresses_of_global_scope_are_taken() {
        let body = |scope: u8, flags: u8, index: u32| {
            let mut body = vec![2, 24, flags, scope];
            body.extend_from_slice(&index.to_ne_bytes());
            Message(body).attribute(1, &[10, 0, 0, 1]).attribute(6, &[0; 16]).attribute(2, &[10, 0, 0, 1]).0
        };
        let kept = Address { family: 2, prefix: 24, attributes: vec![(1, vec![10, 0, 0, 1]), (2, vec![10, 0, 0, 1])] };
        assert_eq!(Address::parse(&body(0, 0x80, 7), 7), Some(kept));
        assert_eq!(Address::parse(&body(0, 0x80, 8), 7), None);
        assert_eq!(Address::parse(&body(253, 0x80, 7), 7), None);
        assert_eq!(Address::parse(&body(0, 0, 7), 7), None);
        for length in 0..20 {
            assert!(Address::parse(&body(0, 0x80, 7)[..length], 7).is_none_or(|address| address.attributes.len() < 2));
        }
    }
}
