//! What an archive or a layout directory holds, by name: regular files that can be read many times.
//!
//! An archive that is compressed or comes through a pipe is first written, inflated, to a file without a name in a
//! directory that the caller gives. The tar headers are read strictly: a broken checksum, two pax headers in a row, the
//! same file twice or a file past the end are errors. Nothing is unpacked; names are only keys.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use tar::EntryType;

use crate::image::manifest::Compression;
use crate::model::error::Error;
use crate::sys::cancel::{Cancel, Reading};

const BLOCK: u64 = 512;
/// The largest long name or pax header.
const EXTENSION_MAX: u64 = 1 << 20;
/// The most files in one archive.
const FILES_MAX: usize = 200_000;
/// The largest window that a zstd frame may ask for, 128 MiB.
const WINDOW_LOG: u32 = 27;

/// The files of an archive or directory.
pub(crate) enum Tree {
    Tar { file: Arc<File>, files: HashMap<String, Node> },
    Directory(OwnedFd),
}

/// A name in a tar: content, or another name.
pub(crate) enum Node {
    Content { offset: u64, size: u64 },
    Link(String),
}

/// A file of a tree; each clone reads from its own position.
#[derive(Clone)]
pub(crate) struct Blob {
    file: Arc<File>,
    offset: u64,
    size: u64,
    position: u64,
}

impl Blob {
    /// The first `size` bytes of a file.
    pub(crate) fn whole(file: File, size: u64) -> Self {
        Self { file: Arc::new(file), offset: 0, size, position: 0 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The same file, from its beginning.
    pub(crate) fn rewound(&self) -> Self {
        Self { position: 0, ..self.clone() }
    }

    /// How the content is packed, by its first bytes.
    pub(crate) fn compression(&self) -> Result<Compression> {
        let mut head = [0; 4];
        let mut reader = self.rewound();
        let mut filled = 0;
        while filled < head.len() {
            match reader.read(&mut head[filled..]).context("read archive")? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(Compression::sniff(&head[..filled]))
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.position).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..left], self.offset + self.position)?;
        if count == 0 && left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is shorter than it was"));
        }
        self.position += count as u64;
        Ok(count)
    }
}

/// Inflates a stream; several gzip members or zstd frames follow each other.
pub(crate) fn inflate<'a>(
    compression: Compression,
    reader: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(reader),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(reader).context("read zstd")?;
            decoder.window_log_max(WINDOW_LOG).context("read zstd")?;
            Box::new(decoder)
        }
    })
}

impl Tree {
    /// Opens what is at `path`: a directory, or an archive (spooled to `spool` if need be, at most `limit` bytes).
    pub(crate) fn open(path: &Path, spool: &Path, limit: u64, stop: &Cancel) -> Result<Self> {
        let opening = || format!("open {}", path.display());
        let file = File::open(path).with_context(opening)?;
        if file.metadata().with_context(opening)?.is_dir() {
            return Ok(Self::Directory(file.into()));
        }
        Self::from_file(file, spool, limit, stop).with_context(|| format!("read archive {}", path.display()))
    }

    /// Reads an archive from an open file or pipe, until `stop` is set.
    pub(crate) fn from_file(input: File, spool: &Path, limit: u64, stop: &Cancel) -> Result<Self> {
        let mut input = Reading { file: input, stop };
        let seekable = input.file.metadata().context("stat archive")?.is_file();
        if seekable {
            input.file.rewind().context("seek in archive")?;
        }
        let mut head = Vec::new();
        Read::by_ref(&mut input).take(BLOCK).read_to_end(&mut head).context("read archive")?;
        let compression = Compression::sniff(&head);
        if seekable && compression == Compression::None {
            return Self::index(input.file);
        }
        let reader = inflate(compression, io::Cursor::new(head).chain(input))?;
        Self::index(spool_to(spool, reader, limit)?)
    }

    /// Reads the headers of a plain tar file.
    fn index(file: File) -> Result<Self> {
        let length = file.metadata().context("stat archive")?.len();
        let mut files: HashMap<String, Node> = HashMap::new();
        let mut position = 0;
        let mut pending = Pending::default();
        let mut block = [0; 512];
        while position + BLOCK <= length {
            file.read_exact_at(&mut block, position).context("read archive")?;
            if block.iter().all(|byte| *byte == 0) {
                break;
            }
            let header = tar::Header::from_byte_slice(&block);
            check_sum(header, &block)?;
            let kind = header.entry_type();
            let own_size = header.entry_size().context("size in a tar header")?;
            let extends = kind.is_pax_local_extensions()
                || kind.is_pax_global_extensions()
                || kind.is_gnu_longname()
                || kind.is_gnu_longlink();
            let size = if extends { own_size } else { pending.size.unwrap_or(own_size) };
            let offset = position + BLOCK;
            let end = offset.checked_add(size).filter(|end| *end <= length);
            let Some(end) = end else { bail!(Error::invalid("archive is truncated")) };
            position = end.checked_next_multiple_of(BLOCK).context("archive too large")?;
            if extends {
                if size > EXTENSION_MAX {
                    bail!(Error::invalid("an extended tar header is too large"));
                }
                let mut data = vec![0; usize::try_from(size).context("header size")?];
                file.read_exact_at(&mut data, offset).context("read archive")?;
                pending.add(kind, &data)?;
                continue;
            }
            let named = std::mem::take(&mut pending);
            let name = clean(&named.name.unwrap_or_else(|| header.path_bytes().into_owned()))?;
            let node = match kind {
                EntryType::Regular | EntryType::Continuous => Node::Content { offset, size },
                EntryType::Symlink | EntryType::Link => {
                    let target = named.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
                    let target = clean(&target.unwrap_or_default())?;
                    // A symbolic link begins where it stands, a hard link at the root.
                    let base = match (kind, name.rsplit_once('/')) {
                        (EntryType::Symlink, Some((parent, _))) => parent,
                        _ => "",
                    };
                    Node::Link(join(base, &target))
                }
                EntryType::Directory => continue,
                _ => bail!(Error::invalid(format!("archive has a special file \"{}\"", name.escape_debug()))),
            };
            if files.len() >= FILES_MAX {
                bail!(Error::invalid(format!("archive has more than {FILES_MAX} files")));
            }
            if files.insert(name.clone(), node).is_some() {
                bail!(Error::invalid(format!("archive has \"{}\" twice", name.escape_debug())));
            }
        }
        if files.is_empty() {
            bail!(Error::invalid("not a tar archive, or an empty one"));
        }
        Ok(Self::Tar { file: Arc::new(file), files })
    }

    /// Opens a file by name, through at most eight links of an archive; `None` where there is none.
    pub(crate) fn file(&self, name: &str) -> Result<Option<Blob>> {
        match self {
            Self::Tar { file, files } => {
                let mut name = join("", name);
                for _ in 0..8 {
                    match files.get(&name) {
                        None => return Ok(None),
                        Some(Node::Link(target)) => name.clone_from(target),
                        Some(Node::Content { offset, size }) => {
                            return Ok(Some(Blob {
                                file: Arc::clone(file),
                                offset: *offset,
                                size: *size,
                                position: 0,
                            }));
                        }
                    }
                }
                bail!(Error::invalid("too many links in the archive"))
            }
            Self::Directory(dir) => {
                let opened = rustix::fs::openat2(
                    dir,
                    name,
                    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
                    Mode::empty(),
                    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
                );
                let file = match opened {
                    Ok(fd) => File::from(fd),
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
                    Err(error) => {
                        return Err(error).with_context(|| format!("open \"{}\" in the layout", name.escape_debug()));
                    }
                };
                let meta = file.metadata().context("stat a file of the layout")?;
                if !meta.is_file() {
                    bail!(Error::invalid(format!("\"{}\" is not a regular file", name.escape_debug())));
                }
                Ok(Some(Blob { file: Arc::new(file), offset: 0, size: meta.len(), position: 0 }))
            }
        }
    }

    /// Reads a whole file of at most `limit` bytes.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(blob) = self.file(name)? else { return Ok(None) };
        if blob.size > limit {
            bail!(Error::invalid(format!("\"{}\" of {} bytes is too large", name.escape_debug(), blob.size)));
        }
        let mut bytes = Vec::new();
        blob.take(limit).read_to_end(&mut bytes).with_context(|| format!("read {name}"))?;
        Ok(Some(bytes))
    }

    /// The same, where the file must be there.
    pub(crate) fn need(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        self.read(name, limit)?
            .ok_or_else(|| Error::invalid(format!("\"{}\" is missing in the archive", name.escape_debug())).into())
    }
}

/// What extended headers said about the entry that follows.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    has_pax: bool,
}

impl Pending {
    fn add(&mut self, kind: EntryType, data: &[u8]) -> Result<()> {
        let twice = || Error::invalid("contradicting extended tar headers");
        let text = || data.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let place = if kind.is_gnu_longname() { &mut self.name } else { &mut self.link };
            if place.replace(text()).is_some() {
                bail!(twice());
            }
            return Ok(());
        }
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        if std::mem::replace(&mut self.has_pax, true) {
            bail!(twice());
        }
        for record in tar::PaxExtensions::new(data) {
            let record = record.context("read pax header")?;
            let value = record.value_bytes();
            let known = match record.key_bytes() {
                b"path" => self.name.replace(value.to_vec()).is_some(),
                b"linkpath" => self.link.replace(value.to_vec()).is_some(),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    let size = size.ok_or_else(|| Error::invalid("size in a pax header"))?;
                    self.size.replace(size).is_some()
                }
                key if key.starts_with(b"GNU.sparse.") => bail!(Error::invalid("sparse file in an image archive")),
                _ => false,
            };
            if known {
                bail!(twice());
            }
        }
        Ok(())
    }
}

fn check_sum(header: &tar::Header, block: &[u8; 512]) -> Result<()> {
    let sum: u32 =
        block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    match header.cksum() {
        Ok(said) if said == sum => Ok(()),
        _ => bail!(Error::invalid("not a tar archive: wrong header checksum")),
    }
}

fn clean(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid("a name in the archive is not UTF-8").into())
}

/// Joins lexically: `.` and empty parts go, `..` goes up but not out.
fn join(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// A file without a name in `dir`, to write and to read again.
pub(crate) fn unnamed_file(dir: &Path) -> Result<File> {
    let making = || format!("make a temporary file in {}", dir.display());
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(File::from(fd)),
        // Some file systems (older overlay, NFS) have no O_TMPFILE.
        Err(_) => {
            let dir_fd = rustix::fs::open(dir, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .with_context(making)?;
            unnamed(dir_fd.as_fd()).with_context(making)
        }
    }
}

/// Copies a stream to such a file.
fn spool_to(dir: &Path, mut reader: impl Read, limit: u64) -> Result<File> {
    let file = unnamed_file(dir)?;
    let mut out = &file;
    let copied = io::copy(&mut reader.by_ref().take(limit.saturating_add(1)), &mut out).context("read archive")?;
    if copied > limit {
        bail!(Error::invalid(format!("archive is larger than {limit} bytes")));
    }
    out.flush().context("write archive")?;
    Ok(file)
}

fn unnamed(dir: std::os::fd::BorrowedFd<'_>) -> io::Result<File> {
    let name = format!(".spool-{}", std::process::id());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::unlinkat(dir, name.as_str(), rustix::fs::AtFlags::empty())?;
    Ok(fd.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory(bytes: &[u8]) -> File {
        let fd = rustix::fs::memfd_create("tar", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = File::from(fd);
        file.write_all(bytes).unwrap();
        file
    }

    fn tar_of(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_size(0);
                builder.append_link(&mut header, name, content).unwrap();
            } else {
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, name, content.as_bytes()).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Tree> {
        Tree::from_file(memory(bytes), &std::env::temp_dir(), 1 << 20, &Cancel::new().unwrap())
    }

    #[test]
    fn finds_files_through_links_and_compression() {
        let long = format!("{}/file", "d".repeat(150));
        let plain = tar_of(&[
            ("a/x", EntryType::Regular, "hello"),
            ("b/y", EntryType::Symlink, "../a/x"),
            ("z", EntryType::Link, "a/x"),
            ("loop", EntryType::Symlink, "loop"),
            (&long, EntryType::Regular, "long"),
        ]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        for bytes in [plain, gzip.finish().unwrap(), zstd] {
            let tree = read(&bytes).unwrap();
            for name in ["a/x", "./a/x", "b/y", "z"] {
                assert_eq!(tree.need(name, 10).unwrap(), b"hello", "{name}");
            }
            assert_eq!(tree.need(&long, 10).unwrap(), b"long");
            assert!(tree.read("none", 10).unwrap().is_none());
            assert!(tree.read("loop", 10).is_err());
            assert!(tree.need("a/x", 4).unwrap_err().to_string().contains("too large"));
        }
    }

    #[test]
    fn refuses_what_two_readers_would_read_differently() {
        let twice = tar_of(&[("a", EntryType::Regular, "1"), ("a", EntryType::Regular, "2")]);
        let device = tar_of(&[("a", EntryType::Char, "")]);
        let mut broken = tar_of(&[("a", EntryType::Regular, "1")]);
        broken[0] = b'b';
        let mut truncated = tar_of(&[("a", EntryType::Regular, &"1".repeat(2000))]);
        truncated.truncate(1024);
        for (bytes, words) in [
            (twice, "twice"),
            (device, "special"),
            (broken, "checksum"),
            (truncated, "truncated"),
            (Vec::new(), "not a tar"),
            (vec![b'x'; 600], "checksum"),
        ] {
            let error = read(&bytes).err().map(|e| format!("{e:#}")).unwrap_or_default();
            assert!(error.contains(words), "{error} lacks {words}");
        }
        let bomb = zstd::encode_all(io::repeat(0).take(2 << 20), 1).unwrap();
        assert!(format!("{:#}", read(&bomb).err().unwrap()).contains("larger than"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_and_changed_headers_do_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..1500), at in 0usize..1024, byte in any::<u8>(),
        ) {
            drop(read(&bytes));
            let mut changed = tar_of(&[("a/x", EntryType::Regular, "hello"), ("b", EntryType::Symlink, "a/x")]);
            changed[at] = byte;
            drop(read(&changed));
        }
    }
}
