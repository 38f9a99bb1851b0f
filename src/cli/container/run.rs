//! `dhow run`.

use std::io::IsTerminal;

use anyhow::Result;

use super::{defaults, request};
use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::create::CreateFlags;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::relay::{self, Relay, Wanted};
use crate::cli::terminal;
use crate::engine::Engine;
use crate::engine::attach::Ended;
use crate::engine::start::Foreground;
use crate::model::error::{Error, ErrorKind};

/// Run a command in a new container
///
/// The exit code is that of the command; 125 where dhow itself fails, 126 where the command cannot be executed, 127
/// where it does not exist. Output is kept for `logs`, in files of at most 16 MiB, of which there are five.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// Run in the background and print the container's ID
    #[arg(short, long)]
    detach: bool,
    /// Hand on these descriptors
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    preserve_fd: Vec<u32>,
    /// Hand on this many descriptors, from 3 on
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    preserve_fds: u32,
    /// Remove the image with the container, unless others use it; implies --rm
    #[arg(long)]
    rmi: bool,
    /// Pass signals on to the container (the default)
    #[arg(long)]
    sig_proxy: Option<bool>,
    #[command(flatten)]
    create: CreateFlags,
}

impl Run<Context> for RunArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let flags = &self.create;
        let asked = if flags.attach.is_empty() { None } else { Some(Wanted::parse(&flags.attach)?) };
        let config = context.config()?;
        let (mut flags, warnings) = defaults::filled(flags, context)?;
        let keys = relay::detach_keys(flags.detach_keys.as_deref())?;
        flags.rm |= self.rmi;
        let flags = &flags;
        let preserved = super::handed_on(self.preserve_fds, &self.preserve_fd)?;
        let mut request = request::of(&self.create, flags, super::words(context), config, &context.privilege)?;
        warnings.iter().for_each(|warning| context.warn(warning));
        if flags.tty && flags.interactive && !self.detach && !std::io::stdin().is_terminal() {
            context.warn("The input device is not a TTY. The --tty and --interactive flags might not work properly");
        }
        request.remove_image = self.rmi;
        let engine = context.engine()?;
        let locked = super::create::create(context, request)?;
        if self.detach {
            let notify = locked.config.notify;
            let id = engine.start_background(locked, &preserved).map_err(refused)?;
            super::wait::until_ready(engine, &id, notify)?;
            stdout::print(&format!("{id}\n"))?;
            return Ok(0);
        }
        let mut wanted = asked.unwrap_or(Wanted { stdin: true, ..Wanted::OUTPUT });
        wanted.stdin = if asked.is_some() { wanted.stdin || flags.interactive } else { flags.interactive };
        if locked.config.log.driver.is_passthrough() {
            wanted = Wanted::NOTHING;
        }
        let proxy = self.sig_proxy.unwrap_or(true);
        let relay = Relay::prepare(engine, wanted, flags.tty, &keys, proxy)?;
        attend(engine, relay, engine.start_foreground(locked, &preserved, terminal::window_size()).map_err(refused)?)
    }
}

/// podman's exit code where a container was made and something of the host is in use: 126.
fn refused(error: anyhow::Error) -> anyhow::Error {
    let conflict = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<Error>().is_some_and(|error| error.kind == ErrorKind::Conflict)
    };
    if error.chain().any(conflict) { exit::with_code(126, error) } else { error }
}

/// Stays with a container until it ends or the user detaches; its exit code, cleaned up after.
pub(super) fn attend(engine: &Engine, relay: Relay<'_>, foreground: Foreground) -> Result<u8> {
    let id = foreground.id.to_string();
    match relay.run(&foreground.client, Some(&id))? {
        Ended::Exit(code) => {
            engine.finish(foreground)?;
            Ok(relay::exit_code(code))
        }
        Ended::Detached => Ok(0),
        Ended::Lost => {
            // What became of it the records tell, or whoever took over.
            let code = engine.after_loss(&foreground)?;
            engine.finish(foreground)?;
            Ok(relay::exit_code(code))
        }
    }
}
