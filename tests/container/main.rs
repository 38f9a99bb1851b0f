//! Containers through the binary, one file per capability.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod boot;
mod cdi;
mod clone;
mod commit;
mod complete;
mod config;
mod copy;
mod crowd;
mod damage;
mod decay;
mod driver;
mod erofs;
mod escape;
mod event;
mod exec;
mod filter;
mod foreground;
mod full;
mod health;
mod hook;
mod hostile;
mod init;
mod interactive;
mod kill;
mod lifecycle;
mod limit;
mod logs;
mod mount;
mod namespace;
mod network;
mod port;
mod power;
mod propagation;
mod readme;
mod real_image;
mod restart;
mod rootless;
mod runtime;
mod secret;
mod security;
mod service;
mod stage;
mod startup;
mod strangers;
mod stream;
mod sweep;
mod system;
mod update;
mod visible;
mod volume;
mod wire;
