//! `dhow image prune`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::prompt;
use crate::model::filter::Filters;

/// Remove unused images
///
/// Images without a name; with `--all` every image that no container uses. An ordinary user's copies of layers, made for
/// user namespaces like keep-id and auto, go when no container has such a namespace any more.
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Remove every image that no container uses
    #[arg(short, long)]
    all: bool,
    /// Accepted; there are no containers of other tools
    #[arg(long, hide = true)]
    external: bool,
    /// Choose by the filters of `images`
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run<Context> for PruneArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let filters = Filters::parse(&self.filter)?;
        if !self.force {
            let which = match self.all {
                true => "images without at least one container associated with them",
                false => "dangling images",
            };
            let warning = match self.filter.is_empty() {
                true => format!("WARNING! This command removes all {which}."),
                false => format!("WARNING! This command removes all {which} matching: {}", self.filter.join(", ")),
            };
            if !prompt::confirm(&warning)? {
                return Ok(0);
            }
        }
        for id in context.engine()?.prune_images(self.all, &filters)? {
            stdout::print(&format!("{id}\n"))?;
        }
        Ok(0)
    }
}
