//! `dhow container exists`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::engine::container;
use crate::engine::remove::is_gone;

/// Check whether a container exists: exit code 0, or 1
#[derive(clap::Args)]
pub(crate) struct ExistsArgs {
    /// Accepted; there are no containers of other tools
    #[arg(long, hide = true)]
    external: bool,
    /// The container
    #[arg(required = true, value_name = "CONTAINER")]
    container: String,
}

impl Run<Context> for ExistsArgs {
    fn run(self, context: &Context) -> Result<u8> {
        match container::find(&context.engine()?.paths, &self.container) {
            Ok(_) => Ok(0),
            Err(error) if is_gone(&error) => Ok(1),
            Err(error) => Err(error),
        }
    }
}
