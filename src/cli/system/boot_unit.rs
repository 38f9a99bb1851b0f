//! `dhow system boot-unit`.

use std::ffi::OsString;

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::model::error::Error;

/// Start containers at boot, by a unit of systemd
///
/// Prints a unit, or installs it: at each boot it starts the containers with --restart always or unless-stopped, and those
/// with on-failure whose run the last shutdown ended. unless-stopped and on-failure do not start what a user has stopped.
/// At shutdown they are stopped in good time. Root's unit is the system's; an ordinary user's is one of the user's manager,
/// which starts at boot once `loginctl enable-linger` has said so.
#[derive(clap::Args)]
pub(crate) struct BootUnitArgs {
    /// Write the unit and enable it
    #[arg(long)]
    install: bool,
    /// Disable the unit and remove it
    #[arg(long)]
    remove: bool,
}

impl Run<Context> for BootUnitArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.install && self.remove {
            return Err(Error::invalid("--install and --remove cannot be used together").into());
        }
        let unit = context.engine()?.boot_unit(&globals(context))?;
        let path = unit.path.display();
        if self.remove {
            if !unit.remove()? {
                return Err(Error::not_found(format!("{path} is not installed")).into());
            }
        } else if self.install {
            unit.install()?;
            if unit.without_linger {
                context.warn("your containers start when you log in; at boot after: loginctl enable-linger");
            }
        } else {
            stdout::print(&unit.text)?;
            return Ok(0);
        }
        stdout::print(&format!("{path}\n"))?;
        Ok(0)
    }
}

/// The words that choose this store, as they were given.
fn globals(context: &Context) -> Vec<OsString> {
    let given = &context.globals;
    let places = [("--root", &given.root), ("--runroot", &given.runroot), ("--volumepath", &given.volumepath)];
    let places = places.into_iter().filter_map(|(flag, path)| Some([flag.into(), path.clone()?.into_os_string()]));
    let modules = given.module.iter().map(|module| ["--module".into(), module.into()]);
    places.chain(modules).flatten().collect()
}
