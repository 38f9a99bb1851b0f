//! `dhow cp`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::engine::copy::{CopyRequest, End};
use crate::model::error::Error;

/// Copy files between a container and the host, or two containers
///
/// One of the two places is CONTAINER:PATH; the other is a path of the host, a second container's, or `-`: a tar archive
/// from standard input or to standard output. A path of the host with a colon begins with / or ./. The container may run or
/// not. DIR/. is what is in the directory. A source that is a link is what it leads to. What leaves a container belongs to
/// you and has no set-id bits.
#[derive(clap::Args)]
pub(crate) struct CpArgs {
    /// What comes into a container belongs to its user (the default); false: to whom it belonged
    #[arg(short, long)]
    archive: Option<bool>,
    /// A directory may take the place of a file, and a file that of a directory
    #[arg(long)]
    overwrite: bool,
    /// Accepted; files are read while the container runs
    #[arg(long, hide = true)]
    pause: bool,
    /// What is copied
    #[arg(required = true, value_name = "[CONTAINER:]SRC")]
    from: OsString,
    /// Where it goes
    #[arg(required = true, value_name = "[CONTAINER:]DEST")]
    to: OsString,
}

impl Run<Context> for CpArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let (from, to) = (end(&self.from)?, end(&self.to)?);
        if is_empty(&from) || is_empty(&to) {
            return Err(Error::invalid(format!(
                "invalid arguments {:?}, {:?}: you must specify paths",
                self.from.to_string_lossy(),
                self.to.to_string_lossy()
            ))
            .into());
        }
        if ![&from, &to].iter().any(|end| matches!(end, End::Container { .. })) {
            return Err(Error::invalid("name or ID cannot be empty").hint("one of the two is CONTAINER:PATH").into());
        }
        if from == End::Stream && std::io::stdin().is_terminal() {
            return Err(UsageError::new("cannot read from terminal, use command-line redirection").into());
        }
        if to == End::Stream && std::io::stdout().is_terminal() {
            return Err(
                UsageError::new("refusing to write an archive to a terminal, use command-line redirection").into()
            );
        }
        let input = std::io::stdin().as_fd().try_clone_to_owned().context("open standard input")?;
        let request = CopyRequest { from, to, archive: self.archive.unwrap_or(true), overwrite: self.overwrite };
        context.engine()?.copy(&request, std::fs::File::from(input), stdout::raw()?).map_err(stdout::closed)?;
        Ok(0)
    }
}

/// `-`, `CONTAINER:PATH` or a path; one that begins like a path is one.
fn end(text: &OsString) -> Result<End> {
    if text == "-" {
        return Ok(End::Stream);
    }
    let bytes = text.as_encoded_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':').filter(|_| !matches!(bytes[0], b'/' | b'.'));
    let Some(colon) = colon else { return Ok(End::Host(PathBuf::from(text))) };
    let text = text.to_str().ok_or_else(|| Error::invalid("the path of a container is not UTF-8"))?;
    Ok(End::Container { name: text[..colon].to_owned(), path: text[colon + 1..].to_owned() })
}

fn is_empty(end: &End) -> bool {
    match end {
        End::Host(path) => path.as_os_str().is_empty(),
        End::Container { path, .. } => path.is_empty(),
        End::Stream => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_container_unless_it_begins_like_a_path() {
        let host = |path: &str| End::Host(PathBuf::from(path));
        let container = |name: &str, path: &str| End::Container { name: name.to_owned(), path: path.to_owned() };
        for (text, want) in [
            ("-", End::Stream),
            ("a", host("a")),
            ("./a:b", host("./a:b")),
            ("/a:b", host("/a:b")),
            ("a:b", container("a", "b")),
            ("a:/b:c", container("a", "/b:c")),
            ("a:", container("a", "")),
            ("", host("")),
        ] {
            assert_eq!(end(&text.into()).unwrap(), want, "{text}");
        }
    }
}
