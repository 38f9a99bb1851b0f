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
