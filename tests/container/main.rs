//! Containers through the binary, one file per capability.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod commit;
mod copy;
mod crowd;
mod damage;
mod exec;
mod interactive;
mod kill;
mod lifecycle;
mod logs;
mod mount;
mod namespace;
mod network;
mod port;
mod power;
mod readme;
mod real_image;
mod rootless;
mod security;
mod stage;
mod update;
mod visible;
mod wire;
