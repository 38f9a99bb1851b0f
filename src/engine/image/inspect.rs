//! Images in podman's words: `inspect` and `history`.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::list::{labels, repo_digests};
use crate::engine::Engine;
use crate::image::manifest::DOCKER_MANIFEST;
use crate::image::store::{Image, ImageStore};
use crate::storage::layer::Layers;

/// A step of an image's history, the latest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The image's id for the first, else empty.
    pub(crate) id: String,
    pub(crate) created: Option<Timestamp>,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    /// Bytes of the layer that it made.
    pub(crate) size: u64,
    pub(crate) tags: Vec<String>,
}

impl Engine {
    /// Whether `name` means an image of the store.
    pub(crate) fn image_exists(&self, name: &str) -> Result<bool> {
        Ok(ImageStore::new(&self.paths).resolve(name)?.is_some())
    }

    /// The document of an image, in podman's shape.
    pub(crate) fn inspect_image(&self, name: &str) -> Result<Value> {
        let store = ImageStore::new(&self.paths);
        let image = store.find(name)?;
        let names = store.names(&image.id)?;
        let record = &image.record;
        let (bytes, manifest) = store.manifest(record)?;
        let annotations =
            serde_json::from_slice::<Value>(&bytes).ok().and_then(|manifest| manifest.get("annotations").cloned());
        let config = serde_json::to_value(&image.config).context("write the configuration")?;
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let history = config.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
        let history: Vec<Value> = history.into_iter().map(without_nulls).collect();
        // Docker's configuration has one; of the other, podman shows that of the lowest step.
        let whole: Value = serde_json::from_slice(&store.config_bytes(record)?).context("parse the configuration")?;
        let commented = if manifest.media_type == DOCKER_MANIFEST { Some(&whole) } else { history.first() };
        let comment = commented.and_then(|object| object.get("comment")).and_then(Value::as_str).unwrap_or_default();
        let inner = config.get("config").cloned().map_or_else(|| json!({}), without_nulls);
        let labels = labels(&image.config);
        let mut document = json!({
            "Id": image.id,
            "Digest": image.digest().map(ToString::to_string),
            "RepoTags": names,
            "RepoDigests": repo_digests(record, &names),
            "Parent": "",
            "Comment": comment,
            "Created": text("created"),
            "Config": inner,
            "Version": "",
            "Author": text("author"),
            "Architecture": record.architecture,
            "Os": record.os,
            "Size": record.size(),
            "VirtualSize": record.size(),
            "GraphDriver": { "Name": self.driver.name(), "Data": self.layers_of(&image) },
            "RootFS": {
                "Type": "layers",
                "Layers": record.layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>(),
            },
            "Labels": if labels.is_empty() { Value::Null } else { json!(labels) },
            "Annotations": annotations.unwrap_or_else(|| json!({})),
            "ManifestType": manifest.media_type,
            "User": inner.get("User").cloned().unwrap_or_else(|| json!("")),
            "History": history,
            "NamesHistory": record.history,
        });
        if let Some(check) = &image.full.healthcheck {
            document["Healthcheck"] = check.clone();
        }
        Ok(document)
    }

    /// The directories of an image's layers, in the words of overlay.
    fn layers_of(&self, image: &Image) -> Value {
        let layers = Layers::new(&self.paths);
        let mut dirs: Vec<String> = image.chain_ids().iter().map(|chain| layers.place(chain)).collect();
        let mut data = Map::new();
        let top = dirs.pop();
        if !dirs.is_empty() {
            dirs.reverse();
            data.insert("LowerDir".to_owned(), dirs.join(":").into());
        }
        data.extend(top.map(|top| ("UpperDir".to_owned(), top.into())));
        Value::Object(data)
    }

    /// How an image came to be, the latest step first.
    pub(crate) fn image_history(&self, name: &str) -> Result<Vec<Step>> {
        let store = ImageStore::new(&self.paths);
        let image = store.find(name)?;
        let config = serde_json::to_value(&image.config).context("write the configuration")?;
        let history = config.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(steps(&image, store.names(&image.id)?, &history))
    }
}

fn steps(image: &Image, names: Vec<String>, history: &[Value]) -> Vec<Step> {
    let mut layers = image.record.layers.iter();
    let mut steps: Vec<Step> = history
        .iter()
        .map(|step| {
            let text = |key: &str| step.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let empty = step.get("empty_layer").and_then(Value::as_bool).unwrap_or(false);
            let layer = if empty { None } else { layers.next() };
            Step {
                id: String::new(),
                created: text("created").parse().ok(),
                created_by: text("created_by"),
                comment: text("comment"),
                size: layer.map_or(0, |layer| layer.unpacked),
                tags: Vec::new(),
            }
        })
        .collect();
    // An image need not have a history; its layers are there all the same.
    steps.extend(layers.map(|layer| Step {
        id: String::new(),
        created: image.record.created,
        created_by: String::new(),
        comment: String::new(),
        size: layer.unpacked,
        tags: Vec::new(),
    }));
    steps.reverse();
    if let Some(first) = steps.first_mut() {
        first.id.clone_from(&image.id);
        first.tags = names;
    }
    steps
}

/// Leaves out what Go's `omitempty` leaves out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        other => other,
    }
}
