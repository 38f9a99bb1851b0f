//! Networks whose last container is gone. Their bridge and rules stay for a moment: to remove a bridge takes the kernel
//! longer than a container takes to start (it waits twice for callbacks of RCU), so no command does it while a user waits.
//! The command that took the last address away starts an attendant, a Cleanup of its own, which removes what is idle a
//! second later, or at once when it is told to end. Who comes within that second finds the network ready.
//!
//! ```text
//! networks/<name>/up     the boot in which the bridge and the rules were made: written before them, removed after them
//! networks/<name>/LINK.leaving   a link of a container that is gone: the kernel removes it with the container's namespace
//! networks/idle.lock     held by the attendant
//! ```
//!
//! The attendant also sees to it that links do go: a namespace that somebody else holds keeps them.
//!
//! An attendant that was killed is replaced by the next command that looks ([`unattended`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::{collect, config, driver::Kernel, link};
use crate::state::lock::{self, Lock};
use crate::state::record::{self, Durability};
use crate::state::{boot, paths};

/// How long the kernel may take to remove a link whose namespace is gone, before we do it.
const PATIENCE: Duration = Duration::from_millis(50);

/// What marks a link that is about to go.
const LEAVING: &str = ".leaving";

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

/// Writes down that `link` goes with its namespace; the lock of networks is held.
pub(crate) fn leaves(directory: &Path, link: &str) -> Result<()> {
    let path = directory.join(format!("{link}{LEAVING}"));
    fs::File::create(&path).map(drop).with_context(|| format!("create {}", path.display()))
}

/// Writes down that `link` is about to be made anew; the lock of networks is held.
pub(crate) fn stays(directory: &Path, link: &str) -> Result<()> {
    let path = directory.join(format!("{link}{LEAVING}"));
    paths::remove_file(&path).with_context(|| format!("remove {}", path.display()))
}

/// The marks of links that are about to go, with their names.
fn leaving(networks: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for directory in entries(networks)? {
        // What is no directory has nothing in it.
        for path in entries(&directory).unwrap_or_default() {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(link) = name.strip_suffix(LEAVING) {
                found.push((path.clone(), link.to_owned()));
            }
        }
    }
    Ok(found)
}

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let read = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect()),
    };
    read.with_context(|| format!("read {}", directory.display()))
}

/// Waits for the links that are leaving, and removes those that stay.
fn settle(networks: &Path) -> Result<()> {
    let marks = leaving(networks)?;
    if marks.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = marks.iter().map(|(_, name)| name.as_str()).collect();
    // Before the lock: others need not wait with us.
    link::wait_gone(&names, PATIENCE).context("wait for links to go")?;
    let _lock = super::lock(networks)?;
    let kernel = Kernel::default();
    for (path, name) in &marks {
        // One whose mark is gone was made anew meanwhile.
        if path.exists() && link::exists(name) {
            kernel.links()?.remove(&[name]).with_context(|| format!("remove link {name}"))?;
        }
        paths::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

/// An idle network by name, with the time when its leases last changed.
type Idle = (String, SystemTime);

/// The networks that are up and have no container.
fn idle(networks: &Path) -> Result<Vec<Idle>> {
    let mut found = Vec::new();
    for directory in entries(networks)? {
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

/// Whether a network is idle, or a link is leaving, and nobody is there to remove it. Takes no lock and does not wait.
pub(crate) fn unattended(networks: &Path) -> Result<bool> {
    let work = !idle(networks)?.is_empty() || !leaving(networks)?.is_empty();
    Ok(work && !lock::is_held(&networks.join("idle.lock"))?)
}

/// Removes links that are leaving and stay, and the bridges and rules of networks that stay idle through a `rest`, which says whether it was cut short: then
/// nothing is waited for. Another attendant makes this one needless.
pub(crate) fn attend(networks: &Path, mut rest: impl FnMut() -> Result<bool>) -> Result<()> {
    let Some(attendant) = Lock::lease(&networks.join("idle.lock"))? else { return Ok(()) };
    let mut hurried = false;
    loop {
        settle(networks)?;
        let before = idle(networks)?;
        if !before.is_empty() {
            hurried = rest()? || hurried;
        }
        let _lock = super::lock(networks)?;
        if !leaving(networks)?.is_empty() {
            continue;
        }
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

/// Removes the links, bridges and rules of all networks, whoever uses them.
pub(crate) fn retire_all(networks: &Path) -> Result<()> {
    let _lock = super::lock(networks)?;
    let all: Vec<Idle> = config::list(networks)?.into_iter().map(|(name, _)| (name, SystemTime::UNIX_EPOCH)).collect();
    retire(networks, &all)
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
