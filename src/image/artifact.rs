//! Artifacts: files that lie in registries as images do (image-spec, manifest.md, "Guidelines for Artifact Usage").
//!
//! ```text
//! images/artifacts/<SHA-256 of the name>.json   the record of an artifact; its manifest and files are blobs
//! ```
//!
//! An artifact has one name. Its blobs are reachable for the garbage collection by its record, as those of a list are.

use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value, json};

use super::archive::image::Checked;
use super::index;
use super::manifest::{Descriptor, Document, Manifest, OCI_MANIFEST};
use super::store::{self, ImageStore, full_name, meanings};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::image::ArtifactRecord;
use crate::model::platform::Platform;
use crate::state::lock::Lock;
use crate::state::paths::{Paths, remove_file};
use crate::state::record::{self, Durability};
use crate::storage::content::{Content, Verified};
use crate::storage::staging::Staging;

/// The type of what was given none, as podman has it.
const UNKNOWN: &str = "application/vnd.unknown.artifact.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The configuration of what has none.
const NOTHING: &[u8] = b"{}";
/// The annotation of a file's name.
const TITLE: &str = "org.opencontainers.image.title";
/// The annotation of the time at which an artifact was made, RFC 3339.
const CREATED: &str = "org.opencontainers.image.created";
/// So many files make a manifest that is not refused as too large.
const MANY: usize = 1000;

/// What is added, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddRequest {
    pub(crate) annotations: Vec<(String, String)>,
    /// To the files that an artifact of this name has.
    pub(crate) append: bool,
    /// In place of an artifact of this name.
    pub(crate) replace: bool,
    pub(crate) kind: Option<String>,
    /// The media type of the files; by their beginning where none is given.
    pub(crate) file_type: Option<String>,
}

impl AddRequest {
    /// The manifest of a new artifact, before its files.
    fn manifest(&self) -> Value {
        let annotations = self.annotations.iter().map(|(key, value)| (key.clone(), value.clone().into()));
        let mut annotations: Map<String, Value> = annotations.collect();
        annotations.insert(CREATED.to_owned(), Timestamp::now().to_string().into());
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.kind.as_deref().unwrap_or(UNKNOWN),
            "config": { "mediaType": EMPTY, "digest": Digest::of(NOTHING), "size": NOTHING.len(), "data": "e30=" },
            "layers": [],
            "annotations": annotations,
        })
    }
}

/// A file of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) title: Option<String>,
}

impl ArtifactRecord {
    /// The record's own id.
    pub(crate) fn id(&self) -> String {
        Digest::of(self.name.as_bytes()).hex().to_owned()
    }

    fn new(name: &str, bytes: &[u8], manifest: &Manifest) -> Result<Self> {
        let whole: Value = serde_json::from_slice(bytes).context("parse the manifest")?;
        let mut instance = index::instance(bytes, manifest, &Platform::new("unknown", "unknown", None));
        instance.keeps.push(manifest.config.digest.clone());
        instance.keeps.extend(manifest.layers.iter().map(|layer| layer.digest.clone()));
        instance.keeps.sort_unstable();
        instance.keeps.dedup();
        let created = whole["annotations"][CREATED].as_str().and_then(|text| text.parse().ok());
        Ok(Self {
            version: record::VERSION,
            name: name.to_owned(),
            size: manifest.layers.iter().map(|layer| layer.size).sum(),
            instance,
            // Who made it may not have said when: then it is from when it came here.
            created: created.unwrap_or_else(Timestamp::now),
            unknown: Map::new(),
        })
    }
}

/// podman's words for an artifact that is not there.
fn missing(typed: &str) -> Error {
    Error::not_found(format!("{}: artifact does not exist", typed.escape_debug()))
}

impl ImageStore {
    pub(super) fn artifact_path(&self, id: &str) -> PathBuf {
        self.root.join("artifacts").join(format!("{id}.json"))
    }

    /// The ids of all artifacts.
    pub(crate) fn artifact_ids(&self) -> Result<Vec<String>> {
        let dir = self.root.join("artifacts");
        // Made with the first.
        if dir.is_dir() { Self::ids_in(&dir) } else { Ok(Vec::new()) }
    }

    /// The record of the artifact with the whole id `id`.
    pub(crate) fn artifact_record(&self, id: &str) -> Result<Option<ArtifactRecord>> {
        record::read(&self.artifact_path(id))
    }

    /// The artifact that `typed` means: by its name, or by the beginning of its digest.
    pub(crate) fn find_artifact(&self, typed: &str) -> Result<ArtifactRecord> {
        for name in meanings(typed) {
            if let Some(found) = self.artifact_record(Digest::of(name.as_bytes()).hex())? {
                return Ok(found);
            }
        }
        let hex = typed.strip_prefix("sha256:").unwrap_or(typed);
        if hex.len() < 3 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(missing(typed).into());
        }
        let mut found = Vec::new();
        for id in self.artifact_ids()? {
            found.extend(self.artifact_record(&id)?.filter(|one| one.instance.digest.hex().starts_with(hex)));
        }
        match found.len() {
            0 => Err(missing(typed).into()),
            1 => Ok(found.remove(0)),
            _ => Err(Error::conflict(format!("{typed}: digest prefix matches more than one artifact")).into()),
        }
    }

    /// The manifest of an artifact, as it came, and parsed.
    pub(crate) fn artifact_manifest(&self, artifact: &ArtifactRecord) -> Result<(Vec<u8>, Manifest)> {
        self.instance_manifest(&artifact.instance)
    }

    /// Puts the record down, in place of one of that name. The lock is held.
    pub(crate) fn put_artifact(&self, _lock: &Lock, artifact: &ArtifactRecord) -> Result<()> {
        let path = self.artifact_path(&artifact.id());
        self.prepare(&path)?;
        record::write(&path, artifact, Durability::Synced)
    }

    /// Takes the record away; what only it kept stays for the garbage collection that the caller owes. The lock is held.
    pub(crate) fn remove_artifact(&self, _lock: &Lock, artifact: &ArtifactRecord) -> Result<()> {
        let path = self.artifact_path(&artifact.id());
        let removing = || format!("remove artifact {}", artifact.name);
        record::heal(&path).with_context(removing)?;
        remove_file(&path).and_then(|()| record::sync_parent(&path)).with_context(removing)
    }
}

/// Files that are staged, to become an artifact.
pub(crate) struct Staged {
    name: String,
    staging: Staging,
    blobs: Vec<Verified>,
    layers: Vec<Value>,
}

/// Copies files beside the store. Nothing of it is seen before [`Staged::publish`].
pub(crate) fn stage(paths: &Paths, name: &str, files: &[PathBuf], request: &AddRequest) -> Result<Staged> {
    let name = full_name(name)?;
    if files.is_empty() || files.len() > MANY {
        bail!(Error::invalid(format!("an artifact takes between 1 and {MANY} files at once")));
    }
    let (content, staging) = (Content::new(paths), Staging::new(paths)?);
    let (mut blobs, mut layers): (Vec<Verified>, Vec<Value>) = (Vec::new(), Vec::new());
    for (number, path) in files.iter().enumerate() {
        let title = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.is_empty());
        let title = title.ok_or_else(|| Error::invalid(format!("{}: a file without a name", path.display())))?;
        let adding = || format!("add {}", path.display());
        // A pipe that nobody writes to would be waited for.
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let mut file = File::from(file.with_context(adding)?);
        if !file.metadata().with_context(adding)?.is_file() {
            bail!(Error::invalid(format!("{}: only files can be added to an artifact", path.display())));
        }
        let mut ingest = content.ingest(staging.dir(), &format!("file.{number}"))?;
        let mut start = Vec::new();
        (&mut file).take(512).read_to_end(&mut start).with_context(adding)?;
        ingest.write_all(&start).with_context(adding)?;
        std::io::copy(&mut file, &mut ingest).with_context(adding)?;
        let blob = ingest.finish();
        let mut annotations: Map<String, Value> = Map::new();
        annotations.insert(TITLE.to_owned(), title.into());
        annotations.extend(request.annotations.iter().map(|(key, value)| (key.clone(), value.clone().into())));
        layers.push(json!({
            "mediaType": request.file_type.as_deref().unwrap_or_else(|| media_type(&start)),
            "digest": blob.digest,
            "size": blob.size,
            "annotations": annotations,
        }));
        blobs.push(blob);
    }
    sync(&staging)?;
    Ok(Staged { name, staging, blobs, layers })
}

impl Staged {
    /// Makes the artifact of what was staged; the lock is held. Returns its record. What one that it replaced has kept
    /// stays for the garbage collection that the caller owes.
    pub(crate) fn publish(mut self, paths: &Paths, lock: &Lock, request: &AddRequest) -> Result<ArtifactRecord> {
        let (store, content) = (ImageStore::new(paths), Content::new(paths));
        let known = store.artifact_record(Digest::of(self.name.as_bytes()).hex())?;
        let mut manifest = match &known {
            // What else it says stays: its type, its annotations, a configuration of others.
            Some(known) if request.append => {
                serde_json::from_slice(&store.artifact_manifest(known)?.0).context("parse the manifest")?
            }
            None if request.append => return Err(missing(&self.name).into()),
            Some(_) if !request.replace => {
                let error = Error::conflict(format!("{}: artifact already exists", self.name));
                return Err(error.hint("--append adds to it, --replace puts this in its place").into());
            }
            _ => request.manifest(),
        };
        let mut layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        for layer in std::mem::take(&mut self.layers) {
            let title = &layer["annotations"][TITLE];
            if layers.iter().any(|known| known["annotations"][TITLE] == *title) {
                let title = title.as_str().unwrap_or_default();
                bail!(Error::conflict(format!("{title}: file already exists in the artifact {}", self.name)));
            }
            layers.push(layer);
        }
        manifest["layers"] = layers.into();
        let bytes = serde_json::to_vec(&manifest).context("write the manifest")?;
        let Document::Manifest(parsed) = Document::parse(&bytes, None)? else {
            bail!(Error::state("the manifest is none"));
        };
        let artifact = ArtifactRecord::new(&self.name, &bytes, &parsed)?;
        self.staging.protect(artifact.instance.keeps.iter().map(Digest::as_str))?;
        // A configuration of others is there already.
        let nothing = Some(NOTHING).filter(|_| parsed.config.digest == Digest::of(NOTHING));
        for document in nothing.into_iter().chain([&bytes[..]]) {
            if let Some(blob) = content.stage(self.staging.dir(), document)? {
                blob.sync()?;
                self.blobs.push(blob);
            }
        }
        content.publish(&self.blobs)?;
        store.put_artifact(lock, &artifact)?;
        Ok(artifact)
    }
}

/// An artifact that was fetched, to be published.
pub(crate) struct Fetched {
    artifact: ArtifactRecord,
    blobs: Vec<Verified>,
}

/// Takes a manifest, and blobs that were fetched into `staging`, by the descriptors of the manifest and at the paths that
/// `at` gives, for the artifact `name`. Nothing of it is seen before [`Fetched::publish`].
pub(crate) fn fetched(
    paths: &Paths,
    name: &str,
    staging: &Staging,
    bytes: &[u8],
    manifest: &Manifest,
    at: &dyn Fn(&Digest) -> PathBuf,
) -> Result<Fetched> {
    let artifact = ArtifactRecord::new(name, bytes, manifest)?;
    staging.protect(artifact.instance.keeps.iter().map(Digest::as_str))?;
    let mut blobs: Vec<Verified> = Vec::new();
    for Descriptor { digest, size, .. } in blobs_of(manifest) {
        blobs.push(Verified::by_writer(at(digest), digest.clone(), *size)?);
    }
    blobs.extend(Content::new(paths).stage(staging.dir(), bytes)?);
    sync(staging)?;
    Ok(Fetched { artifact, blobs })
}

impl Fetched {
    /// Puts the artifact in the place of one of its name; the lock is held. What that one has kept stays for the garbage
    /// collection that the caller owes.
    pub(crate) fn publish(self, paths: &Paths, lock: &Lock) -> Result<ArtifactRecord> {
        Content::new(paths).publish(&self.blobs)?;
        ImageStore::new(paths).put_artifact(lock, &self.artifact)?;
        Ok(self.artifact)
    }
}

/// Brings what was staged to the disk; it may take its time, so no lock is held.
fn sync(staging: &Staging) -> Result<()> {
    rustix::fs::syncfs(crate::storage::tree::open(staging.dir())?).context("sync the store")
}

/// The blobs that a manifest names, each once.
pub(crate) fn blobs_of(manifest: &Manifest) -> Vec<&Descriptor> {
    let mut all: Vec<&Descriptor> = Vec::new();
    for descriptor in std::iter::once(&manifest.config).chain(&manifest.layers) {
        if !all.iter().any(|known| known.digest == descriptor.digest) {
            all.push(descriptor);
        }
    }
    all
}

/// Which files of an artifact are wanted; all where neither is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) title: Option<String>,
    /// In whole or the beginning of its hexadecimal digits.
    pub(crate) digest: Option<String>,
}

impl Choice {
    /// The chosen among `parts`, in their order, at least one.
    pub(crate) fn of(&self, parts: Vec<Part>) -> Result<Vec<Part>> {
        let Self { title, digest } = self;
        let hex = digest.as_deref().map(|digest| digest.strip_prefix("sha256:").unwrap_or(digest));
        let chosen = |part: &Part| {
            title.as_ref().is_none_or(|title| part.title.as_ref() == Some(title))
                && hex.is_none_or(|hex| part.digest.hex().starts_with(hex))
        };
        let parts: Vec<Part> = parts.into_iter().filter(chosen).collect();
        let wanted = match (title, digest) {
            (Some(title), _) => Some(format!("the title {title:?}")),
            (_, Some(digest)) => Some(format!("the digest {digest:?}")),
            _ => None,
        };
        match (wanted, parts.len()) {
            (None, 0) => Err(Error::not_found("the artifact has no blobs, nothing to extract").into()),
            (Some(wanted), 0) => Err(Error::not_found(format!("no blob with {wanted}")).into()),
            (Some(wanted), 2..) => Err(Error::invalid(format!("more than one match for {wanted}")).into()),
            _ => Ok(parts),
        }
    }

    /// The names that `parts`, which this chose, have in a directory. What is chosen by its digest is called so.
    pub(crate) fn names(&self, parts: &[Part]) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::with_capacity(parts.len());
        for part in parts {
            let name = if self.digest.is_some() { part.digest_name() } else { part.file_name()? };
            if names.contains(&name) {
                let message =
                    format!("annotation \"{TITLE}\":{name:?} is used in multiple different layers within artifact");
                bail!(Error::invalid(message));
            }
            names.push(name);
        }
        Ok(names)
    }
}

/// The files of an artifact.
pub(crate) fn parts(bytes: &[u8]) -> Result<Vec<Part>> {
    let whole: Value = serde_json::from_slice(bytes).context("parse the manifest")?;
    let layers = whole["layers"].as_array().cloned().unwrap_or_default();
    let part = |layer: &Value| -> Result<Part> {
        let descriptor: Descriptor = serde_json::from_value(layer.clone()).context("parse the manifest")?;
        let title = layer["annotations"][TITLE].as_str().map(str::to_owned);
        Ok(Part { digest: descriptor.digest, size: descriptor.size, title })
    };
    layers.iter().map(part).collect()
}

impl Part {
    /// The name of its file in a directory: a title is foreign, and leads nowhere else.
    fn file_name(&self) -> Result<String> {
        let Some(title) = self.title.as_deref().filter(|title| !title.is_empty()) else {
            return Ok(self.digest_name());
        };
        if matches!(title, "." | "..") || title.contains(['/', '\0']) {
            let message = format!("the title {title:?} is not the name of a file");
            return Err(Error::new(ErrorKind::Denied, message)
                .hint("--title with a path as target, or name= of a mount, chooses the name")
                .into());
        }
        Ok(title.to_owned())
    }

    /// The name of a file without a title.
    fn digest_name(&self) -> String {
        self.digest.as_str().replace(':', "-")
    }

    /// The blob itself, for a mount that nobody may write to.
    pub(crate) fn mountable(&self, paths: &Paths) -> Result<PathBuf> {
        let content = Content::new(paths);
        let blob = content.open(&self.digest)?;
        let blob = blob.ok_or_else(|| Error::state(format!("blob {} is missing from the store", self.digest)))?;
        // Any user of the container reads it. R15 for the file itself is not needed: the directory lets no stranger in.
        let mode = Mode::from_raw_mode(0o644);
        if Mode::from_raw_mode(rustix::fs::fstat(&blob)?.st_mode) != mode {
            rustix::fs::fchmod(&blob, mode).with_context(|| format!("chmod blob {}", self.digest))?;
        }
        Ok(content.path(&self.digest))
    }

    /// Writes the file's bytes to `name` in `dir`; what is a link there is not followed. One that is not whole is removed.
    pub(crate) fn extract(&self, paths: &Paths, dir: &Path, name: &str) -> Result<()> {
        let place = dir.join(name);
        let writing = || format!("write {}", place.display());
        let blob = Content::new(paths).open(&self.digest)?;
        let blob = blob.ok_or_else(|| Error::state(format!("blob {} is missing from the store", self.digest)))?;
        let dir = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let dir = dir.with_context(writing)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file =
            File::from(rustix::fs::openat(dir.as_fd(), name, flags, Mode::from_raw_mode(0o644)).with_context(writing)?);
        let mut reader = Checked::new(blob, &self.digest);
        let copied = std::io::copy(&mut reader, &mut file).with_context(writing);
        copied.and_then(|_| reader.check(&self.digest, self.size)).inspect_err(|_| {
            // What is told is why.
            let _ = rustix::fs::unlinkat(&dir, name, rustix::fs::AtFlags::empty());
        })
    }
}

/// The manifest, as it is shown.
pub(crate) fn shown(bytes: &[u8], artifact: &ArtifactRecord) -> Result<Value> {
    let manifest: Value = serde_json::from_slice(bytes).context("parse the manifest")?;
    Ok(json!({ "Manifest": manifest, "Name": artifact.name, "Digest": artifact.instance.digest }))
}

/// The name under which an artifact of a registry is kept.
pub(crate) fn name_of(reference: &crate::model::reference::Reference) -> String {
    store::text(reference)
}

/// The media type of a file by its beginning: the usual ones of the table that podman takes (WHATWG, "MIME Sniffing").
fn media_type(start: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 14] = [
        (b"%PDF-", "application/pdf"),
        (b"%!PS-Adobe-", "application/postscript"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"BM", "image/bmp"),
        (b"\x1f\x8b\x08", "application/x-gzip"),
        (b"PK\x03\x04", "application/zip"),
        (b"Rar!\x1a\x07", "application/x-rar-compressed"),
        (b"\0asm", "application/wasm"),
        (b"OggS\0", "application/ogg"),
        (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
        (b"<?xml", "text/xml; charset=utf-8"),
    ];
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return kind;
    }
    let trimmed = start.trim_ascii_start().to_ascii_uppercase();
    if [&b"<!DOCTYPE HTML"[..], b"<HTML", b"<HEAD", b"<SCRIPT", b"<BODY"].iter().any(|tag| trimmed.starts_with(tag)) {
        return "text/html; charset=utf-8";
    }
    let binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if start.iter().any(binary) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_beginning() {
        for (start, kind) in [
            (&b"hello\n"[..], "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"\x7fELF\x02\x01\x01\0", "application/octet-stream"),
            (b"\x1f\x8b\x08\0", "application/x-gzip"),
            (b"  <html>", "text/html; charset=utf-8"),
        ] {
            assert_eq!(media_type(start), kind, "{start:?}");
        }
    }

    #[test]
    fn a_title_is_a_name_and_no_way() {
        let part = |title: &str| Part { digest: Digest::of(b""), size: 0, title: Some(title.to_owned()) };
        assert_eq!(part("a file").file_name().unwrap(), "a file");
        assert!(part("").file_name().unwrap().starts_with("sha256-"));
        for bad in [".", "..", "a/b", "/etc/passwd", "../x", "a\0b"] {
            assert!(part(bad).file_name().is_err(), "{bad:?}");
        }
    }
}
