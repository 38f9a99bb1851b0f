//! What is signed: the JSON of a simple signature (containers-signature(5)), which cosign's have as well.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::image::manifest::{self, known};
use crate::model::digest::Digest;
use crate::model::error::Error;

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::image) struct Payload {
    /// The digest of the manifest.
    pub(in crate::image) digest: Digest,
    /// The image's name.
    pub(in crate::image) reference: String,
}

/// What is signed, by its own word.
pub(in crate::image) const SIMPLE: &str = "atomic container signature";
pub(in crate::image) const COSIGN: &str = "cosign container image signature";

impl Payload {
    /// Reads a payload whose type is `kind`. The part that is called critical is closed.
    pub(in crate::image) fn parse(bytes: &[u8], kind: &str) -> Result<Self> {
        let map = manifest::object(bytes, "signature")?;
        known(&map, &["critical", "optional"], "signature")?;
        let critical = object(&map, "critical")?;
        known(critical, &["type", "image", "identity"], "signature")?;
        let (image, identity) = (object(critical, "image")?, object(critical, "identity")?);
        known(image, &["docker-manifest-digest"], "signature")?;
        known(identity, &["docker-reference"], "signature")?;
        match string(critical, "type")? {
            found if found == kind => {}
            found => bail!(Error::invalid(format!("unrecognized signature type {found:?}"))),
        }
        if !matches!(map.get("optional"), None | Some(Value::Null | Value::Object(_))) {
            bail!(Error::invalid("signature: optional is not an object"));
        }
        let digest = string(image, "docker-manifest-digest")?.parse()?;
        Ok(Self { digest, reference: string(identity, "docker-reference")?.to_owned() })
    }

    /// A payload of type `kind`, made at the time `now` (seconds since 1970).
    pub(in crate::image) fn write(&self, kind: &str, now: u64) -> Vec<u8> {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": self.reference },
                "image": { "docker-manifest-digest": self.digest },
                "type": kind,
            },
            "optional": { "creator": concat!("dhow ", env!("CARGO_PKG_VERSION")), "timestamp": now },
        });
        payload.to_string().into_bytes()
    }
}

fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>> {
    match map.get(key) {
        Some(Value::Object(object)) => Ok(object),
        _ => bail!(Error::invalid(format!("signature: {key} is not an object"))),
    }
}

fn string<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    match map.get(key) {
        Some(Value::String(text)) => Ok(text),
        _ => bail!(Error::invalid(format!("signature: {key} is not a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(kind: &str, more: &str) -> String {
        let digest = format!("sha256:{}", "a".repeat(64));
        format!(
            r#"{{"critical":{{"type":"{kind}","image":{{"docker-manifest-digest":"{digest}"}},
            "identity":{{"docker-reference":"h/i:1"}}{more}}},"optional":{{"creator":"x","timestamp":1}}}}"#
        )
    }

    #[test]
    fn what_a_signature_says_is_read_closed() {
        assert_eq!(Payload::parse(text(SIMPLE, "").as_bytes(), SIMPLE).unwrap().reference, "h/i:1");
        assert!(Payload::parse(text(COSIGN, "").as_bytes(), SIMPLE).is_err());
        assert!(Payload::parse(text(SIMPLE, r#","more":1"#).as_bytes(), SIMPLE).is_err());
        assert!(Payload::parse(text(SIMPLE, r#","type":"x""#).as_bytes(), SIMPLE).is_err(), "a key twice");
        assert!(Payload::parse(b"{}", SIMPLE).is_err());
        let null = text(COSIGN, "").replace(r#"{"creator":"x","timestamp":1}"#, "null");
        assert!(Payload::parse(null.as_bytes(), COSIGN).is_ok());
    }

    #[test]
    fn what_is_written_is_read() {
        let payload = Payload { digest: Digest::of(b"x"), reference: "h.t/i:1".to_owned() };
        assert_eq!(Payload::parse(&payload.write(SIMPLE, 1), SIMPLE).unwrap(), payload);
        assert!(Payload::parse(&payload.write(SIMPLE, 1), COSIGN).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "\\PC{0,100}") {
            drop(Payload::parse(text.as_bytes(), SIMPLE));
        }
    }
}
