//! `dhow rmi`.

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::{self, Outcomes};
use crate::cli::output::stdout;
use crate::model::filter::Filters;

/// Remove one or more images
///
/// The exit code is 1 where none of the images exists, 2 where one is used by a container.
#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Remove containers that use the image, and all its names
    #[arg(short, long)]
    force: bool,
    /// An image that does not exist is no error
    #[arg(short, long)]
    ignore: bool,
    /// Keep untagged parents; dhow has none
    #[arg(long)]
    no_prune: bool,
    /// The images
    #[arg(value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for RemoveArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let names = match (self.all, self.names.is_empty()) {
            (true, false) => {
                return Err(
                    UsageError::new("when using the --all switch, you may not pass any images names or IDs").into()
                );
            }
            (false, true) => {
                return Err(UsageError::new("image name or ID must be specified").into());
            }
            (false, false) => self.names,
            (true, true) => {
                let found = engine.images(&Filters::default())?;
                found.images.into_iter().map(|image| image.record.id).collect()
            }
        };
        let mut outcomes = Outcomes::default();
        for name in names {
            match engine.remove_image(&name, self.force || self.all, self.force) {
                Ok(removed) => {
                    let mut text: String = removed.untagged.iter().map(|name| format!("Untagged: {name}\n")).collect();
                    text.extend(removed.deleted.map(|id| format!("Deleted: {id}\n")));
                    stdout::print(&text)?;
                }
                Err(error) if (self.force || self.ignore) && outcome::is_missing(&error) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish_deletion()
    }
}
