//! The network of a container, from its configuration to its endpoints, and the files that tell it its names.

use std::net::IpAddr;
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use super::spec;
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::model::network::{Endpoint, NetworkMode};
use crate::network;
use crate::network::hosts;

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
            let pasta = network::rootless::start(&namespace, init.pid, options, &locked.config.publish, &locked.run_dir())?;
            locked.state.endpoints = pasta.endpoints;
        }
        _ => return Ok(()),
    }
    if !locked.config.names.no_hosts {
        let text = hosts(engine, &locked.config, &locked.state.endpoints)?;
        super::facts::write_shared(&locked.dir().join("bundle/hosts"), &text)?;
    }
    Ok(())
}

/// Takes away what the container has outside in networks. User-mode networking ends with the namespace.
pub(crate) fn disconnect(engine: &Engine, locked: &mut Locked) -> Result<()> {
    if matches!(locked.config.network, NetworkMode::Bridge(_)) {
        network::disconnect(&engine.paths.networks(), locked.id()).context("disconnect the network")?;
    }
    locked.state.endpoints.clear();
    Ok(())
}
