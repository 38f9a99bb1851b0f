//! What a face (command line, in time the API) asks of the engine: plain values, validated by their own parsers, not yet
//! resolved against images and the host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use crate::runtime::stdio::Preserved;

use crate::model::container::{
    Accounts, Device, DeviceRule, Names, Namespace, Resources, RestartPolicy, Security, Ulimit, VendorDevices,
};
use crate::model::health::{Check, OnFailure};
use crate::model::log::LogConfig;
use crate::model::mount::Mount;
use crate::model::network::NetworkMode;
use crate::model::platform::Platform;
use crate::model::port::PortMapping;
use crate::model::runtime::OtherRuntime;
use crate::model::service::{CgroupsMode, NotifyMode, SystemdMode};

/// When `run` and `create` ask the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    #[default]
    Missing,
    Always,
    Never,
    /// Only when the registry's is newer than ours.
    Newer,
}

/// How registries are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegistryOptions {
    /// `USER[:PASSWORD]` of `--creds`.
    pub(crate) credentials: Option<crate::model::secret::Secret>,
    pub(crate) authfile: Option<PathBuf>,
    pub(crate) cert_dir: Option<PathBuf>,
    /// `None`: what registries.conf says.
    pub(crate) tls_verify: Option<bool>,
    /// How often a request is tried again, and after which pause; `None` as the client likes.
    pub(crate) retries: Option<u32>,
    pub(crate) retry_delay: Option<Duration>,
    pub(crate) platform: Option<Platform>,
    pub(crate) quiet: bool,
}

/// What the root file system is made from.
#[derive(Clone, Debug)]
pub(crate) enum RootRequest {
    Image {
        name: String,
        pull: PullPolicy,
        registry: RegistryOptions,
    },
    /// `--rootfs DIR[:O]`.
    Directory {
        path: PathBuf,
        overlay: bool,
    },
}

/// `--userns`, `--uidmap`, `--gidmap`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum UserNamespaceRequest {
    #[default]
    Default,
    Host,
    /// The user's own id inside is `uid:gid`, by default the same as outside.
    KeepId {
        uid: Option<u32>,
        gid: Option<u32>,
        /// How many ids there are inside at most.
        size: Option<u32>,
    },
    /// All the ids that the user has, less their own.
    NoMap,
    /// A range that no other container has.
    Auto {
        size: Option<u32>,
        /// Ranges that are as they say, whatever the others get.
        uids: Vec<crate::model::container::IdRange>,
        gids: Vec<crate::model::container::IdRange>,
    },
    /// The subordinate ids of these owners.
    Owned {
        uids: String,
        gids: String,
    },
    /// `INSIDE:OUTSIDE:SIZE` triples.
    Maps {
        uids: Vec<crate::model::container::IdRange>,
        gids: Vec<crate::model::container::IdRange>,
    },
    Container(String),
    Path(String),
}

/// A namespace as asked: the container by the name that the user typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum NamespaceRequest {
    #[default]
    Default,
    Private,
    Host,
    Container(String),
    Path(String),
    /// `--ipc none|shareable` are private ones.
    Shareable,
}

impl NamespaceRequest {
    /// The namespace, once `Container` was resolved; the default is private.
    pub(crate) fn plain(&self) -> Option<Namespace> {
        match self {
            Self::Default | Self::Private | Self::Shareable => Some(Namespace::Private),
            Self::Host => Some(Namespace::Host),
            Self::Path(path) => Some(Namespace::Path(path.clone())),
            Self::Container(_) => None,
        }
    }
}

/// `--image-volume`: what becomes of the volumes that an image declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ImageVolumes {
    #[default]
    Anonymous,
    Tmpfs,
    Ignore,
}

/// What the user says about health checks; `None` is what the image says, or the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthRequest {
    /// `--no-healthcheck`.
    pub(crate) none: bool,
    pub(crate) command: Option<Vec<String>>,
    /// Zero: only when a user asks.
    pub(crate) interval: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) start_period: Option<Duration>,
    pub(crate) startup: Option<Check>,
    pub(crate) on_failure: OnFailure,
    pub(crate) log_count: Option<u32>,
    pub(crate) log_size: Option<u32>,
    pub(crate) log_directory: Option<String>,
    /// `--health-log-destination events_logger`.
    pub(crate) log_events: bool,
}

/// Health checks that change; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthUpdate {
    /// Of it `on_failure` and the destination of the log count only where they are given.
    pub(crate) request: HealthRequest,
    pub(crate) on_failure: bool,
    pub(crate) destination: bool,
    /// Of the startup check, whether it is a new one or not.
    pub(crate) startup_interval: Option<Duration>,
    pub(crate) startup_timeout: Option<Duration>,
    pub(crate) startup_retries: Option<u32>,
    pub(crate) startup_successes: Option<u32>,
}

/// `run` and `create`.
#[derive(Clone, Debug)]
pub(crate) struct CreateRequest {
    pub(crate) root: RootRequest,
    pub(crate) name: Option<String>,
    /// Remove the container that has the name.
    pub(crate) replace: bool,
    /// `Some(empty)` clears the image's.
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) command: Vec<String>,
    /// The whole command line, for inspect.
    pub(crate) create_command: Vec<String>,
    /// `KEY=VALUE` in order, env files first; what came from the host's environment is resolved already.
    pub(crate) env: Vec<(String, String)>,
    /// Below what the image says.
    pub(crate) default_env: Vec<(String, String)>,
    /// `NAME=WORD`, where the word may name variables of the image.
    pub(crate) env_merge: Vec<String>,
    /// Variables of the image, and of dhow's own, that are left out.
    pub(crate) unset_env: Vec<String>,
    pub(crate) unset_env_all: bool,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) group_add: Vec<String>,
    pub(crate) accounts: Accounts,
    /// Names or numbers of users of the host.
    pub(crate) host_users: Vec<String>,
    pub(crate) umask: Option<u32>,
    pub(crate) oom_score_adj: Option<i32>,
    /// See [`crate::model::container::ContainerConfig`].
    pub(crate) personality32: Option<bool>,
    pub(crate) timezone: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) stop_signal: Option<i32>,
    pub(crate) stop_timeout: Option<u32>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) mounts: Vec<Mount>,
    /// Containers whose volumes are mounted too, each with its options.
    pub(crate) volumes_from: Vec<String>,
    pub(crate) secrets: Vec<crate::model::secret::SecretUse>,
    pub(crate) image_volumes: ImageVolumes,
    pub(crate) read_only: bool,
    pub(crate) read_only_tmpfs: bool,
    /// Bytes.
    pub(crate) shm_size: Option<u64>,
    pub(crate) init: bool,
    pub(crate) init_path: Option<String>,
    pub(crate) systemd: SystemdMode,
    pub(crate) notify: NotifyMode,
    pub(crate) cgroups: CgroupsMode,
    pub(crate) pid: NamespaceRequest,
    pub(crate) ipc: NamespaceRequest,
    pub(crate) uts: NamespaceRequest,
    pub(crate) cgroup: NamespaceRequest,
    pub(crate) userns: UserNamespaceRequest,
    pub(crate) cgroup_parent: Option<String>,
    /// The service manager makes its cgroup.
    pub(crate) systemd_cgroup: bool,
    pub(crate) resources: Resources,
    pub(crate) security: Security,
    pub(crate) devices: Vec<Device>,
    pub(crate) device_rules: Vec<DeviceRule>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) names: Names,
    pub(crate) network: NetworkMode,
    pub(crate) publish: Vec<PortMapping>,
    /// `-P`: every port that the image exposes.
    pub(crate) publish_all: bool,
    pub(crate) expose: Vec<String>,
    pub(crate) restart: RestartPolicy,
    pub(crate) health: HealthRequest,
    pub(crate) log: LogConfig,
    pub(crate) remove: bool,
    pub(crate) detach_keys: Option<String>,
    pub(crate) cidfile: Option<PathBuf>,
    pub(crate) pidfile: Option<String>,
    pub(crate) monitor_pidfile: Option<String>,
    /// Seconds; 0 is never.
    pub(crate) timeout: u32,
    /// Names of containers that run first.
    pub(crate) requires: Vec<String>,
    pub(crate) remove_image: bool,
    pub(crate) chroot_dirs: Vec<String>,
    pub(crate) vendor_devices: VendorDevices,
    /// Who makes the container in dhow's place.
    pub(crate) runtime: Option<OtherRuntime>,
    /// Where definitions of hooks are looked for.
    pub(crate) hook_dirs: Vec<PathBuf>,
}

/// `exec`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecRequest {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) workdir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) privileged: bool,
    /// Rows and columns of the caller's terminal.
    pub(crate) size: Option<(u16, u16)>,
    pub(crate) detach: bool,
}

/// `rm`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RemoveRequest {
    pub(crate) force: bool,
    /// Seconds of grace when it runs and `force`; `None` is its own.
    pub(crate) timeout: Option<u32>,
    /// Anonymous volumes too (always with `--rm`).
    pub(crate) volumes: bool,
}

/// `logs`.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogRequest {
    pub(crate) follow: bool,
    pub(crate) since: Option<jiff::Timestamp>,
    pub(crate) until: Option<jiff::Timestamp>,
    pub(crate) tail: Option<u64>,
}
