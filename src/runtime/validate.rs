//! What a specification must say before anything is made of it. Unknown fields and annotations are ignored, as the
//! specification demands; what was asked for and cannot be done is an error.

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use super::rootfs::pivot;
use super::{hook, netdevice, resctrl, schedule};
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
    if let Some(wanted) = linux.intel_rdt() {
        resctrl::check(wanted)?;
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
    use proptest::prelude::*;

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
            (r#"{"linux":{"intelRdt":{"closID":"gold","l3CacheSchema":"L3:0=f"}}}"#, true),
            (r#"{"linux":{"intelRdt":{"closID":"../gold"}}}"#, false),
            (r#"{"linux":{"rootfsPropagation":"rslave"}}"#, true),
            (r#"{"linux":{"rootfsPropagation":"sideways"}}"#, false),
        ] {
            assert_eq!(changed(change).is_ok(), fine, "{change}");
        }
    }

    /// A value that no field expects everywhere.
    fn odd() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            Just(serde_json::Value::Null),
            Just(serde_json::json!([])),
            Just(serde_json::json!({})),
            Just(serde_json::json!([""])),
            "\\PC{0,12}".prop_map(serde_json::Value::from),
            "/(proc|sys|dev|\\.\\.)?/?[a-z./]{0,6}".prop_map(serde_json::Value::from),
            proptest::num::i64::ANY.prop_map(serde_json::Value::from),
            proptest::num::u64::ANY.prop_map(serde_json::Value::from),
            (-3_i64..4).prop_map(serde_json::Value::from),
        ]
    }

    /// The place of the `number`th value of a document, in some order.
    fn places(value: &serde_json::Value, path: &str, out: &mut Vec<String>) {
        out.push(path.to_owned());
        let mut below = |key: &str, value| places(value, &format!("{path}/{key}"), out);
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| below(key, value)),
            serde_json::Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value));
            }
            _ => {}
        }
    }

    const BUNDLE: &str = r#"{"ociVersion":"1.3.0","root":{"path":"rootfs","readonly":true},"hostname":"h","process":{"cwd":"/",
        "args":["sh"],"env":["A=b"],"user":{"uid":0,"gid":0,"additionalGids":[5],"umask":18},"terminal":true,
        "consoleSize":{"height":5,"width":7},"capabilities":{"bounding":["CAP_KILL"]},"oomScoreAdj":5,"apparmorProfile":"x",
        "rlimits":[{"type":"RLIMIT_NOFILE","hard":5,"soft":5}],"scheduler":{"policy":"SCHED_BATCH","nice":5},
        "ioPriority":{"class":"IOPRIO_CLASS_BE","priority":5},"execCPUAffinity":{"initial":"0-1"}},
        "mounts":[{"destination":"/a","type":"bind","source":"/b","options":["rbind","ro","idmap"],
        "uidMappings":[{"containerID":0,"hostID":5,"size":1}],"gidMappings":[{"containerID":0,"hostID":5,"size":1}]},
        {"destination":"/proc","type":"proc","source":"proc"},{"destination":"/t","type":"tmpfs","options":["size=5","mode=755"]}],
        "hooks":{"poststop":[{"path":"/x","args":["x"],"env":["A=b"],"timeout":5}]},"annotations":{"a":"b"},
        "linux":{"namespaces":[{"type":"mount"},{"type":"user"},{"type":"time"},{"type":"network"}],
        "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],"gidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
        "timeOffsets":{"monotonic":{"secs":1,"nanosecs":2}},"sysctl":{"net.ipv4.ip_forward":"1"},"cgroupsPath":"/a/b",
        "devices":[{"path":"/dev/x","type":"c","major":1,"minor":3,"fileMode":438,"uid":0,"gid":0}],
        "resources":{"memory":{"limit":5,"swap":5},"cpu":{"shares":5,"quota":5,"period":5,"cpus":"0"},"pids":{"limit":5},
        "devices":[{"allow":false,"access":"rwm","type":"c","major":1,"minor":3}],"unified":{"a.b":"c"},
        "hugepageLimits":[{"pageSize":"2MB","limit":5}],"blockIO":{"weight":5}},
        "seccomp":{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read"],
        "action":"SCMP_ACT_ERRNO","errnoRet":5,"args":[{"index":0,"value":5,"valueTwo":5,"op":"SCMP_CMP_MASKED_EQ"}]}]},
        "maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"rootfsPropagation":"rslave","netDevices":{"eth0":{"name":"a"}},
        "intelRdt":{"closID":"a","schemata":["MB:0=5"],"enableMonitoring":true},"personality":{"domain":"LINUX"},"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0"}}}"#;

    /// Everything that is made of a specification before anything is done.
    fn plans(spec: &Spec) -> Result<()> {
        let linux = spec.linux().clone().unwrap_or_default();
        self::spec(spec)?;
        for (index, mount) in spec.mounts().iter().flatten().enumerate() {
            crate::runtime::rootfs::plan::planned(index, mount)?;
        }
        crate::runtime::rootfs::device::nodes(linux.devices().as_deref().unwrap_or_default())?;
        crate::runtime::sysctl::settings(spec, crate::sys::clone::Namespaces::NETWORK)?;
        if let Some(seccomp) = linux.seccomp() {
            crate::runtime::seccomp::program(seccomp, None)?;
        }
        if let Some(process) = spec.process() {
            crate::runtime::capability::masks(process.capabilities().as_ref());
        }
        Ok(())
    }

    #[test]
    fn the_bundle_that_is_changed_below_is_fine() {
        plans(&serde_json::from_str(BUNDLE).unwrap()).unwrap();
    }

    proptest! {
        /// R39: a bundle with any value in the place of another is a specification or an error.
        #[test]
        fn any_bundle_is_planned_or_refused(at in proptest::num::usize::ANY, value in odd(), second in proptest::num::usize::ANY, more in odd()) {
            let mut document: serde_json::Value = serde_json::from_str(BUNDLE).unwrap();
            for (at, value) in [(at, value), (second, more)] {
                let mut all = Vec::new();
                places(&document, "", &mut all);
                if let Some(place) = document.pointer_mut(&all[at % all.len()]) {
                    *place = value;
                }
            }
            if let Ok(spec) = crate::runtime::bundle::parse(document.to_string().as_bytes(), std::path::Path::new("/b")) {
                drop(plans(&spec));
            }
        }
    }
}
