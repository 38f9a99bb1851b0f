//! `dhow system migrate`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;

/// Make the user namespace of your containers anew, or change their runtime or the format of layers
///
/// For an ordinary user, the process that keeps the namespace between commands ends, and the next command makes another:
/// after a change of /etc/subuid that happens without this command, too, unless containers run. Records need no
/// migration.
#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// Have all containers that do not run made by this OCI runtime from now on: dhow, or a name or path of another
    #[arg(long, value_name = "RUNTIME")]
    new_runtime: Option<String>,
    /// Have all layers of images kept so: directory, or erofs (one file for each layer, as root on Linux 6.12 and later)
    #[arg(long, value_name = "FORMAT", value_parser = ["directory", "erofs"])]
    layer_format: Option<String>,
}

impl Run<Context> for MigrateArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if let Some(asked) = &self.new_runtime {
            let runtime = context.runtime_called(asked)?;
            for name in context.engine()?.change_runtime(runtime.as_ref())? {
                context.warn(&format!("container {name} runs: its runtime is not changed"));
            }
        }
        if let Some(word) = &self.layer_format {
            let format = context.layer_format(word)?;
            let done = context.engine()?.change_layers(format)?;
            for (chain, why) in &done.kept {
                context.warn(&format!("layer {} stays as it is: {why}", &chain[..12.min(chain.len())]));
            }
            return Ok(0);
        }
        if !context.engine()?.forget_namespace()? {
            context.warn("there is nothing to migrate: the records of any version are read as they are");
        }
        Ok(0)
    }
}
