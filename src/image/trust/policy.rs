//! `policy.json` (containers-policy.json(5)), read closed: what is not understood refuses the image.
//!
//! `insecureAcceptAnything` and `reject` are decided by the name; which signatures a scope asks for is a [`Demand`]. Without
//! any file everything is accepted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::requirement::Requirement;
use super::verify::Demand;
use crate::image::manifest::{self, known};
use crate::model::error::{Error, ErrorKind};

/// A parsed policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    file: Option<PathBuf>,
    pub(super) default: Vec<Requirement>,
    pub(super) transports: Vec<(String, Vec<Scope>)>,
}

/// A part of a transport's names, and what is required there.
pub(super) type Scope = (String, Vec<Requirement>);

impl Policy {
    /// Where the policy is looked for: the user's file, then the system's. `var` reads the environment.
    pub(crate) fn places(var: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
        let user = var("HOME").map(|home| PathBuf::from(home).join(".config/containers/policy.json"));
        user.into_iter().chain([PathBuf::from("/etc/containers/policy.json")]).collect()
    }

    /// Reads the first of `files` that exists.
    pub(crate) fn load(files: &[PathBuf]) -> Result<Self> {
        for file in files {
            match std::fs::read(file) {
                Ok(bytes) => return Self::parse(file, &bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
            }
        }
        Ok(Self { file: None, default: vec![Requirement::Accept], transports: Vec::new() })
    }

    /// Reads the text of a policy.
    pub(crate) fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        Self::parse_object(bytes, file).with_context(|| format!("read {}", file.display()))
    }

    fn parse_object(bytes: &[u8], file: &Path) -> Result<Self> {
        let map = manifest::object(bytes, "policy")?;
        known(&map, &["default", "transports"], "policy")?;
        let default = requirements(map.get("default").context("policy has no default")?)?;
        let mut transports = Vec::new();
        match map.get("transports") {
            None => {}
            Some(Value::Object(named)) => {
                for (transport, scopes) in named {
                    let Value::Object(scopes) = scopes else { bail!("transport {transport:?} is not an object") };
                    let scopes = scopes
                        .iter()
                        .map(|(scope, list)| Ok((scope.clone(), requirements(list)?)))
                        .collect::<Result<_>>()?;
                    transports.push((transport.clone(), scopes));
                }
            }
            Some(_) => bail!("transports is not an object"),
        }
        Ok(Self { file: Some(file.to_owned()), default, transports })
    }

    /// Decides about an image that comes by `transport`, as far as its name tells; `name` is its full name there (or a
    /// path). What is asked besides is returned.
    pub(crate) fn check(&self, transport: &str, name: &str) -> Result<Demand<'_>> {
        let scopes = self.transports.iter().find(|(known, _)| known == transport).map(|(_, scopes)| scopes);
        let found = scopes.and_then(|scopes| {
            scopes
                .iter()
                .filter_map(|(scope, list)| Some((covers(scope, name)?, list)))
                .max_by_key(|(narrow, _)| *narrow)
                .map(|(_, list)| list)
        });
        let mut requirements = Vec::new();
        for requirement in found.unwrap_or(&self.default) {
            match requirement {
                Requirement::Accept => {}
                Requirement::Reject => {
                    let file = self.file.as_deref().unwrap_or(Path::new("")).display();
                    let message = format!("running image {transport}:{name} is rejected by policy {file}");
                    bail!(Error::new(ErrorKind::Denied, message));
                }
                signed => requirements.push(signed),
            }
        }
        Ok(Demand { requirements })
    }
}

/// How narrow a scope is that covers `name`: first whether it is more than `*.` hosts, then by its length.
///
/// A scope is the whole name, a part of it up to a separator, `*.` hosts, or everything. A host without a port is not
/// the host with one.
fn covers(scope: &str, name: &str) -> Option<(bool, usize)> {
    if scope.is_empty() {
        return Some((false, 0));
    }
    if let Some(domain) = scope.strip_prefix('*') {
        let host = name.split(['/', ':']).next().unwrap_or_default();
        return (host.len() > domain.len() && host.ends_with(domain)).then_some((false, scope.len()));
    }
    let rest = name.strip_prefix(scope)?;
    let ends = rest.is_empty() || rest.starts_with('/') || scope.ends_with('/');
    (ends || scope.contains('/') && rest.starts_with([':', '@'])).then_some((true, scope.len()))
}

fn requirements(value: &Value) -> Result<Vec<Requirement>> {
    let Value::Array(list) = value else { bail!("a requirement list is not a list") };
    if list.is_empty() {
        bail!("a requirement list is empty");
    }
    list.iter().map(Requirement::parse).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(text: &str) -> Result<Policy> {
        Policy::parse(Path::new("p.json"), text.as_bytes())
    }

    #[test]
    fn the_narrowest_scope_decides() {
        let policy = policy(
            r#"{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"insecureAcceptAnything"}],
            "a.b/no":[{"type":"reject"}],"a.b/no/yes":[{"type":"insecureAcceptAnything"}],
            "*.s.t":[{"type":"reject"}],"c.d":[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]}}}"#,
        )
        .unwrap();
        let denied = |name: &str| policy.check("docker", name).err().map(|e| e.to_string());
        assert_eq!(denied("a.b/x:1"), None);
        assert!(denied("a.b/no:1").unwrap().contains("rejected by policy p.json"));
        assert_eq!(denied("a.b/nothing:1"), None);
        assert_eq!(denied("a.b/no/yes:1"), None);
        assert!(denied("r.s.t/x").is_some());
        assert!(
            !policy.check("docker", "c.d/x").unwrap().is_met() && policy.check("docker", "a.b/x:1").unwrap().is_met()
        );
        assert!(policy.check("oci-archive", "/x").is_err());
        assert!(Policy::load(&[]).unwrap().check("docker", "a.b/c").is_ok());
    }

    /// R22: as containers-policy.json(5) has it.
    #[test]
    fn a_host_is_not_its_ports_and_the_longer_wildcard_decides() {
        let policy = policy(
            r#"{"default":[{"type":"reject"}],"transports":{"docker":{"h":[{"type":"insecureAcceptAnything"}],
            "p:5000":[{"type":"insecureAcceptAnything"}],"*.a.t":[{"type":"reject"}],
            "*.t":[{"type":"insecureAcceptAnything"}]}}}"#,
        )
        .unwrap();
        let passes = |name: &str| policy.check("docker", name).is_ok();
        assert!(passes("h/x:1") && passes("p:5000/x:1") && passes("b.t/x:1"));
        assert!(!passes("h:5000/x:1") && !passes("p/x:1") && !passes("p:50001/x:1") && !passes("b.a.t/x:1"));
    }

    /// R22.
    #[test]
    fn what_is_not_understood_refuses() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"default":[]}"#,
            r#"{"default":[{"type":"new"}]}"#,
            r#"{"default":[{}]}"#,
            r#"{"default":[{"type":"insecureAcceptAnything","x":1}]}"#,
            r#"{"default":[{"type":"insecureAcceptAnything"}],"other":1}"#,
            r#"{"default":[{"type":"insecureAcceptAnything"}],"default":[{"type":"reject"}]}"#,
            r#"{"default":[{"type":"insecureAcceptAnything"}],"transports":[]}"#,
        ] {
            assert!(policy(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "\\PC{0,100}") {
            drop(policy(&text));
        }
    }
}
