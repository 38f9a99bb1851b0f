//! What the specification of a container needs to know about the host, the store and other containers: looked up here, so
//! that [`super::spec`] stays pure.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxResources,
};

use super::Engine;
use super::container::Locked;
use super::spec::{self, BoundFile, Facts, Joined};
use crate::model::container::{ContainerConfig, Device, DeviceLimit, DeviceRule, Namespace, Resources, UserNamespace};
use crate::model::error::{Error, ErrorKind};
use crate::model::id::Id;
use crate::model::mount::Source;
use crate::model::network::NetworkMode;
use crate::model::service::CgroupsMode;
use crate::runtime::capability::{self, CapSet};
use crate::runtime::cgroup::{Cgroup, systemd};
use crate::runtime::seccomp::{document, profile};
use crate::runtime::{lsm, rlimit, schedule};
use crate::state::privilege::Privilege;
use crate::state::scope::enter;

/// The facts, and what goes to the monitor beside the specification.
pub(crate) struct Prepared {
    pub(crate) facts: Facts,
    /// Capabilities that a process which is not root keeps.
    pub(crate) requested: Vec<String>,
}

/// Where the cgroup of a container will be. Makes nothing of it; an ordinary user's process moves to where it can.
pub(crate) fn cgroup(engine: &Engine, config: &ContainerConfig) -> Result<Cgroup> {
    let user = engine.privilege.ordinary_user();
    let is_asked = config.resources.is_asked() || !config.device_rules.is_empty();
    match user.map_or(Ok(()), enter) {
        // From elsewhere nothing can be put into what was delegated to the user.
        Err(_) if !is_asked => return Ok(Cgroup::none()),
        entered => entered.context("resource limits were asked for")?,
    }
    if config.cgroups == CgroupsMode::Disabled {
        return Ok(Cgroup::none());
    }
    if config.cgroups == CgroupsMode::Split {
        return Cgroup::split(config.id.as_str());
    }
    if config.systemd_cgroup {
        return Ok(scope(engine, config, None)?.0);
    }
    let planned = Cgroup::plan(config.cgroup_parent.as_deref(), config.id.as_str(), user).context("plan the cgroup")?;
    if planned.is_none() && is_asked {
        let message = "resource limits were asked for, and this user has no cgroup to set them in";
        return Err(Error::unsupported(message)
            .hint("log in through systemd with cgroup v2 delegation, or leave the limits out")
            .into());
    }
    Ok(if config.runtime.is_some() { planned.with_all() } else { planned })
}

/// Why no service manager can make cgroups for containers here; `None` where it can.
pub(crate) fn without_systemd(privilege: &Privilege) -> Option<String> {
    systemd::missing(privilege.ordinary_user())
}

/// The scope of a container whose cgroup the service manager makes, with what it is to know of the limits; podman's names.
pub(crate) fn scope(
    engine: &Engine,
    config: &ContainerConfig,
    limits: Option<&LinuxResources>,
) -> Result<(Cgroup, systemd::Planned)> {
    let parent = config.cgroup_parent.as_deref();
    // Who stops the unit waits no longer than who stops the container, and annotations may say more of the unit.
    let patience = u64::from(config.stop_timeout).saturating_mul(1_000_000);
    let mut properties =
        HashMap::from([(format!("{}TimeoutStopUSec", systemd::ANNOTATION), format!("uint64 {patience}"))]);
    properties.extend(config.annotations.iter().map(|(name, value)| (name.clone(), value.clone())));
    scope_of(&config.id, parent, engine.privilege.ordinary_user(), limits, &properties)
}

/// The same of container `id` in a slice, or in the default one.
pub(crate) fn scope_of(
    id: &Id,
    slice: Option<&str>,
    user: Option<u32>,
    limits: Option<&LinuxResources>,
    properties: &HashMap<String, String>,
) -> Result<(Cgroup, systemd::Planned)> {
    let slice = slice.unwrap_or(if user.is_some() { "user.slice" } else { "machine.slice" });
    systemd::place(Some(&format!("{slice}:libpod:{id}")), id.as_str(), user, limits, properties)
}

/// Refuses a parent of the kind that the other manager of cgroups has; podman's words.
fn check_parent(config: &ContainerConfig) -> Result<()> {
    let Some(parent) = config.cgroup_parent.as_deref() else { return Ok(()) };
    let message = match (config.systemd_cgroup, parent.rsplit('/').next().unwrap_or_default().ends_with(".slice")) {
        (true, false) => "did not receive systemd slice as cgroup parent when using systemd to manage cgroups",
        (false, true) => "systemd slice received as cgroup parent when using cgroupfs",
        _ => return Ok(()),
    };
    Err(Error::invalid(format!("{message}: invalid argument")).into())
}

/// The capabilities that a process which is not root keeps, by name.
pub(crate) fn requested(config: &ContainerConfig) -> Result<Vec<String>> {
    Ok(capability::requested(&config.security.cap_add, bounding()?)?.names().collect())
}

/// Whether the nodes of a container are the host's own, as none can be made in a user namespace.
pub(super) fn binds_devices(engine: &Engine, config: &ContainerConfig) -> bool {
    engine.privilege.is_rootless() || matches!(config.userns, UserNamespace::Mapped { .. })
}

/// Looks everything up and writes the container's own files (`hosts`, `resolv.conf`, …) into `bundle`.
pub(crate) fn gather(engine: &Engine, locked: &Locked, cgroup: &Cgroup, bundle: &Path) -> Result<Prepared> {
    let config = &locked.config;
    let rootless = engine.privilege.is_rootless();
    let bounding = bounding()?;
    let set = capabilities(config, bounding)?;
    let requested = capability::requested(&config.security.cap_add, bounding)?;
    let bound = binds_devices(engine, config);
    let (devices, mut rules) = devices(config, bound)?;
    let mut device_rules = spec::default_device_rules(config.security.privileged)?;
    device_rules.append(&mut rules);
    let mut files = files(engine, config, bundle)?;
    files.extend(super::secret::files(locked));
    let facts = Facts {
        rootless,
        has_tty_group: has_tty_group(config),
        own_network: !matches!(config.network, NetworkMode::Host),
        joined: joined(engine, config)?,
        capabilities: capability::sets(set, requested, true)?,
        seccomp: seccomp(config, set)?,
        apparmor: apparmor(engine, config)?,
        rlimits: rlimits(config)?.limits,
        devices,
        device_rules,
        bound_devices: config.devices.iter().filter(|device| bound && device.host != device.inside).cloned().collect(),
        files,
        environment: super::secret::environment(engine, config)?,
        console: None,
        contents: super::volume::contents(engine, locked)?,
        artifacts: super::artifact_mount::binds(engine, config)?,
        dir: locked.dir(),
        throttles: throttles(),
        shm: shm(engine, config)?,
        cgroup_path: None,
        numbers: numbers(&config.resources)?,
        has_cgroup: !cgroup.is_none(),
        is_unified: config.systemd && crate::runtime::cgroup::is_unified(),
        counts_pids: cgroup.offers("pids"),
        root: PathBuf::from("rootfs"),
    };
    Ok(Prepared { facts, requested: requested.names().collect() })
}

/// Refuses what a start would refuse, before anything is made: names of capabilities, profiles, devices, limits.
/// Gives a line for each limit that was asked for and is lowered to what the host allows.
pub(crate) fn check(config: &ContainerConfig) -> Result<Vec<String>> {
    let security = &config.security;
    let plain = security.default_caps.is_none() && security.cap_add.is_empty() && security.cap_drop.is_empty();
    let set = if plain { CapSet::DEFAULT } else { capabilities(config, bounding()?)? };
    if security.seccomp.is_some() {
        seccomp(config, set)?;
    }
    asked_apparmor(config)?;
    if !config.devices.is_empty() {
        devices(config, true)?;
    }
    numbers(&config.resources)?;
    check_parent(config)?;
    check_sets(&config.resources)?;
    for mount in &config.mounts {
        if let Source::Bind { path } = &mount.source {
            super::volume::host_path(path)?;
        }
    }
    if config.ulimits.is_empty() {
        return Ok(Vec::new());
    }
    // What is lowered of the defaults `info` tells.
    let asked = |line: &String| config.ulimits.iter().any(|limit| line.starts_with(&format!("ulimit {}:", limit.name)));
    Ok(rlimits(config)?.warnings.into_iter().filter(asked).collect())
}

/// Refuses processors and memory nodes that this host does not have.
pub(crate) fn check_sets(resources: &Resources) -> Result<()> {
    for (what, asked, file) in [
        ("CPUs", &resources.cpuset_cpus, "/sys/devices/system/cpu/online"),
        ("memory nodes", &resources.cpuset_mems, "/sys/devices/system/node/online"),
    ] {
        if let Some(asked) = asked {
            schedule::check_available(what, asked, file)?;
        }
    }
    Ok(())
}

/// What this process, and so a container, can have at most.
pub(crate) fn bounding() -> Result<CapSet> {
    Ok(CapSet::from_mask(crate::sys::cap::current().context("read the capabilities of this process")?.bounding))
}

/// The capabilities of root in the container.
pub(crate) fn capabilities(config: &ContainerConfig, bounding: CapSet) -> Result<CapSet> {
    let security = &config.security;
    let base = match &security.default_caps {
        _ if security.privileged => bounding,
        Some(names) => capability::requested(names, bounding)?,
        None => CapSet::DEFAULT,
    };
    let merged = capability::merge(base, &security.cap_add, &security.cap_drop, bounding)?;
    let missing = merged.without(bounding);
    // The defaults are what the host can give; what was named must be given.
    let named = capability::requested(&security.cap_add, bounding)?.intersection(missing);
    if named != CapSet::EMPTY {
        let message = format!("capabilities {named} are not in the bounding set of this process");
        return Err(Error::new(ErrorKind::Denied, message).into());
    }
    Ok(merged.intersection(bounding))
}

/// The names of what a container has unless it was asked otherwise.
pub(crate) fn default_capabilities() -> Vec<String> {
    CapSet::DEFAULT.names().collect()
}

/// Refuses names that are no capabilities.
pub(crate) fn check_capabilities(names: &[String]) -> Result<()> {
    capability::requested(names, CapSet::ALL).map(drop)
}

/// The system call filter: `--security-opt seccomp=`, dhow's own profile, or none for `--privileged`.
pub(crate) fn seccomp(config: &ContainerConfig, set: CapSet) -> Result<Option<oci_spec::runtime::LinuxSeccomp>> {
    match config.security.seccomp.as_deref() {
        Some("unconfined") => Ok(None),
        None if config.security.privileged => Ok(None),
        None => profile::default_profile(profile::Variant::Default, set).map(Some),
        Some("strict") => profile::default_profile(profile::Variant::Strict, set).map(Some),
        Some(path) => {
            let json = fs::read(path).with_context(|| format!("opening seccomp profile failed: open {path}"))?;
            document::parse(&json, &document::Host::current(set))
                .with_context(|| format!("seccomp profile {path}"))
                .map(Some)
        }
    }
}

/// The AppArmor profile: one that was asked for, else dhow's own for root's containers, where the host can give that
/// (`info` says why not).
pub(crate) fn apparmor(engine: &Engine, config: &ContainerConfig) -> Result<Option<String>> {
    let is_default = config.security.apparmor.is_none() && !config.security.privileged;
    if is_default && !engine.privilege.is_rootless() && lsm::apparmor::enabled() {
        return Ok(lsm::apparmor::load_default().ok().map(|()| lsm::apparmor::DEFAULT.to_owned()));
    }
    asked_apparmor(config)
}

/// The AppArmor profile that a container has, for people; loads none.
pub(crate) fn apparmor_profile(engine: &Engine, config: &ContainerConfig) -> String {
    match &config.security.apparmor {
        Some(name) => name.clone(),
        None if config.security.privileged || engine.privilege.is_rootless() => String::new(),
        None if lsm::apparmor::is_loaded(lsm::apparmor::DEFAULT) == Some(true) => lsm::apparmor::DEFAULT.to_owned(),
        None => String::new(),
    }
}

/// The AppArmor profile that was asked for. One that the kernel does not know is refused.
fn asked_apparmor(config: &ContainerConfig) -> Result<Option<String>> {
    match config.security.apparmor.as_deref() {
        None | Some("unconfined" | "") => Ok(None),
        Some(name) if lsm::apparmor::enabled() => match lsm::apparmor::is_loaded(name) {
            Some(false) => {
                let message = format!("AppArmor profile {name:?} specified but not loaded");
                Err(Error::not_found(message).into())
            }
            // An ordinary user cannot look; init is told then.
            _ => Ok(Some(name.to_owned())),
        },
        Some(name) => {
            let message =
                format!("apparmor profile \"{name}\" was asked for, and AppArmor is not enabled on this host");
            Err(Error::unsupported(message).into())
        }
    }
}

/// The limits asked for over the defaults, none above what the host allows.
pub(crate) fn rlimits(config: &ContainerConfig) -> Result<rlimit::Limits> {
    let asked: Vec<_> = config.ulimits.iter().map(|limit| (limit.name.as_str(), limit.soft, limit.hard)).collect();
    rlimit::limits(&asked)
}

/// Nodes of `--device` and, with `--privileged`, of the host's /dev; with the cgroup rules that allow them.
fn devices(config: &ContainerConfig, bound: bool) -> Result<(Vec<LinuxDevice>, Vec<LinuxDeviceCgroup>)> {
    let (mut nodes, mut rules) = (Vec::new(), Vec::new());
    if config.security.privileged && !bound {
        host_devices(Path::new("/dev"), 0, &mut nodes)?;
    }
    for device in &config.devices {
        let (node, rule) = device_node(device)?;
        nodes.retain(|other: &LinuxDevice| other.path() != node.path());
        // One with another path than the host's is a mount then.
        if !bound || device.host == device.inside {
            nodes.push(node);
        }
        rules.push(rule);
    }
    for rule in &config.device_rules {
        rules.push(device_rule(rule)?);
    }
    Ok((nodes, rules))
}

/// The numbers of the devices that limits name.
pub(crate) fn numbers(resources: &Resources) -> Result<BTreeMap<String, (i64, i64)>> {
    let number = |limit: &DeviceLimit| {
        let meta = fs::metadata(&limit.path).with_context(|| format!("stat {}", limit.path))?;
        if !meta.file_type().is_block_device() {
            return Err(Error::invalid(format!("{} is not a block device", limit.path)).into());
        }
        let rdev = meta.rdev();
        Ok((limit.path.clone(), (i64::from(rustix::fs::major(rdev)), i64::from(rustix::fs::minor(rdev)))))
    };
    resources.device_limits().map(number).collect()
}

/// A rule of `--device-cgroup-rule`, or of a device.
fn device_rule(rule: &DeviceRule) -> Result<LinuxDeviceCgroup> {
    let kind = match rule.kind {
        'b' => LinuxDeviceType::B,
        'c' => LinuxDeviceType::C,
        _ => LinuxDeviceType::A,
    };
    let mut builder = LinuxDeviceCgroupBuilder::default().allow(true).typ(kind).access(rule.access.clone());
    if let Some(major) = rule.major {
        builder = builder.major(major);
    }
    if let Some(minor) = rule.minor {
        builder = builder.minor(minor);
    }
    builder.build().context("build a device rule")
}

fn device_node(device: &Device) -> Result<(LinuxDevice, LinuxDeviceCgroup)> {
    let meta = fs::metadata(&device.host).with_context(|| format!("stat {}", device.host))?;
    let kind = match meta.file_type() {
        kind if kind.is_char_device() => LinuxDeviceType::C,
        kind if kind.is_block_device() => LinuxDeviceType::B,
        _ => return Err(Error::invalid(format!("{} is not a device node", device.host)).into()),
    };
    let node = node(Path::new(&device.inside), kind, &meta)?;
    let rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(kind)
        .major(node.major())
        .minor(node.minor())
        .access(device.access.clone())
        .build()
        .context("build a device rule")?;
    Ok((node, rule))
}

fn node(path: &Path, kind: LinuxDeviceType, meta: &fs::Metadata) -> Result<LinuxDevice> {
    let rdev = meta.rdev();
    LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(i64::from(rustix::fs::major(rdev)))
        .minor(i64::from(rustix::fs::minor(rdev)))
        .file_mode(meta.mode() & 0o777)
        .uid(meta.uid())
        .gid(meta.gid())
        .build()
        .with_context(|| format!("describe {}", path.display()))
}

/// The host's nodes, as podman gives them to a privileged container: without terminals, shm, mqueue and what is ours.
fn host_devices(dir: &Path, depth: usize, nodes: &mut Vec<LinuxDevice>) -> Result<()> {
    const PASSED: [&str; 10] = ["pts", "shm", "fd", "mqueue", "console", "null", "zero", "full", "random", "urandom"];
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let entry = entry.with_context(|| format!("list {}", dir.display()))?;
        let name = entry.file_name();
        if PASSED.iter().any(|passed| name == *passed) || name == "tty" || name == "ptmx" {
            continue;
        }
        // A node that goes meanwhile was not there.
        let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
        let kind = meta.file_type();
        if kind.is_dir() && depth < 3 {
            host_devices(&entry.path(), depth + 1, nodes)?;
        } else if kind.is_char_device() {
            nodes.push(node(&entry.path(), LinuxDeviceType::C, &meta)?);
        } else if kind.is_block_device() {
            nodes.push(node(&entry.path(), LinuxDeviceType::B, &meta)?);
        }
    }
    Ok(())
}

/// Whether group 5 (tty) is mapped where the container lives; devpts refuses it otherwise.
fn has_tty_group(config: &ContainerConfig) -> bool {
    if let UserNamespace::Mapped { gids, .. } = &config.userns {
        return gids.iter().any(|range| range.inside <= 5 && 5 - range.inside < range.size);
    }
    let Ok(map) = fs::read_to_string("/proc/self/gid_map") else { return true };
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        matches!(numbers.as_slice(), [inside, _, size] if *inside <= 5 && 5 - inside < *size)
    })
}

/// The namespaces of other containers, by path.
fn joined(engine: &Engine, config: &ContainerConfig) -> Result<Joined> {
    let of = |namespace: &Namespace, file: &str| -> Result<Option<PathBuf>> {
        match namespace {
            Namespace::Private | Namespace::Host => Ok(None),
            Namespace::Path(path) => Ok(Some(PathBuf::from(path))),
            Namespace::Container(id) => Ok(Some(process_dir(engine, id)?.join("ns").join(file))),
        }
    };
    Ok(Joined {
        network: match &config.network {
            NetworkMode::Container(id) => Some(process_dir(engine, &id.parse::<Id>()?)?.join("ns/net")),
            NetworkMode::Path(path) => Some(PathBuf::from(path)),
            _ => None,
        },
        pid: of(&config.pid, "pid")?,
        ipc: of(&config.ipc, "ipc")?,
        uts: of(&config.uts, "uts")?,
        cgroup: of(&config.cgroup, "cgroup")?,
        user: match &config.userns {
            UserNamespace::Container { of } => Some(process_dir(engine, of)?.join("ns/user")),
            UserNamespace::Path { path } => Some(PathBuf::from(path)),
            _ => None,
        },
    })
}

/// `/proc/PID` of the init of another container, which must run.
pub(crate) fn process_dir(engine: &Engine, id: &Id) -> Result<PathBuf> {
    let other = engine.read_healed(id)?.ok_or_else(|| super::container::no_such(id.as_str()))?;
    match other.state.init {
        Some(init) if other.state.status.is_alive() => Ok(PathBuf::from(format!("/proc/{}", init.pid))),
        _ => {
            let message =
                format!("cannot join the namespaces of container {id} as it is not running: container state improper");
            Err(Error::state(message).hint("start it first").into())
        }
    }
}

/// The directories of [`Facts::throttles`]; most virtual machines have none.
fn throttles() -> Vec<String> {
    const PROCESSORS: &str = "/sys/devices/system/cpu";
    let place = |name: &str| format!("{PROCESSORS}/{name}/thermal_throttle");
    if !Path::new(&place("cpu0")).exists() {
        return Vec::new();
    }
    let is_processor = |name: &str| {
        name.strip_prefix("cpu").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names = fs::read_dir(PROCESSORS).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_processor(name));
    let mut places: Vec<String> = names.map(|name| place(&name)).filter(|place| Path::new(place).exists()).collect();
    places.sort();
    places
}

/// Where /dev/shm comes from when the ipc namespace is not the container's own.
fn shm(engine: &Engine, config: &ContainerConfig) -> Result<Option<PathBuf>> {
    match &config.ipc {
        Namespace::Host => Ok(Some(PathBuf::from("/dev/shm"))),
        Namespace::Container(id) => Ok(Some(process_dir(engine, id)?.join("root/dev/shm"))),
        Namespace::Private | Namespace::Path(_) => Ok(None),
    }
}

/// Writes the files that every container has of its own and says where they are mounted.
fn files(engine: &Engine, config: &ContainerConfig, bundle: &Path) -> Result<Vec<BoundFile>> {
    let mut files = Vec::new();
    let mut add = |source: PathBuf, target: &str, read_only: bool| {
        let mut options: Vec<String> = ["bind", "rprivate", "nosuid", "nodev", "noexec"].map(str::to_owned).into();
        if read_only {
            options.push("ro".to_owned());
        }
        if !config.mounts.iter().any(|mount| mount.target == target) {
            files.push(BoundFile { source, target: target.to_owned(), options });
        }
    };
    let root = super::owners::maps(engine, config)?.map(|maps| maps.root());
    let give = |path: &Path| match root {
        Some((uid, gid)) => {
            std::os::unix::fs::lchown(path, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))
        }
        None => Ok(()),
    };
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = bundle.join(name);
        super::files::write_shared(&path, text.as_bytes())?;
        give(&path)?;
        Ok(path)
    };
    if let NetworkMode::Container(id) = &config.network {
        // The names belong to the network: both containers have the same files.
        let id: Id = id.parse()?;
        let shared = engine.paths.container(&id).join("bundle");
        for (name, target) in [("hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf")] {
            if shared.join(name).exists() {
                add(shared.join(name), target, false);
            }
        }
    } else {
        if !config.names.no_hosts {
            add(write("hosts", &super::network::hosts(engine, config, &[])?)?, "/etc/hosts", false);
        }
        if super::network::has_resolv(&config.names) {
            add(write("resolv.conf", &super::network::resolv(config)?)?, "/etc/resolv.conf", false);
        }
    }
    if config.uts == Namespace::Private {
        add(write("hostname", &format!("{}\n", spec::hostname(config)))?, "/etc/hostname", false);
    }
    // podman writes the facts for a privileged container alone; the file itself is what scripts look for.
    let mut env = String::new();
    if config.security.privileged {
        env = format!(
            "engine=\"dhow-{}\"\nname=\"{}\"\nid=\"{}\"\nimage=\"{}\"\nimageid=\"{}\"\nrootless={}\n",
            env!("CARGO_PKG_VERSION"),
            config.name,
            config.id,
            config.image.as_ref().map_or("", |image| &image.name),
            config.image.as_ref().map_or("", |image| &image.id),
            u8::from(engine.privilege.is_rootless()),
        );
    }
    add(write(".containerenv", &env)?, "/run/.containerenv", false);
    if let Some(zone) = &config.timezone {
        let path = bundle.join("localtime");
        super::files::write_shared(&path, &super::account::zone(zone)?)?;
        give(&path)?;
        add(path, "/etc/localtime", false);
    }
    for dir in &config.chroot_dirs {
        for at in 0..files.len() {
            let file = &files[at];
            let target = format!("{}{}", dir.trim_end_matches('/'), file.target);
            files.push(BoundFile { source: file.source.clone(), target, options: file.options.clone() });
        }
    }
    if config.init {
        let own = match &config.init_path {
            Some(path) => PathBuf::from(path),
            None => crate::runtime::seal::installed().context("find our own binary")?,
        };
        let options = ["bind", "rprivate", "nosuid", "nodev", "ro"].map(str::to_owned).into();
        files.push(BoundFile { source: own, target: crate::runtime::reaper::PATH.to_owned(), options });
    }
    Ok(files)
}
