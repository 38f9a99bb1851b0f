//! `dhow attach`.

use anyhow::Result;

use super::names::one;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::relay::{self, Relay, Wanted};
use crate::cli::terminal::DetachKeys;
use crate::engine::Engine;
use crate::engine::attach::{Attached, Ended};
use crate::model::error::Error;

/// Attach to a running container
///
/// The exit code is that of the container, 0 when the user detaches.
#[derive(clap::Args)]
pub(crate) struct AttachArgs {
    /// Keys that detach
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Do not pass standard input on
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the container (the default)
    #[arg(long)]
    sig_proxy: Option<bool>,
    /// The container
    #[arg(value_name = "CONTAINER", num_args = 0..=1)]
    container: Option<String>,
}

impl Run<Context> for AttachArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let words: Vec<String> = self.container.into_iter().collect();
        if self.latest && !words.is_empty() {
            return Err(Error::invalid("--latest and containers cannot be used together").into());
        }
        let (name, _) = one(
            engine,
            self.latest,
            &words,
            "attach requires the name or id of one running container or the latest flag",
        )?;
        let keys = match self.detach_keys {
            Some(keys) => Some(keys),
            None => engine.read(&name)?.config.detach_keys,
        };
        let keys = relay::detach_keys(context.detach_keys(keys.as_deref())?)?;
        let wanted = Wanted { stdin: !self.no_stdin, ..Wanted::OUTPUT };
        join(engine, &name, wanted, &keys, self.sig_proxy.unwrap_or(true))
    }
}

/// Stays with a container that runs, as one of its clients.
pub(super) fn join(engine: &Engine, name: &str, wanted: Wanted, keys: &DetachKeys, proxy: bool) -> Result<u8> {
    follow(engine, engine.attach(name)?, wanted, keys, proxy)
}

/// Stays with a container as the client that is connected.
pub(super) fn follow(
    engine: &Engine,
    attached: Attached,
    wanted: Wanted,
    keys: &DetachKeys,
    proxy: bool,
) -> Result<u8> {
    let Attached { id, client, tty, .. } = attached;
    let stdin = wanted.stdin && engine.read(id.as_str())?.config.stdin;
    let relay = Relay::prepare(engine, Wanted { stdin, ..wanted }, tty, keys, proxy)?;
    match relay.run(&client, Some(id.as_str()))? {
        Ended::Exit(code) => {
            // The end is true for everybody before this command ends.
            engine.wait_id(&id)?;
            Ok(relay::exit_code(code))
        }
        Ended::Detached => Ok(0),
        Ended::Lost => Ok(relay::exit_code(engine.wait_id(&id)?)),
    }
}
