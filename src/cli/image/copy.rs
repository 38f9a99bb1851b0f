//! `dhow image copy`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::push::{format, packing};
use super::registry::{PlatformArgs, RetryArgs, credentials};
use super::sign::SignArgs;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::progress;
use crate::engine::image::copy::CopyRequest;
use crate::engine::image::push::Wish;
use crate::engine::request::RegistryOptions;

/// Copy an image from one place to another
///
/// A place is docker://NAME, docker-archive:PATH[:NAME], oci-archive:PATH[:NAME], oci:PATH[:NAME], dir:PATH or
/// containers-storage:NAME, which is this store. The image stays as it is, to its digest, unless another form is asked
/// for or the place has none for it.
#[derive(clap::Args)]
pub(crate) struct CopyArgs {
    /// Copy every image of an index, and the index; from a registry
    #[arg(short, long)]
    all: bool,
    /// The file of credentials, instead of the user's
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// How layers go: gzip or zstd
    #[arg(long, visible_alias = "dest-compress-format", value_name = "FORMAT")]
    compression_format: Option<String>,
    /// How hard they are packed: gzip 1 to 9, zstd 1 to 20
    #[arg(long, visible_alias = "dest-compress-level", value_name = "LEVEL")]
    compression_level: Option<u32>,
    /// The destination's directory of certificates and keys
    #[arg(long, value_name = "DIR")]
    dest_cert_dir: Option<PathBuf>,
    /// Whose credentials the destination gets: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    dest_creds: Option<String>,
    /// Require HTTPS of the destination and verify its certificates
    #[arg(long)]
    dest_tls_verify: Option<bool>,
    /// Write the digest of the manifest to a file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// The manifest's format: oci or v2s2; that of the image where none is given
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    platform: PlatformArgs,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// Leave the signatures out that the image has
    #[arg(long)]
    remove_signatures: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// The source's directory of certificates and keys
    #[arg(long, value_name = "DIR")]
    src_cert_dir: Option<PathBuf>,
    /// Whose credentials the source gets: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    src_creds: Option<String>,
    /// Require HTTPS of the source and verify its certificates
    #[arg(long)]
    src_tls_verify: Option<bool>,
    /// Where the image is
    #[arg(required = true, value_name = "SOURCE")]
    source: String,
    /// Where it goes
    #[arg(required = true, value_name = "DESTINATION")]
    destination: String,
}

impl Run<Context> for CopyArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        for place in [&self.source, &self.destination] {
            if !is_place(place) {
                let message = format!("Invalid image name {place:?}: it has no transport, such as docker://");
                return Err(UsageError::new(message).into());
            }
        }
        let common = RegistryOptions {
            authfile: self.authfile,
            retries: self.retry.retry,
            retry_delay: self.retry.retry_delay,
            quiet: self.quiet,
            platform: self.platform.platform()?,
            ..RegistryOptions::default()
        };
        let request = CopyRequest {
            all: self.all,
            wish: Wish {
                format: format(self.format.as_deref())?,
                packing: packing(self.compression_format.as_deref(), self.compression_level, false)?,
                force: self.compression_format.is_some_and(|text| !text.is_empty()),
            },
            sign: self.sign.request()?,
            remove_signatures: self.remove_signatures,
            from: RegistryOptions {
                credentials: credentials(self.src_creds.as_deref())?,
                cert_dir: self.src_cert_dir,
                tls_verify: self.src_tls_verify,
                ..common.clone()
            },
            to: RegistryOptions {
                credentials: credentials(self.dest_creds.as_deref())?,
                cert_dir: self.dest_cert_dir,
                tls_verify: self.dest_tls_verify,
                ..common
            },
        };
        let mut progress = progress::for_pull(self.quiet);
        let digest = context.engine()?.copy_image(&self.source, &self.destination, &request, progress.as_mut())?;
        drop(progress);
        if let Some(file) = self.digestfile {
            std::fs::write(&file, digest.as_str()).with_context(|| format!("write {}", file.display()))?;
        }
        Ok(0)
    }
}

/// Whether a name says its transport: then it means a place, not an image of the store.
pub(super) fn is_place(name: &str) -> bool {
    ["docker://", "docker-archive:", "oci-archive:", "oci:", "dir:", "containers-storage:"]
        .iter()
        .any(|transport| name.starts_with(transport))
}
