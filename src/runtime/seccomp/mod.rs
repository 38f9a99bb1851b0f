//! System call filters: which calls a container may make, as a profile, and the program that the kernel runs.
//!
//! `profile` is dhow's own, `document` reads a user's, both give the runtime specification's `LinuxSeccomp`, which
//! `compile` turns into a program. `cache` keeps programs on disk, so that only the first container with a profile pays.
//! `sys::seccomp::install` loads one in the container's init.

mod cache;
mod compile;
pub(crate) mod disjoint;
pub(crate) mod document;
pub(crate) mod notify;
pub(crate) mod profile;
mod table;

use std::path::Path;

use anyhow::Result;
use oci_spec::runtime::LinuxSeccomp;

pub(crate) use compile::{Program, architectures};

/// The actions that are understood.
pub(crate) const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// The operators that are understood.
pub(crate) const OPERATORS: [&str; 7] =
    ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"];

/// Gives the program of `seccomp`, from the directory `cache` if it is there, else compiled and put there.
pub(crate) fn program(seccomp: &LinuxSeccomp, cache: Option<&Path>) -> Result<Program> {
    let Some(directory) = cache else { return compile::compile(seccomp) };
    let key = cache::key(seccomp, compile::COMPILER)?;
    if let Some(program) = cache::read(directory, &key) {
        return Ok(program);
    }
    let program = compile::compile(seccomp)?;
    // Without its cache a container only starts a little later: a full or read-only disk is not its problem.
    drop(cache::write(directory, &key, &program));
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::capability::CapSet;

    #[test]
    fn the_second_program_comes_from_the_cache() {
        let directory = std::env::temp_dir().join(format!("dhow-seccomp-{}", std::process::id()));
        let seccomp = profile::default_profile(profile::Variant::Default, CapSet::DEFAULT).unwrap();
        let first = program(&seccomp, Some(&directory)).unwrap();
        assert_eq!(cache::read(&directory, &cache::key(&seccomp, compile::COMPILER).unwrap()).as_ref(), Some(&first));
        let before = std::time::Instant::now();
        assert_eq!(program(&seccomp, Some(&directory)).unwrap(), first);
        let cached = before.elapsed();
        let before = std::time::Instant::now();
        assert_eq!(program(&seccomp, None).unwrap(), first);
        println!("{} instructions, cached {cached:?}, compiled {:?}", first.filter.len(), before.elapsed());
        std::fs::remove_dir_all(directory).unwrap();
        // What the cache is told apart by.
        let other = profile::default_profile(profile::Variant::Default, CapSet::ALL).unwrap();
        assert_ne!(cache::key(&seccomp, 1).unwrap(), cache::key(&other, 1).unwrap());
        assert_ne!(cache::key(&seccomp, 1).unwrap(), cache::key(&seccomp, 2).unwrap());
    }
}
