//! `dhow image inspect`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::inspect;

/// Display the configuration of one or more images
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        inspect::each(context, self.format.as_deref(), &self.names, |name| engine.inspect_image(name))
    }
}
