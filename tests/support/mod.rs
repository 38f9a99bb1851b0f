//! What the integration tests stand on: isolation, a census of what may leak, images and a registry made in memory,
//! kills at exact calls, and power cuts. A test program includes it by
//! `#[path = "../support/mod.rs"] mod support;` and writes
//!
//! ```text
//! #[test]
//! fn stop_kills_after_the_grace_period() {
//!     require!(root, cgroup);
//!     isolated(|env| { env.run(&["run", …]).ok(); });
//! }
//! ```
//!
//! Each test runs in a child of this same program, in namespaces of its own, under a pid 1 that only reaps. When its
//! body returns, the census must be the one that the body began with.
#![allow(dead_code, unused_imports, unsafe_code)]
// Numbers of the kernel, whose types libc varies.
#![allow(clippy::cast_possible_truncation)]

pub(crate) mod census;
pub(crate) mod cgroup;
pub(crate) mod descriptor;
pub(crate) mod distribution;
pub(crate) mod env;
pub(crate) mod image;
pub(crate) mod isolate;
pub(crate) mod kill;
pub(crate) mod outcome;
pub(crate) mod powercut;
pub(crate) mod registry;
pub(crate) mod require;
pub(crate) mod tar;
pub(crate) mod tools;
pub(crate) mod trace;

pub(crate) use env::TestEnv;
pub(crate) use isolate::isolated;
pub(crate) use outcome::Outcome;
