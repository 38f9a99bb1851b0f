//! `dhow volume inspect` and `dhow volume exists`.

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::inspect;
use crate::model::filter::Filters;

/// Check if a volume exists
///
/// The exit code is 0 if it does, 1 if it does not.
#[derive(clap::Args)]
pub(crate) struct ExistsArgs {
    /// The volume
    #[arg(required = true, value_name = "VOLUME")]
    name: String,
}

impl Run<Context> for ExistsArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        Ok(u8::from(!context.engine()?.volume_exists(&self.name)?))
    }
}

/// Display detailed information on one or more volumes
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Inspect all volumes
    #[arg(short, long)]
    all: bool,
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The volumes
    #[arg(value_name = "VOLUME")]
    names: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let names = match (self.all, self.names.is_empty()) {
            (true, false) => anyhow::bail!("`dhow volume inspect` --all and arguments cannot be used together"),
            (false, true) => anyhow::bail!("provide one or more volume names or use --all"),
            (false, false) => self.names,
            (true, true) => {
                let found = engine.volumes(&Filters::default())?;
                let documents: Vec<Value> = found.volumes.iter().map(|volume| volume.to_json()).collect();
                return inspect::show(context, self.format.as_deref(), documents, Vec::new());
            }
        };
        let find = |name: &str| Ok(engine.find_volume(name)?.to_json());
        inspect::each(context, self.format.as_deref(), &names, find)
    }
}
