//! From archives of docker, podman and OCI into the store.

use std::io::{Read, Write};

use anyhow::{Context, Result};

use super::archive::image::{Archived, ArchivedLayer};
use super::hash::Hash;
use super::intake::{Documents, Intake, Progress, Target};
use super::store;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::Reference;

/// What a load gave, an image each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) id: String,
    /// Its names in full, as the archive gave them; may be empty.
    pub(crate) names: Vec<String>,
}

/// Takes one image of an archive into the store.
pub(crate) fn load(target: &Target, image: &Archived, progress: &mut dyn Progress) -> Result<Loaded> {
    let names = full_names(&image.names)?;
    let documents = Documents {
        manifest_bytes: &image.manifest_bytes,
        manifest: &image.manifest,
        config_bytes: &image.config_bytes,
        config: &image.config,
        index: None,
    };
    let intake = Intake::begin(target, documents)?;
    for (digest, size) in intake.present() {
        progress.present(&digest, size);
    }
    let missing = intake.missing();
    intake.run(|| {
        for (index, digest, size) in &missing {
            let layer = image.layers.iter().find(|layer| layer.descriptor.digest == *digest);
            let layer = layer.context("a missing blob is of the archive")?;
            progress.started(digest, *size);
            copy(target, &intake, *index, layer, progress).with_context(|| format!("read layer {digest}"))?;
            progress.finished(digest);
        }
        Ok(())
    })?;
    let mut repo_digests: Vec<String> = Vec::new();
    let manifest = Digest::of(&image.manifest_bytes);
    for name in &names {
        let reference: Reference = name.parse()?;
        repo_digests.push(format!("{}@{manifest}", reference.name()));
    }
    let id = intake.publish(&names, repo_digests)?;
    Ok(Loaded { id, names })
}

/// Copies a layer's bytes, hashed on the way.
fn copy(
    target: &Target,
    intake: &Intake<'_>,
    index: usize,
    layer: &ArchivedLayer,
    progress: &mut dyn Progress,
) -> Result<()> {
    let digest = &layer.descriptor.digest;
    let mut file = intake.create(index)?;
    let mut blob = layer.blob.rewound();
    let mut hash = Hash::of_kind(digest);
    let mut buffer = vec![0; 1 << 20];
    loop {
        if target.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::state("cancelled").into());
        }
        let length = blob.read(&mut buffer).context("read the archive")?;
        if length == 0 {
            break;
        }
        file.write_all(&buffer[..length]).context("write blob")?;
        hash.update(&buffer[..length]);
        intake.advanced(index, length as u64);
        progress.advanced(digest, length as u64);
    }
    hash.check(digest)?;
    intake.finished(index);
    Ok(())
}

/// The full names of what an archive calls its image. What is not a name with a tag is left out, as podman does with an
/// OCI annotation that is only a tag: it becomes that tag of nothing.
fn full_names(names: &[String]) -> Result<Vec<String>> {
    let mut full = Vec::new();
    for name in names {
        let reference: Reference = name.parse().with_context(|| format!("name {name:?} in the archive"))?;
        full.push(match reference.is_short() {
            // docker leaves its own registry out; podman writes names in full.
            true if name.contains('/') => store::text(&reference.normalized().or_latest()),
            true => store::text(&reference.normalized().or_latest()),
            false => store::text(&reference.or_latest()),
        });
    }
    full.dedup();
    Ok(full)
}
