//! `dhow pause` and `dhow unpause`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::model::status::Status;

/// Suspend every process of one or more containers
#[derive(clap::Args)]
pub(crate) struct PauseArgs {
    /// All running containers
    #[arg(short, long)]
    all: bool,
    /// Read a container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Pause what the filter chooses
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl PauseArgs {
    fn names(&self, context: &Context, states: &[Status]) -> Result<Vec<String>> {
        let choice = Choice {
            names: &self.containers,
            all: self.all,
            latest: self.latest,
            filters: &self.filter,
            cidfiles: &self.cidfile,
            states,
            ..Choice::default()
        };
        choice.resolve(context.engine()?)
    }
}

impl Run<Context> for PauseArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        Outcomes::each(&self.names(context, &[Status::Running])?, |name| engine.pause(name))?.finish()
    }
}

/// Let the processes of one or more containers run again
#[derive(clap::Args)]
pub(crate) struct UnpauseArgs {
    #[command(flatten)]
    same: PauseArgs,
}

impl Run<Context> for UnpauseArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        Outcomes::each(&self.same.names(context, &[Status::Paused])?, |name| engine.unpause(name))?.finish()
    }
}
