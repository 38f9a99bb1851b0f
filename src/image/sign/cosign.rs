//! Private keys of sigstore: PKCS#8, sealed by a passphrase (NaCl secretbox, its key by scrypt), in PEM, as cosign and
//! skopeo make them.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde::Deserialize;

use super::read_file;
use crate::model::error::{Error, ErrorKind};

/// What the blocks of PEM are called.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// scrypt takes 128 · N · r bytes of memory: 256 MiB at most.
const COST: u64 = 2 << 20;

#[derive(Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// A private key, open.
pub(super) struct Key(EcdsaKeyPair);

impl Key {
    /// Reads the key in `file` and opens it.
    pub(super) fn read(file: &Path, passphrase: &str) -> Result<Self> {
        let reading = || format!("read the private key {}", file.display());
        Self::parse(&read_file(file).with_context(reading)?, passphrase.as_bytes()).with_context(reading)
    }

    fn parse(pem: &[u8], passphrase: &[u8]) -> Result<Self> {
        let sealed: Sealed =
            serde_json::from_slice(&block(pem)?).map_err(|_| unknown("what is in it is no sealed key"))?;
        let der = sealed.open(passphrase)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &SystemRandom::new());
        pair.map(Self).map_err(|_| unknown("it is not for ECDSA with P-256"))
    }

    /// The signature of `payload`, in base64.
    pub(super) fn sign(&self, payload: &[u8]) -> Result<String> {
        let signature = self.0.sign(&SystemRandom::new(), payload).map_err(|_| anyhow!("sign with the private key"))?;
        Ok(BASE64.encode(signature))
    }
}

impl Sealed {
    fn open(&self, passphrase: &[u8]) -> Result<Vec<u8>> {
        if self.kdf.name != "scrypt" || self.cipher.name != "nacl/secretbox" {
            return Err(unknown("it is sealed in a way that is not known"));
        }
        let Params { n, r, p } = self.kdf.params;
        if !n.is_power_of_two() || n < 2 || n.saturating_mul(r.into()) > COST || p > 16 {
            return Err(unknown("opening it would take too much"));
        }
        let decode = |text: &str| BASE64.decode(text).map_err(|_| unknown("it is not base64"));
        let (salt, nonce, text) = (decode(&self.kdf.salt)?, decode(&self.cipher.nonce)?, decode(&self.ciphertext)?);
        let log = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
        let params = scrypt::Params::new(log, r, p, 32).map_err(|_| unknown("its numbers for scrypt"))?;
        let mut key = [0; 32];
        scrypt::scrypt(passphrase, &salt, &params, &mut key).map_err(|_| unknown("its numbers for scrypt"))?;
        let nonce: [u8; 24] = nonce.try_into().map_err(|_| unknown("its nonce"))?;
        let opened = XSalsa20Poly1305::new(&key.into()).decrypt(&nonce.into(), &text[..]);
        key.fill(0);
        opened.map_err(|_| {
            let error = Error::new(ErrorKind::Denied, "the passphrase does not open it");
            error.hint("--sign-passphrase-file FILE names it").into()
        })
    }
}

/// What the first block of PEM holds, of those that are known.
fn block(pem: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(pem).map_err(|_| unknown("it is not PEM"))?;
    for label in LABELS {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        if let Some((_, rest)) = text.split_once(&begin)
            && let Some((body, _)) = rest.split_once(&end)
        {
            let body: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
            return BASE64.decode(body).map_err(|_| unknown("it is not PEM"));
        }
    }
    bail!(unknown("it is not PEM of an \"ENCRYPTED SIGSTORE PRIVATE KEY\""))
}

fn unknown(why: &str) -> anyhow::Error {
    Error::invalid(why).hint("`skopeo generate-sigstore-key` and `cosign generate-key-pair` make such keys").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), n in any::<u64>(), r in any::<u32>()) {
            prop_assert!(Key::parse(&bytes, b"x").is_err());
            let json = format!(r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{r},"p":1}},"salt":"AA=="}},
                "cipher":{{"name":"nacl/secretbox","nonce":"AA=="}},"ciphertext":"AA=="}}"#);
            let pem = format!("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", LABELS[0], BASE64.encode(json));
            prop_assert!(Key::parse(pem.as_bytes(), b"x").is_err());
        }
    }
}
