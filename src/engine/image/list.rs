//! The images of the store for people: listed, chosen by filters, pruned.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use jiff::Timestamp;

use super::pattern;
use super::usage;
use crate::engine::Engine;
use crate::image::store::{ImageStore, Listed};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::filter::Filters;
use crate::model::image::{ImageRecord, ListRecord};
use crate::model::time::{self, Direction};

/// What lists and prunes choose by.
const FILTERS: [&str; 12] = [
    "after",
    "before",
    "containers",
    "dangling",
    "digest",
    "id",
    "intermediate",
    "label",
    "readonly",
    "reference",
    "since",
    "until",
];

/// An image in a listing.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) record: ImageRecord,
    /// Full names with tags.
    pub(crate) names: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// How many containers use it, if that was asked for.
    pub(crate) containers: usize,
    /// Bytes of its layers; of a list those of its document.
    pub(crate) size: u64,
}

impl Summary {
    /// The digest by which registries know it.
    pub(crate) fn digest(&self) -> String {
        self.record.index.as_ref().unwrap_or(&self.record.manifest).to_string()
    }

    /// `repository@digest`: what registries said, and the same for every name.
    pub(crate) fn repo_digests(&self) -> Vec<String> {
        repo_digests(&self.record, &self.names)
    }

    /// When it was made; an image that does not say is as old as its arrival.
    pub(crate) fn created(&self) -> Timestamp {
        self.record.created.unwrap_or(self.record.stored)
    }
}

/// `repository@digest` of an image, for the repositories that it still has a name in.
pub(crate) fn repo_digests(record: &ImageRecord, names: &[String]) -> Vec<String> {
    let digest = record.index.as_ref().unwrap_or(&record.manifest);
    let named = |known: &&String| names.iter().any(|name| pattern::repository(name) == pattern::repository(known));
    let mut all: BTreeSet<String> = record.repo_digests.iter().filter(named).cloned().collect();
    all.extend(names.iter().map(|name| format!("{}@{digest}", pattern::repository(name))));
    all.into_iter().collect()
}

/// A listing; damage is local and hides no other image.
#[derive(Debug, Default)]
pub(crate) struct Summaries {
    pub(crate) images: Vec<Summary>,
    pub(crate) damaged: Vec<anyhow::Error>,
}

impl Engine {
    /// The images that the filters let pass, the newest first, with how many containers use each.
    pub(crate) fn images(&self, filters: &Filters) -> Result<Summaries> {
        self.list_images(filters, true)
    }

    /// The same; who does not ask for `users`, and chooses by none, spares the records of all containers.
    pub(crate) fn list_images(&self, filters: &Filters, users: bool) -> Result<Summaries> {
        if let Some((key, _)) = filters.iter().find(|(key, _)| !FILTERS.contains(key)) {
            return Err(Error::invalid(format!("unsupported image filter \"{key}\"")).into());
        }
        // What a killed pull left; a list is not the place to fail for it.
        drop(self.heal_images());
        let store = ImageStore::new(&self.paths);
        let listing = store.list()?;
        let users = if users || !filters.of("containers").is_empty() { usage::users(self)? } else { BTreeMap::new() };
        let mut found = Summaries { images: Vec::new(), damaged: listing.damaged };
        for Listed { record, names } in listing.images {
            let containers = users.get(&record.id).map_or(0, Vec::len);
            let labels = match store.open(&record.id) {
                Ok(image) => labels(&image.config),
                Err(error) => {
                    found.damaged.push(error);
                    BTreeMap::new()
                }
            };
            let size = record.size();
            found.images.push(Summary { record, names, labels, containers, size });
        }
        for (list, names) in listing.lists {
            let document = list.document()?;
            let (record, size) = (of_list(&list, &document), document.len() as u64);
            found.images.push(Summary { record, names, labels: BTreeMap::new(), containers: 0, size });
        }
        let choice = Choice::new(&store, filters)?;
        found.images.retain(|image| choice.passes(image));
        found.images.sort_by(|a, b| b.created().cmp(&a.created()).then_with(|| a.record.id.cmp(&b.record.id)));
        Ok(found)
    }
}

/// A list among images: it has no layers, and is for no platform.
fn of_list(list: &ListRecord, document: &[u8]) -> ImageRecord {
    let digest = Digest::of(document);
    ImageRecord {
        version: list.version,
        id: list.id.clone(),
        config: digest.clone(),
        manifest: digest,
        index: None,
        repo_digests: Vec::new(),
        history: Vec::new(),
        layers: Vec::new(),
        os: String::new(),
        architecture: String::new(),
        variant: None,
        created: Some(list.created),
        stored: list.created,
        unknown: serde_json::Map::new(),
    }
}

/// The labels that a configuration has.
pub(crate) fn labels(config: &oci_spec::image::ImageConfiguration) -> BTreeMap<String, String> {
    config.config().as_ref().and_then(|config| config.labels().clone()).unwrap_or_default().into_iter().collect()
}

/// Filters whose values were read and found to be valid.
struct Choice<'a> {
    filters: &'a Filters,
    /// Key, and the moment that it means.
    moments: Vec<(&'a str, Timestamp)>,
    /// The images that `reference` values name outright.
    named: BTreeMap<&'a str, String>,
}

impl<'a> Choice<'a> {
    fn new(store: &ImageStore, filters: &'a Filters) -> Result<Self> {
        let now = Timestamp::now();
        let (mut moments, mut named) = (Vec::new(), BTreeMap::new());
        for condition in filters.of("until") {
            moments.push(("until", time::parse_moment(&condition.value, now, Direction::Back)?));
        }
        for key in ["after", "before", "since"] {
            for condition in filters.of(key) {
                let record = store.find(&condition.value)?.record;
                moments.push((key, record.created.unwrap_or(record.stored)));
            }
        }
        for key in ["dangling", "intermediate", "readonly"] {
            for condition in filters.of(key) {
                truth(&condition.value).ok_or_else(|| bad(key, &condition.value, "must be true or false"))?;
            }
        }
        for condition in filters.of("containers") {
            if truth(&condition.value).is_none() && condition.value != "external" {
                return Err(bad("containers", &condition.value, "must be true, false or external").into());
            }
        }
        for condition in filters.of("reference") {
            // One that means several images is a pattern like any other.
            if let Ok(Some(id)) = store.resolve_any(&condition.value) {
                named.insert(condition.value.as_str(), id);
            }
        }
        Ok(Self { filters, moments, named })
    }

    fn passes(&self, image: &Summary) -> bool {
        let filters = self.filters;
        let is = |fact: bool| move |value: &str| truth(value) == Some(fact);
        let reference = |value: &str| {
            self.named.get(value).is_some_and(|id| *id == image.record.id)
                || image.names.iter().any(|name| pattern::names(value, name))
        };
        let created = image.created();
        filters.pass("dangling", is(image.names.is_empty()))
            && filters.pass("intermediate", is(false))
            && filters.pass("readonly", is(false))
            && filters.pass("containers", is(image.containers > 0))
            && filters.pass("id", |value| image.record.id.starts_with(value.strip_prefix("sha256:").unwrap_or(value)))
            && filters.pass("digest", |value| image.digest().starts_with(value))
            && filters.pass("reference", reference)
            && filters.pass_labels(image.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            && self.moments.iter().all(|(key, moment)| match *key {
                "after" | "since" => created > *moment,
                _ => created < *moment,
            })
    }
}

/// Reads what Go reads as a bool.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn bad(key: &str, value: &str, why: &str) -> Error {
    Error::invalid(format!("invalid value \"{value}\" for the image filter \"{key}\": {why}"))
}
