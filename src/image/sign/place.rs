//! Where signatures go: those of GnuPG into files (containers-registries.d(5), `lookaside-staging`), those of sigstore beside
//! the image, as cosign has them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use crate::image::archive::directory::read_small;
use crate::image::archive::tree::unnamed_file;
use crate::image::manifest::{self, Descriptor};
use crate::image::registry::client::Client;
use crate::image::registry::upload::Outgoing;
use crate::image::trust::sigstore::{self, MEDIA_TYPE};
use crate::image::trust::verify::{LARGE, MANY};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, is_kind};
use crate::model::platform::Platform;
use crate::model::reference::Reference;
use crate::state::paths::Paths;
use crate::storage::staging::Staging;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The directory that an address of a lookaside means.
pub(super) fn directory(base: &str) -> Result<PathBuf> {
    match base.split_once("://") {
        Some(("file", path)) => Ok(PathBuf::from(path)),
        _ => {
            let error = Error::unsupported(format!("signatures are written to file:// addresses, not to {base}"));
            Err(error.hint("set `lookaside-staging: file:///DIRECTORY` in a file of registries.d").into())
        }
    }
}

/// The directory of the signatures of the manifest `digest` of `name`.
pub(super) fn below(base: &str, name: &Reference, digest: &Digest) -> Result<PathBuf> {
    Ok(directory(base)?.join(format!("{}@{}={}", name.path(), digest.algorithm(), digest.hex())))
}

/// Adds a signature to a directory, after those that are there; one that is there stays the only one such.
pub(super) fn in_directory(dir: &Path, signature: &[u8]) -> Result<()> {
    for number in 1..=MANY {
        match read_small(&dir.join(format!("signature-{number}")), LARGE as u64)? {
            Some(known) if known == signature => return Ok(()),
            Some(_) => {}
            None => break,
        }
    }
    let writing = || format!("write a signature in {}", dir.display());
    DirBuilder::new().recursive(true).mode(0o755).create(dir).with_context(writing)?;
    let staged = dir.join(format!(".signature-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&staged).with_context(writing)?;
    file.write_all(signature).and_then(|()| file.sync_all()).with_context(writing)?;
    for number in 1..=MANY {
        match rustix::fs::renameat_with(
            CWD,
            &staged,
            CWD,
            dir.join(format!("signature-{number}")),
            RenameFlags::NOREPLACE,
        ) {
            Err(Errno::EXIST) => {}
            done => {
                done.with_context(writing)?;
                return File::open(dir).and_then(|dir| dir.sync_all()).with_context(writing);
            }
        }
    }
    drop(std::fs::remove_file(&staged));
    bail!(Error::conflict(format!("{}: there are {MANY} signatures already", dir.display())))
}

/// Adds a signature to those that lie beside the manifest `digest` of `name`; one that is there stays the only one such.
pub(super) fn beside(
    paths: &Paths,
    client: &Client,
    name: &Reference,
    digest: &Digest,
    payload: &[u8],
    annotations: &Map<String, Value>,
) -> Result<()> {
    let tagged = name.with_tag(&sigstore::tag(digest))?;
    let doing = || format!("write signatures {}", crate::image::store::text(&tagged));
    let (mut layers, mut diff_ids) = match client.resolve(&tagged, &Platform::host()) {
        Err(error) if is_kind(&error, ErrorKind::NotFound) => (Vec::new(), Vec::new()),
        Err(error) => return Err(error).with_context(doing),
        Ok(resolved) => {
            let own = manifest::object(&resolved.manifest_bytes, "manifest")?;
            let layers = own.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
            let config = client.fetch_bytes(&resolved, &resolved.manifest.config).with_context(doing)?;
            let config = manifest::object(&config, "configuration").with_context(doing)?;
            let diff_ids = config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
            (layers, diff_ids.cloned().unwrap_or_default())
        }
    };
    let same =
        |layer: &Value| layer["digest"] == Digest::of(payload).as_str() && layer["annotations"] == json!(annotations);
    if layers.iter().any(same) {
        return Ok(());
    }
    if layers.len() >= MANY {
        bail!(Error::conflict(format!("there are {MANY} signatures already")));
    }
    let of = |bytes: &[u8], media_type: &str| Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        urls: Vec::new(),
    };
    let layer = of(payload, MEDIA_TYPE);
    layers.push(json!({
        "mediaType": MEDIA_TYPE,
        "digest": layer.digest,
        "size": layer.size,
        "annotations": annotations,
    }));
    diff_ids.push(json!(layer.digest));
    let config = json!({
        "architecture": "",
        "os": "",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config_bytes = serde_json::to_vec(&config).context("write the configuration")?;
    let config = of(&config_bytes, CONFIG);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config.digest, "size": config.size },
        "layers": layers,
    });
    let manifest = serde_json::to_vec(&manifest).context("write the manifest")?;
    let staging = Staging::new(paths)?;
    let open = |bytes: &[u8]| -> Result<File> {
        let mut file = unnamed_file(staging.dir())?;
        file.write_all(bytes).context("stage a signature")?;
        Ok(file)
    };
    let blobs = [(layer, payload), (config, &config_bytes)].map(|(descriptor, bytes)| Outgoing {
        descriptor,
        mounts: Vec::new(),
        open: Box::new(move || open(bytes)),
    });
    let destination = client.open_destination(&tagged, &[])?;
    client.send_all(&destination, &blobs, blobs.len(), &mut |_| {}).with_context(doing)?;
    client.put_manifest(&destination, &tagged, MANIFEST, &manifest).with_context(doing)
}
