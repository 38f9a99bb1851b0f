//! cgroup v1: a hierarchy for each controller, or for several mounted together, and perhaps the tree of v2 beside them.
//!
//! Moving another process costs a grace period of the kernel (10 ms), moving oneself by `tasks` does not: init enters by
//! itself. It joins few hierarchies: those that confine or measure it, and those of which a limit is asked; others when
//! an update or a pause needs them. Where the v2 tree is mounted too, the container is cloned into it at no cost, and is
//! stopped, killed and watched there.

mod plan;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources, LinuxResourcesBuilder};
use serde::{Deserialize, Serialize};

use super::below::Below;
use super::device;
use super::driver::{Driver, Stats, Write};
use super::systemd::Unit;
use super::tree;
use super::v2;
use crate::model::error::{Error, ErrorKind};

/// Joined always: they confine (devices, pids) or measure (memory, cpuacct). systemd's own, listed only where we are in
/// one of its units, keeps a unit's end from ending the container.
const ALWAYS: &[&str] = &["cpuacct", "devices", "memory", "name=systemd", "pids"];

/// A limit this high is none: the kernel rounds the largest number to pages.
const UNLIMITED: u64 = 0x7fff_ffff_ffff_0000;

/// A container's cgroups in the hierarchies of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Where each controller's hierarchy is mounted.
    pub(super) mounts: BTreeMap<String, PathBuf>,
    /// The same path in the tree of v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unified: Option<v2::Tree>,
    /// Below each mount.
    pub(super) path: String,
    /// Below that, by mount: where a further process is, which no record keeps.
    #[serde(skip)]
    pub(super) below: BTreeMap<PathBuf, String>,
    /// The scope of systemd whose cgroup it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<Unit>,
}

impl Tree {
    fn dir_in(&self, mount: &Path) -> PathBuf {
        let dir = mount.join(self.path.trim_start_matches('/'));
        self.below.get(mount).map_or_else(|| dir.clone(), |below| dir.join(below.trim_start_matches('/')))
    }

    /// Gives the places below ours that are `wanted`. Where the container is in a hierarchy there must be one: a process that
    /// found none would be beside its limits.
    pub(super) fn below(&self, wanted: &Below) -> Result<Self> {
        let mut tree = self.clone();
        let joined = |mount: &Path| self.dir_in(mount).is_dir();
        let mut enter = |mount: &PathBuf, path: &str| -> Result<()> {
            let dir = self.dir_in(mount).join(path.trim_start_matches('/'));
            if !dir.is_dir() {
                bail!(Error::not_found(format!("cgroup {} does not exist", dir.display())));
            }
            match tree.below.insert(mount.clone(), path.to_owned()) {
                Some(other) if other != path => {
                    bail!(Error::invalid(format!("controllers of one hierarchy are to be in {other:?} and {path:?}")))
                }
                _ => Ok(()),
            }
        };
        match wanted {
            Below::Everywhere(path) => {
                for mount in self.mounts.values().filter(|mount| joined(mount)) {
                    enter(mount, path)?;
                }
                // Who knows of version 1 alone made none there, and it limits nothing.
                let further = |unified: &v2::Tree| unified.below(wanted).ok();
                tree.unified = self.unified.as_ref().map(|own| further(own).unwrap_or_else(|| own.clone()));
            }
            Below::Of(paths) => {
                for (controller, path) in paths {
                    let Some(mount) = self.mounts.get(controller).filter(|mount| joined(mount)) else {
                        bail!(Error::invalid(format!(
                            "unknown controller {controller}: the container is in none of it"
                        )));
                    };
                    enter(mount, path)?;
                }
            }
        }
        Ok(tree)
    }

    fn dir(&self, controller: &str) -> Option<PathBuf> {
        self.mounts.get(controller).map(|mount| self.dir_in(mount))
    }

    /// The container's directory of the hierarchy that stops processes.
    pub(super) fn freezer(&self) -> Option<PathBuf> {
        self.dir("freezer")
    }

    /// Gives the container's directories, of which some may not be there, each once.
    fn dirs(&self) -> Vec<PathBuf> {
        let mut mounts: Vec<_> = self.mounts.values().collect();
        mounts.sort();
        mounts.dedup();
        mounts.into_iter().map(|mount| self.dir_in(mount)).collect()
    }

    /// Makes the directory of one controller.
    fn make(&self, controller: &str) -> Result<PathBuf> {
        let Some(mount) = self.mounts.get(controller) else {
            return Err(tree::unsupported(controller, "its hierarchy is not mounted"));
        };
        let is_cpuset = mount.join("cpuset.cpus").exists();
        tree::make(mount, &self.path, |parent, child| {
            // A new cpuset is empty, and takes no process before it has something.
            for file in ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| is_cpuset) {
                let value = |dir: &Path| tree::read(dir, file).unwrap_or_default().trim().to_owned();
                if value(child).is_empty() {
                    tree::write(child, file, &value(parent))
                        .with_context(|| format!("pass {file} on to cgroup {}", child.display()))?;
                }
            }
            Ok(())
        })?;
        Ok(self.dir_in(mount))
    }

    /// Makes the directories of the hierarchies that are joined always, and of those that `resources` needs; gives them.
    fn make_all(&self, resources: &LinuxResources) -> Result<Vec<PathBuf>> {
        let writes = self.plan(resources)?;
        let mut controllers: Vec<&str> =
            ALWAYS.iter().copied().filter(|name| self.mounts.contains_key(*name)).collect();
        if self.unified.is_none() && self.mounts.contains_key("freezer") {
            controllers.push("freezer");
        }
        controllers
            .extend(writes.iter().filter(|write| !self.is_unified(write)).map(|write| write.controller.as_str()));
        controllers.sort_unstable();
        controllers.dedup();
        controllers.into_iter().map(|controller| self.make(controller)).collect()
    }

    /// Opens the way into `path` of the hierarchy by which systemd knows units, where we are in one; made where it is missing.
    pub(super) fn unit_entrance(&self, path: &str) -> Option<File> {
        let mount = self.mounts.get("name=systemd")?;
        tree::make(mount, path, |_, _| Ok(())).ok()?;
        OpenOptions::new().write(true).open(mount.join(path.trim_start_matches('/')).join("tasks")).ok()
    }

    /// Makes the directory of a controller that the container has not joined, and moves its processes there.
    fn join(&self, controller: &str) -> Result<PathBuf> {
        if let Some(dir) = self.dir(controller).filter(|dir| dir.exists()) {
            return Ok(dir);
        }
        let dir = self.make(controller)?;
        // Each round moves what was forked while the one before moved its parent.
        for _ in 0..100 {
            let inside = tree::processes(&dir)?;
            let outside: Vec<i32> = self.processes()?.into_iter().filter(|pid| !inside.contains(pid)).collect();
            if outside.is_empty() {
                return Ok(dir);
            }
            for pid in outside {
                match tree::write(&dir, "cgroup.procs", &pid.to_string()) {
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    other => other.with_context(|| format!("move process {pid} to cgroup {}", dir.display()))?,
                }
            }
        }
        bail!(Error::new(
            ErrorKind::Timeout,
            format!("processes are made faster than cgroup {} takes them", dir.display())
        ))
    }

    /// Says whether a planned write is for the tree of v2, which has the controller.
    fn is_unified(&self, write: &Write) -> bool {
        write.controller == "hugetlb" && !self.mounts.contains_key("hugetlb") && self.unified.is_some()
    }

    fn plan(&self, resources: &LinuxResources) -> Result<Vec<Write>> {
        let limit = self.dir("memory").and_then(|dir| tree::number(&dir, "memory.limit_in_bytes"));
        plan::plan(resources, limit)
    }
}

/// Gives the part of `resources` that the tree of v2 may have.
fn hugepages(resources: &LinuxResources) -> Result<LinuxResources> {
    let mut part = LinuxResourcesBuilder::default().build()?;
    part.set_hugepage_limits(resources.hugepage_limits().clone());
    Ok(part)
}

impl Driver for Tree {
    fn create(&self, resources: &LinuxResources) -> Result<()> {
        for dir in self.make_all(resources)? {
            if !tree::own_processes(&dir)?.is_empty() {
                return Err(Error::conflict(format!("cgroup {} already has processes", dir.display())).into());
            }
        }
        match &self.unified {
            Some(unified) if self.plan(resources)?.iter().any(|write| self.is_unified(write)) => {
                unified.create(&hugepages(resources)?)
            }
            Some(unified) => unified.make(&[], &[]),
            None => Ok(()),
        }
    }

    fn adopt(&self, resources: &LinuxResources) -> Result<()> {
        self.make_all(resources)?;
        self.unified.as_ref().map_or(Ok(()), |unified| unified.open_made(&unified.path).map(drop))
    }

    fn apply(&self, resources: &LinuxResources) -> Result<()> {
        let (unified, writes): (Vec<_>, Vec<_>) =
            self.plan(resources)?.into_iter().partition(|write| self.is_unified(write));
        for write in writes {
            tree::perform(&self.join(&write.controller)?, &write)?;
        }
        if let Some(tree) = self.unified.as_ref().filter(|_| !unified.is_empty()) {
            tree.apply(&hugepages(resources)?)?;
        }
        match resources.devices().as_deref() {
            Some(devices) if !devices.is_empty() => apply_devices(&self.join("devices")?, devices),
            _ => Ok(()),
        }
    }

    fn add_process(&self, pid: i32) -> Result<()> {
        if let Some(unified) = &self.unified {
            unified.add_process(pid)?;
        }
        for dir in self.dirs() {
            match tree::write(&dir, "cgroup.procs", &pid.to_string()) {
                // Not joined.
                Err(error) if tree::is_gone(&error) => {}
                other => other.with_context(|| format!("move process {pid} to cgroup {}", dir.display()))?,
            }
        }
        Ok(())
    }

    fn entrances(&self) -> Result<Vec<File>> {
        let mut files = Vec::new();
        for dir in self.dirs() {
            // Of all ways in, this alone takes no lock that a grace period must pass for (Linux 5.5).
            match OpenOptions::new().write(true).open(dir.join("tasks")) {
                // Not joined.
                Err(error) if tree::is_gone(&error) => {}
                opened => files.push(opened.with_context(|| format!("open cgroup {}", dir.display()))?),
            }
        }
        Ok(files)
    }

    fn into_fd(&self) -> Result<Option<OwnedFd>> {
        self.unified.as_ref().map_or(Ok(None), Driver::into_fd)
    }

    fn freeze(&self, frozen: bool) -> Result<()> {
        if let Some(unified) = &self.unified {
            return unified.freeze(frozen);
        }
        let dir = self.join("freezer")?;
        let wanted = if frozen { "FROZEN" } else { "THAWED" };
        let deadline = Instant::now() + tree::PATIENCE;
        let context = || format!("set cgroup {} {wanted}", dir.display());
        let mut pause = Duration::from_micros(50);
        loop {
            // The freezer of v1 announces nothing, and must be pushed again for what was forked meanwhile.
            tree::write(&dir, "freezer.state", wanted).with_context(context)?;
            if tree::read(&dir, "freezer.state").with_context(context)?.trim() == wanted {
                return Ok(());
            }
            if Instant::now() >= deadline {
                tree::write(&dir, "freezer.state", "THAWED").with_context(context)?;
                bail!(Error::new(ErrorKind::Timeout, format!("cgroup {} did not stop in time", dir.display())));
            }
            tree::rest(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn is_frozen(&self) -> Result<bool> {
        if let Some(unified) = &self.unified {
            return unified.is_frozen();
        }
        let state = self.dir("freezer").and_then(|dir| tree::read(&dir, "freezer.state").ok());
        Ok(state.is_some_and(|state| state.trim() != "THAWED"))
    }

    fn kill_all(&self) -> Result<()> {
        if let Some(unified) = &self.unified {
            return unified.kill_all();
        }
        let Some(dir) = self.dirs().into_iter().find(|dir| dir.exists()) else { return Ok(()) };
        if tree::processes(&dir)?.is_empty() {
            return Ok(());
        }
        // What stands still does not fork; v1 delivers the signal when it goes on.
        self.freeze(true)?;
        let killed = tree::signal_all(&dir);
        self.freeze(false)?;
        killed.map(drop)
    }

    fn processes(&self) -> Result<Vec<i32>> {
        if let Some(unified) = &self.unified {
            return unified.processes();
        }
        self.dirs().into_iter().find(|dir| dir.exists()).map_or(Ok(Vec::new()), |dir| tree::processes(&dir))
    }

    fn remove(&self) -> Result<()> {
        let unified = self.unified.as_ref().map(v2::Tree::dir);
        let mut first = Ok(());
        for dir in self.dirs().iter().chain(&unified) {
            let removed = tree::remove(dir, unified.as_deref());
            first = first.and(removed);
        }
        first
    }

    fn stats(&self) -> Result<Stats> {
        let number = |controller: &str, file: &str| tree::number(&self.dir(controller)?, file);
        let text = |controller: &str, file: &str| tree::read(&self.dir(controller)?, file).ok();
        let memory = number("memory", "memory.usage_in_bytes");
        let inactive = text("memory", "memory.stat").and_then(|stat| tree::keyed(&stat, "total_inactive_file"));
        let block = text("blkio", "blkio.throttle.io_service_bytes_recursive");
        Ok(Stats {
            memory,
            working_set: memory.map(|memory| memory.saturating_sub(inactive.unwrap_or(0))),
            memory_limit: number("memory", "memory.limit_in_bytes").filter(|limit| *limit < UNLIMITED),
            cpu_nanoseconds: number("cpuacct", "cpuacct.usage"),
            cpu_user_nanoseconds: number("cpuacct", "cpuacct.usage_user"),
            cpu_system_nanoseconds: number("cpuacct", "cpuacct.usage_sys"),
            processes: number("pids", "pids.current"),
            block_read: block.as_deref().map(|text| sum(text, "Read")),
            block_written: block.as_deref().map(|text| sum(text, "Write")),
        })
    }

    fn oom_kills(&self) -> Result<u64> {
        let text = self.dir("memory").and_then(|dir| tree::read(&dir, "memory.oom_control").ok());
        Ok(text.and_then(|text| tree::keyed(&text, "oom_kill")).unwrap_or(0))
    }
}

/// Sums an operation over the lines of `blkio.throttle.io_service_bytes_recursive`, like `8:0 Read 4096`.
fn sum(text: &str, operation: &str) -> u64 {
    let value = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == operation).then(|| words.next()?.parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(value).fold(0, u64::saturating_add)
}

/// Puts the device rules in force.
fn apply_devices(dir: &Path, devices: &[LinuxDeviceCgroup]) -> Result<()> {
    let (base, rules) = device::rules(devices)?;
    let listed = tree::read(dir, "devices.list").with_context(|| format!("read the devices of {}", dir.display()))?;
    for (file, value) in device_writes(base, &rules, &listed) {
        tree::write(dir, file, &value)
            .with_context(|| format!("write {value:?} to {file} of cgroup {}", dir.display()))?;
    }
    Ok(())
}

/// Plans the writes that lead from what `devices.list` says to the rules. The line `a`, which changes the default, is
/// written only where it must be: the kernel refuses it once there are cgroups below.
fn device_writes(base: bool, rules: &[device::Rule], listed: &str) -> Vec<(&'static str, String)> {
    let (allow, deny) = ("devices.allow", "devices.deny");
    let is_open = listed.lines().any(|line| line.starts_with('a'));
    let mut writes = Vec::new();
    match (base, is_open) {
        (true, true) => {}
        (true, false) => writes.push((allow, "a".to_owned())),
        (false, true) => writes.push((deny, "a".to_owned())),
        (false, false) => {
            let wanted: Vec<String> = rules.iter().filter(|rule| rule.allow).map(ToString::to_string).collect();
            let old = listed.lines().filter(|line| !wanted.iter().any(|wanted| wanted == line));
            writes.extend(old.map(|line| (deny, line.to_owned())));
        }
    }
    writes.extend(rules.iter().map(|rule| (if rule.allow { allow } else { deny }, rule.to_string())));
    writes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_summed_over_devices() {
        let text = "8:0 Read 10\n8:0 Write 1\n8:16 Read 5\nTotal 16\n";
        assert_eq!((sum(text, "Read"), sum(text, "Write")), (15, 1));
    }

    #[test]
    fn the_default_for_devices_changes_only_where_it_must() {
        let rules = |json: &str| device::rules(&serde_json::from_str::<Vec<_>>(json).unwrap()).unwrap();
        let (base, list) =
            rules(r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]"#);
        let fresh = device_writes(base, &list, "a *:* rwm\n");
        assert_eq!(fresh[0], ("devices.deny", "a".to_owned()));
        assert_eq!(fresh.last(), Some(&("devices.allow", "c 10:229 rw".to_owned())));
        let update = device_writes(base, &list, "c 1:3 rwm\nc 7:7 r\n");
        assert_eq!(update[0], ("devices.deny", "c 7:7 r".to_owned()));
        assert_eq!(update.last(), Some(&("devices.allow", "c 10:229 rw".to_owned())));
        let (base, list) = rules(r#"[{"allow":true,"access":"rwm"}]"#);
        assert_eq!(device_writes(base, &list, "a *:* rwm\n"), []);
        assert_eq!(device_writes(base, &list, "c 1:3 rwm\n"), [("devices.allow", "a".to_owned())]);
    }
}
