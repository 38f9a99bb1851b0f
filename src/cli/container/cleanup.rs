//! `dhow container cleanup`.

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::engine::list::Listed;
use crate::engine::request::RemoveRequest;

/// Finish what was left of containers that have ended: mounts, networks
///
/// dhow does this by itself; the command is there for scripts.
#[derive(clap::Args)]
pub(crate) struct CleanupArgs {
    /// All containers that do not run
    #[arg(short, long)]
    all: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Remove them, too
    #[arg(long)]
    rm: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for CleanupArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names = if self.all && !self.latest && self.containers.is_empty() {
            let mut ids = Vec::new();
            for listed in engine.list()? {
                if let Listed::Container(read) = listed
                    && !read.state.status.is_alive()
                {
                    ids.push(read.config.id.to_string());
                }
            }
            ids
        } else {
            let choice = Choice { names: &self.containers, all: self.all, latest: self.latest, ..Choice::default() };
            choice.resolve(engine)?
        };
        let clean = |name: &str| {
            let id = engine.clean_container(name)?;
            if self.rm {
                engine.remove_id(&id, RemoveRequest::default())?;
            }
            Ok(())
        };
        Outcomes::each(&names, clean)?.finish()
    }
}
