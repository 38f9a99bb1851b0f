//! The network of a container, from its configuration to its endpoints, and the files that tell it its names.

use std::net::IpAddr;
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use super::container::Locked;
use super::{Engine, policy, spec};
use crate::model::container::{ContainerConfig, Names, ProcessRef};
use crate::model::network::{Attachment, DEFAULT, Endpoint, NetworkMode};
use crate::network;
use crate::network::driver::Remaining;
use crate::network::hosts::{self, Hosts, Resolv};
use crate::network::rootless::Files;
use crate::sys::signal::Signals;

/// Connects init's network namespace as the configuration asks, and writes the names that became known.
pub(crate) fn connect(engine: &Engine, locked: &mut Locked, init: ProcessRef) -> Result<()> {
    let path = format!("/proc/{}/ns/net", init.pid);
    let namespace = std::fs::File::open(&path).with_context(|| format!("open {path}"))?;
    match &locked.config.network {
        NetworkMode::Bridge(attachments) => {
            let networks = engine.paths.networks();
            let ports = &locked.config.publish;
            let connected = network::connect(&networks, locked.id(), namespace.as_fd(), attachments, ports)?;
            locked.state.endpoints = connected.endpoints;
            locked.state.warnings = connected.warnings;
        }
        NetworkMode::Pasta(options) => {
            let ports = &locked.config.publish;
            // Bound and let go: pasta would only say that it could not bind, not which port, nor why.
            drop(crate::monitor::port::reserve(ports)?);
            let pasta = network::rootless::start(
                namespace.as_fd(),
                options,
                ports,
                &Files::of(&locked.dir(), &locked.run_dir()),
            )?;
            locked.state.endpoints = pasta.endpoints;
        }
        _ => return Ok(()),
    }
    if !locked.config.names.no_hosts {
        let text = hosts(engine, &locked.config, &locked.state.endpoints)?;
        super::files::write_shared(&locked.dir().join("bundle/hosts"), text.as_bytes())?;
    }
    Ok(())
}

/// Refuses networks that there are not; the default one is made on its first use.
pub(crate) fn check(engine: &Engine, attachments: &[Attachment]) -> Result<()> {
    let mut named = attachments.iter().filter(|attachment| attachment.network != DEFAULT);
    let load = |attachment: &Attachment| network::config::load(&engine.paths.networks(), &attachment.network);
    named.try_for_each(|attachment| load(attachment).map(drop))
}

/// Takes away what the container has outside in networks.
pub(crate) fn disconnect(engine: &Engine, locked: &mut Locked) -> Result<()> {
    match locked.config.network {
        NetworkMode::Bridge(_) => {
            network::disconnect(&engine.paths.networks(), locked.id(), Remaining::Leave)
                .context("disconnect the network")?;
            attend(engine)?;
        }
        NetworkMode::Pasta(_) => {
            network::rootless::stop(&Files::of(&locked.dir(), &locked.run_dir())).context("end pasta")?
        }
        _ => {}
    }
    locked.state.endpoints.clear();
    Ok(())
}

/// Sees to it that networks which no container uses any more go: by a Cleanup, for which nobody waits.
pub(crate) fn attend(engine: &Engine) -> Result<()> {
    if !network::idle::unattended(&engine.paths.networks()).context("look for idle networks")? {
        return Ok(());
    }
    crate::monitor::spawn::cleanup(&policy::cleanup_arguments(engine, NETWORKS)).context("start the clean-up")
}

/// What a Cleanup is told in place of a container.
pub(crate) const NETWORKS: &[&str] = &["networks"];

impl Engine {
    /// The role `cleanup` for networks: removes those that stay idle for a while, or at once when this process shall end.
    pub(crate) fn clean_up_networks(&self) -> Result<()> {
        let signals = Signals::catch([libc::SIGTERM, libc::SIGINT, libc::SIGHUP]).context("catch signals")?;
        network::idle::attend(&self.paths.networks(), || {
            Ok(signals.next_within(network::idle::LINGER).context("wait for signals")?.is_some())
        })
    }
}

/// The text of /etc/hosts; before the network is connected, without endpoints.
pub(crate) fn hosts(engine: &Engine, config: &ContainerConfig, endpoints: &[Endpoint]) -> Result<String> {
    let base = match config.names.hosts_file.as_deref() {
        None => read("/etc/hosts"),
        Some("none") => String::new(),
        Some("image") => {
            let view = super::rootfs::view(engine, config)?;
            crate::runtime::user::read(view.as_fd(), "etc/hosts")?
        }
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("open hosts file {path}"))?,
    };
    let mut own: Vec<IpAddr> =
        endpoints.iter().flat_map(|endpoint| &endpoint.addresses).map(|address| address.address.ip()).collect();
    if own.is_empty() {
        own.push(IpAddr::from([127, 0, 0, 1]));
    }
    let host = match config.network {
        NetworkMode::Host => Some(IpAddr::from([127, 0, 0, 1])),
        _ => endpoints.iter().flat_map(|endpoint| &endpoint.addresses).find_map(|address| address.gateway),
    };
    let hostname = spec::hostname(config);
    let names = [hostname.as_str(), config.name.as_str()];
    // The gateway is known once the network is connected, and until then nobody reads the file.
    let later = endpoints.is_empty() && matches!(config.network, NetworkMode::Bridge(_) | NetworkMode::Pasta(_));
    let add: &[String] = if later { &[] } else { &config.names.add_host };
    Ok(hosts::hosts(&Hosts { base: &base, add, host, own: &own, names: &names })?)
}

/// Checks what was asked for in the container's /etc/hosts and /etc/resolv.conf, before anything is made.
pub(crate) fn check_names(names: &Names) -> Result<()> {
    for value in &names.add_host {
        hosts::check_add_host(value)?;
    }
    let servers = if has_resolv(names) { names.dns.as_slice() } else { &[] };
    hosts::resolv(&Resolv { servers, search: &names.dns_search, options: &names.dns_option, ..Resolv::default() })?;
    Ok(())
}

/// Whether the container gets a /etc/resolv.conf of its own: `--dns none` leaves the image's.
pub(crate) fn has_resolv(names: &Names) -> bool {
    names.dns != ["none"]
}

/// The text of /etc/resolv.conf.
pub(crate) fn resolv(config: &ContainerConfig) -> Result<String> {
    let host = read("/etc/resolv.conf");
    let systemd = hosts::is_stub(&host).then(|| read("/run/systemd/resolve/resolv.conf"));
    let forwarder = matches!(config.network, NetworkMode::Pasta(_)).then_some(network::rootless::DNS);
    Ok(hosts::resolv(&Resolv {
        host: &host,
        systemd: systemd.as_deref(),
        servers: &config.names.dns,
        search: &config.names.dns_search,
        options: &config.names.dns_option,
        private: !matches!(config.network, NetworkMode::Host),
        ipv6: false,
        forwarder,
    })?)
}

/// A file of the host that may be missing.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
