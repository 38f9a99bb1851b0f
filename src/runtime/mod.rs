//! The OCI runtime: from a bundle to a process.

pub(crate) mod account;
pub(crate) mod bundle;
pub(crate) mod capability;
pub(crate) mod cgroup;
pub(crate) mod channel;
pub(crate) mod confine;
pub(crate) mod create;
pub(crate) mod delegate;
pub(crate) mod errand;
pub(crate) mod exec;
pub(crate) mod gate;
pub(crate) mod hook;
pub(crate) mod idmap;
pub(crate) mod init;
pub(crate) mod lsm;
pub(crate) mod namespace;
pub(crate) mod netdevice;
pub(crate) mod notify;
pub(crate) mod oci;
pub(crate) mod owner;
pub(crate) mod reaper;
pub(crate) mod resctrl;
pub(crate) mod rlimit;
pub(crate) mod rootfs;
pub(crate) mod schedule;
pub(crate) mod seal;
pub(crate) mod seccomp;
pub(crate) mod stdio;
pub(crate) mod sysctl;
pub(crate) mod terminal;
pub(crate) mod user;
pub(crate) mod validate;

#[cfg(test)]
mod alone_test;
#[cfg(test)]
mod container_test;
