//! Secret keys of GnuPG, from a file that it exports: its own store is its agent's alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use pgp::composed::{Deserializable as _, MessageBuilder, SignedPublicKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::types::{KeyDetails as _, Password, SigningKey};
use rand::rngs::OsRng;

use super::read_file;
use crate::image::trust::openpgp::signing;
use crate::model::error::{Error, ErrorKind};

/// The name of the file in the user's directory of GnuPG.
const RING: &str = "secring.gpg";

/// A key that may sign, and what opens it.
pub(super) struct Key {
    key: SignedSecretKey,
    password: String,
}

/// The directory of GnuPG.
pub(super) fn home() -> Result<PathBuf> {
    let given = std::env::var_os("GNUPGHOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let own = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".gnupg"));
    Ok(given.or_else(own).ok_or_else(|| Error::invalid("neither GNUPGHOME nor HOME is set"))?)
}

impl Key {
    /// The key in the ring of `home` that `who` names: by its fingerprint, its id, or its user. It can be opened, and may sign.
    pub(super) fn find(home: &Path, who: &str, password: &str) -> Result<Self> {
        let ring = home.join(RING);
        let hint = || format!("bring it there: gpg --export-secret-keys {who:?} >> {}", ring.display());
        let bytes =
            read_file(&ring).map_err(|error| match crate::model::error::is_kind(&error, ErrorKind::NotFound) {
                true => {
                    let message = format!("no secret key for {who:?}: {} is missing", ring.display());
                    Error::not_found(message).hint(hint()).into()
                }
                false => error,
            })?;
        let keys = parse(&bytes).with_context(|| format!("read {}", ring.display()))?;
        // The same key may have been brought there twice.
        let mut found: Vec<SignedSecretKey> = Vec::new();
        for how in [Named::Wholly, Named::Partly] {
            for key in keys.iter().filter(|key| named_as(key, who) == Some(how)) {
                if !found.iter().any(|known| known.fingerprint() == key.fingerprint()) {
                    found.push(key.clone());
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        let key = match found.len() {
            0 => bail!(Error::not_found(format!("no secret key for {who:?} in {}", ring.display())).hint(hint())),
            1 => Self { key: found.remove(0), password: password.to_owned() },
            _ => bail!(Error::invalid(format!("{who:?} names several secret keys")).hint("use the fingerprint of one")),
        };
        // Now, not when everything was sent.
        key.sign(Vec::new())?;
        Ok(key)
    }

    /// A message with `payload` and its signature.
    pub(super) fn sign(&self, payload: Vec<u8>) -> Result<Vec<u8>> {
        let may = signing(&SignedPublicKey::from(self.key.clone()));
        let primary: (_, &dyn SigningKey) = (self.key.primary_key.fingerprint(), &self.key.primary_key);
        let subkeys = self.key.secret_subkeys.iter().map(|sub| (sub.key.fingerprint(), &sub.key as &dyn SigningKey));
        let signer = std::iter::once(primary).chain(subkeys).find(|(fingerprint, _)| may.contains(fingerprint));
        let Some((fingerprint, signer)) = signer else {
            bail!(Error::new(ErrorKind::Denied, "the secret key may not sign, or not any more"));
        };
        let mut message = MessageBuilder::from_bytes("", payload);
        message.sign_binary().sign(signer, Password::from(self.password.as_str()), HashAlgorithm::Sha256);
        message.to_vec(OsRng).map_err(|error| {
            let message = format!("sign with the secret key {fingerprint:X}: {error}");
            Error::new(ErrorKind::Denied, message).hint("--sign-passphrase-file FILE opens a key that is locked").into()
        })
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<SignedSecretKey>> {
    let parsed: Vec<_> = match bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        true => SignedSecretKey::from_armor_many(bytes)?.0.collect(),
        false => SignedSecretKey::from_bytes_many(bytes)?.collect(),
    };
    Ok(parsed.into_iter().collect::<Result<_, _>>()?)
}

/// How a name means a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Wholly,
    Partly,
}

/// Whether `who` is the end of the key's fingerprint (a key id and more), one of its users or his address, or a part of that.
fn named_as(key: &SignedSecretKey, who: &str) -> Option<Named> {
    let hex = who.strip_prefix("0x").unwrap_or(who).replace(' ', "").to_ascii_uppercase();
    if hex.len() >= 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let parts = key.secret_subkeys.iter().map(|sub| sub.key.fingerprint());
        let mut all = std::iter::once(key.primary_key.fingerprint()).chain(parts);
        return all.any(|own| format!("{own:X}").ends_with(&hex)).then_some(Named::Wholly);
    }
    let who = who.to_lowercase();
    let users: Vec<String> =
        key.details.users.iter().filter_map(|user| user.id.as_str()).map(str::to_lowercase).collect();
    if users.iter().any(|user| *user == who || user.ends_with(&format!("<{who}>"))) {
        return Some(Named::Wholly);
    }
    (!who.is_empty() && users.iter().any(|user| user.contains(&who))).then_some(Named::Partly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_no_keys(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).map_or(true, |keys| keys.is_empty()));
        }
    }
}
