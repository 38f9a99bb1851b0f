//! The kernel, made safe: the only module with `unsafe`.
//!
//! `OwnedFd` and `BorrowedFd` in and out, `io::Result`, one system call a function, its man page named, `SAFETY:` at
//! every block. What rustix or nix offer safely is used from there directly; here is the rest, and small compositions
//! that several layers need.
#![allow(unsafe_code)]

pub(crate) mod apart;
pub(crate) mod bpf;
pub(crate) mod btrfs;
pub(crate) mod cancel;
pub(crate) mod cap;
pub(crate) mod clone;
pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod identity;
pub(crate) mod journal;
pub(crate) mod keyring;
pub(crate) mod loopback;
pub(crate) mod mount;
pub(crate) mod notify;
pub(crate) mod path;
pub(crate) mod pidfd;
pub(crate) mod pidfd_info;
pub(crate) mod proc;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod seccomp;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod spawn;
pub(crate) mod tty;
pub(crate) mod userns;
pub(crate) mod watch;
pub(crate) mod writeback;
