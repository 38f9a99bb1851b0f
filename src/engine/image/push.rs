//! Images to other places: registries, archives, layouts.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::interrupt::Guard;
use super::progress::PullProgress;
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::push::{self, Written};
use crate::image::registry::client::Client;
use crate::image::sign::Signers;
use crate::image::store::{self, ImageStore};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, IdPrefix, Reference, Source};

pub(crate) use crate::image::convert::{Family, Packing};
pub(crate) use crate::image::manifest::Compression;
pub(crate) use crate::image::push::Wish;
pub(crate) use crate::image::sign::{SignRequest, parameters, passphrase};

impl Engine {
    /// Sends the image that `name` means to `destination`, or to the place of its name; the digest of its manifest there.
    pub(crate) fn push_image(
        &self,
        name: &str,
        destination: Option<&str>,
        wish: Wish,
        options: &RegistryOptions,
        sign: &SignRequest,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        let signers = Signers::open(sign)?;
        self.heal_images()?;
        let store = ImageStore::new(&self.paths);
        let image = store.find(name)?;
        let target = match destination {
            Some(text) => text.parse()?,
            None => Source::Registry { reference: self.own_place(&store, &image.id, name)?, explicit: false },
        };
        let guard = Guard::new()?;
        let mut work = || {
            let digest = match &target {
                Source::Registry { reference, .. } => {
                    let reference = reference.qualified(DOCKER_HUB)?.or_latest();
                    signers.check(&reference, self.privilege.is_rootless())?;
                    let access = self.registries(options)?;
                    let client = access.client(&guard.cancel)?;
                    // What goes over a wire is packed.
                    let packing = wish.packing.map_or_else(|| Packing::new(Compression::Gzip, None), Ok)?;
                    let wish = Wish { packing: Some(packing), ..wish };
                    let prepared = push::prepare(&self.paths, &image.id, wish, &guard.cancel)?;
                    let digest = push::push(&self.paths, &client, &prepared, &reference, progress)
                        .with_context(|| format!("pushing {name} to docker://{}", store::text(&reference)))?;
                    self.sign_pushed(&signers, &client, &reference, &digest)?;
                    digest
                }
                other => {
                    without(&signers, destination.unwrap_or_default())?;
                    let own: Vec<String> = store.name_of(&image.id, name)?.into_iter().collect();
                    let (place, names) = written(other, own)?;
                    // A layout has no other manifests.
                    let oci = matches!(place, Written::OciArchive(_) | Written::Layout(_));
                    let wish = if oci { Wish { format: Some(Family::Oci), ..wish } } else { wish };
                    let prepared = push::prepare(&self.paths, &image.id, wish, &guard.cancel)?;
                    push::write(&prepared, place, &names)
                        .with_context(|| format!("pushing {name} to {}", destination.unwrap_or_default()))?
                }
            };
            progress.stored(&image.id);
            self.note_image("push", &image.id, destination.unwrap_or(name));
            Ok(digest)
        };
        guard.outcome(work())
    }

    /// Signs what a registry has now as `name`.
    pub(super) fn sign_pushed(
        &self,
        signers: &Signers,
        client: &Client,
        name: &Reference,
        digest: &Digest,
    ) -> Result<()> {
        let signed = signers.sign(&self.paths, client, name, digest, self.privilege.is_rootless());
        signed.with_context(|| format!("signing docker://{}", store::text(name)))
    }

    /// Where an image goes that is named without a place: to the registry of its name.
    fn own_place(&self, store: &ImageStore, id: &str, typed: &str) -> Result<Reference> {
        if let Some(name) = store.name_of(id, typed)? {
            return Ok(name.parse()?);
        }
        let names = store.names(id)?;
        match (&names[..], IdPrefix::parse(typed)) {
            // The end of a longer name, which was the only one such.
            ([only], None) => Ok(only.parse()?),
            _ => {
                let error = Error::invalid(format!("{typed}: no name that says where the image is to go"));
                Err(error.hint("give the destination").into())
            }
        }
    }
}

/// Fails where signatures are asked for that a place cannot have.
pub(super) fn without(signers: &Signers, place: &str) -> Result<()> {
    if signers.is_empty() {
        return Ok(());
    }
    let message = format!("Cannot determine canonical Docker reference for destination {place}");
    Err(Error::unsupported(message).hint("only images of registries are signed").into())
}

/// Where an image goes that goes to no registry, and the names that it has there; `own` is the one by which it was found.
pub(super) fn written(target: &Source, own: Vec<String>) -> Result<(Written<'_>, Vec<String>)> {
    let plain = |selector: &Option<String>| -> Result<Vec<String>> {
        match selector {
            Some(selector) if selector.starts_with('@') => {
                Err(Error::invalid(format!("{selector}: an index is only for reading")).into())
            }
            selector => Ok(selector.iter().cloned().collect()),
        }
    };
    Ok(match target {
        Source::DockerArchive { path, selector } => {
            let mut names = Vec::new();
            for name in plain(selector)? {
                names.push(store::text(&name.parse::<Reference>()?.qualified(DOCKER_HUB)?.or_latest()));
            }
            names.extend(own);
            names.dedup();
            (Written::DockerArchive(Path::new(path)), names)
        }
        Source::OciArchive { path, selector } => (Written::OciArchive(Path::new(path)), plain(selector)?),
        Source::OciLayout { path, selector } => (Written::Layout(Path::new(path)), plain(selector)?),
        Source::Dir { path } => (Written::Directory(Path::new(path)), Vec::new()),
        Source::Registry { .. } | Source::Storage { .. } => {
            return Err(Error::unsupported("an image of the store is not pushed to the store; use tag").into());
        }
    })
}
