//! What a network driver does for a container: check, set up, tear down.

use std::cell::{Cell, OnceCell};
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::{Context, Result};

use super::firewall::Firewall;
use super::link::Links;
use crate::model::id::Id;
use crate::model::network::{Attachment, Endpoint, NetworkConfig};
use crate::model::port::PortMapping;

/// The kernel of the host's network namespace. What is not used is not opened: most containers leave without a word to it.
#[derive(Default)]
pub(crate) struct Kernel {
    links: OnceCell<Links>,
    firewall: OnceCell<Firewall>,
    /// The firewall's table was missing: what other containers had in it is to be made again.
    pub(crate) remade: Cell<bool>,
}

impl Kernel {
    pub(crate) fn links(&self) -> Result<&Links> {
        match self.links.get() {
            Some(links) => Ok(links),
            None => {
                let links = Links::open().context("open netlink for links")?;
                Ok(self.links.get_or_init(|| links))
            }
        }
    }

    pub(crate) fn firewall(&self) -> Result<&Firewall> {
        match self.firewall.get() {
            Some(firewall) => Ok(firewall),
            None => {
                let firewall = Firewall::open()?;
                Ok(self.firewall.get_or_init(|| firewall))
            }
        }
    }
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

/// What is done with links of the host that are still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// They are removed, which takes the kernel tens of milliseconds.
    Remove,
    /// Their namespace is going and takes them along; an attendant looks after them.
    Leave,
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
        links: Remaining,
    ) -> Vec<anyhow::Error>;

    /// Puts what a network and its containers have in the firewall there again.
    fn reapply(&self, kernel: &Kernel, network: &NetworkConfig, directory: &Path) -> Result<()>;

    /// Removes the bridge and whatever else a network has that no container uses any more.
    fn retire(&self, kernel: &Kernel, network: &NetworkConfig) -> Result<()>;
}
