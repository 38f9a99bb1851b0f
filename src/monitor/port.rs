//! The sockets that reserve published ports on the host. The monitor binds them before the container starts and holds
//! them to its end: so a port in use is told early, nobody else takes it meanwhile, and what comes by loopback, where
//! the firewall cannot translate, is relayed from them (`relay`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::error::{Error, ErrorKind};
use crate::model::port::{PortMapping, Protocol};

/// How often a run of random ports is looked for.
const ATTEMPTS: usize = 16;
/// Descriptors that a monitor needs beside its ports.
const OTHER_DESCRIPTORS: u64 = 256;

/// A socket that holds one port of the host.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) socket: OwnedFd,
    pub(crate) protocol: Protocol,
    pub(crate) host: SocketAddr,
    /// The port inside.
    pub(crate) container_port: u16,
}

/// Binds and listens on every port of `mappings`. Where no host address was asked for, on all of IPv4 and, where the
/// host has it, of IPv6. SCTP is left to the firewall.
pub(crate) fn reserve(mappings: &[PortMapping]) -> Result<Vec<Reserved>> {
    let ports: u64 = mappings.iter().map(|m| u64::from(m.range.max(1))).sum();
    allow_descriptors(ports * 2)?;
    let mut reserved = Vec::new();
    for mapping in mappings.iter().filter(|m| m.protocol != Protocol::Sctp) {
        for (host_port, container_port) in mapping.pairs() {
            for (address, needed) in addresses(mapping) {
                let host = SocketAddr::new(address, host_port);
                match open(mapping.protocol, host) {
                    Ok(socket) => {
                        reserved.push(Reserved { socket, protocol: mapping.protocol, host, container_port });
                    }
                    Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if !needed => {}
                    Err(errno) => return Err(refusal(mapping, host, errno).into()),
                }
            }
        }
    }
    Ok(reserved)
}

/// Gives each mapping whose host port is 0 one that is free now; a run gets neighbours.
pub(crate) fn assign(mappings: &mut [PortMapping]) -> Result<()> {
    for at in 0..mappings.len() {
        if mappings[at].host_port != 0 {
            continue;
        }
        let free = (0..ATTEMPTS).find_map(|_| candidate(&mappings[at], mappings));
        let mapping = &mut mappings[at];
        mapping.host_port = free.ok_or_else(|| {
            let (port, range) = (mapping.container_port, mapping.range);
            Error::conflict(format!(
                "failed to find an open port to expose container port {port} with range {range} on the host"
            ))
        })?;
    }
    Ok(())
}

/// A free port that the kernel chose, if those after it are free too and no other mapping asks for any.
fn candidate(mapping: &PortMapping, all: &[PortMapping]) -> Option<u16> {
    let protocol = if mapping.protocol == Protocol::Udp { Protocol::Udp } else { Protocol::Tcp };
    let (address, _) = addresses(mapping).next()?;
    let first = open(protocol, SocketAddr::new(address, 0)).ok()?;
    let first_port = SocketAddr::try_from(getsockname(&first).ok()?).ok()?.port();
    drop(first);
    let wanted = PortMapping { host_port: first_port, protocol, ..mapping.clone() };
    first_port.checked_add(wanted.range.saturating_sub(1))?;
    let clash = |other: &PortMapping| {
        other.host_port != 0
            && other.protocol == mapping.protocol
            && other.host_port <= wanted.last_host_port()
            && wanted.host_port <= other.last_host_port()
    };
    if all.iter().any(clash) {
        return None;
    }
    reserve(std::slice::from_ref(&wanted)).ok().map(|_| first_port)
}

/// The host addresses to bind, and whether it is an error when the host does not have one.
fn addresses(mapping: &PortMapping) -> impl Iterator<Item = (IpAddr, bool)> {
    let asked = mapping.host_address();
    let every = [(IpAddr::from(Ipv4Addr::UNSPECIFIED), true), (IpAddr::from(Ipv6Addr::UNSPECIFIED), false)];
    asked.map(|ip| (ip, true)).into_iter().chain(every.into_iter().filter(move |_| asked.is_none()))
}

fn open(protocol: Protocol, at: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let kind = if protocol == Protocol::Udp { SocketType::DGRAM } else { SocketType::STREAM };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if kind == SocketType::STREAM {
        // A port whose last connections linger in TIME_WAIT is free.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &at)?;
    if kind == SocketType::STREAM {
        listen(&socket, 1024)?;
    }
    Ok(socket)
}

/// podman's words.
fn refusal(mapping: &PortMapping, host: SocketAddr, errno: Errno) -> Error {
    let protocol = mapping.protocol;
    let version = if host.is_ipv6() { '6' } else { '4' };
    let place = if host.ip().is_unspecified() { format!(":{}", host.port()) } else { host.to_string() };
    let why = match errno {
        Errno::ADDRINUSE => "address already in use",
        Errno::ADDRNOTAVAIL => "cannot assign requested address",
        Errno::ACCESS => "permission denied",
        _ => "",
    };
    let why = if why.is_empty() { errno.to_string() } else { why.to_owned() };
    let message = format!(
        "cannot listen on the {} port: listen {protocol}{version} {place}: bind: {why}",
        protocol.as_str().to_ascii_uppercase()
    );
    match errno {
        Errno::ADDRINUSE => Error::conflict(message),
        Errno::ADDRNOTAVAIL => Error::invalid(message),
        Errno::ACCESS => Error::new(ErrorKind::Denied, message)
            .hint("ports below net.ipv4.ip_unprivileged_port_start are root's; take a greater one"),
        _ => Error::unavailable(message),
    }
}

/// Raises our soft limit of open files where the ports need it; never above the hard one.
fn allow_descriptors(ports: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = ports + OTHER_DESCRIPTORS;
    if ports <= OTHER_DESCRIPTORS || limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        let message = format!("so many published ports need {needed} open files, more than this host allows");
        return Err(Error::unsupported(message).into());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .context("raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mappings(specs: &[&str]) -> Vec<PortMapping> {
        specs.iter().map(|s| s.parse().unwrap()).collect()
    }

    #[test]
    fn a_port_in_use_is_told_in_podmans_words() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let error = reserve(&mappings(&[&format!("127.0.0.1:{port}:80")])).unwrap_err();
        let error = error.downcast_ref::<Error>().unwrap();
        assert_eq!(
            error.message,
            format!("cannot listen on the TCP port: listen tcp4 127.0.0.1:{port}: bind: address already in use")
        );
        assert_eq!(error.kind, ErrorKind::Conflict);
        let elsewhere = reserve(&mappings(&["203.0.113.7:8080:80"])).unwrap_err();
        assert!(format!("{elsewhere}").ends_with("bind: cannot assign requested address"));
    }

    #[test]
    fn random_ports_are_free_and_runs_have_neighbours() {
        let mut asked = mappings(&["127.0.0.1::80", "127.0.0.1::81/udp", "127.0.0.1::8000-8003"]);
        assign(&mut asked).unwrap();
        assert!(asked.iter().all(|m| m.host_port != 0));
        let held = reserve(&asked).unwrap();
        assert_eq!(held.len(), 6);
        assert_eq!(held[5].host.port(), asked[2].host_port + 3);
        assert_eq!(held[5].container_port, 8003);
    }
}
