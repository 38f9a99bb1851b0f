//! Registries: where names lead, who may enter, and how blobs come.

pub(crate) mod config;
pub(crate) mod mirror;
