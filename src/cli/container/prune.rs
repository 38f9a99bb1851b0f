//! `dhow container prune`.

use anyhow::Result;

use super::filter::Chosen;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::{Outcomes, kind};
use crate::cli::prompt;
use crate::engine::list::Listed;
use crate::engine::request::RemoveRequest;
use crate::model::error::ErrorKind;
use crate::model::status::Status;

/// Remove all containers that do not run
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Remove what the filter chooses: label, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Run<Context> for PruneArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let chosen = Chosen::parse_prune(&self.filter)?;
        if !self.force && !prompt::confirm("WARNING! This will remove all non running containers.")? {
            return Ok(0);
        }
        let engine = context.engine()?;
        let mut ids = Vec::new();
        for listed in engine.list()? {
            if let Listed::Container(read) = listed
                && matches!(read.state.status, Status::Created | Status::Initialized | Status::Exited)
                && chosen.pass(&read)
            {
                ids.push(read.config.id.to_string());
            }
        }
        let request = RemoveRequest { force: false, timeout: None, volumes: false };
        let remove = |id: &str| match engine.remove(id, request) {
            // One that went or was started meanwhile is none of those.
            Err(error) if matches!(kind(&error), Some(ErrorKind::NotFound | ErrorKind::State)) => Ok(false),
            result => result.map(|_| true),
        };
        Outcomes::each_if(&ids, remove)?.finish()
    }
}
