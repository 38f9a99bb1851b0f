//! Published ports: what `-p` says, in podman's grammar and with podman's words for what is wrong.
//!
//! ```text
//! [[hostip:][hostport[-last]]:]containerport[-last][/protocol]      an IPv6 host address is in brackets
//! ```

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::error::Error;

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(Error::invalid(format!("unrecognized protocol \"{}\" in port mapping", text.escape_debug()))),
        }
    }
}

/// A run of `range` published ports. `host_port` 0 asks for a random free one; an empty `host_ip` is every address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PortMapping {
    #[serde(default)]
    pub(crate) host_ip: String,
    pub(crate) container_port: u16,
    #[serde(default)]
    pub(crate) host_port: u16,
    #[serde(default = "one")]
    pub(crate) range: u16,
    #[serde(default)]
    pub(crate) protocol: Protocol,
}

fn one() -> u16 {
    1
}

impl PortMapping {
    /// The host address that was asked for, or none for every address of the host.
    pub(crate) fn host_address(&self) -> Option<IpAddr> {
        self.host_ip.parse().ok().filter(|ip| *ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// The last host port of the run.
    pub(crate) fn last_host_port(&self) -> u16 {
        self.host_port.saturating_add(self.range.saturating_sub(1))
    }

    /// The pairs of host port and container port, one by one.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        (0..self.range.max(1))
            .map_while(|n| Some((self.host_port.checked_add(n)?, self.container_port.checked_add(n)?)))
    }
}

impl std::str::FromStr for PortMapping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (rest, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((_, p)) if p.contains('/') => {
                return Err(Error::invalid("invalid port format - protocol can only be specified once"));
            }
            Some((_, "")) => return Err(Error::invalid("must provide a non-empty protocol to publish")),
            Some((rest, p)) => (rest, p.parse()?),
        };
        let (ip, rest) = split_bracketed(rest)?;
        let parts: Vec<&str> = rest.split(':').collect();
        let (ip, host, container) = match (ip, parts.as_slice()) {
            (None, [container]) => (None, None, *container),
            (Some(_), [_]) => {
                return Err(Error::invalid(
                    "invalid port format - must provide host and destination port if specifying an IP",
                ));
            }
            (ip, [host, container]) => (ip, Some(*host), *container),
            (None, [ip, host, container]) => (Some(*ip), Some(*host), *container),
            (Some(_), [_, _, _]) => {
                return Err(Error::invalid("when v6 address specified, must be [ipv6]:hostPort:ctrPort"));
            }
            _ => {
                return Err(Error::invalid("invalid port format - format is [[hostIP:]hostPort:]containerPort"));
            }
        };
        if container.is_empty() {
            return Err(Error::invalid("must provide a non-empty container port to publish"));
        }
        let (container_port, range) =
            parse_range(container).map_err(|e| Error::invalid(format!("parsing container port: {e}")))?;
        let host_ip = match ip {
            None | Some("0.0.0.0") => String::new(),
            Some("") => return Err(Error::invalid("must provide a non-empty container host IP to publish")),
            Some(ip) => ip
                .parse::<IpAddr>()
                .map_err(|_| Error::invalid(format!("cannot parse \"{}\" as an IP address", ip.escape_debug())))?
                .to_string(),
        };
        let host_port = match host {
            None | Some("") => 0,
            Some(host) => {
                let (port, length) =
                    parse_range(host).map_err(|e| Error::invalid(format!("parsing host port: {e}")))?;
                if length != range {
                    return Err(Error::invalid(format!(
                        "host and container port ranges have different lengths: {length} vs {range}"
                    )));
                }
                port
            }
        };
        Ok(Self { host_ip, container_port, host_port, range, protocol })
    }
}

/// Takes `[address]:` off the front.
fn split_bracketed(text: &str) -> Result<(Option<&str>, &str), Error> {
    let Some((head, tail)) = text.split_once(']') else { return Ok((None, text)) };
    if tail.contains(']') {
        return Err(Error::invalid("invalid port format - at most one IPv6 address can be specified in a --publish"));
    }
    let address = head
        .strip_prefix('[')
        .ok_or_else(|| Error::invalid("invalid port format - IPv6 addresses must be enclosed by []"))?;
    let rest = tail
        .strip_prefix(':')
        .ok_or_else(|| Error::invalid("invalid port format - IPv6 address must be followed by a colon (':')"))?;
    Ok((Some(address), rest))
}

/// Parses `first[-last]` into the first port and how many there are.
pub(crate) fn parse_range(text: &str) -> Result<(u16, u16), Error> {
    let mut parts = text.split('-');
    let (first, last) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(Error::invalid("invalid port format - port ranges are formatted as startPort-stopPort"));
    }
    if first.is_empty() {
        return Err(Error::invalid("port numbers cannot be negative"));
    }
    let first = parse_port(first)?;
    match last {
        None => Ok((first, 1)),
        Some("") => Err(Error::invalid("must provide ending number for port range")),
        Some(last) => {
            let last = parse_port(last)?;
            if last <= first {
                return Err(Error::invalid(format!(
                    "the end port of a range must be higher than the start port - {last} is not higher than {first}"
                )));
            }
            Ok((first, last - first + 1))
        }
    }
}

fn parse_port(text: &str) -> Result<u16, Error> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid(format!(
            "invalid port number: strconv.Atoi: parsing \"{}\": invalid syntax",
            text.escape_debug()
        )));
    }
    match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Error::invalid(format!("port numbers must be between 1 and 65535 (inclusive), got {digits}"))),
    }
}

/// Merges what touches into runs, drops exact repetitions and refuses two container ports behind one host port. The
/// order is podman's: by protocol, host address, host port; those with a random host port come last, unmerged.
pub(crate) fn merge(mappings: Vec<PortMapping>) -> Result<Vec<PortMapping>, Error> {
    let (mut fixed, random): (Vec<_>, Vec<_>) = mappings.into_iter().partition(|m| m.host_port != 0);
    fixed.sort_by(|a, b| {
        (a.protocol, &a.host_ip, a.host_port, a.container_port).cmp(&(
            b.protocol,
            &b.host_ip,
            b.host_port,
            b.container_port,
        ))
    });
    let mut merged: Vec<PortMapping> = Vec::with_capacity(fixed.len() + random.len());
    for mapping in fixed {
        if u32::from(mapping.host_port) + u32::from(mapping.range) > 65536
            || u32::from(mapping.container_port) + u32::from(mapping.range) > 65536
        {
            return Err(Error::invalid("port range exceeds maximum allowable port number"));
        }
        let Some(last) = merged.last_mut().filter(|l| l.protocol == mapping.protocol && l.host_ip == mapping.host_ip)
        else {
            merged.push(mapping);
            continue;
        };
        let offset = mapping.host_port - last.host_port;
        let aligned = last.container_port.checked_add(offset) == Some(mapping.container_port);
        if offset < last.range && !aligned {
            return Err(Error::conflict(format!(
                "conflicting port mappings for host port {} (protocol {})",
                mapping.host_port, mapping.protocol
            )));
        }
        if offset <= last.range && aligned {
            last.range = last.range.max(offset + mapping.range);
        } else {
            merged.push(mapping);
        }
    }
    for mapping in random {
        if !merged.contains(&mapping) {
            merged.push(mapping);
        }
    }
    Ok(merged)
}

/// Parses the value of `--expose`: `port[-last][/protocol]`.
pub(crate) fn parse_expose(text: &str) -> Result<(u16, u16, Protocol), Error> {
    let (ports, protocol) = match text.split_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, protocol)) => (ports, protocol.parse()?),
    };
    let (first, range) = parse_range(ports)?;
    Ok((first, range, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(ip: &str, host: u16, container: u16, range: u16, protocol: Protocol) -> PortMapping {
        PortMapping { host_ip: ip.to_owned(), host_port: host, container_port: container, range, protocol }
    }

    #[test]
    fn reads_every_form() {
        use Protocol::{Sctp, Tcp, Udp};
        for (text, want) in [
            ("80", mapping("", 0, 80, 1, Tcp)),
            ("8080:80", mapping("", 8080, 80, 1, Tcp)),
            (":80/udp", mapping("", 0, 80, 1, Udp)),
            ("127.0.0.1:8080:80", mapping("127.0.0.1", 8080, 80, 1, Tcp)),
            ("127.0.0.1::80", mapping("127.0.0.1", 0, 80, 1, Tcp)),
            ("0.0.0.0:8080:80", mapping("", 8080, 80, 1, Tcp)),
            ("8000-8009:9000-9009/SCTP", mapping("", 8000, 9000, 10, Sctp)),
            ("[::1]:80:80", mapping("::1", 80, 80, 1, Tcp)),
            ("[::1]::80", mapping("::1", 0, 80, 1, Tcp)),
            ("[0:0::1]:80:80", mapping("::1", 80, 80, 1, Tcp)),
            ("1-65535:1-65535", mapping("", 1, 1, 65535, Tcp)),
        ] {
            assert_eq!(text.parse::<PortMapping>(), Ok(want), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, want) in [
            ("", "must provide a non-empty container port to publish"),
            ("80/", "must provide a non-empty protocol to publish"),
            ("80/tcp/udp", "invalid port format - protocol can only be specified once"),
            ("80/icmp", "unrecognized protocol \"icmp\" in port mapping"),
            ("abc", "parsing container port: invalid port number: strconv.Atoi: parsing \"abc\": invalid syntax"),
            ("80:70000", "parsing container port: port numbers must be between 1 and 65535 (inclusive), got 70000"),
            ("0:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 0"),
            ("-1", "parsing container port: port numbers cannot be negative"),
            ("1-:80", "parsing host port: must provide ending number for port range"),
            (
                "90-80:80",
                "parsing host port: the end port of a range must be higher than the start port - 80 is not higher \
                 than 90",
            ),
            ("80-81:80", "host and container port ranges have different lengths: 2 vs 1"),
            ("::1:80:80", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
            ("[::1]80", "invalid port format - IPv6 address must be followed by a colon (':')"),
            ("::1]:80:80", "invalid port format - IPv6 addresses must be enclosed by []"),
            ("[::1]:80", "invalid port format - must provide host and destination port if specifying an IP"),
            ("x:80:80", "cannot parse \"x\" as an IP address"),
            (":80:80", "must provide a non-empty container host IP to publish"),
        ] {
            assert_eq!(text.parse::<PortMapping>().expect_err(text).message, want, "{text}");
        }
    }

    #[test]
    fn merges_runs_and_refuses_conflicts() {
        let parse = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<PortMapping>>();
        assert_eq!(
            merge(parse(&["81:81", "80:80", "82-84:82-84", "80:80", "90:91", "53:53/udp", "99"])).unwrap(),
            [
                mapping("", 80, 80, 5, Protocol::Tcp),
                mapping("", 90, 91, 1, Protocol::Tcp),
                mapping("", 53, 53, 1, Protocol::Udp),
                mapping("", 0, 99, 1, Protocol::Tcp),
            ]
        );
        let error = merge(parse(&["80:80", "80:81"])).unwrap_err();
        assert_eq!(error.message, "conflicting port mappings for host port 80 (protocol tcp)");
        assert_eq!(merge(parse(&["1-65535:1-65535"])).unwrap()[0].last_host_port(), 65535);
    }

    #[test]
    fn the_record_has_podman_names() {
        let json = serde_json::to_string(&mapping("127.0.0.1", 8080, 80, 1, Protocol::Tcp)).unwrap();
        assert_eq!(json, r#"{"host_ip":"127.0.0.1","container_port":80,"host_port":8080,"range":1,"protocol":"tcp"}"#);
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_stays_in_range(text in "[0-9a-z:/\\[\\].+-]{0,40}") {
            if let Ok(mapping) = text.parse::<PortMapping>() {
                proptest::prop_assert!(mapping.range >= 1);
                proptest::prop_assert!(mapping.container_port > 0);
                proptest::prop_assert_eq!(mapping.pairs().count(), usize::from(mapping.range));
                proptest::prop_assert!(merge(vec![mapping]).is_ok());
            }
        }
    }
}
