//! `dhow export`.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::names::one;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::file::OutputFile;
use crate::cli::output::stdout;

/// Write the files of a container as a tar archive
///
/// Its volumes are left out. The container may run or not.
#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// The file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The container
    #[arg(value_name = "CONTAINER", num_args = 0..=1)]
    container: Vec<String>,
}

impl Run<Context> for ExportArgs {
    fn run(self, context: &Context) -> Result<u8> {
        match (self.latest, self.container.len()) {
            (true, 1) => return Err(UsageError::new("--latest and containers cannot be used together").into()),
            (false, 0) => return Err(UsageError::new("accepts 1 arg(s), received 0").into()),
            _ => {}
        }
        let engine = context.engine()?;
        let (name, _) = one(engine, self.latest, &self.container, "you must provide at least one name or id")?;
        match self.output.as_deref().filter(|path| *path != Path::new("/dev/stdout")) {
            Some(path) if path.to_string_lossy().contains(':') => {
                let message = format!("invalid filename (should not contain ':') \"{}\"", path.display());
                return Err(UsageError::new(message).into());
            }
            Some(path) => {
                // Found before the file is made.
                engine.read(&name)?;
                let mut file = OutputFile::create(path)?;
                engine.export(&name, &mut file.writer)?;
                file.keep()?;
            }
            None if std::io::stdout().is_terminal() => {
                return Err(UsageError::new("refusing to export to terminal. Use -o flag or redirect").into());
            }
            None => {
                let mut out = BufWriter::with_capacity(1 << 20, stdout::raw()?);
                let exported = engine.export(&name, &mut out);
                exported.and_then(|()| out.flush().context("write to standard output")).map_err(stdout::closed)?;
            }
        }
        Ok(0)
    }
}
