//! Another OCI runtime that makes containers in dhow's place (`--runtime`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program with the command line of runc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OtherRuntime {
    /// What people call it: `crun`.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// Global options of its own, with their dashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) flags: Vec<String>,
}
