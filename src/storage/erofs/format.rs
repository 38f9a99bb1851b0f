//! The words of the format (fs/erofs/erofs_fs.h), little endian.

use rustix::fs::FileType;

/// What is counted in blocks: data and directories.
pub(super) const BLOCK: u64 = 4096;
/// What is counted in slots: the places of inodes.
pub(super) const SLOT: u64 = 32;
/// The place of the superblock, and its length with the end of the first block, which its checksum covers.
pub(super) const SUPER: usize = 1024;
/// The place of the root's inode, whose number has only 16 bits.
pub(super) const ROOT: u64 = 1152;
/// An extended inode.
pub(super) const INODE: u64 = 64;
/// Before the attributes of an inode: a filter that we do not use, and how many are shared.
pub(super) const ATTRIBUTES_HEADER: u64 = 12;

const MAGIC: u32 = 0xe0f5_e1e2;
/// The superblock has a checksum; inodes have their own time.
const COMPATIBLE: u32 = 0x1 | 0x2;
/// Attributes of an inode: `i_xattr_icount` has 16 bits, counting words behind the header.
const ATTRIBUTES_LIMIT: u64 = ATTRIBUTES_HEADER + 4 * (u16::MAX as u64 - 1);
const DIRENT: usize = 12;

/// Where an inode's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks from this one on.
    Plain(u32),
    /// Behind the inode and its attributes.
    Inline,
    /// Nowhere: a device of this number, or nothing.
    Device(u32),
}

/// An inode, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    pub(super) links: u32,
    pub(super) size: u64,
    /// Bytes of attributes behind it, zero or as [`attributes_size`] says.
    pub(super) attributes: u64,
    pub(super) layout: Layout,
}

impl Inode {
    /// `number` is what 32-bit programs are told.
    pub(super) fn encode(&self, number: u32) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (layout, place) = match self.layout {
            Layout::Plain(block) => (0_u16, block),
            Layout::Inline => (2, 0),
            Layout::Device(number) => (0, number),
        };
        put(&mut bytes, 0, &(1 | layout << 1).to_le_bytes());
        put(&mut bytes, 2, &attributes_count(self.attributes).to_le_bytes());
        put(&mut bytes, 4, &low16(self.mode).to_le_bytes());
        put(&mut bytes, 8, &self.size.to_le_bytes());
        put(&mut bytes, 16, &place.to_le_bytes());
        put(&mut bytes, 20, &number.to_le_bytes());
        put(&mut bytes, 24, &self.uid.to_le_bytes());
        put(&mut bytes, 28, &self.gid.to_le_bytes());
        put(&mut bytes, 32, &self.seconds.to_le_bytes());
        put(&mut bytes, 40, &self.nanoseconds.to_le_bytes());
        put(&mut bytes, 44, &self.links.to_le_bytes());
        bytes
    }
}

/// Changes an encoded inode: what a directory took from a layer below.
pub(super) fn change(bytes: &mut [u8; 64], mode: u32, owner: (u32, u32), time: (i64, u32), attributes: u64) {
    let kind = u32::from(u16::from_le_bytes([bytes[4], bytes[5]])) & 0o170_000;
    put(bytes, 2, &attributes_count(attributes).to_le_bytes());
    put(bytes, 4, &low16(kind | mode & 0o7777).to_le_bytes());
    put(bytes, 24, &owner.0.to_le_bytes());
    put(bytes, 28, &owner.1.to_le_bytes());
    put(bytes, 32, &time.0.to_le_bytes());
    put(bytes, 40, &time.1.to_le_bytes());
}

/// The attributes of an inode that has none of its own: their numbers, in words from the block of the shared ones.
pub(super) fn shared(numbers: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    bytes[4] = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes
}

/// What the superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) inodes: u64,
    pub(super) blocks: u32,
    /// The block from which shared attributes are counted.
    pub(super) attributes: u32,
}

impl Superblock {
    /// Writes it into the first block of the file, with the checksum of that block.
    pub(super) fn put(&self, block: &mut [u8]) {
        let bytes = &mut block[SUPER..];
        put(bytes, 0, &MAGIC.to_le_bytes());
        put(bytes, 4, &[0; 4]);
        put(bytes, 8, &COMPATIBLE.to_le_bytes());
        bytes[12] = 12;
        put(bytes, 14, &low16(u32::try_from(ROOT / SLOT).unwrap_or(u32::MAX)).to_le_bytes());
        put(bytes, 16, &self.inodes.to_le_bytes());
        put(bytes, 36, &self.blocks.to_le_bytes());
        put(bytes, 44, &self.attributes.to_le_bytes());
        let checksum = crc32c(bytes);
        put(bytes, 4, &checksum.to_le_bytes());
    }

    /// Reads it from the first block; `None` when that is not one of ours, or damaged.
    pub(super) fn get(block: &[u8]) -> Option<Self> {
        let mut bytes = block.get(SUPER..)?.to_vec();
        let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let checksum = word(&bytes, 4)?;
        put(&mut bytes, 4, &[0; 4]);
        if word(&bytes, 0)? != MAGIC || checksum != crc32c(&bytes) {
            return None;
        }
        let inodes = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
        Some(Self { inodes, blocks: word(&bytes, 36)?, attributes: word(&bytes, 44)? })
    }
}

/// An attribute's name as the format has it: the number of its beginning, and the rest. `None` for what has no number.
fn split(name: &[u8]) -> Option<(u8, &[u8])> {
    let known: [(&[u8], u8); 5] = [
        (b"system.posix_acl_access", 2),
        (b"system.posix_acl_default", 3),
        (b"user.", 1),
        (b"trusted.", 4),
        (b"security.", 6),
    ];
    let (beginning, number) = known.into_iter().find(|(beginning, _)| name.starts_with(beginning))?;
    let rest = &name[beginning.len()..];
    let whole = matches!(number, 2 | 3);
    (rest.is_empty() == whole && rest.len() <= 255).then_some((number, rest))
}

/// One attribute as it is kept, filled up to words; `None` where the format has no place for it.
pub(super) fn attribute(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let (number, rest) = split(name)?;
    let length = u16::try_from(value.len()).ok()?;
    let mut bytes = vec![u8::try_from(rest.len()).ok()?, number];
    bytes.extend(length.to_le_bytes());
    bytes.extend(rest);
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Some(bytes)
}

/// The bytes behind an inode for attributes whose entries have `entries` bytes; `None` for more than there may be.
pub(super) fn attributes_size(entries: u64) -> Option<u64> {
    match entries {
        0 => Some(0),
        entries => Some(ATTRIBUTES_HEADER + entries).filter(|size| *size <= ATTRIBUTES_LIMIT),
    }
}

fn attributes_count(size: u64) -> u16 {
    match size {
        0 => 0,
        size => u16::try_from((size - ATTRIBUTES_HEADER) / 4 + 1).unwrap_or(u16::MAX),
    }
}

/// A device's number, as the kernel's `new_encode_dev` has it; `None` for one that has no such form.
pub(super) fn device(major: u32, minor: u32) -> Option<u32> {
    (major < 1 << 12 && minor < 1 << 20).then_some(minor & 0xff | major << 8 | (minor & !0xff) << 12)
}

/// The names of a directory on their way into blocks.
#[derive(Default)]
pub(super) struct Entries<'a> {
    waiting: Vec<(&'a [u8], u64, u8)>,
    /// Bytes that those take.
    taken: usize,
    done: Vec<u8>,
}

impl<'a> Entries<'a> {
    /// Adds a name; they come in the order of their bytes, `.` and `..` among them.
    pub(super) fn push(&mut self, name: &'a [u8], node: u64, mode: u32) {
        if self.taken + DIRENT + name.len() > 4096 {
            self.flush();
            self.done.resize(self.done.len().next_multiple_of(4096), 0);
        }
        self.taken += DIRENT + name.len();
        self.waiting.push((name, node, kind(mode)));
    }

    /// The whole directory.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.done
    }

    fn flush(&mut self) {
        let mut offset = DIRENT * self.waiting.len();
        for (name, node, kind) in &self.waiting {
            self.done.extend(node.to_le_bytes());
            self.done.extend(u16::try_from(offset).unwrap_or(u16::MAX).to_le_bytes());
            self.done.extend([*kind, 0]);
            offset += name.len();
        }
        for (name, ..) in self.waiting.drain(..) {
            self.done.extend(name);
        }
        self.taken = 0;
    }
}

/// The bytes of a directory with these names, in their order.
pub(super) fn directory_size<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
    let (mut blocks, mut taken) = (0, 0);
    for name in names {
        let more = (DIRENT + name.len()) as u64;
        if taken + more > BLOCK {
            (blocks, taken) = (blocks + 1, 0);
        }
        taken += more;
    }
    blocks * BLOCK + taken
}

/// The kind of a file, as directories tell it.
fn kind(mode: u32) -> u8 {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => 1,
        FileType::Directory => 2,
        FileType::CharacterDevice => 3,
        FileType::BlockDevice => 4,
        FileType::Fifo => 5,
        FileType::Socket => 6,
        FileType::Symlink => 7,
        FileType::Unknown => 0,
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn low16(value: u32) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or(u16::MAX)
}

/// Castagnoli's sum as the format has it: begun with all ones, not inverted at the end.
fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_numbers_and_names_are_the_formats() {
        // The check value of CRC-32C, which is inverted at the end.
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
        assert_eq!((device(8, 1), device(1, 0x12345)), (Some(0x801), Some(0x1230_0145)));
        assert_eq!((device(4096, 0), device(0, 1 << 20)), (None, None));
        assert_eq!(split(b"user.x"), Some((1, &b"x"[..])));
        assert_eq!(split(b"system.posix_acl_access"), Some((2, &b""[..])));
        assert_eq!((split(b"user."), split(b"system.posix_acl_accessx"), split(b"other.x")), (None, None, None));
        assert_eq!(attribute(b"user.ab", b"c").unwrap(), [2, 1, 1, 0, b'a', b'b', b'c', 0]);
        assert!(attribute(b"user.x", &vec![0; 65_536]).is_none());
        assert_eq!((attributes_size(0), attributes_size(8), attributes_size(262_140)), (Some(0), Some(20), None));
    }

    #[test]
    fn a_superblock_is_read_again_and_a_changed_bit_is_noticed() {
        let mut block = vec![0; 4096];
        let written = Superblock { inodes: 7, blocks: 9, attributes: 3 };
        written.put(&mut block);
        assert_eq!(Superblock::get(&block), Some(written));
        block[4095] ^= 1;
        assert_eq!(Superblock::get(&block), None, "the whole block is summed");
        assert_eq!(Superblock::get(&[]), None);
    }

    #[test]
    fn names_never_cross_a_block() {
        let names: Vec<Vec<u8>> = (0..100).map(|at| format!("{at:0>250}").into_bytes()).collect();
        let mut entries = Entries::default();
        for name in &names {
            entries.push(name, 1, 0o100_644);
        }
        let bytes = entries.finish();
        assert_eq!(bytes.len() as u64, directory_size(names.iter().map(Vec::as_slice)));
        // Fifteen of 262 bytes in each block.
        for (block, chunk) in bytes.chunks(4096).zip(names.chunks(15)) {
            assert_eq!(usize::from(u16::from_le_bytes([block[8], block[9]])), 12 * chunk.len());
            assert_eq!(&block[12 * chunk.len()..][..250], &chunk[0][..]);
        }
    }
}
