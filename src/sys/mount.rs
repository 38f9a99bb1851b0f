//! The mount API of Linux 5.2 and later: mounts are made detached and travel as file descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use serde::{Deserialize, Serialize};

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

/// Changes the attributes (`libc::MOUNT_ATTR_*`) of the mount that `fd` refers to, and with `recursive` of all below it.
/// mount_setattr(2), Linux 5.12.
pub(crate) fn set_attr(fd: impl AsFd, recursive: bool, attr: MountAttr) -> io::Result<()> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path is an empty C string, `attr` is a live repr(C) struct whose size is passed, the fd is borrowed.
    let code = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Clones the mount (with `recursive`: the tree of mounts) at `path` below `dir` into a detached one. open_tree(2).
pub(crate) fn clone_tree(dir: impl AsFd, path: impl AsRef<Path>, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(rustix::mount::open_tree(dir, path.as_ref(), flags)?)
}

/// Attaches a detached mount on the file or directory that `target` holds. move_mount(2).
pub(crate) fn attach(tree: impl AsFd, target: impl AsFd) -> io::Result<()> {
    use rustix::mount::MoveMountFlags as Flags;
    let flags = Flags::MOVE_MOUNT_F_EMPTY_PATH | Flags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(tree, "", target, "", flags)?)
}

/// One option of a file system: a flag, a string, or a file descriptor.
pub(crate) enum FsOption<'a> {
    Flag(&'a str),
    Text(&'a str, &'a str),
    Fd(&'a str, BorrowedFd<'a>),
}

/// Makes a detached mount of file system `kind` with `options` and mount attributes `attr`. fsopen(2), fsconfig(2),
/// fsmount(2). The error text holds what the kernel wrote to the context's log.
pub(crate) fn fs_mount(kind: &str, options: &[FsOption<'_>], attr: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    let made = (|| {
        for option in options {
            match option {
                FsOption::Flag(key) => rustix::mount::fsconfig_set_flag(context.as_fd(), *key)?,
                FsOption::Text(key, value) => rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?,
                FsOption::Fd(key, fd) => rustix::mount::fsconfig_set_fd(context.as_fd(), *key, *fd)?,
            }
        }
        rustix::mount::fsconfig_create(context.as_fd())?;
        rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attr)
    })();
    made.map_err(|errno| {
        let mut log = [0_u8; 512];
        match rustix::io::read(&context, &mut log) {
            Ok(length) if length > 2 => {
                let text = String::from_utf8_lossy(&log[2..length]);
                io::Error::new(io::Error::from(errno).kind(), format!("{}: {}", io::Error::from(errno), text.trim()))
            }
            _ => io::Error::from(errno),
        }
    })
}

/// A lower layer of an overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Lower {
    Directory(PathBuf),
    /// The file of an EROFS image, which is mounted with the overlay and goes with it. Linux 6.12.
    Image {
        image: PathBuf,
    },
}

impl Lower {
    /// The directory, or that of a mount of the image which lives as long as the descriptor.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        use rustix::fs::{Mode, OFlags};
        match self {
            Self::Directory(path) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                Ok(rustix::fs::open(path, flags, Mode::empty())?)
            }
            // A mount's descriptor is for paths only.
            Self::Image { image } => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                Ok(rustix::fs::openat(erofs(image)?, ".", flags, Mode::empty())?)
            }
        }
    }

    /// A detached mount of it.
    pub(crate) fn tree(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Directory(path) => clone_tree(rustix::fs::CWD, path, false),
            Self::Image { image } => erofs(image),
        }
    }

    /// What it is called.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Image { image: path } => path,
        }
    }
}

/// A detached mount of the EROFS image in a file. The kernel keeps the file open; no loop device is made.
fn erofs(image: &Path) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let file = rustix::fs::open(image, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    // A string of fsconfig(2) has less than 256 bytes; a path may have more.
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs_mount("erofs", &[FsOption::Flag("ro"), FsOption::Text("source", &source)], MountAttrFlags::MOUNT_ATTR_RDONLY)
}

/// The layers of an overlay, the top one first.
#[derive(Clone, Debug)]
pub(crate) struct OverlayDirs {
    pub(crate) lower: Vec<Lower>,
    /// Upper and work directory; without them the overlay is read-only.
    pub(crate) upper: Option<(PathBuf, PathBuf)>,
    /// Skip every sync: what was written may be gone after a power cut (overlayfs.rst, "Volatile mount").
    pub(crate) volatile: bool,
    /// Keep overlay's attributes under `user.`: for a mount made in a user namespace (Linux 5.11).
    pub(crate) userxattr: bool,
}

impl OverlayDirs {
    /// Whether a layer is an image.
    pub(crate) fn has_images(&self) -> bool {
        self.lower.iter().any(|lower| matches!(lower, Lower::Image { .. }))
    }
}

/// Makes a detached overlay mount of directories.
pub(crate) fn overlay(dirs: &OverlayDirs, attr: MountAttrFlags) -> io::Result<OwnedFd> {
    let paths: Vec<&Path> = dirs.lower.iter().map(Lower::path).collect();
    overlay_at(&paths, dirs, attr)
}

/// As [`overlay`], over the directories `lower` in place of what `dirs` has. `lowerdir+` needs Linux 6.7; before that one
/// joined `lowerdir` is passed.
pub(crate) fn overlay_at(lower: &[&Path], dirs: &OverlayDirs, attr: MountAttrFlags) -> io::Result<OwnedFd> {
    let options = lower.iter().map(|path| Ok(FsOption::Text("lowerdir+", text(path)?)));
    match overlay_over(options.collect::<io::Result<Vec<_>>>()?, dirs, attr) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => overlay_joined(lower, dirs, attr),
        made => made,
    }
}

/// As [`overlay_at`], for older kernels. They take all options together in one page, and no comma or colon in a path: the
/// directories are named by descriptors, which are short and have neither.
fn overlay_joined(lower: &[&Path], dirs: &OverlayDirs, attr: MountAttrFlags) -> io::Result<OwnedFd> {
    let open = |path: &Path| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        Ok::<_, io::Error>(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
    };
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(fd));
    let lower = lower.iter().map(|path| open(path)).collect::<io::Result<Vec<_>>>()?;
    let upper = dirs.upper.as_ref().map(|(upper, work)| Ok::<_, io::Error>((open(upper)?, open(work)?))).transpose()?;
    let joined = lower.iter().map(name).collect::<Vec<_>>().join(":");
    let named = OverlayDirs {
        upper: upper.as_ref().map(|(upper, work)| (name(upper).into(), name(work).into())),
        ..dirs.clone()
    };
    overlay_over(vec![FsOption::Text("lowerdir", &joined)], &named, attr)
}

/// Makes a detached overlay mount over `lower`, the top one first, in place of the paths in `dirs`. Layers by descriptor
/// need Linux 6.13, and those that are detached mounts 6.15.
pub(crate) fn overlay_on(lower: &[OwnedFd], dirs: &OverlayDirs, attr: MountAttrFlags) -> io::Result<OwnedFd> {
    overlay_over(lower.iter().map(|fd| FsOption::Fd("lowerdir+", fd.as_fd())).collect(), dirs, attr)
}

fn overlay_over<'a>(
    mut options: Vec<FsOption<'a>>,
    dirs: &'a OverlayDirs,
    attr: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let upper = dirs.upper.as_ref().map(|(upper, work)| Ok::<_, io::Error>((text(upper)?, text(work)?))).transpose()?;
    if let Some((upper, work)) = upper {
        options.push(FsOption::Text("upperdir", upper));
        options.push(FsOption::Text("workdir", work));
        if dirs.volatile {
            options.push(FsOption::Flag("volatile"));
        }
    }
    if dirs.has_images() {
        // The layers are file systems of their own; to the container they are one, with one device number.
        options.push(FsOption::Text("xino", "on"));
    }
    if dirs.userxattr {
        options.push(FsOption::Flag("userxattr"));
    } else if dirs.upper.is_some() {
        // Whatever the kernel's defaults are, an upper directory is whole: diff and commit read it on its own.
        options.push(FsOption::Text("redirect_dir", "off"));
        options.push(FsOption::Text("metacopy", "off"));
    }
    let made = fs_mount("overlay", &options, attr)?;
    // Where it cannot make its work directory, overlayfs says nothing and mounts read-only.
    if upper.is_some() && rustix::fs::fstatvfs(&made)?.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(io::Error::other("no space left on device, or it is read-only: overlayfs has no work directory"));
    }
    Ok(made)
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))
}

/// Whether `path` is where something is mounted; false where nothing is. statx(2), STATX_ATTR_MOUNT_ROOT, Linux 5.8.
pub(crate) fn is_mounted(path: &Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
    match rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(stat) => Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Unmounts what is at `path`, lazily. umount2(2).
pub(crate) fn detach(path: impl AsRef<Path>) -> io::Result<()> {
    Ok(rustix::mount::unmount(path.as_ref(), rustix::mount::UnmountFlags::DETACH)?)
}

/// Changes the root of the mount namespace to the current directory and drops the old one. pivot_root(2), "pivot_root(".", ".")".
pub(crate) fn pivot_root(new_root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(new_root)?;
    rustix::process::pivot_root(".", ".")?;
    detach(".")?;
    Ok(rustix::process::chdir("/")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_of_joined_names_shows_all_layers_whatever_they_are_called() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: mounts need root");
            return;
        }
        // A tmpfs everywhere, which can be an upper one.
        let place = PathBuf::from(format!("/dev/shm/dhow-overlay-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let dir = |name: &str| {
            let path = place.join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let lower = [dir("top:,\\"), dir("below")];
        std::fs::write(lower[0].join("both"), "top").unwrap();
        std::fs::write(lower[1].join("both"), "below").unwrap();
        std::fs::write(lower[1].join("one"), "below").unwrap();
        let lower = lower.map(Lower::Directory).to_vec();
        let upper = Some((dir("upper:"), dir("work,")));
        let dirs = OverlayDirs { lower, upper, volatile: true, userxattr: false };
        let lower: Vec<&Path> = dirs.lower.iter().map(Lower::path).collect();
        let overlay = overlay_joined(&lower, &dirs, MountAttrFlags::empty()).unwrap();
        let shown = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&overlay)));
        let read = |name: &str| std::fs::read_to_string(shown.join(name)).unwrap();
        assert_eq!((read("both").as_str(), read("one").as_str()), ("top", "below"));
        std::fs::write(shown.join("new"), "").unwrap();
        assert!(place.join("upper:/new").exists());
        drop(overlay);
        std::fs::remove_dir_all(place).unwrap();
    }
}
