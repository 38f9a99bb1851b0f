//! `image copy`, between any two places, and a look at images where they are. Only what comes from or goes to
//! `containers-storage:` has to do with the store; blobs on their way are staged beside it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::archive::SPOOL;
use super::interrupt::Guard;
use super::manifest::{Shown, resolve};
use super::progress::PullProgress;
use super::push::{SignRequest, Wish, without, written};
use crate::engine::Engine;
use crate::engine::request::{PullPolicy, RegistryOptions};
use crate::image::archive;
use crate::image::archive::image::{Archived, select};
use crate::image::archive::tree::Tree;
use crate::image::convert::{Family, Packing};
use crate::image::manifest::{Compression, Config, Document, Manifest};
use crate::image::push::{self, Prepared};
use crate::image::registry::client::{Client, Resolved};
use crate::image::sign::{self, Signers};
use crate::image::store::{self, ImageStore};
use crate::image::trust::verify::{Found, Signatures, Subject};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;
use crate::model::reference::{DOCKER_HUB, Reference, Source};
use crate::sys::cancel::Cancel;

/// What of an image is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What is known of it.
    Summary,
    /// Its manifest or index, as it is.
    Raw,
    /// Its configuration, as it is.
    Config,
}

/// How an image is copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopyRequest {
    /// Every image of an index, and the index.
    pub(crate) all: bool,
    pub(crate) wish: Wish,
    /// The signatures that the copy gets.
    pub(crate) sign: SignRequest,
    /// The signatures that the image has are left out.
    pub(crate) remove_signatures: bool,
    /// How the source and the destination are reached.
    pub(crate) from: RegistryOptions,
    pub(crate) to: RegistryOptions,
}

impl Engine {
    /// Copies an image; returns the digest of its manifest or index there.
    pub(crate) fn copy_image(
        &self,
        from: &str,
        to: &str,
        request: &CopyRequest,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        let (source, destination): (Source, Source) = (from.parse()?, to.parse()?);
        if let Source::Storage { name } = &destination {
            return self.copy_in(&source, from, name, request, progress);
        }
        if let Source::Storage { name } = &source {
            return self.push_image(name, Some(to), request.wish, &request.to, &request.sign, progress);
        }
        let signers = Signers::open(&request.sign)?;
        match &destination {
            Source::Registry { reference, .. } => {
                signers.check(&reference.qualified(DOCKER_HUB)?.or_latest(), self.privilege.is_rootless())?;
            }
            _ => without(&signers, to)?,
        }
        let guard = Guard::new()?;
        let mut work = || {
            if request.all {
                if !signers.is_empty() {
                    return Err(Error::unsupported("images of an index are not signed").into());
                }
                return self.copy_all(&source, &destination, request, &guard.cancel, progress);
            }
            let wish = shaped(request.wish, &source, &destination)?;
            let passes = |subject: &Subject<'_>| if request.remove_signatures { Ok(None) } else { passed(subject) };
            let (image, found) = match &source {
                Source::Registry { reference, .. } => {
                    let access = self.registries(&request.from)?;
                    let client = access.client(&guard.cancel)?;
                    let platform = request.from.platform.clone().unwrap_or_else(Platform::host);
                    let (name, resolved) = resolve(&access, &client, reference, &platform)?;
                    self.admit_fetched(&client, &name, &resolved)?;
                    let found = passes(&self.subject_of(&client, &name, &resolved))?;
                    (push::prepare_fetched(&self.paths, &client, &resolved, &name, wish, &guard.cancel)?, found)
                }
                other => {
                    let archived = self.archived(other, &request.from, &guard.cancel)?;
                    let digest = Digest::of(&archived.manifest_bytes);
                    let found = match other {
                        Source::Dir { path } => passes(&Subject {
                            name: None,
                            manifest: &archived.manifest_bytes,
                            digest: &digest,
                            signatures: Signatures::Directory(Path::new(path)),
                        })?,
                        _ => None,
                    };
                    (push::prepare_archived(&self.paths, &archived, wish, &guard.cancel)?, found)
                }
            };
            let found = found.map(|(digest, found)| keeps(&image, &digest, &destination, to).map(|()| found));
            let found = found.transpose()?;
            self.deliver(&image, &destination, &request.to, (&signers, found.as_ref()), &guard.cancel, progress)
                .with_context(|| format!("copying {from} to {to}"))
        };
        guard.outcome(work())
    }

    /// Copies into the store.
    fn copy_in(
        &self,
        source: &Source,
        from: &str,
        name: &str,
        request: &CopyRequest,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        if request.all {
            return Err(Error::unsupported("the store keeps the image of one platform, not all of an index").into());
        }
        store::full_name(name)?;
        let image = match source {
            Source::Registry { reference, .. } => {
                let name = format!("docker://{reference}");
                self.ensure_image(&name, PullPolicy::Always, &request.from, progress)?
            }
            Source::Storage { name } => ImageStore::new(&self.paths).find(name)?,
            other => self.image_from_archive(other, &request.from, progress)?,
        };
        let store = ImageStore::new(&self.paths);
        store.tag(&image.id, name).with_context(|| format!("copying {from} to containers-storage:{name}"))?;
        Ok(image.record.manifest)
    }

    /// Copies an index with all its images, from registry to registry, as they are.
    fn copy_all(
        &self,
        source: &Source,
        destination: &Source,
        request: &CopyRequest,
        stop: &Cancel,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        let Source::Registry { reference: from, .. } = source else {
            return Err(Error::unsupported("all images of an index are copied from registries only").into());
        };
        if request.wish != Wish::default() {
            return Err(Error::unsupported("images of an index are copied as they are").into());
        }
        let Source::Registry { reference: to, .. } = destination else {
            return self.copy_all_out(from, destination, request, stop);
        };
        let to = to.qualified(DOCKER_HUB)?.or_latest();
        let (access, target) = (self.registries(&request.from)?, self.registries(&request.to)?);
        let (reader, writer) = (access.client(stop)?, target.client(stop)?);
        let host = Platform::host();
        let (name, resolved) = resolve(&access, &reader, from, &host)?;
        let mut copy = |one: &Reference, place: &Reference| {
            let resolved = reader.resolve(one, &host)?;
            self.admit_fetched(&reader, &name, &resolved)?;
            let found =
                if request.remove_signatures { None } else { passed(&self.subject_of(&reader, &name, &resolved))? };
            let image = push::prepare_fetched(&self.paths, &reader, &resolved, one, Wish::default(), stop)?;
            let digest = push::push(&self.paths, &writer, &image, place, progress)?;
            if let Some((_, found)) = &found {
                sign::put(&self.paths, &writer, &to, &digest, self.privilege.is_rootless(), found)?;
            }
            Ok(digest)
        };
        let Some(bytes) = &resolved.index else { return copy(&name, &to) };
        let Document::Index(index) = Document::parse(bytes, None)? else {
            return Err(Error::state("the index is not one").into());
        };
        for (at, entry) in index.manifests.iter().enumerate() {
            let digest = &entry.descriptor.digest;
            copy(&name.with_digest(digest.clone()), &to.with_digest(digest.clone()))
                .with_context(|| format!("copying image {}/{} from manifest list", at + 1, index.manifests.len()))?;
        }
        push::push_index(&writer, &to, &index.media_type, bytes)
    }

    /// The same into a layout, an archive or a directory.
    fn copy_all_out(
        &self,
        from: &Reference,
        destination: &Source,
        request: &CopyRequest,
        stop: &Cancel,
    ) -> Result<Digest> {
        let (place, names) = written(destination, Vec::new())?;
        let access = self.registries(&request.from)?;
        let reader = access.client(stop)?;
        let host = Platform::host();
        let (name, resolved) = resolve(&access, &reader, from, &host)?;
        let prepare = |one: &Reference| {
            let resolved = reader.resolve(one, &host)?;
            self.admit_fetched(&reader, &name, &resolved)?;
            push::prepare_fetched(&self.paths, &reader, &resolved, one, Wish::default(), stop)
        };
        let Some(bytes) = &resolved.index else { return push::write(&prepare(&name)?, place, &names) };
        let Document::Index(index) = Document::parse(bytes, None)? else {
            return Err(Error::state("the index is not one").into());
        };
        let mut images = Vec::new();
        for (at, entry) in index.manifests.iter().enumerate() {
            let image = prepare(&name.with_digest(entry.descriptor.digest.clone()));
            images.push(
                image.with_context(|| {
                    format!("copying image {}/{} from manifest list", at + 1, index.manifests.len())
                })?,
            );
        }
        push::write_list(&images, bytes, place, &names)
    }

    /// Brings a prepared image to where it goes.
    fn deliver(
        &self,
        image: &Prepared,
        destination: &Source,
        options: &RegistryOptions,
        (signers, found): (&Signers, Option<&Found>),
        stop: &Cancel,
        progress: &mut dyn PullProgress,
    ) -> Result<Digest> {
        if let Source::Registry { reference, .. } = destination {
            let reference = reference.qualified(DOCKER_HUB)?.or_latest();
            let client = self.registries(options)?.client(stop)?;
            let digest = push::push(&self.paths, &client, image, &reference, progress)?;
            if let Some(found) = found {
                sign::put(&self.paths, &client, &reference, &digest, self.privilege.is_rootless(), found)
                    .with_context(|| format!("copy signatures to docker://{}", store::text(&reference)))?;
            }
            self.sign_pushed(signers, &client, &reference, &digest)?;
            return Ok(digest);
        }
        let (place, names) = written(destination, Vec::new())?;
        let digest = push::write(image, place, &names)?;
        if let (Some(found), Source::Dir { path }) = (found, destination) {
            sign::put_into(Path::new(path), found)?;
        }
        Ok(digest)
    }

    /// What a registry has, for who looks for its signatures.
    fn subject_of<'a>(&self, client: &'a Client, name: &'a Reference, resolved: &'a Resolved) -> Subject<'a> {
        Subject {
            name: Some(name),
            manifest: &resolved.manifest_bytes,
            digest: &resolved.manifest_digest,
            signatures: Signatures::Registry { client, rootless: self.privilege.is_rootless() },
        }
    }

    /// The image of an archive or directory.
    fn archived(&self, source: &Source, options: &RegistryOptions, stop: &Cancel) -> Result<Archived> {
        let (path, selector, transport) =
            super::archive::located(source).ok_or_else(|| Error::invalid("not an archive of images"))?;
        let tree = Tree::open(Path::new(path), &self.paths.tmp(), SPOOL, stop)?;
        super::archive::admit(&tree, Path::new(path), Some(transport))?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        select(archive::read(&tree, &platform)?, selector)
    }

    /// Looks at an image where it is.
    pub(crate) fn look_at_image(&self, name: &str, look: Look, options: &RegistryOptions) -> Result<Shown> {
        let source: Source = name.parse()?;
        let guard = Guard::new()?;
        let work = || {
            let (manifest_bytes, manifest, config, index, about) = match &source {
                Source::Registry { reference, .. } => {
                    let access = self.registries(options)?;
                    let client = access.client(&guard.cancel)?;
                    let platform = options.platform.clone().unwrap_or_else(Platform::host);
                    let (name, resolved) = resolve(&access, &client, reference, &platform)?;
                    let config = client.fetch_bytes(&resolved, &resolved.manifest.config)?;
                    let mut about = Map::new();
                    if look == Look::Summary {
                        about.insert("Name".to_owned(), name.name().into());
                        about.insert("Digest".to_owned(), resolved.digest.to_string().into());
                        about.insert("RepoTags".to_owned(), client.tags(&name)?.into());
                    }
                    (resolved.manifest_bytes, resolved.manifest, config, resolved.index, about)
                }
                Source::Storage { name } => {
                    let store = ImageStore::new(&self.paths);
                    let image = store.find(name)?;
                    let (bytes, manifest) = store.manifest(&image.record)?;
                    (bytes, manifest, store.config_bytes(&image.record)?, None, Map::new())
                }
                other => {
                    let image = self.archived(other, options, &guard.cancel)?;
                    (image.manifest_bytes, image.manifest, image.config_bytes, None, Map::new())
                }
            };
            let is_index = index.is_some();
            let bytes = match look {
                Look::Raw => index.unwrap_or(manifest_bytes),
                Look::Config => config,
                Look::Summary => {
                    let summary = summary(about, &manifest_bytes, &manifest, &config)?;
                    serde_json::to_vec(&summary).context("write what is known of the image")?
                }
            };
            Ok(Shown { bytes, is_index })
        };
        guard.outcome(work())
    }
}

/// The signatures of an image that is copied, where it has some, with the digest that they are of.
fn passed(subject: &Subject<'_>) -> Result<Option<(Digest, Found)>> {
    let found = subject.found().context("read the signatures of the image")?;
    Ok(Some((subject.digest.clone(), found)).filter(|(_, found)| !found.is_empty()))
}

/// Whether signatures of `digest` can go with the image: it stays what it was, and its place has room for them.
fn keeps(image: &Prepared, digest: &Digest, destination: &Source, to: &str) -> Result<()> {
    let hint = "--remove-signatures leaves them out";
    if !matches!(destination, Source::Registry { .. } | Source::Dir { .. }) {
        let message = format!("Can not copy signatures to {to}: Storing signatures there is not supported");
        return Err(Error::unsupported(message).hint(hint).into());
    }
    if Digest::of(&image.manifest_bytes) != *digest {
        let message =
            "Copying this image would require changing layer representation, which is not possible (image is signed)";
        return Err(Error::unsupported(message).hint(hint).into());
    }
    Ok(())
}

/// What the copy is to be: a layout has only OCI's manifests, and what goes from a file over a wire is packed.
fn shaped(wish: Wish, source: &Source, destination: &Source) -> Result<Wish> {
    let wired = matches!(destination, Source::Registry { .. }) && !matches!(source, Source::Registry { .. });
    let packing = match wish.packing {
        None if wired => Some(Packing::new(Compression::Gzip, None)?),
        packing => packing,
    };
    let oci = matches!(destination, Source::OciArchive { .. } | Source::OciLayout { .. });
    Ok(Wish { format: if oci { Some(Family::Oci) } else { wish.format }, packing, ..wish })
}

/// What is known of an image, in skopeo's shape.
fn summary(mut about: Map<String, Value>, bytes: &[u8], manifest: &Manifest, config: &[u8]) -> Result<Value> {
    let whole: Value = serde_json::from_slice(config).context("parse the configuration")?;
    let parsed = Config::parse(config)?;
    about.entry("Digest").or_insert_with(|| Digest::of(bytes).to_string().into());
    about.entry("RepoTags").or_insert_with(|| json!([]));
    let inner = &whole["config"];
    let layers: Vec<Value> = manifest
        .layers
        .iter()
        .map(|layer| json!({"MIMEType": layer.media_type, "Digest": layer.digest, "Size": layer.size, "Annotations": null}))
        .collect();
    let text = |key: &str| whole.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (key, value) in [
        ("Created", whole.get("created").cloned().unwrap_or(Value::Null)),
        ("DockerVersion", text("docker_version").into()),
        ("Labels", inner.get("Labels").cloned().unwrap_or(Value::Null)),
        ("Architecture", parsed.platform.architecture.into()),
        ("Os", parsed.platform.os.into()),
        ("Layers", manifest.layers.iter().map(|layer| layer.digest.to_string()).collect::<Vec<_>>().into()),
        ("LayersData", layers.into()),
        ("Env", inner.get("Env").cloned().unwrap_or(Value::Null)),
    ] {
        about.insert(key.to_owned(), value);
    }
    Ok(Value::Object(about))
}
