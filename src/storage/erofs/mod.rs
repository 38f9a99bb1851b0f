//! A layer as one EROFS file, `layer.erofs`, which the kernel mounts without a loop device (Linux 6.12).
//!
//! ```text
//! block 0         1024: the superblock; 1152: the root's inode, then room for the numbers of its attributes
//! blocks 1..      data of files in the order of the archive, each from a block's start; holes stay holes
//! inodes          all others, 64 bytes each with attributes; targets of links and small directories behind theirs
//! directories     those that do not fit behind their inode, in blocks
//! attributes      of the root and of directories that took theirs from a layer below
//! ```
//!
//! It is written in one pass over the archive ([`compose`]): data goes out as it comes, names and inodes wait in memory
//! ([`nodes`]), at the end they follow it and the superblock comes last ([`image`]): a file that was cut off has none.
//! What [`format`] writes is the uncompressed part of the format (fs/erofs/erofs_fs.h): extended inodes, FLAT_PLAIN and
//! FLAT_INLINE, offsets of inodes counted from the file's start. Whiteouts and opaque directories are in overlayfs' own
//! form. A directory that the layer does not describe takes what it is like from a layer below when those are known
//! ([`settle`]): its inode is changed in place, and has room behind it for the numbers of shared attributes.

mod compose;
mod format;
mod image;
mod nodes;
mod settle;

pub(crate) use compose::Composer;
pub(crate) use settle::{Settler, verify};

/// The file's name, in the directory of the layer.
pub(crate) const FILE: &str = "layer.erofs";
