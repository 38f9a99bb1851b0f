//! `dhow image inspect`.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::copy::is_place;
use super::registry::{PlatformArgs, RegistryArgs, credentials};
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::inspect;
use crate::cli::output::{json, stdout};
use crate::engine::image::copy::Look;
use crate::engine::request::RegistryOptions;

/// Display the configuration of one or more images
///
/// An image may also be looked at where it is, without a pull: docker://NAME, docker-archive:PATH, oci-archive:PATH,
/// oci:PATH, dir:PATH.
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// The configuration as it is, of an image that is not in the store
    #[arg(long)]
    config: bool,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    platform: PlatformArgs,
    /// The manifest or index as it is, of an image that is not in the store
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let options = RegistryOptions {
            credentials: credentials(self.creds.as_deref())?,
            platform: self.platform.platform()?,
            ..self.registry.options()?
        };
        let look = match (self.raw, self.config) {
            (false, false) => Look::Summary,
            (true, false) => Look::Raw,
            (false, true) => Look::Config,
            (true, true) => return Err(UsageError::new("--raw and --config cannot be used together").into()),
        };
        if let Some(name) = self.names.iter().find(|name| look != Look::Summary && !is_place(name)) {
            let message = format!("{name}: --raw and --config need a name with its transport, such as docker://");
            return Err(UsageError::new(message).into());
        }
        match (&self.names[..], look) {
            ([name], Look::Raw) => {
                // To the byte: its digest is that of what is printed.
                let shown = engine.look_at_image(name, look, &options)?;
                stdout::print(std::str::from_utf8(&shown.bytes).context("a manifest that is not UTF-8")?)?;
                return Ok(0);
            }
            ([name], Look::Config) => {
                let shown = engine.look_at_image(name, look, &options)?;
                let document: Value = serde_json::from_slice(&shown.bytes).context("parse the configuration")?;
                stdout::print(&json::wide(&document, context.terminal()))?;
                return Ok(0);
            }
            (_, Look::Summary) => {}
            _ => return Err(UsageError::new("--raw and --config take one image").into()),
        }
        inspect::each(context, self.format.as_deref(), &self.names, |name| {
            if !is_place(name) {
                return engine.inspect_image(name);
            }
            let shown = engine.look_at_image(name, Look::Summary, &options)?;
            serde_json::from_slice(&shown.bytes).context("parse what is known of the image")
        })
    }
}
