//! What this host has and gives, in podman's field names, and under `warnings` the defaults that it cannot give.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Engine;
use super::list::Listed;
use super::request::RegistryOptions;
use crate::image::registry::config::Registries;
use crate::image::store::ImageStore;
use crate::model::image::Driver;
use crate::model::platform::Platform;
use crate::model::status::Status;
use crate::runtime::capability::CapSet;
use crate::runtime::{cgroup, lsm, rlimit};
use crate::storage::overlay;
use crate::sys::{cap, seccomp};

impl Engine {
    /// The document of `info`.
    pub(crate) fn info(&self) -> Result<Value> {
        let mut warnings = Vec::new();
        let host = self.host(&mut warnings)?;
        let store = self.store(&mut warnings)?;
        let registries = self.registries(&RegistryOptions::default()).map(|access| access.config);
        let registries = registries.unwrap_or_else(|error| {
            warnings.push(format!("registries: {error:#}"));
            Registries::default()
        });
        warnings.extend(registries.warnings.iter().cloned());
        let platform = Platform::host();
        Ok(json!({
            "host": host,
            "store": store,
            "registries": registry_document(&registries),
            "plugins": {
                "volume": ["local"],
                "network": ["bridge"],
                "log": ["k8s-file", "json-file", "none", "passthrough", "journald"],
                "authorization": null,
            },
            "version": {
                "APIVersion": env!("CARGO_PKG_VERSION"),
                "Version": env!("CARGO_PKG_VERSION"),
                "GoVersion": "",
                "GitCommit": "",
                "BuiltTime": "Thu Jan  1 00:00:00 1970",
                "Built": 0,
                "Os": platform.os,
                "OsArch": format!("{}/{}", platform.os, platform.architecture),
            },
            "warnings": warnings,
        }))
    }

    fn host(&self, warnings: &mut Vec<String>) -> Result<Value> {
        let rootless = self.privilege.is_rootless();
        let uname = rustix::system::uname();
        let memory = meminfo();
        self.kernel(&uname.release().to_string_lossy(), warnings);
        let controllers = self.controllers(warnings);
        let bounding = CapSet::from_mask(cap::bounding().context("read the bounding set")?);
        let missing = CapSet::DEFAULT.without(bounding);
        if missing != CapSet::EMPTY {
            warnings
                .push(format!("containers lack capabilities of the default set that this process lacks: {missing}"));
        }
        let filters = seccomp::knows_flags(0);
        if !filters {
            warnings.push("the kernel has no seccomp filters: containers run without the default profile".to_owned());
        }
        if !rootless
            && lsm::apparmor::enabled()
            && let Err(error) = lsm::apparmor::load_default()
        {
            warnings.push(format!("containers run without the default AppArmor profile: {error:#}"));
        }
        match rlimit::limits(&[]) {
            Ok(limits) => warnings.extend(limits.warnings),
            Err(error) => warnings.push(format!("{error:#}")),
        }
        let platform = Platform::host();
        let maps = |name: &str| id_map(&format!("/proc/self/{name}"));
        let mappings = match rootless {
            true => json!({ "gidmap": maps("gid_map"), "uidmap": maps("uid_map") }),
            false => json!({ "gidmap": null, "uidmap": null }),
        };
        if rootless && maps("uid_map").as_array().is_some_and(|ranges| ranges.len() < 2) {
            warnings
                .push("only one user id is there: add ranges for this user to /etc/subuid and /etc/subgid".to_owned());
        }
        Ok(json!({
            "arch": platform.architecture,
            "cgroupVersion": controllers.0,
            "cgroupControllers": controllers.1,
            "conmon": own_program(),
            "cpus": std::thread::available_parallelism().map_or(1, usize::from),
            "cpuUtilization": processor_time(),
            "distribution": distribution(),
            "eventLogger": self.events.name(),
            "hostname": uname.nodename().to_string_lossy(),
            "idMappings": mappings,
            "kernel": uname.release().to_string_lossy(),
            "linkmode": "static",
            "logDriver": "k8s-file",
            "memFree": memory.get("MemFree").copied().unwrap_or(0),
            "memTotal": memory.get("MemTotal").copied().unwrap_or(0),
            "networkBackend": "dhow",
            "ociRuntime": own_program(),
            "os": platform.os,
            "remoteSocket": { "exists": false, "path": "" },
            "rootlessNetworkCmd": if rootless { "pasta" } else { "" },
            "security": {
                "apparmorEnabled": flag("/sys/module/apparmor/parameters/enabled"),
                "capabilities": CapSet::DEFAULT.intersection(bounding).names().collect::<Vec<_>>().join(","),
                "rootless": rootless,
                "seccompEnabled": filters,
                "seccompProfilePath": "",
                "selinuxEnabled": Path::new("/sys/fs/selinux/enforce").exists(),
            },
            "serviceIsRemote": false,
            "swapFree": memory.get("SwapFree").copied().unwrap_or(0),
            "swapTotal": memory.get("SwapTotal").copied().unwrap_or(0),
            "uptime": uptime(),
            "variant": platform.variant.unwrap_or_default(),
        }))
    }

    /// The version of the cgroups that containers get, and by what they can be limited.
    fn controllers(&self, warnings: &mut Vec<String>) -> (&'static str, Vec<String>) {
        let host = match cgroup::Host::detect(self.privilege.ordinary_user()) {
            Ok(host) => host,
            Err(error) => {
                warnings.push(format!("cgroups: {error:#}"));
                return ("none", Vec::new());
            }
        };
        let controllers = host.controllers();
        if !controllers.iter().any(|name| name == "pids") {
            let why = match controllers.is_empty() {
                true => "no cgroup may be made here",
                false => "the pids controller is not there",
            };
            warnings.push(format!("the default limit of processes is not set: {why}"));
        }
        let has = |name: &str| controllers.iter().any(|known| known == name);
        let mut missing: Vec<&str> = ["cpu", "cpuset", "memory"].into_iter().filter(|name| !has(name)).collect();
        if !has("io") && !has("blkio") {
            missing.push("io");
        }
        if !controllers.is_empty() && !missing.is_empty() {
            warnings.push(format!("limits need cgroup controllers that are not there: {}", missing.join(", ")));
        }
        if has("memory") && host.limits_swap() == Some(false) {
            warnings.push("the kernel does not count swap by cgroup: --memory-swap cannot be given".to_owned());
        }
        (host.version(), controllers)
    }

    /// What the kernel lacks that containers of root would have by default.
    fn kernel(&self, release: &str, warnings: &mut Vec<String>) {
        if self.privilege.is_rootless() {
            return;
        }
        if kernel_version(release).is_some_and(|version| version < MAPPED_LAYERS) {
            warnings.push("the kernel cannot map the owners of layers: containers with --userns get copies".to_owned());
        }
        let forwarding = Path::new("/proc/sys/net/ipv4/ip_forward");
        let is_off = fs::read_to_string(forwarding).is_ok_and(|text| text.trim() == "0");
        if is_off && rustix::fs::access(forwarding, rustix::fs::Access::WRITE_OK).is_err() {
            warnings
                .push("containers on a bridge reach nobody outside: net.ipv4.ip_forward is 0 and read-only".to_owned());
        }
    }

    fn store(&self, warnings: &mut Vec<String>) -> Result<Value> {
        let (mut running, mut paused, mut stopped) = (0_u64, 0_u64, 0_u64);
        for listed in self.list()? {
            match listed {
                Listed::Container(read) => match read.state.status {
                    Status::Running | Status::Stopping => running += 1,
                    Status::Paused => paused += 1,
                    _ => stopped += 1,
                },
                Listed::Damaged { id, error } => {
                    stopped += 1;
                    warnings.push(format!("container {}: {error:#}", id.short()));
                }
            }
        }
        let images = ImageStore::new(&self.paths).list()?;
        warnings.extend(images.damaged.iter().map(|error| format!("{error:#}")));
        if let (Driver::Overlay, Err(error)) = (self.driver, overlay::check_file_system(self.paths.data())) {
            warnings.push(format!("{error:#}"));
        }
        let data = self.paths.data();
        let stat = rustix::fs::statvfs(data).with_context(|| format!("stat file system of {}", data.display()))?;
        Ok(json!({
            "configFile": "",
            "containerStore": {
                "number": running + paused + stopped,
                "paused": paused,
                "running": running,
                "stopped": stopped,
            },
            "graphDriverName": self.driver.name(),
            "graphOptions": {},
            "graphRoot": data.to_string_lossy(),
            "graphRootAllocated": stat.f_blocks * stat.f_frsize,
            "graphRootUsed": (stat.f_blocks - stat.f_bfree) * stat.f_frsize,
            "graphStatus": {
                "Backing Filesystem": file_system(data),
                "Layer Format": self.layer_format.name(),
                "Native Overlay Diff": "true",
                "Supports d_type": "true",
                "Using metacopy": "false",
            },
            "imageCopyTmpDir": self.paths.tmp().to_string_lossy(),
            "imageStore": { "number": images.images.len() },
            "runRoot": self.paths.run().to_string_lossy(),
            "transientStore": false,
            "volumePath": self.paths.volumes().to_string_lossy(),
        }))
    }
}

/// Who watches over containers, and who makes them unless another runtime was asked for: this program.
fn own_program() -> Value {
    json!({
        "name": "dhow",
        "package": "",
        "path": std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        "version": concat!("dhow version ", env!("CARGO_PKG_VERSION")),
    })
}

fn registry_document(registries: &Registries) -> Value {
    let mut document = Map::new();
    if !registries.search.is_empty() {
        document.insert("search".to_owned(), json!(registries.search));
    }
    for registry in &registries.registries {
        let mirrors: Vec<Value> = registry
            .mirrors
            .iter()
            .map(|mirror| json!({ "Location": mirror.location, "Insecure": mirror.insecure }))
            .collect();
        document.insert(
            registry.prefix.clone(),
            json!({
                "Prefix": registry.prefix,
                "Location": registry.location,
                "Insecure": registry.insecure,
                "Blocked": registry.blocked,
                "MirrorByDigestOnly": registry.mirror_by_digest_only,
                "Mirrors": mirrors,
            }),
        );
    }
    Value::Object(document)
}

/// Overlay takes idmapped layers since Linux 5.19.
const MAPPED_LAYERS: (u32, u32) = (5, 19);

/// The first two numbers of a kernel's release.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// /proc/meminfo in bytes.
fn meminfo() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let kilobytes: u64 = rest.split_whitespace().next()?.parse().ok()?;
        Some((name.to_owned(), kilobytes.saturating_mul(1024)))
    };
    text.lines().filter_map(line).collect()
}

/// How the processors spent their time since boot, in percent.
#[expect(clippy::cast_precision_loss, reason = "percent with two digits")]
fn processor_time() -> Value {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<u64> =
        text.lines().next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse).collect();
    let total: u64 = ticks.iter().take(8).sum();
    let percent = |at: &[usize]| {
        let part: u64 = at.iter().filter_map(|at| ticks.get(*at)).sum();
        (part as f64 * 10_000.0 / total.max(1) as f64).round() / 100.0
    };
    json!({ "userPercent": percent(&[0, 1]), "systemPercent": percent(&[2, 5, 6]), "idlePercent": percent(&[3]) })
}

/// What /etc/os-release says.
fn distribution() -> Value {
    let text = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
    os_release(&text.unwrap_or_default())
}

fn os_release(text: &str) -> Value {
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
    };
    let id = value("ID");
    let mut document = json!({
        "distribution": if id.is_empty() { "unknown".to_owned() } else { id },
        "version": if value("VERSION_ID").is_empty() { "unknown".to_owned() } else { value("VERSION_ID") },
    });
    let codename = value("VERSION_CODENAME");
    if !codename.is_empty() {
        document["codename"] = codename.into();
    }
    document
}

/// A map of ids as podman lists it.
fn id_map(path: &str) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(json!({ "container_id": next()?, "host_id": next()?, "size": next()? }))
    };
    text.lines().filter_map(range).collect()
}

fn flag(path: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == "Y")
}

fn uptime() -> String {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(['.', ' ']).next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0_u64);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (days, hundredths) = (seconds / 86_400, seconds % 86_400 * 100 / 86_400);
    match hours {
        0 => format!("{minutes}m {rest}.00s"),
        _ => format!("{hours}h {minutes}m {rest}.00s (Approximately {days}.{hundredths:02} days)"),
    }
}

/// The name of a directory's file system, as podman has it.
fn file_system(path: &Path) -> String {
    const NAMES: [(u64, &str); 8] = [
        (0xef53, "extfs"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x0102_1994, "tmpfs"),
        (0x794c_7630, "overlayfs"),
        (0x6969, "nfs"),
        (0x2fc1_2fc1, "zfs"),
        (0xf2f5_2010, "f2fs"),
    ];
    let Ok(stat) = rustix::fs::statfs(path) else { return "unknown".to_owned() };
    let Ok(kind) = u64::try_from(stat.f_type) else { return "unknown".to_owned() };
    let known = NAMES.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| (*name).to_owned());
    known.unwrap_or_else(|| format!("{kind:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_read() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(os_release(text), json!({ "distribution": "debian", "version": "12", "codename": "bookworm" }));
        assert_eq!(os_release(""), json!({ "distribution": "unknown", "version": "unknown" }));
    }

    #[test]
    fn kernels_have_versions() {
        for (release, version) in [
            ("5.10.0-28-amd64", Some((5, 10))),
            ("6.18.1", Some((6, 18))),
            ("5.19", Some((5, 19))),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(kernel_version(release), version, "{release}");
        }
    }

    #[test]
    fn the_host_is_read() {
        assert!(meminfo().get("MemTotal").is_some_and(|total| *total > 1 << 20));
        assert!(processor_time()["idlePercent"].as_f64().is_some_and(|percent| (0.0..=100.0).contains(&percent)));
        assert!(uptime().ends_with(['s', ')']));
        assert!(id_map("/proc/self/uid_map")[0]["size"].as_u64().is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_release_is_read(text in "([A-Z_]{0,10}=[\"'a-z0-9]{0,10}\n?){0,4}|\\PC{0,60}") {
            drop(os_release(&text));
            let _ = kernel_version(&text);
        }
    }
}
