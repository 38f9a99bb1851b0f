//! Standard output, which may be closed: a reader that went away ends the command silently.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;

use anyhow::Context;

/// Nobody reads our standard output any more, which is not an error to tell anyone.
#[derive(Debug)]
pub(crate) struct OutputClosed;

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write to standard output: broken pipe")
    }
}

impl std::error::Error for OutputClosed {}

/// Writes text to standard output; a reader that went away ends the command silently.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output, as [`print`] does.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.context("write to standard output"),
    }
}

/// Standard output for many bytes, which go out as they come.
pub(crate) fn raw() -> anyhow::Result<File> {
    let fd = io::stdout().as_fd().try_clone_to_owned().context("open standard output")?;
    Ok(fd.into())
}

/// Takes an error that says that a reader went away for what it is.
pub(crate) fn closed(error: anyhow::Error) -> anyhow::Error {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken) { OutputClosed.into() } else { error }
}
