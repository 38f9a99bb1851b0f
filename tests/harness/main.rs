//! The harness proves itself: each guard of the integration tests is shown to see what it is there for.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod archive;
mod census;
mod kill;
mod powercut;
mod programs;
mod registry;
