//! Taking over a container whose monitor died.
//!
//! Without a terminal the container noticed nothing: it holds its FIFOs open itself, and what it wrote meanwhile is in
//! them. The exit code comes from our own pidfd, opened before init is reaped by whoever inherited it (see `exit.rs`);
//! where the kernel does not tell, it is recorded as lost. The terminal of `-t` and the stdin of `-i` went with the dead
//! monitor.

use anyhow::Result;

use super::config::MonitorConfig;
use super::exit::Child;
use super::process::Made;
use super::stdio::{self, MonitorEnds};
use crate::model::container::ProcessRef;
use crate::model::error::Error;

/// Takes over the process `reference`.
pub(crate) fn adopt(config: &MonitorConfig, reference: ProcessRef) -> Result<Made> {
    let pidfd = crate::sys::process::open(reference.pid, reference.start_time)?
        .ok_or_else(|| Error::state("the container has ended before it could be taken over"))?;
    let ends = if config.tty || config.log.driver.is_passthrough() {
        MonitorEnds::Nothing
    } else {
        stdio::reopen(&config.run_dir)?
    };
    Ok(Made { reference, child: Child::Adopted { pidfd, pid: reference.pid }, ends, init: None })
}
