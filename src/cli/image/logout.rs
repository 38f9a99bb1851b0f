//! `dhow logout`.

use super::registry::RegistryArgs;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;

/// Log out of a registry
#[derive(clap::Args)]
pub(crate) struct LogoutArgs {
    /// Forget the credentials of all registries
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The registry; the first of the search list where none is given
    #[arg(value_name = "REGISTRY")]
    name: Option<String>,
}

impl Run<Context> for LogoutArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.all && self.name.is_some() {
            return Err(UsageError::new("--all takes no arguments").into());
        }
        let registries = context.engine()?.registries(&self.registry.options()?)?;
        if self.all {
            registries.logout_all()?;
            stdout::print("Removed login credentials for all registries\n")?;
            return Ok(0);
        }
        let registry = registries.login_key(self.name.as_deref())?;
        registries.logout(&registry)?;
        stdout::print(&format!("Removed login credentials for {registry}\n"))?;
        Ok(0)
    }
}
