//! `exec`: a monitor of its own puts one more process into a running container. The container's lock is held while the
//! record is read and let go before the process runs: a session belongs to its monitor.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use oci_spec::runtime::ProcessBuilder;

use super::container::Locked;
use super::request::ExecRequest;
use super::session::Starting;
use super::{Engine, facts, spec};
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::log::{LogConfig, LogDriver};
use crate::model::status::Action;
use crate::monitor::client::AttachClient;
use crate::monitor::config::{ExecSource, MonitorConfig};
use crate::monitor::spawn::{self, Handed, Started};
use crate::runtime::capability;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::stdio::Preserved;
use crate::state::scope;

/// A process that was started in a container.
#[derive(Debug)]
pub(crate) struct Session {
    /// 64 hex digits, as `exec -d` prints.
    pub(crate) id: Id,
    /// Without it the session was detached.
    pub(crate) client: Option<AttachClient>,
    pub(crate) started: Started,
}

impl Engine {
    /// Starts a process in the running container that `name` means.
    ///
    /// `preserved` are its descriptors from 3 on.
    pub(crate) fn exec(&self, name: &str, request: &ExecRequest, preserved: &Preserved) -> Result<Session> {
        if request.command.is_empty() {
            return Err(Error::invalid("you must provide a command to exec").into());
        }
        let locked = self.lock(name)?;
        locked.check(Action::Exec)?;
        let init = locked.state.init.context("the record names no init")?;
        if self.privilege.is_rootless() && std::fs::metadata(format!("/proc/{}/ns/user", init.pid)).is_err_and(denied) {
            let message = format!("container {} runs in another user namespace of this user", locked.id());
            let hint = "it was started with another XDG_RUNTIME_DIR: exec needs the same one";
            return Err(Error::state(message).hint(hint).into());
        }
        let session = Id::from_random(crate::sys::random::bytes().context("get random bytes")?);
        let starting = Starting::new(&locked.dir(), &locked.run_dir(), &session)?;
        let config = match self.exec_config(&locked, request, init, &starting) {
            Ok(config) => MonitorConfig {
                preserve_fds: u32::try_from(preserved.fds.len())?,
                holes: preserved.holes.clone(),
                ..config
            },
            Err(error) => {
                starting.abandon()?;
                return Err(error);
            }
        };
        drop(locked);
        let pair = if request.detach { None } else { Some(AttachClient::pair().context("make the client's socket")?) };
        let (client, theirs) = pair.map_or((None, None), |(client, theirs)| (Some(client), Some(theirs)));
        let handed =
            Handed { foreground: theirs.as_ref().map(AsFd::as_fd), preserved: &preserved.fds, ..Handed::default() };
        let started = spawn::spawn(&config, &handed)?.running();
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                starting.abandon()?;
                return Err(error);
            }
        };
        Ok(Session { id: session, client, started })
    }

    fn exec_config(
        &self,
        locked: &Locked,
        request: &ExecRequest,
        init: ProcessRef,
        starting: &Starting,
    ) -> Result<MonitorConfig> {
        let (process, requested, seccomp) = process(self, &locked.config, request)?;
        let cgroup = match locked.state.cgroup.clone() {
            Some(value) => serde_json::from_value(value).context("read the cgroup of the container")?,
            None => Cgroup::None,
        };
        if let Some(user) = self.privilege.ordinary_user()
            && !cgroup.is_none()
        {
            // From a session of its own it could not come into the container's.
            scope::enter(user)?;
        }
        Ok(MonitorConfig {
            told: super::event::told(self, &locked.config),
            data_dir: starting.data_dir.clone(),
            run_dir: starting.run_dir.clone(),
            tty: request.tty,
            stdin: request.stdin,
            foreground: !request.detach,
            log: LogConfig { driver: LogDriver::None, ..LogConfig::default() },
            durable: false,
            start_immediately: true,
            cgroup,
            seccomp_cache: Some(self.paths.cache()),
            user: request.user.clone().unwrap_or_else(|| locked.config.user.clone()),
            groups: if request.user.is_some() { Vec::new() } else { locked.config.group_add.clone() },
            capabilities: requested,
            runtime: locked.config.runtime.clone(),
            exec: Some(ExecSource { init, process, seccomp, bound: false }),
            ..MonitorConfig::new(locked.id().clone(), locked.state.run)
        })
    }
}

fn denied(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}

/// The process of a session: the container's own environment and confinement, less what `--privileged` lifts.
fn process(
    engine: &Engine,
    config: &ContainerConfig,
    request: &ExecRequest,
) -> Result<(oci_spec::runtime::Process, Vec<String>, Option<oci_spec::runtime::LinuxSeccomp>)> {
    let mut config = config.clone();
    if request.privileged {
        config.security.privileged = true;
    }
    config.tty = request.tty;
    let bounding = facts::bounding()?;
    let set = facts::capabilities(&config, bounding)?;
    let requested = capability::requested(&config.security.cap_add, bounding)?;
    let mut env = spec::environment(&config);
    env.extend(super::secret::environment(engine, &config)?);
    for (key, value) in &request.env {
        let pair = format!("{key}={value}");
        match env.iter_mut().find(|known| known.split_once('=').is_some_and(|(name, _)| name == key)) {
            Some(known) => *known = pair,
            None => env.push(pair),
        }
    }
    let workdir = request.workdir.as_deref().unwrap_or(&config.workdir);
    let mut process = ProcessBuilder::default()
        .terminal(request.tty)
        .user(spec::user(&config)?)
        .args(request.command.clone())
        .env(env)
        .cwd(if workdir.is_empty() { "/" } else { workdir })
        .capabilities(capability::sets(set, requested, true)?)
        .rlimits(facts::rlimits(&config)?.limits)
        .no_new_privileges(config.security.no_new_privileges)
        .build()
        .context("build the process")?;
    process.set_apparmor_profile(facts::apparmor(engine, &config)?);
    process.set_oom_score_adj(config.oom_score_adj);
    process.set_console_size(request.size.map(spec::console).transpose()?);
    Ok((process, requested.names().collect(), facts::seccomp(&config, set)?))
}
