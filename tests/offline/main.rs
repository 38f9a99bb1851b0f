//! What needs no container: images, registries, archives, through the binary.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod archive;
mod artifact;
mod copy;
mod deadline;
mod forms;
mod image;
mod interrupt;
mod layers;
mod liar;
mod manifest;
mod pull;
mod push;
mod registry;
mod search;
mod sign;
mod transport;
mod trust;
