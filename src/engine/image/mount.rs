//! `image mount` and `image unmount`: an image's files where the user sees them, at `images/mounts/<id>`, read-only.
//!
//! There is no record of it: the kernel says whether something is mounted. An image that is mounted is not removed.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};

use crate::engine::{Engine, rootfs};
use crate::image::store::{self, ImageStore};
use crate::model::error::Error;
use crate::model::image::ImageRecord;
use crate::sys::mount::{self, MountAttr};

/// An image that is mounted.
#[derive(Clone, Debug)]
pub(crate) struct MountedImage {
    pub(crate) record: ImageRecord,
    pub(crate) names: Vec<String>,
    pub(crate) path: PathBuf,
}

impl Engine {
    fn image_place(&self, id: &str) -> PathBuf {
        self.paths.images().join("mounts").join(id)
    }

    /// Where image `id` is mounted, if it is.
    pub(in crate::engine) fn image_mount(&self, id: &str) -> Result<Option<PathBuf>> {
        let path = self.image_place(id);
        Ok(mount::is_mounted(&path).with_context(|| format!("stat {}", path.display()))?.then_some(path))
    }

    /// Mounts the image that `name` means, unless it is, and says where.
    pub(crate) fn mount_image(&self, name: &str) -> Result<PathBuf> {
        self.check_mounts("image mount")?;
        let store = ImageStore::new(&self.paths);
        // Nobody removes the image until it can be seen that it is mounted.
        let _lock = store.lock()?;
        let id = store.resolve(name)?.ok_or_else(|| store::unknown(name))?;
        if let Some(path) = self.image_mount(&id)? {
            return Ok(path);
        }
        let image = store.open(&id)?;
        let path = self.image_place(&id);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("create directory {}", path.display()))?;
        let tree = rootfs::view_layers(self, &image.chain_ids())?;
        let tree = tree.ok_or_else(|| Error::invalid(format!("image {name} has no layers")))?;
        // Of a single layer it is a clone of the store's own directory.
        let attr = MountAttr { set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV, ..MountAttr::default() };
        mount::set_attr(&tree, false, attr).context("make the mount read-only")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target =
            rustix::fs::open(&path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))?;
        mount::attach(&tree, &target).with_context(|| format!("mount on {}", path.display()))?;
        Ok(path)
    }

    /// Unmounts it; gives its id where it was mounted.
    pub(crate) fn unmount_image(&self, name: &str) -> Result<Option<String>> {
        self.check_mounts("image unmount")?;
        let store = ImageStore::new(&self.paths);
        let _lock = store.lock()?;
        let id = store.resolve(name)?.ok_or_else(|| store::unknown(name))?;
        Ok(self.detach_image(&id)?.then_some(id))
    }

    /// Takes the mount of image `id` and its directory away; whether there was one. The images' lock is held.
    pub(super) fn detach_image(&self, id: &str) -> Result<bool> {
        let mut found = false;
        while let Some(path) = self.image_mount(id)? {
            mount::detach(&path).with_context(|| format!("unmount {}", path.display()))?;
            found = true;
        }
        remove_empty(&self.image_place(id))?;
        Ok(found)
    }

    /// The images that are mounted, by their ids.
    pub(crate) fn mounted_images(&self) -> Result<Vec<MountedImage>> {
        self.check_mounts("image mount")?;
        let mut all = Vec::new();
        for listed in ImageStore::new(&self.paths).list()?.images {
            if let Some(path) = self.image_mount(&listed.record.id)? {
                all.push(MountedImage { record: listed.record, names: listed.names, path });
            }
        }
        Ok(all)
    }
}

/// Removes a directory, which is empty unless something is mounted there in another namespace.
fn remove_empty(path: &Path) -> Result<()> {
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
