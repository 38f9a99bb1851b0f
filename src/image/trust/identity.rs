//! Whose name a signature may carry to count for an image (containers-policy.json(5), `signedIdentity`).

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::image::manifest::known;
use crate::image::store;
use crate::model::error::{Error, ErrorKind};
use crate::model::reference::{DOCKER_HUB, Reference};

/// How the name in a signature and that of the image belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The same, tag or digest included.
    Exact,
    /// The same tag; where the image is named by its digest, the same repository.
    RepositoryDigestOrExact,
    /// The same repository.
    Repository,
    /// This name, whatever the image is called.
    ExactReference(String),
    /// This repository.
    ExactRepository(String),
    /// As [`Self::RepositoryDigestOrExact`], once `prefix` of the image's name became `signed`.
    Remap { prefix: String, signed: String },
}

impl Identity {
    /// Reads a `signedIdentity`; none is [`Self::RepositoryDigestOrExact`].
    pub(super) fn parse(value: Option<&Value>) -> Result<Self> {
        let Some(value) = value else { return Ok(Self::RepositoryDigestOrExact) };
        let Value::Object(map) = value else { bail!("signedIdentity is not an object") };
        let plain = |made| known(map, &["type"], "signedIdentity").map(|()| made);
        match map.get("type").and_then(Value::as_str) {
            Some("matchExact") => plain(Self::Exact),
            Some("matchRepoDigestOrExact") => plain(Self::RepositoryDigestOrExact),
            Some("matchRepository") => plain(Self::Repository),
            Some("exactReference") => {
                known(map, &["type", "dockerReference"], "signedIdentity")?;
                let name = normalized(string(map, "dockerReference")?)?;
                if is_name_only(&name) {
                    bail!("signedIdentity: {name} has neither tag nor digest");
                }
                Ok(Self::ExactReference(store::text(&name)))
            }
            Some("exactRepository") => {
                known(map, &["type", "dockerRepository"], "signedIdentity")?;
                let name = normalized(string(map, "dockerRepository")?)?;
                if !is_name_only(&name) {
                    bail!("signedIdentity: {name} is more than a repository");
                }
                Ok(Self::ExactRepository(name.name()))
            }
            Some("remapIdentity") => {
                known(map, &["type", "prefix", "signedPrefix"], "signedIdentity")?;
                let part = |key: &str| -> Result<String> {
                    let part = string(map, key)?;
                    // A host of its own is fine, with or without a port.
                    let name = if part.contains('/') { part.to_owned() } else { format!("{part}/x") };
                    name.parse::<Reference>().with_context(|| format!("signedIdentity: {key}"))?;
                    Ok(part.to_owned())
                };
                Ok(Self::Remap { prefix: part("prefix")?, signed: part("signedPrefix")? })
            }
            _ => bail!("unknown signedIdentity type {:?}", map.get("type")),
        }
    }

    /// Whether a signature in the name of `signed` counts for the image `intended`; `None` is one without a name.
    pub(super) fn check(&self, intended: Option<&Reference>, signed: &str) -> Result<()> {
        let name = normalized(signed).with_context(|| format!("the signature names {signed:?}"))?;
        let matches = match (self, intended) {
            (Self::ExactReference(exact), _) => store::text(&name) == *exact,
            (Self::ExactRepository(exact), _) => name.name() == *exact,
            (_, None) => bail!(Error::new(
                ErrorKind::Denied,
                "a signature counts for a name, and an image of this transport has none"
            )),
            (Self::Exact, Some(intended)) => {
                !is_name_only(&name) && !is_name_only(intended) && store::text(&name) == store::text(intended)
            }
            (Self::RepositoryDigestOrExact, Some(intended)) => digest_or_exact(intended, &name),
            (Self::Repository, Some(intended)) => intended.name() == name.name(),
            (Self::Remap { prefix, signed }, Some(intended)) => {
                digest_or_exact(&remapped(intended, prefix, signed)?, &name)
            }
        };
        if !matches {
            let message = format!("Signature for identity \"{signed}\" is not accepted");
            return Err(Error::new(ErrorKind::Denied, message).into());
        }
        Ok(())
    }
}

fn digest_or_exact(intended: &Reference, signed: &Reference) -> bool {
    if is_name_only(signed) {
        return false;
    }
    match (intended.digest(), intended.tag()) {
        // The digest itself is compared with the manifest.
        (Some(_), _) => intended.name() == signed.name(),
        (None, Some(_)) => store::text(intended) == store::text(signed),
        (None, None) => false,
    }
}

fn remapped(intended: &Reference, prefix: &str, signed: &str) -> Result<Reference> {
    let name = intended.name();
    let Some(rest) = name.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Ok(intended.clone());
    };
    let text = store::text(intended);
    format!("{signed}{rest}{}", &text[name.len()..]).parse().context("the remapped name")
}

fn is_name_only(name: &Reference) -> bool {
    name.tag().is_none() && name.digest().is_none()
}

fn normalized(text: &str) -> Result<Reference> {
    Ok(text.parse::<Reference>()?.qualified(DOCKER_HUB)?)
}

fn string<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    map.get(key).and_then(Value::as_str).with_context(|| format!("signedIdentity has no {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(identity: &Value, intended: &str, signed: &str) -> bool {
        let identity = Identity::parse(Some(identity)).unwrap();
        identity.check(Some(&intended.parse().unwrap()), signed).is_ok()
    }

    /// R22: the tables of containers-policy.json(5).
    #[test]
    fn names_match_as_they_are_asked_to() {
        let digest = format!("h.t/n/i@sha256:{}", "a".repeat(64));
        let default = json!({"type": "matchRepoDigestOrExact"});
        assert_eq!(Identity::parse(None).unwrap(), Identity::parse(Some(&default)).unwrap());
        assert!(accepts(&default, "h.t/n/i:1", "h.t/n/i:1") && accepts(&default, &digest, "h.t/n/i:2"));
        assert!(!accepts(&default, "h.t/n/i:1", "h.t/n/i:2") && !accepts(&default, "h.t/n/i:1", "h.t/n/i"));
        assert!(!accepts(&default, &digest, "h.t/n/j:2") && !accepts(&default, &digest, "h.t/n/i"));
        assert!(accepts(&default, "docker.io/library/b:1", "b:1"), "names are normalized");
        let exact = json!({"type": "matchExact"});
        assert!(accepts(&exact, "h.t/n/i:1", "h.t/n/i:1") && !accepts(&exact, &digest, "h.t/n/i:1"));
        let repository = json!({"type": "matchRepository"});
        assert!(accepts(&repository, "h.t/n/i:1", "h.t/n/i:2") && !accepts(&repository, "h.t/n/i:1", "h.t/n/j:1"));
        let named = json!({"type": "exactReference", "dockerReference": "h.t/other:3"});
        assert!(accepts(&named, "h.t/n/i:1", "h.t/other:3") && !accepts(&named, "h.t/other:4", "h.t/other:4"));
        let of = json!({"type": "exactRepository", "dockerRepository": "h.t/other"});
        assert!(accepts(&of, "h.t/n/i:1", "h.t/other:3") && !accepts(&of, "h.t/n/i:1", "h.t/n/i:1"));
        let remap = json!({"type": "remapIdentity", "prefix": "mirror:5000/m", "signedPrefix": "v.t"});
        assert!(accepts(&remap, "mirror:5000/m/i:1", "v.t/i:1") && accepts(&remap, "x.y/i:1", "x.y/i:1"));
        assert!(!accepts(&remap, "mirror:5000/m/i:1", "mirror:5000/m/i:1"));
        assert!(!accepts(&remap, "mirror:5000/more/i:1", "v.t/ore/i:1"));
        assert!(Identity::parse(Some(&default)).unwrap().check(None, "h.t/n/i:1").is_err());
        assert!(Identity::parse(Some(&named)).unwrap().check(None, "h.t/other:3").is_ok());
    }

    /// R22.
    #[test]
    fn what_is_not_understood_refuses() {
        for value in [
            json!("x"),
            json!({}),
            json!({"type": "other"}),
            json!({"type": "matchExact", "x": 1}),
            json!({"type": "exactReference", "dockerReference": "h.t/i"}),
            json!({"type": "exactRepository", "dockerRepository": "h.t/i:1"}),
            json!({"type": "exactReference"}),
            json!({"type": "remapIdentity", "prefix": "h"}),
        ] {
            assert!(Identity::parse(Some(&value)).is_err(), "{value}");
        }
    }
}
