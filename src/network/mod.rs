//! Links, addresses, names and rules of containers' networks. Runs in the command's process, as root of the network
//! namespace it is in.
//!
//! One lock, `networks/lock`, is held through each operation: the kernel's own lock for links allows no more at once
//! anyway, and so bridge and table of an idle network can be removed while nobody else is on the way in.

pub(crate) mod bridge;
pub(crate) mod config;
pub(crate) mod driver;
pub(crate) mod firewall;
pub(crate) mod hosts;
pub(crate) mod idle;
pub(crate) mod ipam;
pub(crate) mod link;
pub(crate) mod netns;
pub(crate) mod rootless;
pub(crate) mod sysctl;
#[cfg(test)]
mod tests;

use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Result;

use self::driver::{Driver, Job, Kernel, Remaining};
use self::ipam::host_local::Leases;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::{Attachment, Endpoint, NetworkConfig};
use crate::model::port::PortMapping;
use crate::state::lock::{Lock, Rank};

/// What `connect` made.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) endpoints: Vec<Endpoint>,
    /// What may keep the network from working: each with the way out.
    pub(crate) warnings: Vec<String>,
}

/// The drivers that there are.
fn choose(network: &NetworkConfig) -> Result<&'static dyn Driver> {
    match network.driver.as_str() {
        "bridge" => Ok(&bridge::Bridge),
        other => {
            let message =
                format!("network {} has driver \"{}\", which is not supported", network.name, other.escape_debug());
            Err(Error::unsupported(message).into())
        }
    }
}

fn lock(networks: &Path) -> Result<Lock> {
    Lock::exclusive(Rank::Network, &networks.join("lock"))
}

/// Joins the container whose network namespace is `namespace` to networks, in the order of `attachments`, and publishes
/// `ports`. All is checked before anything changes; after an error all that was made is undone.
pub(crate) fn connect(
    networks: &Path,
    container: &Id,
    namespace: BorrowedFd<'_>,
    attachments: &[Attachment],
    ports: &[PortMapping],
) -> Result<Connected> {
    let _lock = lock(networks)?;
    let kernel = Kernel::default();
    let configs = attachments
        .iter()
        .map(|attachment| config::load_or_default(networks, &attachment.network, &kernel))
        .collect::<Result<Vec<_>>>()?;
    let directories: Vec<_> = configs.iter().map(|network| config::directory(networks, &network.name)).collect();
    let mut jobs = Vec::with_capacity(attachments.len());
    for (number, ((network, directory), attachment)) in configs.iter().zip(&directories).zip(attachments).enumerate() {
        let driver = choose(network)?;
        // What a run that was killed left would stand in the way of this one.
        collect(driver.teardown(&kernel, network, directory, container, Remaining::Remove))?;
        let job = Job { network, directory, container, attachment, number, ports };
        driver.validate(&job)?;
        jobs.push((driver, job));
    }
    let mut endpoints = Vec::with_capacity(jobs.len());
    for (done, (driver, job)) in jobs.iter().enumerate() {
        match driver.setup(&kernel, namespace, job) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(error) => {
                let mut undone = Vec::new();
                for (driver, job) in jobs[..=done].iter().rev() {
                    undone.extend(driver.teardown(&kernel, job.network, job.directory, container, Remaining::Remove));
                }
                let error = error.context(format!("connect to network {}", job.network.name));
                return Err(undone.into_iter().fold(error, |error, more| error.context(format!("undo: {more:#}"))));
            }
        }
    }
    let mut warnings = Vec::new();
    if kernel.remade.get() {
        reapply(&kernel, networks)?;
        for network in &configs {
            warnings.extend(kernel.firewall()?.warnings(&network.network_interface)?);
        }
    }
    Ok(Connected { endpoints, warnings })
}

/// Takes everything away that `container` has in any network. Works when its namespace is gone, and again. Links that go
/// with its namespace are left to the kernel where `links` says so, and to the attendant of [`idle`].
pub(crate) fn disconnect(networks: &Path, container: &Id, links: Remaining) -> Result<()> {
    let kernel = Kernel::default();
    let lock = lock(networks)?;
    let mut errors = Vec::new();
    for (name, read) in config::list(networks)? {
        let network = match read {
            Ok(network) => network,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let directory = config::directory(networks, &name);
        if !Leases::open(&directory)?.holds(container) {
            continue;
        }
        match choose(&network) {
            Ok(driver) => errors.extend(driver.teardown(&kernel, &network, &directory, container, links)),
            Err(error) => errors.push(error),
        }
    }
    drop(lock);
    collect(errors)
}

fn reapply(kernel: &Kernel, networks: &Path) -> Result<()> {
    let mut errors = Vec::new();
    for (name, read) in config::list(networks)? {
        let directory = config::directory(networks, &name);
        let done = read.and_then(|network| choose(&network)?.reapply(kernel, &network, &directory));
        errors.extend(done.err());
    }
    collect(errors)
}

/// Success, or one error that tells all.
fn collect(errors: Vec<anyhow::Error>) -> Result<()> {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    Err(errors.fold(first, |error, more| error.context(format!("{more:#}"))))
}
