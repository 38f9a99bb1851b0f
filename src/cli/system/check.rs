//! `dhow system check`.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::check::Damage;
use crate::model::error::Error;

/// Look for damage in the store, and repair it
///
/// Every record, blob and layer is looked at. A repair removes damaged images (pull them again) and gives damaged volumes a
/// new record; what is in a volume stays.
#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// With --repair: remove damaged containers and secrets too
    #[arg(short, long)]
    force: bool,
    /// Accepted; what nothing names is removed whatever its age
    #[arg(short, long, value_name = "DURATION", hide = true)]
    max: Option<String>,
    /// Do not read the contents of images
    #[arg(short, long)]
    quick: bool,
    /// Remove what is damaged and comes back
    #[arg(short, long)]
    repair: bool,
}

impl Run<Context> for CheckArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let damage = engine.check_store(self.quick)?;
        stdout::print(&report(&damage))?;
        if damage.is_none() {
            return Ok(0);
        }
        if !self.repair {
            return Err(found(
                "--repair removes damaged images; with --force it removes damaged containers and secrets, too",
            ));
        }
        for error in engine.repair_store(&damage, self.force)? {
            let mut out = std::io::stderr().lock();
            let terminal = out.is_terminal();
            exit::report(&error, &mut out, terminal);
        }
        // The truth, not what was meant.
        if engine.check_store(self.quick)?.is_none() {
            return Ok(0);
        }
        Err(found("containers and secrets are removed by --repair --force only"))
    }
}

fn found(hint: &str) -> anyhow::Error {
    Error::state("damage detected in local storage").hint(hint).into()
}

fn report(damage: &Damage) -> String {
    let mut text = String::new();
    let mut line = |what: &str, error: &anyhow::Error| {
        // Writing to a string cannot fail.
        writeln!(text, "Damage detected in {what}:\n- {error:#}").ok();
    };
    for image in &damage.images.images {
        image.errors.iter().for_each(|error| line(&format!("image {}", image.id), error));
    }
    damage.images.layers.iter().for_each(|(chain, error)| line(&format!("layer {chain}"), error));
    damage.images.blobs.iter().for_each(|(digest, error)| line(&format!("blob {digest}"), error));
    damage.images.names.iter().for_each(|error| line("the names of images", error));
    damage.containers.iter().for_each(|(id, error)| line(&format!("container {id}"), error));
    damage.volumes.iter().for_each(|(name, error)| line(&format!("volume {name}"), error));
    damage.secrets.iter().for_each(|(id, error)| line(&format!("secret {id}"), error));
    text
}
