//! Records of networks on disk. Whoever makes one holds the network lock.
//!
//! ```text
//! networks/lock                    one lock for all of a store's networks
//! networks/<name>/network.json     the record, in podman's names
//! networks/<name>/...              see `ipam::host_local`
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use jiff::Timestamp;

use super::driver::Kernel;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::{self, NetworkConfig, Subnet};
use crate::state::record::{self, Durability};

/// The directory of the network `name`.
pub(crate) fn directory(networks: &Path, name: &str) -> PathBuf {
    networks.join(name)
}

/// Reads the record of the network called `name`, or of that id.
pub(crate) fn load(networks: &Path, name: &str) -> Result<NetworkConfig> {
    network::check_name(name)?;
    if let Some(found) = record::read(&directory(networks, name).join("network.json"))? {
        return Ok(found);
    }
    let mut by_id = list(networks)?.into_iter().filter_map(|(_, read)| read.ok()).filter(|n| n.id.starts_with(name));
    match (by_id.next(), by_id.next()) {
        (Some(found), None) if name.len() >= 2 => Ok(found),
        (Some(_), Some(_)) => Err(Error::invalid(format!("more than one result for network ID {name}")).into()),
        _ => Err(Error::not_found(format!("unable to find network with name or ID {name}: network not found")).into()),
    }
}

/// Reads the record of `name`; the default network is made on its first use.
pub(crate) fn load_or_default(networks: &Path, name: &str, kernel: &Kernel) -> Result<NetworkConfig> {
    match load(networks, name) {
        Err(error) if name == network::DEFAULT && is_missing(&error) => make_default(networks, kernel),
        loaded => loaded,
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(|e| e.kind == crate::model::error::ErrorKind::NotFound)
}

/// Lists the records of all networks by name; a damaged one is an error of its own.
pub(crate) fn list(networks: &Path) -> Result<Vec<(String, Result<NetworkConfig>)>> {
    let entries = match fs::read_dir(networks) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", networks.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("read {}", networks.display()))?.file_name();
        let Some(name) = name.to_str().filter(|name| network::check_name(name).is_ok()) else { continue };
        if let Some(read) = record::read(&directory(networks, name).join("network.json")).transpose() {
            found.push((name.to_owned(), read));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Writes the record of a new network.
pub(crate) fn store(networks: &Path, network: &NetworkConfig) -> Result<()> {
    let directory = directory(networks, &network.name);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("create {}", directory.display()))?;
    record::write(&directory.join("network.json"), network, Durability::Synced)
}

fn make_default(networks: &Path, kernel: &Kernel) -> Result<NetworkConfig> {
    let others: Vec<NetworkConfig> = list(networks)?.into_iter().filter_map(|(_, read)| read.ok()).collect();
    let mut used = kernel.links()?.destinations().context("list the routes of the host")?;
    used.extend(others.iter().flat_map(|n| n.subnets.iter().map(|s| s.subnet)));
    let subnet = free_subnet(&used)?;
    let gateway = Ipv4Addr::from_bits(subnet.network().to_bits() + 1).into();
    let names: Vec<String> =
        kernel.links()?.list().context("list the links of the host")?.into_iter().map(|link| link.name).collect();
    let taken = |name: &str| names.iter().any(|n| n == name) || others.iter().any(|n| n.network_interface == name);
    let interface = (0..1000)
        .map(|n| format!("dhow{n}"))
        .find(|name| !taken(name))
        .ok_or_else(|| Error::conflict("no name is free for the bridge of the default network"))?;
    let made = NetworkConfig {
        version: record::VERSION,
        name: network::DEFAULT.to_owned(),
        id: random_id()?.as_str().to_owned(),
        driver: "bridge".to_owned(),
        network_interface: interface,
        created: Timestamp::now(),
        subnets: vec![Subnet { subnet: subnet.into(), gateway: Some(gateway), lease_range: None }],
        ipv6_enabled: false,
        internal: false,
        dns_enabled: false,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
        ipam_options: BTreeMap::from([("driver".to_owned(), "host-local".to_owned())]),
        unknown: serde_json::Map::new(),
    };
    store(networks, &made)?;
    Ok(made)
}

fn random_id() -> Result<Id> {
    let mut bytes = [0; 32];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).context("get random bytes")?;
    if got != bytes.len() {
        anyhow::bail!("get random bytes: only {got} came");
    }
    Ok(Id::from_random(bytes))
}

/// podman's default subnet, or the next of its pool that no route of the host overlaps.
fn free_subnet(used: &[IpNetwork]) -> Result<ipnetwork::Ipv4Network> {
    let first = (Ipv4Addr::new(10, 88, 0, 0), 16);
    let pool = (89..=255u8).flat_map(|second| (0..=255u8).map(move |third| (Ipv4Addr::new(10, second, third, 0), 24)));
    for (address, prefix) in std::iter::once(first).chain(pool) {
        let subnet = ipnetwork::Ipv4Network::new(address, prefix).context("a subnet of the pool")?;
        let overlaps = used.iter().any(|other| match other {
            // A default route written as 0.0.0.0/0 or in halves (VPNs) covers everything; it is no reason.
            IpNetwork::V4(other) => other.prefix() > 1 && other.overlaps(subnet),
            IpNetwork::V6(_) => false,
        });
        if !overlaps {
            return Ok(subnet);
        }
    }
    Err(Error::conflict("could not find free subnet from subnet pools").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_subnet_gives_way_to_routes() {
        let used = |list: &[&str]| list.iter().map(|s| s.parse().unwrap()).collect::<Vec<IpNetwork>>();
        for (routes, want) in [
            (&[][..], "10.88.0.0/16"),
            (&["0.0.0.0/0", "0.0.0.0/1", "192.168.0.0/16", "fd00::/8"], "10.88.0.0/16"),
            (&["10.88.3.0/24"], "10.89.0.0/24"),
            (&["10.88.0.0/15"], "10.90.0.0/24"),
        ] {
            assert_eq!(free_subnet(&used(routes)).unwrap().to_string(), want, "{routes:?}");
        }
        assert!(free_subnet(&used(&["10.0.0.0/8"])).is_err());
    }
}
