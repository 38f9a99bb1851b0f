//! Tar entries written byte by byte, so that an archive can also be what no tool would write.

/// One entry of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    name: Vec<u8>,
    kind: u8,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
    link: Vec<u8>,
    data: Vec<u8>,
    device: (u32, u32),
    /// Records of a pax header before the entry.
    pax: Vec<(String, Vec<u8>)>,
    /// What the size field says, when not the truth.
    size: Option<u64>,
    /// Bytes that stand for the whole entry.
    raw: Option<Vec<u8>>,
}

impl Entry {
    fn new(kind: u8, name: impl AsRef<[u8]>, mode: u32) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime: 1_600_000_000,
            link: Vec::new(),
            data: Vec::new(),
            device: (0, 0),
            pax: Vec::new(),
            size: None,
            raw: None,
        }
    }

    pub(crate) fn dir(name: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(b'5', name, mode)
    }

    pub(crate) fn file(name: impl AsRef<[u8]>, mode: u32, data: impl Into<Vec<u8>>) -> Self {
        Self { data: data.into(), ..Self::new(b'0', name, mode) }
    }

    pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'2', name, 0o777) }
    }

    pub(crate) fn hardlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'1', name, 0o644) }
    }

    pub(crate) fn fifo(name: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(b'6', name, mode)
    }

    pub(crate) fn char_device(name: impl AsRef<[u8]>, mode: u32, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..Self::new(b'3', name, mode) }
    }

    pub(crate) fn block_device(name: impl AsRef<[u8]>, mode: u32, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..Self::new(b'4', name, mode) }
    }

    /// Removes `path` of the layers below.
    pub(crate) fn whiteout(path: &str) -> Self {
        let (directory, name) = path.rsplit_once('/').map_or(("", path), |(d, n)| (d, n));
        let slash = if directory.is_empty() { "" } else { "/" };
        Self::file(format!("{directory}{slash}.wh.{name}"), 0o644, "")
    }

    /// Hides all that the layers below have in `directory`.
    pub(crate) fn opaque(directory: &str) -> Self {
        Self::file(format!("{directory}/.wh..wh..opq"), 0o644, "")
    }

    /// A sparse file in the form of GNU tar's pax version 1.0: `parts` are data at offsets.
    pub(crate) fn sparse(name: &str, mode: u32, size: u64, parts: &[(u64, &[u8])]) -> Self {
        let mut map = format!("{}\n", parts.len());
        for (offset, data) in parts {
            map.push_str(&format!("{offset}\n{}\n", data.len()));
        }
        let mut data = map.into_bytes();
        data.resize(data.len().next_multiple_of(512), 0);
        for (_, part) in parts {
            data.extend_from_slice(part);
        }
        Self::file(format!("GNUSparseFile.0/{name}"), mode, data)
            .pax("GNU.sparse.major", "1")
            .pax("GNU.sparse.minor", "0")
            .pax("GNU.sparse.name", name)
            .pax("GNU.sparse.realsize", size.to_string())
    }

    /// Bytes as they are.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::new(b'0', "", 0) }
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub(crate) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn mtime(mut self, seconds: u64) -> Self {
        self.mtime = seconds;
        self
    }

    pub(crate) fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(&format!("SCHILY.xattr.{name}"), value)
    }

    /// Makes the size field lie.
    pub(crate) fn claim_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Sets the type byte.
    pub(crate) fn kind(mut self, kind: u8) -> Self {
        self.kind = kind;
        self
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(raw) = &self.raw {
            out.extend_from_slice(raw);
            return;
        }
        let mut pax = self.pax.clone();
        if self.name.len() > 100 {
            pax.push(("path".to_owned(), self.name.clone()));
        }
        if self.link.len() > 100 {
            pax.push(("linkpath".to_owned(), self.link.clone()));
        }
        if self.uid > 0o7_777_777 {
            pax.push(("uid".to_owned(), self.uid.to_string().into_bytes()));
        }
        if !pax.is_empty() {
            let data: Vec<u8> = pax.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
            Self { data, ..Self::new(b'x', "PaxHeaders/entry", 0o644) }.write(out);
        }
        let mut header = [0_u8; 512];
        put(&mut header[0..100], &self.name);
        octal(&mut header[100..108], u64::from(self.mode));
        octal(&mut header[108..116], self.uid.min(0o7_777_777));
        octal(&mut header[116..124], self.gid.min(0o7_777_777));
        octal(&mut header[124..136], self.size.unwrap_or(self.data.len() as u64));
        octal(&mut header[136..148], self.mtime);
        header[156] = self.kind;
        put(&mut header[157..257], &self.link);
        put(&mut header[257..265], b"ustar\x0000");
        octal(&mut header[329..337], u64::from(self.device.0));
        octal(&mut header[337..345], u64::from(self.device.1));
        checksum(&mut header);
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
}

/// Sets the checksum of a header block.
pub(crate) fn checksum(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut header[148..155], sum);
}

fn put(field: &mut [u8], value: &[u8]) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    put(field, format!("{value:0width$o}").as_bytes());
}

/// One record of a pax header: its own length in decimal, a blank, key=value, a newline.
pub(crate) fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// The bytes of an archive with these entries and its end.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        entry.write(&mut out);
    }
    out.resize(out.len() + 1024, 0);
    out
}
