//! `dhow secret rm`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::{self, Outcomes};
use crate::cli::output::stdout;
use crate::model::filter::Filters;

/// Remove one or more secrets
///
/// Containers keep the files that they were created with; one with a variable does not start again.
#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// Remove all secrets
    #[arg(short, long)]
    all: bool,
    /// Do not fail if a secret does not exist
    #[arg(short, long)]
    ignore: bool,
    /// The secrets
    #[arg(value_name = "SECRET")]
    names: Vec<String>,
}

impl Run<Context> for RemoveArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let names = match (self.all, self.names.is_empty()) {
            (true, false) => anyhow::bail!("`dhow secret rm` requires one argument, or the --all flag"),
            (false, true) => anyhow::bail!("`dhow secret rm` requires one argument, or the --all flag"),
            (false, false) => self.names,
            (true, true) => {
                let (documents, _) = engine.secrets(&Filters::default())?;
                documents.iter().filter_map(|document| document["ID"].as_str().map(str::to_owned)).collect()
            }
        };
        let mut outcomes = Outcomes::default();
        for name in names {
            match engine.remove_secret(&name) {
                Ok(id) => stdout::print(&format!("{id}\n"))?,
                Err(error) if self.ignore && outcome::is_missing(&error) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}
