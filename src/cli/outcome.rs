//! How a command over several names ends: it goes on after an error, tells each, and says in its exit code what kind
//! they were.

use std::io::IsTerminal;

use super::exit;
use crate::model::error::{Error, ErrorKind};

/// None of the named objects exists.
const MISSING: u8 = 1;
/// One of them is used or runs.
const IN_USE: u8 = 2;

/// What went wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    errors: Vec<anyhow::Error>,
}

impl Outcomes {
    /// Keeps an error for the end.
    pub(crate) fn failed(&mut self, error: anyhow::Error) {
        self.errors.push(error);
    }

    /// Tells all errors; the last one is the command's. Exit code 1: nothing but missing objects, 2: one is in use.
    pub(crate) fn finish(mut self) -> anyhow::Result<u8> {
        let kinds: Vec<_> = self.errors.iter().map(kind).collect();
        let Some(last) = self.errors.pop() else { return Ok(0) };
        let mut out = std::io::stderr().lock();
        let terminal = out.is_terminal();
        for error in &self.errors {
            exit::report(error, &mut out, terminal);
        }
        if kinds.contains(&Some(ErrorKind::Conflict)) {
            return Err(exit::with_code(IN_USE, last));
        }
        match kinds.iter().all(|kind| *kind == Some(ErrorKind::NotFound)) {
            true => Err(exit::with_code(MISSING, last)),
            false => Err(last),
        }
    }

    /// As [`Self::finish`], where every error has the engine's exit code.
    pub(crate) fn finish_plain(mut self) -> anyhow::Result<u8> {
        let Some(last) = self.errors.pop() else { return Ok(0) };
        let mut out = std::io::stderr().lock();
        let terminal = out.is_terminal();
        for error in &self.errors {
            exit::report(error, &mut out, terminal);
        }
        Err(last)
    }
}

/// The kind of an error, where it has one.
pub(crate) fn kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(|error| error.kind)
}

/// Whether an error says that there is no such object.
pub(crate) fn is_missing(error: &anyhow::Error) -> bool {
    kind(error) == Some(ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_become_exit_codes() {
        let of = |kinds: &[ErrorKind]| {
            let mut outcomes = Outcomes::default();
            kinds.iter().for_each(|kind| outcomes.failed(Error::new(*kind, "x").into()));
            outcomes.finish().map_err(|error| exit::code_of(&error))
        };
        assert_eq!(of(&[]), Ok(0));
        assert_eq!(of(&[ErrorKind::NotFound, ErrorKind::NotFound]), Err(1));
        assert_eq!(of(&[ErrorKind::Conflict, ErrorKind::NotFound]), Err(2));
        assert_eq!(of(&[ErrorKind::NotFound, ErrorKind::State]), Err(125));
    }
}
