//! The limits of a container as the OCI runtime specification has them. Pure: the numbers of devices come in as facts.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use oci_spec::runtime::{
    LinuxBlockIo, LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxDeviceCgroup, LinuxMemoryBuilder, LinuxPidsBuilder,
    LinuxResources, LinuxResourcesBuilder, LinuxThrottleDevice, LinuxThrottleDeviceBuilder, LinuxWeightDevice,
    LinuxWeightDeviceBuilder,
};

use crate::model::container::{DeviceLimit, Resources};

/// The numbers of devices by the path of their node.
pub(super) type Numbers = BTreeMap<String, (i64, i64)>;

/// The limits of a container's cgroup: `rules` where devices can be refused there, the default limit of processes where
/// they are counted.
pub(super) fn resources(
    asked: &Resources,
    rules: Option<&[LinuxDeviceCgroup]>,
    counts_pids: bool,
    numbers: &Numbers,
) -> Result<LinuxResources> {
    let mut builder = LinuxResourcesBuilder::default();
    if let Some(rules) = rules {
        builder = builder.devices(rules);
    }
    let asked = &Resources { pids: asked.pids.filter(|_| counts_pids || !asked.pids_is_default), ..asked.clone() };
    limited(builder, asked, numbers)
}

/// The limits alone, for a container that runs.
pub(super) fn limits(asked: &Resources, numbers: &Numbers) -> Result<LinuxResources> {
    limited(LinuxResourcesBuilder::default(), asked, numbers)
}

fn limited(mut builder: LinuxResourcesBuilder, asked: &Resources, numbers: &Numbers) -> Result<LinuxResources> {
    let memory =
        (asked.memory, asked.memory_reservation, asked.memory_swap, asked.memory_swappiness, asked.oom_kill_disable);
    if memory != (None, None, None, None, false) {
        let mut memory = LinuxMemoryBuilder::default();
        if let Some(limit) = asked.memory {
            memory = memory.limit(limit);
        }
        if let Some(reservation) = asked.memory_reservation {
            memory = memory.reservation(reservation);
        }
        // As podman: twice the memory where only that was asked for.
        if let Some(swap) = asked.memory_swap.or(asked.memory.map(|limit| limit.saturating_mul(2))) {
            memory = memory.swap(swap);
        }
        if let Some(swappiness) = asked.memory_swappiness {
            memory = memory.swappiness(swappiness);
        }
        if asked.oom_kill_disable {
            memory = memory.disable_oom_killer(true);
        }
        builder = builder.memory(memory.build().context("build memory limits")?);
    }
    let cpu = (asked.cpu_shares, asked.cpu_quota, asked.cpu_period, &asked.cpuset_cpus, &asked.cpuset_mems);
    let realtime = (asked.cpu_rt_period, asked.cpu_rt_runtime);
    if cpu != (None, None, None, &None, &None) || realtime != (None, None) {
        let mut cpu = LinuxCpuBuilder::default();
        if let Some(shares) = asked.cpu_shares {
            cpu = cpu.shares(shares);
        }
        if let Some(quota) = asked.cpu_quota {
            cpu = cpu.quota(quota);
        }
        if let Some(period) = asked.cpu_period {
            cpu = cpu.period(period);
        }
        if let Some(cpus) = &asked.cpuset_cpus {
            cpu = cpu.cpus(cpus.clone());
        }
        if let Some(mems) = &asked.cpuset_mems {
            cpu = cpu.mems(mems.clone());
        }
        if let Some(period) = asked.cpu_rt_period {
            cpu = cpu.realtime_period(period);
        }
        if let Some(runtime) = asked.cpu_rt_runtime {
            cpu = cpu.realtime_runtime(runtime);
        }
        builder = builder.cpu(cpu.build().context("build cpu limits")?);
    }
    if let Some(limit) = asked.pids {
        builder = builder.pids(LinuxPidsBuilder::default().limit(limit).build().context("build pids limit")?);
    }
    if let Some(block) = block(asked, numbers)? {
        builder = builder.block_io(block);
    }
    if !asked.cgroup_conf.is_empty() {
        builder = builder.unified(asked.cgroup_conf.clone().into_iter().collect::<HashMap<_, _>>());
    }
    builder.build().context("build resources")
}

/// The limits of block devices; `None` where there are none.
fn block(asked: &Resources, numbers: &Numbers) -> Result<Option<LinuxBlockIo>> {
    let number = |limit: &DeviceLimit| {
        numbers.get(&limit.path).copied().with_context(|| format!("find the number of {}", limit.path))
    };
    let throttles = |limits: &[DeviceLimit]| -> Result<Vec<LinuxThrottleDevice>> {
        let throttle = |limit: &DeviceLimit| {
            let (major, minor) = number(limit)?;
            let builder = LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(limit.value);
            builder.build().context("build a device's limit")
        };
        limits.iter().map(throttle).collect()
    };
    let weights = |limits: &[DeviceLimit]| -> Result<Vec<LinuxWeightDevice>> {
        let weight = |limit: &DeviceLimit| {
            let (major, minor) = number(limit)?;
            let weight = u16::try_from(limit.value).context("weight of a device")?;
            let builder = LinuxWeightDeviceBuilder::default().major(major).minor(minor).weight(weight);
            builder.build().context("build a device's weight")
        };
        limits.iter().map(weight).collect()
    };
    if asked.blkio_weight.is_none() && asked.device_limits().next().is_none() {
        return Ok(None);
    }
    let mut block = LinuxBlockIoBuilder::default()
        .weight_device(weights(&asked.blkio_weight_device)?)
        .throttle_read_bps_device(throttles(&asked.device_read_bps)?)
        .throttle_write_bps_device(throttles(&asked.device_write_bps)?)
        .throttle_read_iops_device(throttles(&asked.device_read_iops)?)
        .throttle_write_iops_device(throttles(&asked.device_write_iops)?);
    if let Some(weight) = asked.blkio_weight {
        block = block.weight(weight);
    }
    block.build().context("build block limits").map(Some)
}
