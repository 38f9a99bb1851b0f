//! Compiled programs on disk.
//!
//! ```text
//! <directory>/            0700, given by the caller
//!   <sha256 of the profile, our version and the architecture>    0600, replaced by rename
//! ```
//!
//! A file is: magic, format, flags, listener, count (32 bits each, little endian), the instructions of 8 bytes, and the
//! SHA-256 of all that with the key. It decides what a container may do: it must belong to us, be writable by nobody
//! else, be whole and belong to its key; otherwise it does not exist and is written anew.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use oci_spec::runtime::LinuxSeccomp;
use sha2::{Digest, Sha256};

use super::compile::Program;
use crate::sys::seccomp::{Instruction, MAX_INSTRUCTIONS};

const MAGIC: &[u8; 8] = b"dhowbpf\0";
const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 * 4;
const CHECKSUM: usize = 32;

/// Gives the name of the program of `seccomp`.
pub(super) fn key(seccomp: &LinuxSeccomp, compiler: u32) -> Result<String> {
    let mut hash = Hashing(Sha256::new());
    // The version as well: a new table of calls gives another program.
    let version = env!("CARGO_PKG_VERSION");
    hash.0.update(format!("{FORMAT} {version} {compiler} {}\n", std::env::consts::ARCH));
    serde_json::to_writer(&mut hash, seccomp).context("write the seccomp profile as JSON")?;
    Ok(hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads the program `key`, if a good one is there.
pub(super) fn read(directory: &Path, key: &str) -> Option<Program> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(directory.join(key)).ok()?;
    let metadata = file.metadata().ok()?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    let limit = HEADER + MAX_INSTRUCTIONS * 8 + CHECKSUM;
    if !metadata.is_file() || !ours || usize::try_from(metadata.len()).ok()? > limit {
        return None;
    }
    let mut bytes = Vec::with_capacity(limit.min(16 << 10));
    file.read_to_end(&mut bytes).ok()?;
    decode(&bytes, key)
}

/// Writes the program `key`.
pub(super) fn write(directory: &Path, key: &str, program: &Program) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let temporary = directory.join(format!(".{key}.{}", std::process::id()));
    let written = (|| {
        let mut file = create(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(&encode(program, key))?;
        fs::rename(&temporary, directory.join(key))
    })();
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Makes the temporary file; one that a dead process with our id left goes.
fn create(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()
        }
        other => other,
    }
}

fn encode(program: &Program, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + program.filter.len() * 8 + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    let count = u32::try_from(program.filter.len()).unwrap_or(u32::MAX);
    for word in [FORMAT, program.flags, program.listener.into(), count] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for instruction in &program.filter {
        bytes.extend_from_slice(&instruction.code.to_le_bytes());
        bytes.extend_from_slice(&[instruction.jump_true, instruction.jump_false]);
        bytes.extend_from_slice(&instruction.value.to_le_bytes());
    }
    let checksum = checksum(&bytes, key);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn decode(bytes: &[u8], key: &str) -> Option<Program> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if sum != checksum(content, key) {
        return None;
    }
    let (header, body) = content.split_at_checked(HEADER)?;
    let (magic, words) = header.split_at_checked(MAGIC.len())?;
    let (words, _) = words.as_chunks::<4>();
    let [format, flags, listener, count] = words.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let (instructions, rest) = body.as_chunks::<8>();
    let whole = magic == MAGIC && format == FORMAT && rest.is_empty() && listener <= 1;
    let counted = usize::try_from(count).ok()? == instructions.len();
    if !whole || !counted || instructions.is_empty() || instructions.len() > MAX_INSTRUCTIONS {
        return None;
    }
    let filter = instructions
        .iter()
        .map(|[a, b, jump_true, jump_false, value @ ..]| Instruction {
            code: u16::from_le_bytes([*a, *b]),
            jump_true: *jump_true,
            jump_false: *jump_false,
            value: u32::from_le_bytes(*value),
        })
        .collect();
    Some(Program { filter, flags, listener: listener == 1 })
}

fn checksum(content: &[u8], key: &str) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(content);
    hash.finalize().into()
}

/// Hashes what is written to it.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program() -> Program {
        let instruction = Instruction { code: 0x15, jump_true: 3, jump_false: 255, value: 0xdead_beef };
        Program { filter: vec![instruction; 5], flags: 4, listener: false }
    }

    #[test]
    fn a_program_survives_and_a_bad_file_is_replaced() {
        let directory = std::env::temp_dir().join(format!("dhow-seccomp-cache-{}", std::process::id()));
        let key = "k1";
        assert_eq!(read(&directory, key), None);
        write(&directory, key, &program()).unwrap();
        assert_eq!(read(&directory, key), Some(program()));
        let path = directory.join(key);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);

        // Somebody else may write it: not ours to trust.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(read(&directory, key), None);
        write(&directory, key, &program()).unwrap();
        assert_eq!(read(&directory, key), Some(program()));

        // Another profile's program, a torn one, a link.
        fs::copy(&path, directory.join("k2")).unwrap();
        assert_eq!(read(&directory, "k2"), None);
        std::os::unix::fs::symlink(key, directory.join("k3")).unwrap();
        assert_eq!(read(&directory, "k3"), None);
        fs::write(&path, &encode(&program(), key)[..30]).unwrap();
        assert_eq!(read(&directory, key), None);
        assert!(
            fs::read_dir(&directory)
                .unwrap()
                .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with('.') })
        );
        fs::remove_dir_all(&directory).unwrap();
    }

    proptest! {
        #[test]
        fn no_changed_byte_passes(at in 0_usize..96, change in 1_u8..) {
            let mut bytes = encode(&program(), "key");
            prop_assert_eq!(decode(&bytes, "key"), Some(program()));
            let at = at % bytes.len();
            bytes[at] ^= change;
            prop_assert_eq!(decode(&bytes, "key"), None);
        }

        #[test]
        fn any_bytes_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decode(&bytes, "key"), None);
        }
    }
}
