//! `dhow start`.

use anyhow::Result;

use super::names::{Choice, latest};
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::relay::{self, Relay, Wanted};
use crate::cli::terminal;
use crate::engine::container;
use crate::engine::request::Preserved;
use crate::model::error::Error;
use crate::model::status::Status;

/// Start one or more containers
#[derive(clap::Args)]
pub(crate) struct StartArgs {
    /// All containers, whatever their state
    #[arg(long)]
    all: bool,
    /// Show the container's output and return its exit code
    #[arg(short, long)]
    attach: bool,
    /// Keys that detach
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Start what the filter chooses
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Pass standard input on
    #[arg(short, long)]
    interactive: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Pass signals on to the container (the default with --attach)
    #[arg(long)]
    sig_proxy: Option<bool>,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for StartArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.containers.is_empty() && !self.latest && !self.all && self.filter.is_empty() {
            return Err(Error::invalid("start requires at least one argument").into());
        }
        if self.all && !self.containers.is_empty() {
            let message = "either start all containers or the container(s) provided in the arguments";
            return Err(Error::invalid(message).into());
        }
        if !self.attach && self.sig_proxy == Some(true) {
            return Err(Error::invalid("you cannot use sig-proxy without --attach: invalid argument").into());
        }
        if self.attach && self.containers.len() > 1 {
            return Err(Error::invalid("you cannot start and attach multiple containers at once").into());
        }
        let engine = context.engine()?;
        let choice = Choice {
            names: &self.containers,
            all: self.all,
            latest: self.latest,
            filters: &self.filter,
            states: &[Status::Created, Status::Initialized, Status::Exited],
            ..Choice::default()
        };
        if self.attach || self.interactive && self.containers.len() == 1 {
            let name = match (self.latest, self.containers.first()) {
                (true, _) => latest(engine)?.config.id.to_string(),
                (false, Some(name)) => name.clone(),
                (false, None) => {
                    return Err(Error::invalid("you cannot start and attach multiple containers at once").into());
                }
            };
            return self.foreground(context, &name);
        }
        let names = choice.resolve(engine)?;
        let start = |name: &str| {
            let id = container::find(&engine.paths, name)?;
            let notify = engine.start_detached(&id)?;
            super::wait::until_ready(engine, &id, notify)
        };
        Outcomes::each(&names, start)?.finish()
    }
}

impl StartArgs {
    /// Starts a container, or joins one that runs, and stays with it.
    fn foreground(&self, context: &Context, name: &str) -> Result<u8> {
        let engine = context.engine()?;
        let locked = engine.lock(name)?;
        let keys = self.detach_keys.clone().or_else(|| locked.config.detach_keys.clone());
        let keys = relay::detach_keys(context.detach_keys(keys.as_deref())?)?;
        let output = self.attach;
        let wanted = match locked.config.log.driver.is_passthrough() {
            true => Wanted::NOTHING,
            false => Wanted { stdin: self.interactive, stdout: output, stderr: output },
        };
        if locked.state.status == Status::Running {
            drop(locked);
            return super::attach::join(engine, name, wanted, &keys, self.sig_proxy.unwrap_or(true));
        }
        if locked.state.status == Status::Initialized {
            if wanted == Wanted::NOTHING {
                let id = locked.id().clone();
                drop(locked);
                engine.start_detached(&id)?;
                return Ok(relay::exit_code(engine.wait_id(&id)?));
            }
            let attached = engine.start_attached(locked, terminal::window_size())?;
            return super::attach::follow(engine, attached, wanted, &keys, self.sig_proxy.unwrap_or(self.attach));
        }
        let relay = Relay::prepare(engine, wanted, locked.config.tty, &keys, self.sig_proxy.unwrap_or(self.attach))?;
        let foreground = engine.start_foreground(locked, &Preserved::default(), terminal::window_size())?;
        super::run::attend(engine, relay, foreground)
    }
}
