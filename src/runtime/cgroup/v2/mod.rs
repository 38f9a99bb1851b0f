//! cgroup v2: one tree. The container's directory is a leaf below ours; controllers are switched on along the way where
//! they are not yet, and nothing that is not ours is moved.

mod device;
pub(in crate::runtime::cgroup) mod plan;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use super::below::Below;
use super::driver::{Driver, Stats};
use super::systemd::Unit;
use super::tree;
use crate::model::error::{Error, ErrorKind};

/// Switched on where they can be, so that a container can be measured.
const MEASURED: &[&str] = &["cpu", "io", "memory", "pids"];

/// A cgroup in the tree of version 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Where the tree is mounted.
    pub(super) mount: PathBuf,
    /// What above us belongs to others, like `/user.slice/…/user@1000.service`, or nothing.
    #[serde(default)]
    pub(super) anchor: String,
    /// The container's, below the anchor.
    pub(super) path: String,
    /// The tree beside those of version 1: it limits nothing unless asked.
    #[serde(default)]
    pub(super) hybrid: bool,
    /// The scope of systemd whose cgroup it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<Unit>,
}

impl Tree {
    /// Gives the container's directory.
    pub(super) fn dir(&self) -> PathBuf {
        let mut dir = self.mount.clone();
        for part in [&self.anchor, &self.path] {
            dir.push(part.trim_start_matches('/'));
        }
        dir
    }

    /// Gives the place below ours that is `wanted`, which must exist.
    pub(super) fn below(&self, wanted: &Below) -> Result<Self> {
        let path = match wanted {
            Below::Everywhere(path) => path,
            Below::Of(paths) => {
                let names: Vec<&str> = paths.keys().map(String::as_str).collect();
                bail!(Error::invalid(format!(
                    "unknown controller {}: cgroup v2 has one tree for all",
                    names.join(",")
                )));
            }
        };
        let below = Self { path: format!("{}{path}", self.path), ..self.clone() };
        if !below.dir().is_dir() {
            bail!(Error::not_found(format!("cgroup {} does not exist", below.dir().display())));
        }
        Ok(below)
    }

    fn top(&self) -> PathBuf {
        self.mount.join(self.anchor.trim_start_matches('/'))
    }

    /// Makes the directories with the controllers `required`, and those of `wished` that can be had.
    pub(super) fn make(&self, required: &[String], wished: &[&str]) -> Result<()> {
        tree::make(&self.top(), &self.path, |parent, _| enable(parent, required, wished))?;
        let dir = self.dir();
        if !tree::own_processes(&dir)?.is_empty() {
            return Err(Error::conflict(format!("cgroup {} already has processes", dir.display())).into());
        }
        if self.is_frozen()? {
            self.freeze(false)?;
        }
        Ok(())
    }

    /// Opens the directory at `path` of the part that is ours, made where it is missing.
    pub(super) fn open_made(&self, path: &str) -> Result<OwnedFd> {
        let dir = self.top().join(path.trim_start_matches('/'));
        let file = match File::open(&dir) {
            Err(error) if tree::is_gone(&error) => {
                tree::make(&self.top(), path, |_, _| Ok(()))?;
                File::open(&dir)
            }
            opened => opened,
        };
        Ok(file.with_context(|| format!("open cgroup {}", dir.display()))?.into())
    }

    /// Moves this process to `path` of the part that is ours, made where it is missing.
    pub(super) fn enter(&self, path: &str) -> Result<()> {
        tree::make(&self.top(), path, |_, _| Ok(()))?;
        let dir = self.top().join(path.trim_start_matches('/'));
        tree::write(&dir, "cgroup.procs", "0").with_context(|| format!("move to cgroup {}", dir.display()))
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let dir = self.dir();
        tree::write(&dir, file, value).with_context(|| format!("write {value:?} to {file} of cgroup {}", dir.display()))
    }

    /// Finds a cgroup below that takes processes: a container that has made its own has left its first one.
    fn occupied(dir: &Path) -> Result<Option<PathBuf>> {
        for child in tree::children(dir)? {
            if !tree::own_processes(&child)?.is_empty() {
                return Ok(Some(child));
            }
            if let Some(found) = Self::occupied(&child)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Gives the names in a file of controllers.
pub(super) fn controllers(dir: &Path, file: &str) -> Vec<String> {
    let text = tree::read(dir, file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Switches controllers on for the children of `parent`.
fn enable(parent: &Path, required: &[String], wished: &[&str]) -> Result<()> {
    let enabled = controllers(parent, "cgroup.subtree_control");
    let missing = |name: &str| !enabled.iter().any(|known| known == name);
    let required: Vec<&str> = required.iter().map(String::as_str).filter(|name| missing(name)).collect();
    let wished: Vec<&str> = wished.iter().copied().filter(|name| missing(name) && !required.contains(name)).collect();
    if required.is_empty() && wished.is_empty() {
        return Ok(());
    }
    let available = controllers(parent, "cgroup.controllers");
    let is_available = |name: &&str| available.iter().any(|known| known == name);
    if let Some(absent) = required.iter().find(|name| !is_available(name)) {
        return Err(tree::unsupported(absent, &format!("cgroup {} does not have it", parent.display())));
    }
    let switch = |names: &[&str]| -> std::io::Result<()> {
        let line: Vec<String> = names.iter().map(|name| format!("+{name}")).collect();
        if line.is_empty() { Ok(()) } else { tree::write(parent, "cgroup.subtree_control", &line.join(" ")) }
    };
    let all: Vec<&str> = required.iter().chain(wished.iter().filter(|name| is_available(name))).copied().collect();
    // One that cannot be had (cpu beside realtime processes) must not cost the others.
    let Err(_) = switch(&all) else { return Ok(()) };
    for name in all.iter().filter(|name| !required.contains(name)) {
        drop(switch(&[name]));
    }
    match switch(&required) {
        Ok(()) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            let message = format!(
                "the cgroup controllers {} cannot be used: cgroup {} has processes itself",
                required.join(", "),
                parent.display()
            );
            let hint = "a cgroup either has processes or limits its children: move them to a cgroup of their own";
            Err(Error::new(ErrorKind::Unsupported, message).hint(hint).into())
        }
        Err(error) => Err(error).with_context(|| {
            format!("switch on the controllers {} in cgroup {}", required.join(", "), parent.display())
        }),
    }
}

impl Driver for Tree {
    fn create(&self, resources: &LinuxResources) -> Result<()> {
        let mut required: Vec<String> = plan::plan(resources)?.into_iter().map(|write| write.controller).collect();
        required.sort();
        required.dedup();
        self.make(&required, if self.hybrid { &[] } else { MEASURED })
    }

    fn adopt(&self, _resources: &LinuxResources) -> Result<()> {
        // Controllers are switched on with the limits.
        Ok(())
    }

    fn apply(&self, resources: &LinuxResources) -> Result<()> {
        let dir = self.dir();
        if let Some(memory) = resources.memory() {
            check_before_update(&dir, memory)?;
        }
        for write in plan::plan(resources)? {
            if !dir.join(&write.file).exists() {
                // An update may ask for a controller that the start did not.
                let required = [write.controller.clone()];
                tree::make(&self.top(), &self.path, |parent, _| enable(parent, &required, &[]))?;
            }
            tree::perform(&dir, &write)?;
        }
        match resources.devices().as_deref() {
            Some(devices) if !devices.is_empty() => device::apply(&dir, devices),
            _ => Ok(()),
        }
    }

    fn add_process(&self, pid: i32) -> Result<()> {
        let dir = self.dir();
        let context = |dir: &Path| format!("move process {pid} to cgroup {}", dir.display());
        match tree::write(&dir, "cgroup.procs", &pid.to_string()) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => match Self::occupied(&dir)? {
                Some(below) => tree::write(&below, "cgroup.procs", &pid.to_string()).with_context(|| context(&below)),
                None => Err(error).with_context(|| context(&dir)),
            },
            other => other.with_context(|| context(&dir)),
        }
    }

    fn entrances(&self) -> Result<Vec<File>> {
        Ok(Vec::new())
    }

    fn into_fd(&self) -> Result<Option<OwnedFd>> {
        let dir = self.dir();
        let file = File::open(&dir).with_context(|| format!("open cgroup {}", dir.display()))?;
        Ok(Some(file.into()))
    }

    fn freeze(&self, frozen: bool) -> Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
        if tree::wait_event(&self.dir(), "frozen", frozen.into(), Instant::now() + tree::PATIENCE)? {
            return Ok(());
        }
        if frozen {
            self.write("cgroup.freeze", "0")?;
        }
        bail!(Error::new(ErrorKind::Timeout, format!("cgroup {} did not stop in time", self.dir().display())))
    }

    fn is_frozen(&self) -> Result<bool> {
        Ok(tree::number(&self.dir(), "cgroup.freeze") == Some(1))
    }

    fn kill_all(&self) -> Result<()> {
        let dir = self.dir();
        match tree::write(&dir, "cgroup.kill", "1") {
            Ok(()) => Ok(()),
            Err(error) if tree::is_gone(&error) && !dir.exists() => Ok(()),
            // Linux before 5.14: nobody forks while all stand still, and v2 kills what stands still.
            Err(error) if tree::is_gone(&error) => {
                self.freeze(true)?;
                let killed = tree::signal_all(&dir);
                self.freeze(false)?;
                killed.map(drop)
            }
            Err(error) => Err(error).with_context(|| format!("kill the processes of cgroup {}", dir.display())),
        }
    }

    fn processes(&self) -> Result<Vec<i32>> {
        tree::processes(&self.dir())
    }

    fn remove(&self) -> Result<()> {
        let dir = self.dir();
        tree::remove(&dir, Some(&dir))
    }

    fn stats(&self) -> Result<Stats> {
        let dir = self.dir();
        let text = |file: &str| tree::read(&dir, file).unwrap_or_default();
        let memory = tree::number(&dir, "memory.current");
        let inactive = tree::keyed(&text("memory.stat"), "inactive_file");
        let cpu = text("cpu.stat");
        let nanoseconds = |key: &str| tree::keyed(&cpu, key).map(|micros| micros.saturating_mul(1000));
        let io = tree::read(&dir, "io.stat").ok();
        let sum = |key: &str| io.as_deref().map(|io| sum(io, key));
        Ok(Stats {
            memory,
            working_set: memory.map(|memory| memory.saturating_sub(inactive.unwrap_or(0))),
            memory_limit: tree::number(&dir, "memory.max"),
            cpu_nanoseconds: nanoseconds("usage_usec"),
            cpu_user_nanoseconds: nanoseconds("user_usec"),
            cpu_system_nanoseconds: nanoseconds("system_usec"),
            processes: tree::number(&dir, "pids.current"),
            block_read: sum("rbytes="),
            block_written: sum("wbytes="),
        })
    }

    fn oom_kills(&self) -> Result<u64> {
        let text = tree::read(&self.dir(), "memory.events").unwrap_or_default();
        Ok(tree::keyed(&text, "oom_kill").unwrap_or(0))
    }
}

/// Sums the values after `key` over the lines of `io.stat`, one a device.
fn sum(text: &str, key: &str) -> u64 {
    let value = |word: &str| word.strip_prefix(key)?.parse::<u64>().ok();
    text.split_whitespace().filter_map(value).fold(0, u64::saturating_add)
}

/// Refuses a limit below what is used, where the caller asked for the check: v2 would rather kill.
fn check_before_update(dir: &Path, memory: &oci_spec::runtime::LinuxMemory) -> Result<()> {
    let Some(limit) = memory.limit().and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit != 0) else {
        return Ok(());
    };
    let used = tree::number(dir, "memory.current").unwrap_or(0);
    if memory.check_before_update() == Some(true) && limit < used {
        bail!(Error::invalid(format!("the memory limit {limit} is below the {used} bytes in use")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_summed_over_devices() {
        let text = "8:0 rbytes=10 wbytes=1 rios=5 wios=0\n8:16 rbytes=5 wbytes=2 dbytes=9\n";
        assert_eq!((sum(text, "rbytes="), sum(text, "wbytes=")), (15, 3));
    }
}
