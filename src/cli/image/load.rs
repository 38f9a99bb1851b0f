//! `dhow load`.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::progress;
use crate::engine::image::archive::Input;

/// Load images from an archive
///
/// Archives of docker and of OCI, compressed or not, and directories with an OCI layout.
#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    /// The archive, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Say nothing but the names
    #[arg(short, long)]
    quiet: bool,
}

impl Run<Context> for LoadArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let input = match self.input {
            Some(path) => {
                // In podman's words, before anything is made ready.
                std::fs::metadata(&path).with_context(|| format!("stat {}", path.display()))?;
                Input::Path(path)
            }
            None if std::io::stdin().is_terminal() => {
                let message = "cannot read from terminal, use command-line redirection or the --input flag";
                return Err(UsageError::new(message).into());
            }
            None => {
                Input::Stream(File::from(std::io::stdin().as_fd().try_clone_to_owned().context("read standard input")?))
            }
        };
        let engine = context.engine()?;
        let mut progress = progress::for_pull(self.quiet);
        let loaded = engine.load_images(input, progress.as_mut())?;
        drop(progress);
        for image in loaded {
            if image.names.is_empty() {
                stdout::print(&format!("Loaded image: sha256:{}\n", image.id))?;
            }
            for name in image.names {
                stdout::print(&format!("Loaded image: {name}\n"))?;
            }
        }
        Ok(0)
    }
}
