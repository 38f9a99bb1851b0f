//! `dhow rm`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::outcome::{Outcomes, kind};
use crate::cli::output::stdout;
use crate::engine::container;
use crate::engine::request::RemoveRequest;
use crate::model::error::{Error, ErrorKind};

/// Remove one or more containers
///
/// Exit code 1: one does not exist; 2: one runs or is paused.
#[derive(clap::Args)]
pub(crate) struct RmArgs {
    /// All containers
    #[arg(short, long)]
    all: bool,
    /// Read a container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// The containers that use its namespaces, too
    #[arg(long)]
    depend: bool,
    /// Remove what the filter chooses
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Also those that run or cannot be read; one that does not exist is no error
    #[arg(short, long)]
    force: bool,
    /// A container that does not exist is no error
    #[arg(short, long)]
    ignore: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// With --force: seconds of grace; -1 waits forever
    #[arg(short, long, value_name = "SECONDS", value_parser = value::seconds)]
    time: Option<u32>,
    /// Anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for RmArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.time.is_some() && !self.force {
            return Err(Error::invalid("--force option must be specified to use the --time option").into());
        }
        let engine = context.engine()?;
        let ignore = self.ignore || self.force;
        let names = Choice {
            names: &self.containers,
            all: self.all,
            latest: self.latest,
            filters: &self.filter,
            cidfiles: &self.cidfile,
            ignore,
            states: &[],
        }
        .resolve(engine)?;
        let request = RemoveRequest { force: self.force, timeout: self.time, volumes: self.volumes };
        let remove_all = |name: &str| {
            if self.depend {
                for id in engine.dependents(&container::find(&engine.paths, name)?)? {
                    engine.remove_id(&id, request)?;
                    stdout::print(&format!("{id}\n"))?;
                }
            }
            engine.remove(name, request)
        };
        let remove = |name: &str| match remove_all(name) {
            Err(error) if (ignore || self.all) && kind(&error) == Some(ErrorKind::NotFound) => Ok(false),
            result => result.map(|_| true),
        };
        Outcomes::each_if(&names, remove)?.finish_removal()
    }
}
