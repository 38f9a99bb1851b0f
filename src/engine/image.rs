//! The images of the store, as users ask for them.

pub(crate) mod archive;
pub(crate) mod artifact;
pub(crate) mod copy;
mod garbage;
pub(crate) mod inspect;
pub(crate) mod interrupt;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod manifest;
pub(crate) mod mount;
pub(crate) mod pattern;
pub(crate) mod progress;
mod pull;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod search;
mod sign;
pub(crate) mod tree;
pub(crate) mod trust;
mod usage;

pub(crate) use progress::PullProgress;
