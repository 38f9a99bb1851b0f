//! What differs between two trees: an upper directory and what is below it, or two whole ones.
//!
//! podman's rules (containers/storage, archive/changes.go): a directory counts as changed when its mode or its time did, a
//! file of an upper directory always; what a removed directory had in it is not listed; a directory that took the place of
//! something removed is told as the removal.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{tree, whiteout};
use crate::sys::path::open_beneath;

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Changed,
    Added,
    Deleted,
}

/// A name that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    /// Absolute.
    pub(crate) path: OsString,
    pub(crate) kind: Kind,
}

/// What the upper directory `upper` changes of `lower`, by path; without `lower` everything is new.
pub(crate) fn of_upper(upper: BorrowedFd<'_>, lower: Option<BorrowedFd<'_>>) -> Result<Vec<Change>> {
    walk(upper, lower, As::Upper)
}

/// What the tree `new` has that `old` has not, and the other way round, by path.
pub(crate) fn between(new: BorrowedFd<'_>, old: BorrowedFd<'_>) -> Result<Vec<Change>> {
    walk(new, Some(old), As::Tree)
}

/// What changed in the tree `new` since it was made as a copy of `old`, times and attributes included, by path; without
/// `old` it was made empty.
pub(crate) fn of_copy(new: BorrowedFd<'_>, old: Option<BorrowedFd<'_>>) -> Result<Vec<Change>> {
    walk(new, old, As::Copy)
}

/// What a tree is to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    /// An upper directory: it has what changed, and whiteouts.
    Upper,
    Tree,
    /// It was the same to the nanosecond.
    Copy,
}

fn walk(new: BorrowedFd<'_>, old: Option<BorrowedFd<'_>>, is: As) -> Result<Vec<Change>> {
    Walk { new, old, is, changes: Vec::new(), known: HashSet::new() }.run()
}

struct Walk<'a> {
    new: BorrowedFd<'a>,
    old: Option<BorrowedFd<'a>>,
    is: As,
    changes: Vec<Change>,
    /// Their paths.
    known: HashSet<OsString>,
}

impl Walk<'_> {
    fn run(mut self) -> Result<Vec<Change>> {
        let upper = self.is == As::Upper;
        // Paths, not descriptors: the depth is foreign.
        let mut waiting = vec![OsString::new()];
        while let Some(path) = waiting.pop() {
            let Some(dir) = open(self.new, &path)? else { continue };
            let old = match self.old {
                Some(old) => open(old, &path)?,
                None => None,
            };
            let before = self.changes.len();
            let reading = || format!("read directory /{}", path.display());
            let mut seen = BTreeSet::new();
            for (name, _) in tree::entries(dir.as_fd()).with_context(reading)? {
                let Ok(stat) = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                let known = old.as_ref().and_then(|old| stat_of(old, &name));
                seen.insert(name.clone());
                let inner = join(&path, &name);
                let is_dir = is(&stat, FileType::Directory);
                let kind = match known {
                    _ if upper && whiteout::is_whiteout(&stat) => known.map(|_| Kind::Deleted),
                    None => Some(Kind::Added),
                    // A new one in the place of what was removed; what is in it is told below.
                    Some(_) if is_dir && upper && is_opaque(&dir, &name)? => Some(Kind::Deleted),
                    Some(known) if is_dir && is(&known, FileType::Directory) => {
                        (!same_directory(&stat, &known)).then_some(Kind::Changed)
                    }
                    Some(known) => (upper || !same(&stat, &known)).then_some(Kind::Changed),
                };
                let kind = match (kind, known, &old) {
                    (None, Some(known), Some(old)) if self.is == As::Copy => (!same_copy(&stat, &known)
                        || attributes(&dir, &name, &stat)? != attributes(old, &name, &known)?)
                    .then_some(Kind::Changed),
                    (kind, ..) => kind,
                };
                if let Some(kind) = kind {
                    self.push(&inner, kind);
                }
                if is_dir {
                    waiting.push(inner);
                }
            }
            if let Some(old) = old.filter(|_| !upper) {
                for (name, _) in tree::entries(old.as_fd()).with_context(reading)? {
                    if !seen.contains(&name) {
                        self.push(&join(&path, &name), Kind::Deleted);
                    }
                }
            }
            if self.changes.len() > before {
                self.touch(&path);
            }
        }
        self.changes.sort();
        Ok(self.changes)
    }

    fn push(&mut self, path: &OsStr, kind: Kind) {
        let path = absolute(path);
        self.known.insert(path.clone());
        self.changes.push(Change { path, kind });
    }

    /// The directories above a change are changed, whatever their times say.
    fn touch(&mut self, path: &OsStr) {
        let mut path = path.as_bytes();
        while !path.is_empty() && !self.known.contains(&absolute(OsStr::from_bytes(path))) {
            self.push(OsStr::from_bytes(path), Kind::Changed);
            path = path.iter().rposition(|byte| *byte == b'/').map_or(b"", |at| &path[..at]);
        }
    }
}

/// Opens a directory of a tree; `None`: it is not there, or something else is.
fn open(root: BorrowedFd<'_>, path: &OsStr) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    match open_beneath(root, path, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("open directory /{}", path.display())),
    }
}

fn stat_of(dir: &OwnedFd, name: &OsStr) -> Option<Stat> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    // A layer on its own shows its whiteouts.
    (!whiteout::is_whiteout(&stat)).then_some(stat)
}

fn is_opaque(dir: &OwnedFd, name: &OsStr) -> Result<bool> {
    match tree::open_child(dir.as_fd(), name) {
        Ok(dir) => whiteout::is_opaque(dir.as_fd()),
        Err(_) => Ok(false),
    }
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

fn same_directory(one: &Stat, other: &Stat) -> bool {
    (one.st_mode, one.st_mtime) == (other.st_mode, other.st_mtime)
}

fn same(one: &Stat, other: &Stat) -> bool {
    let key = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev, stat.st_size, stat.st_mtime);
    key(one) == key(other)
}

/// What [`same_directory`] and [`same`] leave out, whatever the file is.
fn same_copy(one: &Stat, other: &Stat) -> bool {
    (one.st_mtime_nsec, one.st_uid, one.st_gid) == (other.st_mtime_nsec, other.st_uid, other.st_gid)
}

/// The attributes of a file or directory; others are never opened.
fn attributes(dir: &OwnedFd, name: &OsStr, stat: &Stat) -> Result<Vec<(OsString, Vec<u8>)>> {
    if !is(stat, FileType::RegularFile) && !is(stat, FileType::Directory) {
        return Ok(Vec::new());
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(file) => {
            let mut found = tree::attributes(file.as_fd())?;
            found.sort();
            Ok(found)
        }
        // Something else took its place.
        Err(_) => Ok(Vec::new()),
    }
}

fn join(parent: &OsStr, name: &OsStr) -> OsString {
    let mut path = parent.to_owned();
    if !path.is_empty() {
        path.push("/");
    }
    path.push(name);
    path
}

fn absolute(path: &OsStr) -> OsString {
    let mut whole = OsString::from("/");
    whole.push(path);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn list(changes: Vec<Change>) -> Vec<String> {
        changes.iter().map(|change| format!("{:?} {}", change.kind, change.path.display())).collect()
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn whole_trees_are_compared() {
        let top = std::env::temp_dir().join(format!("dhow-changes-{}", std::process::id()));
        let (new, old) = (top.join("new"), top.join("old"));
        for root in [&new, &old] {
            write(root, "same/file", "x");
            write(root, "a/changed", if *root == new { "longer" } else { "x" });
        }
        write(&new, "added/in/it", "");
        write(&old, "gone/below", "");
        write(&old, "kind", "");
        std::fs::create_dir(new.join("kind")).unwrap();
        let time = rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        for root in [&new, &old] {
            for path in ["same/file", "same", "a", "a/changed"] {
                rustix::fs::utimensat(rustix::fs::CWD, root.join(path), &times, AtFlags::empty()).unwrap();
            }
        }
        let (fresh, stale) = (tree::open(&new).unwrap(), tree::open(&old).unwrap());
        assert_eq!(
            list(between(fresh.as_fd(), stale.as_fd()).unwrap()),
            [
                "Changed /a",
                "Changed /a/changed",
                "Added /added",
                "Added /added/in",
                "Added /added/in/it",
                "Deleted /gone",
                "Changed /kind",
            ]
        );
        let none = list(of_upper(stale.as_fd(), None).unwrap());
        assert_eq!(none.len(), 7, "{none:?}");
        assert!(none.iter().all(|line| line.starts_with("Added")));
        std::fs::remove_dir_all(&top).unwrap();
    }
}
