//! The OCI runtime: from a bundle to a process.

pub(crate) mod capability;
pub(crate) mod seccomp;
