//! Volumes: directories that outlive containers.

pub(crate) mod local;
pub(crate) mod populate;
