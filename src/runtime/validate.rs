//! What a specification must say before anything is made of it. Unknown fields and annotations are ignored, as the
//! specification demands; what was asked for and cannot be done is an error.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use super::rootfs::pivot;
use super::{hook, netdevice, schedule};
use crate::model::error::Error;

/// Refuses what cannot be run.
pub(crate) fn spec(spec: &Spec) -> Result<()> {
    if !spec.version().starts_with("1.") {
        bail!(Error::invalid(format!(
            "ociVersion: unsupported version {:?} of the runtime specification",
            spec.version()
        )));
    }
    if spec.root().is_none() {
        bail!(Error::invalid("the specification has no root"));
    }
    let Some(wanted) = spec.process() else { bail!(Error::invalid("the specification has no process")) };
    process(wanted)?;
    if let Some(hooks) = spec.hooks() {
        hook::check(hooks)?;
    }
    for (field, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let Some(name) = name else { continue };
        if name.len() > 64 || name.contains(['\0', '\n']) {
            bail!(Error::invalid(format!("{field}: {name:?} is none")));
        }
    }
    let Some(linux) = spec.linux() else { bail!(Error::invalid("the specification is not for Linux")) };
    if linux.intel_rdt().is_some() {
        bail!(Error::unsupported("linux.intelRdt is not supported"));
    }
    let namespaces = linux.namespaces().as_deref().unwrap_or_default();
    if let Some(devices) = linux.net_devices().as_ref().filter(|devices| !devices.is_empty()) {
        if !namespaces.iter().any(|namespace| namespace.typ() == LinuxNamespaceType::Network) {
            bail!(Error::invalid("linux.netDevices: the container has no network namespace of its own"));
        }
        netdevice::check(devices)?;
    }
    if let Some(policy) = linux.memory_policy() {
        schedule::memory(policy)?;
    }
    for (at, namespace) in namespaces.iter().enumerate() {
        if namespaces[..at].iter().any(|other| other.typ() == namespace.typ()) {
            bail!(Error::invalid(format!("linux.namespaces: duplicate namespace {}", namespace.typ())));
        }
    }
    let has_user = namespaces.iter().any(|namespace| namespace.typ() == LinuxNamespaceType::User);
    for (map, name) in [(linux.uid_mappings(), "uidMappings"), (linux.gid_mappings(), "gidMappings")] {
        if !has_user && map.as_ref().is_some_and(|map| !map.is_empty()) {
            bail!(Error::invalid(format!("linux.{name}: the container has no user namespace of its own")));
        }
    }
    if let Some(word) = linux.rootfs_propagation().as_ref().filter(|word| !word.is_empty())
        && pivot::propagation(word).is_none()
    {
        bail!(Error::invalid(format!("linux.rootfsPropagation: {word:?} is none")));
    }
    Ok(())
}

/// Refuses a process that cannot be executed as it says.
pub(crate) fn process(process: &Process) -> Result<()> {
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        bail!(Error::invalid("process.args: no command specified"));
    }
    if !process.cwd().is_absolute() {
        bail!(Error::invalid(format!("process.cwd: {} is not absolute", process.cwd().display())));
    }
    for text in process.args().iter().chain(process.env()).flatten() {
        if text.contains('\0') {
            bail!(Error::invalid("process.args, process.env: a NUL byte"));
        }
    }
    let user = process.user();
    let ids = [user.uid(), user.gid()];
    if ids.iter().chain(user.additional_gids().iter().flatten()).any(|&id| id == u32::MAX) {
        bail!(Error::invalid("process.user: 4294967295 is not a user or group"));
    }
    if let Some(score) = process.oom_score_adj().filter(|score| !(-1000..=1000).contains(score)) {
        bail!(Error::invalid(format!("process.oomScoreAdj: {score} is not between -1000 and 1000")));
    }
    if let Some(scheduler) = process.scheduler() {
        schedule::attributes(scheduler)?;
    }
    if let Some(affinity) = process.exec_cpu_affinity() {
        for list in [affinity.initial(), affinity.cpu_affinity_final()] {
            schedule::processors(list.as_deref()).context("process.execCPUAffinity")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: &str) -> Result<()> {
        let base = r#"{"ociVersion":"1.3.0","root":{"path":"rootfs"},"linux":{},
            "process":{"cwd":"/","args":["sh"],"user":{"uid":0,"gid":0}}}"#;
        let mut value: serde_json::Value = serde_json::from_str(base).unwrap();
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        merge(&mut value, change);
        spec(&serde_json::from_value(value).unwrap())
    }

    fn merge(value: &mut serde_json::Value, change: serde_json::Value) {
        match (value, change) {
            (serde_json::Value::Object(map), serde_json::Value::Object(changes)) => {
                for (key, change) in changes {
                    merge(map.entry(key).or_insert(serde_json::Value::Null), change);
                }
            }
            (value, change) => *value = change,
        }
    }

    #[test]
    fn specifications_are_checked() {
        for (change, fine) in [
            ("{}", true),
            (r#"{"ociVersion":"1.9.9","unknown":1}"#, true),
            (r#"{"ociVersion":"2.0.0"}"#, false),
            (r#"{"root":null}"#, false),
            (r#"{"process":{"args":[]}}"#, false),
            (r#"{"process":{"cwd":"x"}}"#, false),
            (r#"{"process":{"env":["a=\u0000"]}}"#, false),
            (r#"{"process":{"user":{"uid":4294967295}}}"#, false),
            (r#"{"process":{"oomScoreAdj":1001}}"#, false),
            (r#"{"hooks":{"poststop":[]}}"#, true),
            (r#"{"hooks":{"poststop":[{"path":"/x"}]}}"#, true),
            (r#"{"hooks":{"poststop":[{"path":"x"}]}}"#, false),
            (r#"{"hostname":"a\nb"}"#, false),
            (r#"{"linux":{"intelRdt":{}}}"#, false),
            (r#"{"linux":{"rootfsPropagation":"rslave"}}"#, true),
            (r#"{"linux":{"rootfsPropagation":"sideways"}}"#, false),
        ] {
            assert_eq!(changed(change).is_ok(), fine, "{change}");
        }
    }
}
