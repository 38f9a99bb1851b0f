//! Whether the signatures of an image are those that a policy asks for.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::lookaside::Lookaside;
use super::openpgp::Ring;
use super::payload::{COSIGN, Payload, SIMPLE};
use super::requirement::Requirement;
use super::sigstore::{self, Attached, MEDIA_TYPE};
use crate::image::archive::directory::read_small;
use crate::image::hash::Hash;
use crate::image::manifest::{self, Descriptor};
use crate::image::registry::client::Client;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, is_kind};
use crate::model::platform::Platform;
use crate::model::reference::Reference;

/// An image has no more signatures than this, and none is larger.
pub(in crate::image) const MANY: usize = 128;
pub(in crate::image) const LARGE: usize = 4 << 20;

/// What a policy asks of one image besides its name; nothing, usually.
#[must_use = "the image is not trusted before it is verified"]
pub(crate) struct Demand<'a> {
    pub(super) requirements: Vec<&'a Requirement>,
}

/// Where the signatures of an image are.
pub(crate) enum Signatures<'a> {
    /// Nowhere: the transport has none.
    None,
    /// In files beside the manifest (`dir:`).
    Directory(&'a Path),
    /// In a registry, or where the files of registries.d say; an ordinary user's where they do not are the user's own.
    Registry { client: &'a Client, rootless: bool },
}

/// An image that is to be trusted.
pub(crate) struct Subject<'a> {
    /// Its full name, `None` where the transport has none.
    pub(crate) name: Option<&'a Reference>,
    /// Its manifest, as it came, and the digest of that.
    pub(crate) manifest: &'a [u8],
    pub(crate) digest: &'a Digest,
    pub(crate) signatures: Signatures<'a>,
}

impl Demand<'_> {
    /// Whether the name was enough.
    pub(crate) fn is_met(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Fails unless the image has what is asked.
    pub(crate) fn verify(&self, subject: &Subject<'_>) -> Result<()> {
        for requirement in &self.requirements {
            match requirement {
                Requirement::Accept => {}
                Requirement::Reject => bail!(Error::new(ErrorKind::Denied, "rejected by policy")),
                Requirement::SignedBy { keys, identity } => {
                    let ring = Ring::new(&keys.read()?)?;
                    any(&subject.simple()?, |signature| {
                        let payload = Payload::parse(&ring.verify(signature)?, SIMPLE)?;
                        identity.check(subject.name, &payload.reference)?;
                        subject.is_signed(&payload)
                    })?;
                }
                Requirement::SigstoreSigned { signer, log, identity } => any(&subject.attached()?, |attached| {
                    attached.verify(signer, log.as_ref())?;
                    let payload = Payload::parse(&attached.payload, COSIGN)?;
                    identity.check(subject.name, &payload.reference)?;
                    subject.is_signed(&payload)
                })?,
            }
        }
        Ok(())
    }
}

/// Succeeds where one of `signatures` is accepted; else it says why none is.
fn any<S>(signatures: &[S], accepted: impl Fn(&S) -> Result<()>) -> Result<()> {
    let mut reasons = Vec::new();
    for signature in signatures {
        match accepted(signature) {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    let message = match reasons.as_slice() {
        [] => "A signature was required, but no signature exists".to_owned(),
        [only] => only.clone(),
        many => format!("None of the signatures were accepted, reasons: {}", many.join("; ")),
    };
    Err(Error::new(ErrorKind::Denied, message).into())
}

/// The signatures of an image, as they are.
pub(crate) struct Found {
    pub(in crate::image) simple: Vec<Vec<u8>>,
    pub(in crate::image) attached: Vec<Attached>,
}

impl Found {
    pub(crate) fn is_empty(&self) -> bool {
        self.simple.is_empty() && self.attached.is_empty()
    }
}

impl Subject<'_> {
    /// All its signatures, whoever made them, for who passes them on.
    pub(crate) fn found(&self) -> Result<Found> {
        Ok(Found { simple: self.simple()?, attached: self.attached()? })
    }

    fn is_signed(&self, payload: &Payload) -> Result<()> {
        let mut hash = Hash::of_kind(&payload.digest);
        hash.update(self.manifest);
        if hash.check(&payload.digest).is_err() {
            let message = format!("Signature for docker digest \"{}\" does not match", payload.digest);
            return Err(Error::new(ErrorKind::Denied, message).into());
        }
        Ok(())
    }

    /// The signatures of GnuPG.
    fn simple(&self) -> Result<Vec<Vec<u8>>> {
        if let (Signatures::Registry { client, .. }, Some(name)) = (&self.signatures, self.name)
            && let Some(mut kept) = client.kept_signatures(name, self.digest)?
        {
            kept.truncate(MANY);
            return Ok(kept);
        }
        let mut all = Vec::new();
        let places = match &self.signatures {
            Signatures::Registry { rootless, .. } => Some(Lookaside::of_process(*rootless)?),
            _ => None,
        };
        for number in 1..=MANY {
            let found = match (&self.signatures, &places, self.name) {
                (Signatures::Directory(dir), ..) => read_small(&dir.join(format!("signature-{number}")), LARGE as u64)?,
                (Signatures::Registry { client, .. }, Some(places), Some(name)) => {
                    let address = places.address(name, self.digest, number);
                    fetch(client, &address).with_context(|| format!("read signature {address}"))?
                }
                _ => None,
            };
            match found {
                Some(signature) => all.push(signature),
                None => break,
            }
        }
        Ok(all)
    }

    /// The signatures of sigstore.
    fn attached(&self) -> Result<Vec<Attached>> {
        let (Signatures::Registry { client, rootless }, Some(name)) = (&self.signatures, self.name) else {
            return Ok(Vec::new());
        };
        if !Lookaside::of_process(*rootless)?.attachments(name) {
            return Ok(Vec::new());
        }
        let tag = sigstore::tag(self.digest);
        let resolved = match client.resolve(&name.with_tag(&tag)?, &Platform::host()) {
            Err(error) if is_kind(&error, ErrorKind::NotFound) => return Ok(Vec::new()),
            resolved => resolved.with_context(|| format!("read signatures {}:{tag}", name.name()))?,
        };
        let document = manifest::object(&resolved.manifest_bytes, "manifest")?;
        let layers = document.get("layers").and_then(Value::as_array).context("the signatures have no layers")?;
        let mut all = Vec::new();
        for layer in layers.iter().take(MANY) {
            let descriptor: Descriptor = serde_json::from_value(layer.clone()).context("read signatures")?;
            if descriptor.media_type != MEDIA_TYPE {
                continue;
            }
            let annotations = layer.get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
            all.push(Attached { payload: client.fetch_bytes(&resolved, &descriptor)?, annotations });
        }
        Ok(all)
    }
}

fn fetch(client: &Client, address: &str) -> Result<Option<Vec<u8>>> {
    match address.split_once("://") {
        Some(("file", path)) => read_small(Path::new(path), LARGE as u64),
        Some(("http" | "https", _)) => client.fetch_address(address, LARGE),
        _ => Err(anyhow!(Error::unsupported("signatures are at file://, http:// or https:// addresses"))),
    }
}
