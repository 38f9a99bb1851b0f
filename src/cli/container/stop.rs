//! `dhow stop`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::outcome::{Outcomes, kind};
use crate::model::error::ErrorKind;

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
        let stop = |name: &str| match engine.stop(name, self.time) {
            // With --all, one that went meanwhile is none of those.
            Err(error) if (self.ignore || self.all) && kind(&error) == Some(ErrorKind::NotFound) => Ok(false),
            result => result.map(|_| true),
        };
        Outcomes::each_if(&names, stop)?.finish()
    }
}
