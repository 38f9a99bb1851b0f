//! `:U`: the tree of a volume becomes the container user's, by directory descriptors. Links change their own owner and are
//! never followed; what is mounted below is left alone.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::model::error::Error;

/// Directories of the host that nobody means to give away, as podman has them.
const HOST: [&str; 23] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/etc/pki", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc",
    "/root", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/lib", "/var", "/var/lib",
];

/// Gives the file or tree at `path` to user and group `owner`, both as this user namespace sees them.
pub(crate) fn change(path: &Path, owner: (u32, u32)) -> Result<()> {
    let real = std::fs::canonicalize(path).with_context(|| format!("open {}", path.display()))?;
    if HOST.iter().any(|host| real == Path::new(host)) {
        bail!(Error::invalid(format!("chowning host path \"{}\" is not allowed", real.display())));
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(&real, flags, Mode::empty()).with_context(|| format!("open {}", real.display()))?;
    let stat = rustix::fs::fstat(&top).context("stat")?;
    let changed = own(top.as_fd(), c"", &stat, owner).and_then(|()| match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => below(top.as_fd(), owner),
        _ => Ok(()),
    });
    changed.with_context(|| format!("change the owner of {}", real.display()))
}

/// Directories wait as paths from the top: the depth is the container's choice, descriptors are ours.
fn below(top: BorrowedFd<'_>, owner: (u32, u32)) -> Result<()> {
    let mut waiting = vec![OsString::from(".")];
    while let Some(path) = waiting.pop() {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match rustix::fs::openat2(top, &path, flags, Mode::empty(), resolve) {
            Ok(dir) => dir,
            // Gone or replaced meanwhile, or another mount.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => continue,
            Err(errno) => return Err(errno).with_context(|| format!("open {}", path.display())),
        };
        for entry in Dir::read_from(&dir).context("list a directory")? {
            let entry = entry.with_context(|| format!("list {}", path.display()))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                done => done.context("stat")?,
            };
            own(dir.as_fd(), name, &stat, owner)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let mut inner = path.clone();
                inner.push("/");
                inner.push(std::ffi::OsStr::from_bytes(name.to_bytes()));
                waiting.push(inner);
            }
        }
    }
    Ok(())
}

/// Changes the owner of `name` in `dir` (empty: of `dir` itself) where it is another's.
fn own(dir: BorrowedFd<'_>, name: &std::ffi::CStr, stat: &rustix::fs::Stat, owner: (u32, u32)) -> Result<()> {
    if (stat.st_uid, stat.st_gid) == owner {
        return Ok(());
    }
    let flags = if name.is_empty() { AtFlags::EMPTY_PATH } else { AtFlags::SYMLINK_NOFOLLOW };
    let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    match rustix::fs::chownat(dir, name, Some(uid), Some(gid), flags) {
        Err(Errno::NOENT) => Ok(()),
        done => done.with_context(|| format!("chown {}", name.to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_tree_changes_hands_and_links_are_not_followed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let base = std::env::temp_dir().join(format!("dhow-owner-{}", std::process::id()));
        std::fs::create_dir_all(base.join("volume/a/b")).unwrap();
        std::fs::create_dir_all(base.join("other/inner")).unwrap();
        std::fs::write(base.join("volume/a/file"), "").unwrap();
        symlink("../../other", base.join("volume/a/link")).unwrap();
        change(&base.join("volume"), (1234, 5678)).unwrap();
        let owner = |path: &str| {
            let meta = std::fs::symlink_metadata(base.join(path)).unwrap();
            (meta.uid(), meta.gid())
        };
        for path in ["volume", "volume/a", "volume/a/b", "volume/a/file", "volume/a/link"] {
            assert_eq!(owner(path), (1234, 5678), "{path}");
        }
        for path in ["other", "other/inner"] {
            assert_eq!(owner(path), (0, 0), "{path}");
        }
        change(&base.join("other/inner"), (1, 2)).unwrap();
        assert_eq!((owner("other"), owner("other/inner")), ((0, 0), (1, 2)));
        for host in ["/", "/etc", "/usr/../etc/"] {
            assert!(change(Path::new(host), (1, 1)).is_err(), "{host}");
        }
        std::fs::remove_dir_all(&base).unwrap();
    }
}
