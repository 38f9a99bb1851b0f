//! `inspect` of a container: the document of podman 5, field by field in its order, so that templates and scripts find
//! what they look for.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::container::Container;
use super::{Engine, facts, port, rootfs, spec};
use crate::model::container::{ContainerConfig, DeviceLimit, IdRange, Namespace, RestartKind, RootFs, UserNamespace};
use crate::model::health::Check;
use crate::model::image::Driver;
use crate::model::mount::{Mount, Source};
use crate::model::network::{Endpoint, NetworkMode};
use crate::model::service::CgroupsMode;
use crate::model::signal;
use crate::model::size;
use crate::model::status::Status;
use crate::runtime::capability;
use crate::storage::layer::Layers;
use crate::storage::volume::local::Volumes;
use crate::storage::{overlay, tree, whole};

/// What Go prints for a time that was never set.
const ZERO: &str = "0001-01-01T00:00:00Z";

/// Bytes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// What it wrote.
    pub(crate) writable: u64,
    /// The image below.
    pub(crate) image: u64,
}

impl Engine {
    /// The document of the container that `name` means; `size` adds what it takes on the disk.
    pub(crate) fn inspect_container(&self, name: &str, size: bool) -> Result<Value> {
        let read = self.read(name)?;
        let mut document = self.container_document(&read)?;
        if size && let Some(fields) = document.as_object_mut() {
            let size = self.container_size(&read)?;
            fields.insert("SizeRw".to_owned(), size.writable.into());
            fields.insert("SizeRootFs".to_owned(), (size.writable + size.image).into());
        }
        Ok(document)
    }

    /// Measures the writable layer: slow.
    pub(crate) fn container_size(&self, read: &Container) -> Result<Size> {
        let dir = self.paths.container(&read.config.id).join("rootfs");
        let writable = match &read.config.root_fs {
            _ if !dir.is_dir() => 0,
            RootFs::Image { driver, .. } if !driver.is_overlay() => {
                let base = rootfs::base(self, &read.config)?.map(|base| tree::open(&base)).transpose()?;
                whole::usage(tree::open(&whole::own(&dir))?.as_fd(), base.as_ref().map(AsFd::as_fd))?
            }
            _ => overlay::usage(&dir)?.bytes,
        };
        let mut image = 0;
        if let RootFs::Image { layers, .. } = &read.config.root_fs {
            let store = Layers::new(&self.paths);
            for chain in layers {
                image += store.record(chain)?.map_or(0, |record| record.size);
            }
        }
        Ok(Size { writable, image })
    }

    fn container_document(&self, read: &Container) -> Result<Value> {
        let config = &read.config;
        let dir = self.paths.container(&config.id);
        let bundle = dir.join("bundle");
        let file = |name: &str| {
            let path = bundle.join(name);
            if path.exists() { path.to_string_lossy().into_owned() } else { String::new() }
        };
        let words: Vec<&String> = config.entrypoint.iter().flatten().chain(&config.command).collect();
        let bounding = facts::bounding()?;
        let set = facts::capabilities(config, bounding)?;
        let root = matches!(config.user.split(':').next(), Some("" | "0" | "root"));
        let effective = if root { set } else { capability::requested(&config.security.cap_add, bounding)? };
        let sorted = |set: capability::CapSet| {
            let mut names: Vec<String> = set.names().collect();
            names.sort();
            names
        };
        let image = config.image.as_ref();
        let mut document = json!({
            "Id": config.id,
            "Created": go_time(Some(config.created)),
            "Path": words.first(),
            "Args": words.get(1..).unwrap_or_default(),
            "State": Self::state_document(read),
            "Image": image.map_or("", |image| &image.id),
            "ImageDigest": image.and_then(|image| image.digest.as_deref()).unwrap_or_default(),
            "ImageName": image.map_or("", |image| &image.name),
            "Rootfs": match &config.root_fs {
                RootFs::Directory { path, .. } => path.as_str(),
                RootFs::Image { .. } => "",
            },
            "Pod": "",
            "ResolvConfPath": file("resolv.conf"),
            "HostnamePath": file("hostname"),
            "HostsPath": file("hosts"),
            "StaticDir": dir,
        });
        let mut more = json!({
            "OCIConfigPath": file("config.json"),
            "OCIRuntime": config.runtime.as_ref().map_or("dhow", |runtime| runtime.name.as_str()),
            "ConmonPidFile": config.monitor_pidfile.as_deref().unwrap_or_default(),
            "PidFile": config.pidfile.as_deref().unwrap_or_default(),
            "Name": config.name,
            "RestartCount": read.state.restarts,
            "Driver": driver_of(config).name(),
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": facts::apparmor_profile(self, config),
            "EffectiveCaps": sorted(effective),
            "BoundingCaps": sorted(set),
            "ExecIDs": exec_ids(&dir)?,
            "GraphDriver": { "Name": driver_of(config).name(), "Data": self.graph(config, &dir) },
            "Mounts": self.mounts_document(config),
            "Dependencies": dependencies(config),
            "NetworkSettings": network_document(read),
            "Namespace": "",
            "IsInfra": false,
            "IsService": false,
            "KubeExitCodePropagation": "invalid",
            "lockNumber": 0,
            "Config": config_document(config),
            "HostConfig": Self::host_document(read, &dir),
        });
        if let (Some(fields), Some(more)) = (document.as_object_mut(), more.as_object_mut()) {
            if more.get("OCIConfigPath") == Some(&Value::from("")) {
                more.shift_remove("OCIConfigPath");
            }
            fields.append(more);
        }
        Ok(document)
    }

    fn state_document(read: &Container) -> Value {
        let state = &read.state;
        let status = state.status;
        let pid = |process: Option<crate::model::container::ProcessRef>| {
            process.filter(|_| status.is_alive()).map_or(0, |process| process.pid)
        };
        let mut document = json!({
            "OciVersion": "1.2.0",
            "Status": status.as_str(),
            "Running": matches!(status, Status::Running | Status::Stopping),
            "Paused": status == Status::Paused,
            "Restarting": state.restart_at.is_some(),
            "OOMKilled": state.oom_killed,
            "Dead": false,
            "Pid": pid(state.init),
            "ConmonPid": pid(state.monitor),
            "ExitCode": state.exit_code.unwrap_or(if status == Status::Exited { -1 } else { 0 }),
            "Error": state.error,
            "StartedAt": go_time(state.started_at),
            "FinishedAt": go_time(state.finished_at),
            "Health": read.health.as_ref().map(|health| json!({
                "Status": health.status,
                "FailingStreak": health.failing_streak,
                "Log": health.log,
            })),
            "CgroupPath": cgroup_path(state.cgroup.as_ref()),
            "CheckpointedAt": ZERO,
            "RestoredAt": ZERO,
            "StoppedByUser": state.stopped_by_user,
        });
        if let Some(fields) = document.as_object_mut() {
            if read.health.is_none() {
                fields.shift_remove("Health");
            }
            if pid(state.monitor) == 0 {
                fields.shift_remove("ConmonPid");
            }
            if fields.get("CgroupPath") == Some(&Value::from("")) {
                fields.shift_remove("CgroupPath");
            }
            if !state.warnings.is_empty() {
                // Ours: what may keep its network from working.
                fields.insert("Warnings".to_owned(), json!(state.warnings));
            }
        }
        document
    }

    fn graph(&self, config: &ContainerConfig, dir: &Path) -> Value {
        let lower = match &config.root_fs {
            RootFs::Directory { overlay: false, .. } => return Value::Null,
            RootFs::Directory { path, .. } => path.clone(),
            RootFs::Image { driver, .. } if !driver.is_overlay() => return Value::Null,
            RootFs::Image { layers, .. } => {
                let store = Layers::new(&self.paths);
                let dirs = layers.iter().rev().map(|chain| store.place(chain));
                dirs.collect::<Vec<_>>().join(":")
            }
        };
        let below = |name: &str| dir.join("rootfs").join(name);
        json!({ "LowerDir": lower, "UpperDir": below("upper"), "WorkDir": below("work") })
    }

    fn mounts_document(&self, config: &ContainerConfig) -> Value {
        let volumes = Volumes::new(&self.paths);
        let mount = |mount: &Mount| {
            let (propagation, options): (Vec<&String>, Vec<&String>) =
                mount.options.iter().partition(|option| is_propagation(option));
            let mut shown: Vec<&str> = options.into_iter().map(String::as_str).collect();
            shown.push(if mount.shallow { "bind" } else { "rbind" });
            let (kind, name, source, driver) = match &mount.source {
                Source::Bind { path } => ("bind", None, path.clone(), ""),
                Source::Volume { name, .. } => {
                    let name = name.clone().unwrap_or_default();
                    let data = volumes.data(&name).to_string_lossy().into_owned();
                    ("volume", Some(name), data, "local")
                }
                Source::Image { image, .. } => ("image", None, image.clone(), ""),
                Source::Artifact { artifact, .. } => ("artifact", None, artifact.clone(), ""),
                Source::Tmpfs | Source::Ramfs | Source::Devpts | Source::Glob { .. } => return None,
            };
            let mut document = Map::new();
            document.insert("Type".to_owned(), kind.into());
            if let Some(name) = name {
                document.insert("Name".to_owned(), name.into());
            }
            let rest = json!({
                "Source": source,
                "Destination": mount.target,
                "Driver": driver,
                "Mode": "",
                "Options": shown,
                "RW": !mount.read_only,
                "Propagation": propagation.first().map_or("rprivate", |option| option.as_str()),
            });
            document.extend(rest.as_object().cloned().unwrap_or_default());
            Some(Value::Object(document))
        };
        config.mounts.iter().filter_map(mount).collect()
    }

    fn host_document(read: &Container, dir: &Path) -> Value {
        let config = &read.config;
        let resources = &config.resources;
        let log_path = crate::monitor::log::path(&config.log, dir);
        let max_size = config.log.max_size.map_or_else(|| "0B".to_owned(), size::human);
        let mut document = json!({
            "Binds": Self::binds(config),
            "CgroupManager": if config.systemd_cgroup { "systemd" } else { "cgroupfs" },
            "CgroupMode": namespace(&config.cgroup),
            "ContainerIDFile": "",
            "LogConfig": {
                "Type": config.log.driver.name(),
                "Config": null,
                "Path": log_path,
                "Tag": config.log.tag.as_deref().unwrap_or_default(),
                "Size": max_size,
            },
            "NetworkMode": network_mode(&config.network),
            "PortBindings": bindings(read, false),
            "RestartPolicy": {
                "Name": match config.restart.kind {
                    RestartKind::No => "no",
                    RestartKind::OnFailure => "on-failure",
                    RestartKind::Always => "always",
                    RestartKind::UnlessStopped => "unless-stopped",
                },
                "MaximumRetryCount": config.restart.retries,
            },
            "AutoRemove": config.remove,
            "AutoRemoveImage": false,
            "Annotations": config.annotations,
            "VolumeDriver": "",
            "VolumesFrom": if config.volumes_from.is_empty() { Value::Null } else { json!(config.volumes_from) },
            "CapAdd": capabilities(&config.security.cap_add),
            "CapDrop": capabilities(&config.security.cap_drop),
            "Dns": config.names.dns,
            "DnsOptions": config.names.dns_option,
            "DnsSearch": config.names.dns_search,
            "ExtraHosts": config.names.add_host,
            "HostsFile": "",
            "GroupAdd": config.group_add,
            "IpcMode": namespace(&config.ipc),
            "Cgroup": "",
            "Cgroups": if config.cgroups == CgroupsMode::Disabled { "disabled" } else { "default" },
            "Links": null,
            "OomScoreAdj": config.oom_score_adj.unwrap_or(0),
            "PidMode": namespace(&config.pid),
            "Privileged": config.security.privileged,
            "PublishAllPorts": false,
            "ReadonlyRootfs": config.read_only,
            "SecurityOpt": security(config),
            "Tmpfs": tmpfs(config),
            "UTSMode": namespace(&config.uts),
            "UsernsMode": user_mode(&config.userns),
        });
        let more = json!({
            "ShmSize": config.shm_size,
            "Runtime": "dhow",
            "ConsoleSize": [0, 0],
            "Isolation": "",
            "CpuShares": resources.cpu_shares.unwrap_or(0),
            "Memory": resources.memory.unwrap_or(0),
            "NanoCpus": nano_cpus(resources.cpu_quota, resources.cpu_period),
            "CgroupParent": config.cgroup_parent.as_deref().unwrap_or_default(),
            "BlkioWeight": resources.blkio_weight.unwrap_or(0),
            "BlkioWeightDevice": device_limits(&resources.blkio_weight_device, "Weight"),
            "BlkioDeviceReadBps": device_limits(&resources.device_read_bps, "Rate"),
            "BlkioDeviceWriteBps": device_limits(&resources.device_write_bps, "Rate"),
            "BlkioDeviceReadIOps": device_limits(&resources.device_read_iops, "Rate"),
            "BlkioDeviceWriteIOps": device_limits(&resources.device_write_iops, "Rate"),
            "CpuPeriod": resources.cpu_period.unwrap_or(0),
            "CpuQuota": resources.cpu_quota.unwrap_or(0),
            "CpuRealtimePeriod": resources.cpu_rt_period.unwrap_or(0),
            "CpuRealtimeRuntime": resources.cpu_rt_runtime.unwrap_or(0),
            "CpusetCpus": resources.cpuset_cpus.as_deref().unwrap_or_default(),
            "CpusetMems": resources.cpuset_mems.as_deref().unwrap_or_default(),
            "Devices": config.devices.iter().map(|device| json!({
                "PathOnHost": device.host,
                "PathInContainer": device.inside,
                "CgroupPermissions": device.access,
            })).collect::<Vec<_>>(),
            "DiskQuota": 0,
            "KernelMemory": 0,
            "MemoryReservation": resources.memory_reservation.unwrap_or(0),
            "MemorySwap": resources.memory_swap.unwrap_or(0),
            "MemorySwappiness": resources.memory_swappiness.unwrap_or(0),
            "OomKillDisable": resources.oom_kill_disable,
            "PidsLimit": resources.pids.unwrap_or(0),
            "Ulimits": config.ulimits.iter().map(|limit| json!({
                "Name": format!("RLIMIT_{}", limit.name.to_uppercase()),
                "Soft": limit.soft,
                "Hard": limit.hard,
            })).collect::<Vec<_>>(),
            "CpuCount": 0,
            "CpuPercent": 0,
            "IOMaximumIOps": 0,
            "IOMaximumBandwidth": 0,
            "CgroupConf": (!resources.cgroup_conf.is_empty()).then_some(&resources.cgroup_conf),
        });
        if let Some(fields) = document.as_object_mut() {
            if let UserNamespace::Mapped { uids, gids, .. } = &config.userns {
                fields.insert("IDMappings".to_owned(), json!({ "UidMap": ranges(uids), "GidMap": ranges(gids) }));
            }
            fields.extend(more.as_object().cloned().unwrap_or_default());
        }
        document
    }

    /// `SOURCE:TARGET:OPTIONS`, as `-v` takes them.
    fn binds(config: &ContainerConfig) -> Vec<String> {
        let bind = |mount: &Mount| {
            let source = match &mount.source {
                Source::Bind { path } => path.clone(),
                Source::Volume { name, .. } => name.clone().unwrap_or_default(),
                Source::Tmpfs
                | Source::Ramfs
                | Source::Devpts
                | Source::Image { .. }
                | Source::Glob { .. }
                | Source::Artifact { .. } => return None,
            };
            let mut options = vec![if mount.read_only { "ro" } else { "rw" }];
            if !mount.options.iter().any(|option| is_propagation(option)) {
                options.push("rprivate");
            }
            options.extend(mount.options.iter().map(String::as_str));
            options.push(if mount.shallow { "bind" } else { "rbind" });
            Some(format!("{source}:{}:{}", mount.target, options.join(",")))
        };
        config.mounts.iter().filter_map(bind).collect()
    }
}

/// A time as Go writes it in JSON.
fn go_time(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return ZERO.to_owned() };
    let at = at.to_zoned(TimeZone::system());
    let offset = if at.offset().seconds() == 0 { "Z".to_owned() } else { at.strftime("%:z").to_string() };
    format!("{}{offset}", at.strftime("%Y-%m-%dT%H:%M:%S%.f"))
}

fn is_propagation(option: &str) -> bool {
    matches!(option, "shared" | "rshared" | "slave" | "rslave" | "private" | "rprivate" | "unbindable" | "runbindable")
}

/// Where a run's cgroup is, whatever the hierarchy.
fn cgroup_path(stored: Option<&Value>) -> String {
    let Some(fields) = stored.and_then(Value::as_object) else { return String::new() };
    fields.get("path").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The sessions that have a directory.
fn exec_ids(dir: &Path) -> Result<Vec<String>> {
    match std::fs::read_dir(dir.join("exec")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                Ok(entry.context("list exec sessions")?.file_name().to_string_lossy().into_owned())
            };
            entries.context("list exec sessions")?.map(name).collect()
        }
    }
}

/// Limits of devices, `null` where there are none.
fn device_limits(limits: &[DeviceLimit], key: &str) -> Value {
    if limits.is_empty() {
        return Value::Null;
    }
    limits.iter().map(|limit| json!({ "Path": limit.path, key: limit.value })).collect()
}

/// The containers whose namespaces are shared.
fn dependencies(config: &ContainerConfig) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for namespace in [&config.pid, &config.ipc, &config.uts, &config.cgroup] {
        if let Namespace::Container(id) = namespace {
            all.push(id.to_string());
        }
    }
    if let NetworkMode::Container(id) = &config.network {
        all.push(id.clone());
    }
    if let UserNamespace::Container { of } = &config.userns {
        all.push(of.to_string());
    }
    all.extend(config.requires.iter().map(ToString::to_string));
    all.sort();
    all.dedup();
    all
}

fn namespace(namespace: &Namespace) -> String {
    match namespace {
        Namespace::Private => "private".to_owned(),
        Namespace::Host => "host".to_owned(),
        Namespace::Container(id) => format!("container:{id}"),
        Namespace::Path(path) => format!("ns:{path}"),
    }
}

fn network_mode(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Container(id) => format!("container:{id}"),
        NetworkMode::Path(path) => format!("ns:{path}"),
        other => other.as_str().to_owned(),
    }
}

fn user_mode(userns: &UserNamespace) -> String {
    match userns {
        UserNamespace::Host => String::new(),
        UserNamespace::Mapped { .. } => "private".to_owned(),
        UserNamespace::Container { of } => format!("container:{of}"),
        UserNamespace::Path { path } => format!("ns:{path}"),
    }
}

fn ranges(ranges: &[IdRange]) -> Vec<String> {
    ranges.iter().map(|range| format!("{}:{}:{}", range.inside, range.outside, range.size)).collect()
}

/// Names of capabilities in full.
fn capabilities(asked: &[String]) -> Vec<String> {
    let full = |name: &String| {
        let name = name.to_uppercase();
        if name == "ALL" || name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    };
    asked.iter().map(full).collect()
}

fn nano_cpus(quota: Option<i64>, period: Option<u64>) -> i64 {
    let period = period.and_then(|period| i64::try_from(period).ok()).unwrap_or(0);
    match (quota, period) {
        (Some(quota @ 1..), 1..) => quota.saturating_mul(1_000_000_000) / period,
        _ => 0,
    }
}

/// What `--security-opt` said.
fn security(config: &ContainerConfig) -> Vec<String> {
    let security = &config.security;
    let mut options = Vec::new();
    options.extend(security.apparmor.iter().map(|name| format!("apparmor={name}")));
    options.extend(security.seccomp.iter().map(|profile| format!("seccomp={profile}")));
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    for (key, paths) in [("mask", &security.mask), ("unmask", &security.unmask)] {
        if !paths.is_empty() {
            options.push(format!("{key}={}", paths.join(":")));
        }
    }
    options
}

fn tmpfs(config: &ContainerConfig) -> BTreeMap<&str, String> {
    let mounts = config.mounts.iter().filter(|mount| mount.source == Source::Tmpfs);
    let options = |mount: &Mount| {
        let mut options = vec![if mount.read_only { "ro" } else { "rw" }, "rprivate"];
        options.extend(mount.options.iter().map(String::as_str));
        options.join(",")
    };
    mounts.map(|mount| (mount.target.as_str(), options(mount))).collect()
}

/// Published ports by port inside; with `exposed` also those that are not published, as null.
fn bindings(read: &Container, exposed: bool) -> Value {
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    if exposed {
        for text in &read.config.exposed {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            all.insert(format!("{port}/{protocol}"), Value::Null);
        }
    }
    for published in port::published(read) {
        let ip = if published.host_ip.is_empty() { "0.0.0.0" } else { &published.host_ip };
        let binding = json!({ "HostIp": ip, "HostPort": published.host_port.to_string() });
        match all.entry(published.inside()).or_insert(Value::Null) {
            Value::Array(list) => list.push(binding),
            none => *none = json!([binding]),
        }
    }
    json!(all)
}

/// The addresses of an endpoint, as both `NetworkSettings` and each of its networks have them.
fn addresses(endpoint: Option<&Endpoint>) -> Map<String, Value> {
    let of = |ipv6: bool| {
        let found = endpoint.and_then(|endpoint| endpoint.addresses.iter().find(|a| a.address.ip().is_ipv6() == ipv6));
        let gateway = found.and_then(|address| address.gateway).map(|ip| ip.to_string()).unwrap_or_default();
        let ip = found.map(|address| address.address.ip().to_string()).unwrap_or_default();
        (gateway, ip, found.map_or(0, |address| address.address.prefix()))
    };
    let ((gateway, ip, prefix), (gateway6, ip6, prefix6)) = (of(false), of(true));
    let document = json!({
        "EndpointID": "",
        "Gateway": gateway,
        "IPAddress": ip,
        "IPPrefixLen": prefix,
        "IPv6Gateway": gateway6,
        "GlobalIPv6Address": ip6,
        "GlobalIPv6PrefixLen": prefix6,
        "MacAddress": endpoint.map(|endpoint| endpoint.mac.to_string()).unwrap_or_default(),
    });
    document.as_object().cloned().unwrap_or_default()
}

fn network_document(read: &Container) -> Value {
    let Container { config, state, .. } = read;
    let single = match state.endpoints.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let mut document = addresses(single);
    let pid = state.init.filter(|_| state.status.is_alive()).map(|init| init.pid);
    let rest = json!({
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": bindings(read, true),
        "SandboxKey": pid.map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default(),
    });
    document.extend(rest.as_object().cloned().unwrap_or_default());
    if let NetworkMode::Bridge(attachments) = &config.network {
        let mut networks = Map::new();
        for attachment in attachments {
            let endpoint = state.endpoints.iter().find(|endpoint| endpoint.network == attachment.network);
            let mut aliases = vec![config.id.short().to_owned()];
            aliases.extend(attachment.aliases.iter().cloned());
            let mut network = addresses(endpoint);
            let rest = json!({
                "NetworkID": endpoint.map_or(attachment.network.as_str(), |endpoint| &endpoint.network_id),
                "DriverOpts": null,
                "IPAMConfig": null,
                "Links": null,
                "Aliases": aliases,
            });
            network.extend(rest.as_object().cloned().unwrap_or_default());
            networks.insert(attachment.network.clone(), network.into());
        }
        document.insert("Networks".to_owned(), networks.into());
    }
    document.into()
}

/// A health check in Docker's words; its times are nanoseconds, and what is zero is left out.
fn check(check: &Check) -> Value {
    let mut document = Map::new();
    document.insert("Test".to_owned(), json!(check.test));
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    for (key, value) in [
        ("StartPeriod", nanos(check.start_period)),
        ("Interval", nanos(check.interval)),
        ("Timeout", nanos(check.timeout)),
        ("Retries", check.retries.into()),
    ] {
        if value > 0 {
            document.insert(key.to_owned(), value.into());
        }
    }
    document.into()
}

fn config_document(config: &ContainerConfig) -> Value {
    let or_null = |empty: bool, value: Value| if empty { Value::Null } else { value };
    let mut exposed: Map<String, Value> = Map::new();
    for text in &config.exposed {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        exposed.insert(format!("{port}/{protocol}"), json!({}));
    }
    let mut document = json!({
        "Hostname": if config.uts == Namespace::Private { spec::hostname(config) } else { String::new() },
        "Domainname": "",
        "User": config.user,
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": config.tty,
        "OpenStdin": config.stdin,
        "StdinOnce": false,
        "Env": spec::environment(config).into_iter().chain(super::secret::veiled(config)).collect::<Vec<_>>(),
        "Cmd": or_null(config.command.is_empty(), json!(config.command)),
        "Image": config.image.as_ref().map_or("", |image| &image.name),
        "Volumes": null,
        "WorkingDir": config.workdir,
        "Entrypoint": config.entrypoint,
        "OnBuild": null,
        "Labels": or_null(config.labels.is_empty(), json!(config.labels)),
        "Annotations": or_null(config.annotations.is_empty(), json!(config.annotations)),
        "StopSignal": signal::name(config.stop_signal),
        "Healthcheck": config.health.as_ref().map(|health| check(&health.check)),
        "HealthcheckOnFailureAction": config.health.as_ref().map_or("none", |health| health.on_failure.as_str()),
        "CreateCommand": config.create_command,
        "Umask": format!("{:04o}", config.umask.unwrap_or(0o022)),
        "Timeout": config.timeout,
        "StopTimeout": config.stop_timeout,
        "Passwd": !config.accounts.untouched,
        "sdNotifyMode": config.notify.name(),
    });
    if let (Value::Array(secrets), Some(fields)) = (super::secret::document(config), document.as_object_mut())
        && !secrets.is_empty()
    {
        fields.insert("Secrets".to_owned(), Value::Array(secrets));
    }
    if let Some(fields) = document.as_object_mut() {
        match config.health.as_deref() {
            None => drop(fields.shift_remove("Healthcheck")),
            Some(health) => {
                if let Some(startup) = &health.startup {
                    let mut document = check(startup);
                    document["Successes"] = startup.successes.into();
                    fields.insert("StartupHealthCheck".to_owned(), document);
                }
                let events = if health.log_events { "events_logger" } else { "local" };
                let directory = health.log_directory.as_deref().unwrap_or(events);
                fields.insert("HealthLogDestination".to_owned(), directory.into());
                fields.insert("HealthcheckMaxLogCount".to_owned(), health.log_count.into());
                fields.insert("HealthcheckMaxLogSize".to_owned(), health.log_size.into());
            }
        }
    }
    if let (Some(zone), Some(fields)) = (&config.timezone, document.as_object_mut()) {
        fields.insert("Timezone".to_owned(), zone.as_str().into());
    }
    if config.systemd
        && let Some(fields) = document.as_object_mut()
    {
        fields.insert("SystemdMode".to_owned(), true.into());
    }
    if !exposed.is_empty()
        && let Some(fields) = document.as_object_mut()
    {
        fields.insert("ExposedPorts".to_owned(), exposed.into());
    }
    document
}

fn driver_of(config: &ContainerConfig) -> Driver {
    match &config.root_fs {
        RootFs::Image { driver, .. } => *driver,
        RootFs::Directory { .. } => Driver::Overlay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_things_are_podmans() {
        assert_eq!(go_time(None), ZERO);
        assert_eq!(nano_cpus(Some(50_000), Some(100_000)), 500_000_000);
        assert_eq!(nano_cpus(Some(-1), Some(100_000)), 0);
        assert_eq!(
            capabilities(&["net_raw".into(), "ALL".into(), "CAP_KILL".into()]),
            ["CAP_NET_RAW", "ALL", "CAP_KILL"]
        );
        assert_eq!(ranges(&[IdRange { inside: 0, outside: 1000, size: 1 }]), ["0:1000:1"]);
    }
}
