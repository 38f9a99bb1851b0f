//! `system migrate`: an ordinary user's namespace is made anew by the next command, unless containers live in it.

use anyhow::Result;

use super::Engine;
use crate::state::pause;

impl Engine {
    /// Lets the process end that keeps the user's namespace between commands. Whether there was one.
    pub(crate) fn forget_namespace(&self) -> Result<bool> {
        match self.privilege.is_rootless() {
            true => pause::forget(&self.privilege.run_root()),
            false => Ok(false),
        }
    }
}
