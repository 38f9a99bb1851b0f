//! What a monitor is told: the first message on its channel.

use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use oci_spec::runtime::{LinuxSeccomp, Process};
use serde::{Deserialize, Serialize};

use crate::model::container::{Accounts, ProcessRef};
use crate::model::event::Event;
use crate::model::health::HealthConfig;
use crate::model::id::Id;
use crate::model::log::LogConfig;
use crate::model::port::PortMapping;
use crate::model::runtime::OtherRuntime;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::cgroup::systemd::Planned;
use crate::state::event::Log;
use crate::state::record;
use crate::sys::mount::{Lower, OverlayDirs};

/// The version of this message; fields may be added with a default, never changed.
pub(crate) const VERSION: u32 = 1;

/// Everything that a monitor needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MonitorConfig {
    pub(crate) version: u32,
    /// The container.
    pub(crate) id: Id,
    /// Its name at the start, for the journal.
    #[serde(default)]
    pub(crate) name: String,
    /// Where it is told what happens, and to what.
    #[serde(default)]
    pub(crate) told: Option<Told>,
    /// The number of this run of it.
    pub(crate) run: u64,
    /// The directory of the records, the lock and the log: the container's, or the exec session's.
    pub(crate) data_dir: PathBuf,
    /// The directory of the sockets and FIFOs: the container's, or the exec session's.
    pub(crate) run_dir: PathBuf,
    /// Whether the process gets a terminal.
    pub(crate) tty: bool,
    /// Whether its stdin stays open (`-i`); without it stdin is `/dev/null`.
    pub(crate) stdin: bool,
    /// Whether the descriptor after the channel and the lock is the foreground client's.
    pub(crate) foreground: bool,
    /// How many descriptors after that are the container's.
    #[serde(default)]
    pub(crate) preserve_fds: u32,
    /// Which of them, from 3 on, only keep a place.
    #[serde(default)]
    pub(crate) holes: Vec<u32>,
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// Whether records are synced: not for what is removed at its end.
    pub(crate) durable: bool,
    /// Start without waiting for the command: there is nothing to connect.
    pub(crate) start_immediately: bool,
    /// Arguments of our own binary that clean up after the end; empty: nothing to do.
    #[serde(default)]
    pub(crate) cleanup: Vec<String>,
    /// The directory of `config.json`; an exec session finds its container's by itself.
    #[serde(default)]
    pub(crate) bundle: PathBuf,
    #[serde(default)]
    pub(crate) root: RootSource,
    /// Images that are mounted, by the places in the container.
    #[serde(default)]
    pub(crate) images: Vec<(String, RootSource)>,
    /// Places of programs of the host that nobody in the container may change, whatever he may do to mounts there.
    #[serde(default)]
    pub(crate) sealed: Vec<String>,
    /// Whether the root's owners go through the map of the container's user namespace.
    #[serde(default)]
    pub(crate) map_root: bool,
    /// Sources of mounts that become the process's user's (`:U`).
    #[serde(default)]
    pub(crate) chown: Vec<PathBuf>,
    pub(crate) cgroup: Cgroup,
    /// The scope that it is the cgroup of, which is not made yet.
    #[serde(default)]
    pub(crate) scope: Option<Planned>,
    /// Where compiled seccomp programs are kept.
    #[serde(default)]
    pub(crate) seccomp_cache: Option<PathBuf>,
    /// The process's user as asked for, `USER[:GROUP]`, looked up in the container's own files.
    #[serde(default)]
    pub(crate) user: String,
    /// What the container's files of accounts are to say of that user.
    #[serde(default)]
    pub(crate) accounts: Accounts,
    /// Seconds after which the process is killed; 0 is never.
    #[serde(default)]
    pub(crate) timeout: u64,
    /// Further groups of that user.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Capabilities that were asked for by name: a user who is not root keeps these.
    #[serde(default)]
    pub(crate) capabilities: Vec<String>,
    /// The container's notification socket.
    #[serde(default)]
    pub(crate) notify: Option<NotifyConfig>,
    /// The service manager that is told when a check has succeeded, in the form of `NOTIFY_SOCKET`.
    #[serde(default)]
    pub(crate) ready_when_healthy: Option<String>,
    /// Who makes the processes in dhow's place.
    #[serde(default)]
    pub(crate) runtime: Option<OtherRuntime>,
    /// The specification has hooks.
    #[serde(default)]
    pub(crate) hooks: bool,
    /// Checks to make while the container runs.
    #[serde(default)]
    pub(crate) health: Option<HealthConfig>,
    /// When the container that is taken over was started.
    #[serde(default)]
    pub(crate) started_at: Option<Timestamp>,
    /// How the container is asked to end, and how many seconds it has then.
    #[serde(default)]
    pub(crate) stop: Option<(i32, u32)>,
    /// The monitor stays in its starter's cgroup.
    #[serde(default)]
    pub(crate) stays: bool,
    /// Ports to hold and to relay from loopback.
    #[serde(default)]
    pub(crate) ports: Vec<PortMapping>,
    /// The addresses to relay to, for a container that is taken over; otherwise they come with the start.
    #[serde(default)]
    pub(crate) addresses: Vec<IpAddr>,
    /// Take over this process, whose monitor died, instead of making one.
    #[serde(default)]
    pub(crate) adopt: Option<ProcessRef>,
    /// Make a further process in a running container.
    #[serde(default)]
    pub(crate) exec: Option<ExecSource>,
}

/// The log of events, and the record of the container, which tells its name of the moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) log: Log,
    pub(crate) container: PathBuf,
}

impl MonitorConfig {
    /// Writes down that something happened to the container.
    pub(crate) fn tell(&self, status: &str, with: impl FnOnce(&mut Event)) {
        let Some(told) = &self.told else { return };
        // A container without its record is gone, and nobody asks for its events.
        let Ok(Some(container)) = record::read(&told.container) else { return };
        let mut event = Event::of_container(&container, status);
        with(&mut event);
        told.log.tell(&[event]);
    }
}

/// Where the root file system comes from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RootSource {
    /// That of the specification, for a bundle made elsewhere.
    #[default]
    Bundle,
    /// A directory.
    Directory { path: PathBuf },
    /// What the user has mounted, without devices: the container gets a clone with them.
    Mounted { path: PathBuf },
    /// An overlay that the monitor mounts.
    Overlay { lower: Vec<Lower>, upper: Option<(PathBuf, PathBuf)>, volatile: bool, userxattr: bool },
}

impl RootSource {
    /// An overlay of these directories.
    pub(crate) fn overlay(dirs: OverlayDirs) -> Self {
        let OverlayDirs { lower, upper, volatile, userxattr } = dirs;
        Self::Overlay { lower, upper, volatile, userxattr }
    }
}

/// A socket on which a container speaks to a service manager.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NotifyConfig {
    /// The container's, which the monitor binds.
    pub(crate) socket: PathBuf,
    /// The manager's, in the form of `NOTIFY_SOCKET`.
    pub(crate) to: String,
}

/// A further process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExecSource {
    /// The container's first process.
    pub(crate) init: ProcessRef,
    pub(crate) process: Process,
    /// The profile of this process, which need not be the container's.
    #[serde(default)]
    pub(crate) seccomp: Option<LinuxSeccomp>,
    /// The process dies with who made it.
    #[serde(default)]
    pub(crate) bound: bool,
}

impl MonitorConfig {
    /// The configuration of run `run` of container `id`, with everything else empty.
    pub(crate) fn new(id: Id, run: u64) -> Self {
        Self {
            version: VERSION,
            id,
            name: String::new(),
            told: None,
            run,
            data_dir: PathBuf::new(),
            run_dir: PathBuf::new(),
            tty: false,
            stdin: false,
            foreground: false,
            preserve_fds: 0,
            holes: Vec::new(),
            log: LogConfig::default(),
            durable: false,
            start_immediately: false,
            cleanup: Vec::new(),
            bundle: PathBuf::new(),
            root: RootSource::default(),
            images: Vec::new(),
            sealed: Vec::new(),
            map_root: false,
            chown: Vec::new(),
            cgroup: Cgroup::none(),
            scope: None,
            seccomp_cache: None,
            user: String::new(),
            accounts: Accounts { untouched: true, ..Accounts::default() },
            timeout: 0,
            groups: Vec::new(),
            capabilities: Vec::new(),
            notify: None,
            ready_when_healthy: None,
            hooks: false,
            runtime: None,
            health: None,
            started_at: None,
            stop: None,
            stays: false,
            ports: Vec::new(),
            addresses: Vec::new(),
            adopt: None,
            exec: None,
        }
    }
}
