//! Changes to `policy.json`, as `image trust set` makes them.
//!
//! The file is read as closed as for a pull: one that would refuse every image is not written over. It is replaced as
//! a whole by rename, and everybody may read it, for the system's policy is every user's.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::policy::Policy;
use crate::image::manifest;
use crate::model::error::Error;

/// The scope that stands for everything without a scope of its own.
const DEFAULT: &str = "default";

/// What a scope is to require.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Accept,
    Reject,
    /// Signatures of GnuPG, one by each of these files of keys.
    SignedBy(Vec<PathBuf>),
    /// Signatures of sigstore, one by each of these files of a public key.
    SigstoreSigned(Vec<PathBuf>),
}

impl Trust {
    /// From the words of a user: `kind` is a type, `keys` are the files.
    pub(crate) fn new(kind: &str, keys: Vec<PathBuf>) -> Result<Self> {
        let made = match kind {
            "accept" => Self::Accept,
            "reject" => Self::Reject,
            "signedBy" => Self::SignedBy(keys.clone()),
            "sigstoreSigned" => Self::SigstoreSigned(keys.clone()),
            _ => bail!(Error::invalid(format!(
                "invalid choice: {kind} (choose from 'accept', 'reject', 'signedBy', 'sigstoreSigned')"
            ))),
        };
        match made {
            Self::Accept | Self::Reject if !keys.is_empty() => {
                bail!(Error::invalid(format!("{} public keys unexpectedly provided for trust type {kind}", keys.len())))
            }
            Self::SignedBy(_) | Self::SigstoreSigned(_) if keys.is_empty() => {
                bail!(Error::invalid(format!("at least one public key must be defined for type '{kind}'")))
            }
            made => Ok(made),
        }
    }

    /// The requirements as the file has them.
    fn requirements(&self) -> Result<Value> {
        let each = |keys: &[PathBuf], entry: &dyn Fn(&str) -> Value| -> Result<Value> {
            keys.iter()
                .map(|key| {
                    let path = std::fs::canonicalize(key).with_context(|| format!("read {}", key.display()))?;
                    Ok(entry(path.to_str().with_context(|| format!("{}: not UTF-8", path.display()))?))
                })
                .collect()
        };
        match self {
            Self::Accept => Ok(json!([{"type": "insecureAcceptAnything"}])),
            Self::Reject => Ok(json!([{"type": "reject"}])),
            Self::SignedBy(keys) => {
                each(keys, &|path| json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": path}))
            }
            Self::SigstoreSigned(keys) => each(keys, &|path| json!({"type": "sigstoreSigned", "keyPath": path})),
        }
    }
}

/// Requires `trust` of the images of `scope` (a registry, a part of it, or `default`) in `file`, which may be new.
pub(crate) fn set(file: &Path, scope: &str, trust: &Trust) -> Result<()> {
    let old = match std::fs::read(file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
    };
    let new = changed(file, old.as_deref(), scope, &trust.requirements()?)?;
    write(file, &new).with_context(|| format!("write {}", file.display()))
}

/// The text of a policy with other requirements for `scope`.
fn changed(file: &Path, old: Option<&[u8]>, scope: &str, requirements: &Value) -> Result<Vec<u8>> {
    // A URL or a blank in it would be a scope that no image is ever in.
    if scope.is_empty() || scope.contains("://") || scope.contains(|c: char| c.is_whitespace() || c.is_control()) {
        bail!(Error::invalid(format!("invalid image uri: {scope}")));
    }
    let mut map = match old {
        None => Map::new(),
        Some(bytes) => {
            Policy::parse(file, bytes)?;
            manifest::object(bytes, "policy")?
        }
    };
    if scope == DEFAULT {
        map.insert(DEFAULT.to_owned(), requirements.clone());
    } else {
        if !map.contains_key(DEFAULT) {
            bail!(Error::invalid("default trust policy must be set"));
        }
        let transports = map.entry("transports").or_insert_with(|| json!({}));
        let docker = transports.as_object_mut().context("transports is not an object")?;
        let docker = docker.entry("docker").or_insert_with(|| json!({}));
        let scopes = docker.as_object_mut().context("transport \"docker\" is not an object")?;
        scopes.insert(scope.to_owned(), requirements.clone());
    }
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    serde::Serialize::serialize(&map, &mut serde_json::Serializer::with_formatter(&mut text, indent))?;
    // What is written is what the next pull reads.
    Policy::parse(file, &text)?;
    Ok(text)
}

fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir)?;
    }
    // A link to a file elsewhere stays a link.
    let target = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file))?;
    let mut name = target.clone().into_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        out.write_all(text)?;
        out.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        out.sync_all()?;
        std::fs::rename(&temporary, &target)?;
        crate::state::record::sync_parent(&target)
    })();
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(old: Option<&str>, scope: &str) -> Result<Value> {
        let requirements = json!([{"type": "reject"}]);
        let text = changed(Path::new("p.json"), old.map(str::as_bytes), scope, &requirements)?;
        Ok(serde_json::from_slice(&text).unwrap())
    }

    #[test]
    fn a_scope_is_added_beside_what_is_there() {
        let reject = json!([{"type": "reject"}]);
        let accept = json!([{"type": "insecureAcceptAnything"}]);
        assert_eq!(change(None, "default").unwrap(), json!({"default": reject}));
        let old = json!({"default": accept, "transports": {"oci": {"": accept}, "docker": {"a.b": accept}}});
        let new = change(Some(&old.to_string()), "a.b/c").unwrap();
        let docker = json!({"a.b": accept, "a.b/c": reject});
        assert_eq!(new, json!({"default": accept, "transports": {"oci": {"": accept}, "docker": docker}}));
        let new = change(Some(&old.to_string()), "a.b").unwrap();
        assert_eq!(new["transports"]["docker"], json!({"a.b": reject}));
    }

    #[test]
    fn what_is_not_understood_is_not_written_over() {
        for old in ["", "{", "[]", r#"{"default":[{"type":"new"}]}"#, r#"{"default":[{"type":"reject"}],"x":1}"#] {
            assert!(change(Some(old), "a.b").is_err(), "{old}");
        }
        assert!(change(None, "a.b").unwrap_err().to_string().contains("default trust policy must be set"));
        for scope in ["", "a b", "a\nb", "http://a.b"] {
            assert!(change(Some(r#"{"default":[{"type":"reject"}]}"#), scope).is_err(), "{scope:?}");
        }
    }

    #[test]
    fn keys_go_with_signatures_alone() {
        let key = || vec![PathBuf::from("/k")];
        let told = |kind: &str, keys| Trust::new(kind, keys).unwrap_err().to_string();
        assert_eq!(told("accept", key()), "1 public keys unexpectedly provided for trust type accept");
        assert_eq!(told("signedBy", vec![]), "at least one public key must be defined for type 'signedBy'");
        assert!(told("x", vec![]).starts_with("invalid choice: x"));
        assert_eq!(Trust::new("sigstoreSigned", key()).unwrap(), Trust::SigstoreSigned(key()));
    }

    proptest! {
        /// Whatever is given, what comes out is a policy, and says what was asked.
        #[test]
        fn what_is_written_can_be_read(scope in "[a-z.:/*-]{1,20}") {
            if let Ok(new) = change(Some(r#"{"default":[{"type":"insecureAcceptAnything"}]}"#), &scope) {
                let policy = Policy::parse(Path::new("p.json"), new.to_string().as_bytes()).unwrap();
                if scope != DEFAULT && !scope.starts_with('*') {
                    prop_assert!(policy.check("docker", &scope).is_err());
                }
            }
        }
    }
}
