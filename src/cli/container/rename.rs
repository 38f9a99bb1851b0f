//! `dhow rename`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;

/// Give a container another name
#[derive(clap::Args)]
pub(crate) struct RenameArgs {
    /// The container
    #[arg(required = true, value_name = "CONTAINER")]
    container: String,
    /// Its new name
    #[arg(required = true, value_name = "NAME")]
    name: String,
}

impl Run<Context> for RenameArgs {
    fn run(self, context: &Context) -> Result<u8> {
        context.engine()?.rename(&self.container, &self.name)?;
        Ok(0)
    }
}
