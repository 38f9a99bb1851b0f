//! `dhow image mount` and `dhow image unmount`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::{json, stdout, table};
use crate::engine::image::mount::MountedImage;
use crate::model::filter::Filters;

/// Mount images, read-only, and print where; without names: list what is mounted
///
/// An ordinary user's mounts are seen in a shell of `dhow unshare`.
#[derive(clap::Args)]
pub(crate) struct MountArgs {
    /// All images
    #[arg(short, long)]
    all: bool,
    /// The form of the list: json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The images
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

/// Unmount images
#[derive(clap::Args)]
pub(crate) struct UnmountArgs {
    /// All that are mounted
    #[arg(short, long)]
    all: bool,
    /// Accepted; nothing counts the mounts of an image
    #[arg(short, long)]
    force: bool,
    /// The images
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
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
        let names = match (self.all, self.images.is_empty()) {
            (true, false) => {
                return Err(
                    UsageError::new("when using the --all switch, you may not pass any image names or IDs").into()
                );
            }
            (true, true) => {
                let images = engine.images(&Filters::default())?.images;
                images.into_iter().map(|image| image.record.id).collect()
            }
            (false, _) => self.images,
        };
        let mut outcomes = Outcomes::default();
        for name in &names {
            match engine.mount_image(name) {
                Ok(path) if !as_json => stdout::print(&format!("{}\n", path.display()))?,
                Ok(_) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        if as_json {
            let mounted = engine.mounted_images()?;
            let rows: Vec<Value> = mounted.iter().map(document).collect();
            stdout::print(&json::narrow(&rows, context.terminal()))?;
        } else if names.is_empty() {
            let mounted = engine.mounted_images()?;
            let name = |one: &MountedImage| one.names.first().unwrap_or(&one.record.id).clone();
            let rows = mounted.iter().map(|one| vec![name(one), one.path.display().to_string()]);
            stdout::print(&table::align(&table::rows(rows)))?;
        }
        outcomes.finish()
    }
}

impl Run<Context> for UnmountArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names: Vec<String> = match (self.all, self.images.is_empty()) {
            (true, true) => engine.mounted_images()?.into_iter().map(|one| one.record.id).collect(),
            (false, false) => self.images,
            (false, true) => return Err(UsageError::new("image name or ID must be specified").into()),
            (true, false) => {
                return Err(
                    UsageError::new("when using the --all switch, you may not pass any image names or IDs").into()
                );
            }
        };
        let mut outcomes = Outcomes::default();
        for name in &names {
            match engine.unmount_image(name) {
                Ok(Some(id)) => stdout::print(&format!("{id}\n"))?,
                Ok(None) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}

fn document(one: &MountedImage) -> Value {
    json!({
        "id": one.record.id,
        "Names": [one.record.manifest],
        "Repositories": one.names,
        "mountpoint": one.path.display().to_string(),
    })
}
