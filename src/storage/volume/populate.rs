//! Filling an empty volume with what an image has at the mount point: podman's copy-up. Directory by directory, by file
//! descriptors; links are copied, never followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timestamps, UTIME_OMIT, Uid};

use crate::model::idmap::IdMaps;
use crate::storage::tree;

/// No image's tree is deeper.
const DEPTH: usize = 256;

/// Whether a directory has no entry.
pub(crate) fn is_empty(dir: BorrowedFd<'_>) -> Result<bool> {
    Ok(tree::entries(dir).context("list the volume")?.is_empty())
}

/// Copies the tree at `source` into the empty directory `target`, which gets the source's owner and mode too. With
/// `maps` the owners are those that a container with them sees as the source's.
pub(crate) fn populate(source: BorrowedFd<'_>, target: BorrowedFd<'_>, maps: Option<&IdMaps>) -> Result<()> {
    copy_entries(source, target, maps, 0)?;
    copy_attributes(source, target, maps).context("set owner and mode of the volume")
}

fn copy_entries(source: BorrowedFd<'_>, target: BorrowedFd<'_>, maps: Option<&IdMaps>, depth: usize) -> Result<()> {
    anyhow::ensure!(depth < DEPTH, "the tree is deeper than {DEPTH} directories");
    for (name, kind) in tree::entries(source).context("list a directory")? {
        copy_entry(source, target, &name, kind, maps, depth).with_context(|| format!("copy {}", name.display()))?;
    }
    Ok(())
}

fn copy_entry(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    name: &OsStr,
    kind: FileType,
    maps: Option<&IdMaps>,
    depth: usize,
) -> Result<()> {
    match kind {
        FileType::Directory => {
            let from = tree::open_child(source, name)?;
            rustix::fs::mkdirat(target, name, Mode::RWXU)?;
            let to = tree::open_child(target, name)?;
            copy_entries(from.as_fd(), to.as_fd(), maps, depth + 1)?;
            copy_attributes(from.as_fd(), to.as_fd(), maps)?;
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let from = rustix::fs::openat(source, name, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let to = rustix::fs::openat(target, name, flags, Mode::RUSR | Mode::WUSR)?;
            let (mut reader, mut writer) = (File::from(from), File::from(to));
            io::copy(&mut reader, &mut writer)?;
            copy_attributes(reader.as_fd(), writer.as_fd(), maps)?;
        }
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(source, name, Vec::new())?;
            rustix::fs::symlinkat(&text, target, name)?;
            let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
            chown(target, name, &stat, maps)?;
        }
        FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice | FileType::Socket => {
            let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::mknodat(target, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?;
            chown(target, name, &stat, maps)?;
        }
        FileType::Unknown => {}
    }
    Ok(())
}

fn owner(stat: &rustix::fs::Stat, maps: Option<&IdMaps>) -> (Option<Uid>, Option<Gid>) {
    let (uid, gid) = maps.map_or((stat.st_uid, stat.st_gid), |maps| maps.owner(stat.st_uid, stat.st_gid));
    (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

fn chown(dir: BorrowedFd<'_>, name: &OsStr, stat: &rustix::fs::Stat, maps: Option<&IdMaps>) -> Result<()> {
    let (uid, gid) = owner(stat, maps);
    Ok(rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Owner first: the change of owner clears set-user-id bits. Then extended attributes, mode and times.
fn copy_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, maps: Option<&IdMaps>) -> Result<()> {
    let stat = rustix::fs::fstat(from)?;
    let (uid, gid) = owner(&stat, maps);
    rustix::fs::fchown(to, uid, gid)?;
    for (name, value) in xattrs(from)? {
        match rustix::fs::fsetxattr(to, name.as_str(), &value, rustix::fs::XattrFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(error).with_context(|| format!("set attribute {name}")),
        }
    }
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    let time = |seconds: i64, nanoseconds: u64| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(UTIME_OMIT),
    };
    let times = Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    Ok(rustix::fs::futimens(to, &times)?)
}

/// Extended attributes less those of overlayfs itself.
fn xattrs(from: BorrowedFd<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut list = vec![0_u8; 64 << 10];
    let length = match rustix::fs::flistxattr(from, &mut list[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error).context("list attributes"),
    };
    let mut found = Vec::new();
    for name in list[..length].split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.contains(".overlay.") {
            continue;
        }
        let mut value = vec![0_u8; 64 << 10];
        match rustix::fs::fgetxattr(from, name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            Err(rustix::io::Errno::NODATA) => continue,
            Err(error) => return Err(error).with_context(|| format!("read attribute {name}")),
        }
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

/// Opens a directory of a volume or an image for [`populate`].
pub(crate) fn open_dir(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    crate::sys::path::open_in_root(root, path, flags, Mode::empty())
}
