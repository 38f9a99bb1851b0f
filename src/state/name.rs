//! Names of containers: `names/<name>` is a symbolic link whose text is the id.
//!
//! `symlink(2)` is atomic and exclusive, so two creators of one name cannot both win. A link whose container has no
//! directory was left by a killed command and is taken over.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::paths::{Paths, remove_file};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::sys::process;

/// A stale link that a command moved aside, with its pid after it.
const STALE: &str = ".stale.";

/// Reserves `name` for `id`, whose directory exists already. `Err(Conflict)` with podman's wording when it is in use.
pub(crate) fn reserve(paths: &Paths, name: &str, id: &Id) -> Result<()> {
    check(name)?;
    let link = paths.names().join(name);
    for _ in 0..8 {
        match symlink(id.as_str(), &link) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("reserve name {name}")),
        }
        match lookup(paths, name)? {
            Some(owner) if owner == *id => return Ok(()),
            Some(owner) => {
                let message = format!(
                    "creating container storage: the container name \"{name}\" is already in use by {owner}. You have to \
                     remove that container to be able to reuse that name: that name is already in use"
                );
                return Err(Error::conflict(message).hint("give it another --name, or --replace").into());
            }
            None => {}
        }
    }
    Err(Error::conflict(format!("the container name \"{name}\" is changing hands")).into())
}

/// The id that has `name`. A stale link is removed and counts as none.
pub(crate) fn lookup(paths: &Paths, name: &str) -> Result<Option<Id>> {
    if check(name).is_err() {
        return Ok(None);
    }
    let link = paths.names().join(name);
    let target = match fs::read_link(&link) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read name {name}")),
    };
    let id = target.to_str().and_then(|text| text.parse::<Id>().ok());
    match id {
        Some(id) if paths.container(&id).is_dir() => Ok(Some(id)),
        _ => {
            // Under the name's own link nobody else can have put a new owner unless it was removed first.
            take_stale(&link, &target)?;
            Ok(None)
        }
    }
}

/// Frees `name` if it is `id`'s.
pub(crate) fn release(paths: &Paths, name: &str, id: &Id) -> Result<()> {
    let link = paths.names().join(name);
    match fs::read_link(&link) {
        Ok(target) if target == Path::new(id.as_str()) => {
            remove_file(&link).with_context(|| format!("free name {name}"))
        }
        _ => Ok(()),
    }
}

/// Frees every name that `id` has: for a container whose record does not tell.
pub(crate) fn release_all(paths: &Paths, id: &Id) -> Result<()> {
    for entry in fs::read_dir(paths.names()).context("list names")? {
        let entry = entry.context("list names")?;
        if let Some(name) = entry.file_name().to_str() {
            release(paths, name, id)?;
        }
    }
    Ok(())
}

/// Frees the names whose containers are gone.
pub(crate) fn heal(paths: &Paths) -> Result<()> {
    for entry in fs::read_dir(paths.names()).context("list names")? {
        let entry = entry.context("list names")?;
        match entry.file_name().to_str() {
            Some(name) if name.starts_with(STALE) => {
                // Its maker may be about to give it back.
                let maker = name[STALE.len()..].parse().ok().and_then(process::start_time);
                if maker.is_none() {
                    remove_file(&entry.path()).context("free a stale name")?;
                }
            }
            Some(name) => drop(lookup(paths, name)?),
            None => {}
        }
    }
    Ok(())
}

/// Renames the stale link aside before it is removed, so that a link that a racing creator just made stays.
fn take_stale(link: &Path, seen: &Path) -> Result<()> {
    let aside = link.with_file_name(format!("{STALE}{}", rustix::process::getpid().as_raw_nonzero()));
    match fs::rename(link, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("free name {}", link.display())),
    }
    if fs::read_link(&aside).is_ok_and(|target| target != seen) {
        // Somebody reserved it between the look and the rename: give it back.
        drop(fs::hard_link(&aside, link));
    }
    remove_file(&aside).with_context(|| format!("free name {}", link.display()))
}

/// podman's rule for names of containers and volumes.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let mut bytes = name.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && name.len() <= 255;
    if good {
        return Ok(());
    }
    Err(Error::invalid("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"))
}
