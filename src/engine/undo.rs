//! Taking away what a run has outside of its directory: network, cgroup, sockets, exec sessions. The reverse of a start;
//! every step is idempotent and "already gone" is success.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::{Locked, monitor_lock};
use crate::model::id::Id;
use crate::network::driver::Remaining;
use crate::network::rootless::Files;
use crate::runtime::cgroup::Cgroup;
use crate::state::record::Durability;
use crate::state::{boot, lock};
use crate::storage::tree;
use crate::sys::process;

/// How long a killed process may take to go, or a monitor that lost its engine to undo its start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes away what a run has outside: its network, its cgroup, its sockets. Collects errors and goes on.
pub(crate) fn tidy(engine: &Engine, locked: &mut Locked) -> Result<()> {
    if !locked.state.effects {
        return Ok(());
    }
    let mut first = None;
    let mut note = |done: Result<()>| {
        if let Err(error) = done {
            first.get_or_insert(error);
        }
    };
    // Programs of others have their say first; what goes wrong with them is told, and keeps nothing from going.
    let may_have_hooks = locked.config.hooks.is_some() || !locked.config.vendor_devices.names.is_empty();
    let told = match &locked.config.runtime {
        Some(runtime) => super::runtime::forget(locked, runtime),
        None if may_have_hooks => super::hook::after_stop(locked),
        None => Ok(()),
    };
    if let Err(error) = told
        && locked.state.error.is_empty()
    {
        locked.state.error = format!("{error:#}");
    }
    note(super::network::disconnect(engine, locked));
    note(remove_cgroup(locked));
    let run = locked.run_dir();
    note(tree::remove_path(&run));
    note(tree::remove_path(&locked.dir().join("exec")));
    first.map_or(Ok(()), Err)
}

/// Kills the first process of this run, if it lives: a monitor that was killed could not, and an ordinary user's container
/// may have no cgroup by which it would be found.
pub(crate) fn end_init(engine: &Engine, locked: &Locked) -> Result<()> {
    if let Some(record) = locked.snapshot().init(&engine.paths)?
        && let Some(fd) = process::open(record.init.pid, record.init.start_time).context("open init")?
    {
        process::signal(&fd, libc::SIGKILL).context("kill init")?;
        process::wait(&fd, Some(PATIENCE)).context("wait for init")?;
    }
    Ok(())
}

/// A start that came to nothing: the monitor sees that its engine is gone, kills init and ends; then the rest is undone.
pub(crate) fn start(engine: &Engine, locked: &mut Locked) -> Result<()> {
    let path = monitor_lock(&engine.paths, locked.id());
    if locked.state.boot == boot::id() {
        lock::wait_free(&path, PATIENCE)?;
    }
    end_init(engine, locked)?;
    tidy(engine, locked)?;
    locked.state.effects = false;
    locked.state.before_init();
    locked.save(Durability::Lazy)
}

/// Takes away what was made for the start of a container that is initialized; it is as before that.
pub(crate) fn unmake(engine: &Engine, locked: &mut Locked) -> Result<()> {
    // The monitor first: it has no end of a run to tell.
    if let Some(monitor) = locked.snapshot().init(&engine.paths)?.and_then(|record| record.monitor)
        && let Some(fd) = process::open(monitor.pid, monitor.start_time).context("open the monitor")?
    {
        process::signal(&fd, libc::SIGKILL).context("kill the monitor")?;
        process::wait(&fd, Some(PATIENCE)).context("wait for the monitor")?;
    }
    start(engine, locked)
}

/// Takes away what container `id` may have outside, when its record does not tell: everything external carries the id.
pub(crate) fn by_id(engine: &Engine, id: &Id) -> Result<()> {
    let user = engine.privilege.ordinary_user();
    let mut cgroups = vec![Cgroup::plan(None, id.as_str(), user).context("look for the cgroup")?];
    // Where there is no service manager there is no scope.
    cgroups.extend(super::facts::scope_of(id, None, user, None, &HashMap::new()).ok().map(|(cgroup, _)| cgroup));
    for cgroup in cgroups {
        cgroup.kill_all().context("kill what is left in the cgroup")?;
        cgroup.remove().context("remove the cgroup")?;
    }
    let run = engine.paths.container_run(id);
    if engine.privilege.is_rootless() {
        crate::network::rootless::stop(&Files::of(&engine.paths.container(id), &run)).context("end pasta")?;
    } else {
        crate::network::disconnect(&engine.paths.networks(), id, Remaining::Remove)
            .context("disconnect the network")?;
        super::network::attend(engine)?;
    }
    tree::remove_path(&run)
}

/// Removes the cgroup of the run that ended, with whatever is in it.
fn remove_cgroup(locked: &mut Locked) -> Result<()> {
    locked.cgroup()?.remove().context("remove the cgroup")?;
    locked.state.cgroup = None;
    Ok(())
}
