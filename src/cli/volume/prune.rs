//! `dhow volume prune`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::prompt;
use crate::model::filter::Filters;

/// Remove all unused volumes
///
/// A volume is used as long as a container names it, running or not.
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Choose by label, since, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run<Context> for PruneArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let filters = Filters::parse(&self.filter)?;
        if !self.force {
            let unused = engine.unused_volumes(&filters)?;
            let mut warning = "WARNING! This will remove all volumes not used by at least one container.".to_owned();
            if unused.is_empty() {
                stdout::print("No dangling volumes found\n")?;
                return Ok(0);
            }
            warning.push_str(&format!(" The following volumes will be removed:\n{}", unused.join("\n")));
            if !prompt::confirm(&warning)? {
                return Ok(0);
            }
        }
        for name in engine.prune_volumes(&filters)? {
            stdout::print(&format!("{name}\n"))?;
        }
        Ok(0)
    }
}
