//! A tar archive of a root file system becomes an image of one layer.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::convert::{self, Family};
use super::intake::{Documents, Intake, Target};
use super::manifest::{Compression, Config, Descriptor, Manifest, OCI_CONFIG, OCI_MANIFEST, oci_layer_type};
use super::store;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::platform::Platform;
use crate::storage::compression;
use crate::storage::content::Content;
use crate::storage::member::Archive;
use crate::storage::staging::Staging;
use crate::sys::cancel::Reading;

/// What an import says about the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImportOptions {
    /// `-c INSTRUCTION`: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR.
    pub(crate) changes: Vec<String>,
    pub(crate) message: String,
    pub(crate) platform: Option<Platform>,
    /// The name of the new image, perhaps short.
    pub(crate) name: Option<String>,
}

/// Imports the archive that `source` gives, compressed or not, and returns the image's id.
pub(crate) fn import(target: &Target, source: File, options: &ImportOptions) -> Result<String> {
    let names: Vec<String> = options.name.as_deref().map(store::full_name).transpose()?.into_iter().collect();
    let mut config = Map::new();
    for change in &options.changes {
        apply(&mut config, change)?;
    }
    // The diff id is part of the configuration, so the archive is kept and read through first.
    let staging = Staging::new(&target.paths)?;
    let content = Content::new(&target.paths);
    let mut ingest = content.ingest(staging.dir(), "import")?;
    copy(Reading { file: source, stop: &target.cancel }, &mut ingest)?;
    let file = ingest.file().try_clone().context("read the archive again")?;
    let blob = ingest.finish();
    let diff_id = diff_id(&file, target.limits.bytes).context("read the archive")?;
    let compression = kind(&file)?;
    let layer = Descriptor {
        media_type: oci_layer_type(compression),
        digest: blob.digest.clone(),
        size: blob.size,
        urls: Vec::new(),
    };
    let config_bytes = configuration(&diff_id, config, options)?;
    let new = NewImage { config_bytes, layers: vec![layer.clone()], docker: false };
    publish(target, &new, Some((&layer, &file)), &names)
}

/// An image that is made here.
pub(super) struct NewImage {
    pub(super) config_bytes: Vec<u8>,
    pub(super) layers: Vec<Descriptor>,
    /// With Docker's media types.
    pub(super) docker: bool,
}

/// Takes an image into the store whose layers are there but for `layer`, whose blob is in a file. Returns its id.
pub(super) fn publish(
    target: &Target,
    image: &NewImage,
    layer: Option<(&Descriptor, &std::fs::File)>,
    names: &[String],
) -> Result<String> {
    let config = Config::parse(&image.config_bytes)?;
    let oci = Manifest {
        media_type: OCI_MANIFEST.to_owned(),
        config: Descriptor {
            media_type: OCI_CONFIG.to_owned(),
            digest: Digest::of(&image.config_bytes),
            size: image.config_bytes.len() as u64,
            urls: Vec::new(),
        },
        layers: image.layers.clone(),
    };
    let manifest = convert::translate(oci, if image.docker { Family::Docker } else { Family::Oci })?;
    let manifest_bytes = manifest.to_json()?;
    let documents = Documents {
        manifest_bytes: &manifest_bytes,
        manifest: &manifest,
        config_bytes: &image.config_bytes,
        config: &config,
        index: None,
    };
    let intake = Intake::begin(target, documents)?;
    let missing = intake.missing();
    intake.run(|| {
        for (index, digest, _) in &missing {
            let Some((_, file)) = layer.filter(|(layer, _)| layer.digest == *digest) else {
                return Err(Error::state(format!("layer {digest} of the image is missing from the store"))
                    .hint("pull the image again")
                    .into());
            };
            rewind(file)?;
            let mut staged = intake.create(*index)?;
            // Shares blocks where the file system can.
            let size = std::io::copy(&mut &*file, &mut staged).context("stage the archive")?;
            intake.advanced(*index, size);
            intake.finished(*index);
        }
        Ok(())
    })?;
    intake.publish(names, Vec::new())
}

fn rewind(file: &std::fs::File) -> Result<()> {
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).map(drop).context("read the archive again")
}

fn copy(mut source: impl Read, to: &mut dyn Write) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length]).context("write the archive")?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read the archive"),
        }
    }
}

fn kind(file: &std::fs::File) -> Result<Compression> {
    rewind(file)?;
    let mut head = Vec::new();
    file.take(6).read_to_end(&mut head).context("read the archive")?;
    Ok(Compression::sniff(&head))
}

/// Reads the archive once: its members must be good, and the digest of its bytes is the diff id.
fn diff_id(file: &std::fs::File, limit: u64) -> Result<Digest> {
    rewind(file)?;
    let mut archive = Archive::new(compression::reader(file)?, limit, true);
    let mut any = false;
    while archive.next()?.is_some() {
        any = true;
    }
    if !any {
        return Err(Error::invalid("it has no files: not a tar archive of a root file system").into());
    }
    Ok(archive.finish()?.0)
}

fn configuration(diff_id: &Digest, config: Map<String, Value>, options: &ImportOptions) -> Result<Vec<u8>> {
    let platform = options.platform.clone().unwrap_or_else(Platform::host);
    let now = jiff::Timestamp::now().to_string();
    // podman's words, which its users look for in a history.
    let by = format!("/bin/sh -c #(nop) ADD file:{} in /", diff_id.hex());
    let mut image = json!({
        "created": now,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": now, "created_by": by, "comment": options.message }],
    });
    if let Some(variant) = platform.variant {
        image["variant"] = variant.into();
    }
    serde_json::to_vec(&image).context("write the configuration")
}

/// Applies one instruction to the configuration.
pub(super) fn apply(config: &mut Map<String, Value>, change: &str) -> Result<()> {
    let bad = || Error::invalid(format!("invalid change \"{}\"", change.escape_debug()));
    // Both `CMD /bin/sh` and `CMD=/bin/sh` are podman's.
    let at = change.find([' ', '=']).ok_or_else(bad)?;
    let (instruction, rest) = (change[..at].to_ascii_uppercase(), change[at + 1..].trim());
    let mut set = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
    match instruction.as_str() {
        "CMD" => set("Cmd", words(rest).into()),
        "ENTRYPOINT" => set("Entrypoint", words(rest).into()),
        "USER" => set("User", rest.into()),
        "WORKDIR" => set("WorkingDir", rest.into()),
        "STOPSIGNAL" => {
            crate::model::signal::parse(rest).ok_or_else(bad)?;
            set("StopSignal", rest.into());
        }
        "ENV" => {
            let (key, value) = pair(rest).ok_or_else(bad)?;
            let list = config.entry("Env").or_insert_with(|| json!([])).as_array_mut().ok_or_else(bad)?;
            list.retain(|known| known.as_str().is_none_or(|known| !known.starts_with(&format!("{key}="))));
            list.push(format!("{key}={value}").into());
        }
        "LABEL" => {
            let (key, value) = pair(rest).ok_or_else(bad)?;
            let map = config.entry("Labels").or_insert_with(|| json!({})).as_object_mut().ok_or_else(bad)?;
            map.insert(key, value.into());
        }
        "EXPOSE" => {
            let map = config.entry("ExposedPorts").or_insert_with(|| json!({})).as_object_mut().ok_or_else(bad)?;
            for port in rest.split_ascii_whitespace() {
                crate::model::port::parse_expose(port).map_err(|_| bad())?;
                let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
                map.insert(port, json!({}));
            }
        }
        "VOLUME" => {
            let map = config.entry("Volumes").or_insert_with(|| json!({})).as_object_mut().ok_or_else(bad)?;
            let paths: Vec<String> = serde_json::from_str(rest)
                .unwrap_or_else(|_| rest.split_ascii_whitespace().map(str::to_owned).collect());
            for path in paths {
                map.insert(path, json!({}));
            }
        }
        "ONBUILD" => {
            let list = config.entry("OnBuild").or_insert_with(|| json!([])).as_array_mut().ok_or_else(bad)?;
            list.push(rest.into());
        }
        other => {
            let message = format!("invalid change \"{}\" - invalid instruction {other}", change.escape_debug());
            return Err(Error::invalid(message).into());
        }
    }
    Ok(())
}

/// A list in JSON is taken as it is; anything else is a shell's command.
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()])
}

/// `KEY=VALUE` or `KEY VALUE`; quotes around the value go.
fn pair(text: &str) -> Option<(String, String)> {
    let at = text.find(['=', ' '])?;
    let (key, value) = (&text[..at], text[at + 1..].trim());
    let quoted = |mark: char| value.strip_prefix(mark).and_then(|value| value.strip_suffix(mark));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    (!key.is_empty()).then(|| (key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_instructions() {
        let mut config = Map::new();
        for change in [
            "CMD [\"/bin/a\", \"b\"]",
            "entrypoint=/bin/e x",
            "ENV A=1",
            "ENV A=\"2 3\"",
            "ENV B 4",
            "LABEL k=v=w",
            "USER=7:8",
            "WORKDIR /w",
            "EXPOSE 80 53/udp",
            "VOLUME [\"/v\"]",
            "STOPSIGNAL SIGINT",
        ] {
            apply(&mut config, change).unwrap();
        }
        assert_eq!(
            Value::Object(config),
            json!({
                "Cmd": ["/bin/a", "b"], "Entrypoint": ["/bin/sh", "-c", "/bin/e x"], "Env": ["A=2 3", "B=4"],
                "Labels": {"k": "v=w"}, "User": "7:8", "WorkingDir": "/w",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/v": {}}, "StopSignal": "SIGINT"
            })
        );
        for bad in ["", "CMD", "RUN x", "ENV", "ENV x", "STOPSIGNAL NOPE", "EXPOSE x", "LABEL =v"] {
            assert!(apply(&mut Map::new(), bad).is_err(), "{bad}");
        }
    }
}
