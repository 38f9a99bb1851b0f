//! `dhow volume export`, `import`, `mount`, `unmount` and `reload`.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::file::OutputFile;
use crate::cli::output::stdout;

/// Write what is in a volume as a tar archive
///
/// Containers may use the volume meanwhile; what they change then may be in the archive or not.
#[derive(clap::Args)]
pub(crate) struct ExportArgs {
    /// The file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The volume
    #[arg(required = true, value_name = "VOLUME")]
    name: String,
}

impl Run<Context> for ExportArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        match self.output.as_deref().filter(|path| *path != Path::new("/dev/stdout")) {
            Some(path) => {
                let mut file = OutputFile::create(path)?;
                engine.export_volume(&self.name, &mut file.writer)?;
                file.keep()?;
            }
            None if std::io::stdout().is_terminal() => {
                return Err(UsageError::new("cannot write archive to terminal, use -o flag or redirect").into());
            }
            None => {
                let mut out = BufWriter::with_capacity(1 << 20, stdout::raw()?);
                let exported = engine.export_volume(&self.name, &mut out);
                exported.and_then(|()| out.flush().context("write to standard output")).map_err(stdout::closed)?;
            }
        }
        Ok(0)
    }
}

/// Add what is in a tar archive to a volume
///
/// Files of the same names are replaced, others stay. The archive may be compressed.
#[derive(clap::Args)]
pub(crate) struct ImportArgs {
    /// The volume
    #[arg(required = true, value_name = "VOLUME")]
    name: String,
    /// The archive; `-` is standard input
    #[arg(required = true, value_name = "SOURCE")]
    source: String,
}

impl Run<Context> for ImportArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let source = match self.source.as_str() {
            "-" if std::io::stdin().is_terminal() => {
                return Err(UsageError::new("cannot read from terminal, use command-line redirection").into());
            }
            "-" => File::from(std::io::stdin().as_fd().try_clone_to_owned().context("read standard input")?),
            path => File::open(path).with_context(|| format!("open {path}"))?,
        };
        context.engine()?.import_volume(&self.name, source)?;
        Ok(0)
    }
}

/// Say where what is in a volume is
///
/// It is seen there as long as the volume exists.
#[derive(clap::Args)]
pub(crate) struct MountArgs {
    /// The volume
    #[arg(required = true, value_name = "VOLUME")]
    name: String,
}

impl Run<Context> for MountArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let path = context.engine()?.mount_volume(&self.name)?;
        stdout::print(&format!("{}\n", path.display()))?;
        Ok(0)
    }
}

/// Undo what mount did
#[derive(clap::Args)]
pub(crate) struct UnmountArgs {
    /// The volume
    #[arg(required = true, value_name = "VOLUME")]
    name: String,
}

impl Run<Context> for UnmountArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let name = context.engine()?.unmount_volume(&self.name)?;
        stdout::print(&format!("{name}\n"))?;
        Ok(0)
    }
}

/// Look for volumes of plugins, of which there are none
#[derive(clap::Args)]
pub(crate) struct ReloadArgs {}

impl Run<Context> for ReloadArgs {
    fn run(self, context: &Context) -> Result<u8> {
        // Who scripts it wants to know at least that the store can be read.
        context.engine()?.volumes(&crate::model::filter::Filters::default())?;
        Ok(0)
    }
}
