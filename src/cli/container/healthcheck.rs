//! The noun `healthcheck`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;

/// Make the health check of a container now
///
/// The exit code is 0 when it succeeds and 1 when it fails; 125 where there is no check or the container does not run.
#[derive(clap::Args)]
pub(crate) struct HealthcheckRunArgs {
    /// The container
    #[arg(required = true, value_name = "CONTAINER")]
    container: String,
}

impl Run<Context> for HealthcheckRunArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let healthy = context.engine()?.check_health(&self.container)?;
        if !healthy {
            stdout::print("unhealthy\n")?;
        }
        Ok(u8::from(!healthy))
    }
}
