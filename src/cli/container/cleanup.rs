//! `dhow container cleanup`.

use anyhow::Result;

use super::names::{Choice, one};
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::engine::list::Listed;
use crate::engine::request::RemoveRequest;
use crate::model::error::Error;

/// Finish what was left of containers that have ended: mounts, networks
///
/// dhow does this by itself; the command is there for scripts.
#[derive(clap::Args)]
pub(crate) struct CleanupArgs {
    /// All containers that do not run
    #[arg(short, long)]
    all: bool,
    /// Clean up after this exec session, not after its container
    #[arg(long, value_name = "SESSION")]
    exec: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Remove them, too
    #[arg(long)]
    rm: bool,
    /// Remove their images, too; with --rm, or they are in use
    #[arg(long)]
    rmi: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for CleanupArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        if let Some(session) = self.exec.as_deref().filter(|session| !session.is_empty()) {
            let message = match () {
                () if self.all => "exec and all options conflict",
                () if self.containers.len() > 1 => "cannot use exec option when more than one container is given",
                () if self.rmi => "exec and rmi options conflict",
                () => {
                    let (name, _) =
                        one(engine, self.latest, &self.containers, "you must provide at least one name or id")?;
                    let clean = |name: &str| engine.clean_session(name, session);
                    return Outcomes::each(&[name], clean)?.finish();
                }
            };
            return Err(Error::invalid(message).into());
        }
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
            let image = engine.read(id.as_str())?.config.image.filter(|_| self.rmi);
            if self.rm {
                engine.remove_id(&id, RemoveRequest::default())?;
            }
            image.map_or(Ok(()), |image| engine.remove_image(&image.name, false, false).map(drop))
        };
        Outcomes::each(&names, clean)?.finish()
    }
}
