//! Registries: where names lead, who may enter, and how blobs come.

mod auth;
pub(crate) mod client;
pub(crate) mod config;
mod http;
pub(crate) mod mirror;
pub(crate) mod transfer;

#[cfg(test)]
mod tests;
