//! Trees become tar streams: what `cp` and `export` read, and the layer that `commit` makes.
//!
//! The tree may be a container's, and change while it is read. Every directory is opened by its path below the one that
//! the caller holds, without links; what is sent is what the open descriptor says. Who wants no device opened by a swapped
//! name gives a mount without devices. Directories wait as paths, not as descriptors: their depth has no bound but that of
//! a path.
//!
//! Headers are ustar, with pax records where ustar has no room: long paths, large ids and sizes, parts of seconds,
//! extended attributes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tar::{EntryType, Header};

use super::changes::{Change, Kind};
use super::{tree, whiteout};
use crate::model::error::Error;
use crate::sys::path::open_beneath;

const BLOCK: u64 = 512;
/// The largest number that eleven octal digits hold.
const FIELD: u64 = 0o777_7777_7777;
/// The same of seven digits: ids and device numbers.
const SHORT_FIELD: u32 = 0o777_7777;

/// Who a file belongs to in the archive, by its owner's ids as we see them.
pub(crate) type Owner<'a> = &'a (dyn Fn(u32, u32) -> (u32, u32) + Sync);

/// How a tree is packed.
#[derive(Clone, Copy)]
pub(crate) struct PackOptions<'a> {
    pub(crate) owner: Owner<'a>,
    /// Times to the nanosecond; else to the second, as layers have them.
    pub(crate) nanoseconds: bool,
    /// Paths below the packed directory that are left out.
    pub(crate) skip: &'a [&'a str],
    /// The tree is an upper directory: its whiteouts and opaque directories are told in a layer's words.
    pub(crate) upper: bool,
}

/// An archive that is being written.
pub(crate) struct Packer<'a, W: Write> {
    out: W,
    options: PackOptions<'a>,
    /// Where a file with several names is in the archive.
    linked: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Packer<'a, W> {
    pub(crate) fn new(out: W, options: PackOptions<'a>) -> Self {
        Self { out, options, linked: HashMap::new(), buffer: vec![0; 256 << 10] }
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> Result<W> {
        self.out.write_all(&[0; 1024]).context("write the archive")?;
        self.out.flush().context("write the archive")?;
        Ok(self.out)
    }

    /// Packs `name` of `dir`, and of a directory all below it, as `path`.
    pub(crate) fn tree(&mut self, dir: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<()> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .with_context(|| format!("stat {}", name.display()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.leaf(dir, name, &stat, path);
        }
        let fd = open_dir(dir, name).with_context(|| format!("open directory {}", name.display()))?;
        self.directory(fd.as_fd(), path)?;
        self.contents(fd.as_fd(), path)
    }

    /// Packs what is in `base`, not itself, below `path`, which is empty for the top of the archive.
    pub(crate) fn contents(&mut self, base: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        let mut waiting: Vec<Vec<u8>> = vec![Vec::new()];
        while let Some(below) = waiting.pop() {
            let at = join(path, &below);
            let opened = match open_dir(base, OsStr::from_bytes(&below)) {
                Ok(dir) => dir,
                // It went, or became something else, since it was listed.
                Err(error) if is_gone(&error) && !below.is_empty() => continue,
                Err(error) => return Err(error).with_context(|| format!("open directory {}", show(&at))),
            };
            let dir = opened.as_fd();
            if !below.is_empty() {
                self.directory(dir, &at)?;
                if self.options.upper && whiteout::is_opaque(dir)? {
                    let stat = rustix::fs::fstat(dir).with_context(|| format!("stat {}", show(&at)))?;
                    self.whiteout(&at, None, &stat)?;
                }
            }
            let mut entries = tree::entries(dir).with_context(|| format!("read directory {}", show(&at)))?;
            entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            let mut directories = Vec::new();
            for (name, kind) in entries {
                let inner = join(&below, name.as_bytes());
                if self.options.skip.iter().any(|skip| skip.as_bytes() == inner) {
                    continue;
                }
                if kind == FileType::Directory {
                    directories.push(inner);
                    continue;
                }
                match rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if self.options.upper && whiteout::is_whiteout(&stat) => {
                        self.whiteout(&at, Some(name.as_bytes()), &stat)?;
                    }
                    Ok(stat) => self.leaf(dir, &name, &stat, &join(path, &inner))?,
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno).with_context(|| format!("stat {}", show(&inner))),
                }
            }
            // The first one is the next to come off.
            waiting.extend(directories.into_iter().rev());
        }
        Ok(())
    }

    /// Packs what a list of changes of the tree `root` speaks of, as a layer has it.
    pub(crate) fn changes(&mut self, root: BorrowedFd<'_>, changes: &[Change]) -> Result<()> {
        let own = rustix::fs::fstat(root).context("stat the tree")?;
        for Change { path, kind } in changes {
            let path = path.as_bytes().strip_prefix(b"/").unwrap_or(path.as_bytes());
            if self.options.skip.iter().any(|skip| skip.as_bytes() == path) {
                continue;
            }
            let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
                Some(at) => (&path[..at], &path[at + 1..]),
                None => (&b""[..], path),
            };
            if *kind == Kind::Deleted {
                self.whiteout(parent, Some(name), &own)?;
                continue;
            }
            let dir = match open_dir(root, OsStr::from_bytes(parent)) {
                Ok(dir) => dir,
                // It went, or became something else, since it was listed.
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error).with_context(|| format!("open directory {}", show(parent))),
            };
            let name = OsStr::from_bytes(name);
            match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                    match open_dir(dir.as_fd(), name) {
                        Err(error) if is_gone(&error) => {}
                        opened => self.directory(
                            opened.with_context(|| format!("open directory {}", show(path)))?.as_fd(),
                            path,
                        )?,
                    }
                }
                Ok(stat) => self.leaf(dir.as_fd(), name, &stat, path)?,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).with_context(|| format!("stat {}", show(path))),
            }
        }
        Ok(())
    }

    /// The member of a directory that is open.
    pub(crate) fn directory(&mut self, fd: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
        let stat = rustix::fs::fstat(fd).with_context(|| format!("stat {}", show(path)))?;
        let mut path = path.to_vec();
        path.push(b'/');
        let attributes = attributes(fd)?;
        self.header(&path, b"", EntryType::Directory, &stat, 0, &attributes)
    }

    /// Says that the layers below have `name` in `path` no more; with no name, that they have nothing there
    /// (image-spec, layer.md, "Whiteouts").
    fn whiteout(&mut self, path: &[u8], name: Option<&[u8]>, stat: &Stat) -> Result<()> {
        let name = name.map_or(b".wh..wh..opq".to_vec(), |name| [b".wh.", name].concat());
        let mut stat = *stat;
        stat.st_mode = 0;
        self.header(&join(path, &name), b"", EntryType::Regular, &stat, 0, &[])
    }

    /// Packs what is no directory. Sockets have no place in archives.
    fn leaf(&mut self, dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat, path: &[u8]) -> Result<()> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::RegularFile {
            return match self.file(dir, name, path) {
                Err(error) if error.downcast_ref::<Errno>() == Some(&Errno::NOENT) => Ok(()),
                done => done.with_context(|| format!("copy {}", show(path))),
            };
        }
        let kind = match kind {
            FileType::Symlink => EntryType::Symlink,
            FileType::Fifo => EntryType::Fifo,
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            _ => return Ok(()),
        };
        if stat.st_nlink > 1
            && let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)).cloned()
        {
            return self.header(path, &first, EntryType::Link, stat, 0, &[]);
        }
        let mut target = Vec::new();
        if kind == EntryType::Symlink {
            target = match rustix::fs::readlinkat(dir, name, Vec::new()) {
                Ok(target) => target.into_bytes(),
                Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                Err(errno) => return Err(errno).with_context(|| format!("read link {}", show(path))),
            };
        }
        self.remember(stat, path);
        self.header(path, &target, kind, stat, 0, &[])
    }

    fn remember(&mut self, stat: &Stat, path: &[u8]) {
        if stat.st_nlink > 1 {
            self.linked.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &OsStr, path: &[u8]) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            // A link or a device took its place.
            Err(Errno::LOOP | Errno::NXIO) => return Ok(()),
            done => done?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        if stat.st_nlink > 1
            && let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)).cloned()
        {
            return self.header(path, &first, EntryType::Link, &stat, 0, &[]);
        }
        self.remember(&stat, path);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let attributes = attributes(fd.as_fd())?;
        self.header(path, b"", EntryType::Regular, &stat, size, &attributes)?;
        self.data(fd, size)
    }

    /// Exactly `size` bytes: a file that grew is cut, one that shrank is filled up, as tar(1) does.
    fn data(&mut self, fd: OwnedFd, size: u64) -> Result<()> {
        let mut file = std::fs::File::from(fd);
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let length = match file.read(&mut self.buffer[..most]) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("read"),
            };
            self.out.write_all(&self.buffer[..length]).context("write the archive")?;
            left -= length as u64;
        }
        let padding = size.wrapping_neg() % BLOCK;
        std::io::copy(&mut std::io::repeat(0).take(left + padding), &mut self.out).context("write the archive")?;
        Ok(())
    }

    fn header(
        &mut self,
        path: &[u8],
        link: &[u8],
        kind: EntryType,
        stat: &Stat,
        size: u64,
        attributes: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<()> {
        let (uid, gid) = (self.options.owner)(stat.st_uid, stat.st_gid);
        let mut header = Header::new_ustar();
        let mut pax = Pax::default();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        let old = header.as_old_mut();
        pax.text("path", path, &mut old.name);
        pax.text("linkpath", link, &mut old.linkname);
        header.set_uid(u64::from(pax.id("uid", uid)));
        header.set_gid(u64::from(pax.id("gid", gid)));
        if size > FIELD {
            pax.record("size", size.to_string().as_bytes());
        }
        header.set_size(if size > FIELD { 0 } else { size });
        let nanoseconds = if self.options.nanoseconds { stat.st_mtime_nsec } else { 0 };
        let seconds = u64::try_from(stat.st_mtime).ok().filter(|seconds| *seconds <= FIELD);
        if nanoseconds > 0 || seconds.is_none() {
            pax.record("mtime", pax_time(stat.st_mtime, nanoseconds).as_bytes());
        }
        header.set_mtime(seconds.unwrap_or(0));
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
            if major.max(minor) > SHORT_FIELD {
                return Err(Error::unsupported(format!("{}: its device number is too large", show(path))).into());
            }
            header.set_device_major(major).context("set a device number")?;
            header.set_device_minor(minor).context("set a device number")?;
        }
        for (name, value) in attributes {
            pax.record_bytes(&[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        if !pax.records.is_empty() {
            self.extension(&pax.records, path)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes()).context("write the archive")
    }

    fn extension(&mut self, records: &[u8], path: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let size = records.len() as u64;
        header.set_size(size);
        let last = path.split(|byte| *byte == b'/').rfind(|part| !part.is_empty()).unwrap_or_default();
        let name = [b"PaxHeaders.0/", last].concat();
        let length = name.len().min(100);
        header.as_old_mut().name[..length].copy_from_slice(&name[..length]);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).context("write the archive")?;
        self.out.write_all(records).context("write the archive")?;
        let padding = size.wrapping_neg() % BLOCK;
        self.out.write_all(&[0; 512][..usize::try_from(padding).unwrap_or(0)]).context("write the archive")
    }
}

/// The records of one extended header (pax(1), "pax Extended Header").
#[derive(Default)]
struct Pax {
    records: Vec<u8>,
}

impl Pax {
    fn record(&mut self, key: &str, value: &[u8]) {
        self.record_bytes(key.as_bytes(), value);
    }

    /// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
    fn record_bytes(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        if length.to_string().len() != rest.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.records.extend_from_slice(format!("{length} ").as_bytes());
        self.records.extend_from_slice(key);
        self.records.push(b'=');
        self.records.extend_from_slice(value);
        self.records.push(b'\n');
    }

    /// Puts a name into its field, or what fits there and the whole into a record.
    fn text(&mut self, key: &str, value: &[u8], field: &mut [u8; 100]) {
        let length = value.len().min(field.len());
        field[..length].copy_from_slice(&value[..length]);
        if value.len() > field.len() {
            self.record(key, value);
        }
    }

    fn id(&mut self, key: &str, id: u32) -> u32 {
        if id <= SHORT_FIELD {
            return id;
        }
        self.record(key, id.to_string().as_bytes());
        0
    }
}

/// Seconds with a fraction; before 1970 the fraction counts backwards.
fn pax_time(seconds: i64, nanoseconds: u64) -> String {
    let whole = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (sign, magnitude) = if whole < 0 { ("-", -whole) } else { ("", whole) };
    let (seconds, fraction) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
    if fraction == 0 { format!("{sign}{seconds}") } else { format!("{sign}{seconds}.{fraction:09}") }
}

/// What of a file's attributes is its own: those of users, and capabilities. Labels and lists of ids are the host's.
fn attributes(fd: BorrowedFd<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let own = |name: &[u8]| name.starts_with(b"user.") || name == b"security.capability";
    let all = match tree::attributes(fd) {
        // A file system of the kernel's own may refuse to list them.
        Err(error) if error.downcast_ref::<Errno>().is_some_and(|e| matches!(*e, Errno::PERM | Errno::ACCESS)) => {
            Vec::new()
        }
        done => done?,
    };
    Ok(all.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).filter(|(name, _)| own(name)).collect())
}

fn open_dir(base: BorrowedFd<'_>, path: &OsStr) -> std::io::Result<OwnedFd> {
    open_beneath(base, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    match (parent, name) {
        (b"", name) => name.to_vec(),
        (parent, b"") => parent.to_vec(),
        (parent, name) => [parent, b"/", name].concat(),
    }
}

fn show(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
