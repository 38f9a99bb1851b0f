//! `dhow mount` and `dhow unmount`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::names::{Choice, latest};
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::{json, stdout, table};
use crate::engine::mount::Mounted;

/// Mount the root file systems of containers, and print where; without names: list what is mounted
///
/// What is written there, the container has. An ordinary user's mounts are seen in a shell of `dhow unshare`.
#[derive(clap::Args)]
pub(crate) struct MountArgs {
    /// All containers
    #[arg(short, long)]
    all: bool,
    /// The form of the list: json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Whole ids in the list
    #[arg(long, visible_alias = "no-trunc")]
    notruncate: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Unmount the root file systems of containers
///
/// A container that runs goes on.
#[derive(clap::Args)]
pub(crate) struct UnmountArgs {
    /// All that are mounted
    #[arg(short, long)]
    all: bool,
    /// Accepted; nothing counts the mounts of a container
    #[arg(short, long)]
    force: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Run<Context> for MountArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let as_json = match self.format.as_deref() {
            None | Some("") => false,
            Some("json") => true,
            Some(other) => {
                return Err(UsageError::new(format!("unknown --format argument: {other:?}")).into());
            }
        };
        let engine = context.engine()?;
        if !self.all && !self.latest && self.containers.is_empty() {
            let mounted = engine.mounted_containers()?;
            if as_json {
                let rows: Vec<Value> = mounted.iter().map(document).collect();
                stdout::print(&json::narrow(&rows, context.terminal()))?;
                return Ok(0);
            }
            let id = |one: &Mounted| {
                let id = &one.read.config.id;
                if self.notruncate { id.to_string() } else { id.short().to_owned() }
            };
            let rows = mounted.iter().map(|one| vec![id(one), text(&one.path)]);
            stdout::print(&table::align(&table::rows(rows)))?;
            return Ok(0);
        }
        let names = Choice { names: &self.containers, all: self.all, latest: self.latest, ..Choice::default() };
        let mut outcomes = Outcomes::default();
        for name in names.resolve(engine)? {
            match engine.mount_container(&name) {
                Ok(path) => stdout::print(&format!("{}\n", text(&path)))?,
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}

impl Run<Context> for UnmountArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names = match (self.all, self.latest, self.containers.is_empty()) {
            (true, false, true) => {
                let mounted = engine.mounted_containers()?;
                mounted.iter().map(|one| one.read.config.id.to_string()).collect()
            }
            (false, true, true) => vec![latest(engine)?.config.id.to_string()],
            (false, false, false) => self.containers,
            (false, false, true) => return Err(UsageError::new("you must provide at least one name or id").into()),
            _ => return Err(UsageError::new("--all, --latest and containers cannot be used together").into()),
        };
        Outcomes::each(&names, |name| engine.unmount_container(name))?.finish()
    }
}

fn document(one: &Mounted) -> Value {
    let config = &one.read.config;
    json!({ "id": config.id.as_str(), "Names": [config.name], "mountpoint": text(&one.path) })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
