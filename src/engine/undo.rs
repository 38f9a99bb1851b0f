//! Taking away what a run has outside of its directory: network, cgroup, sockets, exec sessions. The reverse of a start;
//! every step is idempotent and "already gone" is success.

use anyhow::{Context, Result};

use super::Engine;
use super::container::Locked;
use crate::runtime::cgroup::Cgroup;
use crate::storage::tree;

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

/// Removes the cgroup of the run that ended, with whatever is in it.
fn remove_cgroup(locked: &mut Locked) -> Result<()> {
    let Some(value) = locked.state.cgroup.clone() else { return Ok(()) };
    let cgroup: Cgroup = serde_json::from_value(value).context("read the cgroup of the container")?;
    cgroup.remove().context("remove the cgroup")?;
    locked.state.cgroup = None;
    Ok(())
}
