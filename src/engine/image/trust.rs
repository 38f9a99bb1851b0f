//! What is required of images before they come in, as users set it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::image::trust::edit;
use crate::image::trust::policy::Policy;

pub(crate) use crate::image::trust::edit::Trust;

/// Requires `trust` of the images of `scope` in `file`; without one, in the policy that this user's pulls read.
pub(crate) fn set(file: Option<PathBuf>, scope: &str, trust: &Trust) -> Result<()> {
    let file = match file {
        Some(file) => file,
        None => {
            let var = |name: &str| -> Option<OsString> { std::env::var_os(name) };
            let places = Policy::places(&var);
            let found = places.iter().find(|place| place.exists());
            // The system's, the last, where there is none yet.
            found.or(places.last()).context("a policy has a place")?.clone()
        }
    };
    edit::set(&file, scope, trust)
}
