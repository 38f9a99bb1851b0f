//! The nodes and links of `/dev`. Nodes are made by us, or bound from the host's where the kernel lets nobody make them
//! (a user namespace), and each is verified: what an image or a volume put there is never taken for a device.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::mount::open_real;
use super::target;
use crate::model::error::Error;
use crate::sys::mount::{MountAttr, attach, clone_tree, set_attr};
use crate::sys::path::open_beneath;

/// One node to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) path: PathBuf,
    pub(crate) kind: FileType,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The nodes that every container has (runtime-spec, "Default Devices").
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// The links that every container has.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// The nodes to make: the defaults, and those of the specification in place of or beside them.
pub(crate) fn nodes(devices: &[LinuxDevice]) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::with_capacity(DEFAULTS.len() + devices.len());
    for (path, major, minor) in DEFAULTS {
        let kind = FileType::CharacterDevice;
        nodes.push(Node { path: path.into(), kind, major, minor, mode: 0o666, uid: 0, gid: 0 });
    }
    for device in devices {
        let path = device.path();
        let invalid = || Error::invalid(format!("invalid device {}", path.display()));
        let kind = match device.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
            LinuxDeviceType::B => FileType::BlockDevice,
            LinuxDeviceType::P => FileType::Fifo,
            LinuxDeviceType::A => bail!(invalid()),
        };
        if !path.is_absolute() || path.file_name().is_none() {
            bail!(invalid());
        }
        let node = Node {
            path: path.clone(),
            kind,
            major: u32::try_from(device.major()).map_err(|_| invalid())?,
            minor: u32::try_from(device.minor()).map_err(|_| invalid())?,
            mode: device.file_mode().unwrap_or(0o666) & 0o777,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        };
        nodes.retain(|known| known.path != node.path);
        nodes.push(node);
    }
    Ok(nodes)
}

/// Makes `nodes` and the usual links in the tree `root`; with `bind` the nodes are the host's own.
pub(crate) fn setup(root: BorrowedFd<'_>, nodes: &[Node], bind: bool) -> Result<()> {
    target::ensure_real_directory(root, "dev").context("open /dev of the root")?;
    let dev = open_real(root, "dev").context("open /dev of the root")?;
    let mut bind = bind;
    for node in nodes {
        make(root, dev.as_fd(), node, &mut bind).with_context(|| format!("make device {}", node.path.display()))?;
    }
    for (name, text) in LINKS {
        match rustix::fs::symlinkat(text, &dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).with_context(|| format!("make link /dev/{name}")),
        }
    }
    Ok(())
}

fn make(root: BorrowedFd<'_>, dev: BorrowedFd<'_>, node: &Node, bind: &mut bool) -> Result<()> {
    let name = node.path.file_name().unwrap_or(OsStr::new(""));
    let parent: OwnedFd;
    let directory = if node.path.parent() == Some(Path::new("/dev")) {
        dev
    } else {
        let path = node.path.parent().unwrap_or(Path::new("/"));
        parent = target::ensure(root, path, target::Leaf::Directory)?.0;
        parent.as_fd()
    };
    if !*bind || node.kind == FileType::Fifo {
        match mknod(directory, name, node) {
            Err(Errno::PERM) if node.kind != FileType::Fifo => *bind = true,
            done => {
                done?;
                verify(directory, name, node)?;
                return Ok(chown(directory, name, node)?);
            }
        }
    }
    bind_host(directory, name, node)
}

/// mknod(2); the umask is 0 meanwhile.
fn mknod(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> rustix::io::Result<()> {
    let device = rustix::fs::makedev(node.major, node.minor);
    match rustix::fs::mknodat(directory, name, node.kind, Mode::from_raw_mode(node.mode), device) {
        // A rootfs that brings its own /dev: fine if it is the very device.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Gives the node to its owner, once it is known to be the device and no file of somebody else's.
fn chown(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> rustix::io::Result<()> {
    if node.uid == 0 && node.gid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    rustix::fs::chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// Refuses whatever is not the device that `node` says.
fn verify(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<()> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    check(&stat, node)
}

fn check(stat: &rustix::fs::Stat, node: &Node) -> Result<()> {
    let same = FileType::from_raw_mode(stat.st_mode) == node.kind
        && (node.kind == FileType::Fifo || stat.st_rdev == rustix::fs::makedev(node.major, node.minor));
    if !same {
        bail!("{} is not the device {}:{}", node.path.display(), node.major, node.minor);
    }
    Ok(())
}

/// Binds the host's node of the same path, after a look at what it is.
fn bind_host(directory: BorrowedFd<'_>, name: &OsStr, node: &Node) -> Result<()> {
    let tree = clone_tree(rustix::fs::CWD, &node.path, false).context("clone the host's node")?;
    check(&rustix::fs::fstat(&tree)?, node)?;
    let attr = MountAttr {
        set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
        propagation: libc::MS_PRIVATE,
        ..MountAttr::default()
    };
    set_attr(&tree, false, attr)?;
    let flags = OFlags::CREATE | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    drop(rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o666))?);
    let place = open_beneath(directory, name, OFlags::PATH, Mode::empty())?;
    Ok(attach(tree, place)?)
}

/// A detached, read-only mount of a real `/dev/null`: the container's if it is the device, else the host's.
pub(crate) fn null(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let kind = FileType::CharacterDevice;
    let node = Node { path: "/dev/null".into(), kind, major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 };
    let own = open_beneath(root, "dev/null", OFlags::PATH, Mode::empty())
        .ok()
        .filter(|fd| rustix::fs::fstat(fd).is_ok_and(|stat| check(&stat, &node).is_ok()));
    let tree = match own {
        Some(fd) => clone_tree(fd, "", false)?,
        None => clone_tree(rustix::fs::CWD, "/dev/null", false)?,
    };
    check(&rustix::fs::fstat(&tree)?, &node)?;
    // Read-only: nobody changes the mode of the node through a mask; writing to a device needs no writable mount.
    let attr = MountAttr { set: libc::MOUNT_ATTR_RDONLY, propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    set_attr(&tree, false, attr)?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxDeviceBuilder;

    #[test]
    fn devices_of_the_specification_replace_the_defaults() {
        let tty = LinuxDeviceBuilder::default()
            .path("/dev/tty")
            .typ(LinuxDeviceType::C)
            .major(5)
            .minor(0)
            .file_mode(0o100_620_u32)
            .build()
            .unwrap();
        let fuse = LinuxDeviceBuilder::default().path("/dev/fuse").typ(LinuxDeviceType::C).major(10).minor(229).build();
        let nodes = nodes(&[tty, fuse.unwrap()]).unwrap();
        assert_eq!(nodes.len(), 7);
        assert_eq!(nodes.iter().filter(|node| node.path == Path::new("/dev/tty")).count(), 1);
        assert_eq!(nodes[5].mode, 0o620);
        assert_eq!((nodes[6].major, nodes[6].minor, nodes[6].mode), (10, 229, 0o666));
    }

    #[test]
    fn nonsense_is_refused() {
        for (path, kind, major) in
            [("dev/x", LinuxDeviceType::C, 1), ("/dev/x", LinuxDeviceType::A, 1), ("/dev/x", LinuxDeviceType::B, -1)]
        {
            let device = LinuxDeviceBuilder::default().path(path).typ(kind).major(major).minor(0).build().unwrap();
            assert!(nodes(&[device]).is_err(), "{path}");
        }
    }
}
