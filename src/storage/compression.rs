//! From the bytes of a blob to the bytes of its archive: gzip, zstd or neither, told by the first bytes.
//!
//! A gzip of several members and a zstd of several frames (zstd:chunked has skippable ones) are read to their end.

use std::io::{self, BufReader, Read};

use anyhow::Result;

use crate::model::error::Error;

/// How much of a blob is read at once.
const CHUNK: usize = 256 << 10;

/// The largest zstd window is 1 << 27, 128 MiB (R12).
const WINDOW_LOG_MAX: u32 = 27;

/// How a blob is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Tells the compression from the first bytes; formats that dhow does not read are an error.
    pub(crate) fn detect(start: &[u8]) -> Result<Self, Error> {
        let unsupported =
            |name: &str| Err(Error::unsupported(format!("layers compressed with {name} are not supported")));
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [b'B', b'Z', b'h', ..] => unsupported("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => unsupported("xz"),
            _ => Ok(Self::None),
        }
    }
}

/// Reads the archive inside `blob`.
pub(crate) fn reader<'a>(blob: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(CHUNK, blob);
    // A pipe may give the first bytes one by one.
    let mut start = Vec::with_capacity(6);
    blob.by_ref().take(6).read_to_end(&mut start)?;
    let compression = Compression::detect(&start)?;
    let blob = io::Cursor::new(start).chain(blob);
    Ok(match compression {
        Compression::None => Box::new(blob),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(blob)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(blob: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader(blob)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn reads_all_members_and_frames() {
        let zstd = |bytes: &[u8]| zstd::stream::encode_all(bytes, 1).unwrap();
        let skippable = [&[0x52, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"toc"].concat();
        for (blob, want) in [
            (b"plain".to_vec(), &b"plain"[..]),
            (Vec::new(), b""),
            (gzip(b"one"), b"one"),
            ([gzip(b"one"), gzip(b"two")].concat(), b"onetwo"),
            (zstd(b"one"), b"one"),
            ([zstd(b"one"), skippable.clone(), zstd(b"two")].concat(), b"onetwo"),
            ([skippable, zstd(b"two")].concat(), b"two"),
        ] {
            assert_eq!(read(&blob).unwrap(), want);
        }
    }

    #[test]
    fn refuses_damage_and_foreign_formats() {
        let whole = gzip(&[7; 5000]);
        assert!(read(&whole[..whole.len() - 3]).is_err(), "cut off");
        assert!(read(&[whole, b"tail".to_vec()].concat()).is_err(), "garbage after the last member");
        assert!(read(b"BZh91AY").is_err());
        assert!(read(b"\xfd7zXZ\0\0").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            magic in proptest::sample::select(vec![&[][..], &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd], &[0x50, 0x2a, 0x4d, 0x18]]),
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        ) {
            drop(read(&[magic, &bytes].concat()));
        }

        #[test]
        fn what_was_packed_is_read_and_damage_is_no_panic(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000), cut in 0_usize..2000, at in 0_usize..4000, flip: u8,
        ) {
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            let zstd = |bytes: &[u8]| zstd::stream::encode_all(bytes, 1).unwrap();
            for mut blob in [[gzip(one), gzip(two)].concat(), [zstd(one), zstd(two)].concat()] {
                proptest::prop_assert_eq!(&read(&blob).unwrap(), &bytes);
                let at = at % blob.len();
                blob[at] ^= flip;
                drop(read(&blob));
                drop(read(&blob[..at]));
            }
        }
    }
}
