//! What is required of images before they come in, as users set it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::image::trust::describe::describe;
use crate::image::trust::policy::Policy;
use crate::image::trust::{edit, lookaside};

pub(crate) use crate::image::trust::describe::Asked;
pub(crate) use crate::image::trust::edit::Trust;

/// The policy that this user's pulls read, or what `file` has, as it is.
pub(crate) fn raw(file: Option<PathBuf>) -> Result<Vec<u8>> {
    let file = place(file)?;
    std::fs::read(&file).with_context(|| format!("open {}", file.display()))
}

/// What that policy asks. `registries` is another directory of registries.d than the user's or the system's.
pub(crate) fn show(file: Option<PathBuf>, registries: Option<PathBuf>) -> Result<Vec<Asked>> {
    let file = place(file)?;
    let bytes = std::fs::read(&file).with_context(|| format!("open {}", file.display()))?;
    describe(&Policy::parse(&file, &bytes)?, &registries.unwrap_or_else(lookaside::directory))
}

/// Requires `trust` of the images of `scope` in `file`; without one, in the policy that this user's pulls read.
pub(crate) fn set(file: Option<PathBuf>, scope: &str, trust: &Trust) -> Result<()> {
    let file = place(file)?;
    edit::set(&file, scope, trust)
}

fn place(file: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(file) = file {
        return Ok(file);
    }
    let var = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    let places = Policy::places(&var);
    let found = places.iter().find(|place| place.exists());
    // The system's, the last, where there is none yet.
    Ok(found.or(places.last()).context("a policy has a place")?.clone())
}
