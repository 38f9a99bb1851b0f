//! `diff`: what a container changed of its image, what an image's top layer changes of those below, or what is different
//! between two of them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};

use super::container::{self, Container};
use super::remove::is_gone;
use super::view::{Scope, View};
use super::{Engine, rootfs};
use crate::image::store::ImageStore;
use crate::model::container::RootFs;
use crate::model::error::Error;
use crate::model::id::Id;
pub(crate) use crate::storage::changes::{Change, Kind};
use crate::storage::{changes, tree, whole};

/// What a start makes in every container, whoever asked for nothing.
const OURS: [&str; 12] = [
    "/dev",
    "/dev/init",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/run",
    "/run/.containerenv",
    "/run/notify",
    "/run/secrets",
    "/sys",
];

/// What a name may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Container,
    Image,
    Either,
}

enum Found {
    Container(Box<Container>),
    /// The chain ids of its layers, the lowest first.
    Image(Vec<String>),
}

impl Found {
    fn id(&self) -> Option<&Id> {
        match self {
            Self::Container(read) => Some(&read.config.id),
            Self::Image(_) => None,
        }
    }
}

/// All files of a container or an image.
enum Tree {
    Container(Box<View>),
    Image(OwnedFd),
}

impl Tree {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Container(view) => view.root.as_fd(),
            Self::Image(fd) => fd.as_fd(),
        }
    }
}

impl Engine {
    /// What differs between `name` and what it was made from, or, where there is one, `other`.
    pub(crate) fn diff(&self, name: &str, other: Option<&str>, subject: Subject) -> Result<Vec<Change>> {
        let found = self.subject(name, subject)?;
        let mut changes = match other {
            Some(other) => {
                let other = self.subject(other, subject)?;
                if found.id().is_some() && found.id() == other.id() {
                    return Ok(Vec::new());
                }
                // Locks are taken in the order of ids.
                let (new, old) = if found.id() < other.id() {
                    let new = self.whole(&found)?;
                    (new, self.whole(&other)?)
                } else {
                    let old = self.whole(&other)?;
                    (self.whole(&found)?, old)
                };
                match (new.as_ref().map(Tree::fd), old.as_ref().map(Tree::fd)) {
                    (Some(new), Some(old)) => changes::between(new, old)?,
                    (Some(new), None) => changes::of_upper(new, None)?,
                    (None, _) => Vec::new(),
                }
            }
            None => self.own_changes(&found)?,
        };
        changes.retain(|change| !OURS.iter().any(|ours| change.path == *ours));
        Ok(changes)
    }

    fn subject(&self, name: &str, subject: Subject) -> Result<Found> {
        if subject != Subject::Image {
            match container::find(&self.paths, name) {
                Ok(id) => {
                    let read = self.read_healed(&id)?.ok_or_else(|| container::no_such(name))?;
                    return Ok(Found::Container(Box::new(read)));
                }
                Err(error) if !is_gone(&error) => return Err(error),
                Err(_) if subject == Subject::Container => {
                    return Err(Error::not_found(format!("{name} not found: container not known")).into());
                }
                Err(_) => {}
            }
        }
        match ImageStore::new(&self.paths).find(name) {
            Ok(image) => Ok(Found::Image(image.chain_ids())),
            Err(error) if !is_gone(&error) => Err(error),
            Err(error) if subject == Subject::Image => Err(error.context(format!("{name} not found"))),
            Err(_) => Err(Error::not_found(format!("{name} not found: layer not known")).into()),
        }
    }

    fn own_changes(&self, found: &Found) -> Result<Vec<Change>> {
        let (upper, lower) = match found {
            Found::Container(read) => {
                if matches!(read.config.root_fs, RootFs::Directory { overlay: false, .. }) {
                    // It has no files of its own.
                    return Ok(Vec::new());
                }
                let rootfs = self.paths.container(&read.config.id).join("rootfs");
                if rootfs::is_copy(&read.config) {
                    let base = rootfs::base(self, &read.config)?.map(|base| tree::open(&base)).transpose()?;
                    return changes::of_copy(
                        tree::open(&whole::own(&rootfs))?.as_fd(),
                        base.as_ref().map(OwnedFd::as_fd),
                    );
                }
                (tree::open(&rootfs.join("upper"))?, Some(rootfs::view(self, &read.config)?))
            }
            Found::Image(layers) => {
                let Some((top, below)) = layers.split_last() else { return Ok(Vec::new()) };
                let top = rootfs::lower(self, std::slice::from_ref(top))?.remove(0);
                let top = top.open().with_context(|| format!("open layer {}", top.path().display()))?;
                (top, rootfs::view_layers(self, below)?)
            }
        };
        changes::of_upper(upper.as_fd(), lower.as_ref().map(OwnedFd::as_fd))
    }

    fn whole(&self, found: &Found) -> Result<Option<Tree>> {
        match found {
            Found::Container(read) => Ok(Some(Tree::Container(Box::new(self.view(&read.config.id, Scope::Root)?)))),
            Found::Image(layers) => Ok(rootfs::view_layers(self, layers)?.map(Tree::Image)),
        }
    }
}
