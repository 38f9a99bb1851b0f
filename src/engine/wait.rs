//! `wait`: the kernel tells when a monitor, and the Cleanup that it becomes, is dead.

use std::os::fd::AsFd;

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container};
use crate::model::id::Id;
use crate::model::status::Status;
use crate::monitor::exit::End;
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
        if let Some(init) = &init {
            process::wait(init, None).context("wait for init")?;
        }
        if let Some(monitor) = &monitor {
            process::wait(monitor, None).context("wait for the monitor")?;
        }
        // With `--rm` the record is gone by now: the kernel remembers the code as long as somebody holds the pidfd.
        let recorded = read.exit(&self.paths).ok().flatten().and_then(|exit| exit.exit_code);
        let status = || crate::sys::pidfd_info::exit_status(init.as_ref()?.as_fd()).ok().flatten();
        Ok(recorded.or_else(|| status().map(|status| End::from_wait_status(status).code())))
    }
}
