//! What commands print: tables, JSON, YAML and Go templates, to a standard output that may be closed.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod yaml;

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

use super::exit::OutputClosed;

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
