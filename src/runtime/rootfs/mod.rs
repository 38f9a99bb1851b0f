//! The file system that a container sees: planned as data, then made from detached mounts by file descriptor.

pub(crate) mod cgroup;
pub(crate) mod copy;
pub(crate) mod device;
mod foreign;
pub(crate) mod idmapped;
pub(crate) mod layered;
pub(crate) mod mask;
pub(crate) mod mount;
pub(crate) mod pivot;
pub(crate) mod plan;
pub(crate) mod target;
