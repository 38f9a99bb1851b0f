//! Addresses of a network, given out by files. The network lock is held by whoever calls.
//!
//! ```text
//! networks/<name>/leases/<address>@<container>   a record of the endpoint and its ports, written before they are made
//! networks/<name>/boot                           the boot in which they were given out; those of another are void
//! networks/<name>/last                           the addresses that were given out last: the search goes on after them
//! ```
//!
//! Whose an address is stands in the file's name, so that a torn record still tells it.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::{Endpoint, Holder, NetworkConfig, Subnet};
use crate::model::port::PortMapping;
use crate::state::record::{self, Durability};
use crate::state::{boot, paths};

/// What a lease says beside its name: all that is needed to make or remove what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) version: u32,
    pub(crate) endpoint: Endpoint,
    #[serde(default)]
    pub(crate) ports: Vec<PortMapping>,
}

/// The leases of one network, as they were when it was opened.
pub(crate) struct Leases {
    directory: PathBuf,
    holders: Vec<Holder>,
}

impl Leases {
    /// Reads the leases of the network in `directory`; those of another boot are removed.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let leases = directory.join("leases");
        let mark = directory.join("boot");
        if fs::read_to_string(&mark).ok().as_deref() != Some(boot::id()) {
            match fs::remove_dir_all(&leases) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", leases.display()));
                }
                _ => {}
            }
            fs::create_dir_all(&leases).with_context(|| format!("create {}", leases.display()))?;
            record::write_bytes(&mark, boot::id().as_bytes(), Durability::Lazy)?;
        }
        let mut holders = Vec::new();
        for record in [&mark, &directory.join("last"), &directory.join("up")] {
            record::heal(record).context("remove what a killed command left")?;
        }
        for entry in fs::read_dir(&leases).with_context(|| format!("read {}", leases.display()))? {
            let entry = entry.with_context(|| format!("read {}", leases.display()))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                // Who writes a lease holds the network's lock: this one's writer was killed.
                paths::remove_file(&entry.path()).context("remove what a killed command left")?;
            }
            holders.extend(name.to_str().and_then(holder));
        }
        Ok(Self { directory: directory.to_owned(), holders })
    }

    pub(crate) fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// Whether `container` holds an address.
    pub(crate) fn holds(&self, container: &Id) -> bool {
        self.holders.iter().any(|holder| holder.container == *container)
    }

    /// Chooses an address in each subnet, the asked one where there is one. Nothing is written.
    pub(crate) fn choose(&self, network: &NetworkConfig, asked: &[IpAddr]) -> Result<Vec<IpNetwork>> {
        let last = fs::read_to_string(self.directory.join("last")).unwrap_or_default();
        let last: Vec<IpAddr> = last.lines().filter_map(|line| line.parse().ok()).collect();
        for ip in asked {
            if !network.subnets.iter().any(|s| s.subnet.contains(*ip)) {
                return Err(Error::invalid(format!(
                    "requested static ip {ip} not in any subnet on network {}",
                    network.name
                ))
                .into());
            }
        }
        network
            .subnets
            .iter()
            .map(|subnet| {
                let (first, end) = bounds(subnet);
                let asked = asked.iter().find(|ip| subnet.subnet.contains(**ip));
                let taken = |ip: IpAddr| Some(ip) == subnet.gateway || self.holders.iter().any(|h| h.address == ip);
                let chosen = match asked {
                    Some(ip) if taken(*ip) || edge(&subnet.subnet, *ip) => {
                        return Err(Error::conflict(format!("requested ip address {ip} is already allocated")).into());
                    }
                    Some(ip) => *ip,
                    None => {
                        let last = last.iter().find(|ip| subnet.subnet.contains(**ip)).map(|ip| number(*ip));
                        search(first, end, last, |n| taken(address(n, subnet.subnet.is_ipv6()))).map_or_else(
                            || {
                                let (first, end) =
                                    (address(first, subnet.subnet.is_ipv6()), address(end, subnet.subnet.is_ipv6()));
                                Err(Error::conflict(format!(
                                    "failed to find free IP in range: {first} - {end} on network {}",
                                    network.name
                                )))
                            },
                            |n| Ok(address(n, subnet.subnet.is_ipv6())),
                        )?
                    }
                };
                IpNetwork::new(chosen, subnet.subnet.prefix()).context("address with the prefix of its subnet")
            })
            .collect()
    }

    /// Writes the leases of the endpoint's addresses.
    pub(crate) fn take(&mut self, container: &Id, lease: &Lease) -> Result<()> {
        let mut last = String::new();
        for address in &lease.endpoint.addresses {
            let holder = Holder { address: address.address.ip(), container: container.clone() };
            record::write(&self.path(&holder), lease, Durability::Lazy)?;
            last.push_str(&format!("{}\n", holder.address));
            self.holders.push(holder);
        }
        record::write_bytes(&self.directory.join("last"), last.as_bytes(), Durability::Lazy)
    }

    /// Reads the lease of `holder`; none where it is torn or gone.
    pub(crate) fn lease(&self, holder: &Holder) -> Option<Lease> {
        record::read(&self.path(holder)).ok().flatten()
    }

    /// The leases of `container`, one for each endpoint.
    pub(crate) fn of(&self, container: &Id) -> Vec<Lease> {
        let mut found: Vec<Lease> = Vec::new();
        for holder in self.holders.iter().filter(|h| h.container == *container) {
            if let Some(lease) = self.lease(holder)
                && !found.iter().any(|other| other.endpoint == lease.endpoint)
            {
                found.push(lease);
            }
        }
        found
    }

    /// Gives all addresses of `container` back.
    pub(crate) fn release_all(&mut self, container: &Id) -> Result<()> {
        for holder in self.holders.iter().filter(|h| h.container == *container) {
            let path = self.path(holder);
            paths::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        self.holders.retain(|h| h.container != *container);
        Ok(())
    }

    fn path(&self, holder: &Holder) -> PathBuf {
        self.directory.join("leases").join(format!("{}@{}", holder.address, holder.container))
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(number: u128, ipv6: bool) -> IpAddr {
    if ipv6 {
        Ipv6Addr::from_bits(number).into()
    } else {
        Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into()
    }
}

/// The network's own address and, in IPv4, its broadcast address are nobody's.
fn edge(subnet: &IpNetwork, ip: IpAddr) -> bool {
    ip == subnet.network() || (!subnet.is_ipv6() && ip == subnet.broadcast() && subnet.prefix() < 31)
}

/// The first and last address that may be given out.
fn bounds(subnet: &Subnet) -> (u128, u128) {
    let (network, broadcast) = (number(subnet.subnet.network()), number(subnet.subnet.broadcast()));
    let end = if subnet.subnet.is_ipv6() { broadcast } else { broadcast.saturating_sub(1) };
    let range = subnet.lease_range.as_ref();
    let first = range.and_then(|r| r.start_ip).map_or(network + 1, number).max(network + 1);
    (first, range.and_then(|r| r.end_ip).map_or(end, number).min(end))
}

/// The next free number after `last`, around the end.
fn search(first: u128, end: u128, last: Option<u128>, taken: impl Fn(u128) -> bool) -> Option<u128> {
    if first > end {
        return None;
    }
    let start = last.map_or(first, |n| n + 1).clamp(first, end.saturating_add(1));
    (start..=end).chain(first..start.min(end.saturating_add(1))).find(|n| !taken(*n))
}

/// Whose lease the file `name` is; none's where it is no lease.
fn holder(name: &str) -> Option<Holder> {
    let (address, container) = name.split_once('@')?;
    Some(Holder { address: address.parse().ok()?, container: container.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn goes_on_after_the_last_and_wraps() {
        let taken = |list: &'static [u128]| move |n: u128| list.contains(&n);
        assert_eq!(search(1, 5, None, taken(&[1])), Some(2));
        assert_eq!(search(1, 5, Some(3), taken(&[])), Some(4));
        assert_eq!(search(1, 5, Some(5), taken(&[1])), Some(2));
        assert_eq!(search(1, 5, Some(99), taken(&[])), Some(1));
        assert_eq!(search(1, 5, Some(3), taken(&[1, 2, 3, 4, 5])), None);
        assert_eq!(search(6, 5, None, taken(&[])), None);
    }

    #[test]
    fn the_edges_of_a_subnet_are_nobodys() {
        let subnet = Subnet { subnet: "10.88.0.0/30".parse().unwrap(), gateway: None, lease_range: None };
        let (first, end) = bounds(&subnet);
        assert_eq!(
            (address(first, false).to_string(), address(end, false).to_string()),
            ("10.88.0.1".into(), "10.88.0.2".into())
        );
        assert!(edge(&subnet.subnet, "10.88.0.3".parse().unwrap()));
    }

    proptest! {
        /// R39: a file's name is a lease or is not, and the name that we write is read back.
        #[test]
        fn any_name_is_a_lease_or_not(name in "[0-9a-f.:]{0,20}@?[0-9a-f]{0,66}|\\PC{0,20}", ip in proptest::num::u32::ANY, id in "[0-9a-f]{64}") {
            drop(holder(&name));
            let address = IpAddr::from(Ipv4Addr::from(ip));
            let read = holder(&format!("{address}@{id}")).unwrap();
            prop_assert_eq!((read.address, read.container.as_str()), (address, id.as_str()));
        }
    }
}
