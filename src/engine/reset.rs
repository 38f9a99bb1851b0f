//! `system reset`: everything goes, whatever state it is in. What runs is found by what carries its id (records, cgroups),
//! then a fixed set of paths is removed; links are never followed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::container::{self, Locked};
use super::request::RemoveRequest;
use super::{Engine, undo};
use crate::model::id::Id;
use crate::network;
use crate::storage::tree;
use crate::storage::volume::local::Volumes;
use crate::sys::process;

/// How long a killed process may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a store consists of; whatever else is in its directories is not ours. The first of each are those by which
/// `Paths::prepare` knows that all are there: after a kill the next command makes what is missing.
const DATA: [&str; 10] =
    ["tmp", "containers", "names", "secrets", "images", "layers", "content", "volumes", "networks", "cache"];
const RUN: [&str; 4] = ["containers", "events.lock", "events.log", "events.log.1"];

impl Engine {
    /// The directories of which everything of ours goes.
    pub(crate) fn reset_places(&self) -> [PathBuf; 2] {
        [self.paths.data().to_owned(), self.paths.run().to_owned()]
    }

    /// Ends all containers and removes the store. Goes on after errors and gives them back: a second call continues.
    pub(crate) fn reset(&self) -> Vec<anyhow::Error> {
        let mut errors = Vec::new();
        let mut note = |done: Result<()>| errors.extend(done.err());
        // A listing that fails is of a directory that goes below.
        for id in container::ids(&self.paths).unwrap_or_default() {
            note(self.end(&id).with_context(|| format!("remove container {}", id.short())));
        }
        note(network::idle::retire_all(&self.paths.networks()).context("remove networks"));
        for (root, names) in [(self.paths.data(), &DATA[..]), (self.paths.run(), &RUN[..])] {
            for name in names {
                note(tree::remove_path(&root.join(name)));
            }
        }
        if self.paths.volumes() != self.paths.data().join("volumes") {
            note(Volumes::new(&self.paths).clear());
        }
        // Ours alone go empty; what somebody else keeps there stays with its directory.
        for root in self.reset_places() {
            match std::fs::remove_dir(&root) {
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                // A mount of its own, or a directory that only root may remove: empty is enough.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EACCES | libc::EPERM)) => {}
                done => note(done.with_context(|| format!("remove {}", root.display()))),
            }
        }
        errors
    }

    /// Ends a container, whether its records can be read or not.
    fn end(&self, id: &Id) -> Result<()> {
        let request = RemoveRequest { force: true, timeout: Some(0), volumes: true };
        let Err(first) = self.remove_id(id, request) else { return Ok(()) };
        // Its records are of no help, or somebody holds its lock: the process itself goes, and its monitor with it.
        if let Ok(Some(locked)) = Locked::try_acquire(&self.paths, id) {
            drop(undo::end_init(self, &locked));
        } else if let Ok(Some(read)) = container::Container::read(&self.paths, id)
            && let Some(init) = read.state.init
            && let Some(fd) = process::open(init.pid, init.start_time).context("open init")?
        {
            process::signal(&fd, libc::SIGKILL).context("kill init")?;
            process::wait(&fd, Some(PATIENCE)).context("wait for init")?;
        }
        undo::by_id(self, id).map_err(|_| first)
    }
}
