//! Containers through the binary, one file per capability.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod real_image;
mod crowd;
mod kill;
mod stage;
