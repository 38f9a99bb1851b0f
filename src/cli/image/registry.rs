//! The flags by which registries are reached and platforms chosen, shared by the commands that pull.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::context::Context;
use crate::cli::flags::{UsageError, value};
use crate::engine::request::RegistryOptions;
use crate::model::platform::Platform;
use crate::model::secret::Secret;

/// How a registry is reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RegistryArgs {
    /// The file of credentials, instead of the user's
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// The directory of certificates and keys
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Require HTTPS and verify certificates
    #[arg(long)]
    tls_verify: Option<bool>,
}

impl RegistryArgs {
    /// The options without credentials and platform.
    pub(crate) fn options(self) -> Result<RegistryOptions> {
        if let Some(file) = self.authfile.as_ref().filter(|file| !file.exists()) {
            let message = format!("checking authfile: stat {}: no such file or directory", file.display());
            return Err(UsageError::new(message).into());
        }
        Ok(self.writable())
    }

    /// The same where the file of credentials is about to be made.
    pub(crate) fn writable(self) -> RegistryOptions {
        RegistryOptions {
            authfile: self.authfile,
            cert_dir: self.cert_dir,
            tls_verify: self.tls_verify,
            ..RegistryOptions::default()
        }
    }
}

/// What is done about requests that fail for a passing reason.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RetryArgs {
    /// How often a request is tried again
    #[arg(long, value_name = "TIMES")]
    pub(crate) retry: Option<u32>,
    /// The pause before that, such as 500ms or 2s
    #[arg(long, value_name = "DURATION", value_parser = value::duration)]
    pub(crate) retry_delay: Option<Duration>,
}

impl RetryArgs {
    /// The options with what was typed about retries, else what the files say.
    pub(crate) fn over(&self, options: RegistryOptions, context: &Context) -> Result<RegistryOptions> {
        let config = context.config()?;
        let delay = match (&self.retry_delay, &config.engine.retry_delay) {
            (None, Some(text)) if !text.is_empty() => {
                Some(value::duration(text).with_context(|| config.origin("retry_delay"))?)
            }
            (typed, _) => *typed,
        };
        Ok(RegistryOptions { retries: self.retry.or(config.engine.retry), retry_delay: delay, ..options })
    }
}

/// Which platform's image is wanted.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct PlatformArgs {
    /// The architecture, instead of this machine's
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// The operating system, instead of this one
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// The platform: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// The variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

impl PlatformArgs {
    /// The platform that was asked for; `None` is this machine's.
    pub(crate) fn platform(&self) -> Result<Option<Platform>> {
        if let Some(platform) = &self.platform {
            if self.arch.is_some() || self.os.is_some() {
                return Err(UsageError::new("--platform option can not be specified with --arch or --os").into());
            }
            return Ok(Some(platform.parse()?));
        }
        if self.arch.is_none() && self.os.is_none() && self.variant.is_none() {
            return Ok(None);
        }
        let host = Platform::host();
        let os = self.os.as_deref().unwrap_or(&host.os);
        let arch = self.arch.as_deref().unwrap_or(&host.architecture);
        Ok(Some(Platform::new(os, arch, self.variant.as_deref())))
    }
}

/// Reads `--creds USER[:PASSWORD]`; a password that is missing is asked for.
pub(crate) fn credentials(text: Option<&str>) -> Result<Option<Secret>> {
    match text {
        None => Ok(None),
        Some("") => Err(UsageError::new("credentials can't be empty").into()),
        Some(text) if text.contains(':') => Ok(Some(Secret::new(text))),
        Some(user) => Ok(Some(Secret::new(format!("{user}:{}", crate::cli::prompt::password("Password: ")?)))),
    }
}
