//! Networks: their record in podman's names, what a container asks of them (`--network`), and what it got.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Error;
use super::id::Id;

/// The network that containers join when nothing else is said; podman's name, so that scripts find it.
pub(crate) const DEFAULT: &str = "podman";

/// A subnet of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) subnet: IpNetwork,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
    /// The addresses that containers may get; without it, all of the subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lease_range: Option<LeaseRange>,
}

/// First and last address for containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end_ip: Option<IpAddr>,
}

/// The record of a network, as podman writes and shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkConfig {
    #[serde(default)]
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) driver: String,
    #[serde(default)]
    pub(crate) network_interface: String,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) subnets: Vec<Subnet>,
    #[serde(default)]
    pub(crate) ipv6_enabled: bool,
    #[serde(default)]
    pub(crate) internal: bool,
    #[serde(default)]
    pub(crate) dns_enabled: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) options: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) ipam_options: BTreeMap<String, String>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl NetworkConfig {
    /// The option `name` as a number, where it is set.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u32>, Error> {
        self.options
            .get(name)
            .map(|value| {
                value
                    .parse()
                    .map_err(|_| Error::invalid(format!("unable to parse \"{name}\" of network {}", self.name)))
            })
            .transpose()
    }
}

/// A network that a container joins, with what it asks there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attachment {
    pub(crate) network: String,
    pub(crate) static_ips: Vec<IpAddr>,
    pub(crate) static_mac: Option<MacAddress>,
    /// Empty: `ethN`.
    pub(crate) interface_name: String,
    pub(crate) aliases: Vec<String>,
}

impl Attachment {
    pub(crate) fn to(network: impl Into<String>) -> Self {
        Self { network: network.into(), ..Self::default() }
    }
}

/// What a container got from a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) network: String,
    pub(crate) network_id: String,
    /// The interface inside.
    pub(crate) interface: String,
    /// The interface of the host.
    pub(crate) host_interface: String,
    pub(crate) mac: MacAddress,
    pub(crate) addresses: Vec<EndpointAddress>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<String>,
}

/// An address with its prefix length, and the router of its subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndpointAddress {
    pub(crate) address: IpNetwork,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
}

impl Endpoint {
    /// The first address of the family.
    pub(crate) fn ip(&self, ipv6: bool) -> Option<IpAddr> {
        self.addresses.iter().map(|a| a.address.ip()).find(|ip| ip.is_ipv6() == ipv6)
    }
}

/// A unicast Ethernet address, `aa:bb:cc:dd:ee:ff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct MacAddress(pub(crate) [u8; 6]);

impl std::str::FromStr for MacAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid(format!("address {}: invalid MAC address", text.escape_debug()));
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(part.ok_or_else(bad)?, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() || bytes[0] & 1 != 0 || bytes == [0; 6] {
            return Err(bad());
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl TryFrom<String> for MacAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

/// What `--network` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "of", rename_all = "lowercase")]
pub(crate) enum NetworkMode {
    /// The default bridge as root, user-mode networking for an ordinary user.
    #[default]
    Private,
    None,
    Host,
    Bridge(Vec<Attachment>),
    /// The namespace of another container, by name or id until it is resolved.
    Container(String),
    /// The namespace at a path.
    Path(String),
    /// User-mode networking, with pasta's own options.
    Pasta(Vec<String>),
}

impl NetworkMode {
    /// Reads the values of all `--network` options of a command.
    pub(crate) fn parse<S: AsRef<str>>(values: &[S]) -> Result<Self, Error> {
        let mut mode: Option<Self> = None;
        for value in values {
            let next = Self::parse_one(value.as_ref())?;
            mode = Some(match (mode, next) {
                (None, next) => next,
                (Some(Self::Bridge(mut all)), Self::Bridge(more)) => {
                    for attachment in more {
                        if all.iter().any(|a| a.network == attachment.network) {
                            return Err(Error::invalid(format!(
                                "duplicate network \"{}\"",
                                attachment.network.escape_debug()
                            )));
                        }
                        all.push(attachment);
                    }
                    Self::Bridge(all)
                }
                (Some(Self::Bridge(_)), other) | (Some(other), _) => {
                    return Err(Error::invalid(format!(
                        "cannot set multiple networks without bridge network mode, selected mode {}: invalid argument",
                        other.as_str()
                    )));
                }
            });
        }
        Ok(mode.unwrap_or_default())
    }

    fn parse_one(value: &str) -> Result<Self, Error> {
        let (name, options) = value.split_once(':').map_or((value, None), |(name, rest)| (name, Some(rest)));
        let plain = |mode| match options {
            Some(_) => Err(Error::invalid(format!("network mode {name} takes no options"))),
            None => Ok(mode),
        };
        match name {
            "" | "default" | "private" => plain(Self::Private),
            "none" => plain(Self::None),
            "host" => plain(Self::Host),
            "container" | "ns" => {
                let of = options.filter(|o| !o.is_empty()).ok_or_else(|| {
                    Error::invalid(format!("must provide a {} for {name}:", if name == "ns" { "path" } else { "name" }))
                })?;
                Ok(if name == "ns" { Self::Path(of.to_owned()) } else { Self::Container(of.to_owned()) })
            }
            "pasta" => Ok(Self::Pasta(
                options.map_or_else(Vec::new, |o| o.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect()),
            )),
            // What it did pasta does; its options are not pasta's.
            "slirp4netns" => Ok(Self::Pasta(Vec::new())),
            "bridge" => Ok(Self::Bridge(vec![attachment(DEFAULT, options)?])),
            _ if options.is_some() => Ok(Self::Bridge(vec![attachment(name, options)?])),
            _ => {
                let all = name.split(',').map(|name| attachment(name, None)).collect::<Result<Vec<_>, _>>()?;
                Ok(Self::Bridge(all))
            }
        }
    }

    /// The word that stands for the mode in podman's output.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::None => "none",
            Self::Host => "host",
            Self::Bridge(_) => "bridge",
            Self::Container(_) => "container",
            Self::Path(_) => "ns",
            Self::Pasta(_) => "pasta",
        }
    }
}

/// Checks that `name` can be a network's: it becomes a file name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !first || name.len() > 200 || !bytes.all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        return Err(Error::invalid(format!(
            "network name \"{}\" invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
            name.escape_debug()
        )));
    }
    Ok(())
}

/// Checks that `name` can be an interface's (dev_valid_name of the kernel, and nothing odd in it).
pub(crate) fn check_interface(name: &str) -> Result<(), Error> {
    let fits = (1..16).contains(&name.len()) && ![".", ".."].contains(&name);
    if !fits || !name.bytes().all(|b| b.is_ascii_graphic() && b != b'/' && b != b':') {
        return Err(Error::invalid(format!("interface name \"{}\" is invalid", name.escape_debug())));
    }
    Ok(())
}

fn attachment(network: &str, options: Option<&str>) -> Result<Attachment, Error> {
    check_name(network)?;
    let mut asked = Attachment::to(network);
    for option in options.into_iter().flat_map(|o| o.split(',')) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "ip" | "ip6" => {
                let ip = value.parse::<IpAddr>().ok().filter(|ip| name == "ip" || ip.is_ipv6());
                asked.static_ips.push(
                    ip.ok_or_else(|| Error::invalid(format!("invalid ip address \"{}\"", value.escape_debug())))?,
                );
            }
            "mac" => asked.static_mac = Some(value.parse()?),
            "alias" if value.is_empty() => return Err(Error::invalid("alias cannot be empty")),
            "alias" => asked.aliases.push(value.to_owned()),
            "interface_name" if value.is_empty() => return Err(Error::invalid("interface_name cannot be empty")),
            "interface_name" => {
                check_interface(value)?;
                value.clone_into(&mut asked.interface_name);
            }
            _ => {
                return Err(Error::invalid(format!("unknown bridge network option: {}", name.escape_debug())));
            }
        }
    }
    Ok(asked)
}

/// An address that a container holds: whose it is is part of its name on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) address: IpAddr,
    pub(crate) container: Id,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_network_modes() {
        use NetworkMode as M;
        for (values, want) in [
            (&[][..], M::Private),
            (&["private"], M::Private),
            (&["none"], M::None),
            (&["host"], M::Host),
            (&["bridge"], M::Bridge(vec![Attachment::to("podman")])),
            (&["a,b"], M::Bridge(vec![Attachment::to("a"), Attachment::to("b")])),
            (&["a", "b"], M::Bridge(vec![Attachment::to("a"), Attachment::to("b")])),
            (&["container:web"], M::Container("web".into())),
            (&["ns:/run/netns/x:y"], M::Path("/run/netns/x:y".into())),
            (&["pasta"], M::Pasta(vec![])),
            (&["pasta:-T,5000"], M::Pasta(vec!["-T".into(), "5000".into()])),
        ] {
            assert_eq!(NetworkMode::parse(values), Ok(want), "{values:?}");
        }
        let M::Bridge(got) =
            NetworkMode::parse(&["bridge:ip=10.88.0.9,mac=02:00:00:00:00:01,interface_name=web0,alias=x"]).unwrap()
        else {
            panic!("a bridge")
        };
        assert_eq!(got[0].static_ips, ["10.88.0.9".parse::<IpAddr>().unwrap()]);
        assert_eq!(got[0].static_mac.unwrap().to_string(), "02:00:00:00:00:01");
        assert_eq!((got[0].interface_name.as_str(), got[0].aliases.len()), ("web0", 1));
    }

    #[test]
    fn refuses_bad_modes() {
        for values in [
            &["none", "host"][..],
            &["a", "a"],
            &["a", "host"],
            &["none:x"],
            &["container:"],
            &["../x"],
            &["bridge:ip=1"],
            &["bridge:ip6=10.0.0.1"],
            &["bridge:mac=01:00:00:00:00:01"],
            &["bridge:interface_name=a/b"],
            &["bridge:alias="],
            &["bridge:what=1"],
        ] {
            assert!(NetworkMode::parse(values).is_err(), "{values:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn names_stay_file_names(text in "\\PC{0,40}") {
            if let Ok(NetworkMode::Bridge(all)) = NetworkMode::parse(&[&text]) {
                for attachment in all {
                    proptest::prop_assert!(!attachment.network.contains('/') && !attachment.network.starts_with('.'));
                }
            }
        }
    }
}
