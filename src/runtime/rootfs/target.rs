//! Finding, and where it is missing making, the place in a rootfs on which something is mounted. The tree is not
//! trusted: every step is `openat2` below its root, and what is made is made by descriptor, one component at a time.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::sys::path::open_in_root;

/// What a missing last component becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    Directory,
    File,
}

/// The most links that a path may lead through, as in the kernel.
const MAX_LINKS: u32 = 40;

/// Opens (`O_PATH`) `path` in the tree `root`, with everything that is missing made; says whether the last component
/// was there before.
pub(crate) fn ensure(root: BorrowedFd<'_>, path: &Path, leaf: Leaf) -> io::Result<(OwnedFd, bool)> {
    let target = match open_in_root(root, path, OFlags::PATH, Mode::empty()) {
        Ok(fd) => (fd, true),
        Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => (make(root, path, leaf)?, false),
        Err(error) => return Err(error),
    };
    let directory = file_type(&target.0)? == FileType::Directory;
    match (leaf, directory) {
        (Leaf::Directory, false) => Err(Errno::NOTDIR.into()),
        (Leaf::File, true) => Err(Errno::ISDIR.into()),
        _ => Ok(target),
    }
}

/// Opens the directory `name` of the tree's top, made if missing, and refuses a link in its place.
pub(crate) fn ensure_real_directory(root: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(root, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    crate::sys::path::open_beneath(root, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
}

/// What kind of file `fd` is.
pub(crate) fn file_type(fd: impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn make(root: BorrowedFd<'_>, path: &Path, leaf: Leaf) -> io::Result<OwnedFd> {
    let mut rest: VecDeque<OsString> = names(path).collect();
    // Resolved so far: no component of it is a link.
    let mut done = PathBuf::from(".");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            done.pop();
            if done.as_os_str().is_empty() {
                done.push(".");
            }
            continue;
        }
        let next = done.join(&name);
        match open_in_root(root, &next, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) if file_type(&fd)? == FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let text = rustix::fs::readlinkat(&fd, "", Vec::new())?;
                let link = Path::new(OsStr::from_bytes(text.as_bytes()));
                if link.is_absolute() {
                    done = PathBuf::from(".");
                }
                for name in names(link).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(name);
                }
                continue;
            }
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
                let parent = open_in_root(root, &done, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
                let made = if rest.is_empty() && leaf == Leaf::File {
                    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    rustix::fs::openat(&parent, &name, flags, Mode::from_raw_mode(0o644)).map(drop)
                } else {
                    rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755))
                };
                match made {
                    // Someone else made it in the meantime; what it is shows below.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(error) => return Err(error),
        }
        done = next;
    }
    open_in_root(root, &done, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())
}

/// The components of `path` that mean something.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.as_os_str()
        .as_bytes()
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(|name| OsStr::from_bytes(name).to_owned())
}

/// The kernel's number of the mount in which `fd` lies. statx(2), Linux 5.8.
pub(crate) fn mount_id(fd: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::MNT_ID)?.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("dhow-target-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("root")).unwrap();
            Self(path)
        }

        fn root(&self) -> OwnedFd {
            std::fs::File::open(self.0.join("root")).unwrap().into()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ignored = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn missing_directories_and_files_are_made() {
        let tree = Tree::new("made");
        let (_, was) = ensure(tree.root().as_fd(), Path::new("/a/b/c"), Leaf::Directory).unwrap();
        assert!(!was);
        let (_, was) = ensure(tree.root().as_fd(), Path::new("a//b/./c"), Leaf::Directory).unwrap();
        assert!(was);
        drop(ensure(tree.root().as_fd(), Path::new("/a/file"), Leaf::File).unwrap());
        assert!(tree.0.join("root/a/file").is_file());
        assert!(ensure(tree.root().as_fd(), Path::new("/a/file"), Leaf::Directory).is_err());
        assert!(ensure(tree.root().as_fd(), Path::new("/a/b"), Leaf::File).is_err());
        assert!(ensure(tree.root().as_fd(), Path::new("/a/file/x"), Leaf::File).is_err());
    }

    /// R1.
    #[test]
    fn links_never_lead_out() {
        let tree = Tree::new("links");
        let root = tree.0.join("root");
        symlink("../../../../outside", root.join("up")).unwrap();
        symlink(tree.0.join("absolute"), root.join("abs")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("../run/dangling", root.join("etc")).unwrap();
        drop(ensure(tree.root().as_fd(), Path::new("/up/x"), Leaf::Directory).unwrap());
        assert!(root.join("outside/x").is_dir());
        drop(ensure(tree.root().as_fd(), Path::new("/abs"), Leaf::File).unwrap());
        assert!(!tree.0.join("absolute").exists());
        assert!(root.join(tree.0.strip_prefix("/").unwrap()).join("absolute").is_file());
        drop(ensure(tree.root().as_fd(), Path::new("/etc"), Leaf::File).unwrap());
        assert!(root.join("run/dangling").is_file());
        assert!(ensure(tree.root().as_fd(), Path::new("/loop/x"), Leaf::File).is_err());
        assert!(!tree.0.join("outside").exists());
    }

    #[test]
    fn a_real_directory_is_no_link() {
        let tree = Tree::new("real");
        drop(ensure_real_directory(tree.root().as_fd(), "proc").unwrap());
        symlink("proc", tree.0.join("root/sys")).unwrap();
        assert!(ensure_real_directory(tree.root().as_fd(), "sys").is_err());
    }
}
