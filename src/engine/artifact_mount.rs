//! `--mount type=artifact`: the files of an artifact, each a read-only bind of its blob. The record has the artifact's name
//! alone: a start shows what has the name by then, and a container that lives keeps what it was started with, removed or
//! not.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::volume::Content;
use super::{Engine, rootfs};
use crate::image::artifact::{self, Choice};
use crate::image::store::ImageStore;
use crate::model::container::ContainerConfig;
use crate::model::error::Error;
use crate::model::mount::{Mount, Source, clean};
use crate::sys::path::open_in_root;

/// The binds that take the place of the container's mounts of artifacts.
pub(super) fn binds(engine: &Engine, config: &ContainerConfig) -> Result<Vec<(Mount, Content)>> {
    let mut binds = Vec::new();
    if !config.mounts.iter().any(Mount::is_artifact) {
        return Ok(binds);
    }
    let store = ImageStore::new(&engine.paths);
    let view = rootfs::view(engine, config)?;
    for mount in &config.mounts {
        let Source::Artifact { artifact, title, digest, name } = &mount.source else { continue };
        let mounting = || format!("mount artifact {artifact}");
        let found = store.find_artifact(artifact)?;
        let choice = Choice { title: title.clone(), digest: digest.clone() };
        let parts = choice.of(artifact::parts(&store.artifact_manifest(&found)?.0)?).with_context(mounting)?;
        let place = place(&view, &mount.target).with_context(|| format!("look at {} of the image", mount.target))?;
        let targets = match place {
            Place::File if parts.len() > 1 => {
                let message = format!(
                    "artifact {artifact:?} contains more than one blob and container path {:?} is a file",
                    mount.target
                );
                return Err(Error::invalid(message).into());
            }
            Place::File => vec![mount.target.clone()],
            Place::Nothing if parts.len() == 1 => vec![mount.target.clone()],
            Place::Directory | Place::Nothing => {
                let names = match name {
                    Some(name) if parts.len() == 1 => vec![name.clone()],
                    Some(name) => (0..parts.len()).map(|index| format!("{name}-{index}")).collect(),
                    None => choice.names(&parts).with_context(mounting)?,
                };
                names.iter().map(|name| clean(&format!("{}/{name}", mount.target))).collect()
            }
        };
        for (part, target) in parts.iter().zip(targets) {
            let source = part.mountable(&engine.paths).with_context(mounting)?;
            // Never writable: the bytes are the store's own.
            let bind = Source::Bind { path: source.display().to_string() };
            let bind = Mount { source: bind, target, read_only: true, shallow: true, ..mount.clone() };
            binds.push((bind, Content { source: Some(source), options: Vec::new() }));
        }
    }
    Ok(binds)
}

/// What an image has where an artifact is mounted.
enum Place {
    Directory,
    File,
    Nothing,
}

fn place(view: impl AsFd, target: &str) -> Result<Place> {
    let opened = open_in_root(view, target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    match opened.as_ref().map_err(Errno::from_io_error) {
        Ok(found) => {
            let is_dir = FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode) == FileType::Directory;
            Ok(if is_dir { Place::Directory } else { Place::File })
        }
        Err(Some(Errno::NOENT)) => Ok(Place::Nothing),
        Err(_) => Ok(opened.map(|_| Place::Nothing)?),
    }
}
