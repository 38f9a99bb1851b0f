//! `dhow pull`.

use super::registry::{PlatformArgs, RegistryArgs, RetryArgs, credentials};
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::outcome::Outcomes;
use crate::cli::output::stdout;
use crate::cli::progress;
use crate::engine::image::interrupt::Interrupted;
use crate::engine::request::{PullPolicy, RegistryOptions};

/// Pull images from a registry
///
/// Also from an archive: docker-archive:PATH, oci-archive:PATH, oci:PATH, dir:PATH. A registry may be silent for 30 seconds, or as
/// many as DHOW_REGISTRY_TIMEOUT in the environment says.
#[derive(clap::Args)]
pub(crate) struct PullArgs {
    /// Pull all tags of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Docker's; it does nothing
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    /// When the registry is asked: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "always", value_parser = ["always", "missing", "never", "newer"])]
    policy: String,
    /// Say nothing but the ids
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    platform: PlatformArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for PullArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let options = RegistryOptions {
            credentials: credentials(self.creds.as_deref())?,
            platform: self.platform.platform()?,
            quiet: self.quiet,
            ..self.registry.options()?
        };
        let options = self.retry.over(options, context)?;
        let policy = match self.policy.as_str() {
            "missing" => PullPolicy::Missing,
            "never" => PullPolicy::Never,
            "newer" => PullPolicy::Newer,
            _ => PullPolicy::Always,
        };
        let engine = context.engine()?;
        let mut outcomes = Outcomes::default();
        let mut names = Vec::new();
        for name in &self.names {
            match self.all_tags {
                true => names.extend(engine.all_tags(name, &options)?),
                false => names.push(name.clone()),
            }
        }
        for name in &names {
            let mut progress = progress::for_pull(self.quiet);
            let pulled = engine.ensure_image(name, policy, &options, progress.as_mut());
            drop(progress);
            match pulled {
                Ok(image) => stdout::print(&format!("{}\n", image.id))?,
                Err(error) if error.chain().any(|cause| cause.is::<Interrupted>()) => return Err(error),
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish()
    }
}
