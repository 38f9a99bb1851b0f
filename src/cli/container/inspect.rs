//! `dhow container inspect`.

use anyhow::Result;

use super::names::latest;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::inspect;
use crate::model::error::{Error, ErrorKind};

/// Display the configuration and state of containers
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Sizes too
    #[arg(short, long)]
    size: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names = match (self.latest, self.containers.is_empty()) {
            (true, true) => vec![latest(engine)?.config.id.to_string()],
            (true, false) => return Err(Error::invalid("--latest and containers cannot be used together").into()),
            (false, true) => return Err(Error::invalid("you must provide at least one name or id").into()),
            (false, false) => self.containers,
        };
        let find = |name: &str| {
            engine.inspect_container(name, self.size).map_err(|error| {
                let unknown = error.downcast_ref::<Error>().is_some_and(|e| e.kind == ErrorKind::NotFound);
                // podman's other words for it, of this command alone.
                if unknown {
                    Error::not_found(format!("no such container {}", name.escape_debug())).into()
                } else {
                    error
                }
            })
        };
        inspect::each(context, self.format.as_deref(), &names, find)
    }
}
