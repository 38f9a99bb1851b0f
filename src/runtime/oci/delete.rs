//! `delete` and `kill`: the end of a container, and signals on the way there.

use std::io::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::Spec;

use super::args::{DeleteArgs, KillArgs};
use super::record::{Container, Record, Root, Status};
use crate::model::error::Error;
use crate::model::signal;
use crate::runtime::hook::Point;
use crate::runtime::resctrl::Group;
use crate::sys::{pidfd, process};

/// `delete`. One that only waits for its start goes without `--force`, as callers expect of runc and crun.
pub(crate) fn delete(root: &Root, args: &DeleteArgs) -> Result<()> {
    let container = root.container(&args.id)?;
    if args.force && !container.exists() {
        return Ok(());
    }
    let _lock = container.lock()?;
    let record = match container.record() {
        // Its maker was killed before it could say anything: there is a name and nothing else.
        Err(error) if args.force || !container.directory.join("state.json").exists() => {
            drop(error);
            return container.remove();
        }
        record => record?,
    };
    let status = container.status(&record)?;
    match status {
        Status::Stopped | Status::Created => {}
        _ if args.force => {}
        _ => {
            let name = status.name();
            bail!(Error::state(format!("cannot delete container {} that is not stopped: {name}", container.id)))
        }
    }
    if let Some((_, init)) = container.init(&record)? {
        process::signal(&init, libc::SIGKILL).context("kill the container")?;
        // What is frozen by the freezer of v1 dies when it goes on.
        if status == Status::Paused {
            record.cgroup.thaw()?;
        }
        process::wait(&init, None).context("wait for the end of the container")?;
    }
    let spec = container.spec();
    match spec {
        Ok(spec) => finish(&container, &record, &spec),
        // Its maker was killed in between: no hook was run then.
        Err(_) => clear(&container, &record),
    }
}

/// Takes away what a container without its first process has left, and tells its hooks. Their errors are only told: the
/// rest goes on (runtime-spec, "Lifecycle").
pub(crate) fn finish(container: &Container, record: &Record, spec: &Spec) -> Result<()> {
    let cleared = clear_cgroup(record);
    for error in container.subject(record).run_all(Point::Poststop, spec, None) {
        // Where standard error is closed, there is nobody to tell.
        drop(writeln!(std::io::stderr(), "warning: {error:#}"));
    }
    cleared.and(container.remove())
}

fn clear(container: &Container, record: &Record) -> Result<()> {
    clear_cgroup(record).and(container.remove())
}

fn clear_cgroup(record: &Record) -> Result<()> {
    // Processes that share the host's process ids outlive the first one.
    record.cgroup.kill_all()?;
    let removed = record.cgroup.remove();
    record.resctrl.as_ref().map_or(Ok(()), Group::remove).and(removed)
}

/// `kill`.
pub(crate) fn kill(root: &Root, args: &KillArgs) -> Result<()> {
    let container = root.container(&args.id)?;
    let record = container.record()?;
    let Some(number) = number(&args.signal) else {
        bail!(Error::invalid(format!("unknown signal {:?}", args.signal)));
    };
    let status = container.status(&record)?;
    if args.all && !record.cgroup.is_none() {
        for pid in record.cgroup.processes()? {
            let Ok(target) = pidfd::open(pid) else { continue };
            // The number may have been another's when it was opened.
            if record.cgroup.processes()?.contains(&pid) {
                process::signal(&target, number).with_context(|| format!("signal process {pid}"))?;
            }
        }
    } else {
        // Callers know the words.
        let Some((_, init)) = container.init(&record)? else { bail!(Error::state("container not running")) };
        pidfd::signal(init.as_fd(), number).context("signal the container")?;
    }
    if number == libc::SIGKILL && status == Status::Paused {
        record.cgroup.thaw()?;
    }
    Ok(())
}

/// 0 only asks whether the process is there.
fn number(text: &str) -> Option<i32> {
    if text == "0" { Some(0) } else { signal::parse(text) }
}
