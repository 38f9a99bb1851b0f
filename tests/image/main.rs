//! Images through the command line: what layers become on the disk, and what hostile ones do not.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod unpack;
