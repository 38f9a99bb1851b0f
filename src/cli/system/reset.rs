//! `dhow system reset`.

use std::io::IsTerminal;

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::prompt;

/// Remove all containers, images, volumes and networks
///
/// Containers that run are killed. Nothing of the state needs to be in order; what cannot be removed is named, and a second
/// call continues.
#[derive(clap::Args)]
pub(crate) struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run<Context> for ResetArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        if !self.force {
            let [data, run] = engine.reset_places();
            let warning = format!(
                "WARNING! This will remove:
        - all containers
        - all images
        - all networks
        - all volumes
        - the graphRoot directory: {data:?}
        - the runRoot directory: {run:?}"
            );
            if !prompt::confirm(&warning)? {
                return Ok(0);
            }
        }
        let errors = engine.reset();
        for error in &errors {
            let mut out = std::io::stderr().lock();
            let terminal = out.is_terminal();
            exit::report(error, &mut out, terminal);
        }
        Ok(if errors.is_empty() { 0 } else { exit::ENGINE })
    }
}
