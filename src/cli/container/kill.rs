//! `dhow kill`.

use std::path::PathBuf;

use anyhow::Result;

use super::names::Choice;
use super::request::stop_signal;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::model::status::Status;

/// Send a signal to the first process of one or more containers
#[derive(clap::Args)]
pub(crate) struct KillArgs {
    /// All running containers
    #[arg(short, long)]
    all: bool,
    /// Read a container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for KillArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let signal = stop_signal(&self.signal)?;
        let engine = context.engine()?;
        let names = Choice {
            names: &self.containers,
            all: self.all,
            latest: self.latest,
            cidfiles: &self.cidfile,
            states: &[Status::Running, Status::Paused, Status::Stopping],
            ..Choice::default()
        }
        .resolve(engine)?;
        Outcomes::each(&names, |name| engine.kill(name, signal))?.finish()
    }
}
