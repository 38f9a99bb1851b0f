//! The OCI runtime by its command line: `dhow oci`, and the same binary as the runtime of other engines.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[path = "../support/mod.rs"]
mod support;

mod bundle;
mod caller;
mod cgroup;
mod clause;
mod conformance;
mod hook;
mod hostile;
mod kill;
mod lifecycle;
mod process;
mod refusal;
mod service;
