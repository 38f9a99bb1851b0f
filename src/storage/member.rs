//! Reads a tar archive member by member, strictly: one meaning or an error (R11).
//!
//! The formats are v7, ustar, GNU (long names, sparse) and pax (with SCHILY xattrs and all three GNU sparse maps). The
//! stream is hashed and counted as it is read, so the digest is that of every byte, also of those behind the end mark.
//! Headers that repeat or contradict each other, members without data that claim to have some, and numbers outside
//! their range are refused: another reader could take them for something else.

use std::io::{self, Read};

use anyhow::{Result, bail};
use sha2::Digest as _;
use tar::Header;

use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};

const BLOCK: u64 = 512;

/// Decompressed bytes wait here; large enough that most files are one write.
const BUFFER: usize = 256 << 10;

/// Long names and pax records of one member together (R12).
const EXTENSION_LIMIT: u64 = 1 << 20;

/// Pieces of one sparse file (R12).
const SPARSE_LIMIT: usize = 64 << 10;

/// The longest path that the kernel takes in one call.
const PATH_LIMIT: usize = 4095;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    Char { major: u32, minor: u32 },
    Block { major: u32, minor: u32 },
}

/// A time as the kernel takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// A piece of a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// One member: its header with every extension applied. Its data is read from the [`Archive`] before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    /// Target of a link, as it stands.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Time,
    /// Size of the file as it is seen, holes included.
    pub(crate) size: u64,
    /// Where the data of a sparse file goes.
    pub(crate) sparse: Option<Vec<Piece>>,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The member that an error is about, and how it is wrong.
fn invalid(message: impl Into<String>) -> anyhow::Error {
    Error::invalid(format!("invalid archive: {}", message.into())).into()
}

/// A tar archive that is read from the front to the end.
pub(crate) struct Archive<R> {
    inner: R,
    hash: Option<sha2::Sha256>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    total: u64,
    limit: u64,
    /// Data of the current member that was not read yet, and the padding behind it.
    left: u64,
    padding: u64,
    finished: bool,
}

impl<R: Read> Archive<R> {
    /// Reads at most `limit` bytes of `inner`; more is an error. With `hash` every byte is hashed.
    pub(crate) fn new(inner: R, limit: u64, hash: bool) -> Self {
        Self {
            inner,
            hash: hash.then(sha2::Sha256::new),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            total: 0,
            limit,
            left: 0,
            padding: 0,
            finished: false,
        }
    }

    /// The bytes read so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Reads what is left, so that the digest is whole, and returns it with the number of bytes.
    pub(crate) fn finish(mut self) -> Result<(Digest, u64)> {
        loop {
            self.start = self.end;
            if !self.fill()? {
                break;
            }
        }
        let hash = self.hash.take().unwrap_or_default();
        Ok((Digest::sha256(&hash.finalize().into()), self.total))
    }

    /// Reads more into the empty buffer; false at the end.
    fn fill(&mut self) -> Result<bool> {
        debug_assert_eq!(self.start, self.end);
        // Decompressors give small pieces; a full buffer means fewer and larger writes.
        let (mut filled, mut ended) = (0, false);
        while filled < self.buffer.len() && !ended {
            match self.inner.read(&mut self.buffer[filled..]) {
                Ok(0) => ended = true,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(invalid(format!("read: {error}"))),
            }
        }
        (self.start, self.end) = (0, filled);
        self.total += filled as u64;
        if self.total > self.limit {
            let message = format!("the layer has more than {} bytes", self.limit);
            return Err(Error::new(ErrorKind::Denied, message)
                .hint("an image may be made to fill the disk; if you trust it, set DHOW_LAYER_BYTES")
                .into());
        }
        if let Some(hash) = &mut self.hash {
            hash.update(&self.buffer[..filled]);
        }
        Ok(filled > 0)
    }

    /// Reads exactly `bytes`; false when the archive ends before the first of them.
    fn read_exact(&mut self, bytes: &mut [u8]) -> Result<bool> {
        let mut done = 0;
        while done < bytes.len() {
            if self.start == self.end && !self.fill()? {
                if done == 0 {
                    return Ok(false);
                }
                return Err(invalid("it is cut off"));
            }
            let length = (self.end - self.start).min(bytes.len() - done);
            bytes[done..done + length].copy_from_slice(&self.buffer[self.start..self.start + length]);
            self.start += length;
            done += length;
        }
        Ok(true)
    }

    /// The next piece of the current member's data, at most `most` bytes, without copying; empty at its end.
    pub(crate) fn data(&mut self, most: u64) -> Result<&[u8]> {
        if self.left == 0 || most == 0 {
            return Ok(&[]);
        }
        if self.start == self.end && !self.fill()? {
            return Err(invalid("it is cut off"));
        }
        let wanted = self.left.min(most).min((self.end - self.start) as u64);
        let length = usize::try_from(wanted).expect("at most the buffer's size");
        let piece = self.start..self.start + length;
        self.start += length;
        self.left -= wanted;
        Ok(&self.buffer[piece])
    }

    fn skip_data(&mut self) -> Result<()> {
        self.left += std::mem::take(&mut self.padding);
        while self.left > 0 {
            self.data(u64::MAX)?;
        }
        Ok(())
    }

    /// All data of the current header: names, pax records.
    fn extension(&mut self, used: &mut u64) -> Result<Vec<u8>> {
        *used += self.left;
        if *used > EXTENSION_LIMIT {
            return Err(invalid("the extended headers of one member are too large"));
        }
        let mut bytes = Vec::new();
        while self.left > 0 {
            let piece = self.data(u64::MAX)?;
            bytes.extend_from_slice(piece);
        }
        self.skip_data()?;
        Ok(bytes)
    }

    /// Reads one header block; `None` at the end mark or the end of the stream.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if !self.read_exact(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            // Two zero blocks end an archive; one before the end of the stream does, too. Data behind a single one is
            // read by some programs and not by others.
            let mut second = [0; 512];
            if self.read_exact(&mut second)? && second.iter().any(|byte| *byte != 0) {
                return Err(invalid("there is data after an end mark"));
            }
            return Ok(None);
        }
        let sum: u32 = header.as_bytes()[..148].iter().chain(&header.as_bytes()[156..]).map(|b| u32::from(*b)).sum();
        if number(&header.as_old().cksum, "checksum")? != i64::from(sum + 8 * 32) {
            return Err(invalid("wrong checksum of a header"));
        }
        let size = unsigned(&header.as_old().size, "size")?;
        self.set_data(size);
        Ok(Some(header))
    }

    fn set_data(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK;
    }

    /// The next member. What was not read of the one before is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Member>> {
        if self.finished {
            return Ok(None);
        }
        self.skip_data()?;
        let mut long = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                if long.any {
                    return Err(invalid("an extended header has no member"));
                }
                self.finished = true;
                return Ok(None);
            };
            let slot = match header.as_old().linkflag[0] {
                b'L' => &mut long.path,
                b'K' => &mut long.link,
                b'x' => {
                    long.any = true;
                    if long.pax.is_some() {
                        return Err(invalid("two extended headers for one member"));
                    }
                    let bytes = self.extension(&mut long.used)?;
                    long.pax = Some(pax_records(&bytes)?);
                    continue;
                }
                b'g' => {
                    let bytes = self.extension(&mut long.used)?;
                    for (key, _) in pax_records(&bytes)? {
                        // Comments and the like are skipped, as other engines do; what moves members is not.
                        if matches!(&key[..], b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse") {
                            return Err(invalid(format!("a global header sets {}", show(&key))));
                        }
                    }
                    continue;
                }
                _ => return self.member(&header, long).map(Some),
            };
            long.any = true;
            if slot.is_some() {
                return Err(invalid("two long names for one member"));
            }
            *slot = Some(Vec::new());
            let mut bytes = self.extension(&mut long.used)?;
            if bytes.last() == Some(&0) {
                bytes.pop();
            }
            match header.as_old().linkflag[0] {
                b'L' => long.path = Some(bytes),
                _ => long.link = Some(bytes),
            }
        }
    }

    fn member(&mut self, header: &Header, long: Extensions) -> Result<Member> {
        let pax = Pax::new(long.pax.unwrap_or_default())?;
        let choose = |name: &str, gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>, own: Vec<u8>| match (gnu, pax) {
            (Some(gnu), Some(pax)) if gnu != pax => Err(invalid(format!("two different values of {name}"))),
            (gnu, pax) => Ok(pax.or(gnu).unwrap_or(own)),
        };
        let path = match pax.sparse_name {
            // The name beside it is a made-up one (GNU.sparse.name).
            Some(name) => name,
            None => choose("path", long.path, pax.path, header.path_bytes().into_owned())?,
        };
        let own_link = header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
        let link = choose("linkpath", long.link, pax.link, own_link)?;
        for (name, value) in [("path", &path), ("link", &link)] {
            if value.contains(&0) {
                return Err(invalid(format!("a {name} contains NUL")));
            }
            if value.len() > PATH_LIMIT {
                return Err(invalid(format!("a {name} is longer than {PATH_LIMIT} bytes")));
            }
        }
        let about = |what: &str| invalid(format!("{what} in {}", show(&path)));

        if let Some(size) = pax.size {
            // A field too narrow for the size may hold 0; any other value is another reader's size.
            if self.left != 0 && self.left != size {
                return Err(about("two different sizes"));
            }
            self.set_data(size);
        }
        let (stored, device) = (self.left, || -> Result<(u32, u32)> {
            let Some(ustar) = header
                .as_ustar()
                .map(|h| (&h.dev_major, &h.dev_minor))
                .or_else(|| header.as_gnu().map(|h| (&h.dev_major, &h.dev_minor)))
            else {
                bail!(about("no device numbers"));
            };
            let one = |field: &[u8]| u32::try_from(number(field, "device")?).map_err(|_| about("a bad device number"));
            Ok((one(ustar.0)?, one(ustar.1)?))
        });
        let mut sparse = None;
        let kind = match header.as_old().linkflag[0] {
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => device().map(|(major, minor)| Kind::Char { major, minor })?,
            b'4' => device().map(|(major, minor)| Kind::Block { major, minor })?,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => {
                sparse = Some(self.gnu_sparse(header)?);
                Kind::File
            }
            other => return Err(about(&format!("unknown type {:?}", char::from(other)))),
        };
        if kind != Kind::File && stored != 0 {
            return Err(about("data of a member that has none"));
        }
        let mut size = stored;
        if let Some(found) = pax.sparse {
            if sparse.is_some() || kind != Kind::File {
                return Err(about("a sparse map that does not belong"));
            }
            sparse = Some(match found {
                SparsePax::Map { real, map } => (real, map),
                SparsePax::InData { real } => (real, self.data_sparse()?),
            });
        }
        let sparse = match sparse {
            None => None,
            Some((real, map)) => {
                check_map(&map, real, self.left).map_err(about)?;
                size = real;
                Some(map)
            }
        };
        let id = |name: &str, pax: Option<u64>, field: &[u8]| -> Result<u32> {
            let value = match pax {
                Some(value) => value,
                None => unsigned(field, name)?,
            };
            // 4294967295 means "do not change" to chown(2) (R24).
            u32::try_from(value)
                .ok()
                .filter(|id| *id != u32::MAX)
                .ok_or_else(|| about(&format!("a bad {name} {value}")))
        };
        let old = header.as_old();
        let mtime = match pax.mtime {
            Some(time) => time,
            None => Time { seconds: number(&old.mtime, "time")?, nanoseconds: 0 },
        };
        let mode = u32::try_from(number(&old.mode, "mode")? & 0o7777).expect("twelve bits");
        let (uid, gid) = (id("user id", pax.uid, &old.uid)?, id("group id", pax.gid, &old.gid)?);
        Ok(Member { path, link, kind, mode, uid, gid, mtime, size, sparse, xattrs: pax.xattrs })
    }

    /// The map of an old GNU sparse member: four pieces in the header, the rest in blocks behind it.
    fn gnu_sparse(&mut self, header: &Header) -> Result<(u64, Vec<Piece>)> {
        let gnu = header.as_gnu().ok_or_else(|| invalid("a sparse member is not of the GNU format"))?;
        let mut map = Vec::new();
        let mut add = |pieces: &[tar::GnuSparseHeader]| -> Result<()> {
            for piece in pieces.iter().filter(|piece| piece.offset[0] != 0 && piece.numbytes[0] != 0) {
                let offset = unsigned(&piece.offset, "sparse offset")?;
                map.push(Piece { offset, length: unsigned(&piece.numbytes, "sparse length")? });
                if map.len() > SPARSE_LIMIT {
                    return Err(invalid("a sparse map is too long"));
                }
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.isextended[0] == 1;
        while more {
            let mut block = tar::GnuExtSparseHeader::new();
            if !self.read_exact(block.as_mut_bytes())? {
                return Err(invalid("it is cut off"));
            }
            add(&block.sparse)?;
            more = block.isextended[0] == 1;
        }
        Ok((unsigned(&gnu.realsize, "real size")?, map))
    }

    /// The map of a pax 1.0 sparse member: decimal lines before the data, padded to a block.
    fn data_sparse(&mut self) -> Result<Vec<Piece>> {
        let mut taken = 0_u64;
        let mut line = |archive: &mut Self| -> Result<u64> {
            let mut value = 0_u64;
            let mut digits = 0;
            loop {
                let byte = match archive.data(1)? {
                    [byte] => *byte,
                    _ => return Err(invalid("a sparse map is cut off")),
                };
                taken += 1;
                match byte {
                    b'\n' if digits > 0 => return Ok(value),
                    b'0'..=b'9' if digits < 19 => value = value * 10 + u64::from(byte - b'0'),
                    _ => return Err(invalid("a sparse map is not made of numbers")),
                }
                digits += 1;
            }
        };
        let count = line(self)?;
        if count > SPARSE_LIMIT as u64 {
            return Err(invalid("a sparse map is too long"));
        }
        let mut map = Vec::new();
        for _ in 0..count {
            let offset = line(self)?;
            map.push(Piece { offset, length: line(self)? });
        }
        let mut padding = taken.wrapping_neg() % BLOCK;
        while padding > 0 {
            let length = self.data(padding)?.len() as u64;
            if length == 0 {
                return Err(invalid("a sparse map is cut off"));
            }
            padding -= length;
        }
        Ok(map)
    }
}

/// Pieces ascend, stay inside the file, and their data is exactly what the member has.
fn check_map(map: &[Piece], real: u64, stored: u64) -> Result<(), &'static str> {
    let (mut at, mut sum) = (0_u64, 0_u64);
    for piece in map {
        let end = piece.offset.checked_add(piece.length).ok_or("a sparse map beyond all sizes")?;
        if piece.offset < at || end > real {
            return Err("a sparse map that overlaps or leaves the file");
        }
        at = end;
        sum += piece.length;
    }
    if sum != stored || i64::try_from(real).is_err() {
        return Err("a sparse map that does not fit the data");
    }
    Ok(())
}

/// What stood before the header of a member.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    used: u64,
    any: bool,
}

enum SparsePax {
    Map { real: u64, map: Vec<Piece> },
    InData { real: u64 },
}

/// The pax records that mean something here.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: Option<SparsePax>,
    sparse_name: Option<Vec<u8>>,
}

impl Pax {
    fn new(records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Self> {
        let mut pax = Self::default();
        let (mut major, mut minor, mut real, mut map, mut offsets) = (None, None, None, None, Vec::new());
        let mut count = None;
        let mut seen = std::collections::HashSet::new();
        for (key, value) in records {
            // Version 0.0 of the sparse map is made of repeated records; nothing else is.
            let repeats = matches!(&key[..], b"GNU.sparse.offset" | b"GNU.sparse.numbytes");
            if !repeats && !seen.insert(key.clone()) {
                return Err(invalid(format!("the extended header has {} twice", show(&key))));
            }
            match &key[..] {
                b"path" => pax.path = Some(value),
                b"linkpath" => pax.link = Some(value),
                b"size" => pax.size = Some(decimal(&value, "size")?),
                b"uid" => pax.uid = Some(decimal(&value, "user id")?),
                b"gid" => pax.gid = Some(decimal(&value, "group id")?),
                b"mtime" => pax.mtime = Some(time(&value)?),
                b"GNU.sparse.major" => major = Some(decimal(&value, "sparse version")?),
                b"GNU.sparse.minor" => minor = Some(decimal(&value, "sparse version")?),
                b"GNU.sparse.name" => pax.sparse_name = Some(value),
                b"GNU.sparse.realsize" | b"GNU.sparse.size" if real.is_none() => {
                    real = Some(decimal(&value, "real size")?);
                }
                b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                    return Err(invalid("the extended header has two real sizes"));
                }
                b"GNU.sparse.numblocks" => count = Some(decimal(&value, "sparse map")?),
                b"GNU.sparse.map" => {
                    let mut numbers = Vec::new();
                    for number in value.split(|byte| *byte == b',').filter(|text| !text.is_empty()) {
                        numbers.push(decimal(number, "sparse map")?);
                    }
                    map = Some(numbers);
                }
                b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                    if (offsets.len() % 2 == 0) != key.ends_with(b"offset") {
                        return Err(invalid("a sparse map has no order"));
                    }
                    offsets.push(decimal(&value, "sparse map")?);
                }
                key if key.starts_with(b"SCHILY.xattr.") => {
                    let name = key[b"SCHILY.xattr.".len()..].to_vec();
                    if name.is_empty() || name.contains(&0) {
                        return Err(invalid("an extended attribute has no name"));
                    }
                    pax.xattrs.push((name, value));
                }
                _ => {}
            }
        }
        pax.sparse = match (major, minor, real) {
            (Some(1), Some(0), Some(real)) if map.is_none() && offsets.is_empty() => Some(SparsePax::InData { real }),
            (None | Some(0), _, Some(real)) => {
                let numbers = match map {
                    Some(map) if offsets.is_empty() => map,
                    None => offsets,
                    Some(_) => return Err(invalid("two sparse maps for one member")),
                };
                let pieces = numbers.chunks(2).map(|pair| match pair {
                    [offset, length] => Ok(Piece { offset: *offset, length: *length }),
                    _ => Err(invalid("a sparse map has an odd end")),
                });
                let map = pieces.collect::<Result<Vec<_>>>()?;
                if map.len() > SPARSE_LIMIT || count.is_some_and(|count| count != map.len() as u64) {
                    return Err(invalid("a sparse map is not as long as it says"));
                }
                Some(SparsePax::Map { real, map })
            }
            (None, None, None) if map.is_none() && offsets.is_empty() && pax.sparse_name.is_none() => None,
            _ => return Err(invalid("an unknown kind of sparse file")),
        };
        Ok(pax)
    }
}

/// Splits `LENGTH KEY=VALUE\n` records. The length must be right to the byte.
fn pax_records(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let bad = || invalid("a damaged extended header");
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().take(20).position(|byte| *byte == b' ').ok_or_else(bad)?;
        let length = usize::try_from(decimal(&rest[..space], "record length")?).map_err(|_| bad())?;
        if length <= space + 1 || length > rest.len() || rest[length - 1] != b'\n' {
            return Err(bad());
        }
        let record = &rest[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0).ok_or_else(bad)?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        rest = &rest[length..];
    }
    Ok(records)
}

fn decimal(text: &[u8], name: &str) -> Result<u64> {
    let good = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let value = good.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten();
    value.ok_or_else(|| invalid(format!("a bad {name} {}", show(text))))
}

/// A pax time: seconds with a fraction, perhaps negative.
fn time(text: &[u8]) -> Result<Time> {
    let bad = || invalid(format!("a bad time {}", show(text)));
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = point.map_or((digits, &b""[..]), |at| (&digits[..at], &digits[at + 1..]));
    let seconds = i64::try_from(decimal(whole, "time")?).map_err(|_| bad())?;
    let mut nanoseconds = 0_u32;
    for place in 0..9 {
        let digit = match fraction.get(place) {
            Some(byte @ b'0'..=b'9') => u32::from(byte - b'0'),
            Some(_) => return Err(bad()),
            None => 0,
        };
        nanoseconds = nanoseconds * 10 + digit;
    }
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    Ok(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// A number of a header: octal digits between blanks and NUL, or base 256 when the first bit is set.
fn number(field: &[u8], name: &str) -> Result<i64> {
    let bad = || invalid(format!("a bad {name} {}", show(field)));
    if field[0] & 0x80 != 0 {
        // Two's complement, big-endian, without the marking bit.
        let negative = field[0] & 0x40 != 0;
        let mut value = i128::from(field[0] & 0x3f) - if negative { 0x40 } else { 0 };
        for byte in &field[1..] {
            value = (value << 8) | i128::from(*byte);
        }
        return i64::try_from(value).map_err(|_| bad());
    }
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let text = &field[start..];
    let text = &text[..text.iter().position(|byte| matches!(byte, b' ' | 0)).unwrap_or(text.len())];
    let mut value = 0_i64;
    for byte in text {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8).ok_or_else(bad)?;
        value = value.checked_mul(8).ok_or_else(bad)? + i64::from(digit);
    }
    Ok(value)
}

fn unsigned(field: &[u8], name: &str) -> Result<u64> {
    u64::try_from(number(field, name)?).map_err(|_| invalid(format!("a negative {name}")))
}

/// Foreign bytes, fit for a terminal.
pub(crate) fn show(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(200)];
    format!("\"{}\"", cut.escape_ascii())
}

#[cfg(test)]
mod tests;
