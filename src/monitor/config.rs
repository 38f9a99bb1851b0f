//! What a monitor is told: the first message on its channel.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::id::Id;
use crate::model::log::LogConfig;

/// The version of this message; fields may be added with a default, never changed.
pub(crate) const VERSION: u32 = 1;

/// Everything that a monitor needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MonitorConfig {
    pub(crate) version: u32,
    /// The container.
    pub(crate) id: Id,
    /// The number of this run of it.
    pub(crate) run: u64,
    /// The container's directory: `monitor.lock`, `init.json`, `exit.json`, `log/`.
    pub(crate) data_dir: PathBuf,
    /// The directory of the sockets and FIFOs: the container's, or the exec session's.
    pub(crate) run_dir: PathBuf,
    /// Whether the process gets a terminal.
    pub(crate) tty: bool,
    /// Whether its stdin stays open (`-i`); without it stdin is `/dev/null`.
    pub(crate) stdin: bool,
    /// Whether the descriptor after the channel is the foreground client's.
    pub(crate) foreground: bool,
    /// How many descriptors after that are the container's.
    pub(crate) preserve_fds: u32,
    #[serde(default)]
    pub(crate) log: LogConfig,
    /// Whether records are synced: not for what is removed at its end.
    pub(crate) durable: bool,
    /// Start without waiting for the command: there is nothing to connect.
    pub(crate) start_immediately: bool,
    /// Arguments of our own binary that clean up after the end; empty: nothing to do.
    #[serde(default)]
    pub(crate) cleanup: Vec<String>,
}
