//! Reading and writing a procfs that we trust: held by descriptor, its magic checked, nothing mounted over it passed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// An open procfs.
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// Opens the host's `/proc`.
    pub(crate) fn host() -> io::Result<Self> {
        const MAGIC: i64 = 0x9fa0;
        let fd = rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        if rustix::fs::fstatfs(&fd)?.f_type != MAGIC {
            return Err(io::Error::other("/proc is not a proc file system"));
        }
        Ok(Self(fd))
    }

    /// The directory of this very process in it.
    pub(crate) fn this(&self) -> io::Result<Self> {
        // "self" is a link of the kernel's own to a number in this directory.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        Ok(Self(rustix::fs::openat2(&self.0, "self", flags, Mode::empty(), resolve)?))
    }

    /// The directory of process `pid` in it.
    pub(crate) fn process(&self, pid: i32) -> io::Result<Self> {
        self.open(&pid.to_string(), OFlags::PATH | OFlags::DIRECTORY).map(Self)
    }

    /// Opens the file `path` of it, never through links or mounts.
    pub(crate) fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        Ok(rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?)
    }

    /// Writes `data` in one call, as settings of the kernel want it.
    pub(crate) fn write(&self, path: &str, data: &[u8]) -> io::Result<()> {
        let file = self.open(path, OFlags::WRONLY)?;
        let length = rustix::io::write(&file, data)?;
        if length == data.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
    }

    /// Reads at most 64 KiB.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.open(path, OFlags::RDONLY)?;
        let mut data = Vec::new();
        let mut buffer = [0_u8; 4096];
        loop {
            match rustix::io::read(&file, &mut buffer)? {
                0 => return Ok(data),
                length => data.extend_from_slice(&buffer[..length]),
            }
            if data.len() > 1 << 16 {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
        }
    }

    /// The number of the namespace that `ns/name` of this process's directory stands for.
    pub(crate) fn namespace(&self, name: &str) -> io::Result<u64> {
        Ok(rustix::fs::statat(&self.0, format!("ns/{name}"), rustix::fs::AtFlags::empty())?.st_ino)
    }
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// When process `pid` was started, in ticks since boot: field 22 of `/proc/PID/stat`. proc_pid_stat(5).
pub(crate) fn start_time(pid: i32) -> io::Result<u64> {
    let stat = Proc::host()?.read(&format!("{pid}/stat"))?;
    parse_start_time(&stat).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The command in field 2 may hold blanks and brackets; the fields after its last bracket are plain.
fn parse_start_time(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_field_22_whatever_the_command_is_called() {
        let tail = "S 1 2 3 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 987654 100 200";
        for name in ["sh", "a b", "x) S 1 2", "((("] {
            assert_eq!(parse_start_time(format!("7 ({name}) {tail}").as_bytes()), Some(987_654), "{name}");
        }
        for bad in ["", "7 (sh", "7 (sh) S 1 2", "7 sh S"] {
            assert_eq!(parse_start_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn our_own_start_time_is_readable() {
        assert!(start_time(std::process::id().try_into().unwrap()).unwrap() > 0);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            let _ = parse_start_time(&bytes);
        }

        #[test]
        fn no_name_changes_the_start_time(name in "\\PC{0,15}", time: u64) {
            let stat = format!("7 ({name}) S 1 2 3 0 -1 4194560 10 0 0 0 1 2 0 0 20 0 1 0 {time} 100 200");
            proptest::prop_assert_eq!(parse_start_time(stat.as_bytes()), Some(time));
        }
    }
}
