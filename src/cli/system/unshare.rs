//! `dhow unshare`.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::engine::Privilege;
use crate::model::error::{Error, ErrorKind};

/// Run a command in the user namespace of your containers
///
/// There you are root, and what belongs to the containers' users has their ids. Without a command: your shell.
#[derive(clap::Args)]
pub(crate) struct UnshareArgs {
    /// Refused: the containers of an ordinary user share no network namespace
    #[arg(long, hide = true)]
    rootless_netns: bool,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run<Context> for UnshareArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let Privilege::Rootless { uid, gid } = context.privilege else {
            return Err(Error::invalid("please use unshare with rootless").into());
        };
        if self.rootless_netns {
            let message = "--rootless-netns is not supported: every container has a network namespace of its own";
            return Err(Error::unsupported(message).hint("nsenter -t PID -n, with the PID of `dhow inspect`").into());
        }
        let shell = || std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
        let words = if self.command.is_empty() { vec![shell()] } else { self.command };
        let paths = &context.engine()?.paths;
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::invalid("no command").into());
        };
        let error = Command::new(program)
            .args(arguments)
            .env(Privilege::UNSHARED, format!("{uid}:{gid}"))
            .env("CONTAINERS_GRAPHROOT", paths.data())
            .env("CONTAINERS_RUNROOT", paths.run())
            .exec();
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound if !program.to_string_lossy().contains('/') => {
                let message = format!("exec: \"{}\": executable file not found in $PATH", program.display());
                return Err(Error::new(ErrorKind::NoCommand, message).into());
            }
            std::io::ErrorKind::NotFound => ErrorKind::NoCommand,
            std::io::ErrorKind::PermissionDenied => ErrorKind::NotExecutable,
            _ => return Err(error).with_context(|| format!("execute {}", program.display())),
        };
        Err(Error::new(kind, format!("execute {}: {error}", program.display())).into())
    }
}
