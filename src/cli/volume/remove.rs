//! `dhow volume rm`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::{self, Outcomes};
use crate::cli::output::stdout;
use crate::model::filter::Filters;

/// Remove one or more volumes
#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// Remove all volumes
    #[arg(short, long)]
    all: bool,
    /// Remove a volume by force, its containers first
    #[arg(short, long)]
    force: bool,
    /// Seconds to wait for running containers to stop
    #[arg(short, long, value_name = "SECONDS")]
    time: Option<u32>,
    /// The volumes
    #[arg(value_name = "VOLUME")]
    names: Vec<String>,
}

impl Run<Context> for RemoveArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        if self.time.is_some() && !self.force {
            anyhow::bail!("--force option must be specified to use the --time option");
        }
        let names = match (self.all, self.names.is_empty()) {
            (true, false) => anyhow::bail!("when using the --all switch, you may not pass any volumes names or IDs"),
            (false, true) => anyhow::bail!("choose either one or more volumes or all"),
            (false, false) => self.names,
            (true, true) => {
                let found = engine.volumes(&Filters::default())?;
                found.volumes.into_iter().map(|volume| volume.config.name).collect()
            }
        };
        let mut outcomes = Outcomes::default();
        for name in names {
            match engine.remove_volume(&name, self.force, self.time) {
                Ok(_) => stdout::print(&format!("{name}\n"))?,
                Err(error) if self.force && outcome::is_missing(&error) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish_deletion()
    }
}
