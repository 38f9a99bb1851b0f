//! `mount` and `unmount`: the root file system of a container where the user sees it, at `containers/<id>/merged`.
//!
//! An upper directory takes one mount: while this one is there, a start and a view take a clone of it. There is no record
//! of it; the kernel says whether something is mounted. Of a container that runs, what is mounted is a clone of its own
//! root. It goes by `unmount`, with the container, or with the machine.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};

use super::container::Container;
use super::{Engine, merged, view};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::state::privilege::Privilege;
use crate::sys::mount::{self, MountAttr};

/// A container that is mounted.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub(crate) read: Container,
    pub(crate) path: PathBuf,
}

impl Engine {
    /// Mounts the container that `name` means, unless it is, and says where.
    pub(crate) fn mount_container(&self, name: &str) -> Result<PathBuf> {
        self.check_mounts("mount")?;
        let locked = self.lock(name)?;
        let dir = locked.dir();
        if let Some(path) = merged::mounted(&dir)? {
            return Ok(path);
        }
        let path = merged::place(&dir);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("create directory {}", path.display()));
            }
            _ => {}
        }
        let root = view::root(self, &locked)?;
        // What looks like a device in there is no way to the host's.
        let attr = MountAttr { set: libc::MOUNT_ATTR_NODEV, ..MountAttr::default() };
        mount::set_attr(&root, false, attr).context("close the mount of the container")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target =
            rustix::fs::open(&path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))?;
        mount::attach(&root, &target).with_context(|| format!("mount on {}", path.display()))?;
        self.note_container(&locked.config, "mount");
        Ok(path)
    }

    /// Unmounts it; one that is not mounted is fine.
    pub(crate) fn unmount_container(&self, name: &str) -> Result<Id> {
        self.check_mounts("umount")?;
        let locked = self.lock(name)?;
        let was_mounted = merged::mounted(&locked.dir())?.is_some();
        merged::detach(&locked.dir())?;
        if was_mounted {
            self.note_container(&locked.config, "unmount");
        }
        Ok(locked.id().clone())
    }

    /// The containers that are mounted, the oldest first.
    pub(crate) fn mounted_containers(&self) -> Result<Vec<Mounted>> {
        self.check_mounts("mount")?;
        let mut all = Vec::new();
        for listed in self.list()? {
            if let super::list::Listed::Container(read) = listed
                && let Some(path) = merged::mounted(&self.paths.container(&read.config.id))?
            {
                all.push(Mounted { read: *read, path });
            }
        }
        all.reverse();
        Ok(all)
    }

    /// An ordinary user's mount would be seen by nobody, but in a shell of `unshare`.
    pub(in crate::engine) fn check_mounts(&self, command: &str) -> Result<()> {
        if self.privilege.is_rootless() && Privilege::unshared().is_none() {
            let message =
                format!("cannot run command \"dhow {command}\" in rootless mode, must execute `dhow unshare` first");
            return Err(Error::invalid(message).into());
        }
        Ok(())
    }
}
