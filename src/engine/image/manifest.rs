//! Lists of images: put together in the store, looked at, sent to a registry.

use anyhow::{Context as _, Result};

use super::interrupt::Guard;
use super::login::Access;
use super::progress::PullProgress;
use super::push::{Wish, written};
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::convert::{Family, Packing};
use crate::image::index;
use crate::image::manifest::{Compression, DOCKER_LIST, Document, IndexEntry, OCI_INDEX};
use crate::image::push::{self, Prepared, Written};
use crate::image::registry::client::{Client, Resolved};
use crate::image::registry::mirror;
use crate::image::store::{self, ImageStore};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::{Instance, ListRecord};
use crate::model::platform::Platform;
use crate::model::reference::{DOCKER_HUB, Reference, Source};
use crate::storage::content::Content;
use crate::storage::staging::Staging;
use crate::sys::cancel::Cancel;

pub(crate) use crate::image::index::Edit;

/// The document that a name means.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) bytes: Vec<u8>,
    /// It is an index, not the manifest of one image.
    pub(crate) is_index: bool,
}

impl Engine {
    /// Makes an empty list, with `amend` also where there is one; returns its id.
    pub(crate) fn create_list(&self, name: &str, amend: bool) -> Result<String> {
        // By its lease it is known that somebody was killed here, and that there may be something to take away.
        let _lease = Staging::new(&self.paths)?;
        ImageStore::new(&self.paths).create_list(name, amend)
    }

    /// Whether `name` means a list of the store.
    pub(crate) fn list_exists(&self, name: &str) -> Result<bool> {
        let store = ImageStore::new(&self.paths);
        let Some(id) = store.resolve_any(name)? else { return Ok(false) };
        Ok(store.list_record(&id)?.is_some())
    }

    /// Adds what `image` means to a list: an image of the store, else what a registry has; with `all` every image of an
    /// index. Returns the list's id.
    pub(crate) fn add_to_list(
        &self,
        list: &str,
        image: &str,
        all: bool,
        edit: &Edit,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<String> {
        self.heal_images()?;
        let store = ImageStore::new(&self.paths);
        store.find_list(list)?;
        let source: Source = image.parse()?;
        if let Source::Registry { reference, explicit } = &source
            && (*explicit || all || store.look(image)?.is_none())
        {
            return self.add_from_registry(list, reference, all, edit, options);
        }
        let image = match &source {
            Source::Registry { .. } => store.find(image)?,
            // An archive is not kept: its image comes into the store, without a name.
            other => self.image_from_archive(other, options, progress)?,
        };
        let _lease = Staging::new(&self.paths)?;
        let lock = store.lock()?;
        let record = store.record(&image.id)?.ok_or_else(|| store::unknown(&image.id))?;
        let mut instance = store.instance(&record)?;
        edit.apply(&mut instance);
        store.change_list(&lock, list, |list| list.put(instance))
    }

    fn add_from_registry(
        &self,
        list: &str,
        name: &Reference,
        all: bool,
        edit: &Edit,
        options: &RegistryOptions,
    ) -> Result<String> {
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let mut found: Vec<(Instance, Vec<u8>)> = Vec::new();
            // All of an index is wanted whether or not any of it serves this machine.
            let whole = match all {
                true => Some(first_known(&access, name, |name| client.document(name))?),
                false => None,
            };
            let name = match whole {
                Some((name, (_, Document::Index(index)))) => {
                    for entry in &index.manifests {
                        let one = name.with_digest(entry.descriptor.digest.clone());
                        let one = client.resolve(&one, &Platform::host())?;
                        self.admit_fetched(&client, &name, &one)?;
                        found.push((index::instance_of(entry, &one.manifest_bytes, &one.manifest), one.manifest_bytes));
                    }
                    name
                }
                _ => {
                    let (name, resolved) = resolve(&access, &client, name, &Platform::host())?;
                    self.admit_fetched(&client, &name, &resolved)?;
                    let instance = match chosen_entry(&resolved)? {
                        Some(entry) => index::instance_of(&entry, &resolved.manifest_bytes, &resolved.manifest),
                        None => {
                            let config = client.fetch_bytes(&resolved, &resolved.manifest.config)?;
                            let platform = index::platform_of(&config);
                            index::instance(&resolved.manifest_bytes, &resolved.manifest, &platform)
                        }
                    };
                    found.push((instance, resolved.manifest_bytes));
                    name
                }
            };
            let (content, staging) = (Content::new(&self.paths), Staging::new(&self.paths)?);
            staging.protect(found.iter().map(|(instance, _)| instance.digest.as_str()))?;
            let mut staged = Vec::new();
            for (_, bytes) in &found {
                staged.extend(content.stage(staging.dir(), bytes)?);
            }
            for document in &staged {
                document.sync()?;
            }
            let store = ImageStore::new(&self.paths);
            let lock = store.lock()?;
            content.publish(&staged)?;
            store.change_list(&lock, list, |list| {
                for (mut instance, _) in found {
                    instance.origin = Some(name.name());
                    edit.apply(&mut instance);
                    list.put(instance)?;
                }
                Ok(())
            })
        };
        guard.outcome(work())
    }

    /// Changes what a list says of an image of it; returns the list's id.
    pub(crate) fn annotate_list(&self, list: &str, image: &str, edit: &Edit) -> Result<String> {
        let _lease = Staging::new(&self.paths)?;
        let store = ImageStore::new(&self.paths);
        // Before the lock: to find an image takes it too.
        let digest = instance_digest(&store, image)?;
        let lock = store.lock()?;
        store.change_list(&lock, list, |list| {
            let instance = list.instances.iter_mut().find(|instance| instance.digest == digest);
            let instance = instance.ok_or_else(|| {
                Error::not_found(format!(
                    "no Docker manifest matching digest \"{digest}\" was found in list: no image instance matching the \
                     specified digest was found in the list or index"
                ))
            })?;
            edit.apply(instance);
            Ok(())
        })
    }

    /// Takes an image from a list; returns the list's id. What only it kept goes.
    pub(crate) fn remove_from_list(&self, list: &str, digest: &str) -> Result<String> {
        let digest: Digest = digest.parse()?;
        let store = ImageStore::new(&self.paths);
        let collection = crate::image::gc::Collection::announce(&self.paths)?;
        let lock = store.lock()?;
        let id = store.change_list(&lock, list, |record| {
            let before = record.instances.len();
            record.instances.retain(|instance| instance.digest != digest);
            if record.instances.len() == before {
                let message = format!(
                    "removing from manifest list {list}: no instance matching digest \"{digest}\" found in manifest list: \
                     file does not exist"
                );
                return Err(Error::not_found(message).into());
            }
            Ok(())
        })?;
        if let Ok(used) = self.used_layers() {
            collection.collect(&lock, &used).context("remove what only the list kept")?;
        }
        Ok(id)
    }

    /// Removes a list by any of its names, like an image.
    pub(crate) fn remove_list(&self, name: &str) -> Result<store::Removed> {
        ImageStore::new(&self.paths).find_list(name)?;
        self.remove_image(name, true, false)
    }

    /// The document of a list of the store, else that of a registry.
    pub(crate) fn list_document(&self, name: &str, options: &RegistryOptions) -> Result<Shown> {
        let store = ImageStore::new(&self.paths);
        let source: Source = name.parse()?;
        let Source::Registry { reference, explicit } = &source else {
            return Err(
                Error::unsupported(format!("{name}: only lists of the store and of registries are shown")).into()
            );
        };
        if !*explicit && self.list_exists(name)? {
            return Ok(Shown { bytes: store.find_list(name)?.document()?, is_index: true });
        }
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let (_, (bytes, document)) = first_known(&access, reference, |name| client.document(name))?;
            Ok(Shown { bytes, is_index: matches!(document, Document::Index(_)) })
        };
        guard.outcome(work())
    }

    /// Sends a list to a registry, with `all` its images before it; returns the digest of the index.
    pub(crate) fn push_list(
        &self,
        name: &str,
        destination: &str,
        all: bool,
        wish: Wish,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        self.heal_images()?;
        let list = ImageStore::new(&self.paths).find_list(name)?;
        let place: Source = destination.parse()?;
        let Source::Registry { reference, .. } = &place else {
            return self
                .write_list(&list, &place, all, wish, options)
                .with_context(|| format!("pushing {name} to {destination}"));
        };
        let target = reference.qualified(DOCKER_HUB)?.or_latest();
        let guard = Guard::new()?;
        let mut work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            let packing = wish.packing.map_or_else(|| Packing::new(Compression::Gzip, None), Ok)?;
            let wish = Wish { packing: Some(packing), ..wish };
            let mut instances = list.instances.clone();
            for (at, instance) in instances.iter_mut().enumerate().filter(|_| all) {
                let image = self.prepare_instance(&access, &client, instance, wish, &guard.cancel)?;
                instance.digest = Digest::of(&image.manifest_bytes);
                instance.size = image.manifest_bytes.len() as u64;
                instance.media_type.clone_from(&image.manifest.media_type);
                let place = target.with_digest(instance.digest.clone());
                push::push(&self.paths, &client, &image, &place, progress)
                    .with_context(|| format!("copying image {}/{} from manifest list", at + 1, list.instances.len()))?;
            }
            let docker = match wish.format {
                Some(family) => family == Family::Docker,
                None => index::is_dockers(&instances),
            };
            let bytes = index::document(&instances, docker)?;
            push::push_index(&client, &target, if docker { DOCKER_LIST } else { OCI_INDEX }, &bytes)
                .with_context(|| format!("pushing {name} to docker://{}", store::text(&target)))
        };
        guard.outcome(work())
    }

    /// Writes a list to a layout, archive or directory, with `all` its images before it.
    fn write_list(
        &self,
        list: &ListRecord,
        place: &Source,
        all: bool,
        wish: Wish,
        options: &RegistryOptions,
    ) -> Result<Digest> {
        let (place, names) = written(place, Vec::new())?;
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let client = access.client(&guard.cancel)?;
            // A layout has no other manifests.
            let oci = matches!(place, Written::OciArchive(_) | Written::Layout(_));
            let wish = if oci { Wish { format: Some(Family::Oci), ..wish } } else { wish };
            let (mut instances, mut images) = (list.instances.clone(), Vec::new());
            for (at, instance) in instances.iter_mut().enumerate().filter(|_| all) {
                let image = self
                    .prepare_instance(&access, &client, instance, wish, &guard.cancel)
                    .with_context(|| format!("copying image {}/{} from manifest list", at + 1, list.instances.len()))?;
                instance.digest = Digest::of(&image.manifest_bytes);
                instance.size = image.manifest_bytes.len() as u64;
                instance.media_type.clone_from(&image.manifest.media_type);
                images.push(image);
            }
            let docker = match wish.format {
                Some(family) => family == Family::Docker,
                None => index::is_dockers(&instances),
            };
            push::write_list(&images, &index::document(&instances, docker)?, place, &names)
        };
        guard.outcome(work())
    }

    /// The image of an instance, from the store where that has it whole, else from its registry.
    fn prepare_instance(
        &self,
        access: &Access,
        client: &Client,
        instance: &Instance,
        wish: Wish,
        stop: &Cancel,
    ) -> Result<Prepared> {
        let kept = push::prepare_kept(&self.paths, instance, wish, stop);
        let Some(origin) = &instance.origin else { return kept };
        match kept {
            Ok(image) => Ok(image),
            // Only its manifest is here.
            Err(_) if stop.is_cancelled() => kept,
            Err(_) => {
                let name = origin.parse::<Reference>()?.with_digest(instance.digest.clone());
                let (name, resolved) = resolve(access, client, &name, &Platform::host())?;
                self.admit_fetched(client, &name, &resolved)?;
                push::prepare_fetched(&self.paths, client, &resolved, &name, wish, stop)
            }
        }
    }
}

/// The first of the full names that `name` may have which a registry knows, and what it is there.
pub(super) fn resolve(
    access: &Access,
    client: &Client,
    name: &Reference,
    platform: &Platform,
) -> Result<(Reference, Resolved)> {
    first_known(access, name, |candidate| client.resolve(candidate, platform))
}

/// The first of the full names that `name` may have for which `ask` is answered, and the answer.
fn first_known<T>(access: &Access, name: &Reference, ask: impl Fn(&Reference) -> Result<T>) -> Result<(Reference, T)> {
    let candidates = mirror::candidates(&access.config, name)?;
    let mut failed = None;
    for candidate in &candidates.names {
        let candidate = candidate.or_latest();
        match ask(&candidate) {
            Ok(answer) => return Ok((candidate, answer)),
            Err(error) => {
                let text = store::text(&candidate);
                failed = Some(
                    error.context(format!("setting up to read manifest and configuration from \"docker://{text}\"")),
                );
            }
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "no registry to ask").into()))
}

/// What an index says of the manifest that was chosen of it; nothing where there was no index.
fn chosen_entry(resolved: &Resolved) -> Result<Option<IndexEntry>> {
    let Some(bytes) = &resolved.index else { return Ok(None) };
    Ok(match Document::parse(bytes, None)? {
        Document::Index(index) => {
            index.manifests.into_iter().find(|entry| entry.descriptor.digest == resolved.manifest_digest)
        }
        Document::Manifest(_) => None,
    })
}

/// The digest of an instance, given as such or by an image of the store.
fn instance_digest(store: &ImageStore, text: &str) -> Result<Digest> {
    if let Ok(digest) = text.parse() {
        return Ok(digest);
    }
    Ok(store.find(text.strip_prefix("containers-storage:").unwrap_or(text))?.record.manifest)
}
