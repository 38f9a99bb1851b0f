//! From archives of docker, podman and OCI into the store.

use std::io::{Read, Write};

use anyhow::{Context, Result};

use super::archive::image::{Archived, ArchivedLayer};
use super::hash::Hash;
use super::intake::{Documents, Intake, Progress, Target};
use super::manifest::DOCKER_MANIFEST;
use super::store;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, Reference};

/// What a load gave, an image each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) id: String,
    /// Its names in full, as the archive gave them; may be empty.
    pub(crate) names: Vec<String>,
}

/// Takes one image of an archive into the store.
pub(crate) fn load(target: &Target, image: &Archived, progress: &mut dyn Progress) -> Result<Loaded> {
    let names = full_names(image)?;
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
        if target.cancel.is_cancelled() || intake.stop().is_cancelled() {
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

/// The full names of what an archive calls its image: docker leaves its own registry out of a short name, in an OCI
/// layout such a name belongs to nobody.
fn full_names(image: &Archived) -> Result<Vec<String>> {
    let domain = if image.manifest.media_type == DOCKER_MANIFEST { DOCKER_HUB } else { store::LOCAL };
    let mut full = Vec::new();
    for name in &image.names {
        let reference: Reference = name.parse().with_context(|| format!("name {name:?} in the archive"))?;
        full.push(store::text(&reference.qualified(domain)?.or_latest()));
    }
    full.sort_unstable();
    full.dedup();
    Ok(full)
}
