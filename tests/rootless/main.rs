//! An ordinary user: namespaces and their keeper, the network, images, owners, places.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod health;
mod image;
mod kill;
mod namespace;
mod pasta;
mod place;
mod runtime;
#[allow(dead_code)]
#[path = "../container/stage.rs"]
mod stage;
mod user;
mod userns;
#[allow(dead_code)]
#[path = "../container/wire.rs"]
mod wire;
