//! How a command over several names ends: it goes on after an error, tells each, and says in its exit code what kind
//! they were.

use std::io::IsTerminal;

use anyhow::Result;

use super::exit;
use super::output::stdout;
use crate::engine::container::is_damage;
use crate::model::error::{Error, ErrorKind};

/// A named object does not exist.
const MISSING: u8 = 1;
/// One of them is used or runs.
const IN_USE: u8 = 2;

/// What went wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    errors: Vec<anyhow::Error>,
}

impl Outcomes {
    /// Does `work` for each, and prints those for which it went well.
    pub(crate) fn each<T>(names: &[String], mut work: impl FnMut(&str) -> Result<T>) -> Result<Self> {
        Self::each_if(names, |name| work(name).map(|_| true))
    }

    /// As [`Self::each`], where `false` is neither an error nor printed.
    pub(crate) fn each_if(names: &[String], mut work: impl FnMut(&str) -> Result<bool>) -> Result<Self> {
        let mut outcomes = Self::default();
        for name in names {
            match work(name) {
                Ok(true) => stdout::print(&format!("{name}\n"))?,
                Ok(false) => {}
                Err(error) => outcomes.failed(error),
            }
        }
        Ok(outcomes)
    }

    /// Keeps an error for the end.
    pub(crate) fn failed(&mut self, error: anyhow::Error) {
        self.errors.push(error);
    }

    /// Tells all errors; the last one is the command's, and each has the engine's exit code.
    pub(crate) fn finish(mut self) -> Result<u8> {
        let Some(last) = self.errors.pop() else { return Ok(0) };
        let mut out = std::io::stderr().lock();
        let terminal = out.is_terminal();
        for error in &self.errors {
            exit::report(error, &mut out, terminal);
        }
        Err(last)
    }

    /// As [`Self::finish`] with the exit codes of `rmi` and `volume rm`: 2 where one is in use, 1 where nothing but
    /// missing objects was named.
    pub(crate) fn finish_deletion(self) -> Result<u8> {
        let kinds: Vec<_> = self.errors.iter().map(kind).collect();
        if kinds.contains(&Some(ErrorKind::Conflict)) {
            return self.finish_as(IN_USE);
        }
        match kinds.iter().all(|kind| *kind == Some(ErrorKind::NotFound)) {
            true => self.finish_as(MISSING),
            false => self.finish(),
        }
    }

    /// As [`Self::finish`] with the exit codes of `rm`: 1 where one does not exist, else 2 where one runs. A damaged
    /// record says neither.
    pub(crate) fn finish_removal(self) -> Result<u8> {
        let has = |kind| self.errors.iter().any(|error| self::kind(error) == Some(kind) && !is_damage(error));
        match (has(ErrorKind::NotFound), has(ErrorKind::State)) {
            (true, _) => self.finish_as(MISSING),
            (false, true) => self.finish_as(IN_USE),
            (false, false) => self.finish(),
        }
    }

    fn finish_as(self, code: u8) -> Result<u8> {
        self.finish().map_err(|error| exit::with_code(code, error))
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

    fn outcomes(kinds: &[ErrorKind]) -> Outcomes {
        Outcomes { errors: kinds.iter().map(|kind| Error::new(*kind, "x").into()).collect() }
    }

    #[test]
    fn deletions_have_exit_codes_of_their_own() {
        let of = |kinds: &[ErrorKind]| outcomes(kinds).finish_deletion().map_err(|error| exit::code_of(&error));
        assert_eq!(of(&[]), Ok(0));
        assert_eq!(of(&[ErrorKind::NotFound, ErrorKind::NotFound]), Err(1));
        assert_eq!(of(&[ErrorKind::Conflict, ErrorKind::NotFound]), Err(2));
        assert_eq!(of(&[ErrorKind::NotFound, ErrorKind::State]), Err(125));
    }

    #[test]
    fn removals_have_exit_codes_of_their_own() {
        let of = |kinds: &[ErrorKind]| outcomes(kinds).finish_removal().map_err(|error| exit::code_of(&error));
        assert_eq!(of(&[]), Ok(0));
        assert_eq!(of(&[ErrorKind::State, ErrorKind::NotFound]), Err(1));
        assert_eq!(of(&[ErrorKind::State]), Err(2));
        assert_eq!(of(&[ErrorKind::Invalid]), Err(125));
    }
}
