//! `dhow auto-update`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::image::registry::RegistryArgs;
use crate::cli::outcome::Outcomes;
use crate::cli::output::stdout;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::progress;
use crate::engine::auto_update::{AutoUpdate, Update};

/// Update the containers of units whose images have changed
///
/// Looks at running containers with the label io.containers.autoupdate (registry, or local for the image of that name in
/// the store) that a unit of systemd runs, pulls what is newer and restarts the units. A unit that does not start with
/// the newer image is restarted with the old one.
#[derive(clap::Args)]
pub(crate) struct AutoUpdateArgs {
    /// Say what would be updated
    #[arg(long)]
    dry_run: bool,
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Go back to the old image where a unit fails to start (the default)
    #[arg(long)]
    rollback: Option<bool>,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Run<Context> for AutoUpdateArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let wanted = AutoUpdate {
            dry_run: self.dry_run,
            rollback: self.rollback.unwrap_or(true),
            registry: self.registry.options()?,
        };
        let mut progress = progress::for_pull(false);
        let (updates, errors) = context.engine()?.auto_update(&wanted, progress.as_mut())?;
        drop(progress);
        let rows: Vec<Value> = updates.iter().map(row).collect();
        let report = Report {
            command: "auto-update",
            type_name: "main.autoUpdateOutput",
            default: "table {{.Unit}}\\t{{.Container}}\\t{{.Image}}\\t{{.Policy}}\\t{{.Updated}}",
            headings: &[("ContainerID", "CONTAINER ID"), ("ContainerName", "CONTAINER NAME")],
            methods: &[],
            heading: true,
            terminal: context.terminal(),
        };
        // As podman has it, a table of nothing has no headings.
        if !rows.is_empty() || self.format.as_deref().is_some_and(is_json) {
            stdout::print(&report.rows(self.format.as_deref(), &rows)?)?;
        }
        let mut outcomes = Outcomes::default();
        errors.into_iter().for_each(|error| outcomes.failed(error));
        outcomes.finish()
    }
}

fn row(update: &Update) -> Value {
    json!({
        "Unit": update.unit,
        "Container": format!("{} ({})", update.id.get(..12).unwrap_or(&update.id), update.name),
        "ContainerName": update.name,
        "ContainerID": update.id,
        "Image": update.image.name,
        "Policy": update.from.as_str(),
        "Updated": update.updated.as_str(),
    })
}
