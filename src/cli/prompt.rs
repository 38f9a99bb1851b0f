//! Questions to the person at the terminal.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, anyhow};

/// Asks whether to go on, after a warning; no answer at all is an error, as podman has it.
pub(crate) fn confirm(warning: &str) -> Result<bool> {
    super::output::stdout::print(&format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    Ok(line()?.trim_start().to_ascii_lowercase().starts_with('y'))
}

/// Reads one line of standard input, without its end.
pub(crate) fn line() -> Result<String> {
    let mut text = String::new();
    let count = std::io::stdin().lock().read_line(&mut text).context("read standard input")?;
    if count == 0 {
        return Err(anyhow!("EOF"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks on standard error and reads a line.
pub(crate) fn ask(question: &str) -> Result<String> {
    let mut out = std::io::stderr().lock();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).context("write to standard error")?;
    line()
}
