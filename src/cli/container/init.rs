//! `dhow init`.

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::model::error::{ErrorKind, is_kind};

/// Prepare one or more containers without starting them
///
/// Mounts, cgroup, namespaces and network are made, so that they can be looked at or changed before the command runs;
/// `dhow start` then only lets it go.
#[derive(clap::Args)]
pub(crate) struct InitArgs {
    /// All containers, but those that run already
    #[arg(short, long)]
    all: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for InitArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let choice = Choice { names: &self.containers, all: self.all, latest: self.latest, ..Choice::default() };
        let init = |name: &str| match engine.initialize(name) {
            // podman: all of them are prepared, whoever did it.
            Err(error) if self.all && is_kind(&error, ErrorKind::State) => Ok(()),
            done => done.map(drop),
        };
        Outcomes::each(&choice.resolve(engine)?, init)?.finish()
    }
}
