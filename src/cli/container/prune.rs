//! `dhow container prune`.

use anyhow::Result;

use super::filter::Chosen;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::stdout;
use crate::cli::prompt;

/// Remove all containers that do not run
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Remove what the filter chooses: label, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run<Context> for PruneArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let chosen = Chosen::parse_prune(&self.filter)?;
        if !self.force && !prompt::confirm("WARNING! This will remove all non running containers.")? {
            return Ok(0);
        }
        let (removed, errors) = context.engine()?.prune_containers(|read| chosen.pass(read))?;
        stdout::print(&removed.iter().map(|id| format!("{id}\n")).collect::<String>())?;
        let mut outcomes = Outcomes::default();
        errors.into_iter().for_each(|error| outcomes.failed(error));
        outcomes.finish()
    }
}
