//! `dhow commit`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::commit::{CommitOptions, CommitRequest};

/// Make an image of what a container changed
///
/// The image has the layers of the one that the container was made from and one more. Volumes are left out.
#[derive(clap::Args)]
pub(crate) struct CommitArgs {
    /// Who made it
    #[arg(short, long, value_name = "AUTHOR")]
    author: Option<String>,
    /// Change the configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// The format: oci or docker
    #[arg(short, long, value_name = "FORMAT", default_value = "oci")]
    format: String,
    /// Write the image's ID to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// The container's volumes become volumes of the image
    #[arg(long)]
    include_volumes: bool,
    /// A message for the image's history (docker format)
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// The container's processes stand still meanwhile
    #[arg(short, long)]
    pause: bool,
    /// Say nothing but the ID
    #[arg(short, long)]
    quiet: bool,
    /// All layers become one
    #[arg(short, long)]
    squash: bool,
    /// The container
    #[arg(required = true, value_name = "CONTAINER")]
    container: String,
    /// The name of the image
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
}

impl Run<Context> for CommitArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let docker = match self.format.as_str() {
            "oci" => false,
            "docker" => true,
            other => return Err(UsageError::new(format!("unrecognized image format {other:?}")).into()),
        };
        if self.message.is_some() && !docker {
            let message = "messages are only compatible with the docker image format (-f docker)";
            return Err(UsageError::new(message).into());
        }
        let options = CommitOptions {
            changes: self.change,
            message: self.message,
            author: self.author,
            docker,
            squash: self.squash,
            name: self.image,
        };
        let request = CommitRequest { pause: self.pause, volumes: self.include_volumes };
        let id = context.engine()?.commit(&self.container, request, &options)?;
        if let Some(path) = &self.iidfile {
            std::fs::write(path, &id).with_context(|| format!("write image ID to file {}", path.display()))?;
        }
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}
