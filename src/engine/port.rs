//! `port`: where the ports of a container are published.

use anyhow::Result;

use super::Engine;
use super::container::Container;
use crate::model::error::Error;
use crate::model::port::{self, Protocol};
use crate::model::status::Status;

/// One port inside and where it is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) container_port: u16,
    pub(crate) protocol: Protocol,
    /// Empty: every address.
    pub(crate) host_ip: String,
    pub(crate) host_port: u16,
}

impl Published {
    /// `80/tcp`.
    pub(crate) fn inside(&self) -> String {
        format!("{}/{}", self.container_port, self.protocol)
    }

    /// `0.0.0.0:8080`, `[::1]:8080`.
    pub(crate) fn outside(&self) -> String {
        match self.host_ip.as_str() {
            "" => format!("0.0.0.0:{}", self.host_port),
            ip if ip.contains(':') => format!("[{ip}]:{}", self.host_port),
            ip => format!("{ip}:{}", self.host_port),
        }
    }
}

/// The published ports of a container, one by one.
pub(crate) fn published(container: &Container) -> Vec<Published> {
    let mut all = Vec::new();
    for mapping in &container.config.publish {
        all.extend(mapping.pairs().map(|(host_port, container_port)| Published {
            container_port,
            protocol: mapping.protocol,
            host_ip: mapping.host_ip.clone(),
            host_port,
        }));
    }
    all
}

impl Engine {
    /// The published ports of the running container that `name` means, or those of its port `wanted`
    /// (`PORT[/PROTOCOL]`). One that does not run publishes nothing.
    pub(crate) fn port(&self, name: &str, wanted: Option<&str>) -> Result<Vec<Published>> {
        let wanted = wanted
            .map(|text| port::parse_expose(text).map(|(port, _, protocol)| (text, port, protocol)))
            .transpose()?;
        let read = self.read(name)?;
        if !matches!(read.state.status, Status::Running | Status::Paused | Status::Stopping) {
            return Ok(Vec::new());
        }
        let mut all = published(&read);
        if let Some((text, port, protocol)) = wanted {
            all.retain(|published| published.container_port == port && published.protocol == protocol);
            if all.is_empty() {
                return Err(Error::not_found(format!("failed to find published port {text:?}")).into());
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_printed_as_podman_does() {
        let at = |host_ip: &str| Published {
            container_port: 80,
            protocol: Protocol::Tcp,
            host_ip: host_ip.to_owned(),
            host_port: 8080,
        };
        assert_eq!((at("").inside(), at("").outside()), ("80/tcp".to_owned(), "0.0.0.0:8080".to_owned()));
        assert_eq!((at("::1").outside(), at("127.0.0.1").outside()), ("[::1]:8080".into(), "127.0.0.1:8080".into()));
    }
}
