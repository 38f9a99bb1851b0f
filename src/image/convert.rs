//! An image in other words: the media types of OCI or of Docker, layers packed otherwise.
//!
//! The configuration is never touched, so the image keeps its id. A manifest that needs no change keeps its bytes, and
//! with them its digest; in one that is changed, what else it says (annotations) stays where the format has room for it.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::Digest as _;

use super::archive::image::Checked;
use super::archive::tree::{inflate, unnamed_file};
use super::manifest::{
    Compression, DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Descriptor, Manifest, OCI_CONFIG, OCI_MANIFEST,
    layer_compression, object, oci_layer_type,
};
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::sys::cancel::Cancel;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Whose media types a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Oci,
    Docker,
}

impl Family {
    /// The family of a manifest.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        if manifest.media_type == DOCKER_MANIFEST { Self::Docker } else { Self::Oci }
    }

    fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => OCI_CONFIG,
            Self::Docker => DOCKER_CONFIG,
        }
    }

    fn layer(self, compression: Compression) -> Result<String> {
        match (self, compression) {
            (Self::Oci, compression) => Ok(oci_layer_type(compression)),
            (Self::Docker, Compression::None) => Ok(DOCKER_LAYER.to_owned()),
            (Self::Docker, Compression::Gzip) => Ok(format!("{DOCKER_LAYER}.gzip")),
            (Self::Docker, Compression::Zstd) => {
                let error = Error::invalid("layers packed with zstd cannot be in a manifest of the format v2s2");
                bail!(error.hint("use --format oci"))
            }
        }
    }
}

/// A manifest that is made here, with the media types of `family`, whatever those of its parts were.
pub(crate) fn translate(mut manifest: Manifest, family: Family) -> Result<Manifest> {
    family.manifest().clone_into(&mut manifest.media_type);
    family.config().clone_into(&mut manifest.config.media_type);
    for layer in &mut manifest.layers {
        layer.media_type = family.layer(layer_compression(&layer.media_type)?)?;
    }
    Ok(manifest)
}

/// The manifest in the words of `family`, with `layers` (digests and sizes; their own media types say how they are
/// packed); with its bytes.
pub(crate) fn rewrite(
    bytes: &[u8],
    manifest: &Manifest,
    family: Family,
    layers: &[Descriptor],
) -> Result<(Vec<u8>, Manifest)> {
    if family == Family::of(manifest) && layers == manifest.layers {
        return Ok((bytes.to_vec(), manifest.clone()));
    }
    let mut map = object(bytes, "manifest")?;
    map.insert("mediaType".to_owned(), family.manifest().into());
    if family == Family::Docker {
        for key in ["annotations", "subject", "artifactType"] {
            map.remove(key);
        }
    }
    let mut made = Manifest { media_type: family.manifest().to_owned(), ..manifest.clone() };
    made.config.media_type = family.config().to_owned();
    describe(map.get_mut("config"), &made.config, family)?;
    made.layers.clear();
    let mut items = match map.get("layers") {
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    };
    if items.len() != layers.len() {
        bail!(Error::state("the manifest has other layers than the image"));
    }
    for (item, (layer, before)) in items.iter_mut().zip(layers.iter().zip(&manifest.layers)) {
        let media_type = family.layer(layer_compression(&layer.media_type)?)?;
        let layer = Descriptor { media_type, ..layer.clone() };
        if layer.digest != before.digest {
            // What it said was of other bytes.
            *item = json!({});
        }
        describe(Some(item), &layer, family)?;
        made.layers.push(layer);
    }
    map.insert("layers".to_owned(), items.into());
    let bytes = serde_json::to_vec(&Value::Object(map)).context("write manifest")?;
    Ok((bytes, made))
}

/// Makes `item` describe a blob; what else it says stays.
fn describe(item: Option<&mut Value>, descriptor: &Descriptor, family: Family) -> Result<()> {
    let Some(Value::Object(map)) = item else { bail!(Error::state("the manifest has no descriptor there")) };
    if family == Family::Docker {
        map.remove("annotations");
    }
    map.insert("mediaType".to_owned(), descriptor.media_type.clone().into());
    map.insert("digest".to_owned(), descriptor.digest.to_string().into());
    map.insert("size".to_owned(), descriptor.size.into());
    Ok(())
}

/// How layers are to be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) compression: Compression,
    /// Of the packer; `None` is its own default.
    pub(crate) level: Option<u32>,
}

impl Packing {
    /// Checks the level.
    pub(crate) fn new(compression: Compression, level: Option<u32>) -> Result<Self, Error> {
        let most = match compression {
            Compression::None => return Ok(Self { compression, level: None }),
            Compression::Gzip => 9,
            Compression::Zstd => 20,
        };
        match level {
            Some(level) if !(1..=most).contains(&level) => {
                Err(Error::invalid(format!("invalid compression level {level}: it is 1 to {most}")))
            }
            _ => Ok(Self { compression, level }),
        }
    }
}

/// Packs a layer anew, into a file without a name in `dir`; its plain bytes must have the digest `diff_id`.
pub(crate) fn repack(
    blob: File,
    from: Compression,
    to: Packing,
    diff_id: &Digest,
    dir: &Path,
    stop: &Cancel,
) -> Result<(Descriptor, File)> {
    let mut plain = Checked::new(inflate(from, blob)?, diff_id);
    let file = unnamed_file(dir)?;
    let out = Hashed { file: BufWriter::with_capacity(PIECE, &file), hash: sha2::Sha256::new(), size: 0 };
    let out = match to.compression {
        Compression::None => {
            let mut out = out;
            pump(&mut plain, &mut out, stop)?;
            out
        }
        Compression::Gzip => {
            let level = to.level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut packer = flate2::write::GzEncoder::new(out, level);
            pump(&mut plain, &mut packer, stop)?;
            packer.finish().context("pack layer")?
        }
        Compression::Zstd => {
            let level = to.level.map_or(Ok(zstd::DEFAULT_COMPRESSION_LEVEL), i32::try_from).context("level")?;
            let mut packer = zstd::stream::write::Encoder::new(out, level).context("pack layer")?;
            packer.include_checksum(true).context("pack layer")?;
            pump(&mut plain, &mut packer, stop)?;
            packer.finish().context("pack layer")?
        }
    };
    plain.check_digest(diff_id)?;
    let (digest, size) = out.finish()?;
    Ok((Descriptor { media_type: oci_layer_type(to.compression), digest, size, urls: Vec::new() }, file))
}

fn pump(from: &mut dyn Read, to: &mut dyn Write, stop: &Cancel) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        if stop.is_cancelled() {
            bail!(Error::state("cancelled"));
        }
        match from.read(&mut buffer).context("read layer")? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count]).context("pack layer")?,
        }
    }
}

/// A file whose digest and size are known in the end.
struct Hashed<W: Write> {
    file: W,
    hash: sha2::Sha256,
    size: u64,
}

impl<W: Write> Hashed<W> {
    fn finish(mut self) -> Result<(Digest, u64)> {
        self.file.flush().context("write layer")?;
        Ok((Digest::sha256(&self.hash.finalize().into()), self.size))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom};

    use super::*;
    use crate::image::manifest::Document;

    const TEXT: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:AAAA","size":7},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:BBBB","size":5,"annotations":{"a":"b"}}],"annotations":{"c":"d"}}"#;

    fn text() -> String {
        TEXT.replace("AAAA", &"a".repeat(64)).replace("BBBB", &"b".repeat(64))
    }

    fn parsed(bytes: &[u8]) -> Manifest {
        match Document::parse(bytes, None).unwrap() {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => unreachable!("it is a manifest"),
        }
    }

    #[test]
    fn only_what_must_change_does() {
        let text = text();
        let manifest = parsed(text.as_bytes());
        let (same, _) = rewrite(text.as_bytes(), &manifest, Family::Oci, &manifest.layers).unwrap();
        assert_eq!(same, text.as_bytes());
        let (docker, made) = rewrite(text.as_bytes(), &manifest, Family::Docker, &manifest.layers).unwrap();
        assert_eq!(parsed(&docker), made);
        assert_eq!(Family::of(&made), Family::Docker);
        let words = String::from_utf8(docker.clone()).unwrap();
        assert!(!words.contains("oci") && !words.contains("annotations"), "{words}");
        assert_eq!(made.config.digest, manifest.config.digest);
        let (back, made) = rewrite(&docker, &made, Family::Oci, &made.layers).unwrap();
        assert_eq!((parsed(&back), &made), (manifest.clone(), &manifest));
        // Another layer loses what was said of the one before; the manifest's own words stay.
        let mut layers = manifest.layers.clone();
        layers[0] =
            Descriptor { media_type: oci_layer_type(Compression::Zstd), digest: Digest::of(b"x"), ..layers[0].clone() };
        let (bytes, made) = rewrite(text.as_bytes(), &manifest, Family::Oci, &layers).unwrap();
        assert_eq!((parsed(&bytes), &made.layers), (made.clone(), &layers));
        let words = String::from_utf8(bytes).unwrap();
        assert!(words.contains(r#""c":"d""#) && !words.contains(r#""a":"b""#), "{words}");
        let error = rewrite(text.as_bytes(), &manifest, Family::Docker, &layers).unwrap_err();
        assert!(error.to_string().contains("zstd"), "{error}");
    }

    #[test]
    fn layers_are_packed_anew_and_checked() {
        let plain: Vec<u8> = (0..100_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let dir = std::env::temp_dir();
        let stop = Cancel::new().unwrap();
        let file = |bytes: &[u8]| {
            let mut file = unnamed_file(&dir).unwrap();
            file.write_all(bytes).unwrap();
            file.rewind().unwrap();
            file
        };
        let diff_id = Digest::of(&plain);
        let (mut packed, mut kind) = (file(&plain), Compression::None);
        for (compression, level) in [
            (Compression::Gzip, None),
            (Compression::Zstd, Some(1)),
            (Compression::Gzip, Some(9)),
            (Compression::None, None),
        ] {
            let packing = Packing::new(compression, level).unwrap();
            let (descriptor, mut made) = repack(packed, kind, packing, &diff_id, &dir, &stop).unwrap();
            let mut bytes = Vec::new();
            made.seek(SeekFrom::Start(0)).unwrap();
            made.read_to_end(&mut bytes).unwrap();
            assert_eq!((descriptor.size, &descriptor.digest), (bytes.len() as u64, &Digest::of(&bytes)));
            assert_eq!(layer_compression(&descriptor.media_type).unwrap(), compression);
            assert_eq!(Compression::sniff(&bytes), compression);
            (packed, kind) = (file(&bytes), compression);
        }
        let packing = Packing::new(Compression::Gzip, None).unwrap();
        assert!(repack(file(b"another"), Compression::None, packing, &diff_id, &dir, &stop).is_err(), "another layer");
        stop.cancel();
        assert!(repack(file(&plain), Compression::None, packing, &diff_id, &dir, &stop).is_err());
        assert!(
            Packing::new(Compression::Gzip, Some(10)).is_err() && Packing::new(Compression::Zstd, Some(0)).is_err()
        );
    }
}
