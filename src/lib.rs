//! A container engine in one static binary. See README.md for what it does; the modules below are its layers, from the
//! lowest to the highest, and `tests/structure` holds them to it.
#![deny(unsafe_code)]
// While the layers are being laid; goes with the first whole path.
#![allow(dead_code)]

use std::process::ExitCode;

mod engine;
mod image;
mod cli;
mod model;
mod network;
mod monitor;
mod state;
mod storage;
mod runtime;
mod role;
mod sys;

/// Runs the process that the arguments ask for and returns its exit code.
pub fn main() -> ExitCode {
    role::run(std::env::args_os().collect())
}
