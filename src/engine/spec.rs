//! From a container's configuration to the OCI runtime specification. Pure: what must be looked up comes in as [`Facts`].
//!
//! `run`, `exec` and whatever else puts a process into a container use these functions, so that no default can be
//! forgotten in one of them. The user's name is resolved later, by the monitor, which has the root file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{
    LinuxBuilder, LinuxCapabilities, LinuxDevice, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxIdMapping,
    LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPersonalityBuilder,
    LinuxPersonalityDomain, LinuxSeccomp, Mount, MountBuilder, PosixRlimit, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, User, UserBuilder,
};

use super::volume::Content;
use crate::model::container::{ContainerConfig, Device, IdRange, Namespace, Security, UserNamespace};
use crate::model::error::Error;
use crate::model::mount::{self, Source};

/// The OCI version that the specification is written in.
const VERSION: &str = "1.2.0";

/// What is masked in every container that is not privileged: the union of podman's and Docker's lists, with what
/// [`Facts::throttles`] adds.
pub(crate) const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// What is read-only in every container that is not privileged.
pub(crate) const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A namespace to be joined, by the path of its file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    pub(crate) network: Option<PathBuf>,
    pub(crate) pid: Option<PathBuf>,
    pub(crate) ipc: Option<PathBuf>,
    pub(crate) uts: Option<PathBuf>,
    pub(crate) cgroup: Option<PathBuf>,
    pub(crate) user: Option<PathBuf>,
}

/// Where the content of a mount is, found by the engine.
#[derive(Clone, Debug)]
pub(crate) struct BoundFile {
    pub(crate) source: PathBuf,
    pub(crate) target: String,
    pub(crate) options: Vec<String>,
}

/// What the configuration does not hold and the host, the image or another container tells.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The engine is in a user namespace: no device can be made, sysfs may have to be bound.
    pub(crate) rootless: bool,
    /// Whether gid 5 (tty) is mapped.
    pub(crate) has_tty_group: bool,
    pub(crate) own_network: bool,
    pub(crate) joined: Joined,
    pub(crate) capabilities: LinuxCapabilities,
    pub(crate) seccomp: Option<LinuxSeccomp>,
    pub(crate) apparmor: Option<String>,
    pub(crate) rlimits: Vec<PosixRlimit>,
    /// Host nodes that `--device` and `--privileged` give.
    pub(crate) devices: Vec<LinuxDevice>,
    pub(crate) device_rules: Vec<LinuxDeviceCgroup>,
    /// Devices that are mounted.
    pub(crate) bound_devices: Vec<Device>,
    /// `/etc/hosts` and the like, made by the engine.
    pub(crate) files: Vec<BoundFile>,
    /// Variables that come from the start and not from the configuration.
    pub(crate) environment: Vec<String>,
    /// Rows and columns that its terminal begins with.
    pub(crate) console: Option<(u16, u16)>,
    /// What the mounts of the configuration show, in its order.
    pub(crate) contents: Vec<Content>,
    /// The files of the artifacts that it mounts, each a bind of its own.
    pub(crate) artifacts: Vec<(mount::Mount, Content)>,
    /// The directory of the container, where the layers of its `:O` mounts are.
    pub(crate) dir: PathBuf,
    /// The host's directories that tell how often each processor was too hot, which a neighbour's work shows in.
    pub(crate) throttles: Vec<String>,
    /// Where /dev/shm comes from when ipc is the host's or another container's.
    pub(crate) shm: Option<PathBuf>,
    pub(crate) cgroup_path: Option<String>,
    /// The numbers of the devices that limits name, by path.
    pub(crate) numbers: BTreeMap<String, (i64, i64)>,
    /// The container has a cgroup in which devices can be refused.
    pub(crate) has_cgroup: bool,
    /// The host has cgroup v2 alone; only looked up for a systemd.
    pub(crate) is_unified: bool,
    /// Processes can be counted there.
    pub(crate) counts_pids: bool,
    pub(crate) root: PathBuf,
}

/// How the host's node of a device is bound.
pub(super) const DEVICE_BIND: [&str; 4] = ["bind", "rprivate", "nosuid", "noexec"];

/// Generates the specification of `config`.
pub(crate) fn generate(config: &ContainerConfig, facts: &Facts) -> Result<Spec> {
    let privileged = config.security.privileged;
    let rules = facts.has_cgroup.then_some(facts.device_rules.as_slice());
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(config, facts)?)
        .resources(super::limit::resources(&config.resources, rules, facts.counts_pids, &facts.numbers)?)
        .devices(facts.devices.clone())
        .masked_paths(masked(&config.security, &facts.throttles))
        .readonly_paths(read_only(config));
    if let Some(path) = &facts.cgroup_path {
        linux = linux.cgroups_path(path);
    }
    if let Some(is_32) = config.personality32 {
        let domain = if is_32 { LinuxPersonalityDomain::PerLinux32 } else { LinuxPersonalityDomain::PerLinux };
        linux =
            linux.personality(LinuxPersonalityBuilder::default().domain(domain).build().context("build personality")?);
    }
    if let Some(seccomp) = &facts.seccomp {
        linux = linux.seccomp(seccomp.clone());
    }
    if !config.sysctls.is_empty() {
        linux = linux.sysctl(config.sysctls.clone().into_iter().collect::<std::collections::HashMap<_, _>>());
    }
    if let UserNamespace::Mapped { uids, gids, .. } = &config.userns {
        linux = linux.uid_mappings(id_map(uids)?).gid_mappings(id_map(gids)?);
    }
    let mut linux = linux.build().context("build the linux section")?;
    // The builder's defaults are a runtime's, not ours.
    if privileged {
        linux.set_masked_paths(None).set_readonly_paths(None);
    }
    let mut spec = SpecBuilder::default()
        .version(VERSION)
        .root(RootBuilder::default().path(&facts.root).readonly(config.read_only).build().context("build root")?)
        .mounts(mounts(config, facts)?)
        .process(process(config, facts)?)
        .linux(linux)
        .build()
        .context("build the specification")?;
    // The builder's default is an empty object.
    spec.set_hooks(config.hooks.as_deref().cloned());
    if config.uts == Namespace::Private {
        spec.set_hostname(Some(hostname(config)));
    } else {
        spec.set_hostname(None);
    }
    if !config.annotations.is_empty() {
        spec.set_annotations(Some(config.annotations.clone().into_iter().collect()));
    }
    Ok(spec)
}

/// The name that the container has in its own UTS namespace.
pub(crate) fn hostname(config: &ContainerConfig) -> String {
    if config.hostname.is_empty() { config.id.short().to_owned() } else { config.hostname.clone() }
}

/// Rows and columns as a specification has them.
pub(crate) fn console((rows, columns): (u16, u16)) -> Result<oci_spec::runtime::Box> {
    let size = oci_spec::runtime::BoxBuilder::default().height(u64::from(rows)).width(u64::from(columns)).build();
    size.context("build the console size")
}

fn process(config: &ContainerConfig, facts: &Facts) -> Result<Process> {
    let mut args: Vec<String> =
        if config.init { vec![crate::runtime::reaper::PATH.to_owned(), "--".to_owned()] } else { Vec::new() };
    args.extend(config.entrypoint.iter().flatten().cloned());
    args.extend(config.command.iter().cloned());
    let mut process = ProcessBuilder::default()
        .terminal(config.tty)
        .user(user(config)?)
        .args(args)
        .env(with(environment(config), &facts.environment))
        .cwd(if config.workdir.is_empty() { "/" } else { &config.workdir })
        .capabilities(facts.capabilities.clone())
        .rlimits(facts.rlimits.clone())
        .no_new_privileges(config.security.no_new_privileges)
        .build()
        .context("build the process")?;
    process.set_console_size(facts.console.map(console).transpose()?);
    process.set_apparmor_profile(facts.apparmor.clone());
    process.set_oom_score_adj(config.oom_score_adj);
    Ok(process)
}

/// `env` with the variables `more`, which win.
fn with(mut env: Vec<String>, more: &[String]) -> Vec<String> {
    for variable in more {
        let name = variable.split_inclusive('=').next().unwrap_or_default();
        env.retain(|other| !other.starts_with(name));
        env.push(variable.clone());
    }
    env
}

/// Root, until the container's own files tell who it is, with the mask that was asked for.
pub(crate) fn user(config: &ContainerConfig) -> Result<User> {
    let mut user = UserBuilder::default().uid(0_u32).gid(0_u32).build().context("build user")?;
    user.set_umask(config.umask);
    Ok(user)
}

/// podman's environment: its own, the image's and the user's (merged in the configuration already).
pub(crate) fn environment(config: &ContainerConfig) -> Vec<String> {
    let mut env = Vec::new();
    let has = |key: &str| config.env.iter().any(|pair| pair.split_once('=').is_some_and(|(name, _)| name == key));
    let wants = |key: &str| !config.unset_env_all && !config.unset_env.iter().any(|name| name == key) && !has(key);
    if wants("container") {
        env.push("container=podman".to_owned());
    }
    if wants("PATH") {
        env.push(format!("PATH={}", super::environment::PATH));
    }
    if config.tty && wants("TERM") {
        env.push("TERM=xterm".to_owned());
    }
    if !has("HOSTNAME") {
        env.push(format!("HOSTNAME={}", hostname(config)));
    }
    if config.systemd && wants("container_uuid") {
        // As a UUID is written, without its dashes.
        env.push(format!("container_uuid={}", &config.id.as_str()[..32]));
    }
    env.extend(config.env.iter().cloned());
    env
}

fn namespaces(config: &ContainerConfig, facts: &Facts) -> Result<Vec<LinuxNamespace>> {
    use LinuxNamespaceType as Kind;
    let mut list = Vec::new();
    let mut add = |kind: Kind, path: Option<&PathBuf>| -> Result<()> {
        let mut builder = LinuxNamespaceBuilder::default().typ(kind);
        if let Some(path) = path {
            builder = builder.path(path);
        }
        list.push(builder.build().context("build a namespace")?);
        Ok(())
    };
    add(Kind::Mount, None)?;
    match &config.userns {
        UserNamespace::Host => {}
        UserNamespace::Mapped { .. } => add(Kind::User, None)?,
        UserNamespace::Container { .. } | UserNamespace::Path { .. } => add(Kind::User, facts.joined.user.as_ref())?,
    }
    let shared = [
        (Kind::Pid, &config.pid, &facts.joined.pid),
        (Kind::Ipc, &config.ipc, &facts.joined.ipc),
        (Kind::Uts, &config.uts, &facts.joined.uts),
        (Kind::Cgroup, &config.cgroup, &facts.joined.cgroup),
    ];
    for (kind, asked, path) in shared {
        match asked {
            Namespace::Host => {}
            Namespace::Private => add(kind, None)?,
            Namespace::Container(_) | Namespace::Path(_) => add(kind, path.as_ref())?,
        }
    }
    match (&facts.joined.network, facts.own_network) {
        (Some(path), _) => add(Kind::Network, Some(path))?,
        (None, true) => add(Kind::Network, None)?,
        (None, false) => {}
    }
    Ok(list)
}

/// The ranges in the words of the runtime specification.
pub(crate) fn id_map(ranges: &[IdRange]) -> Result<Vec<LinuxIdMapping>> {
    let build = |range: &IdRange| {
        let builder =
            LinuxIdMappingBuilder::default().container_id(range.inside).host_id(range.outside).size(range.size);
        builder.build().context("build an id map")
    };
    ranges.iter().map(build).collect()
}

/// The device rules of a container: nothing but the default nodes (runtime-spec, config-linux.md, "Default Devices").
pub(crate) fn default_device_rules(privileged: bool) -> Result<Vec<LinuxDeviceCgroup>> {
    let rule = |allow: bool| -> Result<LinuxDeviceCgroup> {
        LinuxDeviceCgroupBuilder::default().allow(allow).access("rwm").build().context("build a device rule")
    };
    Ok(vec![rule(privileged)?])
}

fn masked(security: &Security, throttles: &[String]) -> Vec<String> {
    let unmask = &security.unmask;
    let all = unmask.iter().any(|path| path.eq_ignore_ascii_case("all"));
    let known = MASKED.iter().copied().chain(throttles.iter().map(String::as_str));
    let kept = known.filter(|path| !all && !is_listed(unmask, path)).map(str::to_owned);
    kept.chain(security.mask.iter().cloned()).collect()
}

fn read_only(config: &ContainerConfig) -> Vec<String> {
    let unmask = &config.security.unmask;
    if unmask.iter().any(|path| path.eq_ignore_ascii_case("all")) {
        return Vec::new();
    }
    READ_ONLY.iter().filter(|path| !is_listed(unmask, path)).map(|&path| path.to_owned()).collect()
}

/// Whether `path` is in `list`, in which a trailing `*` stands for anything.
fn is_listed(list: &[String], path: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => entry == path,
    })
}

fn mounts(config: &ContainerConfig, facts: &Facts) -> Result<Vec<Mount>> {
    let privileged = config.security.privileged;
    let mut list = Vec::new();
    let taken = |target: &str| config.mounts.iter().any(|mount| mount.target == target);
    let mut add = |target: &str, kind: &str, source: &Path, options: &[&str]| -> Result<()> {
        if taken(target) {
            return Ok(());
        }
        list.push(mount(target, kind, source, options.iter().map(|&option| option.to_owned()).collect())?);
        Ok(())
    };
    // A procfs can be mounted only by who made the pid namespace, a sysfs only by who made the network namespace.
    if facts.rootless && config.pid == Namespace::Host {
        if !config.security.proc_options.is_empty() {
            let message = "--security-opt proc-opts= needs a pid namespace of the container's own for an ordinary user";
            return Err(Error::unsupported(message).into());
        }
        add("/proc", "bind", Path::new("/proc"), &["rbind", "rprivate", "nosuid", "noexec", "nodev"])?;
    } else {
        let mut options = vec!["nosuid", "noexec", "nodev"];
        options.extend(config.security.proc_options.iter().map(String::as_str));
        add("/proc", "proc", Path::new("proc"), &options)?;
    }
    add("/dev", "tmpfs", Path::new("tmpfs"), &["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"])?;
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if facts.has_tty_group {
        pts.push("gid=5");
    }
    add("/dev/pts", "devpts", Path::new("devpts"), &pts)?;
    if config.ipc == Namespace::Host && facts.rootless {
        add("/dev/mqueue", "bind", Path::new("/dev/mqueue"), &["rbind", "nosuid", "noexec", "nodev"])?;
    } else {
        add("/dev/mqueue", "mqueue", Path::new("mqueue"), &["nosuid", "noexec", "nodev"])?;
    }
    let mode = if privileged { "rw" } else { "ro" };
    if facts.rootless && !facts.own_network {
        add("/sys", "bind", Path::new("/sys"), &["rbind", "rprivate", "nosuid", "noexec", "nodev", mode])?;
    } else {
        add("/sys", "sysfs", Path::new("sysfs"), &["nosuid", "noexec", "nodev", mode])?;
    }
    // A systemd makes cgroups of its own below. In the hierarchies of version 1 it could lift its limits.
    let manages = config.systemd && facts.is_unified;
    let cgroup_mode = if (privileged || manages) && config.cgroup == Namespace::Private { "rw" } else { "ro" };
    add(
        "/sys/fs/cgroup",
        "cgroup",
        Path::new("cgroup"),
        &["rprivate", "nosuid", "noexec", "nodev", "relatime", cgroup_mode],
    )?;
    match &facts.shm {
        Some(source) => add("/dev/shm", "bind", source, &["bind", "rprivate", "nosuid", "noexec", "nodev"])?,
        None => {
            let size = format!("size={}", config.shm_size);
            add("/dev/shm", "tmpfs", Path::new("shm"), &["nosuid", "noexec", "nodev", "mode=1777", &size])?;
        }
    }
    for device in &facts.bound_devices {
        add(&device.inside, "bind", Path::new(&device.host), &DEVICE_BIND)?;
    }
    if config.read_only && config.read_only_tmpfs {
        for target in ["/run", "/tmp", "/var/tmp"] {
            add(target, "tmpfs", Path::new("tmpfs"), &["rw", "nosuid", "nodev", "mode=1777", "tmpcopyup"])?;
        }
    }
    if config.systemd {
        for target in ["/run", "/run/lock", "/tmp", "/var/log/journal"] {
            add(target, "tmpfs", Path::new("tmpfs"), &["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"])?;
        }
    }
    for file in &facts.files {
        add(&file.target, "bind", &file.source, &file.options.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let files = facts.artifacts.iter().map(|(mount, content)| (mount, content));
    // The files come last: the places of the others name the layers of overlays.
    let mut asked: Vec<_> = config.mounts.iter().zip(&facts.contents).chain(files).enumerate().collect();
    asked.retain(|(_, (mount, _))| !mount.is_artifact());
    // Parents before what lies in them; the user's order otherwise.
    asked.sort_by_key(|(_, (mount, _))| mount.target.matches('/').count());
    for (index, (asked, content)) in asked {
        let mut options = asked.options.clone();
        options.push(if asked.read_only { "ro" } else { "rw" }.to_owned());
        // After the mount's own: a volume that is read-only is not made writable by who mounts it.
        options.extend(content.options.clone());
        match &content.source {
            None => {
                let kind = match asked.source {
                    Source::Ramfs => "ramfs",
                    Source::Devpts => {
                        options.extend(["nosuid", "noexec", "newinstance", "ptmxmode=0666"].map(str::to_owned));
                        "devpts"
                    }
                    _ => "tmpfs",
                };
                list.push(mount(&asked.target, kind, Path::new(kind), options)?);
            }
            Some(source) if asked.overlay && !matches!(asked.source, Source::Image { .. }) => {
                let layer = super::volume::overlay_dir(&facts.dir, index);
                // A colon would begin another lower directory.
                let lower = source.display().to_string().replace('\\', "\\\\").replace(':', "\\:");
                options.push(format!("lowerdir={lower}"));
                options.push(format!("upperdir={}", layer.join("upper").display()));
                options.push(format!("workdir={}", layer.join("work").display()));
                if facts.rootless {
                    options.push("userxattr".to_owned());
                }
                list.push(mount(&asked.target, "overlay", Path::new("overlay"), options)?);
            }
            Some(source) => {
                if !options.iter().any(|option| matches!(option.as_str(), "bind" | "rbind")) {
                    options.push(if asked.shallow { "bind" } else { "rbind" }.to_owned());
                }
                let propagates = |option: &String| {
                    option.ends_with("private") || option.ends_with("shared") || option.ends_with("slave")
                };
                if !options.iter().any(propagates) {
                    options.push("rprivate".to_owned());
                }
                if asked.idmap {
                    options.push("idmap".to_owned());
                }
                list.push(mount(&asked.target, "bind", source, options)?);
            }
        }
    }
    Ok(list)
}

fn mount(target: &str, kind: &str, source: &Path, options: Vec<String>) -> Result<Mount> {
    let builder = MountBuilder::default().destination(target).typ(kind).source(source).options(options);
    builder.build().with_context(|| format!("build the mount of {target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_known_unless_told() {
        let throttle = "/sys/devices/system/cpu/cpu0/thermal_throttle".to_owned();
        let masked = |mask: &[&str], unmask: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
            let security = Security { mask: words(mask), unmask: words(unmask), ..Security::default() };
            super::masked(&security, std::slice::from_ref(&throttle))
        };
        let all = masked(&[], &[]);
        assert_eq!((all.len(), all.contains(&throttle)), (MASKED.len() + 1, true));
        assert_eq!(masked(&["/x"], &["ALL"]), ["/x"]);
        assert!(!masked(&[], &["/sys/*"]).iter().any(|path| path.starts_with("/sys/")));
        assert_eq!(masked(&[], &["/proc/keys"]).len(), MASKED.len());
    }
}
