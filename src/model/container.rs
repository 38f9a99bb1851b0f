//! A container as it was asked for ([`ContainerConfig`]) and as it is ([`ContainerState`]): the two records of its directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::health::HealthConfig;
use super::id::Id;
use super::image::Driver;
use super::log::LogConfig;
use super::mount::{Mount, Source};
use super::network::{Endpoint, NetworkMode};
use super::port::PortMapping;
use super::runtime::OtherRuntime;
use super::secret::SecretUse;
use super::service::{CgroupsMode, NotifyMode};
use super::status::Status;

/// What the root file system is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum RootFs {
    /// Layers of an image, by chain id, the lowest first: under a writable upper directory, or with their tree copied.
    Image {
        layers: Vec<String>,
        #[serde(default, skip_serializing_if = "Driver::is_overlay")]
        driver: Driver,
    },
    /// A directory of the host; with `overlay` it is the lower of an overlay and is never written (`--rootfs /dir:O`).
    Directory { path: String, overlay: bool },
}

/// The image that a container was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRef {
    /// Hex of the configuration's digest.
    pub(crate) id: String,
    /// The name that was asked for, in full (`docker.io/library/busybox:latest`).
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

/// How a namespace is had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "of", rename_all = "lowercase")]
pub(crate) enum Namespace {
    #[default]
    Private,
    Host,
    /// That of another container.
    Container(Id),
    /// The one at a path.
    Path(String),
}

/// One range of an id map: `size` ids from `inside` on are the host's (or the parent namespace's) from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdRange {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) size: u32,
}

/// The user namespace of a container, resolved when it is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub(crate) enum UserNamespace {
    /// That of the engine: the host's as root, the user's own when rootless.
    #[default]
    Host,
    /// Its own, with these maps (`auto`, `keep-id`, `--uidmap`).
    Mapped {
        uids: Vec<IdRange>,
        gids: Vec<IdRange>,
        asked: String,
    },
    Container {
        of: Id,
    },
    Path {
        path: String,
    },
}

/// What happens when a container's init ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RestartKind {
    #[default]
    No,
    OnFailure,
    Always,
    UnlessStopped,
}

/// `--restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestartPolicy {
    pub(crate) kind: RestartKind,
    /// `on-failure:N`; 0 is without limit.
    pub(crate) retries: u32,
}

/// A limit of one device of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceLimit {
    /// The path of its node.
    pub(crate) path: String,
    pub(crate) value: u64,
}

/// `--device-cgroup-rule`: which devices may be used, without nodes for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceRule {
    /// `a`, `b` or `c`.
    pub(crate) kind: char,
    /// `None` is every one.
    pub(crate) major: Option<i64>,
    pub(crate) minor: Option<i64>,
    pub(crate) access: String,
}

/// Limits; `None` is what the parent gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    /// Bytes.
    pub(crate) memory: Option<i64>,
    pub(crate) memory_reservation: Option<i64>,
    /// Memory and swap together, bytes; -1 is without limit.
    pub(crate) memory_swap: Option<i64>,
    pub(crate) memory_swappiness: Option<u64>,
    pub(crate) oom_kill_disable: bool,
    pub(crate) cpu_shares: Option<u64>,
    /// Microseconds in a period.
    pub(crate) cpu_quota: Option<i64>,
    /// Microseconds.
    pub(crate) cpu_period: Option<u64>,
    pub(crate) cpuset_cpus: Option<String>,
    pub(crate) cpuset_mems: Option<String>,
    /// Microseconds of the realtime scheduler.
    pub(crate) cpu_rt_period: Option<u64>,
    pub(crate) cpu_rt_runtime: Option<i64>,
    /// 10 to 1000.
    pub(crate) blkio_weight: Option<u16>,
    pub(crate) blkio_weight_device: Vec<DeviceLimit>,
    /// Bytes in a second.
    pub(crate) device_read_bps: Vec<DeviceLimit>,
    pub(crate) device_write_bps: Vec<DeviceLimit>,
    /// Operations in a second.
    pub(crate) device_read_iops: Vec<DeviceLimit>,
    pub(crate) device_write_iops: Vec<DeviceLimit>,
    /// Files of the unified hierarchy and what is written to them (`--cgroup-conf`).
    pub(crate) cgroup_conf: BTreeMap<String, String>,
    /// -1 is without limit.
    pub(crate) pids: Option<i64>,
    /// Whether a user asked for the pids limit, or it is dhow's default, which a host without cgroups may refuse.
    pub(crate) pids_is_default: bool,
}

impl Resources {
    /// The limits that name a device.
    pub(crate) fn device_limits(&self) -> impl Iterator<Item = &DeviceLimit> {
        let of = [&self.device_read_bps, &self.device_write_bps, &self.device_read_iops, &self.device_write_iops];
        of.into_iter().chain([&self.blkio_weight_device]).flatten()
    }

    /// Whether a user asked for any limit: then a host without cgroups is an error.
    pub(crate) fn is_asked(&self) -> bool {
        let pids = self.pids.filter(|_| !self.pids_is_default);
        let default = Self { pids_is_default: self.pids_is_default, ..Self::default() };
        Self { pids, ..self.clone() } != default
    }
}

/// `--security-opt`, capabilities and what belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Security {
    pub(crate) privileged: bool,
    /// What a container has before `cap_add` and `cap_drop`; `None` is dhow's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_caps: Option<Vec<String>>,
    pub(crate) cap_add: Vec<String>,
    pub(crate) cap_drop: Vec<String>,
    pub(crate) no_new_privileges: bool,
    /// `None` the default profile; `unconfined`, `strict`, or a path.
    pub(crate) seccomp: Option<String>,
    /// `None` the default; `unconfined` or a profile's name.
    pub(crate) apparmor: Option<String>,
    pub(crate) mask: Vec<String>,
    /// Paths, or `ALL`.
    pub(crate) unmask: Vec<String>,
    /// Options of /proc: `hidepid=2`, `subset=pid`.
    pub(crate) proc_options: Vec<String>,
}

/// `--device HOST[:INSIDE][:rwm]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) host: String,
    pub(crate) inside: String,
    /// Any of `r`, `w`, `m`.
    pub(crate) access: String,
}

/// `--device VENDOR/CLASS=NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VendorDevices {
    pub(crate) names: Vec<String>,
    /// Where they are defined; later directories win.
    pub(crate) dirs: Vec<PathBuf>,
}

/// `--ulimit NAME=SOFT[:HARD]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ulimit {
    /// Lower case without `RLIMIT_`.
    pub(crate) name: String,
    /// -1 is infinity.
    pub(crate) soft: i64,
    pub(crate) hard: i64,
}

/// `--dns`, `--add-host` and what belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Names {
    pub(crate) dns: Vec<String>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) dns_option: Vec<String>,
    /// `NAME[;NAME…]:ADDRESS`.
    pub(crate) add_host: Vec<String>,
    pub(crate) no_hosts: bool,
    /// What the hosts file begins with in place of the host's: a path, `image` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hosts_file: Option<String>,
}

/// crun's annotation of a container whose processes keep the supplementary groups of who started them.
pub(crate) const KEEP_GROUPS: &str = "run.oci.keep_original_groups";

/// What is written into the container's passwd and group files: a line for a user that has none there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Accounts {
    /// `--passwd=false`: the files stay as they are.
    pub(crate) untouched: bool,
    /// `--passwd-entry`, with `$USERNAME $UID $GID $NAME $HOME`.
    pub(crate) passwd_entry: Option<String>,
    /// `--group-entry`, with `$GROUPNAME $GID $USERLIST`.
    pub(crate) group_entry: Option<String>,
    /// Lines for users of the host (`--hostuser`), and for the caller whom `--userns=keep-id` keeps.
    pub(crate) host_users: Vec<String>,
    /// The line for that caller's group.
    pub(crate) host_groups: Vec<String>,
}

/// What was asked for, with what the image says already merged in. `config.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContainerConfig {
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    pub(crate) image: Option<ImageRef>,
    pub(crate) root_fs: RootFs,
    /// `None` where neither the user nor the image gave one.
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) command: Vec<String>,
    /// As given to `create`, for inspect.
    #[serde(default)]
    pub(crate) create_command: Vec<String>,
    /// `--volumes-from` as given, for inspect: their mounts are among `mounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) volumes_from: Vec<String>,
    /// `KEY=VALUE`, the image's and the user's, one of each key.
    pub(crate) env: Vec<String>,
    /// Variables of dhow's own that the user does not want.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unset_env: Vec<String>,
    /// None of dhow's own variables.
    #[serde(default)]
    pub(crate) unset_env_all: bool,
    /// What it sees of its user's secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) secrets: Vec<SecretUse>,
    pub(crate) workdir: String,
    /// `USER[:GROUP]`, names or numbers; empty is 0.
    pub(crate) user: String,
    pub(crate) group_add: Vec<String>,
    #[serde(default)]
    pub(crate) accounts: Accounts,
    /// `None` is 0022.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) umask: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oom_score_adj: Option<i32>,
    /// Report a 32-bit machine (`--personality LINUX32`); `Some(false)` is `LINUX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) personality32: Option<bool>,
    /// A zone below the host's zoneinfo, or `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Empty: the short id.
    pub(crate) hostname: String,
    pub(crate) tty: bool,
    /// stdin stays open (`-i`).
    pub(crate) stdin: bool,
    pub(crate) stop_signal: i32,
    /// Seconds between the stop signal and SIGKILL.
    pub(crate) stop_timeout: u32,
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) read_only: bool,
    /// Fresh tmpfs on /run, /tmp and the like of a read-only container.
    pub(crate) read_only_tmpfs: bool,
    /// Bytes of /dev/shm.
    pub(crate) shm_size: u64,
    pub(crate) init: bool,
    /// The program that `init` is, on the host, in place of dhow's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init_path: Option<String>,
    /// Its command is a systemd, or is to find what one needs.
    #[serde(default)]
    pub(crate) systemd: bool,
    #[serde(default)]
    pub(crate) notify: NotifyMode,
    pub(crate) pid: Namespace,
    pub(crate) ipc: Namespace,
    pub(crate) uts: Namespace,
    pub(crate) cgroup: Namespace,
    pub(crate) userns: UserNamespace,
    /// `Private` is resolved; `Container` holds an id.
    pub(crate) network: NetworkMode,
    pub(crate) publish: Vec<PortMapping>,
    /// `PORT[/PROTOCOL]` of the image and `--expose`, for listings.
    #[serde(default)]
    pub(crate) exposed: Vec<String>,
    #[serde(default)]
    pub(crate) cgroups: CgroupsMode,
    /// A cgroup to live below, in place of dhow's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup_parent: Option<String>,
    /// The service manager makes its cgroup, as that of a scope.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) systemd_cgroup: bool,
    pub(crate) resources: Resources,
    pub(crate) security: Security,
    pub(crate) devices: Vec<Device>,
    #[serde(default)]
    pub(crate) vendor_devices: VendorDevices,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) device_rules: Vec<DeviceRule>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) sysctls: BTreeMap<String, String>,
    /// Programs of the administrator at points of its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hooks: Option<Box<oci_spec::runtime::Hooks>>,
    /// Who makes it in dhow's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<OtherRuntime>,
    pub(crate) names: Names,
    pub(crate) restart: RestartPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Box<HealthConfig>>,
    pub(crate) log: LogConfig,
    /// `--rm`.
    pub(crate) remove: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detach_keys: Option<String>,
    /// Where each start writes the pids of the first process and of its monitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pidfile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) monitor_pidfile: Option<String>,
    /// Seconds after which a run is killed; 0 is never.
    #[serde(default)]
    pub(crate) timeout: u32,
    /// Containers that run before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<Id>,
    /// The image goes with the container, unless others use it (`--rmi`).
    #[serde(default)]
    pub(crate) remove_image: bool,
    /// Directories inside that get dhow's own files too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) chroot_dirs: Vec<String>,
    /// Anonymous volumes that go with the container.
    #[serde(default)]
    pub(crate) anonymous_volumes: Vec<String>,
    /// What a newer version wrote.
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// A process that a record speaks of: valid only with its start time (clock ticks, field 22 of /proc/PID/stat) and boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRef {
    pub(crate) pid: i32,
    pub(crate) start_time: u64,
}

/// How a container is now. `state.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContainerState {
    pub(crate) version: u32,
    pub(crate) status: Status,
    /// Incremented by every start; what speaks of another run does nothing.
    pub(crate) run: u64,
    /// The boot in which the status was written.
    pub(crate) boot: String,
    /// `create` has not come to its end; `status` is `Removing` meanwhile, so that a healer takes it away.
    #[serde(default)]
    pub(crate) creating: bool,
    /// The old and the new name while `rename` works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renaming: Option<(String, String)>,
    /// Who waits for the grace period of a stop, outside the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopper: Option<ProcessRef>,
    /// Who stops it to start it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restarter: Option<ProcessRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init: Option<ProcessRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) monitor: Option<ProcessRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finished_at: Option<Timestamp>,
    /// `None` before the first end, or when the kernel could not tell it.
    #[serde(default)]
    pub(crate) exit_code: Option<i32>,
    #[serde(default)]
    pub(crate) oom_killed: bool,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) restarts: u32,
    /// A user stopped it: no restart policy applies.
    #[serde(default)]
    pub(crate) stopped_by_user: bool,
    /// Why its monitor ended the last run by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<EndCause>,
    /// What may keep its network from working, each with the way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// When its restart policy starts it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart_at: Option<Timestamp>,
    /// A start began and its end was not tidied up: cgroup, links and rules of this run may be there.
    #[serde(default)]
    pub(crate) effects: bool,
    /// Where this run's cgroup is, in the runtime's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<Value>,
    /// What the network gave this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) endpoints: Vec<Endpoint>,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl ContainerState {
    /// The state of a container that is being created.
    pub(crate) fn creating(boot: &str) -> Self {
        Self {
            version: 1,
            status: Status::Removing,
            run: 0,
            boot: boot.to_owned(),
            creating: true,
            renaming: None,
            stopper: None,
            restarter: None,
            init: None,
            monitor: None,
            started_at: None,
            finished_at: None,
            exit_code: None,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            stopped_by_user: false,
            cause: None,
            warnings: Vec::new(),
            restart_at: None,
            effects: false,
            cgroup: None,
            endpoints: Vec::new(),
            unknown: Map::new(),
        }
    }
}

impl ContainerState {
    /// Goes back to what it was before a run that came to nothing, whose process is gone.
    pub(crate) fn before_init(&mut self) {
        (self.init, self.monitor) = (None, None);
        if self.status == Status::Initialized {
            self.status = if self.finished_at.is_some() { Status::Exited } else { Status::Created };
        }
    }

    /// Notes why the run ended. As podman has it, no policy starts one again that its health stopped.
    pub(crate) fn ended_by(&mut self, cause: Option<EndCause>) {
        self.cause = cause;
        self.stopped_by_user |= cause == Some(EndCause::HealthStop);
    }
}

/// Why a monitor ended its container by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EndCause {
    /// It got SIGTERM: the host shuts down, or a service manager stops the unit. A boot starts it again, if its policy says so.
    Terminated,
    /// It was unhealthy, and is to stay down.
    HealthStop,
    /// It was unhealthy, and is to start again whatever its policy.
    HealthRestart,
}

/// How a run ended, as its monitor saw it. `exit.json`, removed before each start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    pub(crate) version: u32,
    pub(crate) run: u64,
    /// 0 to 255, 128 and the signal's number when one killed it; `None` when the kernel could not tell.
    pub(crate) exit_code: Option<i32>,
    #[serde(default)]
    pub(crate) oom_killed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<EndCause>,
    pub(crate) finished_at: Timestamp,
}

/// Init of a run, as its monitor made it. `init.json`: what a healer finds when the starter was killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InitRecord {
    pub(crate) version: u32,
    pub(crate) run: u64,
    pub(crate) init: ProcessRef,
    /// It was let go: the container's own command runs.
    pub(crate) started: bool,
    /// It waits for a start by another command than the one that made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) kept: bool,
    /// Who wrote this; none in what a release without the field wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) monitor: Option<ProcessRef>,
}
impl ContainerConfig {
    /// The chain ids of all layers that it stands on: those of its root, and of the images that it mounts.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &String> {
        let root: &[String] = match &self.root_fs {
            RootFs::Image { layers, .. } => layers,
            RootFs::Directory { .. } => &[],
        };
        let mounted = self.mounts.iter().flat_map(|mount| match &mount.source {
            Source::Image { layers, .. } => layers.as_slice(),
            _ => &[],
        });
        root.iter().chain(mounted)
    }
}
