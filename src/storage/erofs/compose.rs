//! The members of a layer become an image: what [`Extractor`](crate::storage::extract::Extractor) does with directories, in
//! the same process and with the same answers, without a name of the archive ever reaching the kernel.

use std::fs::File;
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::format;
use super::image::Image;
use super::nodes::{Body, Node, Nodes, ROOT};
use crate::model::error::{Error, ErrorKind};
use crate::storage::extract::{self, AUFS, Limits, Note, OPAQUE, STRIDE, Summary, WHITEOUT, components};
use crate::storage::member::{Archive, Kind, Member, Time, show};

/// Names, links and attributes wait in memory until the end: so many bytes of them, with what each inode takes.
const KEPT: u64 = 256 << 20;
const NODE: u64 = 200;

/// No name is longer (NAME_MAX).
const NAME: usize = 255;

/// Composes one layer.
pub(crate) struct Composer {
    nodes: Nodes,
    image: Image,
    /// The file again, to ask about the free space.
    file: File,
    limits: Limits,
    summary: Summary,
    /// Bytes of files with their holes so far.
    logical: u64,
    written: u64,
    look: u64,
    /// Bytes that wait in memory, at most [`KEPT`].
    kept: u64,
}

impl Composer {
    /// Begins a layer in the empty file `file`.
    pub(crate) fn new(file: File, limits: Limits) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Time { seconds: i64::try_from(now.as_secs())?, nanoseconds: now.subsec_nanos() };
        let image = Image::new(file.try_clone().context("open the layer")?)?;
        let (nodes, summary) = (Nodes::new(now), Summary::default());
        Ok(Self { nodes, image, file, limits, summary, logical: 0, written: 0, look: 0, kept: 0 })
    }

    /// Takes every member in and finishes the image. What it cannot know yet are directories that the layer does not
    /// describe.
    pub(crate) fn run(mut self, archive: &mut Archive<impl Read>) -> Result<(Summary, Vec<Note>)> {
        self.check_space()?;
        while let Some(member) = archive.next()? {
            self.member(&member, archive).with_context(|| format!("unpack {}", show(&member.path)))?;
        }
        self.image.finish(&self.nodes)?;
        Ok((self.summary, self.nodes.implied().into_iter().map(Note::Implied).collect()))
    }

    fn member(&mut self, member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        let components = components(&member.path)?;
        let Some((name, parents)) = components.split_last() else {
            if member.kind != Kind::Directory {
                return Err(Error::invalid("the root of a layer is not a directory").into());
            }
            self.summary.root = true;
            return self.describe(ROOT, member);
        };
        if parents.iter().any(|parent| parent.starts_with(AUFS)) || (name.starts_with(AUFS) && *name != OPAQUE) {
            return Ok(());
        }
        if parents.iter().any(|parent| parent.starts_with(WHITEOUT)) {
            return Err(Error::invalid("a directory has the name of a whiteout").into());
        }
        if components.iter().any(|name| name.len() > NAME) {
            return Err(Errno::NAMETOOLONG).context("create");
        }
        let before = self.summary.inodes;
        let parent = self.nodes.parent(parents, &mut self.summary.inodes).context("open parent")?;
        let attributes: usize = member.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let texts = member.path.len() + member.link.len() + attributes;
        self.keep((self.summary.inodes - before + 1) * NODE + texts as u64)?;
        if *name == OPAQUE {
            self.nodes.directory_mut(parent).context("the parent is a directory")?.opaque = true;
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(Error::invalid("a whiteout does not name a plain file").into());
            }
            return self.whiteout(parent, hidden);
        }
        self.create(parent, name, member, archive)
    }

    /// Counts what waits in memory from now on.
    fn keep(&mut self, bytes: u64) -> Result<()> {
        self.kept += bytes;
        if self.kept > KEPT {
            let message = format!("the names and attributes of the layer take more than {} MiB", KEPT >> 20);
            return Err(Error::new(ErrorKind::Denied, message)
                .hint("as a directory it takes no memory: --storage-opt overlay.layer_format=directory")
                .into());
        }
        Ok(())
    }

    fn create(&mut self, parent: usize, name: &[u8], member: &Member, archive: &mut Archive<impl Read>) -> Result<()> {
        self.summary.count_inode(&self.limits)?;
        let body = match member.kind {
            Kind::Directory => return self.directory(parent, name, member),
            Kind::HardLink => return self.hard_link(parent, name, member),
            Kind::File => self.data(member, archive)?,
            Kind::Symlink if member.link.is_empty() => {
                return Err(Error::invalid("a symbolic link without a target").into());
            }
            Kind::Symlink => Body::Symlink(member.link.as_slice().into()),
            Kind::Fifo => Body::Special(0),
            // To overlayfs that is a whiteout; only a whiteout's name may make one.
            Kind::Char { major: 0, minor: 0 } => {
                self.summary.skipped += 1;
                return Ok(());
            }
            Kind::Char { major, minor } | Kind::Block { major, minor } => match format::device(major, minor) {
                Some(device) => Body::Special(device),
                None => {
                    self.summary.skipped += 1;
                    return Ok(());
                }
            },
        };
        let node = self.nodes.insert(parent, name, Node { body, ..Node::whiteout() });
        self.describe(node, member)
    }

    fn directory(&mut self, parent: usize, name: &[u8], member: &Member) -> Result<()> {
        let there = self.nodes.child(parent, name);
        let node = match there.filter(|node| self.nodes.directory(*node).is_some()) {
            Some(node) => node,
            None => {
                let hides = there.is_some_and(|node| self.nodes.get(node).is_whiteout());
                let node = self.nodes.insert_directory(parent, name);
                // A whiteout speaks of the layers below: they stay hidden, the layer's own directory does not.
                self.nodes.directory_mut(node).context("a directory was made")?.opaque = hides;
                node
            }
        };
        self.describe(node, member)
    }

    fn whiteout(&mut self, parent: usize, hidden: &[u8]) -> Result<()> {
        match self.nodes.child(parent, hidden) {
            // The layer has the name itself, and a whiteout hides only what is below.
            Some(node) => {
                if let Some(directory) = self.nodes.directory_mut(node) {
                    directory.opaque = true;
                }
            }
            None => {
                self.summary.count_inode(&self.limits)?;
                self.nodes.insert(parent, hidden, Node::whiteout());
            }
        }
        Ok(())
    }

    fn hard_link(&mut self, parent: usize, name: &[u8], member: &Member) -> Result<()> {
        let target = components(&member.link).context("target of a hard link")?;
        let missing = || extract::no_target(&member.link);
        let (target_name, parents) = target.split_last().ok_or_else(missing)?;
        let directory = self.nodes.lookup(parents).map_err(|_| missing())?;
        let node = self.nodes.child(directory, target_name).ok_or_else(missing)?;
        if self.nodes.directory(node).is_some() || self.nodes.get(node).is_whiteout() {
            return Err(missing().into());
        }
        self.nodes.link(parent, name, node);
        Ok(())
    }

    fn data(&mut self, member: &Member, archive: &mut Archive<impl Read>) -> Result<Body> {
        self.logical = self.logical.saturating_add(member.size);
        if self.logical > self.limits.bytes {
            return Err(extract::too_large(self.limits.bytes).into());
        }
        if member.size == 0 {
            return Ok(Body::File { start: u32::MAX, size: 0 });
        }
        let start = self.image.block()?;
        let Some(map) = &member.sparse else {
            self.copy(member.size, archive)?;
            self.image.align(format::BLOCK)?;
            return Ok(Body::File { start, size: member.size });
        };
        // A map is sorted and does not overlap.
        let mut at = 0;
        for piece in map {
            if piece.offset > at {
                self.image.skip(piece.offset - at)?;
            }
            self.copy(piece.length, archive)?;
            at = piece.offset + piece.length;
        }
        self.image.skip(member.size.next_multiple_of(format::BLOCK) - at)?;
        Ok(Body::File { start, size: member.size })
    }

    fn copy(&mut self, length: u64, archive: &mut Archive<impl Read>) -> Result<()> {
        let mut left = length;
        while left > 0 {
            let piece = archive.data(left)?;
            self.image.write(piece)?;
            let count = piece.len() as u64;
            left -= count;
            self.summary.size += count;
            self.written += count;
            if self.written >= self.look {
                self.check_space()?;
            }
        }
        Ok(())
    }

    fn check_space(&mut self) -> Result<()> {
        self.look = self.written + STRIDE;
        self.limits.check_space(&self.file)
    }

    /// Gives a node what the member says of it.
    fn describe(&mut self, node: usize, member: &Member) -> Result<()> {
        let mut kept = match self.nodes.get_mut(node).attributes.take() {
            Some(kept) => *kept,
            None => Vec::new(),
        };
        for (name, value) in &member.xattrs {
            if !takes(member.kind, name, value).with_context(|| format!("set extended attribute {}", show(name)))? {
                self.summary.skipped += 1;
                continue;
            }
            kept.retain(|(known, _)| known != name);
            kept.push((name.clone(), value.clone()));
        }
        if let Some(directory) = self.nodes.directory_mut(node) {
            directory.implied = false;
        }
        let own = self.nodes.get_mut(node);
        own.mode = kind(member.kind).as_raw_mode() | (member.mode & 0o7777);
        if member.kind == Kind::Symlink {
            own.mode |= 0o777;
        }
        (own.uid, own.gid, own.time) = (member.uid, member.gid, member.mtime);
        own.attributes = (!kept.is_empty()).then(|| Box::new(kept));
        Ok(())
    }
}

/// Whether a file of this kind gets an attribute: where it is a directory, the kernel decides in the name of a process
/// without CAP_SYS_ADMIN, and so it is here.
fn takes(kind: Kind, name: &[u8], value: &[u8]) -> Result<bool> {
    let is_file = matches!(kind, Kind::File | Kind::Directory);
    let wrong = || Err(Errno::INVAL.into());
    let acl = || value.len() >= 4 && value[..4] == 2_u32.to_le_bytes() && (value.len() - 4).is_multiple_of(8);
    match name {
        // Revisions 1 to 3 (struct vfs_ns_cap_data).
        b"security.capability" if !matches!(value.len(), 12 | 20 | 24) => wrong(),
        b"security.capability" => Ok(true),
        b"system.posix_acl_access" | b"system.posix_acl_default" if kind == Kind::Symlink => Ok(false),
        b"system.posix_acl_default" if kind != Kind::Directory => Ok(false),
        b"system.posix_acl_access" | b"system.posix_acl_default" if !acl() => wrong(),
        b"system.posix_acl_access" | b"system.posix_acl_default" => Ok(true),
        name if name.starts_with(b"user.overlay.") => Ok(false),
        name if name.starts_with(b"user.") && is_file => match format::attribute(name, value) {
            Some(_) => Ok(true),
            None => Err(Error::new(ErrorKind::Unsupported, "the name or the value is too long").into()),
        },
        _ => Ok(false),
    }
}

fn kind(kind: Kind) -> FileType {
    match kind {
        Kind::File | Kind::HardLink => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::Fifo,
        Kind::Char { .. } => FileType::CharacterDevice,
        Kind::Block { .. } => FileType::BlockDevice,
    }
}
