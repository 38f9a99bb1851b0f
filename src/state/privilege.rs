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
