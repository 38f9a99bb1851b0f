//! Images that go, and names that are given and taken.

use anyhow::{Context, Result};

use super::usage;
use crate::engine::Engine;
use crate::engine::remove::is_conflict;
use crate::engine::request::RemoveRequest;
use crate::image::gc::Collection;
use crate::image::store::{ImageStore, Removed};
use crate::model::error::{Error, ErrorKind};
use crate::model::filter::Filters;
use crate::model::id::Id;

/// How often the containers of an image are removed for it, while others make more.
const ATTEMPTS: u32 = 20;

impl Engine {
    /// Gives an image more names.
    pub(crate) fn tag_image(&self, image: &str, names: &[String]) -> Result<()> {
        let store = ImageStore::new(&self.paths);
        // Half a record of a new name is found by a dead lease.
        let _begun = Collection::announce(&self.paths)?;
        for name in names {
            store.tag(image, name)?;
            if let Some(id) = store.resolve_any(name)? {
                self.note_image("tag", &id, name);
            }
        }
        Ok(())
    }

    /// Takes names from an image; without names all of them.
    pub(crate) fn untag_image(&self, image: &str, names: &[String]) -> Result<Vec<String>> {
        let store = ImageStore::new(&self.paths);
        let id = store.resolve_any(image)?.unwrap_or_default();
        let taken = store.untag(image, names)?;
        taken.iter().for_each(|name| self.note_image("untag", &id, name));
        Ok(taken)
    }

    /// Removes what `name` means: one of several names, or the image, with `names` whatever names it has, with
    /// `containers` the containers that use it first.
    pub(crate) fn remove_image(&self, name: &str, names: bool, containers: bool) -> Result<Removed> {
        let mut left = if containers { ATTEMPTS } else { 1 };
        loop {
            left -= 1;
            match self.try_remove_image(name, names, containers) {
                // Somebody made another container of it meanwhile, which goes too.
                Err(error) if left > 0 && is_conflict(&error) => {}
                done => return done,
            }
        }
    }

    fn try_remove_image(&self, name: &str, names: bool, containers: bool) -> Result<Removed> {
        let store = ImageStore::new(&self.paths);
        if containers {
            self.remove_users(&store, name)?;
        }
        // Announced first: a kill from here on is noticed by the next command. It empties its trash after the lock.
        let collection = Collection::announce(&self.paths)?;
        let lock = store.lock()?;
        let users = usage::users(self)?;
        let mut of = |id: &str| {
            // What is mounted is in use, though no container says so.
            match self.image_mount(id)? {
                Some(_) if containers => drop(self.detach_image(id)?),
                Some(path) => {
                    let error = Error::conflict(format!("image {id} is mounted at {}", path.display()));
                    return Err(error.hint("unmount it first, or use --force").into());
                }
                None => {}
            }
            let users = users.get(id).map(Vec::as_slice).unwrap_or_default();
            Ok(users.iter().map(|user| user.as_str().to_owned()).collect())
        };
        let id = store.resolve_any(name)?.unwrap_or_default();
        let removed = store.remove(&lock, name, names, &mut of)?;
        removed.untagged.iter().for_each(|name| self.note_image("untag", &id, name));
        if let Some(id) = &removed.deleted {
            self.note_image("remove", id, removed.untagged.first().map_or("", String::as_str));
        }
        if removed.deleted.is_some() {
            // A damaged container may stand on any layer: its layers go once it is gone.
            if let Ok(used) = self.used_layers() {
                collection.collect(&lock, &used).context("remove what only the image used")?;
            }
        }
        drop(lock);
        drop(collection);
        Ok(removed)
    }

    /// Removes the containers of an image that is about to go. One that only loses a name keeps them.
    fn remove_users(&self, store: &ImageStore, name: &str) -> Result<()> {
        let Some(id) = store.resolve_any(name)? else { return Ok(()) };
        if store.names(&id)?.len() > 1 && !id.starts_with(name.strip_prefix("sha256:").unwrap_or(name)) {
            return Ok(());
        }
        for user in usage::users(self)?.remove(&id).unwrap_or_default() {
            self.remove_id(&user, RemoveRequest { force: true, timeout: None, volumes: false })
                .with_context(|| format!("remove container {}", Id::short(&user)))?;
        }
        Ok(())
    }

    /// Removes images without names, with `all` every image that no container uses; returns their ids. Without filters
    /// also the copies of layers that were made for user namespaces which no container has any more.
    pub(crate) fn prune_images(&self, all: bool, filters: &Filters) -> Result<Vec<String>> {
        // What killed commands left is unused too.
        self.heal_images()?;
        let mut removed = Vec::new();
        let found = self.images(filters)?;
        for image in found.images.into_iter().filter(|image| image.containers == 0) {
            if !all && !image.names.is_empty() {
                continue;
            }
            match self.remove_image(&image.record.id, all, false) {
                Ok(done) => removed.extend(done.deleted),
                // Somebody took it into use, or removed it, since it was listed.
                Err(error) if is_overtaken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if filters.iter().next().is_none() {
            self.prune_copies()?;
        }
        Ok(removed)
    }
}

fn is_overtaken(error: &anyhow::Error) -> bool {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(|error| error.kind);
    matches!(kind, Some(ErrorKind::Conflict | ErrorKind::NotFound))
}
