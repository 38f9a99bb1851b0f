//! A named volume.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The record of a volume: `volumes/<name>/volume.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VolumeConfig {
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// `type`, `device`, `o` as given.
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
    /// Made for one container, and goes with it.
    #[serde(default)]
    pub(crate) anonymous: bool,
    /// It was filled by the first container that used it, or must not be.
    #[serde(default)]
    pub(crate) populated: bool,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl VolumeConfig {
    /// A directory of the store, and no mount of anything else.
    pub(crate) fn is_plain(&self) -> bool {
        ["type", "device"].iter().all(|key| self.options.get(*key).is_none_or(String::is_empty))
    }

    /// Who owns it by `o=uid=UID,gid=GID`; of a mount these are the mount's own options.
    pub(crate) fn owner(&self) -> Owner {
        let options = self.options.get("o").filter(|_| self.is_plain());
        options.and_then(|options| Owner::parse(options)).unwrap_or_default()
    }
}

/// The owner that a volume was made with, as far as one was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl Owner {
    /// Reads `uid=UID,gid=GID`; `None` where there is anything else.
    pub(crate) fn parse(options: &str) -> Option<Self> {
        let mut owner = Self::default();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=')? {
                ("uid", uid) => owner.uid = Some(uid.parse().ok()?),
                ("gid", gid) => owner.gid = Some(gid.parse().ok()?),
                _ => return None,
            }
        }
        Some(owner)
    }

    pub(crate) fn is_some(self) -> bool {
        self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_numbers() {
        let owner = |uid, gid| Some(Owner { uid, gid });
        assert_eq!(Owner::parse("uid=5,gid=6"), owner(Some(5), Some(6)));
        assert_eq!(Owner::parse("gid=6,"), owner(None, Some(6)));
        assert_eq!(Owner::parse(""), owner(None, None));
        for wrong in ["uid=a", "uid", "size=5", "uid=5,nodev", "uid=-1", "uid=4294967296"] {
            assert_eq!(Owner::parse(wrong), None, "{wrong}");
        }
    }
}
