//! How a command ends: its exit code, and what is said about an error.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::flags::UsageError;
use super::output::escape;
use super::output::stdout::OutputClosed;
use crate::engine::image::interrupt::Interrupted;
use crate::model::error::{Error, ErrorKind};

/// The engine or the command line failed.
pub(crate) const ENGINE: u8 = 125;
/// The command of a container cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The command of a container does not exist.
const NO_COMMAND: u8 = 127;
/// What a shell adds to the signal that ended a process.
const SIGNAL: i32 = 128;
/// What a shell shows for a process that SIGPIPE ended.
const BROKEN_PIPE: u8 = 141;

/// An error with the exit code that its command promises (`rm`: 1 for none such, 2 for running).
#[derive(Debug)]
struct Coded {
    code: u8,
    error: anyhow::Error,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl std::error::Error for Coded {}

/// Gives an error an exit code of its own.
pub(crate) fn with_code(code: u8, error: anyhow::Error) -> anyhow::Error {
    Coded { code, error }.into()
}

/// Returns the exit code of an error.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(coded) = cause.downcast_ref::<Coded>() {
            return coded.code;
        }
        if cause.is::<OutputClosed>() {
            return BROKEN_PIPE;
        }
        if let Some(interrupted) = cause.downcast_ref::<Interrupted>() {
            return u8::try_from(SIGNAL + interrupted.signal).unwrap_or(ENGINE);
        }
        match cause.downcast_ref::<Error>().map(|e| e.kind) {
            Some(ErrorKind::NotExecutable) => return NOT_EXECUTABLE,
            Some(ErrorKind::NoCommand) => return NO_COMMAND,
            _ => {}
        }
    }
    ENGINE
}

/// Writes what there is to say about an error; on a terminal its foreign text is escaped.
pub(crate) fn report(error: &anyhow::Error, out: &mut dyn Write, terminal: bool) {
    if error.chain().any(|cause| cause.is::<OutputClosed>()) {
        return;
    }
    // The kernel's words are enough; its numbers are for `strace`.
    let said = numberless(&format!("{error:#}"));
    let clean = |text: &str| if terminal { escape::text(text).into_owned() } else { text.to_owned() };
    let mut text = format!("Error: {}\n", clean(&said));
    if let Some(below) = error.chain().find_map(|c| c.downcast_ref::<UsageError>()).and_then(UsageError::below) {
        text.push_str(&format!("{}\n", clean(below)));
    }
    for hint in hints(error) {
        text.push_str(&format!("hint: {}\n", clean(hint)));
    }
    // Where standard error is closed too, there is nobody left to tell.
    drop(out.write_all(text.as_bytes()));
}

/// Takes ` (os error 2)` out of a text; what was before it begins small, as Go has the same words.
fn numberless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        rest = match after.split_once(')') {
            Some((number, tail)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                let at = before.rfind(": ").map_or(0, |colon| colon + 2);
                out.push_str(&before[..at]);
                out.extend(before[at..].chars().next().map(|first| first.to_ascii_lowercase()));
                out.extend(before[at..].chars().skip(1));
                tail
            }
            _ => {
                out.push_str(before);
                out.push_str(" (os error ");
                after
            }
        };
    }
    out.push_str(rest);
    out
}

fn hints(error: &anyhow::Error) -> Vec<&str> {
    let mut hints = Vec::new();
    for cause in error.chain() {
        if let Some(coded) = cause.downcast_ref::<Coded>() {
            hints.extend(self::hints(&coded.error));
        }
        hints.extend(cause.downcast_ref::<Error>().and_then(|e| e.hint.as_deref()));
    }
    hints
}

/// Ends a command: reports the error if there is one, and returns the exit code.
pub(crate) fn finish(result: anyhow::Result<u8>) -> ExitCode {
    let code = result.unwrap_or_else(|error| {
        let mut out = std::io::stderr().lock();
        let terminal = out.is_terminal();
        report(&error, &mut out, terminal);
        code_of(&error)
    });
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    fn said(error: &anyhow::Error) -> String {
        let mut out = Vec::new();
        report(error, &mut out, true);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn kinds_become_exit_codes() {
        let of = |kind| code_of(&anyhow::Error::new(Error::new(kind, "x")).context("start c"));
        assert_eq!(of(ErrorKind::NotExecutable), 126);
        assert_eq!(of(ErrorKind::NoCommand), 127);
        assert_eq!(of(ErrorKind::NotFound), 125);
        assert_eq!(code_of(&anyhow!("x")), 125);
        assert_eq!(code_of(&with_code(2, anyhow!("x")).context("remove c")), 2);
        assert_eq!(code_of(&anyhow::Error::new(Interrupted { signal: 2 }).context("pull x")), 130);
        assert_eq!(code_of(&anyhow::Error::new(OutputClosed).context("print")), 141);
    }

    #[test]
    fn the_kernels_numbers_are_left_out() {
        let error = anyhow::Error::new(std::io::Error::from_raw_os_error(2)).context("open a");
        assert_eq!(said(&error), "Error: open a: no such file or directory\n");
        assert_eq!(numberless("a (os error x) b (os error 1)"), "a (os error x) b");
    }

    #[test]
    fn errors_are_one_line_with_their_hints() {
        let error = Err::<(), _>(Error::not_found("no such image \u{1b}[31m").hint("try dhow pull")).context("run x");
        let error = error.unwrap_err();
        assert_eq!(said(&error), "Error: run x: no such image \\x1b[31m\nhint: try dhow pull\n");
        assert_eq!(said(&with_code(1, error)), "Error: run x: no such image \\x1b[31m\nhint: try dhow pull\n");
        let error = UsageError::new("unknown flag: --foo").see("dhow run").into();
        assert_eq!(said(&error), "Error: unknown flag: --foo\nSee 'dhow run --help'\n");
        assert_eq!(said(&OutputClosed.into()), "");
    }
}
