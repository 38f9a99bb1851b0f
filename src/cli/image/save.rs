//! `dhow save`.

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::push::packing;
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::file::OutputFile;
use crate::cli::output::stdout;
use crate::cli::progress;
use crate::engine::image::archive::Format;
use crate::engine::image::push::{Family, SignRequest, Wish};
use crate::engine::request::RegistryOptions;

/// Save images to an archive
#[derive(clap::Args)]
pub(crate) struct SaveArgs {
    /// Pack layers that are not packed; for docker-dir
    #[arg(long)]
    compress: bool,
    /// Layers are saved as they are kept; accepted for podman's sake
    #[arg(long, hide = true)]
    uncompressed: bool,
    /// The format: docker-archive, oci-archive, docker-dir or oci-dir
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: String,
    /// Every argument is an image, not a name of the first
    #[arg(short, long)]
    multi_image_archive: bool,
    /// The file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// The image, and more names for it
    #[arg(required = true, value_name = "IMAGE")]
    names: Vec<String>,
}

impl Run<Context> for SaveArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.compress && self.format != "docker-dir" {
            return Err(UsageError::new("--compress can only be set when --format is 'docker-dir'").into());
        }
        let format = match self.format.as_str() {
            "docker-archive" => Format::DockerArchive,
            "oci-archive" => Format::OciArchive,
            "oci-dir" | "docker-dir" => return self.directory(context),
            _ => {
                let message = "format value must be one of oci-archive oci-dir docker-dir docker-archive";
                return Err(UsageError::new(message).into());
            }
        };
        if self.multi_image_archive && format != Format::DockerArchive {
            return Err(UsageError::new("--multi-image-archive can only be used with --format docker-archive").into());
        }
        let engine = context.engine()?;
        if let (false, Some((first, names))) = (self.multi_image_archive, self.names.split_first()) {
            for name in engine.other_images(first, names)? {
                context.warn(&format!("only {first} is saved, also as {name}, which is another image: -m saves both"));
            }
        }
        let save = |out: &mut dyn Write| engine.save_images(&self.names, self.multi_image_archive, format, out);
        match self.output.as_deref().filter(|path| *path != Path::new("/dev/stdout")) {
            Some(path) if path.to_string_lossy().contains(':') => {
                let message = format!("invalid filename (should not contain ':') \"{}\"", path.display());
                return Err(UsageError::new(message).into());
            }
            Some(path) => {
                let mut file = OutputFile::create(path)?;
                save(&mut file.writer)?;
                file.keep()?;
            }
            None if std::io::stdout().is_terminal() => {
                return Err(UsageError::new("refusing to save to terminal. Use -o flag or redirect").into());
            }
            None => {
                let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
                save(&mut out)
                    .and_then(|()| out.flush().context("write to standard output"))
                    .map_err(stdout::closed)?;
            }
        }
        Ok(0)
    }
}

impl SaveArgs {
    /// The formats that are directories: one image, under the name that was typed.
    fn directory(self, context: &Context) -> Result<u8> {
        let Some(output) = &self.output else {
            return Err(UsageError::new("--output is required with the formats oci-dir and docker-dir").into());
        };
        let [name] = &self.names[..] else {
            return Err(UsageError::new("a directory takes one image, without other names").into());
        };
        if output.to_string_lossy().contains(':') {
            let message = format!("invalid filename (should not contain ':') \"{}\"", output.display());
            return Err(UsageError::new(message).into());
        }
        let (transport, format) = match self.format.as_str() {
            "oci-dir" => ("oci", Family::Oci),
            _ => ("dir", Family::Docker),
        };
        let packing = packing(None, None, self.compress)?;
        let wish = Wish { format: Some(format), packing, ..Wish::default() };
        let destination = format!("{transport}:{}", output.display());
        let mut progress = progress::for_pull(self.quiet);
        let options = RegistryOptions::default();
        context.engine()?.push_image(
            name,
            Some(&destination),
            wish,
            &options,
            &SignRequest::default(),
            progress.as_mut(),
        )?;
        Ok(0)
    }
}
