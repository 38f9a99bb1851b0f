//! Taking away what a run has outside of its directory: network, cgroup, sockets, exec sessions. The reverse of a start;
//! every step is idempotent and "already gone" is success.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use crate::model::id::Id;
use crate::network::rootless::Files;
use crate::runtime::cgroup::Cgroup;
use crate::storage::tree;
use crate::sys::process;

/// How long a killed process may take to go.
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

/// Takes away what container `id` may have outside, when its record does not tell: everything external carries the id.
pub(crate) fn by_id(engine: &Engine, id: &Id) -> Result<()> {
    let cgroup = Cgroup::plan(None, id.as_str(), engine.privilege.ordinary_user()).context("look for the cgroup")?;
    cgroup.kill_all().context("kill what is left in the cgroup")?;
    cgroup.remove().context("remove the cgroup")?;
    let run = engine.paths.container_run(id);
    if engine.privilege.is_rootless() {
        crate::network::rootless::stop(&Files::of(&engine.paths.container(id), &run)).context("end pasta")?;
    } else {
        crate::network::disconnect(&engine.paths.networks(), id, &[]).context("disconnect the network")?;
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
