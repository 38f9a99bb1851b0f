//! With which rights this process works: decided once, by `role.rs`, before any thread. Below it nobody asks `geteuid`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::account;
use crate::model::error::Error;

/// Root of the host, or an ordinary user inside a user namespace of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    /// The user's ids outside. Inside, the process is root.
    Rootless {
        uid: u32,
        gid: u32,
    },
}

impl Privilege {
    /// What `unshare` sets to the user's ids outside, `UID:GID`: who finds it in a user namespace is there already.
    pub(crate) const UNSHARED: &'static str = "DHOW_UNSHARED";

    /// The user whose `unshare` this process runs in.
    pub(crate) fn unshared() -> Option<Self> {
        let text = std::env::var(Self::UNSHARED).ok()?;
        let (uid, gid) = text.split_once(':')?;
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        // On the host itself the word would say nothing.
        let map = std::fs::read_to_string("/proc/self/uid_map").ok()?;
        let whole = map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
        (!whole).then_some(Self::Rootless { uid, gid })
    }

    pub(crate) fn is_rootless(&self) -> bool {
        matches!(self, Self::Rootless { .. })
    }

    /// The user's own id outside; None for root.
    pub(crate) fn ordinary_user(&self) -> Option<u32> {
        match self {
            Self::Root => None,
            Self::Rootless { uid, .. } => Some(*uid),
        }
    }

    /// Where the store is without `--root`.
    pub(crate) fn data_root(&self) -> Result<PathBuf> {
        let Self::Rootless { uid, .. } = *self else { return Ok(PathBuf::from("/var/lib/dhow")) };
        let data = absolute("XDG_DATA_HOME")
            .or_else(|| account::home(uid).map(|home| home.join(".local/share")))
            .ok_or_else(|| Error::invalid("neither XDG_DATA_HOME nor HOME is set").hint("set HOME, or give --root"))?;
        Ok(data.join("dhow"))
    }

    /// Where what is gone after a reboot is without `--runroot`. An XDG_RUNTIME_DIR that is another user's, as `su` leaves
    /// it, or that cannot be made, is as good as none.
    pub(crate) fn run_root(&self) -> PathBuf {
        let Self::Rootless { uid, .. } = *self else { return PathBuf::from("/run/dhow") };
        let given = absolute("XDG_RUNTIME_DIR")
            .filter(|path| is_own(path) || (!path.exists() && path.parent().is_some_and(is_own)));
        let logind = || Some(PathBuf::from(format!("/run/user/{uid}"))).filter(|path| is_own(path));
        let own = || std::env::temp_dir().join(format!("dhow-run-{uid}"));
        given.or_else(logind).unwrap_or_else(own).join("dhow")
    }
}

fn absolute(key: &str) -> Option<PathBuf> {
    std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Whether a directory is ours and nobody else may change it. Says the same outside and inside our user namespace.
fn is_own(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.uid() == own && meta.mode() & 0o022 == 0)
}
