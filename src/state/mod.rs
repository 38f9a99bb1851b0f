//! State on disk: where things are, how records are written, who may change them.
//!
//! Files are the truth and locks are the arbiter: a record is JSON that is replaced by rename; who changes an object
//! holds its `flock`; a live monitor is a held lock, never a remembered pid.

pub(crate) mod account;
pub(crate) mod boot;
pub(crate) mod bus;
pub(crate) mod config;
pub(crate) mod event;
pub(crate) mod installed;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod paths;
pub(crate) mod pause;
pub(crate) mod privilege;
pub(crate) mod record;
pub(crate) mod rootless;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod subid;
