//! `pause`, `resume`, `update` and `events`: the cgroup of a container that runs.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::LinuxResources;
use serde_json::{Map, Value, json};

use super::args::{EventsArgs, UpdateArgs};
use super::console::print;
use super::create::read_input;
use super::record::{Container, Record, Root, Status};
use crate::model::error::Error;
use crate::model::{size, time};
use crate::runtime::cgroup::Stats;
use crate::sys::process;

/// `pause` and `resume`.
pub(crate) fn freeze(root: &Root, id: &str, frozen: bool) -> Result<()> {
    let container = root.container(id)?;
    let _lock = container.lock()?;
    let record = container.record()?;
    match (container.status(&record)?, frozen) {
        (Status::Running | Status::Created, true) => record.cgroup.freeze(),
        (Status::Paused, false) => record.cgroup.thaw(),
        // A created one can be paused, and is still called created.
        (Status::Created, false) if record.cgroup.is_frozen()? => record.cgroup.thaw(),
        (_, true) => bail!(Error::state("container not running")),
        (_, false) => bail!(Error::state("container not paused")),
    }
}

/// `update`.
pub(crate) fn update(root: &Root, args: &UpdateArgs) -> Result<()> {
    let container = root.container(&args.id)?;
    let resources = resources(args)?;
    let _lock = container.lock()?;
    let record = container.record()?;
    if matches!(container.status(&record)?, Status::Stopped | Status::Creating) {
        bail!(Error::state("container not running"));
    }
    record.cgroup.change(&resources).context("limit the cgroup")
}

/// The limits that are asked for: those of the file, and of options over them.
fn resources(args: &UpdateArgs) -> Result<LinuxResources> {
    let mut value = match &args.resources {
        Some(path) => {
            serde_json::from_slice(&read_input(path)?).with_context(|| format!("parse {}", path.display()))?
        }
        None => json!({}),
    };
    let bytes = |name: &str, text: &Option<String>| -> Result<Option<Value>> {
        let Some(text) = text else { return Ok(None) };
        if text == "-1" {
            return Ok(Some(json!(-1)));
        }
        let size = size::parse_ram(text).map_err(|error| Error::invalid(format!("--{name}: {error}")))?;
        Ok(Some(json!(size)))
    };
    let number = |value: Option<i64>| value.map(|value| json!(value));
    let whole = |value: Option<u64>| value.map(|value| json!(value));
    let text = |value: &Option<String>| value.as_ref().map(|value| json!(value));
    for (group, field, given) in [
        ("memory", "limit", bytes("memory", &args.memory)?),
        ("memory", "reservation", bytes("memory-reservation", &args.memory_reservation)?),
        ("memory", "swap", bytes("memory-swap", &args.memory_swap)?),
        ("cpu", "period", whole(args.cpu_period)),
        ("cpu", "quota", number(args.cpu_quota)),
        ("cpu", "burst", whole(args.cpu_burst)),
        ("cpu", "shares", whole(args.cpu_share)),
        ("cpu", "realtimePeriod", whole(args.cpu_rt_period)),
        ("cpu", "realtimeRuntime", number(args.cpu_rt_runtime)),
        ("cpu", "idle", number(args.cpu_idle)),
        ("cpu", "cpus", text(&args.cpuset_cpus)),
        ("cpu", "mems", text(&args.cpuset_mems)),
        ("pids", "limit", number(args.pids_limit)),
        ("blockIO", "weight", args.blkio_weight.map(|weight| json!(weight))),
    ] {
        let (Some(given), Value::Object(map)) = (given, &mut value) else { continue };
        let group = map.entry(group).or_insert_with(|| Value::Object(Map::new()));
        if !group.is_object() {
            *group = json!({});
        }
        group[field] = given;
    }
    serde_json::from_value(value).context("the limits")
}

/// `events`: statistics at intervals, and a line for each process that was killed for want of memory.
pub(crate) fn events(root: &Root, args: &EventsArgs) -> Result<()> {
    let container = root.container(&args.id)?;
    let record = container.record()?;
    let Some((_, init)) = container.init(&record)? else { bail!(Error::state("container not running")) };
    if args.stats {
        return print(&stats(&container, &record)?);
    }
    let interval = time::parse_duration(&args.interval).ok().and_then(|nanos| u64::try_from(nanos).ok());
    let Some(interval) = interval.filter(|nanos| *nanos > 0).map(Duration::from_nanos) else {
        bail!(Error::invalid("--interval: must be a duration greater than zero"));
    };
    let mut killed = record.cgroup.oom_kills()?;
    while !process::wait(&init, Some(interval)).context("wait for the container")? {
        let now = record.cgroup.oom_kills().unwrap_or(killed);
        for _ in killed..now {
            print(&line(&container, "oom", None)?)?;
        }
        killed = now;
        print(&stats(&container, &record)?)?;
    }
    Ok(())
}

fn line(container: &Container, kind: &str, data: Option<Value>) -> Result<String> {
    let mut event = json!({"type": kind, "id": container.id});
    if let Some(data) = data {
        event["data"] = data;
    }
    Ok(serde_json::to_string(&event).context("encode an event")? + "\n")
}

fn stats(container: &Container, record: &Record) -> Result<String> {
    line(container, "stats", Some(shape(&record.cgroup.stats()?)))
}

/// The shape that runc gives statistics; what the kernel does not count is left out.
fn shape(stats: &Stats) -> Value {
    let object = |fields: &[(&str, Option<u64>)]| {
        let known = fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?))));
        Value::Object(known.collect())
    };
    let block =
        |op: &str, bytes: Option<u64>| bytes.map(|bytes| json!({"major": 0, "minor": 0, "op": op, "value": bytes}));
    let serviced: Vec<Value> =
        [block("Read", stats.block_read), block("Write", stats.block_written)].into_iter().flatten().collect();
    json!({
        "cpu": {"usage": object(&[
            ("total", stats.cpu_nanoseconds),
            ("kernel", stats.cpu_system_nanoseconds),
            ("user", stats.cpu_user_nanoseconds),
        ])},
        "memory": {
            "usage": object(&[("usage", stats.memory), ("limit", stats.memory_limit.or(Some(i64::MAX.unsigned_abs())))]),
            "raw": object(&[("working_set", stats.working_set)]),
        },
        "pids": object(&[("current", stats.processes)]),
        "blkio": {"ioServiceBytesRecursive": serviced},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_update_become_limits() {
        let args = UpdateArgs {
            memory: Some("64m".into()),
            memory_swap: Some("-1".into()),
            cpu_quota: Some(-1),
            cpuset_cpus: Some("0-1".into()),
            pids_limit: Some(7),
            blkio_weight: Some(100),
            ..UpdateArgs::default()
        };
        let resources = resources(&args).unwrap();
        let memory = resources.memory().unwrap();
        assert_eq!((memory.limit(), memory.swap()), (Some(64 << 20), Some(-1)));
        let cpu = resources.cpu().as_ref().unwrap();
        assert_eq!((cpu.quota(), cpu.cpus().as_deref()), (Some(-1), Some("0-1")));
        assert_eq!(resources.pids().unwrap().limit(), 7);
        assert_eq!(resources.block_io().as_ref().unwrap().weight(), Some(100));
        let bad = UpdateArgs { memory: Some("lots".into()), ..UpdateArgs::default() };
        assert!(super::resources(&bad).is_err());
    }

    #[test]
    fn what_is_not_counted_is_not_told() {
        let value = shape(&Stats { memory: Some(7), ..Stats::default() });
        assert_eq!(value["memory"]["usage"]["usage"], 7);
        assert_eq!(value["cpu"]["usage"], json!({}));
    }
}
