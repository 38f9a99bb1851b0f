//! Images from archives and into archives.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::interrupt::Guard;
use super::progress::PullProgress;
use super::pull::policy;
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::archive;
use crate::image::archive::image::{Archived, select};
use crate::image::archive::tree::Tree;
use crate::image::load::{self, Loaded};
use crate::image::manifest::DOCUMENT_MAX;
use crate::image::save::Saved;
use crate::image::store::{self, Image, ImageStore};
use crate::image::trust::verify::{Signatures, Subject};
use crate::image::{import, save};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;
use crate::model::reference::Source;

pub(crate) use crate::image::import::ImportOptions;
pub(crate) use crate::image::save::Format;

/// The largest archive that is spooled, unpacked.
pub(super) const SPOOL: u64 = 256 << 30;

/// Where an archive comes from.
#[derive(Debug)]
pub(crate) enum Input {
    /// A file, a pipe or a directory.
    Path(PathBuf),
    /// Standard input.
    Stream(File),
}

impl Engine {
    /// Takes all images of an archive into the store.
    pub(crate) fn load_images(&self, input: Input, progress: &mut dyn PullProgress) -> Result<Vec<Loaded>> {
        self.heal_images()?;
        let guard = Guard::new()?;
        let work = || {
            let (tree, name) = match input {
                Input::Path(path) => {
                    (Tree::open(&path, &self.paths.tmp(), SPOOL, &guard.cancel)?, path.display().to_string())
                }
                Input::Stream(file) => {
                    let tree = Tree::from_file(file, &self.paths.tmp(), SPOOL, &guard.cancel)
                        .context("read standard input")?;
                    (tree, "/dev/stdin".to_owned())
                }
            };
            admit(&tree, Path::new(&name), None)?;
            let target = self.image_target(guard.cancel.clone());
            let images = archive::read(&tree, &Platform::host())?;
            if images.is_empty() {
                return Err(Error::invalid(format!("archive {name} has no image")).into());
            }
            let mut all = Vec::with_capacity(images.len());
            for image in &images {
                let loaded = load::load(&target, image, progress)?;
                self.note_image("loadfromarchive", &loaded.id, &name);
                progress.stored(&loaded.id);
                all.push(loaded);
            }
            Ok(all)
        };
        guard.outcome(work())
    }

    /// The image that a name with a transport means, in the store.
    pub(super) fn image_from_archive(
        &self,
        source: &Source,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<Image> {
        let store = ImageStore::new(&self.paths);
        let (path, selector, transport) = match (located(source), source) {
            (Some(found), _) => found,
            (None, Source::Storage { name }) => return store.find(name),
            (None, Source::Registry { reference, .. }) => return store.find(&reference.to_string()),
            (None, _) => return Err(Error::invalid("no archive of images").into()),
        };
        self.heal_images()?;
        let guard = Guard::new()?;
        let mut work = || {
            let tree = Tree::open(Path::new(path), &self.paths.tmp(), SPOOL, &guard.cancel)?;
            admit(&tree, Path::new(path), Some(transport))?;
            let platform = options.platform.clone().unwrap_or_else(Platform::host);
            let image: Archived = select(archive::read(&tree, &platform)?, selector)?;
            let target = self.image_target(guard.cancel.clone());
            let loaded = load::load(&target, &image, progress)?;
            self.note_image("loadfromarchive", &loaded.id, path);
            progress.stored(&loaded.id);
            store.open(&loaded.id)
        };
        guard.outcome(work())
    }

    /// Those of `names` that are images, and others than `first` is.
    pub(crate) fn other_images<'a>(&self, first: &str, names: &'a [String]) -> Result<Vec<&'a String>> {
        let store = ImageStore::new(&self.paths);
        let Some(id) = store.resolve(first)? else { return Ok(Vec::new()) };
        let mut others = Vec::new();
        for name in names {
            if store.resolve(name)?.is_some_and(|other| other != id) {
                others.push(name);
            }
        }
        Ok(others)
    }

    /// Writes images to `out`. With `several` each name is an image, else the names after the first are its tags too.
    pub(crate) fn save_images(
        &self,
        names: &[String],
        several: bool,
        format: Format,
        out: &mut dyn Write,
    ) -> Result<()> {
        let store = ImageStore::new(&self.paths);
        let mut images: Vec<Saved> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if index > 0 && !several {
                if let Some(first) = images.first_mut() {
                    first.names.push(store::full_name(name)?);
                }
                continue;
            }
            let image = store.find(name)?;
            // Who asks by id gets no name.
            let shown: Vec<String> = store.name_of(&image.id, name)?.into_iter().collect();
            match images.iter_mut().find(|saved| saved.id == image.id) {
                Some(saved) => saved.names.extend(shown),
                None => images.push(Saved { id: image.id, names: shown }),
            }
        }
        for image in &mut images {
            let mut seen = std::collections::BTreeSet::new();
            image.names.retain(|name| seen.insert(name.clone()));
        }
        save::save(&self.paths, &images, format, out)?;
        for image in &images {
            self.note_image("save", &image.id, image.names.first().map_or("", String::as_str));
        }
        Ok(())
    }

    /// Makes an image of one layer from the tar of a file system; returns its id.
    pub(crate) fn import_image(&self, source: File, options: &ImportOptions) -> Result<String> {
        self.heal_images()?;
        let guard = Guard::new()?;
        let target = self.image_target(guard.cancel.clone());
        let id = guard.outcome(import::import(&target, source, options))?;
        self.note_image("import", &id, "");
        Ok(id)
    }
}

/// Asks the policy for what `tree`, read from `path`, is, and for the transport by which it was `named`.
///
/// The path is the real one, since a scope is: a link or `..` would lead around a scope.
pub(super) fn admit(tree: &Tree, path: &Path, named: Option<&'static str>) -> Result<()> {
    let policy = policy()?;
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = real.to_str().ok_or_else(|| Error::invalid(format!("{}: not UTF-8", real.display())))?;
    let found = archive::transport(tree, real.is_dir())?;
    for transport in named.into_iter().chain((named != Some(found)).then_some(found)) {
        let demand = policy.check(transport, name)?;
        if demand.is_met() {
            continue;
        }
        let (manifest, signatures) = match transport {
            "dir" => (tree.need("manifest.json", DOCUMENT_MAX)?, Signatures::Directory(&real)),
            _ => (Vec::new(), Signatures::None),
        };
        let subject = Subject { name: None, manifest: &manifest, digest: &Digest::of(&manifest), signatures };
        demand.verify(&subject).context("Source image rejected")?;
    }
    Ok(())
}

/// Path, selector and transport of an archive or directory; `None` where a place is neither.
pub(super) fn located(source: &Source) -> Option<(&str, Option<&str>, &'static str)> {
    match source {
        Source::DockerArchive { path, selector } => Some((path, selector.as_deref(), "docker-archive")),
        Source::OciArchive { path, selector } => Some((path, selector.as_deref(), "oci-archive")),
        Source::OciLayout { path, selector } => Some((path, selector.as_deref(), "oci")),
        Source::Dir { path } => Some((path, None, "dir")),
        Source::Registry { .. } | Source::Storage { .. } => None,
    }
}
