//! What a policy asks of an image (containers-policy.json(5), "POLICY REQUIREMENTS"), read closed.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::identity::Identity;
use crate::image::archive::directory::read_small;
use crate::image::manifest::known;
use crate::model::error::Error;

/// One of the things that are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requirement {
    Accept,
    Reject,
    /// A signature of GnuPG by one of the keys.
    SignedBy {
        keys: Keys,
        identity: Identity,
    },
    /// A signature of sigstore.
    SigstoreSigned {
        signer: Signer,
        log: Option<Keys>,
        identity: Identity,
    },
}

/// Who may have made a signature of sigstore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// Who has the private key of one of these.
    Keys(Keys),
    /// Whom the authority certified for a moment.
    Certified { authority: Keys, issuer: String, email: String },
}

/// Where keys or certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Files(Vec<PathBuf>),
    Data(Vec<Vec<u8>>),
}

impl Keys {
    /// Their bytes, one for each file or string.
    pub(super) fn read(&self) -> Result<Vec<Vec<u8>>> {
        match self {
            Self::Data(data) => Ok(data.clone()),
            Self::Files(files) => {
                let read = |file: &PathBuf| {
                    read_small(file, MAX)?
                        .with_context(|| format!("read {}: no such file or directory", file.display()))
                };
                files.iter().map(read).collect()
            }
        }
    }

    /// Reads the one of `beginning` with `Path`, `Paths`, `Data` and `Datas` that is there, if any.
    fn parse(map: &Map<String, Value>, beginning: &str) -> Result<Option<Self>> {
        let mut found = None;
        for (ending, is_file) in [("Path", true), ("Paths", true), ("Data", false), ("Datas", false)] {
            let key = format!("{beginning}{ending}");
            let Some(value) = map.get(&key) else { continue };
            let texts: Vec<&str> = match (value, ending.ends_with('s')) {
                (Value::String(text), false) => vec![text],
                (Value::Array(list), true) if !list.is_empty() => list
                    .iter()
                    .map(Value::as_str)
                    .collect::<Option<_>>()
                    .with_context(|| format!("{key}: not strings"))?,
                _ => bail!("{key} is not what it should be"),
            };
            let keys = match is_file {
                true => Self::Files(texts.into_iter().map(PathBuf::from).collect()),
                false => {
                    let decode = |text: &str| BASE64.decode(text).with_context(|| format!("{key}: not base64"));
                    Self::Data(texts.into_iter().map(decode).collect::<Result<_>>()?)
                }
            };
            if found.replace(keys).is_some() {
                bail!("more than one of {beginning}Path, {beginning}Paths, {beginning}Data and {beginning}Datas");
            }
        }
        Ok(found)
    }
}

/// A file of keys that is larger is none.
const MAX: u64 = 16 << 20;

impl Requirement {
    /// Reads one requirement.
    pub(super) fn parse(value: &Value) -> Result<Self> {
        let Value::Object(map) = value else { bail!("a requirement is not an object") };
        match map.get("type").and_then(Value::as_str) {
            Some("insecureAcceptAnything") => known(map, &["type"], "requirement").map(|()| Self::Accept),
            Some("reject") => known(map, &["type"], "requirement").map(|()| Self::Reject),
            Some("signedBy") => {
                known(map, &["type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"], "requirement")?;
                match map.get("keyType").and_then(Value::as_str) {
                    Some("GPGKeys") => {}
                    kind => bail!(Error::unsupported(format!("signedBy with keyType {kind:?} is not supported"))),
                }
                let keys = Keys::parse(map, "key")?.context("signedBy has no keyPath, keyPaths or keyData")?;
                Ok(Self::SignedBy { keys, identity: Identity::parse(map.get("signedIdentity"))? })
            }
            Some("sigstoreSigned") => sigstore(map),
            _ => bail!("unknown requirement type {:?}", map.get("type")),
        }
    }
}

fn sigstore(map: &Map<String, Value>) -> Result<Requirement> {
    let keys = ["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio"];
    let log = ["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"];
    let all: Vec<&str> = ["type", "signedIdentity"].into_iter().chain(keys).chain(log).collect();
    known(map, &all, "requirement")?;
    let log = Keys::parse(map, "rekorPublicKey")?;
    let signer = match (Keys::parse(map, "key")?, map.get("fulcio")) {
        (Some(keys), None) => Signer::Keys(keys),
        (None, Some(Value::Object(fulcio))) => {
            known(fulcio, &["caPath", "caData", "oidcIssuer", "subjectEmail"], "fulcio")?;
            let text = |key: &str| {
                let text = fulcio.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
                text.map(str::to_owned).with_context(|| format!("fulcio has no {key}"))
            };
            if log.is_none() {
                bail!("fulcio without a rekorPublicKey: nothing says when a certificate was used");
            }
            let authority = Keys::parse(fulcio, "ca")?.context("fulcio has no caPath or caData")?;
            Signer::Certified { authority, issuer: text("oidcIssuer")?, email: text("subjectEmail")? }
        }
        _ => bail!("sigstoreSigned needs one of keyPath, keyPaths, keyData, keyDatas and fulcio"),
    };
    Ok(Requirement::SigstoreSigned { signer, log, identity: Identity::parse(map.get("signedIdentity"))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_asked_is_read() {
        let read = Requirement::parse(&json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"})).unwrap();
        let Requirement::SignedBy { keys, identity } = read else { panic!("{read:?}") };
        assert_eq!((keys, identity), (Keys::Files(vec!["/k".into()]), Identity::RepositoryDigestOrExact));
        let data = json!({"type": "sigstoreSigned", "keyData": "aGk=", "rekorPublicKeyPath": "/r"});
        let Requirement::SigstoreSigned { signer, log, .. } = Requirement::parse(&data).unwrap() else { panic!() };
        assert_eq!(signer, Signer::Keys(Keys::Data(vec![b"hi".to_vec()])));
        assert_eq!(log, Some(Keys::Files(vec!["/r".into()])));
        assert_eq!(Keys::Data(vec![vec![1]]).read().unwrap(), [[1]]);
        assert!(Keys::Files(vec!["/nonexistent/key".into()]).read().is_err());
    }

    /// R22.
    #[test]
    fn what_is_not_understood_refuses() {
        for value in [
            json!({"type": "signedBy", "keyPath": "/k"}),
            json!({"type": "signedBy", "keyType": "X509Certificates", "keyPath": "/k"}),
            json!({"type": "signedBy", "keyType": "GPGKeys"}),
            json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k", "keyData": "aGk="}),
            json!({"type": "signedBy", "keyType": "GPGKeys", "keyPaths": []}),
            json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k", "keyDatas": ["aGk="]}),
            json!({"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}),
            json!({"type": "sigstoreSigned"}),
            json!({"type": "sigstoreSigned", "keyPath": 1}),
            json!({"type": "sigstoreSigned", "keyPath": "/k", "pki": {}}),
            json!({"type": "sigstoreSigned", "keyData": "?"}),
            json!({"type": "sigstoreSigned", "keyPath": "/k", "fulcio": {}}),
            json!({"type": "sigstoreSigned", "fulcio": {"caPath": "/c", "oidcIssuer": "i", "subjectEmail": "e"}}),
            json!({"type": "sigstoreSigned", "rekorPublicKeyPath": "/r", "fulcio": {"caPath": "/c", "oidcIssuer": "i"}}),
        ] {
            assert!(Requirement::parse(&value).is_err(), "{value}");
        }
    }
}
