//! Registries: where names lead, who may enter, and how blobs come and go.

mod auth;
pub(crate) mod client;
pub(crate) mod config;
mod extension;
mod http;
pub(crate) mod mirror;
pub(crate) mod search;
mod tags;
pub(crate) mod transfer;
pub(crate) mod upload;

#[cfg(test)]
mod tests;
