//! With which rights this process works: decided once, by `role.rs`, before any thread. Below it nobody asks `geteuid`.

use std::path::PathBuf;

use anyhow::Result;

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

    /// Where the store is without `--root` and `--runroot`: data and runtime directory.
    pub(crate) fn default_roots(&self) -> Result<(PathBuf, PathBuf)> {
        let Self::Rootless { uid, .. } = self else {
            return Ok((PathBuf::from("/var/lib/dhow"), PathBuf::from("/run/dhow")));
        };
        let absolute = |key: &str| std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || absolute("HOME").map(|home| home.join(".local/share"));
        let data = absolute("XDG_DATA_HOME")
            .or_else(home)
            .ok_or_else(|| Error::invalid("neither XDG_DATA_HOME nor HOME is set").hint("set HOME, or give --root"))?;
        let run = absolute("XDG_RUNTIME_DIR").unwrap_or_else(|| {
            let logind = PathBuf::from(format!("/run/user/{uid}"));
            if logind.is_dir() { logind } else { std::env::temp_dir().join(format!("dhow-run-{uid}")) }
        });
        Ok((data.join("dhow"), run.join("dhow")))
    }
}
