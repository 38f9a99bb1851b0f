//! The cgroup of a container: which layout the host has, where the container's place is, and what is done there.
//!
//! `Host` looks once and cheaply at the host; `Host::place` gives a `Cgroup`, which is stored with the container and
//! goes through `driver::Driver`. A container's place is `<parent>/<id>`, the parent being `/dhow` unless asked
//! otherwise, below the root of each hierarchy or below what was delegated to the user. A limit that was asked for and
//! cannot be given is an error that names the controller; without limits a container runs without a cgroup.

mod below;
mod detect;
mod device;
pub(crate) mod driver;
pub(crate) mod systemd;
mod tree;
mod v1;
mod v2;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use std::path::PathBuf;

use anyhow::{Context, Result};
use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

pub(crate) use detect::{Host, is_unified};
pub(crate) use driver::Stats;

use crate::model::error::{Error, ErrorKind};
use driver::Driver;
use systemd::{Holder, Planned, Unit};

/// Where containers are placed unless the user says otherwise.
const PARENT: &str = "/dhow";

/// Where all monitors are, so that neither logout nor the stop of the unit that started one ends it with the rest. One for
/// all, made once: nobody can remove the cgroup that he is in, so each would leave its own behind.
const MONITORS: &str = "/dhow/monitors";

/// Where a process goes that makes a container below the cgroup that it is in: none has both processes and limits.
const SUPERVISOR: &str = "/supervisor";

/// How a monitor comes to where monitors are; nothing where it has to stay with its starter.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    /// The directory to be born in.
    pub(crate) birthplace: Option<OwnedFd>,
    /// Files to enter by, as those of [`Cgroup::entrances`].
    pub(crate) entrances: Vec<File>,
}

/// The cgroup of one container, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "layout", rename_all = "snake_case")]
pub(crate) enum Cgroup {
    /// None: the container stays where its starter is.
    None,
    /// Hierarchies by controller.
    V1(v1::Tree),
    /// One tree.
    V2(v2::Tree),
}

impl Host {
    /// Gives the place of container `id` below `parent`, or below the default one.
    pub(crate) fn place(&self, parent: Option<&str>, id: &str) -> Result<Cgroup> {
        let parent = parent.filter(|parent| !parent.is_empty()).unwrap_or(PARENT);
        self.at(&format!("{parent}/{id}"))
    }

    /// Gives the place at `path`, below the root of each hierarchy or below what was delegated to the user; a path that
    /// begins with that part is taken as a whole.
    pub(crate) fn at(&self, path: &str) -> Result<Cgroup> {
        let mut path = normal(path)?;
        if let Self::V2 { anchor, .. } = self
            && let Some(below) = path.strip_prefix(anchor.as_str()).filter(|below| below.starts_with('/'))
        {
            path = below.to_owned();
        }
        Ok(match self {
            Self::None(_) => Cgroup::None,
            Self::V2 { mount, anchor } => {
                Cgroup::V2(v2::Tree { mount: mount.clone(), anchor: anchor.clone(), path, hybrid: false, unit: None })
            }
            Self::V1 { mounts, unified } => {
                let unified = unified.as_ref().map(|mount| v2::Tree {
                    mount: mount.clone(),
                    anchor: String::new(),
                    path: path.clone(),
                    hybrid: true,
                    unit: None,
                });
                Cgroup::V1(v1::Tree { mounts: mounts.clone(), unified, path, below: BTreeMap::new(), unit: None })
            }
        })
    }

    /// Whether swap can be limited; `None` where this cannot be told.
    pub(crate) fn limits_swap(&self) -> Option<bool> {
        match self {
            Self::None(_) => None,
            Self::V1 { mounts, .. } => Some(mounts.get("memory")?.join("memory.memsw.limit_in_bytes").exists()),
            Self::V2 { mount, anchor } => {
                // The root has no limits; whatever is below has them where the kernel knows them.
                let below = std::fs::read_dir(mount.join(anchor.trim_start_matches('/'))).ok()?.flatten();
                let mut limited = below.map(|entry| entry.path()).filter(|path| path.join("memory.max").exists());
                limited.next().map(|path| path.join("memory.swap.max").exists())
            }
        }
    }

    /// Lists the controllers that containers can be limited by, for people.
    pub(crate) fn controllers(&self) -> Vec<String> {
        match self {
            Self::None(_) => Vec::new(),
            Self::V2 { mount, anchor } => {
                v2::controllers(&mount.join(anchor.trim_start_matches('/')), "cgroup.controllers")
            }
            Self::V1 { mounts, unified } => {
                let mut names: Vec<String> = mounts.keys().filter(|name| !name.contains('=')).cloned().collect();
                names.extend(unified.iter().flat_map(|mount| v2::controllers(mount, "cgroup.controllers")));
                names.sort();
                names.dedup();
                names
            }
        }
    }
}

/// Gives the path with a slash before each name. What leads elsewhere, or into the files of a cgroup, is refused.
fn normal(path: &str) -> Result<String> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    let bad =
        |name: &&str| *name == ".." || name.contains(['\n', '\0']) || name.starts_with("cgroup.") || name.len() > 255;
    if names.is_empty() || names.iter().any(bad) {
        return Err(Error::invalid(format!("{path:?} is not a place for a cgroup")).into());
    }
    Ok(names.into_iter().flat_map(|name| ["/", name]).collect())
}

impl Cgroup {
    /// Gives the place of container `id` on this host below `parent`, or below the default one, for root or for an
    /// ordinary `user`. Makes nothing.
    pub(crate) fn plan(parent: Option<&str>, id: &str, user: Option<u32>) -> Result<Self> {
        Host::detect(user)?.place(parent, id)
    }

    /// Gives the place of container `id` below the cgroup of this process, which moves into a part of its own there. Only
    /// in the tree of version 2.
    pub(crate) fn split(id: &str) -> Result<Self> {
        let Some((mount, own)) = detect::own()? else {
            let message = "--cgroups=split needs cgroup v2";
            return Err(Error::unsupported(message)
                .hint("--cgroups=no-conmon leaves the monitor with its starter")
                .into());
        };
        let anchor = own.strip_suffix(SUPERVISOR).unwrap_or(&own).trim_end_matches('/').to_owned();
        let tree = v2::Tree { mount, anchor, path: normal(&format!("/dhow-payload-{id}"))?, hybrid: false, unit: None };
        tree.enter(SUPERVISOR)?;
        Ok(Self::V2(tree))
    }

    /// The same with systemd's own hierarchy of version 1, where dhow leaves it out: other runtimes join every one.
    pub(crate) fn with_all(mut self) -> Self {
        if let Self::V1(tree) = &mut self
            && let Some(dir) = detect::systemd()
        {
            tree.mounts.insert("name=systemd".to_owned(), dir);
        }
        self
    }

    /// Gives the cgroup of a container that has none.
    pub(crate) fn none() -> Self {
        Self::None
    }

    /// Says whether there is none.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Says whether `controller` can be had here: what was not asked for is left out where it cannot.
    pub(crate) fn offers(&self, controller: &str) -> bool {
        match self {
            Self::None => false,
            Self::V1(tree) => tree.mounts.contains_key(controller),
            Self::V2(tree) => {
                let anchor = tree.mount.join(tree.anchor.trim_start_matches('/'));
                v2::controllers(&anchor, "cgroup.controllers").iter().any(|known| known == controller)
            }
        }
    }

    /// Gives its path, with which its place in each hierarchy that the container joins ends.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::V1(tree) => Some(&tree.path),
            Self::V2(tree) => Some(&tree.path),
        }
    }

    /// Gives its path below the mounts of its hierarchies.
    pub(crate) fn full_path(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::V1(tree) => Some(tree.path.clone()),
            Self::V2(tree) => Some(format!("{}{}", tree.anchor.trim_end_matches('/'), tree.path)),
        }
    }

    /// The directory whose freezer stops all processes of the container.
    pub(crate) fn freezer(&self) -> Option<PathBuf> {
        match self {
            Self::None => None,
            Self::V1(tree) => tree.freezer(),
            Self::V2(tree) => Some(tree.dir()),
        }
    }

    /// Gives the way to the place of monitors, beside the containers. Where there is none a monitor does without.
    pub(crate) fn monitors(&self) -> Monitors {
        match self {
            Self::None => Monitors::default(),
            Self::V1(tree) => {
                let birthplace = tree.unified.as_ref().and_then(|tree| tree.open_made(MONITORS).ok());
                Monitors { birthplace, entrances: tree.unit_entrance(MONITORS).into_iter().collect() }
            }
            Self::V2(tree) => Monitors { birthplace: tree.open_made(MONITORS).ok(), entrances: Vec::new() },
        }
    }

    /// The same as the cgroup of a scope.
    fn part_of(mut self, scope: Unit) -> Self {
        match &mut self {
            Self::None => {}
            Self::V1(tree) => tree.unit = Some(scope),
            Self::V2(tree) => tree.unit = Some(scope),
        }
        self
    }

    fn unit(&self) -> Option<&Unit> {
        match self {
            Self::None => None,
            Self::V1(tree) => tree.unit.as_ref(),
            Self::V2(tree) => tree.unit.as_ref(),
        }
    }

    fn driver(&self) -> Option<&dyn Driver> {
        match self {
            Self::None => None,
            Self::V1(tree) => Some(tree),
            Self::V2(tree) => Some(tree),
        }
    }

    /// Makes it, ready for what `resources` asks. It must not have processes.
    pub(crate) fn create(&self, resources: &LinuxResources) -> Result<()> {
        self.driver().map_or_else(|| refuse_limits(resources), |driver| driver.create(resources))
    }

    /// Makes it as the cgroup of a scope, which lasts as long as what is given, or a process that was born into it.
    pub(crate) fn create_in(&self, scope: &Planned, resources: &LinuxResources) -> Result<Holder> {
        let holder = scope.start()?;
        self.driver().map_or_else(|| refuse_limits(resources), |driver| driver.adopt(resources))?;
        Ok(holder)
    }

    /// Sets the limits that `resources` names and no others.
    pub(crate) fn apply(&self, resources: &LinuxResources) -> Result<()> {
        self.driver().map_or_else(|| refuse_limits(resources), |driver| driver.apply(resources))
    }

    /// The same of one in use: who looks after its scope is told.
    pub(crate) fn change(&self, resources: &LinuxResources) -> Result<()> {
        self.apply(resources)?;
        self.unit().map_or(Ok(()), |unit| unit.change(resources))
    }

    /// Moves a process in. On v1 this waits for the kernel.
    pub(crate) fn add_process(&self, pid: i32) -> Result<()> {
        self.driver().map_or(Ok(()), |driver| driver.add_process(pid))
    }

    /// Opens the files by which a process with one thread moves itself in, where it cannot be born there: it writes `0`
    /// to each. That waits for nobody.
    pub(crate) fn entrances(&self) -> Result<Vec<File>> {
        self.driver().map_or(Ok(Vec::new()), Driver::entrances)
    }

    /// Opens the directory for CLONE_INTO_CGROUP, where there is one.
    #[expect(clippy::wrong_self_convention, reason = "named for CLONE_INTO_CGROUP")]
    pub(crate) fn into_fd(&self) -> Result<Option<OwnedFd>> {
        self.driver().map_or(Ok(None), Driver::into_fd)
    }

    /// Stops all processes, and waits until they are.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.required("pause")?.freeze(true)
    }

    /// Lets all processes go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.required("unpause")?.freeze(false)
    }

    /// Says whether all processes are stopped, or will be.
    pub(crate) fn is_frozen(&self) -> Result<bool> {
        self.driver().map_or(Ok(false), Driver::is_frozen)
    }

    /// Gives the cgroups below this one that `words` ask for ([`below`]), which must exist.
    pub(crate) fn below(&self, words: &[String]) -> Result<Self> {
        let wanted = below::parse(words)?;
        match self {
            Self::None => Err(Error::unsupported("the container has no cgroup").into()),
            Self::V1(tree) => tree.below(&wanted).map(Self::V1),
            Self::V2(tree) => tree.below(&wanted).map(Self::V2),
        }
    }

    /// Sends SIGKILL to all processes, stopped ones included.
    pub(crate) fn kill_all(&self) -> Result<()> {
        self.driver().map_or(Ok(()), Driver::kill_all)
    }

    /// Lists the processes, here and below.
    pub(crate) fn processes(&self) -> Result<Vec<i32>> {
        self.required("list the processes of")?.processes()
    }

    /// Removes it and its scope, waiting for its last processes to end; gone is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        if let Some(unit) = self.unit() {
            unit.stop();
        }
        self.driver().map_or(Ok(()), Driver::remove)
    }

    /// Measures; without a cgroup nothing is known.
    pub(crate) fn stats(&self) -> Result<Stats> {
        self.driver().map_or_else(|| Ok(Stats::default()), Driver::stats)
    }

    /// Counts the processes that were killed for want of memory. To be asked before `remove`.
    pub(crate) fn oom_kills(&self) -> Result<u64> {
        self.driver().map_or(Ok(0), Driver::oom_kills)
    }

    fn required(&self, verb: &str) -> Result<&dyn Driver> {
        let none = || Error::unsupported(format!("cannot {verb} a container that has no cgroup"));
        Ok(self.driver().ok_or_else(none)?)
    }
}

/// Takes this process, which has one thread, through the files of [`Cgroup::entrances`].
pub(crate) fn enter(entrances: Vec<File>) -> Result<()> {
    entrances.into_iter().try_for_each(|mut entrance| entrance.write_all(b"0")).context("enter the cgroup")
}

/// Without a cgroup no limit can be given. Device rules are not missed: who has no cgroup makes no devices.
fn refuse_limits(resources: &LinuxResources) -> Result<()> {
    // The kernel's own names cover all there is to ask.
    let asked = serde_json::to_value(resources)?;
    let none = serde_json::Map::new();
    let is_empty = |value: &serde_json::Value| match value {
        serde_json::Value::Object(map) => map.is_empty(),
        serde_json::Value::Array(list) => list.is_empty(),
        other => other.is_null(),
    };
    let unlimited = resources.pids().is_some_and(|pids| pids.limit() <= 0);
    let limit = asked
        .as_object()
        .unwrap_or(&none)
        .iter()
        .find(|(name, value)| !is_empty(value) && *name != "devices" && !(*name == "pids" && unlimited));
    match limit {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("the limits of {name} need a cgroup, and none can be made here");
            let hint = "ordinary users get one by systemd's delegation on cgroup v2: loginctl enable-linger";
            Err(Error::new(ErrorKind::Unsupported, message).hint(hint).into())
        }
    }
}

#[cfg(test)]
mod tests;
