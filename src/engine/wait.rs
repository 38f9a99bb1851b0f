//! `wait`: the kernel tells when a monitor, and the Cleanup that it becomes, is dead.

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container};
use crate::model::id::Id;
use crate::model::status::Status;
use crate::state::record;
use crate::sys::process;

impl Engine {
    /// Waits until the container that `name` means does not run, and returns its exit code; -1 when nobody knows it.
    pub(crate) fn wait(&self, name: &str) -> Result<i32> {
        let id = container::find(&self.paths, name)?;
        self.wait_id(&id)
    }

    pub(crate) fn wait_id(&self, id: &Id) -> Result<i32> {
        let mut seen = None;
        loop {
            let Some(read) = Container::read(&self.paths, id)? else {
                // `--rm` took it away; what its exit record said was read before, or asked of the kernel.
                return Ok(seen.unwrap_or(-1));
            };
            if super::heal::heal_one(self, &read)? {
                continue;
            }
            match read.state.status {
                Status::Exited => return Ok(read.state.exit_code.unwrap_or(-1)),
                Status::Created | Status::Initialized => return Ok(read.state.exit_code.unwrap_or(0)),
                _ => {}
            }
            seen = self.wait_run(&read)?.or(seen);
        }
    }

    /// Waits for the end of the run that was read. Its exit code, when it could be learnt on the way.
    fn wait_run(&self, read: &Container) -> Result<Option<i32>> {
        let open = |process: Option<crate::model::container::ProcessRef>| match process {
            Some(process) => process::open(process.pid, process.start_time).context("open a process of the container"),
            None => Ok(None),
        };
        let (init, monitor) = (open(read.state.init)?, open(read.state.monitor)?);
        let dir = std::fs::File::open(self.paths.container(&read.config.id));
        if let Some(init) = &init {
            process::wait(init, None).context("wait for init")?;
        }
        if let Some(monitor) = &monitor {
            process::wait(monitor, None).context("wait for the monitor")?;
        }
        // The directory may be gone by now; the file descriptor still reaches a record that is not yet unlinked.
        let code = read.exit(&self.paths).ok().flatten().and_then(|exit| exit.exit_code);
        drop(dir);
        let _ = record::VERSION;
        Ok(code.or_else(|| init.as_ref().and_then(crate::sys::pidfd::exit_code)))
    }
}
