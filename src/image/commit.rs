//! A container's changes become an image: the layers of the one it was made from, and one more.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::import::{NewImage, apply, publish};
use super::intake::Target;
use super::manifest::{Compression, Descriptor, oci_layer_type};
use super::store::{self, Image, ImageStore};
use crate::model::digest::Digest;
use crate::model::platform::Platform;
use crate::storage::content::Content;
use crate::storage::staging::Staging;

/// What a commit says about the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitOptions {
    /// `-c INSTRUCTION`.
    pub(crate) changes: Vec<String>,
    pub(crate) message: Option<String>,
    pub(crate) author: Option<String>,
    /// Docker's media types and fields.
    pub(crate) docker: bool,
    /// All layers become one.
    pub(crate) squash: bool,
    /// The name of the new image, perhaps short.
    pub(crate) name: Option<String>,
}

/// What the image is made of.
pub(crate) struct Parts<'a> {
    /// The image that the container was made from.
    pub(crate) base: Option<&'a Image>,
    /// The name by which it was found.
    pub(crate) base_name: &'a str,
    /// What the container says in place of the image's: keys of the configuration's `config`; null takes one away.
    pub(crate) config: Map<String, Value>,
}

/// Makes the image; `pack` writes the archive of the new layer. Returns the image's id.
pub(crate) fn commit(
    target: &Target,
    parts: &Parts<'_>,
    options: &CommitOptions,
    pack: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<String> {
    let names: Vec<String> = options.name.as_deref().map(store::full_name).transpose()?.into_iter().collect();
    let mut image = match parts.base {
        Some(base) => serde_json::from_slice(&ImageStore::new(&target.paths).config_bytes(&base.record)?)
            .context("read the configuration of the image")?,
        None => fresh(),
    };
    configure(&mut image, parts, options)?;
    let staging = Staging::new(&target.paths)?;
    let content = Content::new(&target.paths);
    let mut ingest = content.ingest(staging.dir(), "commit")?;
    pack(&mut ingest)?;
    let file = ingest.file().try_clone().context("read the layer again")?;
    let blob = ingest.finish();
    let layer = Descriptor {
        media_type: oci_layer_type(Compression::None),
        digest: blob.digest.clone(),
        size: blob.size,
        urls: Vec::new(),
    };
    let mut layers = Vec::new();
    if let Some(base) = parts.base.filter(|_| !options.squash) {
        layers = ImageStore::new(&target.paths).manifest(&base.record)?.1.layers;
    }
    layers.push(layer.clone());
    add_layer(&mut image, &blob.digest, parts, options);
    let config_bytes = serde_json::to_vec(&image).context("write the configuration")?;
    let new = NewImage { config_bytes, layers, docker: options.docker };
    publish(target, &new, Some((&layer, &file)), &names)
}

fn fresh() -> Map<String, Value> {
    let platform = Platform::host();
    let mut image = Map::new();
    image.insert("architecture".to_owned(), platform.architecture.into());
    image.insert("os".to_owned(), platform.os.into());
    image
}

/// What the container and the user say in place of the image's configuration.
fn configure(image: &mut Map<String, Value>, parts: &Parts<'_>, options: &CommitOptions) -> Result<()> {
    let mut config = match image.remove("config") {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    for (key, value) in &parts.config {
        match value {
            Value::Null => drop(config.shift_remove(key)),
            value => drop(config.insert(key.clone(), value.clone())),
        }
    }
    for change in &options.changes {
        apply(&mut config, change)?;
    }
    image.insert("config".to_owned(), config.into());
    // Of another container, which made the image below.
    for key in ["container", "container_config", "id", "parent"] {
        image.shift_remove(key);
    }
    match &options.author {
        Some(author) => image.insert("author".to_owned(), author.as_str().into()),
        None => image.shift_remove("author"),
    };
    match &options.message {
        Some(message) => image.insert("comment".to_owned(), message.as_str().into()),
        None => image.shift_remove("comment"),
    };
    Ok(())
}

/// The new layer, and the line of the history that tells of it.
fn add_layer(image: &mut Map<String, Value>, diff_id: &Digest, parts: &Parts<'_>, options: &CommitOptions) {
    let now = jiff::Timestamp::now().to_string();
    let list = |value: Option<Value>| match value {
        Some(Value::Array(list)) if !options.squash => list,
        _ => Vec::new(),
    };
    let mut diff_ids = list(image.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).cloned());
    diff_ids.push(diff_id.to_string().into());
    image.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    let mut history = list(image.get("history").cloned());
    let mut step = json!({ "created": now, "created_by": "/bin/sh" });
    if let Some(author) = &options.author {
        step["author"] = author.as_str().into();
    }
    if let Some(comment) = &options.message {
        step["comment"] = comment.as_str().into();
    } else if !parts.base_name.is_empty() && !options.squash {
        step["comment"] = format!("FROM {}", parts.base_name).into();
    }
    history.push(step);
    image.insert("history".to_owned(), history.into());
    image.insert("created".to_owned(), now.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_speaks_over_the_image_and_the_user_over_both() {
        let mut image = json!({
            "architecture": "amd64", "os": "linux", "author": "old", "container": "x",
            "config": { "Cmd": ["old"], "Entrypoint": ["e"], "Env": ["A=1"], "Healthcheck": { "Test": ["NONE"] } },
            "rootfs": { "type": "layers", "diff_ids": ["sha256:one"] },
            "history": [{ "created_by": "first" }],
        });
        let image = image.as_object_mut().unwrap();
        let Value::Object(config) = json!({ "Cmd": ["new"], "Entrypoint": null, "Env": ["A=1", "B=2"] }) else {
            unreachable!()
        };
        let parts = Parts { base: None, base_name: "localhost/box:latest", config };
        let mut options = CommitOptions {
            changes: vec!["ENV B=3".to_owned(), "ONBUILD RUN x".to_owned()],
            message: Some("because".to_owned()),
            ..CommitOptions::default()
        };
        configure(image, &parts, &options).unwrap();
        let id = Digest::of(b"two");
        add_layer(image, &id, &parts, &options);
        assert_eq!(
            image["config"],
            json!({ "Cmd": ["new"], "Env": ["A=1", "B=3"], "Healthcheck": { "Test": ["NONE"] }, "OnBuild": ["RUN x"] })
        );
        assert_eq!(image["rootfs"]["diff_ids"], json!(["sha256:one", id.to_string()]));
        assert_eq!(image["history"][1]["comment"], "because");
        assert!(image.get("author").is_none() && image.get("container").is_none());
        options.squash = true;
        add_layer(image, &id, &parts, &options);
        assert_eq!(
            (image["rootfs"]["diff_ids"].clone(), image["history"].as_array().unwrap().len()),
            (json!([id.to_string()]), 1)
        );
        let bad = CommitOptions { changes: vec!["FOO x".to_owned()], ..CommitOptions::default() };
        let error = configure(image, &parts, &bad).unwrap_err();
        assert_eq!(error.to_string(), "invalid change \"FOO x\" - invalid instruction FOO");
    }
}
