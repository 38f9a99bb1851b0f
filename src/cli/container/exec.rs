//! `dhow exec`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{environment, names};
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::relay::{self, Relay, Wanted};
use crate::cli::terminal;
use crate::engine::Engine;
use crate::engine::attach::Ended;
use crate::engine::exec::Session;
use crate::engine::request::ExecRequest;
use crate::engine::request::Preserved;
use crate::model::error::{Error, ErrorKind};

/// podman's exit code where the container does not run.
const NOT_RUNNING: u8 = 255;

/// Run a command in a running container
///
/// The exit code is that of the command; 125 where dhow itself fails, 126 where the command cannot be executed, 127
/// where it does not exist; 255 where the container does not run.
#[derive(clap::Args)]
pub(crate) struct ExecArgs {
    /// Run in the background and print the session's ID
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set a variable
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Hand on these descriptors
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    preserve_fd: Vec<u32>,
    /// Hand on this many descriptors, from 3 on
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    preserve_fds: u32,
    /// Give the rights of the caller
    #[arg(long)]
    privileged: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    tty: bool,
    /// User and perhaps group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// The container, then the command with its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER")]
    words: Vec<String>,
}

impl Run<Context> for ExecArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.words.is_empty() && !self.latest {
            return Err(Error::invalid("exec requires the name or ID of a container or the --latest flag").into());
        }
        let keys = relay::detach_keys(context.detach_keys(self.detach_keys.as_deref())?)?;
        let engine = context.engine()?;
        let (name, command) = names::one(engine, self.latest, &self.words, "you must provide at least one name or id")?;
        if command.is_empty() {
            return Err(
                Error::invalid("must provide a non-empty command to start an exec session: invalid argument").into()
            );
        }
        let request = ExecRequest {
            command: command.to_vec(),
            env: environment::variables(&self.env_file, &self.env)?,
            workdir: self.workdir.clone().filter(|dir| !dir.is_empty()),
            user: self.user.clone().filter(|user| !user.is_empty()),
            tty: self.tty,
            stdin: self.interactive,
            privileged: self.privileged,
            size: if self.tty { terminal::window_size() } else { None },
            detach: self.detach,
        };
        let preserved = super::preserved(self.preserve_fds, &self.preserve_fd)?;
        if self.detach {
            let session = begin(engine, &name, &request, &preserved)?;
            stdout::print(&format!("{}\n", session.id))?;
            return Ok(0);
        }
        let wanted = Wanted { stdin: self.interactive, ..Wanted::OUTPUT };
        // podman: signals end the client alone, what it started goes on.
        let relay = Relay::prepare(engine, wanted, self.tty, &keys, false)?;
        let Session { client, started, .. } = begin(engine, &name, &request, &preserved)?;
        let client = client.context("the session has no client")?;
        match relay.run(&client, None)? {
            Ended::Exit(code) => {
                drop(client);
                started.wait().context("wait for the session's monitor")?;
                Ok(relay::exit_code(code))
            }
            Ended::Detached => Ok(0),
            Ended::Lost => Err(Error::state("the session's monitor is lost, and with it the exit code").into()),
        }
    }
}

/// Starts the session. As podman has it, a container that does not run is exit code 255.
fn begin(engine: &Engine, name: &str, request: &ExecRequest, preserved: &Preserved) -> Result<Session> {
    engine.exec(name, request, preserved).map_err(|error| {
        let state = error.downcast_ref::<Error>().is_some_and(|root| root.kind == ErrorKind::State);
        if state { exit::with_code(NOT_RUNNING, error) } else { error }
    })
}
