//! One JSON record per object: written to a temporary file beside it, then renamed over it.
//!
//! The temporary file of `state.json` is `.state.json.tmp`: who writes holds the object's lock, so there is one writer,
//! and what a killed writer left is overwritten by the next one and goes with the object.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::error::{Error, ErrorKind};

/// The version of every record that this program writes. A record with a greater one is left alone.
pub(crate) const VERSION: u32 = 1;

/// No record is larger: an unbounded read of a damaged store must not fill the memory.
const LIMIT: u64 = 16 << 20;

/// Few records are larger: those of containers have 2 to 6 KiB.
const USUAL: usize = 8 << 10;

/// How every record begins that [`write`] wrote: its fields are in order.
const BEGINNING: &[u8] = b"{\"version\":1,";

/// Whether a change must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// File and directory are on the disk before the call returns: for whatever a user was told is kept.
    Synced,
    /// Void after a power cut anyway (Running, Paused): no sync.
    Lazy,
}

/// Reads the record at `path`. `None` when there is none; an error that names the file and the remedy when it is torn,
/// too large, or of a newer version.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    // Nearly every record fits, and is read by one call.
    let mut bytes = Vec::with_capacity(USUAL);
    match Read::by_ref(&mut file).take(LIMIT + 1).read_to_end(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Err(damaged(path, "it is a directory").into()),
        read => {
            read.with_context(|| format!("read {}", path.display()))?;
            parse(&bytes, path).map(Some)
        }
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::State, format!("record {} is damaged: {why}", path.display()))
        .hint("remove the object with `rm -f` and make it again")
}

fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        #[serde(default)]
        version: u32,
    }
    let damaged = |why: &str| damaged(path, why);
    if bytes.len() as u64 > LIMIT {
        return Err(damaged("it is too large").into());
    }
    // A version that we do not know is told first: the fields may have changed.
    let parsed = serde_json::from_slice::<T>(bytes);
    if parsed.is_ok() && bytes.starts_with(BEGINNING) {
        return parsed.map_err(|error| damaged(&error.to_string()).into());
    }
    match serde_json::from_slice::<Versioned>(bytes) {
        Ok(Versioned { version }) if version > VERSION => {
            let message =
                format!("record {} was written by a newer version of dhow (format {version})", path.display());
            Err(Error::new(ErrorKind::Unsupported, message).hint("use that version, or another --root").into())
        }
        _ => Ok(parsed.map_err(|error| damaged(&error.to_string()))?),
    }
}

/// Replaces the record at `path`.
pub(crate) fn write<T: Serialize>(path: &Path, record: &T, durability: Durability) -> Result<()> {
    let mut bytes = serde_json::to_vec(record).with_context(|| format!("encode {}", path.display()))?;
    bytes.push(b'\n');
    write_bytes(path, &bytes, durability)
}

/// As [`write`]; on a full disk the record takes the place of the file `donor`, which ends, or of the old record itself: an
/// end must be kept, and a container stopped and removed, when there is no byte left. A power cut in that moment may tear it.
pub(crate) fn write_or_over<T: Serialize>(path: &Path, donor: &Path, record: &T, durability: Durability) -> Result<()> {
    let mut bytes = serde_json::to_vec(record).with_context(|| format!("encode {}", path.display()))?;
    bytes.push(b'\n');
    match write_bytes(path, &bytes, durability) {
        Err(error) if is_full(&error) && write_over(path, donor, bytes).is_ok() => Ok(()),
        written => written,
    }
}

/// Whether there is no byte or no inode left where something was to be written.
pub(crate) fn is_full(error: &anyhow::Error) -> bool {
    let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    error.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind()))
}

/// One write into the blocks that the file has. What was longer is covered with white space, so that whoever reads in
/// between sees one record or the other.
fn write_over(path: &Path, donor: &Path, mut bytes: Vec<u8>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(donor)?;
    let old = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(USUAL);
    bytes.resize(bytes.len().max(old), b' ');
    file.write_all(&bytes)?;
    file.sync_all()?;
    if path != donor {
        std::fs::rename(donor, path)?;
    }
    Ok(())
}

/// Replaces the file at `path` by `bytes`, mode 0600.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let temporary = temporary(path);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&temporary)?;
        file.write_all(bytes)?;
        if durability == Durability::Synced {
            file.sync_all()?;
        }
        super::paths::replace(&temporary, path)?;
        if durability == Durability::Synced {
            sync_parent(path)?;
        }
        io::Result::Ok(())
    })();
    if written.is_err() {
        // The first error is the one to tell; a full disk must not keep the torn copy.
        drop(std::fs::remove_file(&temporary));
    }
    written.with_context(|| format!("write {}", path.display()))
}

/// Removes what a killed writer of the record at `path` left. Call it with the object's lock held.
pub(crate) fn heal(path: &Path) -> io::Result<()> {
    super::paths::remove_file(&temporary(path))
}

/// Puts the directory that holds `path` on the disk: a rename or removal in it is then kept.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("dhow-record-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn replaces_whole_and_reads_back() {
        let dir = scratch("whole");
        let path = dir.join("state.json");
        assert_eq!(read::<Value>(&path).unwrap(), None);
        for n in 0..3 {
            write(&path, &json!({"version": 1, "n": n}), Durability::Synced).unwrap();
            assert_eq!(read::<Value>(&path).unwrap().unwrap()["n"], n);
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "no temporary file stays");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_record_goes_over_an_older_one() {
        let dir = scratch("over");
        let (path, donor) = (dir.join("exit.json"), dir.join("init.json"));
        write(&donor, &json!({"version": 1, "long": "x".repeat(300)}), Durability::Lazy).unwrap();
        write_over(&path, &donor, b"{\"version\":1,\"n\":7}\n".to_vec()).unwrap();
        assert_eq!(read::<Value>(&path).unwrap().unwrap()["n"], 7);
        assert!(!donor.exists());
        write_over(&path, &path, b"{\"version\":1,\"n\":8}\n".to_vec()).unwrap();
        assert_eq!(read::<Value>(&path).unwrap().unwrap()["n"], 8);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn tells_damage_and_newer_versions() {
        let dir = scratch("damage");
        let path = dir.join("state.json");
        for (bytes, message) in
            [(&b"{\"version\":1,"[..], "is damaged"), (b"", "is damaged"), (b"{\"version\":99}", "newer version")]
        {
            std::fs::write(&path, bytes).unwrap();
            let error = format!("{:#}", read::<Value>(&path).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_record_or_damage(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            drop(parse::<crate::model::container::ContainerState>(&bytes, Path::new("state.json")));
            drop(parse::<crate::model::volume::VolumeConfig>(&bytes, Path::new("volume.json")));
        }

        #[test]
        fn a_record_with_one_byte_changed_is_read_or_refused(at: usize, byte: u8) {
            let state = crate::model::container::ContainerState::creating("boot");
            let mut bytes = serde_json::to_vec(&state).unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Err(error) = parse::<crate::model::container::ContainerState>(&bytes, Path::new("state.json")) {
                // Told as what it is, with the file's name: never as something that is missing.
                proptest::prop_assert!(format!("{error:#}").contains("record state.json"), "{error:#}");
            }
        }
    }
}
