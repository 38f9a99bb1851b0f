//! The words of the domain. No I/O.

pub(crate) mod container;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod filter;
pub(crate) mod health;
pub(crate) mod id;
pub(crate) mod idmap;
pub(crate) mod image;
pub(crate) mod log;
pub(crate) mod mount;
pub(crate) mod network;
pub(crate) mod platform;
pub(crate) mod port;
pub(crate) mod reference;
pub(crate) mod runtime;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod signal;
pub(crate) mod size;
pub(crate) mod status;
pub(crate) mod time;
pub(crate) mod volume;
