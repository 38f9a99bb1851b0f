//! `system migrate`: an ordinary user's namespace is made anew by the next command, unless containers live in it.

use anyhow::Result;

use super::Engine;
use super::container::ids;
use crate::model::runtime::OtherRuntime;
use crate::state::pause;

impl Engine {
    /// Lets the process end that keeps the user's namespace between commands. Whether there was one.
    pub(crate) fn forget_namespace(&self) -> Result<bool> {
        match self.privilege.is_rootless() {
            true => pause::forget(&self.privilege.run_root()),
            false => Ok(false),
        }
    }

    /// Has all containers made by `runtime` from their next start on; `None` is dhow itself. Gives the names of those that
    /// run: they stay as they are.
    pub(crate) fn change_runtime(&self, runtime: Option<&OtherRuntime>) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for id in ids(&self.paths)? {
            let mut locked = match self.lock_id(&id) {
                Err(error) if super::remove::is_gone(&error) => continue,
                locked => locked?,
            };
            if locked.state.status.is_alive() {
                kept.push(locked.config.name.clone());
            } else if locked.config.runtime.as_ref() != runtime {
                locked.config.runtime = runtime.cloned();
                locked.save_config()?;
            }
        }
        Ok(kept)
    }
}
