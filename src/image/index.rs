//! Lists of images in the store: indexes that are put together here, a manifest for each platform, and then pushed.
//!
//! A list is a record (`images/lists/<id>.json`), not a blob: it changes, and its document is made when somebody asks for
//! it. Names belong to lists as to images. What an instance keeps is reachable for the garbage collection: of an image that
//! was in the store everything that it was packed of, so that the list can be pushed when the image is gone; of one in a
//! registry only the manifest, and its layers are copied from there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::manifest::{
    Config, DOCKER_LIST, DOCKER_MANIFEST, DOCUMENT_MAX, Document, INDEX_MAX, IndexEntry, Manifest, OCI_INDEX,
};
use super::store::{ImageStore, full_name, unknown};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::{ImageRecord, Instance, ListRecord};
use crate::model::platform::Platform;
use crate::state::lock::Lock;
use crate::state::record::{self, Durability};

/// What a user says of an instance; what is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) architecture: Option<String>,
    pub(crate) features: Vec<String>,
    pub(crate) os: Option<String>,
    pub(crate) os_features: Vec<String>,
    pub(crate) os_version: Option<String>,
    pub(crate) variant: Option<String>,
}

impl Edit {
    /// Changes what is said.
    pub(crate) fn apply(&self, instance: &mut Instance) {
        instance.annotations.extend(self.annotations.iter().cloned());
        if let Some(os) = &self.os {
            instance.os.clone_from(os);
        }
        if let Some(architecture) = &self.architecture {
            instance.architecture.clone_from(architecture);
        }
        for (old, new) in [(&mut instance.variant, &self.variant), (&mut instance.os_version, &self.os_version)] {
            if let Some(new) = new {
                *old = Some(new.clone()).filter(|text| !text.is_empty());
            }
        }
        for (old, new) in [(&mut instance.features, &self.features), (&mut instance.os_features, &self.os_features)] {
            if !new.is_empty() {
                old.clone_from(new);
            }
        }
    }
}

impl ListRecord {
    /// Takes an instance in; one with the same digest gives way.
    pub(crate) fn put(&mut self, instance: Instance) -> Result<()> {
        self.instances.retain(|known| known.digest != instance.digest);
        self.instances.push(instance);
        if self.instances.len() > INDEX_MAX {
            bail!(Error::invalid(format!("a list has at most {INDEX_MAX} images")));
        }
        Ok(())
    }

    /// The document as it stands, in compact JSON.
    pub(crate) fn document(&self) -> Result<Vec<u8>> {
        document(&self.instances, is_dockers(&self.instances))
    }
}

/// Whether nothing of a list needs OCI's format.
pub(crate) fn is_dockers(instances: &[Instance]) -> bool {
    instances.iter().all(|instance| instance.annotations.is_empty() && instance.media_type == DOCKER_MANIFEST)
}

/// An index of these instances, in Docker's or OCI's words.
pub(crate) fn document(instances: &[Instance], docker: bool) -> Result<Vec<u8>> {
    let manifests: Vec<Value> = instances.iter().map(|instance| line(instance, docker)).collect();
    let media_type = if docker { DOCKER_LIST } else { OCI_INDEX };
    serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}))
        .context("write the index")
}

fn line(instance: &Instance, docker: bool) -> Value {
    let mut platform = json!({"architecture": instance.architecture, "os": instance.os});
    let mut say = |key: &str, value: Value| platform[key] = value;
    if let Some(version) = &instance.os_version {
        say("os.version", version.clone().into());
    }
    if !instance.os_features.is_empty() {
        say("os.features", instance.os_features.clone().into());
    }
    if let Some(variant) = &instance.variant {
        say("variant", variant.clone().into());
    }
    if docker && !instance.features.is_empty() {
        say("features", instance.features.clone().into());
    }
    let mut line = json!({
        "mediaType": instance.media_type,
        "size": instance.size,
        "digest": instance.digest,
        "platform": platform,
    });
    if !docker && !instance.annotations.is_empty() {
        line["annotations"] = json!(instance.annotations);
    }
    line
}

/// An instance of the manifest with these bytes, for the platform of its configuration.
pub(crate) fn instance(bytes: &[u8], manifest: &Manifest, platform: &Platform) -> Instance {
    Instance {
        media_type: manifest.media_type.clone(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        os_version: None,
        os_features: Vec::new(),
        features: Vec::new(),
        annotations: BTreeMap::new(),
        keeps: vec![Digest::of(bytes)],
        origin: None,
        unknown: serde_json::Map::new(),
    }
}

/// The same of a line of somebody else's index.
pub(crate) fn instance_of(entry: &IndexEntry, bytes: &[u8], manifest: &Manifest) -> Instance {
    let platform = entry.platform.clone().unwrap_or_else(|| Platform::new("unknown", "unknown", None));
    Instance { annotations: entry.annotations.iter().cloned().collect(), ..instance(bytes, manifest, &platform) }
}

impl ImageStore {
    pub(super) fn list_path(&self, id: &str) -> PathBuf {
        self.root.join("lists").join(format!("{id}.json"))
    }

    /// The record of the list with the whole id `id`.
    pub(crate) fn list_record(&self, id: &str) -> Result<Option<ListRecord>> {
        record::read(&self.list_path(id))
    }

    /// The ids of all lists.
    pub(crate) fn list_ids(&self) -> Result<Vec<String>> {
        let dir = self.root.join("lists");
        match dir.is_dir() {
            true => Self::ids_in(&dir),
            // Made with the first.
            false => Ok(Vec::new()),
        }
    }

    /// The image of the store that serves this machine from the list `id`.
    pub(super) fn serving(&self, id: &str) -> Result<Option<String>> {
        let Some(list) = self.list_record(id)? else { return Ok(None) };
        let host = Platform::host();
        let offered = |one: &Instance| Platform::new(&one.os, &one.architecture, one.variant.as_deref());
        let best = list.instances.iter().filter_map(|one| Some((host.rank(&offered(one))?, one)));
        let Some((_, best)) = best.min_by_key(|(rank, _)| *rank) else { return Ok(None) };
        for id in self.ids()? {
            if self.record(&id).is_ok_and(|record| record.is_some_and(|record| record.manifest == best.digest)) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The list that `typed` means.
    pub(crate) fn find_list(&self, typed: &str) -> Result<ListRecord> {
        let id = self.resolve_any(typed)?.ok_or_else(|| unknown(typed))?;
        match self.list_record(&id)? {
            Some(list) => Ok(list),
            None => {
                let name = self.display_name(&id, typed)?;
                Err(Error::invalid(format!("{name}: image is not a manifest list")).into())
            }
        }
    }

    /// Makes an empty list of this name, which must be free; with `amend` the list that has it. Returns its id.
    pub(crate) fn create_list(&self, name: &str, amend: bool) -> Result<String> {
        let full = full_name(name)?;
        let lock = self.lock()?;
        // Each list has a file of its own: what a killed writer left would be written over by nobody.
        self.sweep(&lock)?;
        if let Some(id) = self.named(&full)? {
            if amend {
                return Ok(self.find_list(&full)?.id);
            }
            let message = format!(
                "creating image to hold manifest list: image name \"{full}\" is already associated with image \
                 \"{id}\": that name is already in use"
            );
            return Err(Error::new(ErrorKind::Conflict, message).into());
        }
        let random = crate::sys::random::bytes().context("get random bytes")?;
        let list = ListRecord {
            version: record::VERSION,
            id: random.iter().map(|byte| format!("{byte:02x}")).collect(),
            instances: Vec::new(),
            created: Timestamp::now(),
            unknown: serde_json::Map::new(),
        };
        // The name first: one of nothing is swept, a list without a name would stay.
        self.give(&list.id, &full)?;
        match self.write_list(&lock, &list) {
            Ok(()) => Ok(list.id),
            Err(error) => {
                // The first error is the one to tell; what this cannot undo is swept.
                drop(self.take(&full));
                Err(error)
            }
        }
    }

    /// Changes the list that `typed` means, under the lock; returns its id.
    pub(crate) fn change_list(
        &self,
        lock: &Lock,
        typed: &str,
        change: impl FnOnce(&mut ListRecord) -> Result<()>,
    ) -> Result<String> {
        let mut list = self.find_list(typed)?;
        change(&mut list)?;
        self.write_list(lock, &list)?;
        Ok(list.id)
    }

    fn write_list(&self, _lock: &Lock, list: &ListRecord) -> Result<()> {
        let path = self.list_path(&list.id);
        self.prepare(&path)?;
        record::write(&path, list, Durability::Synced)
    }

    /// The instance that an image of the store makes; it keeps all that the image is packed of.
    pub(crate) fn instance(&self, image: &ImageRecord) -> Result<Instance> {
        let (bytes, manifest) = self.manifest(image)?;
        let platform = Platform::new(&image.os, &image.architecture, image.variant.as_deref());
        let mut instance = instance(&bytes, &manifest, &platform);
        instance.keeps.push(image.config.clone());
        instance.keeps.extend(image.layers.iter().map(|layer| layer.digest.clone()));
        instance.keeps.sort_unstable();
        instance.keeps.dedup();
        Ok(instance)
    }

    /// The manifest of an instance, as it came, and parsed.
    pub(crate) fn instance_manifest(&self, instance: &Instance) -> Result<(Vec<u8>, Manifest)> {
        let bytes = self.content.document(&instance.digest, DOCUMENT_MAX)?;
        match Document::parse(&bytes, Some(&instance.media_type))? {
            Document::Manifest(manifest) => Ok((bytes, manifest)),
            Document::Index(_) => Err(Error::unsupported("an index inside of an index is not supported").into()),
        }
    }
}

/// The platform that a configuration says; of what is no image, nothing known.
pub(crate) fn platform_of(config: &[u8]) -> Platform {
    Config::parse(config).map_or_else(|_| Platform::new("unknown", "unknown", None), |config| config.platform)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::OCI_MANIFEST;

    fn sample(media_type: &str) -> Instance {
        let bytes = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}"}}"#);
        let config = json!({"mediaType": "x", "digest": Digest::of(b""), "size": 0});
        let manifest = Manifest {
            media_type: media_type.to_owned(),
            config: serde_json::from_value(config).unwrap(),
            layers: Vec::new(),
        };
        instance(bytes.as_bytes(), &manifest, &Platform::new("linux", "arm", Some("v6")))
    }

    #[test]
    fn an_index_is_dockers_only_where_nothing_would_be_lost() {
        let mut docker = sample(DOCKER_MANIFEST);
        assert!(is_dockers(&[]) && is_dockers(std::slice::from_ref(&docker)));
        assert!(!is_dockers(&[docker.clone(), sample(OCI_MANIFEST)]));
        Edit { features: vec!["sse".into()], os_version: Some("10".into()), ..Edit::default() }.apply(&mut docker);
        let read: Value = serde_json::from_slice(&document(std::slice::from_ref(&docker), true).unwrap()).unwrap();
        let platform = &read["manifests"][0]["platform"];
        assert_eq!(
            *platform,
            json!({"architecture": "arm", "os": "linux", "os.version": "10", "variant": "v6", "features": ["sse"]})
        );
        Edit { annotations: vec![("a".into(), "b".into())], ..Edit::default() }.apply(&mut docker);
        assert!(!is_dockers(std::slice::from_ref(&docker)));
        let bytes = document(&[docker], false).unwrap();
        let Document::Index(index) = Document::parse(&bytes, Some(OCI_INDEX)).unwrap() else { panic!("manifest") };
        assert_eq!(index.manifests[0].annotation("a"), Some("b"));
        assert_eq!(index.pick(&"linux/arm/v7".parse().unwrap()).unwrap().descriptor.media_type, DOCKER_MANIFEST);
    }

    #[test]
    fn an_edit_changes_only_what_it_says() {
        let mut one = sample(OCI_MANIFEST);
        let before = one.clone();
        Edit::default().apply(&mut one);
        assert_eq!(one, before);
        let edit = Edit { architecture: Some("arm64".into()), variant: Some(String::new()), ..Edit::default() };
        edit.apply(&mut one);
        assert_eq!((one.os.as_str(), one.architecture.as_str(), one.variant.as_deref()), ("linux", "arm64", None));
    }
}
