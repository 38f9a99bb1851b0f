//! `start`: under the container's lock, with a deadline at each step. The intent (a new run number, `effects`) is written
//! before anything is made outside; the end of the start is one write of the state.
//!
//! `init` is its first half: everything but the command is there, and the monitor keeps it for a later `start`, which is
//! the second half.

use std::fs;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::activation::{self, Manager};
use super::attach::Attached;
use super::container::Locked;
use super::facts;
use super::request::RemoveRequest;
use super::rootfs::Root;
use super::volume::Content;
use super::{Engine, owners};
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::network::NetworkMode;
use crate::model::port::PortMapping;
use crate::model::service::{CgroupsMode, NotifyMode};
use crate::model::status::{Action, Status};
use crate::monitor::client::AttachClient;
use crate::monitor::config::{MonitorConfig, RootSource};
use crate::monitor::spawn::{self, Handed, Started};
use crate::runtime::cgroup::Cgroup;
use crate::runtime::reaper;
use crate::runtime::stdio::Preserved;
use crate::state::paths::remove_file;
use crate::state::record::{self, Durability};
use crate::sys::process;

/// What a start hands on of its caller.
#[derive(Default)]
pub(crate) struct Streams<'a> {
    /// The caller is a restart policy, whose tries are counted.
    pub(crate) again: bool,
    /// The monitor's end of the foreground client's pair.
    pub(crate) foreground: Option<OwnedFd>,
    /// The container's from 3 on (`--preserve-fds`).
    pub(crate) preserved: Option<&'a Preserved>,
    /// Rows and columns of the terminal of who watches: the container's own begins so.
    pub(crate) size: Option<(u16, u16)>,
}

/// How far a start goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Initialized,
    Running,
}

/// A container that was started with the caller's terminal or pipes on it.
#[derive(Debug)]
pub(crate) struct Foreground {
    pub(crate) id: Id,
    pub(crate) client: AttachClient,
    pub(crate) started: Started,
    /// It may start again: then Cleanup cleans up.
    pub(crate) restarts: bool,
    pub(crate) run: u64,
    /// The kernel tells its end to who holds this, should the monitor die. `None`: it ended, and its monitor saw it.
    pub(crate) init: Option<(i32, OwnedFd)>,
}

impl Engine {
    /// Starts the container `id` in the background; gives how it is told that it is ready.
    pub(crate) fn start_detached(&self, id: &Id) -> Result<NotifyMode> {
        let locked = self.lock_id(id)?;
        let notify = locked.config.notify;
        if locked.state.status == Status::Running {
            return Ok(notify);
        }
        let mut locked = super::require::start(self, locked)?;
        if locked.state.status == Status::Running {
            return Ok(notify);
        }
        if locked.state.status == Status::Initialized {
            return self.release(&mut locked).map(|()| notify);
        }
        // A user's start gives a policy all its tries again.
        locked.state.restarts = 0;
        self.start_locked(&mut locked, Streams::default()).map(|_| notify)
    }

    /// Makes everything of the container that `name` means but lets its command wait for a start.
    pub(crate) fn initialize(&self, name: &str) -> Result<Id> {
        let locked = self.lock(name)?;
        locked.check(Action::Init)?;
        let mut locked = super::require::start(self, locked)?;
        locked.check(Action::Init)?;
        self.raise(&mut locked, Streams::default(), Until::Initialized)?;
        Ok(locked.id().clone())
    }

    /// Starts a container that was initialized, with a client on it from its first byte on, and a terminal of `size`.
    pub(crate) fn start_attached(&self, mut locked: Locked, size: Option<(u16, u16)>) -> Result<Attached> {
        let client = AttachClient::connect(&locked.run_dir().join("attach"))?;
        if let Some((rows, columns)) = size {
            client.resize(rows, columns);
        }
        self.note_container(&locked.config, "attach");
        self.release(&mut locked)?;
        Ok(Attached { id: locked.id().clone(), client, tty: locked.config.tty })
    }

    /// Lets the command of a container go that was initialized. Where it cannot be executed, the container is as before.
    fn release(&self, locked: &mut Locked) -> Result<()> {
        locked.state.restarts = 0;
        let addresses = addresses(locked);
        let manager = Manager::of(locked.config.notify);
        if let (Some(manager), Some(monitor)) = (&manager, locked.state.monitor) {
            manager.introduce(monitor.pid);
        }
        let released = locked
            .state
            .monitor
            .ok_or_else(|| Error::state("nobody keeps the container").into())
            .and_then(|monitor| spawn::knock(&locked.run_dir(), monitor)?.start(&addresses));
        match released {
            Ok(started) => self.started(locked, started.pid().as_raw_nonzero().get(), manager),
            Err(error) => Err(self.abandon(locked, error)?),
        }
    }

    /// Starts a locked container with a client on it from its first byte on; `preserved` are its descriptors from 3 on,
    /// `size` the rows and columns of the client's terminal.
    pub(crate) fn start_foreground(
        &self,
        locked: Locked,
        preserved: &Preserved,
        size: Option<(u16, u16)>,
    ) -> Result<Foreground> {
        let (client, theirs) = AttachClient::pair().context("make the client's socket")?;
        let restarts = super::policy::may_restart(&locked.config);
        let (locked, started) = self.start_new(
            locked,
            Streams { foreground: Some(theirs), preserved: Some(preserved), size, ..Streams::default() },
        )?;
        self.note_container(&locked.config, "attach");
        let init = match locked.state.init {
            Some(init) => process::open(init.pid, init.start_time).context("open init")?.map(|fd| (init.pid, fd)),
            None => None,
        };
        Ok(Foreground { id: locked.id().clone(), client, started, restarts, run: locked.state.run, init })
    }

    /// Starts a locked container in the background.
    pub(crate) fn start_background(&self, locked: Locked, preserved: &Preserved) -> Result<Id> {
        Ok(self.start_new(locked, Streams { preserved: Some(preserved), ..Streams::default() })?.0.id().clone())
    }

    /// Starts a container; one that was to go with its end goes when it does not start.
    fn start_new(&self, locked: Locked, streams: Streams<'_>) -> Result<(Locked, Started)> {
        let (id, removes) = (locked.id().clone(), locked.config.remove);
        let mut locked = match super::require::start(self, locked) {
            Err(error) if removes => {
                // As below.
                drop(self.remove_id(&id, RemoveRequest { volumes: true, ..RemoveRequest::default() }));
                return Err(error);
            }
            locked => locked?,
        };
        locked.state.restarts = 0;
        match self.start_locked(&mut locked, streams) {
            Ok(started) => Ok((locked, started)),
            Err(error) => {
                if locked.config.remove {
                    // The first error is the one to tell; what this cannot undo the next command will.
                    drop(self.remove_locked(locked, RemoveRequest { volumes: true, ..RemoveRequest::default() }));
                }
                Err(error)
            }
        }
    }

    /// Starts a locked container. What a start that fails made is undone.
    pub(crate) fn start_locked(&self, locked: &mut Locked, streams: Streams<'_>) -> Result<Started> {
        locked.check(Action::Start)?;
        self.raise(locked, streams, Until::Running)
    }

    fn raise(&self, locked: &mut Locked, streams: Streams<'_>, until: Until) -> Result<Started> {
        let dir = locked.dir();
        let health = locked.config.health.is_some().then_some("health.json");
        for name in ["exit.json", "init.json"].into_iter().chain(health) {
            remove_file(&dir.join(name)).with_context(|| format!("remove {name}"))?;
        }
        locked.state.run += 1;
        locked.state.effects = true;
        locked.state.restart_at = None;
        locked.state.restarter = None;
        locked.state.stopped_by_user = false;
        locked.state.cause = None;
        locked.state.error.clear();
        let cgroup = facts::cgroup(self, &locked.config)?;
        locked.state.cgroup = Some(serde_json::to_value(&cgroup).context("encode the cgroup")?);
        locked.save(Durability::Lazy)?;
        // The try counts from its end on: who reads the count that a policy ends with sees its last run.
        let tries = locked.state.restarts + u32::from(streams.again);
        match self.launch(locked, cgroup, streams, until) {
            Ok(started) => Ok(started),
            Err(error) => {
                locked.state.restarts = tries;
                Err(self.abandon(locked, error)?)
            }
        }
    }

    /// Undoes a start that failed, and gives its error back.
    fn abandon(&self, locked: &mut Locked, error: anyhow::Error) -> Result<anyhow::Error> {
        locked.state.error = format!("{error:#}");
        let ended = super::undo::end_init(self, locked);
        let undone = super::undo::tidy(self, locked);
        locked.state.effects = ended.is_err() || undone.is_err();
        locked.state.before_init();
        locked.save(Durability::Lazy)?;
        Ok(error)
    }

    fn launch(&self, locked: &mut Locked, cgroup: Cgroup, given: Streams<'_>, until: Until) -> Result<Started> {
        let Streams { foreground, preserved, size, again } = given;
        let dir = locked.dir();
        let run_dir = locked.run_dir();
        let bundle = dir.join("bundle");
        for path in [&run_dir, &bundle] {
            make_dir(path)?;
        }
        let mut prepared = facts::gather(self, locked, &cgroup, &bundle)?;
        let manager = Manager::of(locked.config.notify);
        let notify = manager.as_ref().and_then(|manager| manager.share(&run_dir, &mut prepared.facts));
        let (preserved, holes) = preserved.map_or((&[][..], &[][..]), |preserved| (&preserved.fds, &preserved.holes));
        activation::announce(preserved.len(), &mut prepared.facts.environment);
        prepared.facts.console = size.filter(|_| locked.config.tty);
        let mut spec = super::spec::generate(&locked.config, &prepared.facts)?;
        let config = &locked.config;
        let bound = facts::binds_devices(self, config);
        let beside = super::cdi::apply(&config.vendor_devices, &mut spec, bound, !self.privilege.is_rootless())?;
        let limits = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
        let by_systemd = config.systemd_cgroup && !cgroup.is_none();
        let scope = if by_systemd { Some(facts::scope(self, config, limits)?.1) } else { None };
        let has_hooks = spec.hooks().is_some();
        if has_hooks {
            // Where hooks look for the root.
            make_dir(&bundle.join(&prepared.facts.root))?;
        }
        record::write(&bundle.join("config.json"), &spec, Durability::Lazy)?;
        let mounted = if super::rootfs::is_copy(config) { None } else { super::merged::mounted(&dir)? };
        let connects = matches!(config.network, NetworkMode::Bridge(_) | NetworkMode::Pasta(_));
        // The command waits for its network, and for the manager to know who speaks for it.
        let waits = connects || manager.as_ref().is_some_and(Manager::hears_monitor);
        let monitor = MonitorConfig {
            data_dir: dir.clone(),
            run_dir,
            tty: config.tty,
            stdin: config.stdin,
            foreground: foreground.is_some(),
            preserve_fds: u32::try_from(preserved.len())?,
            holes: holes.to_vec(),
            name: config.name.clone(),
            told: super::event::told(self, config),
            log: config.log.clone(),
            durable: !config.remove,
            start_immediately: !waits && until == Until::Running,
            cleanup: super::policy::cleanup_arguments(self, &super::policy::run_of(locked)),
            bundle,
            map_root: mounted.is_none() && owners::by_mount(self, owners::maps(self, config)?.as_ref()),
            root: match mounted {
                // Its upper directory is in use: what the user mounted is the same, with its owners mapped.
                Some(path) => RootSource::Mounted { path },
                None => self.root_source(config, &dir)?,
            },
            images: super::image_volume::sources(self, locked)?,
            sealed: config.init.then(|| reaper::PATH.to_owned()).into_iter().collect(),
            chown: chowned(config, &prepared.facts.contents),
            cgroup,
            scope,
            seccomp_cache: Some(self.paths.cache()),
            user: config.user.clone(),
            accounts: config.accounts.clone(),
            timeout: u64::from(config.timeout),
            groups: config.group_add.iter().cloned().chain(beside.groups).collect(),
            capabilities: prepared.requested,
            notify,
            ready_when_healthy: manager.as_ref().and_then(Manager::when_healthy),
            hooks: has_hooks && config.runtime.is_none(),
            runtime: config.runtime.clone(),
            health: config.health.as_deref().cloned(),
            stop: Some((config.stop_signal, config.stop_timeout)),
            stays: matches!(config.cgroups, CgroupsMode::NoConmon | CgroupsMode::Split),
            ports: relayed(config),
            ..MonitorConfig::new(locked.id().clone(), locked.state.run)
        };
        // A Cleanup that starts again has what its monitor had.
        let own = || [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let streams = config.log.driver.is_passthrough().then(own);
        let handed = Handed { foreground: foreground.as_ref().map(AsFd::as_fd), streams, preserved };
        let monitor = spawn::spawn(&monitor, &handed)?;
        drop(foreground);
        let (pid, start_time) = monitor.created()?;
        self.note_container(config, "init");
        let init = ProcessRef { pid, start_time };
        let own = monitor.pid().as_raw_nonzero().get();
        for (path, pid) in [(&config.pidfile, pid), (&config.monitor_pidfile, own)] {
            if let Some(path) = path {
                super::files::write_pid(std::path::Path::new(path), pid)?;
            }
        }
        if connects {
            super::network::connect(self, locked, init)?;
        }
        if let (Some(manager), Until::Running) = (&manager, until) {
            manager.introduce(own);
        }
        let started = match until {
            Until::Initialized => monitor.keep()?,
            Until::Running if waits => monitor.start(&addresses(locked))?,
            Until::Running => monitor.running()?,
        };
        let monitor = started.pid().as_raw_nonzero().get();
        locked.state.restarts += u32::from(again);
        locked.state.init = Some(init);
        locked.state.monitor = process::start_time(monitor).map(|start_time| ProcessRef { pid: monitor, start_time });
        if until == Until::Initialized {
            locked.state.status = Status::Initialized;
            locked.save(Durability::Lazy)?;
        } else {
            self.started(locked, monitor, manager)?;
        }
        Ok(started)
    }

    /// Writes down that the container of the monitor with pid `monitor` runs.
    fn started(&self, locked: &mut Locked, monitor: i32, manager: Option<Manager>) -> Result<()> {
        locked.state.status = Status::Running;
        locked.state.started_at = Some(Timestamp::now());
        locked.save(Durability::Lazy)?;
        // Under the lock, as its end is: the lines are in this order.
        self.note_container(&locked.config, "start");
        if let Some(manager) = manager {
            manager.tell(monitor);
        }
        Ok(())
    }

    fn root_source(&self, config: &ContainerConfig, dir: &std::path::Path) -> Result<RootSource> {
        Ok(match super::rootfs::root(self, config, dir)? {
            Root::Overlay(dirs) => RootSource::overlay(dirs),
            Root::Directory(path) => RootSource::Directory { path },
        })
    }
}

/// The addresses of a container whose network is connected.
fn addresses(locked: &Locked) -> Vec<IpAddr> {
    let endpoints = locked.state.endpoints.iter();
    endpoints.flat_map(|endpoint| &endpoint.addresses).map(|at| at.address.ip()).collect()
}

/// The ports that the monitor holds and relays; pasta binds its own.
pub(crate) fn relayed(config: &ContainerConfig) -> Vec<PortMapping> {
    if matches!(config.network, NetworkMode::Bridge(_)) { config.publish.clone() } else { Vec::new() }
}

/// The sources of the mounts with `:U`.
fn chowned(config: &ContainerConfig, contents: &[Content]) -> Vec<PathBuf> {
    config
        .mounts
        .iter()
        .zip(contents)
        .filter(|(mount, _)| mount.chown)
        .filter_map(|(_, content)| content.source.clone())
        .collect()
}

fn make_dir(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("create directory {}", path.display()))
        }
        _ => Ok(()),
    }
}
