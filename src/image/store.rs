//! The images of the store: their records, their names, and what a name that a user types means.
//!
//! ```text
//! images/lock                      who changes images or names, or collects garbage
//! images/<id>.json                 a record an image; with it the image is there
//! images/lists/<id>.json           a record a list of images ([`super::index`]), which has names as images have
//! images/artifacts/<hash>.json     a record an artifact: see [`super::artifact`]
//! images/names/<hash>.json         a record a name; one whose image is gone counts as none
//! ```
//!
//! An image is added record first, names after; it is removed record first as well. So a kill in between leaves an image
//! without a name, or names of nothing, which every look-up passes over and the next change sweeps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::image::ImageConfiguration;

use super::manifest::{Config, DOCUMENT_MAX, Document, Manifest};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::image::{ArtifactRecord, ImageRecord, ListRecord, NameRecord};
use crate::model::reference::{DOCKER_HUB, IdPrefix, Reference};
use crate::state::lock::{Lock, Rank};
use crate::state::paths::{Paths, remove_file};
use crate::state::record::{self, Durability};
use crate::storage::content::Content;

/// The registry of names that were made here.
pub(crate) const LOCAL: &str = "localhost";

/// An image with its configuration, ready for a container.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) record: ImageRecord,
    pub(crate) config: ImageConfiguration,
    /// Docker's extras beside OCI's configuration.
    pub(crate) full: Config,
}

impl Image {
    /// The digest by which registries know it: that of the index where it came by one.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        Some(self.record.index.as_ref().unwrap_or(&self.record.manifest))
    }

    /// The chain ids of its layers (hex), the lowest first.
    pub(crate) fn chain_ids(&self) -> Vec<String> {
        self.record.layers.iter().map(|layer| layer.chain_id.hex().to_owned()).collect()
    }
}

/// A line of a listing: a record with its names.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) record: ImageRecord,
    pub(crate) names: Vec<String>,
}

/// What a listing found; a damaged record is told and hides no other (R43).
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) images: Vec<Listed>,
    /// Lists of images, with their names.
    pub(crate) lists: Vec<(ListRecord, Vec<String>)>,
    pub(crate) artifacts: Vec<ArtifactRecord>,
    pub(crate) damaged: Vec<anyhow::Error>,
}

/// What a removal did, in the order in which it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) untagged: Vec<String>,
    /// The id, when the image itself went.
    pub(crate) deleted: Option<String>,
}

/// The images of a store.
#[derive(Clone, Debug)]
pub(crate) struct ImageStore {
    pub(super) root: PathBuf,
    pub(super) content: Content,
}

impl ImageStore {
    pub(crate) fn new(paths: &Paths) -> Self {
        Self { root: paths.images(), content: Content::new(paths) }
    }

    /// Who changes images or names, or collects garbage, holds this.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::exclusive(Rank::Images, &self.root.join("lock"))
    }

    /// Held for a look at several files of one image: nobody removes it meanwhile.
    fn lock_shared(&self) -> Result<Lock> {
        Lock::shared(Rank::Images, &self.root.join("lock"))
    }

    /// Whether the image with the whole id `id` is there. Who removes images counts the containers that are on record, so for
    /// one that was recorded before this call it stays.
    pub(crate) fn keeps(&self, id: &str) -> Result<bool> {
        let _lock = self.lock_shared()?;
        Ok(self.record_path(id).exists())
    }

    /// The image that `typed` means, whole; `None` where there is none.
    pub(crate) fn look(&self, typed: &str) -> Result<Option<Image>> {
        let _lock = self.lock_shared()?;
        self.resolve(typed)?.map(|id| self.open(&id)).transpose()
    }

    pub(super) fn record_path(&self, id: &str) -> PathBuf {
        self.root.join(format!("{id}.json"))
    }

    fn name_path(&self, name: &str) -> PathBuf {
        self.root.join("names").join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }

    /// The record of the image with the whole id `id`.
    pub(crate) fn record(&self, id: &str) -> Result<Option<ImageRecord>> {
        record::read(&self.record_path(id))
    }

    /// The id that a full name has, if its image is there.
    pub(super) fn named(&self, name: &str) -> Result<Option<String>> {
        let Some(found) = record::read::<NameRecord>(&self.name_path(name))? else { return Ok(None) };
        let there = self.record_path(&found.id).exists() || self.list_path(&found.id).exists();
        Ok((found.name == name && there).then_some(found.id))
    }

    /// The ids of all images.
    pub(crate) fn ids(&self) -> Result<Vec<String>> {
        Self::ids_in(&self.root)
    }

    /// The ids of which `dir` has records.
    pub(super) fn ids_in(dir: &Path) -> Result<Vec<String>> {
        let listing = || format!("list {}", dir.display());
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(dir).with_context(listing)? {
            let name = entry.with_context(listing)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            ids.extend(id.filter(|id| id.len() == 64 && !id.starts_with('.')).map(str::to_owned));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// All names, each with its image's id; unreadable ones are told.
    fn all_names(&self, damaged: &mut Vec<anyhow::Error>) -> Result<BTreeMap<String, String>> {
        let dir = self.root.join("names");
        let listing = || format!("list {}", dir.display());
        let mut names = BTreeMap::new();
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
            done => done.with_context(listing)?,
        };
        for entry in entries {
            let path = entry.with_context(listing)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match record::read::<NameRecord>(&path) {
                Ok(Some(found)) => drop(names.insert(found.name, found.id)),
                Ok(None) => {}
                Err(error) => damaged.push(error),
            }
        }
        Ok(names)
    }

    /// What is wrong with the records of names.
    pub(crate) fn name_damage(&self) -> Result<Vec<anyhow::Error>> {
        let mut damaged = Vec::new();
        self.all_names(&mut damaged)?;
        Ok(damaged)
    }

    /// Removes records of names that cannot be read. The lock is held.
    pub(crate) fn remove_damaged_names(&self, _lock: &Lock) -> Result<()> {
        let dir = self.root.join("names");
        let Ok(entries) = std::fs::read_dir(&dir) else { return Ok(()) };
        for entry in entries {
            let path = entry.with_context(|| format!("list {}", dir.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && record::read::<NameRecord>(&path).is_err()
            {
                remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Every image with its names.
    pub(crate) fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, id) in self.all_names(&mut listing.damaged)? {
            by_id.entry(id).or_default().push(name);
        }
        for id in self.ids()? {
            match self.record(&id) {
                Ok(Some(record)) => {
                    listing.images.push(Listed { record, names: by_id.remove(&id).unwrap_or_default() });
                }
                Ok(None) => {}
                Err(error) => listing.damaged.push(error),
            }
        }
        for id in self.list_ids()? {
            match self.list_record(&id) {
                Ok(Some(record)) => listing.lists.push((record, by_id.remove(&id).unwrap_or_default())),
                Ok(None) => {}
                Err(error) => listing.damaged.push(error),
            }
        }
        for id in self.artifact_ids()? {
            match self.artifact_record(&id) {
                Ok(record) => listing.artifacts.extend(record),
                Err(error) => listing.damaged.push(error),
            }
        }
        Ok(listing)
    }

    /// The names of image `id`, sorted. Every name that it ever had is in its record's history, so that others' are not
    /// read; only where the record cannot be read all are.
    pub(crate) fn names(&self, id: &str) -> Result<Vec<String>> {
        let Ok(Some(record)) = self.record(id) else {
            let names = self.all_names(&mut Vec::new())?;
            return Ok(names.into_iter().filter(|(_, owner)| owner == id).map(|(name, _)| name).collect());
        };
        let mut names = Vec::new();
        for name in record.history {
            // A damaged name counts as none, as in a listing.
            if self.named(&name).is_ok_and(|owner| owner.as_deref() == Some(id)) {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The full name by which `typed` finds image `id`; `None` when that is an id or the end of a name.
    pub(crate) fn name_of(&self, id: &str, typed: &str) -> Result<Option<String>> {
        for name in meanings(typed) {
            if self.named(&name)?.as_deref() == Some(id) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The full name by which `typed` finds image `id`; its first name or the id when that is an id.
    pub(crate) fn display_name(&self, id: &str, typed: &str) -> Result<String> {
        if let Some(name) = self.name_of(id, typed)? {
            return Ok(name);
        }
        Ok(self.names(id)?.into_iter().next().unwrap_or_else(|| id.to_owned()))
    }

    /// The id of the image that `typed` means: a full or short name, a repository's digest, an id or the beginning of one.
    /// Of a list it is the image for this machine.
    pub(crate) fn resolve(&self, typed: &str) -> Result<Option<String>> {
        match self.resolve_any(typed)? {
            Some(id) if self.list_path(&id).exists() => self.serving(&id),
            found => Ok(found),
        }
    }

    /// The same, of a list its own.
    pub(crate) fn resolve_any(&self, typed: &str) -> Result<Option<String>> {
        if typed.is_empty() {
            return Ok(None);
        }
        for name in meanings(typed) {
            if let Some(id) = self.named(&name)? {
                return Ok(Some(id));
            }
        }
        if let Some(prefix) = IdPrefix::parse(typed) {
            let all = self.ids()?.into_iter().chain(self.list_ids()?);
            let found: Vec<String> = all.filter(|id| prefix.matches(id)).collect();
            match found.as_slice() {
                [] => {}
                [_] => return Ok(found.into_iter().next()),
                _ => {
                    let message = format!("{typed:?} is the beginning of {} image ids", found.len());
                    return Err(Error::conflict(message).hint(found.join(", ")).into());
                }
            }
        }
        self.resolve_loosely(typed)
    }

    /// The last ways: a digest that a registry gave, or the end of a longer name.
    fn resolve_loosely(&self, typed: &str) -> Result<Option<String>> {
        let Ok(reference) = typed.parse::<Reference>() else { return Ok(None) };
        let listing = self.list()?;
        let wanted = meanings(typed);
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for Listed { record, names } in &listing.images {
            if reference.digest().is_some() {
                if let Some(known) = record.repo_digests.iter().find(|known| wanted.contains(known)) {
                    found.insert(record.id.clone(), known.clone());
                }
            } else if reference.is_short() {
                let end = format!("/{}:{}", reference.path(), reference.tag().unwrap_or("latest"));
                if let Some(name) = names.iter().find(|name| name.ends_with(&end)) {
                    found.insert(record.id.clone(), name.clone());
                }
            }
        }
        if reference.is_short() && reference.digest().is_none() {
            let end = format!("/{}:{}", reference.path(), reference.tag().unwrap_or("latest"));
            for (list, names) in &listing.lists {
                if let Some(name) = names.iter().find(|name| name.ends_with(&end)) {
                    found.insert(list.id.clone(), name.clone());
                }
            }
        }
        if found.len() > 1 {
            let names: Vec<String> = found.into_values().collect();
            return Err(Error::conflict(format!("{typed}: several images have such a name"))
                .hint(format!("give one in full: {}", names.join(", ")))
                .into());
        }
        Ok(found.into_keys().next())
    }

    /// Finds the image that `typed` means, whole.
    pub(crate) fn find(&self, typed: &str) -> Result<Image> {
        self.look(typed)?.ok_or_else(|| unknown(typed).into())
    }

    /// Opens the image with the whole id `id`.
    pub(crate) fn open(&self, id: &str) -> Result<Image> {
        let record = self.record(id)?.ok_or_else(|| unknown(id))?;
        let bytes = self.content.document(&record.config, DOCUMENT_MAX)?;
        let full = Config::parse(&bytes).with_context(|| format!("read the configuration of image {id}"))?;
        Ok(Image { id: record.id.clone(), config: full.image.clone(), full, record })
    }

    /// The manifest of an image, as it came, and parsed.
    pub(crate) fn manifest(&self, record: &ImageRecord) -> Result<(Vec<u8>, Manifest)> {
        let bytes = self.content.document(&record.manifest, DOCUMENT_MAX)?;
        match Document::parse(&bytes, None)? {
            Document::Manifest(manifest) => Ok((bytes, manifest)),
            Document::Index(_) => Err(Error::state(format!("image {} has no manifest", record.id)).into()),
        }
    }

    /// The configuration of an image, as it came.
    pub(crate) fn config_bytes(&self, record: &ImageRecord) -> Result<Vec<u8>> {
        self.content.document(&record.config, DOCUMENT_MAX)
    }

    /// Adds an image or joins what is known of it, then gives it `names` (taken from other images). Durable. The lock is
    /// held, and layers and blobs are published.
    pub(crate) fn add(&self, _lock: &Lock, mut image: ImageRecord, names: &[String]) -> Result<()> {
        let mut is_new = false;
        match self.record(&image.id) {
            Ok(Some(known)) => {
                image.stored = known.stored;
                image.repo_digests.extend(known.repo_digests);
                image.repo_digests.sort_unstable();
                image.repo_digests.dedup();
                image.history = known.history;
            }
            Ok(None) => is_new = true,
            // A damaged record is replaced by what was just verified; its names are still there.
            Err(_) => image.history = self.names(&image.id)?,
        }
        // The newest name is the first.
        for name in names {
            image.history.retain(|known| known != name);
            image.history.insert(0, name.clone());
        }
        // A free name of a new image comes first: whoever is killed between leaves a name of nothing, which is swept, and no
        // image without a name. Another image keeps a name that it has until this one is there.
        let (taken, free): (Vec<_>, Vec<_>) = names.iter().partition(|name| !is_new || self.name_path(name).exists());
        let added = free.iter().try_for_each(|name| self.give(&image.id, name));
        let added = added.and_then(|()| record::write(&self.record_path(&image.id), &image, Durability::Synced));
        if added.is_err() {
            // The first error is the one to tell; what this cannot undo is swept.
            free.iter().for_each(|name| drop(self.take(name)));
        }
        added?;
        taken.into_iter().try_for_each(|name| self.give(&image.id, name))
    }

    /// Gives a full name to an image; who had it loses it. Durable. The lock is held.
    pub(super) fn give(&self, id: &str, name: &str) -> Result<()> {
        let path = self.name_path(name);
        self.prepare(&path)?;
        let name = NameRecord {
            version: record::VERSION,
            name: name.to_owned(),
            id: id.to_owned(),
            unknown: serde_json::Map::new(),
        };
        record::write(&path, &name, Durability::Synced)
    }

    /// Makes the directory of a record, where there is none yet.
    pub(super) fn prepare(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let Some(dir) = path.parent().filter(|dir| !dir.is_dir()) else { return Ok(()) };
        std::fs::DirBuilder::new().mode(0o700).create(dir).with_context(|| format!("create {}", dir.display()))?;
        record::sync_parent(dir).with_context(|| format!("sync {}", self.root.display()))
    }

    /// Takes a full name away. Durable. The lock is held.
    pub(super) fn take(&self, name: &str) -> Result<()> {
        let path = self.name_path(name);
        record::heal(&path).with_context(|| format!("untag {name}"))?;
        remove_file(&path).and_then(|()| record::sync_parent(&path)).with_context(|| format!("untag {name}"))
    }

    /// Gives the image that `typed` means another name, and returns that in full.
    pub(crate) fn tag(&self, typed: &str, name: &str) -> Result<String> {
        let full = full_name(name)?;
        let lock = self.lock()?;
        let id = self.resolve_any(typed)?.ok_or_else(|| unknown(typed))?;
        if self.list_path(&id).exists() {
            self.give(&id, &full)?;
            return Ok(full);
        }
        let image = self.record(&id)?.ok_or_else(|| unknown(typed))?;
        self.add(&lock, image, std::slice::from_ref(&full))?;
        Ok(full)
    }

    /// Takes names from the image that `typed` means; without `names` all of them.
    pub(crate) fn untag(&self, typed: &str, names: &[String]) -> Result<Vec<String>> {
        let _lock = self.lock()?;
        let id = self.resolve_any(typed)?.ok_or_else(|| unknown(typed))?;
        let own = self.names(&id)?;
        let mut taken = Vec::new();
        if names.is_empty() {
            taken.clone_from(&own);
        }
        for name in names {
            let full = meanings(name).into_iter().find(|full| own.contains(full));
            taken.push(full.ok_or_else(|| Error::not_found(format!("{name}: tag not known")))?);
        }
        for name in &taken {
            self.take(name)?;
        }
        Ok(taken)
    }

    /// Removes what `typed` means, by podman's rules: one of several names is only untagged; an id with several names, or
    /// an image that containers use, needs `force`. `users` gives the containers of an image. What the image alone used
    /// stays for the garbage collection that the caller owes. The lock is held.
    pub(crate) fn remove(
        &self,
        _lock: &Lock,
        typed: &str,
        force: bool,
        users: &mut dyn FnMut(&str) -> Result<Vec<String>>,
    ) -> Result<Removed> {
        let id = self.resolve_any(typed)?.ok_or_else(|| unknown(typed))?;
        let names = self.names(&id)?;
        let by_name = meanings(typed).into_iter().find(|name| names.contains(name));
        let by_id = by_name.is_none() && IdPrefix::parse(typed).is_some_and(|prefix| prefix.matches(&id));
        if let Some(name) = by_name.filter(|_| names.len() > 1) {
            self.take(&name)?;
            return Ok(Removed { untagged: vec![name], deleted: None });
        }
        if by_id && names.len() > 1 && !force {
            let message = format!(
                "unable to delete image \"{id}\" by ID with more than one tag ([{}]): please force removal",
                names.join(" ")
            );
            return Err(Error::conflict(message).into());
        }
        if let Some(user) = users(&id)?.first() {
            let message = format!(
                "image used by {user}: image is in use by a container: consider listing external containers and \
                 force-removing image"
            );
            return Err(Error::conflict(message).hint("remove its containers first, or use --force").into());
        }
        self.delete(&id, names)
    }

    /// Removes the image, list or artifact `id` whatever names it has. The lock is held.
    pub(crate) fn delete(&self, id: &str, names: Vec<String>) -> Result<Removed> {
        let others = [self.list_path(id), self.artifact_path(id)];
        let path = others.into_iter().find(|path| path.exists()).unwrap_or_else(|| self.record_path(id));
        record::heal(&path).with_context(|| format!("remove image {id}"))?;
        remove_file(&path).and_then(|()| record::sync_parent(&path)).with_context(|| format!("remove image {id}"))?;
        for name in &names {
            self.take(name)?;
        }
        Ok(Removed { untagged: names, deleted: Some(id.to_owned()) })
    }

    /// Removes names whose images are gone, and the temporary files of killed writers. The lock is held.
    pub(crate) fn sweep(&self, _lock: &Lock) -> Result<()> {
        let mut ids = self.ids()?;
        ids.extend(self.list_ids()?);
        for (name, id) in self.all_names(&mut Vec::new())? {
            if !ids.contains(&id) {
                self.take(&name)?;
            }
        }
        for dir in [self.root.clone(), self.root.join("names"), self.root.join("lists"), self.root.join("artifacts")] {
            let Ok(entries) = std::fs::read_dir(&dir) else { continue };
            for entry in entries {
                let path = entry.with_context(|| format!("list {}", dir.display()))?.path();
                let temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
                if path.file_name().and_then(|name| name.to_str()).is_some_and(temporary) {
                    remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
                }
            }
        }
        Ok(())
    }
}

/// podman's words for an image that is not there.
pub(crate) fn unknown(typed: &str) -> Error {
    Error::not_found(format!("{}: image not known", typed.escape_debug()))
}

/// The full name that a new tag gets: a short one belongs to `localhost`, without a tag it is `latest`.
pub(crate) fn full_name(name: &str) -> Result<String> {
    let reference: Reference = name.parse()?;
    if reference.digest().is_some() {
        return Err(Error::invalid(format!("{}: a digest cannot be given as a name", name.escape_debug())).into());
    }
    Ok(text(&reference.qualified(LOCAL)?.or_latest()))
}

/// The full names that `typed` may mean here, the likeliest first.
pub(super) fn meanings(typed: &str) -> Vec<String> {
    let Ok(reference) = typed.parse::<Reference>() else { return Vec::new() };
    let reference = reference.or_latest();
    if !reference.is_short() {
        return vec![text(&reference)];
    }
    [LOCAL, DOCKER_HUB].iter().filter_map(|domain| Some(text(&reference.qualified(domain).ok()?))).collect()
}

/// A reference as records spell it; of tag and digest the digest counts.
pub(crate) fn text(reference: &Reference) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => format!("{}@{digest}", reference.name()),
        (None, Some(tag)) => format!("{}:{tag}", reference.name()),
        (None, None) => reference.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::tree;
    use jiff::Timestamp;

    struct Scratch(PathBuf, ImageStore);

    impl Scratch {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("dhow-store-{}-{name}", std::process::id()));
            let paths = Paths::new(root.join("data"), root.join("run"));
            paths.prepare().unwrap();
            Self(root, ImageStore::new(&paths))
        }

        fn add(&self, seed: &str, names: &[&str]) -> String {
            let digest = Digest::of(seed.as_bytes());
            let record = ImageRecord {
                version: 1,
                id: digest.hex().to_owned(),
                config: digest.clone(),
                manifest: Digest::of(format!("manifest of {seed}").as_bytes()),
                index: None,
                repo_digests: vec![format!("docker.io/library/{seed}@{digest}")],
                history: Vec::new(),
                layers: Vec::new(),
                os: "linux".into(),
                architecture: "amd64".into(),
                variant: None,
                created: None,
                stored: Timestamp::UNIX_EPOCH,
                unknown: serde_json::Map::new(),
            };
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            self.1.add(&self.1.lock().unwrap(), record, &names).unwrap();
            digest.hex().to_owned()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            tree::remove_path(&self.0).unwrap();
        }
    }

    #[test]
    fn finds_by_every_kind_of_name() {
        let scratch = Scratch::new("find");
        let store = &scratch.1;
        let a = scratch.add("a", &["docker.io/library/busybox:latest", "quay.io/x/tool:1"]);
        let b = scratch.add("b", &["localhost/mine:latest", "quay.io/y/other:latest"]);
        let digest = format!("busybox@{}", Digest::of(b"nothing"));
        for (typed, want) in [
            ("busybox", Some(&a)),
            ("busybox:latest", Some(&a)),
            ("library/busybox", Some(&a)),
            ("docker.io/busybox", Some(&a)),
            ("docker.io/library/busybox:latest", Some(&a)),
            ("busybox:1", None),
            ("tool:1", Some(&a)),
            ("tool", None),
            ("x/tool:1", Some(&a)),
            ("mine", Some(&b)),
            ("localhost/mine", Some(&b)),
            ("other", Some(&b)),
            (&a[..12], Some(&a)),
            (&format!("sha256:{b}"), Some(&b)),
            (&format!("a@sha256:{a}"), Some(&a)),
            (&digest, None),
            ("", None),
            ("Not A Name", None),
        ] {
            assert_eq!(store.resolve(typed).unwrap().as_ref(), want, "{typed}");
        }
        let error = store.find("none").unwrap_err().to_string();
        assert_eq!(error, "none: image not known");
        scratch.add("c", &["ghcr.io/z/other:latest"]);
        let error = store.resolve("other").unwrap_err();
        assert!(format!("{error:#}").contains("several images"), "{error:#}");
    }

    #[test]
    fn names_move_and_images_go_by_podmans_rules() {
        let scratch = Scratch::new("rules");
        let store = &scratch.1;
        let a = scratch.add("a", &["localhost/one:latest"]);
        let b = scratch.add("b", &["localhost/one:latest", "localhost/two:v2"]);
        assert_eq!(store.resolve("one").unwrap().as_ref(), Some(&b));
        assert_eq!(store.names(&a).unwrap(), [""; 0]);
        assert_eq!(store.tag(&a, "three").unwrap(), "localhost/three:latest");
        assert!(store.tag(&a, "three@sha256:x").is_err());
        let lock = store.lock().unwrap();
        let remove = |typed: &str, force, users: &[&str]| {
            let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
            store.remove(&lock, typed, force, &mut |_| Ok(users.clone()))
        };
        let error = remove(&b[..20], false, &[]).unwrap_err().to_string();
        assert!(error.ends_with("(2 tags): please force removal") || error.contains("more than one tag"), "{error}");
        let untagged = Removed { untagged: vec!["localhost/one:latest".into()], deleted: None };
        assert_eq!(remove("one", false, &["c1"]).unwrap(), untagged, "only a name: users do not matter");
        let error = remove("two:v2", true, &["c1"]).unwrap_err().to_string();
        assert!(error.starts_with("image used by c1: image is in use by a container"), "{error}");
        let removed = remove("two:v2", false, &[]).unwrap();
        assert_eq!(removed, Removed { untagged: vec!["localhost/two:v2".into()], deleted: Some(b) });
        assert!(remove("two:v2", false, &[]).is_err());
        drop(lock);
        assert_eq!(store.untag("three", &[]).unwrap(), ["localhost/three:latest"]);
        assert_eq!(store.list().unwrap().images.len(), 1);
    }

    #[test]
    fn damage_is_local() {
        let scratch = Scratch::new("damage");
        let store = &scratch.1;
        scratch.add("a", &["localhost/a:latest"]);
        let b = scratch.add("b", &["localhost/b:latest"]);
        std::fs::write(store.record_path(&b), "{torn").unwrap();
        let listing = store.list().unwrap();
        assert_eq!((listing.images.len(), listing.damaged.len()), (1, 1));
        assert!(store.find("b").unwrap_err().to_string().contains("is damaged"));
        std::fs::write(store.name_path("localhost/x:latest"), "{").unwrap();
        std::fs::remove_file(store.record_path(&b)).unwrap();
        std::fs::write(scratch.0.join("data/images/.x.json.tmp"), "left").unwrap();
        store.sweep(&store.lock().unwrap()).unwrap();
        assert!(!store.name_path("localhost/b:latest").exists());
        assert!(!scratch.0.join("data/images/.x.json.tmp").exists());
        assert_eq!(store.resolve("a").unwrap().map(|id| id.len()), Some(64));
    }
}
