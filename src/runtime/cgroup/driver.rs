//! What a cgroup driver is, and the words that drivers share: a planned write, and what was measured.

use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::Result;
use oci_spec::runtime::LinuxResources;

/// The cgroup of one container, in one layout. All verbs may be repeated.
pub(crate) trait Driver {
    /// Makes the directories, with the controllers that `resources` needs.
    fn create(&self, resources: &LinuxResources) -> Result<()>;
    /// Makes what is missing of a cgroup that the service manager made around a process, for what `resources` needs.
    fn adopt(&self, resources: &LinuxResources) -> Result<()>;
    /// Sets the limits that `resources` names and no others.
    fn apply(&self, resources: &LinuxResources) -> Result<()>;
    /// Moves a process in.
    fn add_process(&self, pid: i32) -> Result<()>;
    /// Opens the files by which a process with one thread moves itself in: it writes `0` to each.
    fn entrances(&self) -> Result<Vec<File>>;
    /// Opens the directory for CLONE_INTO_CGROUP, where the layout has one.
    #[expect(clippy::wrong_self_convention, reason = "named for CLONE_INTO_CGROUP")]
    fn into_fd(&self) -> Result<Option<OwnedFd>>;
    /// Stops or continues all processes, and waits until they are.
    fn freeze(&self, frozen: bool) -> Result<()>;
    /// Says whether the processes are stopped, or will be.
    fn is_frozen(&self) -> Result<bool>;
    /// Sends SIGKILL to all processes, those that are forked meanwhile included.
    fn kill_all(&self) -> Result<()>;
    /// Lists the processes, here and below.
    fn processes(&self) -> Result<Vec<i32>>;
    /// Removes the directories, once their processes are gone.
    fn remove(&self) -> Result<()>;
    /// Measures.
    fn stats(&self) -> Result<Stats>;
    /// Counts the processes that were killed for want of memory.
    fn oom_kills(&self) -> Result<u64>;
}

/// One value for one file of one controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) controller: String,
    pub(crate) file: String,
    pub(crate) value: String,
    /// What to do where the kernel has no such file.
    pub(crate) missing: Missing,
}

/// What to do where the kernel has no such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The limit cannot be given.
    Error,
    /// The value says what holds anyway.
    Ignore,
    /// Another file may have it.
    Instead(Box<Write>),
}

impl Write {
    /// Plans `value` for `file`; its name begins with the controller's.
    pub(crate) fn new(file: &str, value: impl ToString) -> Self {
        let controller = file.split('.').next().unwrap_or(file).to_owned();
        Self { controller, file: file.to_owned(), value: value.to_string(), missing: Missing::Error }
    }

    /// Lets the write fall away where the file is missing.
    pub(crate) fn optional(mut self) -> Self {
        self.missing = Missing::Ignore;
        self
    }

    /// Tries `other` where the file is missing.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.missing = Missing::Instead(Box::new(other));
        self
    }
}

/// What a container used. What the kernel does not count is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Bytes, page cache included.
    pub(crate) memory: Option<u64>,
    /// Bytes without the page cache that would go first.
    pub(crate) working_set: Option<u64>,
    /// Absent without a limit.
    pub(crate) memory_limit: Option<u64>,
    pub(crate) cpu_nanoseconds: Option<u64>,
    pub(crate) cpu_user_nanoseconds: Option<u64>,
    pub(crate) cpu_system_nanoseconds: Option<u64>,
    pub(crate) processes: Option<u64>,
    pub(crate) block_read: Option<u64>,
    pub(crate) block_written: Option<u64>,
}
