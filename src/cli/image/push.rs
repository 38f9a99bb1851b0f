//! `dhow push`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::registry::{RegistryArgs, RetryArgs, credentials};
use super::sign::SignArgs;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::progress;
use crate::engine::image::push::{Compression, Family, Packing, Wish};
use crate::engine::request::RegistryOptions;

/// Push an image to a registry
///
/// Or to docker-archive:PATH[:NAME], oci-archive:PATH[:NAME], oci:PATH[:NAME] or dir:PATH. Only what the registry lacks is sent. Layers that are not packed are packed with gzip on the way; a registry may be
/// silent for 30 seconds, or as many as DHOW_REGISTRY_TIMEOUT in the environment says.
#[derive(clap::Args)]
pub(crate) struct PushArgs {
    /// Pack layers that are not packed also for a directory or archive
    #[arg(long)]
    compress: bool,
    /// How layers that are not packed go: gzip or zstd
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// How hard they are packed: gzip 1 to 9, zstd 1 to 20
    #[arg(long, value_name = "LEVEL")]
    compression_level: Option<u32>,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Write the digest of the manifest to a file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// Docker's; it does nothing
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// Pack layers anew that are packed otherwise
    #[arg(long)]
    force_compression: bool,
    /// The manifest's format: oci or v2s2; that of the image where none is given
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// There are none; accepted for podman's sake
    #[arg(long, hide = true)]
    remove_signatures: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    name: String,
    /// Where it goes: a name, or a place with its transport; its own name where none is given
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

impl Run<Context> for PushArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let format = format(self.format.as_deref())?;
        let default = self.compress || self.force_compression;
        // Who names a format means all layers, as podman takes it.
        let force = self.force_compression || self.compression_format.as_ref().is_some_and(|text| !text.is_empty());
        let packing = packing(self.compression_format.as_deref(), self.compression_level, default)?;
        let options = RegistryOptions {
            credentials: credentials(self.creds.as_deref())?,
            quiet: self.quiet,
            ..self.registry.options()?
        };
        let options = self.retry.over(options, context)?;
        let sign = self.sign.request()?;
        let mut progress = progress::for_pull(self.quiet);
        let wish = Wish { format, packing, force };
        let engine = context.engine()?;
        let digest =
            engine.push_image(&self.name, self.destination.as_deref(), wish, &options, &sign, progress.as_mut())?;
        drop(progress);
        if let Some(file) = self.digestfile {
            std::fs::write(&file, digest.as_str()).with_context(|| format!("write {}", file.display()))?;
        }
        Ok(0)
    }
}

/// Reads `--format`: the family of manifests.
pub(super) fn format(text: Option<&str>) -> anyhow::Result<Option<Family>> {
    match text {
        None | Some("") => Ok(None),
        Some("oci") => Ok(Some(Family::Oci)),
        Some("v2s2" | "docker") => Ok(Some(Family::Docker)),
        Some(other) => {
            let message = format!("unknown format {other:?}. Choose on of the supported formats: 'oci' or 'v2s2'");
            Err(UsageError::new(message).into())
        }
    }
}

/// Reads `--compression-format` and its level; gzip where only the level is given, or `default`.
pub(super) fn packing(text: Option<&str>, level: Option<u32>, default: bool) -> anyhow::Result<Option<Packing>> {
    let compression = match text {
        None | Some("") if !(default || level.is_some()) => return Ok(None),
        None | Some("" | "gzip") => Compression::Gzip,
        Some("zstd") => Compression::Zstd,
        Some(other) => {
            return Err(UsageError::new(format!("unknown compression format {other:?}: it is gzip or zstd")).into());
        }
    };
    Ok(Some(Packing::new(compression, level)?))
}
