//! Signatures of sigstore, as cosign attaches them to images: by a key of the policy, or by one that an authority certified
//! for a moment; the log of transparency, where the policy wants it, says when. Everything is in files: nobody is asked.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime};
use serde_json::{Map, Value};
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::requirement::{Keys, Signer};
use crate::image::manifest;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};

/// A layer of such a signature has this media type.
pub(in crate::image) const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of such a layer with the signature, in base64.
pub(in crate::image) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";

/// What keys of sigstore sign with.
static ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 5] = [
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::ECDSA_P384_SHA256,
    webpki::ring::ECDSA_P384_SHA384,
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
    webpki::ring::ED25519,
];
/// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3 (RFC 5280, 4.2.1.12).
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// Who vouches for the name in a certificate: the text as it is, and as DER (sigstore/fulcio, oid-info.md).
const ISSUER: &str = "1.3.6.1.4.1.57264.1.1";
const ISSUER_DER: &str = "1.3.6.1.4.1.57264.1.8";

/// The tag under which the signatures of a manifest are.
pub(in crate::image) fn tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm(), digest.hex())
}

/// A signature that is attached to an image.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub(crate) payload: Vec<u8>,
    pub(crate) annotations: Map<String, Value>,
}

impl Attached {
    /// Fails unless `signer` signed the payload, and the log knows of it where `log` has its keys.
    pub(super) fn verify(&self, signer: &Signer, log: Option<&Keys>) -> Result<()> {
        let encoded = self.annotation(SIGNATURE).ok_or_else(|| invalid("it has no signature"))?;
        let signature = BASE64.decode(encoded).map_err(|_| invalid("the signature is not base64"))?;
        let log = log.map(Keys::read).transpose()?;
        match signer {
            Signer::Keys(keys) => {
                let mut failed = None;
                for key in keys.read()? {
                    let verified = public_key(&key).and_then(|spki| {
                        if let Some(log) = &log {
                            self.logged(log, &key, encoded)?;
                        }
                        verify(&spki, &self.payload, &signature)
                    });
                    match verified {
                        Ok(()) => return Ok(()),
                        Err(error) => failed = Some(error),
                    }
                }
                Err(failed.unwrap_or_else(|| invalid("the policy has no key")))
            }
            Signer::Certified { authority, issuer, email } => {
                let pem = self.annotation(CERTIFICATE).ok_or_else(|| invalid("it has no certificate"))?;
                let log = log.context("the log's key is there")?;
                let when = self.logged(&log, pem.as_bytes(), encoded)?;
                let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| invalid("its certificate"))?;
                let chain = self.annotation(CHAIN).unwrap_or_default();
                let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).filter_map(Result::ok).collect();
                let mut roots = Vec::new();
                for file in authority.read()? {
                    roots.extend(CertificateDer::pem_slice_iter(&file).filter_map(Result::ok));
                }
                certified(&leaf, &chain, &roots, when)?;
                let spki = named(&leaf, issuer, email)?;
                verify(&spki, &self.payload, &signature)
            }
        }
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// When the log took this very signature in, by its own signed word.
    fn logged(&self, log: &[Vec<u8>], key: &[u8], signature: &str) -> Result<u64> {
        let bundle = self.annotation(BUNDLE).ok_or_else(|| invalid("it has no word of the log"))?;
        let bundle = manifest::object(bundle.as_bytes(), "bundle")?;
        let entry = child(&bundle, "Payload")?;
        let promise = BASE64.decode(text(&bundle, "SignedEntryTimestamp")?).map_err(|_| invalid("the log's word"))?;
        // RFC 8785: these members, in this order, without a blank.
        let signed = format!(
            r#"{{"body":{},"integratedTime":{},"logID":{},"logIndex":{}}}"#,
            member(entry, "body")?,
            member(entry, "integratedTime")?,
            member(entry, "logID")?,
            member(entry, "logIndex")?,
        );
        let knows = |key: &Vec<u8>| public_key(key).and_then(|spki| verify(&spki, signed.as_bytes(), &promise)).is_ok();
        if !log.iter().any(knows) {
            return Err(invalid("the word of the log is not the log's"));
        }
        let body = BASE64.decode(text(entry, "body")?).map_err(|_| invalid("what is logged"))?;
        let body = manifest::object(&body, "what is logged")?;
        if text(&body, "kind")? != "hashedrekord" {
            return Err(invalid("what is logged is no signature"));
        }
        let spec = child(&body, "spec")?;
        let own = child(spec, "signature")?;
        let logged_key =
            BASE64.decode(text(child(own, "publicKey")?, "content")?).map_err(|_| invalid("the key logged"))?;
        let hash = child(child(spec, "data")?, "hash")?;
        let same = text(own, "content")? == signature
            && same_pem(&logged_key, key)
            && text(hash, "algorithm")? == "sha256"
            && text(hash, "value")? == Digest::of(&self.payload).hex();
        if !same {
            return Err(invalid("the log has another signature"));
        }
        entry.get("integratedTime").and_then(Value::as_u64).ok_or_else(|| invalid("the time of the log"))
    }
}

/// The first key in a PEM file, as a SubjectPublicKeyInfo.
fn public_key(pem: &[u8]) -> Result<Vec<u8>> {
    match SubjectPublicKeyInfoDer::from_pem_slice(pem) {
        Ok(key) => Ok(key.to_vec()),
        Err(_) => bail!(Error::invalid("a key of the policy is not a public key in PEM")),
    }
}

fn same_pem(one: &[u8], other: &[u8]) -> bool {
    let bytes = |pem: &[u8]| {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).map(|key| key.to_vec());
        key.or_else(|_| CertificateDer::from_pem_slice(pem).map(|certificate| certificate.to_vec())).ok()
    };
    bytes(one).is_some_and(|one| bytes(other) == Some(one))
}

/// Verifies with whatever algorithm the key is for.
fn verify(spki: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let key = webpki::RawPublicKeyEntity::try_from(&spki).map_err(|_| invalid("a key of a kind that is not known"))?;
    match ALGORITHMS.iter().any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok()) {
        true => Ok(()),
        false => Err(invalid("cryptographic signature verification failed")),
    }
}

/// Whether one of `roots` certified `leaf` to sign at the time `when` (seconds since 1970), perhaps by `chain`.
fn certified(
    leaf: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    when: u64,
) -> Result<()> {
    let anchors = roots.iter().map(webpki::anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>();
    let anchors = anchors.map_err(|error| invalid(&format!("the authority of the policy: {error}")))?;
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|error| invalid(&format!("its certificate: {error}")))?;
    let usage = webpki::KeyUsage::required(CODE_SIGNING);
    let time = UnixTime::since_unix_epoch(Duration::from_secs(when));
    leaf.verify_for_usage(&ALGORITHMS, &anchors, chain, time, usage, None, None)
        .map_err(|error| invalid(&format!("its certificate: {error}")))?;
    Ok(())
}

/// The key of a certificate, if it is for `email` and `issuer` vouches for that.
fn named(leaf: &CertificateDer<'_>, issuer: &str, email: &str) -> Result<Vec<u8>> {
    let read = |_| invalid("its certificate cannot be read");
    let certificate = x509_cert::Certificate::from_der(leaf).map_err(read)?.tbs_certificate;
    let extension = |oid: &str| {
        let all = certificate.extensions.iter().flatten();
        all.filter(|extension| extension.extn_id.to_string() == oid)
            .map(|extension| extension.extn_value.as_bytes())
            .next()
    };
    let vouches = match (extension(ISSUER), extension(ISSUER_DER)) {
        (None, None) => return Err(invalid("nobody vouches for the name in its certificate")),
        (old, new) => {
            let new = new.map(|der| Utf8StringRef::from_der(der).map(|text| text.as_str().as_bytes().to_vec()));
            old.is_none_or(|text| text == issuer.as_bytes())
                && new.is_none_or(|text| text.is_ok_and(|t| t == issuer.as_bytes()))
        }
    };
    if !vouches {
        return Err(invalid(&format!("Required OIDC issuer {issuer} is not who vouches for its certificate")));
    }
    let names = certificate.get::<SubjectAltName>().map_err(read)?.map(|(_, names)| names.0).unwrap_or_default();
    let is_theirs = |name: &GeneralName| matches!(name, GeneralName::Rfc822Name(name) if name.as_str() == email);
    if !names.iter().any(is_theirs) {
        return Err(invalid(&format!("Required email {email} not found in its certificate")));
    }
    certificate.subject_public_key_info.to_der().map_err(read)
}

fn child<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object).ok_or_else(|| invalid(&format!("{key} is missing")))
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    map.get(key).and_then(Value::as_str).ok_or_else(|| invalid(&format!("{key} is missing")))
}

/// A plain member as JSON has it.
fn member(map: &Map<String, Value>, key: &str) -> Result<String> {
    match map.get(key) {
        Some(value @ (Value::String(_) | Value::Number(_))) => Ok(value.to_string()),
        _ => Err(invalid(&format!("{key} is missing"))),
    }
}

fn invalid(why: &str) -> anyhow::Error {
    Error::new(ErrorKind::Denied, format!("Invalid sigstore signature: {why}")).into()
}
