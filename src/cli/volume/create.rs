//! `dhow volume create`.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::output::stdout;
use crate::model::error::Error;

/// Create a new volume
#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// The volume's driver: local
    #[arg(short, long, value_name = "DRIVER", default_value = "local")]
    driver: String,
    /// Do not fail if the volume exists
    #[arg(long)]
    ignore: bool,
    /// Set a label, KEY=VALUE
    #[arg(short, long, value_name = "LABEL", value_parser = value::pair)]
    label: Vec<(String, String)>,
    /// Set an option of the driver: type, device, o
    #[arg(short, long, value_name = "OPTION", value_parser = value::pair)]
    opt: Vec<(String, String)>,
    /// The name; a random one where none is given
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Run<Context> for CreateArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.driver != "local" {
            let name = self.name.as_deref().unwrap_or_default();
            let message = format!(
                "volume {name} uses volume plugin {0} but it could not be retrieved: no volume plugin with name {0} \
                 available: required plugin missing",
                self.driver
            );
            return Err(Error::unsupported(message).into());
        }
        let labels: BTreeMap<_, _> = self.label.into_iter().collect();
        let options: BTreeMap<_, _> = self.opt.into_iter().collect();
        let name = context.engine()?.create_volume(self.name.as_deref(), labels, options, self.ignore)?;
        stdout::print(&format!("{name}\n"))?;
        Ok(0)
    }
}
