//! Processor time and memory nodes of a process: `process.scheduler`, `process.execCPUAffinity`, `linux.memoryPolicy`.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{
    LinuxMemoryPolicy, LinuxSchedulerFlag as Flag, LinuxSchedulerPolicy as Policy, MemoryPolicyFlagType,
    MemoryPolicyModeType, Scheduler,
};
use rustix::thread::CpuSet;

use crate::model::error::Error;
use crate::sys::schedule::{Attributes, set_memory_policy, set_scheduler};

/// The most nodes that a list may name.
const MOST_NODES: usize = 4096;

/// Gives the attributes that `scheduler` asks for.
pub(crate) fn attributes(scheduler: &Scheduler) -> Result<Attributes> {
    let policy = match scheduler.policy() {
        Policy::SchedOther => 0,
        Policy::SchedFifo => 1,
        Policy::SchedRr => 2,
        Policy::SchedBatch => 3,
        Policy::SchedIso => bail!(Error::unsupported("process.scheduler.policy: Linux has no SCHED_ISO")),
        Policy::SchedIdle => 5,
        Policy::SchedDeadline => 6,
    };
    let flag = |flag: &Flag| match flag {
        Flag::SchedResetOnFork => 1_u64,
        Flag::SchedFlagReclaim => 2,
        Flag::SchedFlagDLOverrun => 4,
        Flag::SchedFlagKeepPolicy => 8,
        Flag::SchedFlagKeepParams => 0x10,
        Flag::SchedFlagUtilClampMin => 0x20,
        Flag::SchedFlagUtilClampMax => 0x40,
    };
    let nice = scheduler.nice().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        bail!(Error::invalid(format!("process.scheduler.nice: {nice} is not between -20 and 19")));
    }
    let Ok(priority) = u32::try_from(scheduler.priority().unwrap_or(0)) else {
        bail!(Error::invalid("process.scheduler.priority: must not be negative"));
    };
    let times = [scheduler.runtime(), scheduler.deadline(), scheduler.period()].map(|time| time.unwrap_or(0));
    if policy != 6 && times != [0; 3] {
        bail!(Error::invalid("process.scheduler: runtime, deadline and period are for SCHED_DEADLINE"));
    }
    let [runtime, deadline, period] = times;
    let flags = scheduler.flags().iter().flatten().map(flag).fold(0, |all, one| all | one);
    Ok(Attributes { policy, flags, nice, priority, runtime, deadline, period, ..Attributes::default() })
}

/// Sets the scheduler of this process.
pub(crate) fn schedule(scheduler: &Scheduler) -> Result<()> {
    set_scheduler(&attributes(scheduler)?).context("set the scheduler")
}

/// Gives mode and nodes that `policy` asks for.
pub(crate) fn memory(policy: &LinuxMemoryPolicy) -> Result<(i32, Vec<u64>)> {
    let mode = match policy.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flag = |flag: &MemoryPolicyFlagType| match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    };
    let flags = policy.flags().iter().flatten().map(flag).fold(0, |all, one| all | one);
    let mut nodes = Vec::new();
    for node in list(policy.nodes().as_deref().unwrap_or_default(), MOST_NODES).context("linux.memoryPolicy.nodes")? {
        if nodes.len() <= node / 64 {
            nodes.resize(node / 64 + 1, 0_u64);
        }
        nodes[node / 64] |= 1 << (node % 64);
    }
    if matches!(mode, 0 | 4) && !nodes.is_empty() {
        bail!(Error::invalid("linux.memoryPolicy.nodes: this mode takes none"));
    }
    Ok((mode | flags, nodes))
}

/// Sets the memory policy of this process.
pub(crate) fn remember(policy: &LinuxMemoryPolicy) -> Result<()> {
    let (mode, nodes) = memory(policy)?;
    set_memory_policy(mode, &nodes).context("set the memory policy")
}

/// Gives the processors of a list like `0-3,7`; none for an empty one.
pub(crate) fn processors(text: Option<&str>) -> Result<Option<CpuSet>> {
    let numbers = list(text.unwrap_or_default(), CpuSet::MAX_CPU)?;
    if numbers.is_empty() {
        return Ok(None);
    }
    let mut set = CpuSet::new();
    numbers.into_iter().for_each(|number| set.set(number));
    Ok(Some(set))
}

/// Refuses a list of processors or of memory nodes that the host, whose list is in `file`, does not have all.
pub(crate) fn check_available(what: &str, asked: &str, file: &str) -> Result<()> {
    let asked_numbers = list(asked, 1 << 16).with_context(|| format!("invalid value {asked:?} for cpuset"))?;
    // A host that does not say lets the cgroup decide.
    let Ok(available) = std::fs::read_to_string(file) else { return Ok(()) };
    let available = available.trim();
    let there = list(available, 1 << 16).with_context(|| format!("read {file}"))?;
    if asked_numbers.iter().all(|number| there.contains(number)) {
        return Ok(());
    }
    bail!(Error::invalid(format!("requested {what} are not available - requested {asked}, available: {available}")))
}

/// Runs this process on `processors`.
pub(crate) fn run_on(processors: &CpuSet) -> Result<()> {
    rustix::thread::sched_setaffinity(None, processors).context("set the processors")
}

/// Gives the numbers of a list with ranges, all below `end`.
fn list(text: &str, end: usize) -> Result<Vec<usize>> {
    let bad = || Error::invalid(format!("{text:?} is not a list of numbers below {end}"));
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<usize>().ok().filter(|number| plain && *number < end).ok_or_else(bad)
    };
    let mut numbers = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            bail!(bad());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_have_ranges() {
        assert_eq!(list("0-2,7", 8).unwrap(), [0, 1, 2, 7]);
        assert_eq!(list("", 8).unwrap(), Vec::<usize>::new());
        for bad in ["8", "2-1", "-1", "1-", "a", "+1", "0-99999999999999999999"] {
            assert!(list(bad, 8).is_err(), "{bad}");
        }
        assert!(processors(None).unwrap().is_none());
        assert!(processors(Some("1,3")).unwrap().unwrap().is_set(3));
    }

    #[test]
    fn schedulers_are_checked() {
        let parsed = |value: serde_json::Value| attributes(&serde_json::from_value(value).unwrap());
        let batch = parsed(json!({"policy": "SCHED_BATCH", "nice": 19, "flags": ["SCHED_RESET_ON_FORK"]})).unwrap();
        assert_eq!((batch.policy, batch.nice, batch.flags), (3, 19, 1));
        for bad in [
            json!({"policy": "SCHED_ISO"}),
            json!({"policy": "SCHED_OTHER", "nice": 20}),
            json!({"policy": "SCHED_FIFO", "priority": -1}),
            json!({"policy": "SCHED_OTHER", "runtime": 5}),
        ] {
            assert!(parsed(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn memory_policies_are_bits() {
        let parsed = |value: serde_json::Value| memory(&serde_json::from_value(value).unwrap());
        let bind = json!({"mode": "MPOL_BIND", "nodes": "0,65", "flags": ["MPOL_F_STATIC_NODES"]});
        assert_eq!(parsed(bind).unwrap(), (2 | 1 << 15, vec![1, 2]));
        assert_eq!(parsed(json!({"mode": "MPOL_DEFAULT"})).unwrap(), (0, vec![]));
        assert!(parsed(json!({"mode": "MPOL_LOCAL", "nodes": "0"})).is_err());
    }
}
