//! The bridge driver: a bridge of the host, a pair of links for each container, translation by the firewall.
//!
//! Setting up: lease (which is the record of the intent), bridge, pair, firewall elements. Tearing down: links, elements,
//! and the lease as the very last, so that whoever is killed on the way leaves a lease that tells what to remove. The
//! bridge and what the network as such has in the firewall go when it stays idle (see `idle`).

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use sha2::Digest as _;

use super::driver::{Driver, Job, Kernel, Remaining};
use super::firewall::Firewall;
use super::firewall::rule::{self, Element, NetworkFacts, Owner};
use super::ipam::host_local::{Lease, Leases};
use super::link::{Bridge as BridgeLink, Link, Mac, Pair};
use super::{idle, link, sysctl};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::{self, Endpoint, EndpointAddress, MacAddress, NetworkConfig};
use crate::state::record;

/// The driver of networks of kind `bridge`.
pub(crate) struct Bridge;

/// An address for `of` in `network`: the same for the same IP address, so that no neighbour remembers a stale one.
fn derive_mac(network: &str, of: &str) -> Mac {
    let hash = sha2::Sha256::digest(format!("{network} {of}").as_bytes());
    // Locally administered, unicast.
    [(hash[0] & 0xfc) | 2, hash[1], hash[2], hash[3], hash[4], hash[5]]
}

/// The host's link of a container: its first letters tell whose it is even before it has its alias.
fn host_interface(container: &Id, number: usize) -> String {
    let digit = u32::try_from(number).ok().and_then(|n| char::from_digit(n, 36)).unwrap_or('z');
    format!("{}{digit}", host_prefix(container))
}

fn host_prefix(container: &Id) -> String {
    format!("dhow{}", &container.as_str()[..10])
}

fn bridge_alias(network: &NetworkConfig) -> String {
    format!("dhow network {}", network.id)
}

fn bridge_mac(network: &NetworkConfig) -> Mac {
    derive_mac(&network.id, "bridge")
}

/// The number of the group of the network's links: far from the small ones that people choose, never 0, which is all.
fn group(network: &NetworkConfig) -> u32 {
    let hash = sha2::Sha256::digest(network.id.as_bytes());
    u32::from_be_bytes([(hash[0] & 0x3f) | 0x40, hash[1], hash[2], hash[3]])
}

/// Whether the link is the bridge of `network`, perhaps one that its maker could not finish.
fn is_ours(link: &Link, network: &NetworkConfig) -> bool {
    link.bridge && (link.alias == bridge_alias(network) || (link.alias.is_empty() && link.mac == bridge_mac(network)))
}

fn network_elements(network: &NetworkConfig) -> Vec<Element> {
    let subnets: Vec<IpNetwork> = network.subnets.iter().map(|s| s.subnet).collect();
    rule::network_elements(&NetworkFacts {
        id: &network.id,
        bridge: &network.network_interface,
        subnets: &subnets,
        internal: network.internal,
    })
}

fn lease_elements(network: &NetworkConfig, container: &Id, lease: &Lease) -> Vec<Element> {
    if network.internal {
        return Vec::new();
    }
    let owner = Owner::container(container.as_str(), &network.id);
    [false, true]
        .into_iter()
        .filter_map(|ipv6| lease.endpoint.ip(ipv6))
        .flat_map(|target| rule::publish_elements(&lease.ports, target, &owner))
        .collect()
}

impl Driver for Bridge {
    fn validate(&self, job: &Job<'_>) -> Result<()> {
        let network = job.network;
        network::check_interface(&network.network_interface)?;
        network::check_interface(&job.interface())?;
        network.number("mtu")?;
        if job.number >= 36 {
            return Err(Error::invalid("a container cannot join more than 36 networks").into());
        }
        if network.subnets.is_empty() && !job.attachment.static_ips.is_empty() {
            return Err(Error::invalid(format!("network {} gives no addresses out", network.name)).into());
        }
        Leases::open(job.directory)?.choose(network, &job.attachment.static_ips)?;
        Ok(())
    }

    fn setup(&self, kernel: &Kernel, namespace: BorrowedFd<'_>, job: &Job<'_>) -> Result<Endpoint> {
        let network = job.network;
        let mut leases = Leases::open(job.directory)?;
        let addresses = leases.choose(network, &job.attachment.static_ips)?;
        let gateway_of = |address: &IpNetwork| -> Option<IpAddr> {
            network.subnets.iter().find(|s| s.subnet.contains(address.ip())).and_then(|s| s.gateway)
        };
        let mac = job.attachment.static_mac.map_or_else(
            || {
                derive_mac(
                    &network.id,
                    &addresses.first().map_or_else(|| job.container.to_string(), |a| a.ip().to_string()),
                )
            },
            |mac| mac.0,
        );
        let endpoint = Endpoint {
            network: network.name.clone(),
            network_id: network.id.clone(),
            interface: job.interface(),
            host_interface: host_interface(job.container, job.number),
            mac: MacAddress(mac),
            addresses: addresses
                .iter()
                .map(|address| EndpointAddress {
                    address: *address,
                    gateway: gateway_of(address).filter(|_| !network.internal),
                })
                .collect(),
            aliases: job.attachment.aliases.clone(),
        };
        let lease = Lease { version: record::VERSION, endpoint: endpoint.clone(), ports: job.ports.to_vec() };
        leases.take(job.container, &lease)?;

        let ipv6 = addresses.iter().any(IpNetwork::is_ipv6);
        if !network.internal {
            sysctl::enable_forwarding(ipv6).context("enable forwarding of packets")?;
        }
        idle::announce(job.directory)?;
        idle::stays(job.directory, &endpoint.host_interface)?;
        let (bridge, made) = ensure_bridge(kernel, network)?;
        let links = kernel.links()?;
        if made {
            // Somebody removed it under those who are there.
            let others = leases.holders().iter().filter(|holder| holder.container != *job.container);
            let others: Vec<String> =
                others.filter_map(|holder| Some(leases.lease(holder)?.endpoint.host_interface)).collect();
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            links.rejoin(&names, &bridge).with_context(|| format!("put links into {} again", bridge.name))?;
        }
        let inside = links.enter(namespace, ipv6).context("enter the network namespace of the container")?;
        let gateways: Vec<IpAddr> = endpoint.addresses.iter().filter_map(|a| a.gateway).collect();
        let pair = Pair {
            host: &endpoint.host_interface,
            alias: &format!("dhow:{}", job.container),
            bridge: &bridge,
            group: group(network),
            inside: &endpoint.interface,
            mac,
            addresses: &addresses,
            gateways: &gateways,
        };
        let connected = match links.connect(&inside, namespace, &pair) {
            // Left by a run of this container that was killed.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                links.remove(&[pair.host])?;
                links.connect(&inside, namespace, &pair)
            }
            other => other,
        };
        connected.with_context(|| format!("connect {} to {}", endpoint.interface, bridge.name))?;

        let mut elements = network_elements(network);
        elements.extend(lease_elements(network, job.container, &lease));
        if kernel.firewall()?.add(&elements)? {
            kernel.remade.set(true);
        }
        Ok(endpoint)
    }

    fn teardown(
        &self,
        kernel: &Kernel,
        network: &NetworkConfig,
        directory: &Path,
        container: &Id,
        leaving: Remaining,
    ) -> Vec<anyhow::Error> {
        let mut leases = match Leases::open(directory) {
            Ok(leases) => leases,
            Err(error) => return vec![error],
        };
        if !leases.holds(container) {
            return Vec::new();
        }
        let mut errors = Vec::new();
        let mut keep = |result: Result<()>| errors.extend(result.err());
        let known = leases.of(container);
        let mut elements: Vec<Element> = Vec::new();
        let mut links: Vec<String> = known.iter().map(|lease| lease.endpoint.host_interface.clone()).collect();
        if known.is_empty() {
            // A torn lease: what belongs to the container is found by its id.
            let owner = Owner::container(container.as_str(), &network.id);
            match kernel.firewall().and_then(|firewall| firewall.of_containers(|other| *other == owner)) {
                Ok(found) => elements = found,
                Err(error) => keep(Err(error)),
            }
            match kernel.links().and_then(|links| links.list().context("list links")) {
                Ok(all) => {
                    links.extend(all.into_iter().map(|l| l.name).filter(|n| n.starts_with(&host_prefix(container))))
                }
                Err(error) => keep(Err(error)),
            }
        }
        for lease in &known {
            elements.extend(lease_elements(network, container, lease));
        }
        links.retain(|name| link::exists(name));
        let names: Vec<&str> = links.iter().map(String::as_str).collect();
        if leaving == Remaining::Leave && !known.is_empty() {
            keep(names.iter().try_for_each(|name| idle::leaves(directory, name)));
        } else if !names.is_empty() {
            keep(
                kernel.links().and_then(|links| {
                    links.remove(&names).with_context(|| format!("remove links {}", names.join(", ")))
                }),
            );
        }
        if !elements.is_empty() {
            keep(kernel.firewall().and_then(|firewall| firewall.remove(&elements)));
        }
        if errors.is_empty() {
            errors.extend(leases.release_all(container).err());
        }
        errors
    }

    fn reapply(&self, kernel: &Kernel, network: &NetworkConfig, directory: &Path) -> Result<()> {
        let leases = Leases::open(directory)?;
        if leases.holders().is_empty() {
            return Ok(());
        }
        let mut elements = network_elements(network);
        let mut seen: Vec<&Id> = Vec::new();
        for holder in leases.holders() {
            if seen.contains(&&holder.container) {
                continue;
            }
            seen.push(&holder.container);
            for lease in leases.of(&holder.container) {
                elements.extend(lease_elements(network, &holder.container, &lease));
            }
        }
        kernel.firewall()?.add(&elements).map(drop)
    }

    fn retire(&self, kernel: &Kernel, network: &NetworkConfig) -> Result<()> {
        clear(kernel.firewall()?, network)?;
        if find_bridge(kernel, network)?.is_some() {
            kernel.links()?.remove_group(group(network)).context("remove the links of the network")?;
        }
        Ok(())
    }
}

/// Removes everything that an idle network has in the firewall, of its own and of forgotten containers: with the last
/// network the whole table.
fn clear(firewall: &Firewall, network: &NetworkConfig) -> Result<()> {
    let own = Owner::network(&network.id);
    if firewall.remove_table(&own)? {
        return Ok(());
    }
    let Owner::Network(ours) = own else { return Ok(()) };
    let mut elements =
        firewall.of_containers(|owner| matches!(owner, Owner::Container { network, .. } if *network == ours))?;
    elements.extend(network_elements(network));
    firewall.remove(&elements)
}

fn find_bridge(kernel: &Kernel, network: &NetworkConfig) -> Result<Option<Link>> {
    let name = &network.network_interface;
    let found = kernel.links()?.find(name).with_context(|| format!("look for link {name}"))?;
    Ok(found.filter(|link| is_ours(link, network)))
}

/// The bridge, and whether it was missing.
fn ensure_bridge(kernel: &Kernel, network: &NetworkConfig) -> Result<(Link, bool)> {
    let addresses: Vec<IpNetwork> = network
        .subnets
        .iter()
        .filter_map(|subnet| IpNetwork::new(subnet.gateway?, subnet.subnet.prefix()).ok())
        .collect();
    let bridge = BridgeLink {
        name: &network.network_interface,
        alias: &bridge_alias(network),
        mac: bridge_mac(network),
        group: group(network),
        mtu: network.number("mtu")?.filter(|mtu| *mtu != 0),
        addresses: &addresses,
    };
    kernel.links()?.ensure_bridge(&bridge).map_err(|error: io::Error| {
        if error.raw_os_error() == Some(libc::EEXIST) {
            let message = format!("link {} of network {} exists and is not ours", bridge.name, network.name);
            return Error::conflict(message).hint("remove that link, or give the network another interface").into();
        }
        anyhow::Error::new(error).context(format!("make bridge {}", bridge.name))
    })
}
