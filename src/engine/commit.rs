//! `commit`: what a container changed becomes a layer of a new image. The layer is read from the upper directory, which
//! holds whole files; a squashed one from the container's root file system.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::image::interrupt::Guard;
use super::view::{Scope, View};
use super::{Engine, container, rootfs};
use crate::image::commit::{self, Parts};
use crate::image::store::{self, ImageStore};
use crate::model::container::{ContainerConfig, RootFs};
use crate::model::mount::Source;
use crate::model::status::Status;
use crate::storage::pack::{PackOptions, Packer};
use crate::storage::{changes, tree, whole};
use crate::sys::apart;
use crate::sys::path::open_beneath;

pub(crate) use crate::image::commit::CommitOptions;

/// Files that a start mounts over: an empty one is only what it is mounted on.
const MOUNT_POINTS: [&str; 4] = ["etc/hosts", "etc/resolv.conf", "etc/hostname", "run/.containerenv"];

/// What a commit does beside the image.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommitRequest {
    /// The container's processes stand still meanwhile.
    pub(crate) pause: bool,
    /// The targets of its volumes become volumes of the image.
    pub(crate) volumes: bool,
}

impl Engine {
    /// Makes an image of the container that `name` means; returns the image's id.
    pub(crate) fn commit(&self, name: &str, request: CommitRequest, options: &CommitOptions) -> Result<String> {
        let id = container::find(&self.paths, name)?;
        if let Some(name) = &options.name {
            // A bad name is told before the work is done.
            store::full_name(name)?;
        }
        self.heal_images()?;
        let read = self.read(name)?;
        if !request.pause || read.state.status != Status::Running {
            return self.commit_still(&id, request, options);
        }
        self.pause(id.as_str()).context("pause the container")?;
        let committed = self.commit_still(&id, request, options);
        let resumed = self.unpause(id.as_str()).context("unpause the container");
        let image = committed?;
        resumed.map(|_| image)
    }

    fn commit_still(
        &self,
        id: &crate::model::id::Id,
        request: CommitRequest,
        options: &CommitOptions,
    ) -> Result<String> {
        let view = self.view(id, Scope::Root)?;
        let config = &view.config;
        let base = match &config.image {
            Some(image) => Some(
                ImageStore::new(&self.paths)
                    .open(&image.id)
                    .with_context(|| format!("open the image {} of the container", image.name))?,
            ),
            None => None,
        };
        // What has no layers below, or is not kept as changes, is taken whole.
        let whole = options.squash || base.is_none() || matches!(config.root_fs, RootFs::Directory { .. });
        let mut options = options.clone();
        options.squash = whole;
        let parts = Parts {
            base: base.as_ref(),
            base_name: config.image.as_ref().map_or("", |image| &image.name),
            config: said(config, request),
        };
        let guard = Guard::new()?;
        let target = self.image_target(guard.cancel.clone());
        let image = guard.outcome(commit::commit(&target, &parts, &options, |out| self.pack(&view, whole, out)))?;
        self.note_container(config, "commit");
        Ok(image)
    }

    fn pack(&self, view: &View, whole: bool, out: &mut (dyn std::io::Write + Send)) -> Result<()> {
        let owner = |uid: u32, gid: u32| view.owner_inside(uid, gid);
        let rootfs = self.paths.container(&view.config.id).join("rootfs");
        let copied = !whole && rootfs::is_copy(&view.config);
        let changes = if copied {
            let base = rootfs::base(self, &view.config)?.map(|base| tree::open(&base)).transpose()?;
            changes::of_copy(tree::open(&whole::own(&rootfs))?.as_fd(), base.as_ref().map(AsFd::as_fd))?
        } else {
            Vec::new()
        };
        let upper = if whole || copied { None } else { Some(rootfs.join("upper")) };
        let root = match &upper {
            Some(upper) => &tree::open(upper)?,
            None => &view.root,
        };
        let empty = |path: &&&str| {
            let file = open_beneath(root, path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty());
            file.and_then(|file| Ok(rustix::fs::fstat(file)?)).is_ok_and(|stat| stat.st_size == 0)
        };
        let skip: Vec<&str> = MOUNT_POINTS.iter().filter(empty).copied().collect();
        let options = PackOptions { owner: &owner, nanoseconds: false, skip: &skip, upper: upper.is_some() };
        let pack = || {
            let mut packer = Packer::new(out, options);
            if copied {
                packer.changes(root.as_fd(), &changes)?;
            } else {
                packer.contents(root.as_fd(), b"")?;
            }
            packer.finish().map(drop)
        };
        apart::in_root(root, pack).context("enter the files of the container")?
    }
}

/// The container's own words for the image's configuration.
fn said(config: &ContainerConfig, request: CommitRequest) -> Map<String, Value> {
    let mut said = Map::new();
    let mut set = |key: &str, value: Value, is_set: bool| {
        said.insert(key.to_owned(), if is_set { value } else { Value::Null });
    };
    set("User", json!(config.user), !config.user.is_empty());
    set("Env", json!(config.env), !config.env.is_empty());
    set("Entrypoint", json!(config.entrypoint), config.entrypoint.as_ref().is_some_and(|words| !words.is_empty()));
    set("Cmd", json!(config.command), !config.command.is_empty());
    set("WorkingDir", json!(config.workdir), !matches!(config.workdir.as_str(), "" | "/"));
    set("Labels", json!(config.labels), !config.labels.is_empty());
    set("StopSignal", json!(config.stop_signal.to_string()), config.stop_signal != libc::SIGTERM);
    let with_protocol = |port: &String| if port.contains('/') { port.clone() } else { format!("{port}/tcp") };
    let published = config.publish.iter().flat_map(|mapping| {
        mapping.pairs().map(|(_, port)| format!("{port}/{}", mapping.protocol)).collect::<Vec<_>>()
    });
    let ports = config.exposed.iter().map(with_protocol).chain(published);
    let ports: Map<String, Value> = ports.map(|port| (port, json!({}))).collect();
    let exposed = !ports.is_empty();
    set("ExposedPorts", ports.into(), exposed);
    if request.volumes {
        let volumes = config.mounts.iter().filter(|mount| matches!(mount.source, Source::Volume { .. }));
        let volumes: Map<String, Value> = volumes.map(|mount| (mount.target.clone(), json!({}))).collect();
        if !volumes.is_empty() {
            said.insert("Volumes".to_owned(), volumes.into());
        }
    }
    said
}
