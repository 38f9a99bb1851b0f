//! `spec` and `features`: a configuration to begin with, and what this runtime can do.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::args::SpecArgs;
use crate::model::error::Error;
use crate::runtime::capability::CapSet;
use crate::runtime::hook::POINTS;
use crate::runtime::rootfs::plan;
use crate::runtime::seccomp;
use crate::sys::seccomp as kernel;

/// The newest version of the runtime specification that is known in full.
pub(crate) const VERSION: &str = "1.3.0";

/// `spec`: writes `config.json`, and never over another one.
pub(crate) fn write_spec(args: &SpecArgs) -> Result<()> {
    let path = args.bundle.join("config.json");
    let text = serde_json::to_string_pretty(&example(args.rootless)).context("encode the specification")? + "\n";
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    match file {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!(Error::conflict(format!("{} exists: remove it first", path.display())))
        }
        file => file
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("write {}", path.display())),
    }
}

/// A shell in a root file system beside the configuration, as runc's example has it.
fn example(rootless: bool) -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": source, "options": options});
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &[]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
    ];
    let namespaces = |kinds: &[&str]| kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>();
    let mut linux = json!({
        "resources": {"devices": [{"allow": false, "access": "rwm"}]},
        "namespaces": namespaces(&["pid", "network", "ipc", "uts", "mount", "cgroup"]),
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
            "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    });
    if rootless {
        // Who is not root has no group 5 to give, and no network or cgroup of its own to look at.
        mounts[2] =
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]);
        mounts[5] = mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
        mounts.truncate(6);
        linux["namespaces"] = json!(namespaces(&["pid", "ipc", "uts", "mount", "cgroup", "user"]));
        linux["resources"] = json!({});
        let one = |id: u32| json!([{"containerID": 0, "hostID": id, "size": 1}]);
        linux["uidMappings"] = one(rustix::process::geteuid().as_raw());
        linux["gidMappings"] = one(rustix::process::getegid().as_raw());
    }
    json!({
        "ociVersion": VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "dhow",
        "mounts": mounts,
        "linux": linux,
    })
}

/// `features`. What the specification calls "recognized" is what really works here.
pub(crate) fn features() -> Result<String> {
    let known = [
        ("SECCOMP_FILTER_FLAG_TSYNC", kernel::FLAG_TSYNC),
        ("SECCOMP_FILTER_FLAG_LOG", kernel::FLAG_LOG),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", kernel::FLAG_SPEC_ALLOW),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", kernel::FLAG_WAIT_KILLABLE_RECV | kernel::FLAG_NEW_LISTENER),
    ];
    let supported: Vec<&str> =
        known.iter().filter(|(_, flags)| kernel::knows_flags(*flags)).map(|(name, _)| *name).collect();
    let hooks = POINTS.map(crate::runtime::hook::Point::name);
    let known_flags = known.map(|(name, _)| name);
    let capabilities: Vec<String> = CapSet::ALL.names().collect();
    let value = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": hooks,
        "mountOptions": plan::OPTIONS,
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": capabilities,
            "cgroup": {"v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true},
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS,
                "operators": seccomp::OPERATORS,
                "archs": seccomp::architectures(),
                "knownFlags": known_flags,
                "supportedFlags": supported,
            },
            "apparmor": {"enabled": true},
            "selinux": {"enabled": true},
            "intelRdt": {"enabled": true, "schemata": true, "monitoring": true},
            "memoryPolicy": {
                "modes": ["MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED",
                    "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"],
                "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"],
            },
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": true},
        },
        "annotations": {"org.dhow.version": env!("CARGO_PKG_VERSION")},
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property."],
    });
    Ok(serde_json::to_string_pretty(&value).context("encode the features")? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Features, Spec};

    #[test]
    fn the_example_is_valid() {
        for rootless in [false, true] {
            let spec: Spec = serde_json::from_value(example(rootless)).unwrap();
            crate::runtime::validate::spec(&spec).unwrap();
            plan::plan(spec.mounts().as_deref().unwrap()).unwrap();
        }
    }

    #[test]
    fn features_have_the_shape_of_the_specification() {
        let features: Features = serde_json::from_str(&features().unwrap()).unwrap();
        assert_eq!(features.oci_version_max(), VERSION);
        assert_eq!(features.hooks().as_ref().unwrap().len(), 6);
        assert!(features.linux().as_ref().unwrap().capabilities().as_ref().unwrap().len() > 40);
    }
}
