//! Signatures that are made: by a key of sigstore or of GnuPG, for what a registry has under a name. Keys are read before
//! anything is sent, the signatures follow the manifest.
//!
//! [`place`] is where they go: files of the lookaside, or an artifact beside the image.

mod cosign;
mod openpgp;
mod place;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::archive::directory::read_small;
use super::registry::client::Client;
use super::trust::lookaside::{self, Lookaside};
use super::trust::payload::{COSIGN, Payload, SIMPLE};
use super::trust::sigstore::{self, Attached};
use super::trust::verify::Found;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::Reference;
use crate::model::secret::Secret;
use crate::state::paths::Paths;

/// No key and no file about keys is larger.
const MAX: u64 = 1 << 20;

/// Which signatures are wanted; none, usually.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignRequest {
    /// The fingerprint, id or user of a key of GnuPG.
    pub(crate) by: Option<String>,
    /// The file of a private key of sigstore.
    pub(crate) key: Option<PathBuf>,
    /// What opens the key.
    pub(crate) passphrase: Option<Secret>,
}

/// The keys of a request, open.
pub(crate) struct Signers {
    simple: Option<openpgp::Key>,
    sigstore: Option<cosign::Key>,
}

/// A signature that was made.
enum Made {
    /// A message of OpenPGP.
    Simple(Vec<u8>),
    /// What is signed, and the signature in base64.
    Attached { payload: Vec<u8>, signature: String },
}

impl Signers {
    /// Opens the keys.
    ///
    /// # Errors
    /// A key is missing, of a kind that cannot sign, or not opened by the passphrase.
    pub(crate) fn open(request: &SignRequest) -> Result<Self> {
        let secret = request.passphrase.as_ref().map_or("", Secret::expose);
        let simple = request.by.as_deref().map(|who| openpgp::Key::find(&openpgp::home()?, who, secret));
        let sigstore = request.key.as_deref().map(|file| cosign::Key::read(file, secret));
        Ok(Self { simple: simple.transpose()?, sigstore: sigstore.transpose()? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.simple.is_none() && self.sigstore.is_none()
    }

    /// Fails where the signatures could not be put in the end.
    pub(crate) fn check(&self, name: &Reference, rootless: bool) -> Result<()> {
        let places = Lookaside::of_process(rootless)?;
        if self.simple.is_some() {
            place::directory(&places.writable(name))?;
        }
        if self.sigstore.is_some() && !places.attachments(name) {
            bail!(disabled());
        }
        Ok(())
    }

    /// Signs the manifest with digest `digest`, which its registry has as `name`, and puts the signatures where they belong.
    pub(crate) fn sign(
        &self,
        paths: &Paths,
        client: &Client,
        name: &Reference,
        digest: &Digest,
        rootless: bool,
    ) -> Result<()> {
        let mut found = Found { simple: Vec::new(), attached: Vec::new() };
        for made in self.make(digest, name)? {
            match made {
                Made::Simple(bytes) => found.simple.push(bytes),
                Made::Attached { payload, signature } => {
                    let annotations = [(sigstore::SIGNATURE.to_owned(), signature.into())].into_iter().collect();
                    found.attached.push(Attached { payload, annotations });
                }
            }
        }
        put(paths, client, name, digest, rootless, &found)
    }

    /// Signs it, and puts the signatures of GnuPG below the directory `dir`.
    pub(crate) fn sign_into(&self, dir: &Path, name: &Reference, digest: &Digest) -> Result<()> {
        for made in self.make(digest, name)? {
            if let Made::Simple(bytes) = made {
                place::in_directory(&place::below(&format!("file://{}", dir.display()), name, digest)?, &bytes)?;
            }
        }
        Ok(())
    }

    fn make(&self, digest: &Digest, name: &Reference) -> Result<Vec<Made>> {
        let payload = Payload { digest: digest.clone(), reference: super::store::text(name) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let mut made = Vec::new();
        if let Some(key) = &self.simple {
            made.push(Made::Simple(key.sign(payload.write(SIMPLE, now))?));
        }
        if let Some(key) = &self.sigstore {
            let payload = payload.write(COSIGN, now);
            let signature = key.sign(&payload)?;
            made.push(Made::Attached { payload, signature });
        }
        Ok(made)
    }
}

/// Puts signatures of the manifest `digest`, which its registry has as `name`, where they belong; those that are there stay.
pub(crate) fn put(
    paths: &Paths,
    client: &Client,
    name: &Reference,
    digest: &Digest,
    rootless: bool,
    found: &Found,
) -> Result<()> {
    let places = Lookaside::of_process(rootless)?;
    let kept = if found.simple.is_empty() { None } else { client.kept_signatures(name, digest)? };
    for signature in &found.simple {
        match &kept {
            // What the registry keeps is nowhere else.
            Some(kept) if kept.contains(signature) => {}
            Some(_) => drop(client.keep_signature(name, digest, signature)?),
            None => place::in_directory(&place::below(&places.writable(name), name, digest)?, signature)?,
        }
    }
    if !found.attached.is_empty() && !places.attachments(name) {
        bail!(disabled());
    }
    for attached in &found.attached {
        place::beside(paths, client, name, digest, &attached.payload, &attached.annotations)?;
    }
    Ok(())
}

/// Puts signatures beside the manifest in a directory (`dir:`), where those of sigstore have no place.
pub(crate) fn put_into(dir: &Path, found: &Found) -> Result<()> {
    if !found.attached.is_empty() {
        let error = Error::unsupported("signatures of sigstore cannot be kept in a directory");
        bail!(error.hint("--remove-signatures leaves them out"));
    }
    found.simple.iter().try_for_each(|signature| place::in_directory(dir, signature))
}

fn disabled() -> Error {
    let hint = format!("set `use-sigstore-attachments: true` for it in {}", lookaside::directory().display());
    Error::unsupported("writing sigstore attachments is disabled by configuration").hint(hint)
}

/// A file of containers-sigstore-signing-params.yaml(5).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Parameters {
    private_key_file: Option<PathBuf>,
    private_key_passphrase_file: Option<PathBuf>,
    fulcio: Option<serde_json::Value>,
    #[serde(rename = "rekorURL")]
    rekor: Option<String>,
}

/// Reads such a file: the key's file, and that of its passphrase.
pub(crate) fn parameters(file: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let reading = || format!("error parsing {:?}", file.display());
    let bytes = read_file(file).with_context(reading)?;
    let text = std::str::from_utf8(&bytes).with_context(reading)?;
    let all: Parameters =
        serde_saphyr::from_str(text).map_err(|error| Error::invalid(error.to_string())).with_context(reading)?;
    if all.fulcio.is_some() || all.rekor.is_some() {
        let message = "signing with a certificate of Fulcio or with a log of Rekor is not supported";
        bail!(Error::unsupported(message).hint("both are services to be asked; privateKeyFile needs none"));
    }
    let key = all.private_key_file.ok_or_else(|| Error::invalid("no privateKeyFile")).with_context(reading)?;
    Ok((key, all.private_key_passphrase_file))
}

/// Reads a passphrase: what is in the file, without one line end.
pub(crate) fn passphrase(file: &Path) -> Result<Secret> {
    let bytes = read_file(file)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::invalid("a passphrase that is no text"))?;
    Ok(Secret::new(text.strip_suffix('\n').unwrap_or(&text)))
}

/// The bytes of a file that is there.
fn read_file(file: &Path) -> Result<Vec<u8>> {
    let missing = || Error::not_found(format!("open {}: no such file or directory", file.display()));
    Ok(read_small(file, MAX)?.ok_or_else(missing)?)
}
