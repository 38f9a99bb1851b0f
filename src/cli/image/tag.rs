//! `dhow tag` and `dhow untag`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;

/// Give an image additional names
#[derive(clap::Args)]
pub(crate) struct TagArgs {
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    image: String,
    /// Its new names
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Run<Context> for TagArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        context.engine()?.tag_image(&self.image, &self.names)?;
        Ok(0)
    }
}

/// Take names from an image
///
/// Without names, all of them.
#[derive(clap::Args)]
pub(crate) struct UntagArgs {
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    image: String,
    /// The names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run<Context> for UntagArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        context.engine()?.untag_image(&self.image, &self.names)?;
        Ok(0)
    }
}
