//! `exec`: another process in a container, from a JSON file or from the container's own process and options.

use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{Process, Spec};

use super::args::ExecArgs;
use super::console::{self, Foreground};
use super::create::{own_streams, preserved, read_input, wants_terminal, write_pid_file};
use super::record::{Root, Status};
use crate::model::error::Error;
use crate::runtime::capability::CapSet;
use crate::runtime::exec::{ExecRequest, exec as execute};
use crate::runtime::stdio::Preserved;
use crate::runtime::stdio::Stdio;
use crate::runtime::{idmap, terminal};

/// `exec`: gives the exit code of the command, 0 when it is left alone.
pub(crate) fn exec(root: &Root, args: &ExecArgs) -> Result<u8> {
    let container = root.container(&args.id)?;
    let record = container.record()?;
    let spec = container.spec()?;
    match container.status(&record)? {
        Status::Created | Status::Running => {}
        Status::Paused if args.ignore_paused => {}
        Status::Paused => bail!(Error::state("cannot exec in a paused container (use --ignore-paused to override)")),
        Status::Stopped => bail!(Error::state("cannot exec in a stopped container")),
        Status::Creating => bail!(Error::state("cannot exec in a container that is being created")),
    }
    let Some((init_pid, init)) = container.init(&record)? else {
        bail!(Error::state("cannot exec in a stopped container"));
    };
    let process = process(&spec, args)?;
    let wants_terminal = wants_terminal(Some(&process));
    let console = match &args.console_socket {
        Some(_) if !wants_terminal => bail!(Error::invalid("--console-socket without a terminal")),
        None if wants_terminal && args.detach => {
            bail!(Error::invalid("a terminal needs --console-socket when the runtime does not stay"))
        }
        path => path.as_deref().map(console::connect).transpose()?,
    };
    let pidfd_socket = args.pidfd_socket.as_deref().map(console::connect).transpose()?;
    let foreground = if args.detach { None } else { Some(Foreground::new()?) };
    let stdio = if wants_terminal {
        Stdio::Terminal { size: terminal::size(&process) }
    } else {
        let user = process.user();
        own_streams(idmap::outer_owner(&spec, (user.uid(), user.gid())).0)?
    };
    let cgroup = match args.cgroup.as_slice() {
        [] => record.cgroup.clone(),
        words => record.cgroup.below(words).context("--cgroup")?,
    };
    let cache = root.seccomp_cache();
    let child = execute(ExecRequest {
        spec: &spec,
        process: &process,
        init: init.as_fd(),
        init_pid,
        stdio,
        preserved: Preserved::from_three(preserved(args.preserve_fds)?),
        cgroup: &cgroup,
        resctrl: record.resctrl.as_ref(),
        seccomp_cache: Some(&cache),
        subject: Some(container.subject(&record)),
        bound: false,
        keep_keyring: record.keep_keyring,
    })?;
    if let Some(path) = &args.pid_file {
        write_pid_file(path, child.pid)?;
    }
    if let Some(socket) = &pidfd_socket {
        console::send(socket, child.pidfd.as_fd(), console::PIDFD)?;
    }
    let mut terminal = child.terminal;
    if let (Some(socket), Some(master)) = (&console, &terminal) {
        console::send(socket, master.as_fd(), console::TERMINAL)?;
        terminal = None;
    }
    match foreground {
        None => Ok(0),
        Some(foreground) => {
            let code = foreground.wait(&child.pidfd, terminal.as_ref(), None)?;
            Ok(u8::try_from(code).unwrap_or(u8::MAX))
        }
    }
}

/// The process that is asked for.
fn process(spec: &Spec, args: &ExecArgs) -> Result<Process> {
    if let Some(path) = &args.process {
        let text = read_input(path)?;
        let mut process: Process =
            serde_json::from_slice(&text).with_context(|| format!("parse {}", path.display()))?;
        if args.tty {
            process.set_terminal(Some(true));
        }
        return Ok(process);
    }
    let Some(mut process) = spec.process().clone() else { bail!(Error::invalid("the container has no process")) };
    if args.command.is_empty() {
        bail!(Error::invalid("no command specified"));
    }
    process.set_args(Some(args.command.clone()));
    process.set_terminal(Some(args.tty));
    if let Some(cwd) = &args.cwd {
        process.set_cwd(cwd.clone());
    }
    let mut env = process.env().clone().unwrap_or_default();
    for entry in &args.env {
        let key = entry.split('=').next().unwrap_or_default();
        env.retain(|known| known.split('=').next() != Some(key));
        env.push(entry.clone());
    }
    process.set_env(Some(env));
    let mut user = process.user().clone();
    if let Some(text) = &args.user {
        let (uid, gid) = text.split_once(':').map_or((text.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        user.set_uid(number(uid)?);
        if let Some(gid) = gid {
            user.set_gid(number(gid)?);
        }
    }
    if !args.additional_gids.is_empty() {
        let mut groups = user.additional_gids().clone().unwrap_or_default();
        groups.extend(&args.additional_gids);
        user.set_additional_gids(Some(groups));
    }
    process.set_user(user);
    if args.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    if args.apparmor.is_some() {
        process.set_apparmor_profile(args.apparmor.clone());
    }
    if args.process_label.is_some() {
        process.set_selinux_label(args.process_label.clone());
    }
    add_capabilities(&mut process, &args.cap)?;
    Ok(process)
}

/// Adds capabilities to all five sets: one that was asked for by name survives a change of the user.
fn add_capabilities(process: &mut Process, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut more = CapSet::EMPTY;
    for name in names {
        let Some(one) = CapSet::named(name) else { bail!(Error::invalid(format!("unknown capability {name:?}"))) };
        more = more.union(one);
    }
    let mut sets = process.capabilities().clone().unwrap_or_default();
    let with = |set: &Option<_>| Some(set.as_ref().map_or(CapSet::EMPTY, CapSet::from_oci).union(more).to_oci());
    sets.set_bounding(with(sets.bounding()));
    sets.set_effective(with(sets.effective()));
    sets.set_permitted(with(sets.permitted()));
    sets.set_inheritable(with(sets.inheritable()));
    sets.set_ambient(with(sets.ambient()));
    process.set_capabilities(Some(sets));
    Ok(())
}

/// A user or group by number: no sign, no blanks (CVE-2026-30892).
fn number(text: &str) -> Result<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if plain && number != u32::MAX => Ok(number),
        _ => bail!(Error::invalid(format!("{text:?} is not the number of a user or group"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> ExecArgs {
        let words: Vec<_> = line.split(' ').map(std::ffi::OsString::from).collect();
        match super::super::args::parse("runc", &words).unwrap() {
            super::super::args::Parsed::Request(_, request) => match *request {
                super::super::args::Request::Exec(args) => args,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn spec() -> Spec {
        serde_json::from_value(serde_json::json!({"ociVersion": "1.0.0", "process": {
            "cwd": "/", "args": ["init"], "terminal": true, "user": {"uid": 5, "gid": 6}, "env": ["A=1", "AB=2"],
            "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"]}}}))
        .unwrap()
    }

    #[test]
    fn options_change_the_containers_process() {
        let line = "exec -e A=3 -e C=4 -u 7 -g 8 -g 9 --cap CAP_CHOWN --cwd /tmp --no-new-privs c id -u";
        let process = process(&spec(), &args(line)).unwrap();
        assert_eq!(process.args().as_deref().unwrap(), ["id", "-u"]);
        assert_eq!(process.env().as_deref().unwrap(), ["AB=2", "A=3", "C=4"]);
        assert_eq!((process.user().uid(), process.user().gid()), (7, 6));
        assert_eq!(process.user().additional_gids().as_deref().unwrap(), [8, 9]);
        assert_eq!(process.terminal(), Some(false));
        assert_eq!(process.no_new_privileges(), Some(true));
        let sets = crate::runtime::capability::masks(process.capabilities().as_ref());
        assert_eq!((sets.bounding, sets.effective, sets.ambient), (33, 33, 1));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["exec -u +7 c id", "exec -u root c id", "exec -u 4294967295 c id", "exec -u 1: c id", "exec c"] {
            assert!(process(&spec(), &args(line)).is_err(), "{line}");
        }
        assert!(process(&spec(), &args("exec --cap CAP_NO c id")).is_err());
    }
}
