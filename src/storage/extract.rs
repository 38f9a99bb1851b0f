//! Writes the members of a layer into a directory, by directory descriptors only (R1, R10).
//!
//! A parent is walked to one component at a time without following links, and the descriptors of the last path are kept,
//! so a member in the same directory costs no walk. A parent that a link of this layer leads to is resolved with the
//! target as the root, as tools that run in a chroot do; the kernel keeps it inside.
//!
//! Order of one file: data, owner, mode, extended attributes (capabilities last of all, writes and chown drop them),
//! times. Times and modes of directories are set at the end. What needs more privilege than the locked-down process
//! has, or knowledge of the layers below, is told to the caller as a [`Note`]: opaque directories, and directories that
//! the layer has members in without naming them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::member::{Archive, Kind, Member, Time, show};
use super::{tree, whiteout};
use crate::model::error::{Error, ErrorKind};
use crate::model::size;

/// Every whiteout's name begins so (image-spec, layer.md, "Whiteouts").
pub(super) const WHITEOUT: &[u8] = b".wh.";
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names of AUFS itself.
pub(super) const AUFS: &[u8] = b".wh..wh.";

/// How deep the kept descriptors go.
const KEPT: usize = 128;

/// How often the free space is looked at, and how much writeback is begun at once.
pub(super) const STRIDE: u64 = 64 << 20;
const KICK: u64 = 8 << 20;
/// The end of a file is begun too, if it is not small: a call for each of many small ones costs more than it gains.
const KICK_END: u64 = 256 << 10;

/// So many bytes every layer may have, however well it was compressed.
const FAIR: u64 = 4 << 30;

/// Ceilings and conditions of one extraction (R12).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Decompressed bytes, and bytes of files with their holes.
    pub(crate) bytes: u64,
    /// How many times larger than its blob a layer may be, if it is large at all.
    pub(crate) ratio: u64,
    /// Members and the directories that they imply.
    pub(crate) inodes: u64,
    /// Bytes that stay free on the file system.
    pub(crate) floor: u64,
    /// Everything belongs to the one id that there is: the user namespace maps no other.
    pub(crate) one_owner: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 128 << 30, ratio: 200, inodes: 4 << 20, floor: 64 << 20, one_owner: false }
    }
}

impl Limits {
    /// The ceilings with what the user allows: DHOW_LAYER_BYTES (`200g`) and DHOW_LAYER_INODES.
    pub(crate) fn with(mut self, var: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let read = |key: &str| -> Result<Option<u64>> {
            let Some(text) = var(key).filter(|text| !text.is_empty()) else { return Ok(None) };
            let size = text.to_str().and_then(|text| size::parse_ram(text).ok());
            let bad = || Error::invalid(format!("{key}: not a number: {}", text.display()));
            size.ok_or_else(|| bad().into()).map(Some)
        };
        if let Some(bytes) = read("DHOW_LAYER_BYTES")? {
            (self.bytes, self.ratio) = (bytes, u64::MAX);
        }
        self.inodes = read("DHOW_LAYER_INODES")?.unwrap_or(self.inodes);
        Ok(self)
    }

    /// Refuses to go on where too little stays free on the file system of `fd`.
    pub(super) fn check_space(&self, fd: impl AsFd) -> Result<()> {
        let stat = rustix::fs::fstatvfs(fd).context("stat file system")?;
        if stat.f_blocks > 0 && stat.f_bavail.saturating_mul(stat.f_frsize) < self.floor {
            return Err(full().into());
        }
        Ok(())
    }

    /// The ceilings of a blob of `size` bytes: a small one that becomes huge is a bomb.
    pub(crate) fn for_blob(&self, size: u64) -> Self {
        let fair = size.saturating_mul(self.ratio).max(FAIR);
        Self { bytes: self.bytes.min(fair), ..self.clone() }
    }
}

/// What the caller has to finish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The directory hides what lower layers have in it.
    Opaque(Vec<u8>),
    /// The layer does not say what this directory is like; a lower layer may.
    Implied(Vec<u8>),
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Bytes of file data.
    pub(crate) size: u64,
    pub(crate) inodes: u64,
    /// The layer has a member for its root directory.
    pub(crate) root: bool,
    /// Devices and attributes that a user namespace or the file system cannot have, left out.
    pub(crate) skipped: u64,
    /// Bytes of the archive.
    pub(crate) archive: u64,
}

impl Summary {
    /// One more, if it may be.
    pub(super) fn count_inode(&mut self, limits: &Limits) -> Result<()> {
        self.inodes += 1;
        if self.inodes > limits.inodes {
            let message = format!("the layer has more than {} files", limits.inodes);
            return Err(Error::new(ErrorKind::Denied, message)
                .hint("an image may be made to fill the disk; if you trust it, set DHOW_LAYER_INODES")
                .into());
        }
        Ok(())
    }
}

/// A directory on the way to the current parent.
struct Level {
    name: Vec<u8>,
    fd: OwnedFd,
}

/// Metadata that waits for the end.
struct Pending {
    path: Vec<u8>,
    mode: u32,
    mtime: Option<Time>,
}

/// Extracts one layer below `root`.
pub(crate) struct Extractor<'a> {
    root: BorrowedFd<'a>,
    /// The same directory by name, for links and devices, whose attributes only path calls reach: `/` in the role.
    root_path: PathBuf,
    limits: Limits,
    levels: Vec<Level>,
    pending: Vec<Pending>,
    /// Directories that exist without a member so far.
    implied: HashSet<Vec<u8>>,
    opaque: HashSet<Vec<u8>>,
    whiteouts: HashSet<Vec<u8>>,
    summary: Summary,
    /// Logical bytes so far, and when to look at the free space next.
    logical: u64,
    written: u64,
    look: u64,
}

impl<'a> Extractor<'a> {
    pub(crate) fn new(root: BorrowedFd<'a>, root_path: PathBuf, limits: Limits) -> Self {
        Self {
            root,
            root_path,
            limits,
            levels: Vec::new(),
            pending: Vec::new(),
            implied: HashSet::new(),
            opaque: HashSet::new(),
            whiteouts: HashSet::new(),
            summary: Summary::default(),
            logical: 0,
            written: 0,
            look: 0,
        }
    }

    /// Extracts every member, then sets what waits for the end.
    pub(crate) fn run(mut self, archive: &mut Archive<impl Read>) -> Result<(Summary, Vec<Note>)> {
        self.check_space()?;
        while let Some(member) = archive.next()? {
            self.member(&member, archive).with_context(|| format!("unpack {}", show(&member.path)))?;
        }
        self.finish_directories()?;
        let notes = self.opaque.into_iter().map(Note::Opaque).chain(self.implied.into_iter().map(Note::Implied));
        Ok((self.summary, notes.collect()))
    }

    fn member(&mut self, member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        let components = components(&member.path)?;
        let Some((name, parents)) = components.split_last() else {
            return self.root_member(member);
        };
        if parents.iter().any(|parent| parent.starts_with(AUFS)) || (name.starts_with(AUFS) && *name != OPAQUE) {
            return Ok(());
        }
        if parents.iter().any(|parent| parent.starts_with(WHITEOUT)) {
            return Err(Error::invalid("a directory has the name of a whiteout").into());
        }
        let parent = self.parent(parents)?;
        if *name == OPAQUE {
            self.opaque.insert(parent.path);
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(Error::invalid("a whiteout does not name a plain file").into());
            }
            return self.whiteout(&parent, hidden);
        }
        self.create(&parent, name, member, archive)
    }

    /// The layer's own root: only its metadata.
    fn root_member(&mut self, member: &Member) -> Result<()> {
        if member.kind != Kind::Directory {
            return Err(Error::invalid("the root of a layer is not a directory").into());
        }
        self.summary.root = true;
        let fd = self.root.try_clone_to_owned()?;
        self.directory_metadata(&fd, Vec::new(), member)
    }

    fn create(
        &mut self,
        parent: &Parent,
        name: &[u8],
        member: &Member,
        archive: &mut Archive<impl Read>,
    ) -> Result<()> {
        let path = join(&parent.path, name);
        self.summary.count_inode(&self.limits)?;
        let was_whiteout = self.whiteouts.remove(&path);
        let dir = parent.fd.as_fd();
        match member.kind {
            Kind::Directory => {
                let made = match rustix::fs::mkdirat(dir, name, Mode::RWXU) {
                    Err(Errno::EXIST) if is_directory(dir, name)? => false,
                    Err(Errno::EXIST) => {
                        self.replace(dir, name, &path)?;
                        rustix::fs::mkdirat(dir, name, Mode::RWXU).context("mkdir")?;
                        true
                    }
                    done => done.map(|()| true).context("mkdir")?,
                };
                if made && was_whiteout {
                    // A whiteout speaks of the layers below: they stay hidden, the layer's own directory does not.
                    self.opaque.insert(path.clone());
                }
                self.implied.remove(&path);
                let fd = open_directory(dir, name)?;
                self.directory_metadata(&fd, path, member)
            }
            Kind::File => {
                let fd = self.exclusive(dir, name, &path, |dir, name| {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)
                })?;
                self.write_data(&fd, member, archive)?;
                self.owner(member, |uid, gid| rustix::fs::fchown(&fd, uid, gid))?;
                rustix::fs::fchmod(&fd, Mode::from_raw_mode(member.mode)).context("chmod")?;
                self.attributes(member, |name, value| rustix::fs::fsetxattr(&fd, name, value, XattrFlags::empty()))?;
                rustix::fs::futimens(&fd, &timestamps(member.mtime)).context("set times")?;
                Ok(())
            }
            Kind::Symlink => {
                if member.link.is_empty() {
                    return Err(Error::invalid("a symbolic link without a target").into());
                }
                self.exclusive(dir, name, &path, |dir, name| rustix::fs::symlinkat(&member.link[..], dir, name))?;
                self.special_metadata(dir, name, &path, member)
            }
            Kind::HardLink => self.hard_link(dir, name, &path, member),
            Kind::Fifo => {
                self.exclusive(dir, name, &path, |dir, name| {
                    rustix::fs::mknodat(dir, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                })?;
                self.special_metadata(dir, name, &path, member)
            }
            Kind::Char { major: 0, minor: 0 } => {
                // To overlayfs that is a whiteout; only a whiteout's name may make one.
                self.summary.skipped += 1;
                Ok(())
            }
            Kind::Char { major, minor } => {
                self.device(dir, name, &path, FileType::CharacterDevice, (major, minor), member)
            }
            Kind::Block { major, minor } => {
                self.device(dir, name, &path, FileType::BlockDevice, (major, minor), member)
            }
        }
    }

    fn device(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        kind: FileType,
        (major, minor): (u32, u32),
        member: &Member,
    ) -> Result<()> {
        let device = rustix::fs::makedev(major, minor);
        let made = self.try_exclusive(dir, name, path, |dir, name| {
            rustix::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device)
        })?;
        match made {
            Ok(()) => self.special_metadata(dir, name, path, member),
            // A user namespace cannot have devices; podman leaves them out as well.
            Err(Errno::PERM) => {
                self.summary.skipped += 1;
                Ok(())
            }
            Err(errno) => Err(errno).context("make device"),
        }
    }

    /// A 0:0 character device: what overlayfs takes for "not there". In a user namespace it may be made, too.
    fn whiteout(&mut self, parent: &Parent, hidden: &[u8]) -> Result<()> {
        let path = join(&parent.path, hidden);
        match rustix::fs::statat(&parent.fd, hidden, AtFlags::SYMLINK_NOFOLLOW) {
            // The layer has the name itself, and a whiteout hides only what is below.
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                self.opaque.insert(path);
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).context("stat"),
        }
        self.summary.count_inode(&self.limits)?;
        rustix::fs::mknodat(&parent.fd, hidden, FileType::CharacterDevice, Mode::empty(), 0)
            .context("make whiteout")?;
        self.whiteouts.insert(path);
        Ok(())
    }

    fn hard_link(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8], member: &Member) -> Result<()> {
        let target = components(&member.link).context("target of a hard link")?;
        let missing = || no_target(&member.link);
        let (target_name, parents) = target.split_last().ok_or_else(missing)?;
        // The kept descriptors are those of the link; its target is looked up beside them.
        let target_dir = match self.lookup(parents) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(missing().into()),
            Err(errno) => return Err(errno).context("open target of a hard link"),
        };
        let stat = match rustix::fs::statat(&target_dir, *target_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(missing().into()),
            Err(errno) => return Err(errno).context("stat target of a hard link"),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory || (kind == FileType::CharacterDevice && stat.st_rdev == 0) {
            return Err(missing().into());
        }
        if let Ok(own) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            && (own.st_dev, own.st_ino) == (stat.st_dev, stat.st_ino)
        {
            return Ok(());
        }
        let target_name = *target_name;
        self.exclusive(dir, name, path, |dir, name| {
            rustix::fs::linkat(&target_dir, target_name, dir, name, AtFlags::empty())
        })
    }

    fn write_data(&mut self, fd: &OwnedFd, member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        self.logical = self.logical.saturating_add(member.size);
        if self.logical > self.limits.bytes {
            return Err(too_large(self.limits.bytes).into());
        }
        let Some(map) = &member.sparse else {
            return self.copy(fd, 0, member.size, archive);
        };
        for piece in map {
            rustix::fs::seek(fd, rustix::fs::SeekFrom::Start(piece.offset)).context("seek")?;
            self.copy(fd, piece.offset, piece.length, archive)?;
        }
        rustix::fs::ftruncate(fd, member.size).context("set size")
    }

    /// Writes `length` bytes of the member at the file's current offset, which is `at`.
    fn copy(&mut self, fd: &OwnedFd, at: u64, length: u64, archive: &mut Archive<impl Read>) -> Result<()> {
        let (mut done, mut kicked) = (0, 0);
        while done < length {
            let piece = archive.data(length - done)?;
            let mut rest = piece;
            while !rest.is_empty() {
                match rustix::io::write(fd, rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(Errno::INTR) => {}
                    Err(Errno::NOSPC | Errno::DQUOT) => return Err(full().into()),
                    Err(errno) => return Err(errno).context("write"),
                }
            }
            let count = piece.len() as u64;
            done += count;
            self.summary.size += count;
            self.written += count;
            if done - kicked >= if done == length { KICK_END } else { KICK } {
                // Begin to write while the rest arrives: the sync at the end has less to wait for.
                drop(crate::sys::writeback::begin(fd, at + kicked, done - kicked));
                kicked = done;
            }
            if self.written >= self.look {
                self.check_space()?;
            }
        }
        Ok(())
    }

    fn check_space(&mut self) -> Result<()> {
        self.look = self.written + STRIDE;
        self.limits.check_space(self.root)
    }

    /// Owner and attributes now, mode and time at the end: a directory without `w` must still take its members.
    fn directory_metadata(&mut self, fd: &OwnedFd, path: Vec<u8>, member: &Member) -> Result<()> {
        self.owner(member, |uid, gid| rustix::fs::fchown(fd, uid, gid))?;
        self.attributes(member, |name, value| rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()))?;
        self.pending.push(Pending { path, mode: member.mode, mtime: Some(member.mtime) });
        Ok(())
    }

    /// Owner, mode, attributes and times of what cannot be opened.
    fn special_metadata(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8], member: &Member) -> Result<()> {
        self.owner(member, |uid, gid| rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))?;
        if member.kind != Kind::Symlink {
            // Made by us a moment ago in a directory that only we write: not a link.
            rustix::fs::chmodat(dir, name, Mode::from_raw_mode(member.mode), AtFlags::empty()).context("chmod")?;
        }
        if !member.xattrs.is_empty() {
            let whole = self.root_path.join(std::path::Path::new(std::ffi::OsStr::new(os(path))));
            self.attributes(member, |name, value| rustix::fs::lsetxattr(&whole, name, value, XattrFlags::empty()))?;
        }
        rustix::fs::utimensat(dir, name, &timestamps(member.mtime), AtFlags::SYMLINK_NOFOLLOW).context("set times")
    }

    fn owner(
        &self,
        member: &Member,
        chown: impl FnOnce(Option<rustix::fs::Uid>, Option<rustix::fs::Gid>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        if self.limits.one_owner {
            return Ok(());
        }
        let (uid, gid) = (member.uid, member.gid);
        match chown(Some(rustix::fs::Uid::from_raw(uid)), Some(rustix::fs::Gid::from_raw(gid))) {
            Err(Errno::INVAL) => {
                let message = format!(
                    "potentially insufficient UIDs or GIDs available in user namespace (requested {uid}:{gid} for {}): \
                     Check /etc/subuid and /etc/subgid if configured locally",
                    member.path.escape_ascii()
                );
                Err(Error::new(ErrorKind::Unsupported, message)
                    .hint("give the user at least 65536 ids, for example `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`")
                    .into())
            }
            done => done.context("chown"),
        }
    }

    fn attributes(
        &mut self,
        member: &Member,
        mut set: impl FnMut(&[u8], &[u8]) -> rustix::io::Result<()>,
    ) -> Result<()> {
        for (name, value) in &member.xattrs {
            if whiteout::internal(name) {
                self.summary.skipped += 1;
                continue;
            }
            match set(name, value) {
                Ok(()) => {}
                // The file system has no attributes, the file type cannot have this one, or it takes privilege that a
                // layer must not need.
                Err(Errno::OPNOTSUPP | Errno::PERM) => self.summary.skipped += 1,
                Err(errno) => {
                    return Err(errno).with_context(|| format!("set extended attribute {}", show(name)));
                }
            }
        }
        Ok(())
    }

    /// Modes and times of directories, and the mode of implied ones.
    fn finish_directories(&mut self) -> Result<()> {
        self.levels.clear();
        for path in &self.implied {
            self.pending.push(Pending { path: path.clone(), mode: 0o755, mtime: None });
        }
        for Pending { path, mode, mtime } in std::mem::take(&mut self.pending) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match crate::sys::path::open_beneath(self.root, os(&path), flags, Mode::empty()) {
                Ok(fd) => fd,
                // A later member took its place.
                Err(error)
                    if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) =>
                {
                    continue;
                }
                Err(error) => return Err(error).with_context(|| format!("open directory {}", show(&path))),
            };
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).with_context(|| format!("chmod {}", show(&path)))?;
            if let Some(mtime) = mtime {
                rustix::fs::futimens(&fd, &timestamps(mtime))
                    .with_context(|| format!("set times of {}", show(&path)))?;
            }
        }
        Ok(())
    }

    /// Makes a name that must be new; what has it goes first, as the last member of a name wins.
    fn exclusive<T>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        make: impl FnMut(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T> {
        self.try_exclusive(dir, name, path, make)?.map_err(|errno| match errno {
            Errno::NOSPC | Errno::DQUOT => full().into(),
            errno => anyhow::Error::from(errno).context("create"),
        })
    }

    fn try_exclusive<T>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        mut make: impl FnMut(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<rustix::io::Result<T>> {
        match make(dir, name) {
            Err(Errno::EXIST) => {
                self.replace(dir, name, path)?;
                Ok(make(dir, name))
            }
            done => Ok(done),
        }
    }

    fn replace(&mut self, dir: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<()> {
        // The kept descriptors may lead through what goes now, and what is remembered of it goes, too.
        self.levels.clear();
        let stays =
            |other: &[u8]| !other.strip_prefix(path).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')));
        for paths in [&mut self.implied, &mut self.opaque, &mut self.whiteouts] {
            paths.retain(|other| stays(other));
        }
        self.pending.retain(|pending| stays(&pending.path));
        tree::remove(dir, os(name)).context("replace")
    }

    /// The parent directory of a member; missing ones are made.
    fn parent(&mut self, parents: &[&[u8]]) -> Result<Parent> {
        let same = self.levels.iter().zip(parents).take_while(|(level, name)| level.name == **name).count();
        self.levels.truncate(same);
        let mut path = parents[..same].join(&b'/');
        // Below the kept depth only the last one is held.
        let mut deep: Option<OwnedFd> = None;
        for name in &parents[same..] {
            let at = deep.as_ref().or(self.levels.last().map(|level| &level.fd)).map_or(self.root, |fd| fd.as_fd());
            let next = match open_directory(at, name) {
                Err(Errno::NOENT) => {
                    rustix::fs::mkdirat(at, *name, Mode::RWXU).context("mkdir parent")?;
                    path = join(&path, name);
                    self.summary.inodes += 1;
                    self.implied.insert(path.clone());
                    open_directory(at, name).context("open parent")?
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let at = at.try_clone_to_owned().context("open parent")?;
                    return self.odd_parent(at.as_fd(), name, &path, parents);
                }
                done => {
                    let fd = done.context("open parent")?;
                    path = join(&path, name);
                    fd
                }
            };
            if self.levels.len() < KEPT {
                self.levels.push(Level { name: name.to_vec(), fd: next });
            } else {
                deep = Some(next);
            }
        }
        let fd = match (deep, self.levels.last()) {
            (Some(fd), _) => fd,
            (None, Some(level)) => level.fd.try_clone().context("open parent")?,
            (None, None) => self.root.try_clone_to_owned().context("open parent")?,
        };
        Ok(Parent { fd, path })
    }

    /// A parent that is a whiteout becomes a directory; one that is a link is followed inside the root.
    fn odd_parent(&mut self, at: BorrowedFd<'_>, name: &[u8], above: &[u8], parents: &[&[u8]]) -> Result<Parent> {
        let path = join(above, name);
        if self.whiteouts.remove(&path) {
            rustix::fs::unlinkat(at, name, AtFlags::empty()).context("replace whiteout")?;
            rustix::fs::mkdirat(at, name, Mode::RWXU).context("mkdir parent")?;
            self.implied.insert(path.clone());
            self.opaque.insert(path);
            self.levels.clear();
            return self.parent(parents);
        }
        self.levels.clear();
        let fd = self.lookup(parents).context("open parent")?;
        // Where the link led, so that notes and times name the real place.
        let path = real_path(self.root, &fd)?;
        Ok(Parent { fd, path })
    }

    /// Opens a directory with the target as the root.
    fn lookup(&self, parents: &[&[u8]]) -> rustix::io::Result<OwnedFd> {
        if parents.is_empty() {
            return self.root.try_clone_to_owned().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(self.root, parents.join(&b'/'), flags, Mode::empty(), resolve)
    }
}

/// The directory that a member goes to.
struct Parent {
    fd: OwnedFd,
    /// Its path below the root, without links.
    path: Vec<u8>,
}

/// Finds the path of `fd` below `root` by walking up.
fn real_path(root: BorrowedFd<'_>, fd: &OwnedFd) -> Result<Vec<u8>> {
    let top = rustix::fs::fstat(root).context("stat root")?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut at = fd.try_clone().context("open parent")?;
    loop {
        let stat = rustix::fs::fstat(&at).context("stat parent")?;
        if (stat.st_dev, stat.st_ino) == (top.st_dev, top.st_ino) {
            names.reverse();
            return Ok(names.join(&b'/'));
        }
        // Inside the root by construction: the walk up meets it.
        let above = rustix::fs::openat(&at, c"..", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .context("open parent")?;
        let mut found = None;
        for entry in rustix::fs::Dir::read_from(&above).context("read parent")? {
            let entry = entry.context("read parent")?;
            let name = entry.file_name().to_bytes();
            if entry.ino() == stat.st_ino && !matches!(name, b"." | b"..") {
                found = Some(name.to_vec());
                break;
            }
        }
        names.push(found.ok_or_else(|| Error::invalid("a parent directory left the layer"))?);
        at = above;
    }
}

/// Splits a path; `.` and empty components go, `..` is refused.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    let mut components = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(Error::invalid(format!("the path {} leaves the layer", show(path))).into()),
            name => components.push(name),
        }
    }
    Ok(components)
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

fn open_directory(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

fn is_directory(dir: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).context("stat")?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

pub(super) fn no_target(link: &[u8]) -> Error {
    Error::invalid(format!("the hard link's target {} is not a file of this layer", show(link)))
}

pub(super) fn too_large(limit: u64) -> Error {
    Error::new(ErrorKind::Denied, format!("the files of the layer have more than {limit} bytes"))
}

pub(super) fn full() -> Error {
    Error::unavailable("no space left on device for the layer").hint("remove what is not needed: `dhow image prune`")
}

#[cfg(test)]
mod tests;
