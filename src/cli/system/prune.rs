//! `dhow system prune`.

use anyhow::Result;

use crate::cli::container::filter::Chosen;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::stdout;
use crate::cli::prompt;
use crate::engine::disk::DiskUsage;
use crate::model::filter::Filters;
use crate::model::size;

/// What everything that goes can be chosen by.
const FILTERS: [&str; 2] = ["label", "until"];

/// Remove what nobody uses: containers that do not run, images without a name
///
/// With --all every image that no container uses, with --volumes every volume that none does. Networks without a container
/// go by themselves.
#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Remove every image that no container uses
    #[arg(short, long)]
    all: bool,
    /// Remove also what other tools left; accepted, there is nothing of that kind
    #[arg(long, hide = true)]
    external: bool,
    /// Remove what the filter chooses: label, until
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Remove every volume that no container uses
    #[arg(long)]
    volumes: bool,
}

impl Run<Context> for PruneArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let filters = Filters::parse(&self.filter)?;
        filters.only(&FILTERS)?;
        let chosen = Chosen::parse_prune(&self.filter)?;
        if !self.force && !prompt::confirm(&self.warning())? {
            return Ok(0);
        }
        let engine = context.engine()?;
        let before = engine.disk_usage()?;
        let mut freed = 0;
        let (ids, errors) = engine.prune_containers(|read| chosen.pass(read))?;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        freed += told("Containers", &ids, |id| container_size(&before, id))?;
        let mut outcomes = Outcomes::default();
        errors.into_iter().for_each(|error| outcomes.failed(error));
        if self.volumes {
            let names = engine.prune_volumes(&filters)?;
            freed += told("Volumes", &names, |name| volume_size(&before, name))?;
        }
        let layers = engine.disk_usage()?.layers;
        let ids = engine.prune_images(self.all, &filters)?;
        told("Images", &ids, |_| 0)?;
        if !ids.is_empty() {
            freed += layers.saturating_sub(engine.disk_usage()?.layers);
        }
        stdout::print(&format!("Total reclaimed space: {}\n", size::human(freed)))?;
        outcomes.finish()
    }
}

impl PruneArgs {
    fn warning(&self) -> String {
        let mut text = "WARNING! This command removes:
\t- all stopped containers
\t- all networks not used by at least one container\n"
            .to_owned();
        if self.volumes {
            text.push_str("\t- all volumes not used by at least one container\n");
        }
        text.push_str(match self.all {
            true => "\t- all images without at least one container associated with them\n\t- all build cache\n",
            false => "\t- all dangling images\n\t- all dangling build cache\n",
        });
        text
    }
}

/// Prints what went; its sizes together.
fn told(kind: &str, names: &[String], size: impl Fn(&str) -> u64) -> Result<u64> {
    if names.is_empty() {
        return Ok(0);
    }
    stdout::print(&format!("Deleted {kind}\n{}\n", names.join("\n")))?;
    Ok(names.iter().map(|name| size(name)).sum())
}

fn container_size(usage: &DiskUsage, id: &str) -> u64 {
    usage.containers.iter().find(|one| one.container.config.id.as_str() == id).map_or(0, |one| one.size)
}

fn volume_size(usage: &DiskUsage, name: &str) -> u64 {
    usage.volumes.iter().find(|volume| volume.name == name).map_or(0, |volume| volume.size)
}
