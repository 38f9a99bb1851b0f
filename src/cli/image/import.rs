//! `dhow import`.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context as _;

use super::registry::PlatformArgs;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::image::archive::ImportOptions;
use crate::model::error::Error;

/// Make an image from the tar of a file system
#[derive(clap::Args)]
pub(crate) struct ImportArgs {
    /// Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// What the image's history says
    #[arg(short, long, value_name = "TEXT", default_value = "imported from tarball")]
    message: String,
    /// Say nothing but the id
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    platform: PlatformArgs,
    /// The archive; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    path: String,
    /// The name of the image
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Run<Context> for ImportArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if ["http://", "https://"].iter().any(|scheme| self.path.starts_with(scheme)) {
            let error = Error::unsupported("importing from a URL is not supported");
            return Err(error.hint(format!("download it first, or: curl {} | dhow import -", self.path)).into());
        }
        let source = match self.path.as_str() {
            "-" if std::io::stdin().is_terminal() => {
                return Err(UsageError::new("cannot read from terminal, use command-line redirection").into());
            }
            "-" => File::from(std::io::stdin().as_fd().try_clone_to_owned().context("read standard input")?),
            path => File::open(Path::new(path)).with_context(|| format!("error opening \"{path}\""))?,
        };
        let options = ImportOptions {
            changes: self.change,
            message: self.message,
            platform: self.platform.platform()?,
            name: self.name,
        };
        let id = context.engine()?.import_image(source, &options)?;
        stdout::print(&format!("sha256:{id}\n"))?;
        Ok(0)
    }
}
