//! Signatures of GnuPG: a signed message (RFC 9580) by one of the keys of a policy.

use std::io::Read;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use pgp::composed::{Deserializable as _, Message, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureType};
use pgp::types::{Fingerprint, KeyDetails as _, Tag, Timestamp, VerifyingKey};

use crate::model::error::{Error, ErrorKind};

/// No payload is longer.
const MAX: u64 = 4 << 20;
/// A message is in a few packets, one inside of the other.
const NESTED: usize = 4;

/// The keys of one requirement.
pub(super) struct Ring {
    keys: Vec<SignedPublicKey>,
}

impl Ring {
    /// Reads files of public keys, armored or not.
    pub(super) fn new(files: &[Vec<u8>]) -> Result<Self> {
        let mut keys = Vec::new();
        for file in files {
            let parsed = match file.trim_ascii_start().starts_with(b"-----BEGIN") {
                true => SignedPublicKey::from_armor_many(&file[..]).map(|(keys, _)| keys.collect::<Vec<_>>()),
                false => SignedPublicKey::from_bytes_many(&file[..]).map(Iterator::collect::<Vec<_>>),
            };
            for key in parsed.context("read public keys")? {
                keys.push(key.context("read a public key")?);
            }
        }
        if keys.is_empty() {
            bail!(Error::new(ErrorKind::Denied, "No public keys imported"));
        }
        Ok(Self { keys })
    }

    /// Whose the keys are: the addresses of their users, as far as they have some.
    pub(super) fn owners(&self) -> Vec<String> {
        let users = self.keys.iter().flat_map(|key| &key.details.users);
        let owner = |text: &str| {
            let address = text.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            address.map_or(text, |(address, _)| address).to_owned()
        };
        users.filter_map(|user| user.id.as_str().map(owner)).collect()
    }

    /// What `signature` signs, if one of the keys made it and may sign now.
    pub(super) fn verify(&self, signature: &[u8]) -> Result<Vec<u8>> {
        let now = SystemTime::now();
        let (mut message, _) = Message::from_reader(signature).map_err(|e| invalid(&e.to_string()))?;
        for _ in 0..NESTED {
            if message.is_compressed() {
                message = message.decompress().map_err(|e| invalid(&e.to_string()))?;
            }
        }
        let mut payload = Vec::new();
        (&mut message).take(MAX + 1).read_to_end(&mut payload).map_err(|e| invalid(&e.to_string()))?;
        if payload.len() as u64 > MAX {
            return Err(invalid("what is signed is too large"));
        }
        let Message::Signed { reader, .. } = &message else { return Err(invalid("nothing is signed")) };
        if reader.num_signatures() != 1 {
            return Err(invalid(&format!("{} signatures in place of one", reader.num_signatures())));
        }
        let signers = self.keys.iter().flat_map(|key| signers(key, now));
        let made = signers.map(|signer| message.verify(signer)).find_map(Result::ok);
        let made = made.ok_or_else(|| invalid("it is by no key of the policy that may sign"))?;
        check(made, now)?;
        Ok(payload)
    }
}

/// Whether a signature that a key made counts: its kind, its hash, its times.
fn check(signature: &Signature, now: SystemTime) -> Result<()> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(invalid("it signs no document"));
    }
    let strong = [
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
        HashAlgorithm::Sha3_256,
        HashAlgorithm::Sha3_512,
    ];
    if !signature.hash_alg().is_some_and(|hash| strong.contains(&hash)) {
        return Err(invalid("its hash is too weak"));
    }
    let created = signature.created().ok_or_else(|| invalid("it has no time"))?;
    if SystemTime::from(created) > now {
        return Err(invalid("it is of the future"));
    }
    if has_ended(created, signature.signature_expiration_time(), now) {
        return Err(invalid("it has expired"));
    }
    Ok(())
}

/// The fingerprints of the parts of a key that may sign now.
pub(in crate::image) fn signing(key: &SignedPublicKey) -> Vec<Fingerprint> {
    signers(key, SystemTime::now()).iter().map(|part| part.fingerprint()).collect()
}

/// The parts of a key that may sign now: the primary key, its subkeys.
fn signers(key: &SignedPublicKey, now: SystemTime) -> Vec<&dyn VerifyingKey> {
    let primary = &key.primary_key;
    let revoked = key.details.revocation_signatures.iter().any(|signature| signature.verify_key(primary).is_ok());
    if revoked {
        return Vec::new();
    }
    // What the key says of itself; others may certify it, too.
    let users = key.details.users.iter().flat_map(|user| {
        let own = user.signatures.iter().filter(|signature| {
            signature.is_certification() && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        });
        own.collect::<Vec<_>>()
    });
    let direct = key.details.direct_signatures.iter().filter(|signature| signature.verify_key(primary).is_ok());
    let Some(own) = newest(users.chain(direct)) else { return Vec::new() };
    if has_ended(primary.created_at(), own.key_expiration_time(), now) {
        return Vec::new();
    }
    let mut signers: Vec<&dyn VerifyingKey> = Vec::new();
    // A key that says nothing of its use may do what its algorithm can.
    if own.key_flags().sign() || own.key_flags() == KeyFlags::default() {
        signers.push(primary);
    }
    for subkey in &key.public_subkeys {
        let of = |kind| {
            let kind = move |signature: &&Signature| signature.typ() == Some(kind);
            let good = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
            subkey.signatures.iter().filter(kind).filter(good)
        };
        let Some(binding) = newest(of(SignatureType::SubkeyBinding)) else { continue };
        let back = binding.embedded_signature();
        let signs = binding.key_flags().sign()
            && back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        let ended = has_ended(subkey.key.created_at(), binding.key_expiration_time(), now);
        if signs && !ended && of(SignatureType::SubkeyRevocation).next().is_none() {
            signers.push(&subkey.key);
        }
    }
    signers
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

fn has_ended(created: Timestamp, lasts: Option<pgp::types::Duration>, now: SystemTime) -> bool {
    let lasts = lasts.map(std::time::Duration::from).filter(|lasts| !lasts.is_zero());
    lasts.is_some_and(|lasts| SystemTime::from(created) + lasts < now)
}

fn invalid(why: &str) -> anyhow::Error {
    anyhow!(Error::new(ErrorKind::Denied, format!("Invalid GPG signature: {why}")))
}
