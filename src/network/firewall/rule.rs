//! The firewall as plain data: the static skeleton of table `inet dhow`, and the elements that containers and networks
//! put into its sets and maps. Nothing here touches the kernel; `nft` encodes and applies it.
//!
//! ```text
//! prerouting, output   fib daddr type local -> jump publish      only what is addressed to this host is translated
//! publish              127.0.0.0/8, ::1 return                   the monitor relays these
//!                      dnat by (l4proto, daddr, dport)           @ports4 @ports6          one host address
//!                      dnat by (l4proto, dport)                  @anyports4 @anyports6    every host address
//!                      dnat by intervals, port kept              @ranges4 @ranges6        long ranges, one element
//! postrouting          masquerade what leaves the bridges        @subnets4 @subnets6
//!                      masquerade translated within one network  @hairpin4 @hairpin6
//! forward              established, related; own bridge; @internal dropped; to a bridge only what was translated
//! ```
//!
//! Each element carries its owner in the comment (see [`Owner`]), so that an orphan can be recognised. The number of
//! rules never grows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::model::port::{PortMapping, Protocol};

/// The name of our only table, of family inet.
pub(crate) const TABLE: &str = "dhow";

/// Ranges that keep their port numbers and are at least this long become one interval element.
const LONG_RANGE: u16 = 8;

/// A set or map of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Set {
    Ports4,
    Ports6,
    AnyPorts4,
    AnyPorts6,
    Ranges4,
    Ranges6,
    Hairpin4,
    Hairpin6,
    Subnets4,
    Subnets6,
    Bridges,
    Own,
    Internal,
}

/// How a set is laid out, in the words of nftables' data types.
pub(crate) struct Layout {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Field],
    pub(crate) data: &'static [Field],
    pub(crate) interval: bool,
}

/// A data type of nftables: its number and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Proto,
    Addr4,
    Addr6,
    Port,
    Name,
}

impl Field {
    /// The number that `nft` gives to the type, and its length.
    pub(crate) fn describe(self) -> (u32, u32) {
        match self {
            Self::Addr4 => (7, 4),
            Self::Addr6 => (8, 16),
            Self::Proto => (12, 1),
            Self::Port => (13, 2),
            Self::Name => (41, 16),
        }
    }
}

impl Set {
    pub(crate) const ALL: [Self; 13] = [
        Self::Ports4,
        Self::Ports6,
        Self::AnyPorts4,
        Self::AnyPorts6,
        Self::Ranges4,
        Self::Ranges6,
        Self::Hairpin4,
        Self::Hairpin6,
        Self::Subnets4,
        Self::Subnets6,
        Self::Bridges,
        Self::Own,
        Self::Internal,
    ];

    /// The sets whose elements belong to containers; those of the others belong to networks.
    pub(crate) const OF_CONTAINERS: [Self; 6] =
        [Self::Ports4, Self::Ports6, Self::AnyPorts4, Self::AnyPorts6, Self::Ranges4, Self::Ranges6];

    /// The name and types of the set.
    pub(crate) fn layout(self) -> Layout {
        use Field::{Addr4, Addr6, Name, Port, Proto};
        let (name, key, data, interval): (_, &'static [Field], &'static [Field], _) = match self {
            Self::Ports4 => ("ports4", &[Proto, Addr4, Port], &[Addr4, Port], false),
            Self::Ports6 => ("ports6", &[Proto, Addr6, Port], &[Addr6, Port], false),
            Self::AnyPorts4 => ("anyports4", &[Proto, Port], &[Addr4, Port], false),
            Self::AnyPorts6 => ("anyports6", &[Proto, Port], &[Addr6, Port], false),
            Self::Ranges4 => ("ranges4", &[Proto, Addr4, Port], &[Addr4], true),
            Self::Ranges6 => ("ranges6", &[Proto, Addr6, Port], &[Addr6], true),
            Self::Hairpin4 => ("hairpin4", &[Addr4, Addr4], &[], true),
            Self::Hairpin6 => ("hairpin6", &[Addr6, Addr6], &[], true),
            Self::Subnets4 => ("subnets4", &[Addr4], &[], true),
            Self::Subnets6 => ("subnets6", &[Addr6], &[], true),
            Self::Bridges => ("bridges", &[Name], &[], false),
            Self::Own => ("own", &[Name, Name], &[], false),
            Self::Internal => ("internal", &[Name], &[], false),
        };
        Layout { name, key, data, interval }
    }
}

/// A base chain's place: type, hook number and priority.
pub(crate) struct Hook {
    pub(crate) kind: &'static str,
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

/// A chain with its rules.
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    pub(crate) hook: Option<Hook>,
    pub(crate) rules: Vec<Vec<Expr>>,
}

/// One expression of a rule. Registers are those of 32 bits, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    Meta { key: u32, register: u32 },
    Payload { base: u32, offset: u32, length: u32, register: u32 },
    Compare { register: u32, equal: bool, value: Vec<u8> },
    Mask { register: u32, mask: Vec<u8> },
    Lookup { set: Set, register: u32, into: Option<u32>, absent: bool },
    FibDestinationType { register: u32 },
    Conntrack { key: u32, register: u32 },
    Dnat { ipv6: bool, address: u32, port: Option<u32> },
    Masquerade,
    Accept,
    Drop,
    Return,
    Jump(&'static str),
}

// Keys of `meta` and `ct`, payload bases: linux/netfilter/nf_tables.h.
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const CT_STATE: u32 = 0;
const CT_STATUS: u32 = 2;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
/// `NF_CT_STATE_BIT` of established and related.
const STATE_KNOWN: u32 = 2 | 4;
/// `IPS_DST_NAT`.
const STATUS_DNAT: u32 = 1 << 5;
/// `RTN_LOCAL`.
const TYPE_LOCAL: u32 = 2;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

fn family(ipv6: bool) -> [Expr; 2] {
    let value = vec![if ipv6 { NFPROTO_IPV6 } else { NFPROTO_IPV4 }];
    [Expr::Meta { key: META_NFPROTO, register: 0 }, Expr::Compare { register: 0, equal: true, value }]
}

fn source(ipv6: bool, register: u32) -> Expr {
    let (offset, length) = if ipv6 { (8, 16) } else { (12, 4) };
    Expr::Payload { base: NETWORK_HEADER, offset, length, register }
}

fn destination(ipv6: bool, register: u32) -> Expr {
    let (offset, length) = if ipv6 { (24, 16) } else { (16, 4) };
    Expr::Payload { base: NETWORK_HEADER, offset, length, register }
}

fn destination_port(register: u32) -> Expr {
    Expr::Payload { base: TRANSPORT_HEADER, offset: 2, length: 2, register }
}

fn lookup(set: Set) -> Expr {
    Expr::Lookup { set, register: 0, into: None, absent: false }
}

fn has_bits(key: u32, bits: u32) -> [Expr; 3] {
    [
        Expr::Conntrack { key, register: 0 },
        Expr::Mask { register: 0, mask: bits.to_ne_bytes().to_vec() },
        Expr::Compare { register: 0, equal: false, value: vec![0; 4] },
    ]
}

fn rule(parts: impl IntoIterator<Item = Vec<Expr>>) -> Vec<Expr> {
    parts.into_iter().flatten().collect()
}

/// The rules that translate by `set`, whose key may begin with the destination address.
fn publish(set: Set, ipv6: bool, with_address: bool, with_port: bool) -> Vec<Expr> {
    let words = if ipv6 { 4 } else { 1 };
    let mut rule = family(ipv6).to_vec();
    rule.push(Expr::Meta { key: META_L4PROTO, register: 0 });
    if with_address {
        rule.extend([destination(ipv6, 1), destination_port(1 + words)]);
    } else {
        rule.push(destination_port(1));
    }
    rule.push(Expr::Lookup { set, register: 0, into: Some(0), absent: false });
    rule.push(Expr::Dnat { ipv6, address: 0, port: with_port.then_some(words) });
    rule
}

/// The chains and rules that are made once.
pub(crate) fn skeleton() -> Vec<Chain> {
    let local = || {
        vec![
            Expr::FibDestinationType { register: 0 },
            Expr::Compare { register: 0, equal: true, value: TYPE_LOCAL.to_ne_bytes().to_vec() },
            Expr::Jump("publish"),
        ]
    };
    let interface = |key, set| vec![Expr::Meta { key, register: 0 }, lookup(set)];
    let leaves = |set, ipv6: bool| {
        let mut parts = family(ipv6).to_vec();
        parts.extend([source(ipv6, 0), lookup(set)]);
        parts.push(Expr::Meta { key: META_OIFNAME, register: 0 });
        parts.push(Expr::Lookup { set: Set::Bridges, register: 0, into: None, absent: true });
        parts.push(Expr::Masquerade);
        parts
    };
    let hairpin = |set, ipv6: bool| {
        let second = if ipv6 { 4 } else { 1 };
        let mut parts = has_bits(CT_STATUS, STATUS_DNAT).to_vec();
        parts.extend(family(ipv6));
        parts.extend([source(ipv6, 0), destination(ipv6, second), lookup(set), Expr::Masquerade]);
        parts
    };
    let loopback4 = rule([
        family(false).to_vec(),
        vec![
            destination(false, 0),
            Expr::Mask { register: 0, mask: vec![255, 0, 0, 0] },
            Expr::Compare { register: 0, equal: true, value: vec![127, 0, 0, 0] },
            Expr::Return,
        ],
    ]);
    let loopback6 = rule([
        family(true).to_vec(),
        vec![
            destination(true, 0),
            Expr::Compare { register: 0, equal: true, value: Ipv6Addr::LOCALHOST.octets().to_vec() },
            Expr::Return,
        ],
    ]);
    let own = vec![
        Expr::Meta { key: META_IIFNAME, register: 0 },
        Expr::Meta { key: META_OIFNAME, register: 4 },
        lookup(Set::Own),
        Expr::Accept,
    ];
    vec![
        Chain {
            name: "publish",
            hook: None,
            rules: vec![
                loopback4,
                loopback6,
                publish(Set::Ports4, false, true, true),
                publish(Set::AnyPorts4, false, false, true),
                publish(Set::Ranges4, false, true, false),
                publish(Set::Ports6, true, true, true),
                publish(Set::AnyPorts6, true, false, true),
                publish(Set::Ranges6, true, true, false),
            ],
        },
        Chain { name: "prerouting", hook: Some(Hook { kind: "nat", number: 0, priority: -100 }), rules: vec![local()] },
        Chain { name: "output", hook: Some(Hook { kind: "nat", number: 3, priority: -100 }), rules: vec![local()] },
        Chain {
            name: "postrouting",
            hook: Some(Hook { kind: "nat", number: 4, priority: 100 }),
            rules: vec![
                hairpin(Set::Hairpin4, false),
                hairpin(Set::Hairpin6, true),
                leaves(Set::Subnets4, false),
                leaves(Set::Subnets6, true),
            ],
        },
        Chain {
            name: "forward",
            hook: Some(Hook { kind: "filter", number: 2, priority: 0 }),
            rules: vec![
                rule([has_bits(CT_STATE, STATE_KNOWN).to_vec(), vec![Expr::Accept]]),
                own,
                rule([interface(META_IIFNAME, Set::Internal), vec![Expr::Drop]]),
                rule([interface(META_OIFNAME, Set::Internal), vec![Expr::Drop]]),
                rule([
                    interface(META_OIFNAME, Set::Bridges),
                    has_bits(CT_STATUS, STATUS_DNAT).to_vec(),
                    vec![Expr::Accept],
                ]),
                rule([interface(META_OIFNAME, Set::Bridges), vec![Expr::Drop]]),
            ],
        },
    ]
}

/// Whose an element is: the text of its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// `CONTAINER NETWORK`, the first 12 digits of the network's id.
    Container { container: String, network: String },
    /// `network NETWORK`, the same digits.
    Network(String),
}

impl Owner {
    pub(crate) fn container(container: &str, network: &str) -> Self {
        Self::Container { container: container.to_owned(), network: short(network) }
    }

    pub(crate) fn network(network: &str) -> Self {
        Self::Network(short(network))
    }

    /// Reads the comment of an element back.
    pub(crate) fn parse(comment: &str) -> Option<Self> {
        match comment.split_once(' ')? {
            ("network", id) => Some(Self::Network(id.to_owned())),
            (container, network) => {
                Some(Self::Container { container: container.to_owned(), network: network.to_owned() })
            }
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container { container, network } => write!(f, "{container} {network}"),
            Self::Network(network) => write!(f, "network {network}"),
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// An element of a set, encoded as the kernel wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) set: Set,
    pub(crate) key: Vec<u8>,
    /// The inclusive end of an interval in a concatenation.
    pub(crate) end: Option<Vec<u8>>,
    /// This element ends the interval that the one before it began.
    pub(crate) closes: bool,
    pub(crate) data: Option<Vec<u8>>,
    /// The text of the owner; empty for one that closes an interval.
    pub(crate) comment: String,
}

/// Joins the fields of a key, each padded to four bytes.
fn join(fields: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    for field in fields {
        key.extend_from_slice(field);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

/// The elements that publish `mappings` on `target`, an address of the container. Loopback addresses are left out: the
/// monitor serves them; so are host addresses of the other family.
pub(crate) fn publish_elements(mappings: &[PortMapping], target: IpAddr, owner: &Owner) -> Vec<Element> {
    let mut elements = Vec::new();
    let ipv6 = target.is_ipv6();
    for mapping in mappings {
        let host = mapping.host_address();
        if let Some(host) = host
            && (host.is_ipv6() != ipv6 || host.is_loopback())
        {
            continue;
        }
        let proto = [protocol(mapping.protocol)];
        if mapping.range >= LONG_RANGE && mapping.host_port == mapping.container_port {
            let (low, high) = match (host, ipv6) {
                (Some(host), _) => (host, host),
                (None, false) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()),
                (None, true) => (Ipv6Addr::UNSPECIFIED.into(), IpAddr::from(Ipv6Addr::from([0xff; 16]))),
            };
            elements.push(Element {
                set: if ipv6 { Set::Ranges6 } else { Set::Ranges4 },
                key: join(&[&proto, &bytes(low), &mapping.host_port.to_be_bytes()]),
                end: Some(join(&[&proto, &bytes(high), &mapping.last_host_port().to_be_bytes()])),
                closes: false,
                data: Some(bytes(target)),
                comment: owner.to_string(),
            });
            continue;
        }
        for (host_port, container_port) in mapping.pairs() {
            let port = host_port.to_be_bytes();
            let (set, key) = match (host, ipv6) {
                (Some(host), false) => (Set::Ports4, join(&[&proto, &bytes(host), &port])),
                (Some(host), true) => (Set::Ports6, join(&[&proto, &bytes(host), &port])),
                (None, false) => (Set::AnyPorts4, join(&[&proto, &port])),
                (None, true) => (Set::AnyPorts6, join(&[&proto, &port])),
            };
            let data = Some(join(&[&bytes(target), &container_port.to_be_bytes()]));
            elements.push(Element { set, key, end: None, closes: false, data, comment: owner.to_string() });
        }
    }
    elements
}

/// What the firewall must know of a network.
pub(crate) struct NetworkFacts<'a> {
    pub(crate) id: &'a str,
    pub(crate) bridge: &'a str,
    pub(crate) subnets: &'a [IpNetwork],
    pub(crate) internal: bool,
}

/// The elements that belong to a network as a whole.
pub(crate) fn network_elements(network: &NetworkFacts<'_>) -> Vec<Element> {
    let comment = Owner::network(network.id).to_string();
    let plain = |set, key| Element { set, key, end: None, closes: false, data: None, comment: comment.clone() };
    let mut name = network.bridge.as_bytes().to_vec();
    name.resize(16, 0);
    let mut elements = vec![plain(Set::Bridges, name.clone()), plain(Set::Own, name.repeat(2))];
    if network.internal {
        elements.push(plain(Set::Internal, name));
    }
    for subnet in network.subnets {
        let (first, last) = (bytes(subnet.network()), bytes(subnet.broadcast()));
        let ipv6 = subnet.is_ipv6();
        let mut hairpin = plain(if ipv6 { Set::Hairpin6 } else { Set::Hairpin4 }, first.repeat(2));
        hairpin.end = Some(last.repeat(2));
        elements.push(hairpin);
        if network.internal {
            continue;
        }
        let set = if ipv6 { Set::Subnets6 } else { Set::Subnets4 };
        elements.push(plain(set, first));
        if let Some(after) = successor(last) {
            elements.push(Element { closes: true, comment: String::new(), ..plain(set, after) });
        }
    }
    elements
}

/// The address after `address`, unless it is the last of all.
fn successor(mut address: Vec<u8>) -> Option<Vec<u8>> {
    for byte in address.iter_mut().rev() {
        let (next, carried) = byte.overflowing_add(1);
        *byte = next;
        if !carried {
            return Some(address);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_comment_is_an_owners_or_not(text in "\\PC{0,40}") {
            drop(Owner::parse(&text));
        }

        #[test]
        fn an_owner_is_read_back(container in "[0-9a-f]{64}", network in "[0-9a-f]{64}") {
            for owner in [Owner::container(&container, &network), Owner::network(&network)] {
                proptest::prop_assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
            }
        }
    }
}
