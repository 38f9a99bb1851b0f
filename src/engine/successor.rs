//! A monitor that died is replaced by one that adopts the container.

use anyhow::Result;
use jiff::Timestamp;

use super::Engine;
use super::container::Locked;
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::monitor::config::MonitorConfig;
use crate::monitor::spawn::{self, Handed};
use crate::state::record::Durability;
use crate::sys::process;

/// Starts a monitor that takes over from one that died.
pub(crate) fn succeed(engine: &Engine, locked: &mut Locked, init: ProcessRef) -> Result<()> {
    let config = &locked.config;
    let monitor = MonitorConfig {
        data_dir: locked.dir(),
        run_dir: locked.run_dir(),
        tty: config.tty,
        stdin: config.stdin,
        name: config.name.clone(),
        told: super::event::told(engine, config),
        log: config.log.clone(),
        durable: !config.remove,
        cleanup: super::policy::cleanup_arguments(engine, &super::policy::run_of(locked)),
        cgroup: locked.cgroup()?,
        ports: super::start::relayed(config),
        timeout: remaining(&locked.config, locked.state.started_at),
        adopt: Some(init),
        bundle: locked.dir().join("bundle"),
        seccomp_cache: Some(engine.paths.cache()),
        runtime: config.runtime.clone(),
        user: config.user.clone(),
        groups: config.group_add.clone(),
        capabilities: super::facts::requested(config)?,
        health: config.health.as_deref().cloned(),
        started_at: locked.state.started_at,
        stop: Some((config.stop_signal, config.stop_timeout)),
        ..MonitorConfig::new(locked.id().clone(), locked.state.run)
    };
    // Until we have written down who it is, its own record tells.
    locked.state.monitor = None;
    locked.save(Durability::Lazy)?;
    let started = spawn::spawn(&monitor, &Handed::default())?.running()?;
    let pid = started.pid().as_raw_nonzero().get();
    locked.state.init = Some(init);
    locked.state.monitor = process::start_time(pid).map(|start_time| ProcessRef { pid, start_time });
    locked.save(Durability::Lazy)
}

/// Seconds that the container may still run; 0 is without limit, and what is over ends in one.
fn remaining(config: &ContainerConfig, started_at: Option<Timestamp>) -> u64 {
    let Some(started_at) = started_at.filter(|_| config.timeout > 0) else { return u64::from(config.timeout) };
    let passed = Timestamp::now().duration_since(started_at).as_secs().max(0).unsigned_abs();
    u64::from(config.timeout).saturating_sub(passed).max(1)
}
