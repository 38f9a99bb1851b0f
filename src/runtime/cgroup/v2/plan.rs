//! Limits of the runtime specification, which speaks cgroup v1, as files of cgroup v2.

use std::fmt::Display;

use anyhow::{Result, bail};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxResources};

use crate::model::error::Error;
use crate::runtime::cgroup::driver::Write;

/// Plans the writes for what `resources` names, devices apart.
pub(in crate::runtime::cgroup) fn plan(resources: &LinuxResources) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    if let Some(memory) = resources.memory() {
        plan_memory(memory, &mut writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        plan_cpu(cpu, &mut writes)?;
    }
    if let Some(pids) = resources.pids() {
        writes.push(Write::new("pids.max", limit(pids.limit().max(0), 0)));
    }
    if let Some(block) = resources.block_io() {
        plan_block(block, &mut writes)?;
    }
    hugepages(resources.hugepage_limits().as_deref().unwrap_or_default(), &mut writes)?;
    for (device, limits) in resources.rdma().iter().flatten() {
        let part = |name: &str, value: Option<u32>| value.map_or_else(String::new, |value| format!(" {name}={value}"));
        let handles = part("hca_handle", limits.hca_handles());
        let objects = part("hca_object", limits.hca_objects());
        writes.push(Write::new("rdma.max", format!("{device}{handles}{objects}")));
    }
    let classes = resources.network().as_ref().is_some_and(|network| {
        network.class_id().is_some() || network.priorities().as_ref().is_some_and(|list| !list.is_empty())
    });
    if classes {
        bail!(Error::unsupported("network classes and priorities need cgroup v1"));
    }
    // What was given in the kernel's own words has the last one; sorted, as a map has no order.
    let mut unified: Vec<_> = resources.unified().iter().flatten().collect();
    unified.sort();
    for (file, value) in unified {
        if file.contains('/') || !file.contains('.') || file.starts_with("cgroup.") || file.starts_with('.') {
            bail!(Error::invalid(format!("{file:?} is not a cgroup setting")));
        }
        writes.extend(value.lines().map(|line| Write::new(file, line)));
    }
    Ok(writes)
}

/// Plans limits of huge pages; reservations as well, where the kernel counts them.
pub(in crate::runtime::cgroup) fn hugepages(limits: &[LinuxHugepageLimit], writes: &mut Vec<Write>) -> Result<()> {
    for entry in limits {
        let size = page_size(entry.page_size())?;
        let value = limit(entry.limit(), -1);
        writes.push(Write::new(&format!("hugetlb.{size}.max"), &value));
        writes.push(Write::new(&format!("hugetlb.{size}.rsvd.max"), &value).optional());
    }
    Ok(())
}

/// Checks the size of a page, which becomes part of a file's name.
pub(in crate::runtime::cgroup) fn page_size(size: &str) -> Result<&str> {
    let known = ["KB", "MB", "GB"].iter().any(|unit| {
        size.strip_suffix(unit)
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if !known {
        bail!(Error::invalid(format!("{size:?} is not a size of huge pages")));
    }
    Ok(size)
}

/// Writes a limit; at or below `none` there is none.
fn limit(value: i64, none: i64) -> String {
    if value <= none { "max".to_owned() } else { value.to_string() }
}

fn plan_memory(memory: &LinuxMemory, writes: &mut Vec<Write>) -> Result<()> {
    if memory.disable_oom_killer() == Some(true) {
        bail!(Error::unsupported("disabling the OOM killer needs cgroup v1"));
    }
    if memory.swappiness().is_some() {
        bail!(Error::unsupported("swappiness needs cgroup v1"));
    }
    // Zero means that nothing was asked, as with the other runtimes.
    let asked = |value: Option<i64>| value.filter(|value| *value != 0);
    let (max, both) = (asked(memory.limit()), asked(memory.swap()));
    if let Some(reservation) = asked(memory.reservation()) {
        writes.push(Write::new("memory.low", limit(reservation, -1)));
    }
    match (max, both) {
        (_, Some(both)) if both < 0 => writes.push(Write::new("memory.swap.max", "max").optional()),
        (Some(max), Some(both)) if max > 0 => {
            // v1 counts both together, v2 swap alone.
            let swap = both - max;
            if swap < 0 {
                bail!(Error::invalid("minimum memoryswap limit should be larger than memory limit"));
            }
            writes.push(Write::new("memory.swap.max", swap));
        }
        (_, Some(_)) => bail!(Error::invalid("a limit of memory and swap needs a limit of memory")),
        (Some(max), None) if max < 0 => writes.push(Write::new("memory.swap.max", "max").optional()),
        (_, None) => {}
    }
    if let Some(max) = max {
        writes.push(Write::new("memory.max", limit(max, -1)));
    }
    Ok(())
}

fn plan_cpu(cpu: &LinuxCpu, writes: &mut Vec<Write>) -> Result<()> {
    if cpu.realtime_runtime().is_some_and(|value| value != 0) || cpu.realtime_period().is_some_and(|value| value != 0) {
        bail!(Error::unsupported("realtime limits need cgroup v1"));
    }
    if let Some(idle) = cpu.idle() {
        writes.push(Write::new("cpu.idle", idle));
    }
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        writes.push(Write::new("cpu.weight", weight(shares)));
    }
    let period = cpu.period().filter(|period| *period != 0);
    let quota = cpu.quota().filter(|quota| *quota != 0);
    if quota.is_some() || period.is_some() {
        let quota = limit(quota.unwrap_or(-1), -1);
        writes.push(Write::new("cpu.max", format!("{quota} {}", period.unwrap_or(100_000))));
    }
    if let Some(burst) = cpu.burst() {
        writes.push(Write::new("cpu.max.burst", burst));
    }
    for (file, list) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            writes.push(Write::new(file, list));
        }
    }
    Ok(())
}

/// Converts shares (2 to 262144, 1024 by default) into a weight (1 to 10000, 100 by default) such that the three points
/// meet, as runc and crun do since 2025: a parabola through them on logarithmic axes.
fn weight(shares: u64) -> u64 {
    const MOST: u64 = 262_144;
    if shares <= 2 {
        return 1;
    }
    if shares >= MOST {
        return 10_000;
    }
    // Exact: below 2^18.
    #[expect(clippy::cast_precision_loss, reason = "below 2^18")]
    let l = (shares as f64).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10000")]
    let weight = 10_f64.powf(exponent).ceil() as u64;
    weight.clamp(1, 10_000)
}

fn plan_block(block: &LinuxBlockIo, writes: &mut Vec<Write>) -> Result<()> {
    // io.weight is 1 to 10000 where v1's is 10 to 1000; BFQ's own file takes v1's as it is.
    let convert = |weight: u16| 1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990;
    let check = |weight: u16| match weight {
        10..=1000 => Ok(weight),
        _ => Err(Error::invalid(format!("block weight {weight} is not between 10 and 1000"))),
    };
    let both = |bfq: &dyn Display, io: &dyn Display| {
        let mut write = Write::new("io.bfq.weight", bfq);
        write = write.or(Write::new("io.weight", io));
        write
    };
    if let Some(weight) = block.weight().filter(|weight| *weight != 0) {
        let weight = check(weight)?;
        writes.push(both(&weight, &format!("default {}", convert(weight))));
    }
    if block.leaf_weight().is_some_and(|weight| weight != 0) {
        bail!(Error::unsupported("leaf weights need cgroup v1"));
    }
    for device in block.weight_device().iter().flatten() {
        if let Some(weight) = device.weight().filter(|weight| *weight != 0) {
            let weight = check(weight)?;
            let name = format!("{}:{}", device.major(), device.minor());
            writes.push(both(&format!("{name} {weight}"), &format!("{name} {}", convert(weight))));
        }
    }
    for (key, devices) in [
        ("rbps", block.throttle_read_bps_device()),
        ("wbps", block.throttle_write_bps_device()),
        ("riops", block.throttle_read_iops_device()),
        ("wiops", block.throttle_write_iops_device()),
    ] {
        for device in devices.iter().flatten() {
            let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
            writes.push(Write::new("io.max", format!("{}:{} {key}={rate}", device.major(), device.minor())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(json: &str) -> Result<Vec<(String, String)>> {
        let writes = plan(&serde_json::from_str(json).unwrap())?;
        Ok(writes.into_iter().map(|write| (write.file, write.value)).collect())
    }

    #[test]
    fn limits_become_files() {
        for (json, expected) in [
            ("{}", &[][..]),
            (
                r#"{"memory":{"limit":1000,"swap":3000,"reservation":500}}"#,
                &[("memory.low", "500"), ("memory.swap.max", "2000"), ("memory.max", "1000")],
            ),
            (r#"{"memory":{"limit":-1}}"#, &[("memory.swap.max", "max"), ("memory.max", "max")]),
            (r#"{"memory":{"limit":1000,"swap":-1}}"#, &[("memory.swap.max", "max"), ("memory.max", "1000")]),
            (r#"{"memory":{"limit":1000,"swap":1000}}"#, &[("memory.swap.max", "0"), ("memory.max", "1000")]),
            (r#"{"cpu":{"quota":50000}}"#, &[("cpu.max", "50000 100000")]),
            (r#"{"cpu":{"quota":-1,"period":20000}}"#, &[("cpu.max", "max 20000")]),
            (
                r#"{"cpu":{"shares":1024,"cpus":"0-1","mems":"0"}}"#,
                &[("cpu.weight", "100"), ("cpuset.cpus", "0-1"), ("cpuset.mems", "0")],
            ),
            (r#"{"pids":{"limit":2048}}"#, &[("pids.max", "2048")]),
            (r#"{"pids":{"limit":-1}}"#, &[("pids.max", "max")]),
            (r#"{"blockIO":{"weight":500}}"#, &[("io.bfq.weight", "500")]),
            (
                r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":100}],
                "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":7}]}}"#,
                &[("io.max", "8:0 rbps=100"), ("io.max", "8:16 wiops=7")],
            ),
            (
                r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
                &[("hugetlb.2MB.max", "4194304"), ("hugetlb.2MB.rsvd.max", "4194304")],
            ),
            (
                r#"{"memory":{"limit":5},"unified":{"memory.max":"6","memory.high":"4"}}"#,
                &[("memory.max", "5"), ("memory.high", "4"), ("memory.max", "6")],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            assert_eq!(planned(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn what_v2_cannot_do_is_an_error() {
        for (json, message) in [
            (r#"{"memory":{"disableOOMKiller":true}}"#, "OOM killer"),
            (r#"{"memory":{"swappiness":10}}"#, "swappiness"),
            (r#"{"memory":{"swap":10}}"#, "needs a limit of memory"),
            (r#"{"memory":{"limit":20,"swap":10}}"#, "larger than memory limit"),
            (r#"{"cpu":{"realtimeRuntime":10}}"#, "realtime"),
            (r#"{"network":{"classID":10}}"#, "network classes"),
            (r#"{"blockIO":{"weight":5}}"#, "not between 10 and 1000"),
            (r#"{"unified":{"../memory.max":"1"}}"#, "not a cgroup setting"),
            (r#"{"unified":{"cgroup.procs":"1"}}"#, "not a cgroup setting"),
            (r#"{"hugepageLimits":[{"pageSize":"../2MB","limit":1}]}"#, "not a size"),
        ] {
            let error = planned(json).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn shares_meet_weights_at_three_points() {
        for (shares, expected) in
            [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000), (512, 59), (2048, 174)]
        {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }
}
