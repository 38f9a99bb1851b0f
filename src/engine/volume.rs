//! The volumes of a container: made and filled when it is created, found when it starts, removed with it when they are
//! its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Engine;
use super::container::{self, Container, Locked};
use crate::image::store::Image;
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::idmap::IdMaps;
use crate::model::mount::{Mount, Source};
use crate::model::volume::VolumeConfig;
use crate::runtime::user;
use crate::storage::overlay;
use crate::storage::volume::local::{self, Volumes};
use crate::storage::volume::populate;

/// Makes the volumes that a container being created names, and fills those that are new and empty.
pub(crate) fn prepare(engine: &Engine, locked: &mut Locked, image: Option<&Image>) -> Result<()> {
    let named = locked.config.mounts.iter().any(|mount| matches!(mount.source, Source::Volume { .. }));
    if named {
        let maps = super::owners::maps(engine, &locked.config)?;
        let volumes = Volumes::new(&engine.paths);
        let _lock = volumes.lock()?;
        for mount in &locked.config.mounts {
            let Source::Volume { name: Some(name), .. } = &mount.source else { continue };
            let anonymous = locked.config.anonymous_volumes.contains(name);
            let mut volume = match volumes.read(name)? {
                Some(volume) => volume,
                None => {
                    let volume = volumes.create(name, BTreeMap::new(), BTreeMap::new(), anonymous)?;
                    engine.note_volume("create", name);
                    volume
                }
            };
            if volume.populated || !volume.is_plain() {
                continue;
            }
            let fills = mount.copy_up && image.is_some();
            let filled = fills
                && fill(engine, locked, &volumes, &volume, mount, maps.as_ref())
                    .with_context(|| format!("copy up into volume {name}"))?;
            if volume.owner().is_some() {
                // What the image says of the directory itself is less than what its maker said.
                local::give(&volumes.data(name), volume.owner())?;
            } else if !filled {
                give_to_user(engine, locked, &volumes, name, maps.as_ref())
                    .with_context(|| format!("change the owner of volume {name}"))?;
            }
            if fills {
                volume.populated = true;
                volumes.save(&volume)?;
            }
        }
    }
    for (index, mount) in locked.config.mounts.iter().enumerate() {
        if mount.overlay {
            overlay::prepare(&overlay_dir(&locked.dir(), index)).context("make the layer of an overlay mount")?;
        }
    }
    Ok(())
}

/// The mounts of the containers `names`, each `CONTAINER[:OPTIONS]`, less what is a container's own alone.
pub(crate) fn of_containers(engine: &Engine, names: &[String]) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in names {
        let (name, options) =
            text.split_once(':').map_or((text.as_str(), None), |(name, options)| (name, Some(options)));
        let mut read_only = None;
        for option in options.into_iter().flat_map(|options| options.split(',')) {
            match option {
                "ro" => read_only = Some(true),
                "rw" => read_only = Some(false),
                // There is no SELinux that a label could be for; see `info`.
                "z" => {}
                _ => {
                    let message = format!(
                        "invalid option {option:?} specified - volumes from another container can only use z,ro,rw options"
                    );
                    return Err(Error::invalid(message).into());
                }
            }
        }
        let source = engine.read(name).with_context(|| format!("looking up container {name:?} for volumes-from"))?;
        for mut mount in source.config.mounts {
            let own = mount.source.is_fresh() || mount.overlay;
            if own || mounts.iter().any(|known| known.target == mount.target) {
                continue;
            }
            mount.read_only = read_only.filter(|_| !mount.is_artifact()).unwrap_or(mount.read_only);
            mounts.push(mount);
        }
    }
    Ok(mounts)
}

/// The first container that uses an empty volume gets it for its user, as with podman.
fn give_to_user(engine: &Engine, locked: &Locked, volumes: &Volumes, name: &str, maps: Option<&IdMaps>) -> Result<()> {
    let data = File::open(volumes.data(name)).context("open the volume")?;
    let meta = data.metadata().context("stat the volume")?;
    if (meta.uid(), meta.gid()) != (0, 0) || !populate::is_empty(data.as_fd())? {
        return Ok(());
    }
    let user = match locked.config.user.as_str() {
        "" | "0" | "root" => None,
        // Who is not in the image's files fails the start, which says so.
        asked => user::lookup(super::rootfs::view(engine, &locked.config)?.as_fd(), asked, &[]).ok(),
    };
    let (uid, gid) = user.map_or((0, 0), |user| (user.uid, user.gid));
    let (uid, gid) = maps.map_or((uid, gid), |maps| maps.owner(uid, gid));
    if (uid, gid) != (0, 0) {
        std::os::unix::fs::fchown(&data, Some(uid), Some(gid)).context("chown")?;
    }
    Ok(())
}

/// Fills the volume with what the image has at its place; whether that is a directory.
fn fill(
    engine: &Engine,
    locked: &Locked,
    volumes: &Volumes,
    volume: &VolumeConfig,
    mount: &Mount,
    maps: Option<&IdMaps>,
) -> Result<bool> {
    let view = super::rootfs::view(engine, &locked.config)?;
    let source = match populate::open_dir(view.as_fd(), &mount.target) {
        Ok(source) => source,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
            return Ok(false);
        }
        Err(error) => return Err(error).with_context(|| format!("open {} of the image", mount.target)),
    };
    let target = File::open(volumes.data(&volume.name)).context("open the volume")?;
    if populate::is_empty(target.as_fd())? {
        populate::populate(source.as_fd(), target.as_fd(), maps)?;
        // What a volume holds is told to be kept.
        rustix::fs::syncfs(&target).context("sync the volume")?;
    }
    Ok(true)
}

/// What is mounted, found: where it comes from, and what the volume adds to the options of the mount.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    /// `None` for a tmpfs.
    pub(crate) source: Option<PathBuf>,
    pub(crate) options: Vec<String>,
}

/// The contents of a container's mounts, in their order.
pub(crate) fn contents(engine: &Engine, locked: &Locked) -> Result<Vec<Content>> {
    let volumes = Volumes::new(&engine.paths);
    locked.config.mounts.iter().map(|mount| content(&volumes, mount)).collect()
}

/// The content of one mount.
pub(crate) fn content(volumes: &Volumes, mount: &Mount) -> Result<Content> {
    let plain = |source| Content { source: Some(source), options: Vec::new() };
    match &mount.source {
        // The binds of an artifact's files take its place.
        Source::Tmpfs | Source::Ramfs | Source::Devpts | Source::Artifact { .. } => Ok(Content::default()),
        // The monitor mounts the layers in its place.
        Source::Image { .. } => Ok(plain(PathBuf::from("/"))),
        Source::Glob { .. } => Err(Error::state("a pattern was left over from the creation").into()),
        Source::Bind { path } => host_path(path).map(plain),
        Source::Volume { name: None, .. } => Err(Error::state("an anonymous volume has no name").into()),
        Source::Volume { name: Some(name), subpath } => {
            let volume = volumes.read(name)?.ok_or_else(|| crate::storage::volume::local::no_such(name))?;
            let option = |key: &str| volume.options.get(key).map(String::as_str).unwrap_or_default();
            let kind = option("type");
            let data = match kind {
                "tmpfs" => {
                    if subpath.is_some() {
                        return Err(Error::invalid(format!("volume {name} is a fresh tmpfs: it has no subpath")).into());
                    }
                    let mut options = Mount::volume_options(kind, option("o"))?;
                    if mount.copy_up {
                        options.push("tmpcopyup".to_owned());
                    }
                    return Ok(Content { source: None, options });
                }
                "none" | "bind" => host_path(option("device"))?,
                _ => volumes.data(name),
            };
            let source = match subpath {
                Some(subpath) => below(&data, subpath)?,
                None => data,
            };
            match kind {
                "none" | "bind" => {
                    Ok(Content { source: Some(source), options: Mount::volume_options(kind, option("o"))? })
                }
                _ => Ok(plain(source)),
            }
        }
    }
}

/// The directory or file of the host at `path`, which must be there.
pub(super) fn host_path(path: &str) -> Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(PathBuf::from(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::not_found(format!("statfs {path}: no such file or directory")).hint("make it first").into())
        }
        Err(error) => Err(error).with_context(|| format!("statfs {path}")),
    }
}

/// A directory inside a volume: it must be there without any link (R1).
fn below(data: &Path, subpath: &str) -> Result<PathBuf> {
    let root = File::open(data).context("open the volume")?;
    let relative = subpath.trim_start_matches('/');
    crate::sys::path::open_beneath(&root, relative, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())
        .with_context(|| format!("open subpath {subpath} of the volume"))?;
    Ok(data.join(relative))
}

/// Where the writable layer of an overlay mount (`:O`) is.
pub(crate) fn overlay_dir(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("overlay-{index}"))
}

/// Removes an anonymous volume of container `id`, unless another container uses it.
pub(crate) fn remove_anonymous(engine: &Engine, name: &str, id: &Id) -> Result<()> {
    if users(engine, name)?.iter().any(|user| user != id) {
        return Ok(());
    }
    let volumes = Volumes::new(&engine.paths);
    let _lock = volumes.lock()?;
    volumes.remove(name)?;
    engine.note_volume("remove", name);
    Ok(())
}

/// The containers that mount volume `name`: derived from their records, never counted.
pub(crate) fn users(engine: &Engine, name: &str) -> Result<Vec<Id>> {
    let mut users = Vec::new();
    for id in container::ids(&engine.paths)? {
        let Ok(Some(read)) = Container::read(&engine.paths, &id) else { continue };
        let uses = |mount: &Mount| matches!(&mount.source, Source::Volume { name: Some(used), .. } if used == name);
        if read.config.mounts.iter().any(uses) {
            users.push(id);
        }
    }
    Ok(users)
}
