//! The files of a container, for commands that copy them: `cp`, `export`, `commit`.
//!
//! A view is a detached mount that nobody else sees (R4). Of a container that lives it is a clone of its tree of mounts,
//! volumes included, as it is at that moment: what the container mounts or unmounts later changes nothing. One that does
//! not is mounted as its start would, in a mount namespace that ends with the mounting, and its lock is held as long as
//! the view, since an upper directory takes one mount. The kernel takes the view away with its last descriptor: a killed
//! command leaves nothing.
//!
//! No view has devices: a node that is opened by mistake is an error.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::container::{Locked, monitor_lock};
use super::rootfs::Root;
use super::{Engine, merged, owners, rootfs, spec, volume};
use crate::model::container::{ContainerConfig, ProcessRef};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::idmap::IdMaps;
use crate::runtime::idmap;
use crate::runtime::rootfs::{idmapped, layered, pivot};
use crate::state::lock;
use crate::storage::volume::local::Volumes;
use crate::sys::apart;
use crate::sys::mount::{self, MountAttr};
use crate::sys::path::open_in_root;
use crate::sys::process;

/// How long a container whose init has ended may take until its monitor is done.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of a container is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything that its processes see.
    Mounts,
    /// Its root file system alone.
    Root,
}

/// The files of a container.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) root: OwnedFd,
    /// Mounts of a container that never ran, whose directories are not there yet: target and tree.
    apart: Vec<(String, OwnedFd)>,
    pub(crate) config: ContainerConfig,
    /// Between the container's ids and ours.
    pub(crate) maps: Option<IdMaps>,
    /// Of one that does not live: nobody starts it meanwhile.
    _locked: Option<Locked>,
}

impl View {
    /// The tree that the absolute `path` is in, and the path in there.
    pub(crate) fn tree<'a>(&self, path: &'a str) -> (BorrowedFd<'_>, &'a str) {
        for (target, tree) in &self.apart {
            let rest = path.strip_prefix(target.as_str());
            if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                return (tree.as_fd(), rest);
            }
        }
        (self.root.as_fd(), path)
    }

    /// The owner inside of what belongs to `uid` and `gid` here.
    pub(crate) fn owner_inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        self.maps.as_ref().map_or((uid, gid), |maps| maps.owner_inside(uid, gid))
    }

    /// The owner here of what belongs to `uid` and `gid` inside.
    pub(crate) fn owner_outside(&self, uid: u32, gid: u32) -> (u32, u32) {
        self.maps.as_ref().map_or((uid, gid), |maps| maps.owner(uid, gid))
    }
}

impl Engine {
    /// Opens a view of container `id`.
    pub(crate) fn view(&self, id: &Id, scope: Scope) -> Result<View> {
        loop {
            let locked = self.lock_id(id)?;
            let maps = owners::maps(self, &locked.config)?;
            let config = locked.config.clone();
            let Some(init) = locked.state.init.filter(|_| locked.state.status.is_alive()) else {
                let (root, apart) = self.mount(&locked, maps.as_ref(), scope)?;
                confine(&root)?;
                return Ok(View { root, apart, config, maps, _locked: Some(locked) });
            };
            if let Some(root) = clone(init, scope).context("clone the mounts of the container")? {
                confine(&root)?;
                return Ok(View { root, apart: Vec::new(), config, maps, _locked: None });
            }
            // Its init has ended a moment ago. The monitor may need the lock to come to its end.
            drop(locked);
            lock::wait_free(&monitor_lock(&self.paths, id), PATIENCE)?;
        }
    }

    /// Mounts a container that does not live.
    fn mount(&self, locked: &Locked, maps: Option<&IdMaps>, scope: Scope) -> Result<(OwnedFd, Vec<(String, OwnedFd)>)> {
        let config = &locked.config;
        if let (false, Some(root)) = (rootfs::is_copy(config), merged::clone(&locked.dir())?) {
            // The upper directory is in use by that mount, which is the same.
            return self.furnish_view(root, locked, None, scope);
        }
        let namespace = match maps.filter(|maps| owners::by_mount(self, Some(maps))) {
            Some(maps) => Some(idmap::namespace(&spec::id_map(&maps.uids)?, &spec::id_map(&maps.gids)?)?),
            None => None,
        };
        let namespace = namespace.as_ref().map(OwnedFd::as_fd);
        let root = match rootfs::root(self, config, &locked.dir())? {
            Root::Overlay(dirs) => layered::mount(&dirs, namespace, MountAttrFlags::empty())?,
            Root::Directory(path) => directory(&path, namespace)?,
        };
        self.furnish_view(root, locked, namespace, scope)
    }

    /// Adds the binds where the scope has them.
    fn furnish_view(
        &self,
        root: OwnedFd,
        locked: &Locked,
        namespace: Option<BorrowedFd<'_>>,
        scope: Scope,
    ) -> Result<(OwnedFd, Vec<(String, OwnedFd)>)> {
        let mut binds = if scope == Scope::Mounts { bound(self, &locked.config)? } else { Vec::new() };
        if binds.is_empty() {
            return Ok((root, Vec::new()));
        }
        binds.sort_by(|one, other| one.target.cmp(&other.target));
        let dir = locked.dir();
        apart::in_private_mounts(|| attach(&root, &dir, &binds, namespace)).context("leave the mount namespace")?
    }
}

/// The root file system of a locked container as a detached mount, for the user to see.
pub(crate) fn root(engine: &Engine, locked: &Locked) -> Result<OwnedFd> {
    if rootfs::is_copy(&locked.config)
        && let Root::Directory(path) = rootfs::root(engine, &locked.config, &locked.dir())?
    {
        // With the owners as the container sees them: through a map nobody here could make a file.
        return pivot::open_root(&path, None);
    }
    if let Some(init) = locked.state.init.filter(|_| locked.state.status.is_alive()) {
        let ended = || Error::state(format!("container {} has ended a moment ago", locked.id().short()));
        return Ok(clone(init, Scope::Root).context("clone the mounts of the container")?.ok_or_else(ended)?);
    }
    let maps = owners::maps(engine, &locked.config)?;
    Ok(engine.mount(locked, maps.as_ref(), Scope::Root)?.0)
}

/// What is bound into a container. What a start makes afresh (tmpfs, overlays) has no files before it.
fn bound(engine: &Engine, config: &ContainerConfig) -> Result<Vec<Bind>> {
    let volumes = Volumes::new(&engine.paths);
    let mut binds = Vec::new();
    for mount in config.mounts.iter().filter(|mount| !mount.overlay) {
        let content = match volume::content(&volumes, mount) {
            // A start would refuse it; the rest can be copied all the same.
            Err(error) if super::remove::is_gone(&error) => volume::Content::default(),
            done => done.with_context(|| format!("find the source of {}", mount.target))?,
        };
        let read_only = mount.read_only || content.options.iter().any(|option| option == "ro");
        binds.extend(content.source.map(|source| Bind {
            source,
            target: mount.target.clone(),
            read_only,
            recursive: !mount.shallow,
            mapped: mount.idmap,
        }));
    }
    Ok(binds)
}

/// A mount of a container that does not live.
struct Bind {
    source: PathBuf,
    target: String,
    read_only: bool,
    recursive: bool,
    mapped: bool,
}

/// Clones the mounts of a live container; `None` when it has ended.
fn clone(init: ProcessRef, scope: Scope) -> Result<Option<OwnedFd>> {
    let Some(pidfd) = process::open(init.pid, init.start_time)? else { return Ok(None) };
    match apart::in_mounts(pidfd.as_fd(), || mount::clone_tree(CWD, "/", scope == Scope::Mounts)) {
        Ok(tree) => Ok(Some(tree?)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        // A zombie has no namespaces any more.
        Err(_) if !process::is_alive(init.pid, init.start_time) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// No devices, and no mounts that come later.
fn confine(root: &OwnedFd) -> Result<()> {
    let attr = MountAttr { set: libc::MOUNT_ATTR_NODEV, propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    mount::set_attr(root, true, attr).context("close the view of the container")
}

fn directory(path: &Path, namespace: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    match namespace {
        Some(namespace) => idmapped::directory(path, None, namespace),
        // Private: what is mounted on it here is seen nowhere else.
        None => pivot::open_root(path, None),
    }
}

/// Attaches `root` where only this thread sees it, the binds in it, and clones the whole.
fn attach(
    root: &OwnedFd,
    dir: &Path,
    binds: &[Bind],
    namespace: Option<BorrowedFd<'_>>,
) -> Result<(OwnedFd, Vec<(String, OwnedFd)>)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::open(dir, flags, Mode::empty()).with_context(|| format!("open {}", dir.display()))?;
    mount::attach(root, &place).context("mount the container")?;
    let mut apart = Vec::new();
    for bind in binds {
        let tree = tree_of(bind, namespace).with_context(|| format!("clone {}", bind.source.display()))?;
        let attached = open_in_root(root, &bind.target, OFlags::PATH, Mode::empty())
            .and_then(|target| mount::attach(&tree, &target));
        match attached.as_ref().map_err(Errno::from_io_error) {
            Ok(()) => {}
            // The start makes what it is mounted on; here nothing is made (R4).
            Err(Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => apart.push((bind.target.clone(), tree)),
            Err(_) => attached.with_context(|| format!("mount {}", bind.target))?,
        }
    }
    // The longest target first: it is the innermost.
    apart.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
    Ok((mount::clone_tree(root, "", true).context("clone the mounts of the container")?, apart))
}

fn tree_of(bind: &Bind, namespace: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let tree = mount::clone_tree(CWD, &bind.source, bind.recursive)?;
    let mut attr = MountAttr { set: libc::MOUNT_ATTR_NODEV, ..MountAttr::default() };
    if bind.read_only {
        attr.set |= libc::MOUNT_ATTR_RDONLY;
    }
    if let Some(namespace) = namespace.filter(|_| bind.mapped) {
        attr.set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = u64::try_from(namespace.as_raw_fd())?;
    }
    mount::set_attr(&tree, false, attr)?;
    Ok(tree)
}
