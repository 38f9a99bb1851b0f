//! Images to other places: registries, archives, layouts.

use anyhow::Result;

use super::interrupt::Guard;
use super::progress::PullProgress;
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::push;
use crate::image::store::{self, ImageStore};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, IdPrefix, Reference, Source};

pub(crate) use crate::image::convert::{Family, Packing};
pub(crate) use crate::image::manifest::Compression;
pub(crate) use crate::image::push::Wish;

impl Engine {
    /// Sends the image that `name` means to `destination`, or to the place of its name; the digest of its manifest there.
    pub(crate) fn push_image(
        &self,
        name: &str,
        destination: Option<&str>,
        wish: Wish,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        self.heal_images()?;
        let store = ImageStore::new(&self.paths);
        let image = store.find(name)?;
        let target = match destination {
            Some(text) => text.parse()?,
            None => Source::Registry { reference: self.own_place(&store, &image.id, name)?, explicit: false },
        };
        let guard = Guard::new()?;
        let work = || {
            let reference = match target {
                Source::Registry { reference, .. } => reference.qualified(DOCKER_HUB)?.or_latest(),
                other => {
                    return Err(Error::unsupported(format!("cannot push to {other:?}")).into());
                }
            };
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let prepared = push::prepare(&self.paths, &image.id, wish, &guard.cancel)?;
            let digest = push::push(&self.paths, &client, &prepared, &reference, progress)
                .map_err(|error| error.context(format!("pushing {name} to docker://{}", store::text(&reference))))?;
            progress.stored(&image.id);
            Ok(digest)
        };
        guard.outcome(work())
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
