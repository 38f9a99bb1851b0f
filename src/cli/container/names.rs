//! Which containers a command is for: `NAME…`, `--all`, `--latest`, `--filter`, `--cidfile`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::filter;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::engine::list::Listed;
use crate::model::error::Error;
use crate::model::status::Status;

/// What the flags of a command choose by.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice<'a> {
    pub(super) names: &'a [String],
    pub(super) all: bool,
    pub(super) latest: bool,
    pub(super) filters: &'a [String],
    pub(super) cidfiles: &'a [PathBuf],
    /// A file of `--cidfile` that is not there is no error.
    pub(super) ignore: bool,
    /// With `--all` only containers in these states; empty: in any.
    pub(super) states: &'a [Status],
}

impl Choice<'_> {
    /// The words that the user typed, or the ids that the flags choose.
    pub(super) fn resolve(&self, engine: &Engine) -> Result<Vec<String>> {
        self.check()?;
        if self.all || !self.filters.is_empty() {
            let filters = filter::Chosen::parse(engine, self.filters)?;
            let mut chosen = Vec::new();
            for listed in engine.list()? {
                match listed {
                    Listed::Container(read) => {
                        let wanted = self.states.is_empty() || self.states.contains(&read.state.status);
                        if (wanted || !self.filters.is_empty()) && filters.pass(&read) {
                            chosen.push(read.config.id.to_string());
                        }
                    }
                    Listed::Damaged { id, .. } if self.all && self.states.is_empty() => chosen.push(id.to_string()),
                    Listed::Damaged { .. } => {}
                }
            }
            return Ok(chosen);
        }
        if self.latest {
            return Ok(vec![latest(engine)?.config.id.to_string()]);
        }
        let mut chosen = self.names.to_vec();
        for path in self.cidfiles {
            match std::fs::read_to_string(path) {
                Ok(text) => chosen.push(text.lines().next().unwrap_or_default().trim().to_owned()),
                Err(error) if self.ignore && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("reading CIDFile: open {}", path.display())),
            }
        }
        Ok(chosen)
    }

    /// Refuses combinations, in podman's words.
    fn check(&self) -> Result<(), Error> {
        let (named, files) = (!self.names.is_empty(), !self.cidfiles.is_empty());
        let message = if !self.filters.is_empty() {
            if !named {
                return Ok(());
            }
            "--filter takes no arguments"
        } else if files && (self.all || self.latest) {
            "--all, --latest, and --cidfile cannot be used together"
        } else if self.all && self.latest {
            "--all and --latest cannot be used together"
        } else if named && self.all {
            "no arguments are needed with --all"
        } else if named && self.latest {
            "--latest and containers cannot be used together"
        } else if !named && !self.all && !self.latest && !files {
            "you must provide at least one name or id"
        } else {
            return Ok(());
        };
        Err(Error::invalid(message))
    }
}

/// The container that was created last.
pub(crate) fn latest(engine: &Engine) -> Result<Container> {
    let newest = engine.list()?.into_iter().find_map(|listed| match listed {
        Listed::Container(read) => Some(*read),
        Listed::Damaged { .. } => None,
    });
    newest.ok_or_else(|| Error::not_found("no container found: no such container").into())
}

/// The one container that a command is for, and what of `words` is left for the command; `none` is said where there is
/// neither.
pub(super) fn one<'a>(
    engine: &Engine,
    latest: bool,
    words: &'a [String],
    none: &str,
) -> Result<(String, &'a [String])> {
    if latest {
        return Ok((self::latest(engine)?.config.id.to_string(), words));
    }
    match words.split_first() {
        Some((name, rest)) => Ok((name.clone(), rest)),
        None => Err(Error::invalid(none).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_refused() {
        let names = ["a".to_owned()];
        let check =
            |names, all, latest| Choice { names, all, latest, ..Choice::default() }.check().map_err(|e| e.message);
        assert_eq!(check(&[], false, false).unwrap_err(), "you must provide at least one name or id");
        assert_eq!(check(&names, true, false).unwrap_err(), "no arguments are needed with --all");
        assert_eq!(check(&[], true, true).unwrap_err(), "--all and --latest cannot be used together");
        assert_eq!(check(&names, false, true).unwrap_err(), "--latest and containers cannot be used together");
        assert_eq!(check(&names, false, false), Ok(()));
    }
}
