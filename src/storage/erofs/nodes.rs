//! The names and inodes of a layer while its archive is read: about 150 bytes for each.
//!
//! Nothing is removed from the table: what lost its name is not reached when the tree is written.

use std::collections::BTreeMap;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::storage::member::Time;

/// The root, always.
pub(super) const ROOT: usize = 0;

/// Links on the way to one place, as in the kernel.
const LINKS: usize = 40;

type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What an inode holds.
#[derive(Debug)]
pub(super) enum Body {
    Directory(Box<Directory>),
    /// Data from this block on.
    File {
        start: u32,
        size: u64,
    },
    Symlink(Box<[u8]>),
    /// A device's number; zero for a pipe.
    Special(u32),
}

/// A directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) names: BTreeMap<Box<[u8]>, usize>,
    pub(super) parent: usize,
    /// The layer has members in it without saying what it is like.
    pub(super) implied: bool,
    /// It hides what lower layers have in it.
    pub(super) opaque: bool,
}

/// One inode.
#[derive(Debug)]
pub(super) struct Node {
    /// With the kind of file.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) time: Time,
    pub(super) attributes: Option<Box<Attributes>>,
    pub(super) body: Body,
}

impl Node {
    /// A character device 0:0.
    pub(super) fn whiteout() -> Self {
        let mode = FileType::CharacterDevice.as_raw_mode();
        Self { mode, uid: 0, gid: 0, time: Time::default(), attributes: None, body: Body::Special(0) }
    }

    pub(super) fn is_whiteout(&self) -> bool {
        self.mode & 0o170_000 == FileType::CharacterDevice.as_raw_mode() && matches!(self.body, Body::Special(0))
    }

    fn directory(parent: usize, time: Time) -> Self {
        let body = Directory { names: BTreeMap::new(), parent, implied: true, opaque: false };
        let mode = FileType::Directory.as_raw_mode() | 0o755;
        Self { mode, uid: 0, gid: 0, time, attributes: None, body: Body::Directory(Box::new(body)) }
    }
}

/// The tree.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The time of what no member describes.
    now: Time,
}

impl Nodes {
    /// A tree with nothing but its root.
    pub(super) fn new(now: Time) -> Self {
        let mut root = Node::directory(ROOT, now);
        root.mode = FileType::Directory.as_raw_mode() | 0o555;
        Self { nodes: vec![root], now }
    }

    pub(super) fn get(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    pub(super) fn get_mut(&mut self, node: usize) -> &mut Node {
        &mut self.nodes[node]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// `None` for what is no directory.
    pub(super) fn directory(&self, node: usize) -> Option<&Directory> {
        match &self.nodes[node].body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(super) fn directory_mut(&mut self, node: usize) -> Option<&mut Directory> {
        match &mut self.nodes[node].body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The paths of directories that no member describes, without the root.
    pub(super) fn implied(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        // The path of a directory is made once for all that is in it.
        let mut waiting = vec![(ROOT, Vec::new())];
        while let Some((node, path)) = waiting.pop() {
            for (name, child) in self.directory(node).iter().flat_map(|directory| &directory.names) {
                let Some(directory) = self.directory(*child) else { continue };
                let below = if path.is_empty() { name.to_vec() } else { [&path[..], b"/", name].concat() };
                if directory.implied {
                    found.push(below.clone());
                }
                waiting.push((*child, below));
            }
        }
        found
    }

    /// What has `name` in `directory`.
    pub(super) fn child(&self, directory: usize, name: &[u8]) -> Option<usize> {
        self.directory(directory)?.names.get(name).copied()
    }

    /// Gives `node` the name, which another loses.
    pub(super) fn link(&mut self, directory: usize, name: &[u8], node: usize) {
        if let Some(directory) = self.directory_mut(directory) {
            directory.names.insert(name.into(), node);
        }
    }

    /// Takes a new inode in, under a name that another loses.
    pub(super) fn insert(&mut self, directory: usize, name: &[u8], node: Node) -> usize {
        self.nodes.push(node);
        self.link(directory, name, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// As [`Self::insert`], a directory of which nothing is known yet.
    pub(super) fn insert_directory(&mut self, parent: usize, name: &[u8]) -> usize {
        self.insert(parent, name, Node::directory(parent, self.now))
    }

    /// The directory that members with these `parents` go to: what is missing is made, and counted in `made`. A whiteout in
    /// its place makes way and hides what is below; a link is followed, with the layer's root as `/`.
    pub(super) fn parent(&mut self, parents: &[&[u8]], made: &mut u64) -> Result<usize, Errno> {
        let mut at = ROOT;
        for name in parents {
            at = match self.child(at, name) {
                None => {
                    *made += 1;
                    self.insert_directory(at, name)
                }
                Some(child) if self.directory(child).is_some() => child,
                Some(child) if self.nodes[child].is_whiteout() => {
                    let child = self.insert_directory(at, name);
                    if let Some(directory) = self.directory_mut(child) {
                        directory.opaque = true;
                    }
                    child
                }
                Some(_) => return self.lookup(parents),
            };
        }
        Ok(at)
    }

    /// The directory at `path`; links are followed and stay inside.
    pub(super) fn lookup(&self, path: &[&[u8]]) -> Result<usize, Errno> {
        let mut at = ROOT;
        let mut followed = 0;
        // The next name is the last one.
        let mut waiting: Vec<&[u8]> = path.iter().rev().copied().collect();
        while let Some(name) = waiting.pop() {
            let directory = self.directory(at).ok_or(Errno::NOTDIR)?;
            if name == b".." {
                at = directory.parent;
                continue;
            }
            let child = *directory.names.get(name).ok_or(Errno::NOENT)?;
            let Body::Symlink(target) = &self.nodes[child].body else {
                at = child;
                continue;
            };
            followed += 1;
            if followed > LINKS {
                return Err(Errno::LOOP);
            }
            if target.starts_with(b"/") {
                at = ROOT;
            }
            let names = target.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
            waiting.extend(names.rev());
        }
        self.directory(at).map(|_| at).ok_or(Errno::NOTDIR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symlink(target: &[u8]) -> Node {
        Node { mode: FileType::Symlink.as_raw_mode() | 0o777, body: Body::Symlink(target.into()), ..Node::whiteout() }
    }

    #[test]
    fn parents_are_made_and_links_stay_inside() {
        let mut nodes = Nodes::new(Time::default());
        let mut made = 0;
        let deep = nodes.parent(&[b"usr", b"lib"], &mut made).unwrap();
        assert_eq!((made, nodes.parent(&[b"usr", b"lib"], &mut made)), (2, Ok(deep)));
        nodes.insert(ROOT, b"lib", symlink(b"usr//./lib"));
        nodes.insert(ROOT, b"out", symlink(b"/../../usr"));
        nodes.insert(deep, b"up", symlink(b"../lib"));
        nodes.insert(ROOT, b"loop", symlink(b"loop"));
        nodes.insert(ROOT, b"gone", Node::whiteout());
        for path in [&[&b"lib"[..]][..], &[b"out", b"lib"], &[b"lib", b"up", b"up"]] {
            assert_eq!(nodes.parent(path, &mut made), Ok(deep), "{path:?}");
        }
        assert_eq!(nodes.lookup(&[b"loop"]), Err(Errno::LOOP));
        assert_eq!(nodes.parent(&[b"lib", b"none"], &mut made), Err(Errno::NOENT), "nothing is made behind a link");
        assert_eq!(nodes.lookup(&[b"gone"]), Err(Errno::NOTDIR));
        assert_eq!(made, 2);
        let gone = nodes.parent(&[b"gone"], &mut made).unwrap();
        assert!(nodes.directory(gone).unwrap().opaque && nodes.directory(gone).unwrap().implied);
    }
}
