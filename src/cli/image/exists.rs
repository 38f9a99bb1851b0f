//! `dhow image exists`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;

/// Check if an image exists
///
/// The exit code is 0 if it does, 1 if it does not.
#[derive(clap::Args)]
pub(crate) struct ExistsArgs {
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    name: String,
}

impl Run<Context> for ExistsArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        Ok(u8::from(!context.engine()?.image_exists(&self.name)?))
    }
}
