//! `dhow restart`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::outcome::Outcomes;
use crate::model::status::Status;

/// Stop and start one or more containers
#[derive(clap::Args)]
pub(crate) struct RestartArgs {
    /// All containers, whatever their state
    #[arg(short, long)]
    all: bool,
    /// Read a container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Restart what the filter chooses
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// All containers that run
    #[arg(long)]
    running: bool,
    /// Seconds of grace; -1 waits forever
    #[arg(short, long, value_name = "SECONDS", value_parser = value::seconds)]
    time: Option<u32>,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for RestartArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let states: &[Status] = if self.running { &[Status::Running] } else { &[] };
        let names = Choice {
            names: &self.containers,
            all: self.all || self.running,
            latest: self.latest,
            filters: &self.filter,
            cidfiles: &self.cidfile,
            states,
            ..Choice::default()
        }
        .resolve(engine)?;
        Outcomes::each(&names, |name| engine.restart(name, self.time))?.finish()
    }
}
