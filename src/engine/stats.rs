//! `stats`: what running containers use, as their cgroups and their network namespaces tell.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use super::container::Container;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::NetworkMode;
use crate::runtime::cgroup::{Cgroup, Stats};
use crate::sys::proc::Proc;

/// What one container used at one moment. What the kernel does not count is absent.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) measured: Timestamp,
    /// Since its start.
    pub(crate) up: Duration,
    pub(crate) cpu: Option<Duration>,
    pub(crate) cpu_system: Option<Duration>,
    /// Bytes without the page cache that would go first.
    pub(crate) memory: Option<u64>,
    /// Bytes: its own limit, or what the host has.
    pub(crate) memory_limit: u64,
    /// Bytes received and sent, without those of the loopback device.
    pub(crate) network: Option<(u64, u64)>,
    pub(crate) block_read: Option<u64>,
    pub(crate) block_written: Option<u64>,
    pub(crate) processes: Option<u64>,
}

impl Usage {
    /// What one uses that does not run.
    pub(crate) fn none(read: &Container) -> Self {
        usage(read, &Stats::default(), 0, None)
    }
}

impl Engine {
    /// Measures a container. `None` when it does not run.
    pub(crate) fn usage(&self, read: &Container) -> Result<Option<Usage>> {
        let (Some(init), true) = (read.state.init, read.state.status.is_alive()) else { return Ok(None) };
        let cgroup: Cgroup = match read.state.cgroup.clone() {
            Some(value) => serde_json::from_value(value).context("read the cgroup of the container")?,
            None => Cgroup::none(),
        };
        if cgroup.is_none() && self.privilege.is_rootless() {
            let message = "stats is not supported in rootless mode without cgroups v2";
            return Err(Error::unsupported(message).into());
        }
        let stats = match cgroup.stats() {
            Ok(stats) => stats,
            // It ended a moment ago.
            Err(_) if !crate::sys::process::is_alive(init.pid, init.start_time) => return Ok(None),
            Err(error) => return Err(error.context("measure the cgroup")),
        };
        let host = host_memory().context("read the memory of the host")?;
        // The counters of a shared namespace are those of others.
        let shared = matches!(read.config.network, NetworkMode::Host);
        let network = if shared { None } else { network(init.pid) };
        Ok(Some(usage(read, &stats, host, network)))
    }
}

fn usage(read: &Container, stats: &Stats, host: u64, network: Option<(u64, u64)>) -> Usage {
    let measured = Timestamp::now();
    let started = read.state.started_at.unwrap_or(measured);
    Usage {
        id: read.config.id.clone(),
        name: read.config.name.clone(),
        measured,
        up: if read.state.status.is_alive() {
            Duration::try_from(measured.duration_since(started)).unwrap_or_default()
        } else {
            Duration::ZERO
        },
        cpu: stats.cpu_nanoseconds.map(Duration::from_nanos),
        cpu_system: stats.cpu_system_nanoseconds.map(Duration::from_nanos),
        memory: stats.working_set.or(stats.memory),
        memory_limit: stats.memory_limit.map_or(host, |limit| limit.min(host)),
        network,
        block_read: stats.block_read,
        block_written: stats.block_written,
        processes: stats.processes,
    }
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn host_memory() -> Result<u64> {
    let text = Proc::host()?.read("meminfo")?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).context("no MemTotal in /proc/meminfo")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("a bad MemTotal in /proc/meminfo")?;
    Ok(kilobytes.saturating_mul(1024))
}

/// What the interfaces of the namespace of process `pid` received and sent; `None` when it has ended.
fn network(pid: i32) -> Option<(u64, u64)> {
    let text = Proc::host().ok()?.read(&format!("{pid}/net/dev")).ok()?;
    Some(parse_interfaces(&String::from_utf8_lossy(&text)))
}

/// proc_pid_net(5): two lines of headings, then `NAME: BYTES … ` with the sent bytes in the ninth column.
fn parse_interfaces(text: &str) -> (u64, u64) {
    let mut sum = (0_u64, 0_u64);
    for line in text.lines().skip(2) {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let columns: Vec<u64> = rest.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let (false, Some(received), Some(sent)) = (name.trim() == "lo", columns.first(), columns.get(8)) {
            sum = (sum.0.saturating_add(*received), sum.1.saturating_add(*sent));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_interfaces_are_added_without_the_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets ...\n    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n\
                    eth0: 1000 2 0 0 0 0 0 0 2000 3 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\nbad\n";
        assert_eq!(parse_interfaces(text), (1005, 2007));
        assert_eq!(parse_interfaces(""), (0, 0));
        assert!(host_memory().unwrap() > 1 << 20);
    }
}
