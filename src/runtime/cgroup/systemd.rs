//! The systemd driver: a scope of the service manager around a container.
//!
//! A scope is made around a process. It is one that only holds the place: the container's first process is born into the
//! scope's cgroup as into any other, and then the holder ends. Limits are written to the files as always, and told to the
//! manager besides: it sets its own idea of them again when it is reloaded. When the last process has ended the manager
//! takes the scope away.
//!
//! On version 1 the manager knows some of the hierarchies; in the others the container has the same path, made by us. There
//! it is told of devices too: a scope to which it delegates all, and for which it knows no rules, it would open to all.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use super::detect::is_unified;
use super::v2::plan;
use super::{Cgroup, Host, device};
use crate::model::error::Error;
use crate::runtime::channel::Channel;
use crate::state::scope::{self, Scope, Value};
use crate::sys::clone::{CloneArgs, Cloned, clone3};
use crate::sys::exec::{close_all_but, leave};
use crate::sys::pidfd;

/// Annotations whose rest is a property of the unit, as runc has it.
pub(crate) const ANNOTATION: &str = "org.systemd.property.";

/// The scope of a container, and where its cgroup is below the manager's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    scope: Scope,
    /// Whose manager makes it: that of the system, or of an ordinary user.
    user: Option<u32>,
    pub(crate) path: String,
}

/// The scope that a cgroup is part of, as it is stored with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<u32>,
}

/// Who holds the place in a scope until the first process is there.
pub(crate) struct Holder {
    pidfd: OwnedFd,
    /// Its end ends the holder, also when we are killed.
    channel: Option<Channel>,
}

/// Says what there must be that a manager of the system, or of `user`, can make scopes for containers, and is not there.
pub(crate) fn missing(user: Option<u32>) -> Option<String> {
    if let Some(socket) = scope::missing(user) {
        let socket = socket.display();
        return Some(format!("the systemd cgroup driver needs a service manager, and none listens at {socket}"));
    }
    let refused = user.is_some() && !is_unified();
    refused.then(|| "the systemd cgroup driver needs cgroup v2 for an ordinary user".to_owned())
}

/// Plans a scope as [`plan`] does, and gives the cgroup that it will be; refuses where no manager can make it.
pub(crate) fn place(
    path: Option<&str>,
    id: &str,
    user: Option<u32>,
    resources: Option<&LinuxResources>,
    annotations: &HashMap<String, String>,
) -> Result<(Cgroup, Planned)> {
    if let Some(why) = missing(user) {
        bail!(Error::unsupported(why).hint("use --cgroup-manager=cgroupfs"));
    }
    let planned = plan(path, id, user, resources, annotations, is_unified())?;
    let cgroup = Host::detect(user)?.at(&planned.path).context("linux.cgroupsPath")?;
    // By its own hierarchy the manager knows that the scope is in use.
    Ok((cgroup.with_all().part_of(planned.unit()), planned))
}

/// Plans the scope that `path` (`SLICE:PREFIX:NAME`) asks for, or the usual one of container `id`; `unified` is a host of
/// cgroup v2 alone.
fn plan(
    path: Option<&str>,
    id: &str,
    user: Option<u32>,
    resources: Option<&LinuxResources>,
    annotations: &HashMap<String, String>,
    unified: bool,
) -> Result<Planned> {
    let (slice, prefix, name) = match path.map(|path| path.split(':').collect::<Vec<_>>()).as_deref() {
        None | Some([""]) => ("", "dhow", id),
        Some([slice, prefix, name]) => (*slice, *prefix, *name),
        Some(_) => bail!(Error::invalid("linux.cgroupsPath: systemd wants it as SLICE:PREFIX:NAME")),
    };
    let default = if user.is_some() { "user.slice" } else { "system.slice" };
    let slice = if slice.is_empty() { default } else { slice };
    let unit = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte));
    if name.is_empty() || unit.len() > 255 || !plain(&unit) {
        bail!(Error::invalid(format!("linux.cgroupsPath: {unit:?} is not the name of a unit")));
    }
    let path = format!("{}/{unit}", slice_path(slice)?);
    // So that the manager lets us have the controllers, and leaves what is below to the container.
    let flag = |name: &str| (name.to_owned(), Value::Flag(true));
    let mut properties = vec![flag("Delegate"), ("DefaultDependencies".to_owned(), Value::Flag(false))];
    let block = if unified { "IOAccounting" } else { "BlockIOAccounting" };
    properties.extend(["CPUAccounting", block, "MemoryAccounting", "TasksAccounting"].map(flag));
    properties.extend(limits(resources, unified)?);
    let devices = resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default();
    if !unified
        && !devices.is_empty()
        && let Some(allowed) = device::unit(devices)?
    {
        properties.push(("DevicePolicy".to_owned(), Value::Text("strict".to_owned())));
        properties.push(("DeviceAllow".to_owned(), Value::Pairs(allowed)));
    }
    for (name, text) in annotations {
        let Some(name) = name.strip_prefix(ANNOTATION) else { continue };
        properties.retain(|(known, _)| known != name);
        properties.push((name.to_owned(), value(text).with_context(|| format!("annotation {ANNOTATION}{name}"))?));
    }
    properties.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(Planned { scope: Scope { name: unit, slice: slice.to_owned(), properties }, user, path })
}

/// The path of a slice: `a-b.slice` lies in `a.slice` (systemd.slice(5)).
fn slice_path(slice: &str) -> Result<String> {
    let bad = || Error::invalid(format!("linux.cgroupsPath: {slice:?} is not a slice"));
    let stem = slice.strip_suffix(".slice").ok_or_else(bad)?;
    if stem == "-" {
        return Ok(String::new());
    }
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b":_.\\@".contains(&byte);
    let mut path = String::new();
    let mut name = String::new();
    for part in stem.split('-') {
        if part.is_empty() || part.starts_with('.') || !part.bytes().all(fine) {
            bail!(bad());
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(part);
        path.push_str(&format!("/{name}.slice"));
    }
    Ok(path)
}

/// What the manager is to know of the limits: the files of cgroup v2 in its own words, or those of version 1.
fn limits(resources: Option<&LinuxResources>, unified: bool) -> Result<Vec<(String, Value)>> {
    let Some(resources) = resources else { return Ok(Vec::new()) };
    if !unified {
        return Ok(limits_v1(resources));
    }
    let mut properties = Vec::new();
    let mut add = |name: &str, number: Option<u64>| {
        properties.extend(number.map(|number| (name.to_owned(), Value::Number(number))));
    };
    let number = |text: &str| if text == "max" { Some(u64::MAX) } else { text.parse().ok() };
    for write in plan::plan(resources)? {
        match write.file.as_str() {
            "memory.max" => add("MemoryMax", number(&write.value)),
            "memory.high" => add("MemoryHigh", number(&write.value)),
            "memory.low" => add("MemoryLow", number(&write.value)),
            "memory.swap.max" => add("MemorySwapMax", number(&write.value)),
            "pids.max" => add("TasksMax", number(&write.value)),
            "cpu.weight" => add("CPUWeight", number(&write.value)),
            "cpu.max" => {
                let mut words = write.value.split(' ');
                let (quota, period) = (words.next().and_then(number), words.next().and_then(number));
                add("CPUQuotaPerSecUSec", quota.map(|quota| per_second(quota, period)));
                add("CPUQuotaPeriodUSec", period);
            }
            _ => {}
        }
    }
    Ok(properties)
}

/// The limits that the manager knows of the hierarchies of version 1.
fn limits_v1(resources: &LinuxResources) -> Vec<(String, Value)> {
    // Negative is none, which the manager calls the largest number; zero was not asked for.
    let limit =
        |number: Option<i64>| number.filter(|number| *number != 0).map(|n| u64::try_from(n).unwrap_or(u64::MAX));
    let cpu = resources.cpu().as_ref();
    let period = cpu.and_then(|cpu| cpu.period()).filter(|period| *period != 0);
    let quota = limit(cpu.and_then(|cpu| cpu.quota())).map(|quota| per_second(quota, period));
    let block = resources.block_io().as_ref().and_then(|block| block.weight()).filter(|weight| *weight != 0);
    let tasks = resources.pids().map(|pids| u64::try_from(pids.limit()).ok().filter(|limit| *limit != 0));
    [
        ("MemoryLimit", limit(resources.memory().as_ref().and_then(|memory| memory.limit()))),
        ("CPUShares", cpu.and_then(|cpu| cpu.shares()).filter(|shares| *shares != 0)),
        ("CPUQuotaPerSecUSec", quota),
        ("CPUQuotaPeriodUSec", period),
        ("BlockIOWeight", block.map(u64::from)),
        ("TasksMax", tasks.map(|limit| limit.unwrap_or(u64::MAX))),
    ]
    .into_iter()
    .filter_map(|(name, number)| Some((name.to_owned(), Value::Number(number?))))
    .collect()
}

/// Microseconds of processor time in a second, in the whole hundredths of a processor that the manager counts in.
fn per_second(quota: u64, period: Option<u64>) -> u64 {
    match quota {
        u64::MAX => quota,
        quota => quota.saturating_mul(1_000_000).div_ceil(period.unwrap_or(100_000).max(1)).next_multiple_of(10_000),
    }
}

/// A value as GVariant's text has it, of the kinds that units have.
fn value(text: &str) -> Result<Value> {
    let text = text.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Ok(Value::Text(inner.to_owned()));
        }
    }
    let bad = || Error::invalid(format!("{text:?} is not a value that is understood"));
    Ok(match text.split_once(' ') {
        Some(("uint64", number)) => Value::Number(number.trim().parse().map_err(|_| bad())?),
        Some(("uint32", number)) => Value::Small(number.trim().parse().map_err(|_| bad())?),
        None if text == "true" || text == "false" => Value::Flag(text == "true"),
        _ => bail!(bad()),
    })
}

impl Planned {
    /// What is stored of it with the cgroup.
    pub(super) fn unit(&self) -> Unit {
        Unit { name: self.scope.name.clone(), user: self.user }
    }

    /// Has the manager make the scope. It lasts as long as the holder, or a process that was born into it.
    pub(crate) fn start(&self) -> Result<Holder> {
        let (ours, theirs) = Channel::pair()?;
        match clone3(CloneArgs::default()).context("make the holder of a scope")? {
            Cloned::Child => {
                let _closed = close_all_but(&mut [theirs.as_fd().as_raw_fd()]);
                let _ended = theirs.receive_with();
                leave(0)
            }
            Cloned::Parent { pid, pidfd } => {
                let holder = Holder { pidfd, channel: Some(ours) };
                self.scope.start(self.user, u32::try_from(pid)?)?;
                Ok(holder)
            }
        }
    }
}

impl Unit {
    /// Tells the manager of changed limits.
    pub(super) fn change(&self, resources: &LinuxResources) -> Result<()> {
        let changed = limits(Some(resources), is_unified())?;
        if changed.is_empty() { Ok(()) } else { Scope::change(self.user, &self.name, &changed) }
    }

    /// Has the manager forget the scope. Gone already is fine, and without a manager the scope went with it.
    pub(super) fn stop(&self) {
        drop(Scope::stop(self.user, &self.name));
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.channel.take());
        drop(pidfd::signal(self.pidfd.as_fd(), libc::SIGKILL));
        drop(pidfd::reap(self.pidfd.as_fd()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(path: Option<&str>, user: Option<u32>) -> Result<Planned> {
        plan(path, "web", user, None, &HashMap::new(), true)
    }

    #[test]
    fn units_and_slices_have_their_places() {
        for (path, user, unit, place) in [
            (None, None, "dhow-web.scope", "/system.slice/dhow-web.scope"),
            (Some(""), Some(1000), "dhow-web.scope", "/user.slice/dhow-web.scope"),
            (Some(":libpod:abc"), None, "libpod-abc.scope", "/system.slice/libpod-abc.scope"),
            (Some("a-b.slice::x"), None, "x.scope", "/a.slice/a-b.slice/x.scope"),
            (Some("-.slice:p:x"), None, "p-x.scope", "/p-x.scope"),
        ] {
            let planned = planned(path, user).unwrap();
            assert_eq!((planned.unit().name.as_str(), planned.path.as_str()), (unit, place));
        }
        for bad in ["/plain/path", "a:b", "a.slice:b:", "../x.slice:a:b", "a--b.slice:c:d", "x:y:z", "a.slice:b/c:d"] {
            assert!(planned(Some(bad), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_told_in_the_managers_words() {
        let resources = serde_json::json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 5},
            "cpu": {"quota": 50_000, "period": 100_000, "shares": 1024}});
        let resources = serde_json::from_value(resources).unwrap();
        for (unified, memory) in [(true, "MemoryMax"), (false, "MemoryLimit")] {
            let limits = limits(Some(&resources), unified).unwrap();
            let number = |name: &str| limits.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            assert_eq!(number(memory), Some(Value::Number(67_108_864)));
            assert_eq!(number("TasksMax"), Some(Value::Number(5)));
            assert_eq!(number("CPUQuotaPerSecUSec"), Some(Value::Number(500_000)));
            assert_eq!(number("CPUWeight").is_some(), unified);
            assert_eq!(number("CPUShares"), (!unified).then_some(Value::Number(1024)));
        }
    }

    #[test]
    fn devices_are_told_where_the_manager_would_open_all() {
        let resources = serde_json::json!({"devices": [{"allow": false, "access": "rwm"}]});
        let resources = serde_json::from_value(resources).unwrap();
        for unified in [true, false] {
            let planned = plan(None, "web", None, Some(&resources), &HashMap::new(), unified).unwrap();
            let told = |name: &str| planned.scope.properties.iter().any(|(known, _)| known == name);
            assert_eq!((told("DevicePolicy"), told("DeviceAllow")), (!unified, !unified));
        }
    }

    #[test]
    fn annotations_become_properties() {
        let annotations = |value: &str| HashMap::from([(format!("{ANNOTATION}TimeoutStopUSec"), value.to_owned())]);
        let planned = |value: &str| plan(None, "web", None, None, &annotations(value), true);
        let found = |value: &str| {
            let all = planned(value).unwrap().scope.properties;
            all.into_iter().find(|(name, _)| name == "TimeoutStopUSec").unwrap().1
        };
        assert_eq!(found("uint64 5000000"), Value::Number(5_000_000));
        assert_eq!(found("'x y'"), Value::Text("x y".into()));
        assert_eq!(found("true"), Value::Flag(true));
        for bad in ["", "x", "uint64 -1", "[1, 2]"] {
            assert!(planned(bad).is_err(), "{bad}");
        }
    }
}
