//! The OCI runtime: from a bundle to a process.

pub(crate) mod capability;
pub(crate) mod cgroup;
pub(crate) mod rlimit;
pub(crate) mod seccomp;
