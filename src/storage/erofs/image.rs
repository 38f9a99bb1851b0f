//! The file itself: data as it comes, then inodes and directories, then the superblock.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result};
use rustix::io::Errno;

use super::format::{self, BLOCK, Entries, INODE, Inode, Layout, ROOT, SLOT, Superblock};
use super::nodes::{self, Body, Node, Nodes};
use crate::model::error::Error;
use crate::sys::writeback;

/// Data on its way to the file.
const BUFFER: usize = 1 << 20;
/// How much writeback is begun at once.
const KICK: u64 = 8 << 20;
/// Room behind the inode of a directory that takes its attributes later: so many numbers less the header.
pub(super) const ROOM: u64 = 128;

/// An image that takes data.
pub(super) struct Image {
    out: BufWriter<File>,
    /// Where the next byte goes.
    at: u64,
    kicked: u64,
}

/// Where an inode goes, and what comes with it.
struct Item {
    node: usize,
    /// The offset in the file.
    place: u64,
    /// Bytes of attributes behind it.
    attributes: u64,
    /// Bytes of its directory or its link.
    size: u64,
    layout: Layout,
}

impl Image {
    /// Begins an image in the empty file `file`.
    pub(super) fn new(file: File) -> Result<Self> {
        let mut image = Self { out: BufWriter::with_capacity(BUFFER, file), at: 0, kicked: 0 };
        image.skip(BLOCK)?;
        Ok(image)
    }

    /// The block where the next file begins.
    pub(super) fn block(&self) -> Result<u32> {
        block(self.at)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(told)?;
        self.at += bytes.len() as u64;
        if self.at - self.kicked >= 2 * KICK {
            // Begin to write what has left the buffer while the rest arrives: the sync at the end has less to wait for.
            drop(writeback::begin(self.out.get_ref(), self.kicked, KICK));
            self.kicked += KICK;
        }
        Ok(())
    }

    /// Leaves a hole.
    pub(super) fn skip(&mut self, length: u64) -> Result<()> {
        self.at += length;
        self.out.seek(SeekFrom::Start(self.at)).map(drop).map_err(told)
    }

    /// Fills up with zeros.
    pub(super) fn align(&mut self, unit: u64) -> Result<()> {
        let missing = usize::try_from(self.at.next_multiple_of(unit) - self.at)?;
        self.write(&[0; 4096][..missing])
    }

    /// Writes the tree; the image is whole then.
    pub(super) fn finish(mut self, nodes: &Nodes) -> Result<()> {
        self.align(BLOCK)?;
        let (mut items, links) = reachable(nodes);
        let shared = self.block()?;
        let mut end = self.at;
        for item in &mut items {
            end = place(nodes, item, end)?;
        }
        end = end.next_multiple_of(BLOCK);
        for item in items.iter_mut().filter(|item| item.layout == Layout::Plain(u32::MAX) && item.size > 0) {
            item.layout = Layout::Plain(block(end)?);
            end += item.size.next_multiple_of(BLOCK);
        }
        let mut places = vec![0; nodes.len()];
        for item in &items {
            places[item.node] = item.place / SLOT;
        }
        let inode = |item: &Item, attributes| {
            let node = nodes.get(item.node);
            let inode = Inode {
                mode: node.mode,
                uid: node.uid,
                gid: node.gid,
                seconds: node.time.seconds,
                nanoseconds: node.time.nanoseconds,
                links: links[item.node],
                size: item.size,
                attributes,
                layout: item.layout,
            };
            inode.encode(u32::try_from(places[item.node] & u64::from(u32::MAX)).unwrap_or(u32::MAX))
        };
        // The root is in the first block, its attributes behind everything else.
        for item in &items[1..] {
            self.fill(item.place)?;
            self.write(&inode(item, item.attributes))?;
            self.fill(item.place + INODE)?;
            let node = nodes.get(item.node);
            if item.attributes > 0 {
                self.write(&[0; 12])?;
                for entry in entries(node)? {
                    self.write(&entry)?;
                }
            }
            if item.layout == Layout::Inline {
                self.write(&contents(nodes, item.node, &places))?;
            }
        }
        for item in &items {
            if matches!(
                (&nodes.get(item.node).body, item.layout),
                (Body::Directory(_) | Body::Symlink(_), Layout::Plain(_))
            ) {
                self.align(BLOCK)?;
                self.write(&contents(nodes, item.node, &places))?;
            }
        }
        self.align(BLOCK)?;
        let mut numbers = Vec::new();
        for entry in entries(nodes.get(nodes::ROOT))? {
            numbers.push(number(self.at, shared)?);
            self.write(&entry)?;
        }
        self.align(BLOCK)?;
        let mut first = vec![0; usize::try_from(BLOCK)?];
        let behind = format::shared(&numbers);
        let attributes = if numbers.is_empty() { 0 } else { behind.len() as u64 };
        let root = usize::try_from(ROOT)?;
        first[root..root + 64].copy_from_slice(&inode(&items[0], attributes));
        let room = first.get_mut(root + 64..root + 64 + behind.len()).context("too many attributes of the root")?;
        room.copy_from_slice(&behind);
        Superblock { inodes: items.len() as u64, blocks: self.block()?, attributes: shared }.put(&mut first);
        self.out.flush().map_err(told)?;
        self.out.get_ref().write_all_at(&first, 0).map_err(told)
    }

    fn fill(&mut self, place: u64) -> Result<()> {
        let missing = usize::try_from(place - self.at)?;
        self.write(&[0; 4096][..missing])
    }
}

/// The number of a shared attribute at `place`, counted in words from block `shared` on.
pub(super) fn number(place: u64, shared: u32) -> Result<u32> {
    u32::try_from((place - u64::from(shared) * BLOCK) / 4).context("the attributes of the layer have no place")
}

/// The inodes that have names, the root first, each directory before what is in it, and how many names they have.
fn reachable(nodes: &Nodes) -> (Vec<Item>, Vec<u32>) {
    let mut links = vec![0_u32; nodes.len()];
    let mut items: Vec<Item> = Vec::with_capacity(nodes.len());
    let item = |node| Item { node, place: 0, attributes: 0, size: 0, layout: Layout::Device(0) };
    items.push(item(nodes::ROOT));
    links[nodes::ROOT] = 2;
    let mut next = 0;
    while let Some(node) = items.get(next).map(|item| item.node) {
        next += 1;
        let Some(directory) = nodes.directory(node) else { continue };
        for child in directory.names.values() {
            if links[*child] == 0 {
                items.push(item(*child));
            }
            links[*child] += 1;
            if nodes.directory(*child).is_some() {
                // Its own `.`, and its `..`.
                links[*child] += 1;
                links[node] += 1;
            }
        }
    }
    (items, links)
}

/// Finds the place of an inode at `end` or behind, and what its data is; gives the end of all that.
fn place(nodes: &Nodes, item: &mut Item, end: u64) -> Result<u64> {
    let node = nodes.get(item.node);
    let mut tail = 0;
    item.layout = match &node.body {
        Body::File { start, size } => {
            item.size = *size;
            Layout::Plain(*start)
        }
        Body::Special(device) => Layout::Device(*device),
        Body::Symlink(target) => {
            tail = target.len() as u64;
            Layout::Inline
        }
        Body::Directory(directory) => {
            tail = format::directory_size(listed(directory).into_iter().map(|(name, _)| name));
            Layout::Inline
        }
    };
    if item.node == nodes::ROOT {
        // Its attributes are shared ones.
        (item.place, item.layout, item.size) = (ROOT, Layout::Plain(u32::MAX), tail);
        return Ok(end);
    }
    let entries: u64 = entries(node)?.iter().map(|entry| entry.len() as u64).sum();
    item.attributes = format::attributes_size(entries)
        .ok_or_else(|| Error::unsupported("the attributes of a file take more than 256 KiB"))?;
    // What may get attributes later has no data behind it.
    let waits = nodes.directory(item.node).is_some_and(|directory| directory.implied);
    let inline = item.layout == Layout::Inline && !waits && INODE + item.attributes + tail <= BLOCK;
    if item.layout == Layout::Inline {
        item.size = tail;
        if !inline {
            item.layout = Layout::Plain(u32::MAX);
        }
    }
    let room = if waits { ROOM.max(item.attributes) } else { item.attributes };
    let length = INODE + room + if inline { tail } else { 0 };
    // Data behind an inode never crosses a block, so whatever fits into one does not.
    let place = if length <= BLOCK && end % BLOCK + length > BLOCK { end.next_multiple_of(BLOCK) } else { end };
    item.place = place;
    Ok((place + length).next_multiple_of(SLOT))
}

/// The attributes of an inode, overlay's mark of an opaque directory among them.
fn entries(node: &Node) -> Result<Vec<Vec<u8>>> {
    let opaque = matches!(&node.body, Body::Directory(directory) if directory.opaque);
    let mark = opaque.then_some((&b"trusted.overlay.opaque"[..], &b"y"[..]));
    let own = node.attributes.iter().flat_map(|all| all.iter()).map(|(name, value)| (&name[..], &value[..]));
    let encoded = own.chain(mark).map(|(name, value)| format::attribute(name, value));
    encoded.collect::<Option<_>>().context("an attribute has no form in the format")
}

/// All names of a directory with `.` and `..`, in the order of their bytes; those two have no node here.
fn listed(directory: &nodes::Directory) -> Vec<(&[u8], Option<usize>)> {
    let mut all: Vec<(&[u8], Option<usize>)> =
        directory.names.iter().map(|(name, node)| (&name[..], Some(*node))).collect();
    for dots in [&b"."[..], b".."] {
        let at = all.partition_point(|(name, _)| *name < dots);
        all.insert(at, (dots, None));
    }
    all
}

/// A directory or the target of a link, as it is written.
fn contents(nodes: &Nodes, node: usize, places: &[u64]) -> Vec<u8> {
    match &nodes.get(node).body {
        Body::Directory(directory) => {
            let mut entries = Entries::default();
            for (name, child) in listed(directory) {
                let child = child.unwrap_or(if name == b"." { node } else { directory.parent });
                entries.push(name, places[child], nodes.get(child).mode);
            }
            entries.finish()
        }
        Body::Symlink(target) => target.to_vec(),
        Body::File { .. } | Body::Special(_) => Vec::new(),
    }
}

pub(super) fn block(place: u64) -> Result<u32> {
    u32::try_from(place / BLOCK).context("the layer takes more than 16 TiB")
}

/// The error of a write.
fn told(error: std::io::Error) -> anyhow::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::NOSPC | Errno::DQUOT) => crate::storage::extract::full().into(),
        _ => anyhow::Error::new(error).context("write the layer"),
    }
}
