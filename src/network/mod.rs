//! Links, addresses, names and rules of containers' networks.

pub(crate) mod firewall;
pub(crate) mod link;
pub(crate) mod netns;
pub(crate) mod sysctl;
