//! What a network driver does for a container: check, set up, tear down.

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Result;

use super::firewall::Firewall;
use super::link::Links;
use crate::model::id::Id;
use crate::model::network::{Attachment, Endpoint, NetworkConfig};
use crate::model::port::PortMapping;

/// The kernel of the host's network namespace.
pub(crate) struct Kernel {
    pub(crate) links: Links,
    pub(crate) firewall: Firewall,
    /// The firewall's table was missing: what other containers had in it is to be made again.
    pub(crate) remade: Cell<bool>,
}

/// One container joining one network.
pub(crate) struct Job<'a> {
    pub(crate) network: &'a NetworkConfig,
    /// The directory of the network.
    pub(crate) directory: &'a Path,
    pub(crate) container: &'a Id,
    pub(crate) attachment: &'a Attachment,
    /// The number of the attachment in its container.
    pub(crate) number: usize,
    pub(crate) ports: &'a [PortMapping],
}

impl Job<'_> {
    /// The name that the interface gets inside.
    pub(crate) fn interface(&self) -> String {
        match self.attachment.interface_name.as_str() {
            "" => format!("eth{}", self.number),
            name => name.to_owned(),
        }
    }
}

/// A kind of network. Every method is called with the network lock held.
pub(crate) trait Driver {
    /// Checks what can be checked before anything changes.
    fn validate(&self, job: &Job<'_>) -> Result<()>;

    /// Joins the container whose network namespace is given. When it fails, the caller tears down.
    fn setup(&self, kernel: &Kernel, namespace: BorrowedFd<'_>, job: &Job<'_>) -> Result<Endpoint>;

    /// Takes away whatever `container` has in the network, complete or not; what is gone already is success. Goes on
    /// after an error and returns them all.
    fn teardown(
        &self,
        kernel: &Kernel,
        network: &NetworkConfig,
        directory: &Path,
        container: &Id,
    ) -> Vec<anyhow::Error>;

    /// Puts what a network and its containers have in the firewall there again.
    fn reapply(&self, kernel: &Kernel, network: &NetworkConfig, directory: &Path) -> Result<()>;

    /// Removes what belongs to no container that holds an address: elements, links, and at last the bridge.
    fn sweep(&self, kernel: &Kernel, network: &NetworkConfig, directory: &Path) -> Vec<anyhow::Error>;
}
