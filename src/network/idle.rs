//! Networks whose last container is gone. Their bridge and rules stay for a moment: to remove a bridge takes the kernel
//! longer than a container takes to start (it waits twice for callbacks of RCU), so no command does it while a user waits.
//! The command that took the last address away starts an attendant, a Cleanup of its own, which removes what is idle a
//! second later, or at once when it is told to end. Who comes within that second finds the network ready.
//!
//! ```text
//! networks/<name>/up     the boot in which the bridge and the rules were made: written before them, removed after them
//! networks/idle.lock     held by the attendant
//! ```
//!
//! An attendant that was killed is replaced by the next command that looks ([`unattended`]).

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::{collect, config, driver::Kernel};
use crate::state::lock::{self, Lock};
use crate::state::record::{self, Durability};
use crate::state::{boot, paths};

/// How long an idle network stays. Longer than the pause between two commands of a script; too short to be in anyone's way.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Writes down that the network in `directory` is about to have a bridge and rules.
pub(crate) fn announce(directory: &Path) -> Result<()> {
    if is_up(directory) {
        return Ok(());
    }
    record::write_bytes(&directory.join("up"), boot::id().as_bytes(), Durability::Lazy)
}

/// Writes down that the network in `directory` has no bridge and no rules any more.
pub(crate) fn gone(directory: &Path) -> Result<()> {
    let path = directory.join("up");
    paths::remove_file(&path).with_context(|| format!("remove {}", path.display()))
}

fn is_up(directory: &Path) -> bool {
    fs::read(directory.join("up")).is_ok_and(|text| text == boot::id().as_bytes())
}

/// An idle network by name, with the time when its leases last changed.
type Idle = (String, SystemTime);

/// The networks that are up and have no container.
fn idle(networks: &Path) -> Result<Vec<Idle>> {
    let entries = match fs::read_dir(networks) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("read {}", networks.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let directory = entry.with_context(|| format!("read {}", networks.display()))?.path();
        let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { continue };
        if !is_up(&directory) {
            continue;
        }
        let leases = directory.join("leases");
        let read = || -> io::Result<Option<SystemTime>> {
            Ok(if fs::read_dir(&leases)?.next().is_none() { Some(fs::metadata(&leases)?.modified()?) } else { None })
        };
        match read() {
            Ok(Some(changed)) => found.push((name.to_owned(), changed)),
            // Without its directory it has no container either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.push((name.to_owned(), SystemTime::UNIX_EPOCH));
            }
            Ok(None) => {}
            Err(error) => return Err(error).with_context(|| format!("read {}", leases.display())),
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a network is idle and nobody is there to remove it. Takes no lock and does not wait.
pub(crate) fn unattended(networks: &Path) -> Result<bool> {
    Ok(!idle(networks)?.is_empty() && !lock::is_held(&networks.join("idle.lock"))?)
}

/// Removes the bridges and rules of networks that stay idle through a `rest`, which says whether it was cut short: then
/// nothing is waited for. Another attendant makes this one needless.
pub(crate) fn attend(networks: &Path, mut rest: impl FnMut() -> Result<bool>) -> Result<()> {
    let Some(attendant) = Lock::lease(&networks.join("idle.lock"))? else { return Ok(()) };
    loop {
        let before = idle(networks)?;
        let hurried = rest()?;
        let _lock = super::lock(networks)?;
        let now = idle(networks)?;
        if !hurried && !now.is_empty() && now != before {
            continue;
        }
        let done = retire(networks, &now);
        // Under the lock: whoever leaves a network idle after this finds no attendant, and starts one.
        drop(attendant);
        return done;
    }
}

/// Removes what the networks in `idle` have; the lock of networks is held.
fn retire(networks: &Path, idle: &[Idle]) -> Result<()> {
    if idle.is_empty() {
        return Ok(());
    }
    let kernel = Kernel::default();
    let mut errors = Vec::new();
    for (name, read) in config::list(networks)? {
        if !idle.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let directory = config::directory(networks, &name);
        let done =
            read.and_then(|network| super::choose(&network)?.retire(&kernel, &network)).and_then(|()| gone(&directory));
        errors.extend(done.err());
    }
    collect(errors)
}
