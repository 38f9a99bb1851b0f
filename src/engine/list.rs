//! `ps` and whatever else lists containers: small files are read, no lock is taken, what is dead is healed on the way.

use anyhow::Result;

use super::Engine;
use super::container::{self, Container};
use super::heal;
use crate::model::id::Id;
use crate::model::status::Status;
use crate::state::name;

/// A container in a listing, or why it cannot be read.
#[derive(Debug)]
pub(crate) enum Listed {
    Container(Box<Container>),
    /// Damage is local: it is named with its remedy and hides nobody else.
    Damaged {
        id: Id,
        error: anyhow::Error,
    },
}

impl Engine {
    /// Every container, the newest first, healed where that was needed and possible.
    pub(crate) fn list(&self) -> Result<Vec<Listed>> {
        container::sweep(&self.paths)?;
        name::heal(&self.paths)?;
        // What a killed pull or attendant left; a list is not the place to fail for it.
        drop(self.heal_images());
        drop(super::network::attend(self));
        let mut list = Vec::new();
        for id in container::ids(&self.paths)? {
            match self.read_healed(&id) {
                Ok(Some(read)) if read.state.creating => {}
                Ok(Some(read)) => list.push(Listed::Container(Box::new(read))),
                Ok(None) => {}
                Err(error) => list.push(Listed::Damaged { id, error }),
            }
        }
        let age = |listed: &Listed| match listed {
            Listed::Container(read) => Some(read.config.created),
            Listed::Damaged { .. } => None,
        };
        list.sort_by_key(|listed| std::cmp::Reverse(age(listed)));
        Ok(list)
    }

    /// Reads a container without its lock; heals it first where nobody else does.
    pub(crate) fn read_healed(&self, id: &Id) -> Result<Option<Container>> {
        let Some(read) = Container::read(&self.paths, id)? else { return Ok(None) };
        if !heal::heal_one(self, &read)? {
            return Ok(Some(self.effective(read)?));
        }
        Container::read(&self.paths, id)
    }

    /// Reads the container that `name` means.
    pub(crate) fn read(&self, name: &str) -> Result<Container> {
        let id = container::find(&self.paths, name)?;
        self.read_healed(&id)?.ok_or_else(|| container::no_such(name).into())
    }

    /// What is true now of a record that somebody else is about to change: between the end of a run and its Cleanup the
    /// exit record tells.
    fn effective(&self, mut read: Container) -> Result<Container> {
        if read.state.status.is_alive()
            && let Some(exit) = read.exit(&self.paths)?
        {
            read.state.status = Status::Exited;
            read.state.exit_code = exit.exit_code;
            read.state.finished_at = Some(exit.finished_at);
            read.state.oom_killed = exit.oom_killed;
            read.state.ended_by(exit.cause);
        }
        Ok(read)
    }
}
