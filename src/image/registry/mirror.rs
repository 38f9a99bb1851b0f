//! From a name to places: short names to candidates, a full name to the registries that serve it, in order.

use anyhow::{Result, bail};

use super::config::{PullFrom, Registries, ShortNameMode, matched};
use crate::model::error::{Error, ErrorKind};
use crate::model::reference::{DOCKER_HUB, Reference};

/// Whether a user at a terminal is asked which of several names is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    None,
    /// Without a terminal they are tried in their order.
    May,
    /// Without a terminal that is an error.
    Must,
}

/// The full names that a name may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidates {
    /// In the order in which they are tried.
    pub(crate) names: Vec<Reference>,
    pub(crate) choice: Choice,
    /// Where the names come from, as a message says it; `None` for a full name.
    pub(crate) origin: Option<String>,
}

/// A registry that serves a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The name there, with its registry.
    pub(crate) reference: Reference,
    /// Whether plain HTTP and unverified certificates are allowed.
    pub(crate) insecure: bool,
    pub(crate) mirror: bool,
}

/// The candidates of `name`: itself if it is full, else its alias, the search list, or Docker's registry.
pub(crate) fn candidates(config: &Registries, name: &Reference) -> Result<Candidates> {
    if !name.is_short() {
        return Ok(Candidates { names: vec![name.or_latest()], choice: Choice::None, origin: None });
    }
    let alias = config.aliases.get(name.path()).filter(|_| config.mode != ShortNameMode::Disabled);
    if let Some(alias) = alias {
        let mut full: Reference = alias.parse()?;
        if let Some(tag) = name.tag() {
            full = full.with_tag(tag)?;
        }
        if let Some(digest) = name.digest() {
            full = full.with_digest(digest.clone());
        }
        let origin = Some(format!("resolved {name:?} as an alias", name = name.path()));
        return Ok(Candidates { names: vec![full.or_latest()], choice: Choice::None, origin });
    }
    if config.search.is_empty() {
        let names = vec![name.qualified(DOCKER_HUB)?.or_latest()];
        return Ok(Candidates { names, choice: Choice::None, origin: None });
    }
    let names: Vec<Reference> =
        config.search.iter().map(|domain| Ok(name.qualified(domain)?.or_latest())).collect::<Result<_>>()?;
    let file = config.search_from.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    Ok(Candidates {
        choice: match config.mode {
            _ if names.len() < 2 => Choice::None,
            ShortNameMode::Enforcing => Choice::Must,
            ShortNameMode::Permissive => Choice::May,
            ShortNameMode::Disabled => Choice::None,
        },
        names,
        origin: Some(format!("resolving {name:?} using unqualified-search registries ({file})", name = name.path())),
    })
}

/// The places of a full name: its mirrors, then the registry itself.
pub(crate) fn endpoints(config: &Registries, name: &Reference) -> Result<Vec<Endpoint>> {
    let text = name.name();
    let Some(registry) = config.find(&text) else {
        return Ok(vec![Endpoint { reference: name.clone(), insecure: false, mirror: false }]);
    };
    if registry.blocked {
        bail!(Error::new(
            ErrorKind::Denied,
            format!("registry {} is blocked in {}", registry.prefix, registry.file.display())
        ));
    }
    let covered = matched(&registry.prefix, &text).unwrap_or_default();
    let by_digest = name.digest().is_some();
    let mut list = Vec::new();
    for mirror in &registry.mirrors {
        let wanted = match mirror.pull_from {
            _ if registry.mirror_by_digest_only => by_digest,
            PullFrom::All => true,
            PullFrom::DigestOnly => by_digest,
            PullFrom::TagOnly => !by_digest,
        };
        if wanted {
            let reference = rewrite(name, &text, covered, &mirror.location)?;
            list.push(Endpoint { reference, insecure: mirror.insecure, mirror: true });
        }
    }
    let reference = match registry.location.as_str() {
        "" => name.clone(),
        location => rewrite(name, &text, covered, location)?,
    };
    list.push(Endpoint { reference, insecure: registry.insecure, mirror: false });
    Ok(list)
}

/// Puts `location` in place of the first `covered` bytes of `text`.
fn rewrite(name: &Reference, text: &str, covered: usize, location: &str) -> Result<Reference> {
    let mut made: Reference = format!("{location}{}", &text[covered..]).parse()?;
    if let Some(tag) = name.tag() {
        made = made.with_tag(tag)?;
    }
    if let Some(digest) = name.digest() {
        made = made.with_digest(digest.clone());
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Registries {
        let mut all = Registries::default();
        all.merge(Path::new("r.conf"), text).unwrap();
        all
    }

    fn names(config: &Registries, name: &str) -> Vec<String> {
        candidates(config, &name.parse().unwrap()).unwrap().names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn short_names_become_candidates() {
        let none = Registries::default();
        assert_eq!(names(&none, "busybox"), ["docker.io/library/busybox:latest"]);
        let full = config("unqualified-search-registries=['a.b','docker.io']\n[aliases]\nfed='r.f/fed'");
        assert_eq!(names(&full, "x:1"), ["a.b/x:1", "docker.io/library/x:1"]);
        assert_eq!(names(&full, "fed:2"), ["r.f/fed:2"]);
        assert_eq!(names(&full, "c.d/x"), ["c.d/x:latest"]);
        assert_eq!(candidates(&full, &"x".parse().unwrap()).unwrap().choice, Choice::Must);
    }

    #[test]
    fn names_become_endpoints() {
        let all = config(
            "[[registry]]\nprefix='d.e/lib'\nlocation='m.n:5/l'\n[[registry.mirror]]\nlocation='q.r'\ninsecure=true\n\
             [[registry.mirror]]\nlocation='s.t'\npull-from-mirror='digest-only'\n\
             [[registry]]\nprefix='*.w.x'\n[[registry]]\nlocation='no.go'\nblocked=true",
        );
        let places = |name: &str| -> Result<Vec<(String, bool)>> {
            Ok(endpoints(&all, &name.parse().unwrap())?
                .into_iter()
                .map(|e| (e.reference.to_string(), e.insecure))
                .collect())
        };
        assert_eq!(places("d.e/lib/a:1").unwrap(), [("q.r/a:1".into(), true), ("m.n:5/l/a:1".into(), false)]);
        let digest = format!("d.e/lib/a@{}", crate::model::digest::Digest::of(b""));
        assert_eq!(places(&digest).unwrap().len(), 3);
        assert_eq!(places("v.w.x/a:1").unwrap(), [("v.w.x/a:1".into(), false)]);
        assert_eq!(places("other.x/a:1").unwrap(), [("other.x/a:1".into(), false)]);
        assert_eq!(places("no.go/a").unwrap_err().to_string(), "registry no.go is blocked in r.conf");
    }
}
