//! Limits of the runtime specification as files of cgroup v1, in the order that the kernel takes.

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use crate::model::error::Error;
use crate::runtime::cgroup::driver::Write;
use crate::runtime::cgroup::v2::plan::page_size;

/// Plans the writes for what `resources` names, devices apart. `memory_limit` is the one in force.
pub(super) fn plan(resources: &LinuxResources, memory_limit: Option<u64>) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    if let Some(memory) = resources.memory() {
        plan_memory(memory, memory_limit, &mut writes);
    }
    if let Some(cpu) = resources.cpu() {
        plan_cpu(cpu, &mut writes);
    }
    if let Some(pids) = resources.pids() {
        let limit = if pids.limit() <= 0 { "max".to_owned() } else { pids.limit().to_string() };
        writes.push(Write::new("pids.max", limit));
    }
    if let Some(block) = resources.block_io() {
        plan_block(block, &mut writes);
    }
    for entry in resources.hugepage_limits().iter().flatten() {
        let size = page_size(entry.page_size())?;
        writes.push(Write::new(&format!("hugetlb.{size}.limit_in_bytes"), entry.limit()));
        writes.push(Write::new(&format!("hugetlb.{size}.rsvd.limit_in_bytes"), entry.limit()).optional());
    }
    if let Some(network) = resources.network() {
        if let Some(class) = network.class_id().filter(|class| *class != 0) {
            writes.push(Write::new("net_cls.classid", class));
        }
        for priority in network.priorities().iter().flatten() {
            writes.push(Write::new("net_prio.ifpriomap", format!("{} {}", priority.name(), priority.priority())));
        }
    }
    for (device, limits) in resources.rdma().iter().flatten() {
        let part = |name: &str, value: Option<u32>| value.map_or_else(String::new, |value| format!(" {name}={value}"));
        let handles = part("hca_handle", limits.hca_handles());
        let objects = part("hca_object", limits.hca_objects());
        writes.push(Write::new("rdma.max", format!("{device}{handles}{objects}")));
    }
    if resources.unified().as_ref().is_some_and(|map| !map.is_empty()) {
        bail!(Error::unsupported("settings by their cgroup v2 names need cgroup v2"));
    }
    Ok(writes)
}

fn plan_memory(memory: &LinuxMemory, current: Option<u64>, writes: &mut Vec<Write>) {
    // Zero means that nothing was asked, as with the other runtimes.
    let asked = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit, mut both) = (asked(memory.limit()), asked(memory.swap()));
    if limit == Some(-1) && both.is_none() {
        // Memory without a limit below a limit of memory and swap is not to be had.
        both = Some(-1);
    }
    let limit = limit.map(|value| Write::new("memory.limit_in_bytes", value));
    let unlimited = both == Some(-1);
    // The kernel keeps memory at or below memory and swap at any moment: the one that gives room goes first.
    let raises = both.is_some_and(|both| {
        unlimited || current.is_some_and(|current| u64::try_from(both).is_ok_and(|both| current < both))
    });
    let both = both.map(|value| {
        let write = Write::new("memory.memsw.limit_in_bytes", value);
        if unlimited { write.optional() } else { write }
    });
    if raises {
        writes.extend(both);
        writes.extend(limit);
    } else {
        writes.extend(limit);
        writes.extend(both);
    }
    if let Some(reservation) = asked(memory.reservation()) {
        writes.push(Write::new("memory.soft_limit_in_bytes", reservation));
    }
    if let Some(limit) = asked(memory.kernel_tcp()) {
        writes.push(Write::new("memory.kmem.tcp.limit_in_bytes", limit));
    }
    if memory.disable_oom_killer() == Some(true) {
        writes.push(Write::new("memory.oom_control", 1));
    }
    if let Some(swappiness) = memory.swappiness() {
        writes.push(Write::new("memory.swappiness", swappiness));
    }
}

fn plan_cpu(cpu: &LinuxCpu, writes: &mut Vec<Write>) {
    if let Some(idle) = cpu.idle() {
        writes.push(Write::new("cpu.idle", idle));
    }
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        writes.push(Write::new("cpu.shares", shares));
    }
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        writes.push(Write::new("cpu.rt_period_us", period));
    }
    if let Some(runtime) = cpu.realtime_runtime().filter(|runtime| *runtime != 0) {
        writes.push(Write::new("cpu.rt_runtime_us", runtime));
    }
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        writes.push(Write::new("cpu.cfs_period_us", period));
    }
    if let Some(quota) = cpu.quota().filter(|quota| *quota != 0) {
        writes.push(Write::new("cpu.cfs_quota_us", quota));
    }
    if let Some(burst) = cpu.burst() {
        writes.push(Write::new("cpu.cfs_burst_us", burst));
    }
    for (file, list) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            writes.push(Write::new(file, list));
        }
    }
}

fn plan_block(block: &LinuxBlockIo, writes: &mut Vec<Write>) {
    let mut weight = |name: &str, value: String| {
        let plain = Write::new(&format!("blkio.{name}"), &value);
        writes.push(Write::new(&format!("blkio.bfq.{name}"), &value).or(plain));
    };
    if let Some(value) = block.weight().filter(|weight| *weight != 0) {
        weight("weight", value.to_string());
    }
    if let Some(value) = block.leaf_weight().filter(|weight| *weight != 0) {
        weight("leaf_weight", value.to_string());
    }
    for device in block.weight_device().iter().flatten() {
        for (name, value) in [("weight_device", device.weight()), ("leaf_weight_device", device.leaf_weight())] {
            if let Some(value) = value.filter(|weight| *weight != 0) {
                weight(name, format!("{}:{} {value}", device.major(), device.minor()));
            }
        }
    }
    for (file, devices) in [
        ("blkio.throttle.read_bps_device", block.throttle_read_bps_device()),
        ("blkio.throttle.write_bps_device", block.throttle_write_bps_device()),
        ("blkio.throttle.read_iops_device", block.throttle_read_iops_device()),
        ("blkio.throttle.write_iops_device", block.throttle_write_iops_device()),
    ] {
        for device in devices.iter().flatten() {
            writes.push(Write::new(file, format!("{}:{} {}", device.major(), device.minor(), device.rate())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_become_files_in_the_order_that_the_kernel_takes() {
        let limit = "memory.limit_in_bytes";
        let both = "memory.memsw.limit_in_bytes";
        for (json, current, expected) in [
            ("{}", None, &[][..]),
            (r#"{"memory":{"limit":10,"swap":30}}"#, Some(u64::MAX), &[(limit, "10"), (both, "30")]),
            (r#"{"memory":{"limit":10,"swap":30}}"#, Some(5), &[(both, "30"), (limit, "10")]),
            (r#"{"memory":{"limit":10,"swap":-1}}"#, Some(20), &[(both, "-1"), (limit, "10")]),
            (r#"{"memory":{"limit":-1}}"#, Some(20), &[(both, "-1"), (limit, "-1")]),
            (r#"{"memory":{"limit":10}}"#, None, &[(limit, "10")]),
            (
                r#"{"memory":{"disableOOMKiller":true,"swappiness":0,"reservation":5}}"#,
                None,
                &[("memory.soft_limit_in_bytes", "5"), ("memory.oom_control", "1"), ("memory.swappiness", "0")],
            ),
            (
                r#"{"cpu":{"quota":5,"period":7,"shares":2,"cpus":"0","mems":"0"}}"#,
                None,
                &[
                    ("cpu.shares", "2"),
                    ("cpu.cfs_period_us", "7"),
                    ("cpu.cfs_quota_us", "5"),
                    ("cpuset.cpus", "0"),
                    ("cpuset.mems", "0"),
                ],
            ),
            (r#"{"pids":{"limit":0}}"#, None, &[("pids.max", "max")]),
            (
                r#"{"blockIO":{"weight":500,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":9}]}}"#,
                None,
                &[("blkio.bfq.weight", "500"), ("blkio.throttle.read_bps_device", "8:0 9")],
            ),
            (
                r#"{"network":{"classID":5,"priorities":[{"name":"eth0","priority":3}]}}"#,
                None,
                &[("net_cls.classid", "5"), ("net_prio.ifpriomap", "eth0 3")],
            ),
        ] {
            let writes = plan(&serde_json::from_str(json).unwrap(), current).unwrap();
            let writes: Vec<_> = writes.iter().map(|write| (write.file.as_str(), write.value.as_str())).collect();
            assert_eq!(writes, expected, "{json}");
        }
    }

    #[test]
    fn settings_of_v2_are_an_error() {
        let resources = serde_json::from_str(r#"{"unified":{"memory.high":"1"}}"#).unwrap();
        assert!(plan(&resources, None).unwrap_err().to_string().contains("need cgroup v2"));
    }
}
