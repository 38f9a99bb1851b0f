//! `dhow stop`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::outcome::{Outcomes, kind};
use crate::model::error::{Error, ErrorKind};

/// Stop one or more containers
///
/// The stop signal first, and SIGKILL after the time of grace.
#[derive(clap::Args)]
pub(crate) struct StopArgs {
    /// Stop all running containers
    #[arg(short, long)]
    all: bool,
    /// Read a container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Stop what the filter chooses
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// A container that does not exist is no error
    #[arg(short, long)]
    ignore: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Seconds of grace; -1 waits forever
    #[arg(short, long, value_name = "SECONDS", value_parser = value::seconds)]
    time: Option<u32>,
    /// As a shutdown does it: what a restart policy keeps running starts again at the next boot
    #[arg(long)]
    until_boot: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for StopArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names = Choice {
            names: &self.containers,
            all: self.all,
            latest: self.latest,
            filters: &self.filter,
            cidfiles: &self.cidfile,
            ignore: self.ignore,
            states: &[],
        }
        .resolve(engine)?;
        if self.until_boot && self.time.is_some() {
            return Err(Error::invalid("--until-boot and --time cannot be used together").into());
        }
        // Each is told before the first is waited for.
        let told: Vec<_> = names.iter().filter(|_| self.until_boot).map(|name| engine.end_until_boot(name)).collect();
        let mut told = told.into_iter();
        let mut stop = |name: &str| match told.next() {
            Some(ending) => ending.and_then(|ending| engine.await_end(ending)),
            None => engine.stop(name, self.time).map(drop),
        };
        let stop = |name: &str| match stop(name) {
            // With --all, one that went meanwhile is none of those.
            Err(error) if (self.ignore || self.all) && kind(&error) == Some(ErrorKind::NotFound) => Ok(false),
            result => result.map(|()| true),
        };
        Outcomes::each_if(&names, stop)?.finish()
    }
}
