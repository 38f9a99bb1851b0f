//! A container engine in one static binary. See README.md for what it does; the modules below are its layers, from the
//! lowest to the highest, and `tests/structure` holds them to it.
#![deny(unsafe_code)]

use std::process::ExitCode;

mod cli;
mod engine;
mod image;
#[cfg(test)]
mod manual;
mod model;
mod monitor;
mod network;
mod role;
mod runtime;
mod state;
mod storage;
mod sys;

/// musl's own allocator makes hundreds of system calls a command.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Runs the process that the arguments ask for and returns its exit code.
pub fn main() -> ExitCode {
    role::run(std::env::args_os().collect())
}
