//! System call filters: which calls a container may make, as a profile, and the program that the kernel runs.
//!
//! `profile` is dhow's own, `document` reads a user's, both give the runtime specification's `LinuxSeccomp`, which
//! `compile` turns into a program. `cache` keeps programs on disk, so that only the first container with a profile pays.
//! `sys::seccomp::install` loads one in the container's init.

mod cache;
mod compile;
pub(crate) mod document;
pub(crate) mod profile;
mod table;

use std::path::Path;

use anyhow::Result;
use oci_spec::runtime::LinuxSeccomp;

pub(crate) use compile::Program;

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
