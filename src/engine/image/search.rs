//! `search`: what registries have.

use anyhow::{Result, anyhow};

use super::interrupt::Guard;
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::registry::mirror;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, Reference, Source};

pub(crate) use crate::image::registry::search::Hit;

/// A repository with the registry that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) registry: String,
    pub(crate) hit: Hit,
}

impl Engine {
    /// The repositories that `term` is part of the name of: those of the registry that it begins with, else of each
    /// registry that is searched for short names; at most `limit` of each that `wanted` takes.
    pub(crate) fn search_images(
        &self,
        term: &str,
        limit: usize,
        options: &RegistryOptions,
        wanted: &dyn Fn(&Hit) -> bool,
    ) -> Result<Vec<Found>> {
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let first = term.split('/').next().unwrap_or_default();
            let (registries, rest) = match term.split_once('/') {
                Some((registry, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                    (vec![registry.to_owned()], rest)
                }
                // As for a pull: the last resort of a short name.
                _ if access.config.search.is_empty() => (vec![DOCKER_HUB.to_owned()], term),
                _ => (access.config.search.clone(), term),
            };
            let (mut found, mut failed) = (Vec::new(), Vec::new());
            for registry in registries {
                match client.search(&registry, rest, limit) {
                    Ok(hits) => {
                        let hits = hits.into_iter().filter(|hit| wanted(hit));
                        found.extend(hits.map(|hit| Found { registry: registry.clone(), hit: full(&registry, hit) }));
                    }
                    Err(error) => failed.push(error),
                }
            }
            match failed.len() {
                0 => Ok(found),
                1 => Err(failed.remove(0)),
                count => {
                    let all: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
                    Err(anyhow!("{count} errors occurred: {}", all.join("; ")))
                }
            }
        };
        guard.outcome(work())
    }

    /// The repository that `name` means, and at most `limit` tags of it.
    pub(crate) fn search_tags(
        &self,
        name: &str,
        limit: usize,
        options: &RegistryOptions,
    ) -> Result<(String, Vec<String>)> {
        let Source::Registry { reference, .. } = name.parse()? else {
            return Err(Error::invalid(format!("{name}: only registries have lists of tags")).into());
        };
        if reference.tag().is_some() || reference.digest().is_some() {
            return Err(Error::invalid(format!("reference {name:?} must be a docker reference without a tag")).into());
        }
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let mut failed = None;
            let names: Vec<Reference> = mirror::candidates(&access.config, &reference)?.names;
            for candidate in names {
                match client.tags(&candidate) {
                    Ok(mut tags) => {
                        tags.truncate(limit);
                        return Ok((candidate.name(), tags));
                    }
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| anyhow!("no registry to ask")))
        };
        guard.outcome(work())
    }
}

/// The hit under its full name; Docker's own images are in `library/`.
fn full(registry: &str, hit: Hit) -> Hit {
    let bare = registry == DOCKER_HUB && !hit.name.contains('/');
    let name = if bare { format!("{registry}/library/{}", hit.name) } else { format!("{registry}/{}", hit.name) };
    Hit { name, ..hit }
}
