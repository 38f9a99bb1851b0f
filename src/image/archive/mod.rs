//! Archives of images: docker's and OCI's, read from files and pipes, written so that others load them.

use anyhow::{Result, bail};

use crate::model::error::Error;
use crate::model::platform::Platform;

pub(crate) mod directory;
pub(crate) mod docker;
pub(crate) mod image;
pub(crate) mod oci;
pub(crate) mod tree;

/// Reads all images of an archive of either kind, of a layout, or of a directory of loose files. One that is both (docker 25) is read as docker's, which has the names.
pub(crate) fn read(tree: &tree::Tree, platform: &Platform) -> Result<Vec<image::Archived>> {
    if tree.file(directory::VERSION)?.is_some() {
        return Ok(vec![directory::read(tree, platform)?]);
    }
    if tree.file(docker::MANIFEST)?.is_some() {
        return docker::read(tree);
    }
    if tree.file(oci::LAYOUT)?.is_some() {
        return oci::read(tree, platform);
    }
    bail!(Error::invalid("neither a docker archive nor an OCI archive"))
}

/// By which transport, as policy.json calls them, what `read` reads comes; `directory` says that it is no file.
pub(crate) fn transport(tree: &tree::Tree, directory: bool) -> Result<&'static str> {
    if tree.file(directory::VERSION)?.is_some() {
        return Ok("dir");
    }
    Ok(match tree.file(docker::MANIFEST)? {
        None if tree.file(oci::LAYOUT)?.is_some() => {
            if directory {
                "oci"
            } else {
                "oci-archive"
            }
        }
        _ => "docker-archive",
    })
}

#[cfg(test)]
mod tests;
