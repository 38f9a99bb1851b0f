//! `dhow system migrate`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::globals;

/// Make the user namespace of your containers anew
///
/// For an ordinary user, the process that keeps the namespace between commands ends, and the next command makes another:
/// after a change of /etc/subuid that happens without this command, too, unless containers run. Records need no
/// migration.
#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// The runtime of existing containers: dhow's own
    #[arg(long, value_name = "RUNTIME")]
    new_runtime: Option<String>,
}

impl Run<Context> for MigrateArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if let Some(runtime) = &self.new_runtime
            && !globals::is_equal_runtime(runtime)?
        {
            context.warn("--new-runtime has no effect: dhow runs containers itself");
        }
        if !context.engine()?.forget_namespace()? {
            context.warn("there is nothing to migrate: the records of any version are read as they are");
        }
        Ok(0)
    }
}
