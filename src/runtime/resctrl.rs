//! `linux.intelRdt`: a container's group in the kernel's resource control file system, which divides caches and memory
//! bandwidth between groups of processes, and measures them.
//!
//! ```text
//! /sys/fs/resctrl/             the default group, closID "/"
//!   schemata, tasks
//!   <closID>/                  one that others may share, kept; without closID the container's own, <id>, which goes with it
//!     schemata, tasks
//!     mon_groups/<id>/tasks    of enableMonitoring: the container's own
//! ```
//!
//! A process enters by writing `0` to `tasks`, as it enters a cgroup of version 1; what it forks is born there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::LinuxIntelRdt;
use serde::{Deserialize, Serialize};

use crate::model::error::Error;

/// Where every system mounts it.
const MOUNT: &str = "/sys/fs/resctrl";
/// Of statfs(2).
const MAGIC: u64 = 0x0765_5821;
/// Directories of the kernel's own, which are no groups.
const RESERVED: [&str; 3] = ["info", "mon_data", "mon_groups"];

/// A container's group. Fields may be added with a default, never changed: a record keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The group of what it may use.
    class: PathBuf,
    /// Whether `class` was made for this container alone.
    own: bool,
    /// The group of what is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitor: Option<PathBuf>,
}

/// Refuses what can be no group, whatever the host has.
pub(crate) fn check(wanted: &LinuxIntelRdt) -> Result<()> {
    if let Some(name) = class_name(wanted)
        && name != "/"
        && (name.starts_with('.') || name.contains(['/', '\n', '\0']) || RESERVED.contains(&name))
    {
        bail!(Error::invalid(format!("linux.intelRdt.closID: {name:?} is not the name of a class")));
    }
    for line in schemata(wanted).iter().flat_map(|text| text.lines()) {
        settings(line).with_context(|| format!("linux.intelRdt: {line:?}"))?;
    }
    Ok(())
}

impl Group {
    /// The group that container `id` asks for; makes nothing.
    pub(crate) fn plan(wanted: Option<&LinuxIntelRdt>, id: &str) -> Result<Option<Self>> {
        let Some(wanted) = wanted else { return Ok(None) };
        let mounted = rustix::fs::statfs(MOUNT).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(MAGIC));
        if !mounted {
            let error = Error::unsupported(format!("linux.intelRdt: no resctrl file system is mounted at {MOUNT}"));
            bail!(error.hint(format!("mount -t resctrl resctrl {MOUNT}, where the processor can divide its cache")));
        }
        Self::plan_at(Path::new(MOUNT), wanted, id).map(Some)
    }

    fn plan_at(mount: &Path, wanted: &LinuxIntelRdt, id: &str) -> Result<Self> {
        let features = std::fs::read_to_string(mount.join("info/L3_MON/mon_features")).unwrap_or_default();
        let asked = [
            ("enableCMT", *wanted.enable_cmt(), "llc_occupancy"),
            ("enableMBM", *wanted.enable_mbm(), "mbm_"),
            ("enableMonitoring", *wanted.enable_monitoring(), ""),
        ];
        for (field, asked, feature) in asked {
            if asked == Some(true) && !features.lines().any(|known| known.starts_with(feature)) {
                bail!(Error::unsupported(format!("linux.intelRdt.{field}: this processor cannot measure that")));
            }
        }
        let named = class_name(wanted);
        let class = match named {
            Some("/") => mount.to_owned(),
            name => mount.join(name.unwrap_or(id)),
        };
        match (named, class.is_dir()) {
            (Some(_), false) if schemata(wanted).is_empty() => {
                bail!(Error::not_found(format!("linux.intelRdt.closID: {} does not exist", class.display())))
            }
            (None, true) => bail!(Error::conflict(format!("linux.intelRdt: {} already exists", class.display()))),
            _ => {}
        }
        let monitor = (*wanted.enable_monitoring() == Some(true)).then(|| class.join("mon_groups").join(id));
        if let Some(monitor) = monitor.as_ref().filter(|monitor| monitor.exists()) {
            bail!(Error::conflict(format!("linux.intelRdt: {} already exists", monitor.display())));
        }
        Ok(Self { class, own: named.is_none(), monitor })
    }

    /// Makes it with what it may use. A class that was there is not changed: what it has must be what is asked for.
    pub(crate) fn make(&self, wanted: &LinuxIntelRdt) -> Result<()> {
        let lines = schemata(wanted);
        if self.class.is_dir() {
            self.compare(&lines)?;
        } else {
            std::fs::create_dir(&self.class)
                .map_err(|error| self.told(error))
                .with_context(|| format!("linux.intelRdt: make {}", self.class.display()))?;
            for text in lines {
                let text = format!("{}\n", text.trim_end());
                open(&self.class, "schemata")
                    .and_then(|mut file| file.write_all(text.as_bytes()))
                    .map_err(|error| self.told(error))
                    .with_context(|| format!("linux.intelRdt: write {text:?} to {}/schemata", self.class.display()))?;
            }
        }
        let Some(monitor) = &self.monitor else { return Ok(()) };
        std::fs::create_dir(monitor)
            .map_err(|error| self.told(error))
            .with_context(|| format!("linux.intelRdt: make {}", monitor.display()))
    }

    /// Refuses a class that gives something else.
    fn compare(&self, lines: &[String]) -> Result<()> {
        let path = self.class.join("schemata");
        let present = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let present: Vec<Setting<'_>> = present.lines().filter_map(|line| settings(line).ok()).flatten().collect();
        for setting in lines.iter().flat_map(|text| text.lines()).filter_map(|line| settings(line).ok()).flatten() {
            if !present.contains(&setting) {
                let Setting { resource, domain, value } = setting;
                let class = self.class.display();
                bail!(Error::conflict(format!("linux.intelRdt: {class} does not have {resource}:{domain}={value:x}")));
            }
        }
        Ok(())
    }

    /// The files by which a process enters, in this order.
    pub(crate) fn entrances(&self) -> Result<Vec<File>> {
        let directories = [Some(&self.class), self.monitor.as_ref()];
        let open = |dir: &PathBuf| open(dir, "tasks").with_context(|| format!("open {}/tasks", dir.display()));
        directories.into_iter().flatten().map(open).collect()
    }

    /// Moves process `pid` in, which has one thread.
    pub(crate) fn add(&self, pid: i32) -> Result<()> {
        let pid = pid.to_string();
        let enter = |mut file: File| file.write_all(pid.as_bytes()).map_err(|error| self.told(error));
        self.entrances()?.into_iter().try_for_each(enter).context("linux.intelRdt: enter the group")
    }

    /// Takes away what was made for this container alone; the kernel moves what is inside to the class above. Gone is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        let own = self.own.then_some(&self.class);
        for dir in self.monitor.iter().chain(own) {
            match std::fs::remove_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("remove {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds what the kernel says of its last refusal.
    fn told(&self, error: io::Error) -> io::Error {
        let root = self.class.ancestors().find(|dir| dir.join("info").is_dir());
        let said = root.and_then(|root| std::fs::read_to_string(root.join("info/last_cmd_status")).ok());
        match said.as_deref().map(str::trim) {
            None | Some("" | "ok") => error,
            Some(said) => io::Error::new(error.kind(), format!("{error}: {said}")),
        }
    }
}

/// Opens a file of a group for writing. Those of the kernel are there, and it lets nobody make others.
fn open(dir: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(name))
}

fn class_name(wanted: &LinuxIntelRdt) -> Option<&str> {
    wanted.clos_id().as_deref().filter(|name| !name.is_empty())
}

/// What is written to `schemata`, one text after the other: a resource may be in each only once.
fn schemata(wanted: &LinuxIntelRdt) -> Vec<String> {
    let bandwidth = wanted.mem_bw_schema().as_deref().filter(|line| !line.is_empty());
    let is_cache = |line: &&str| bandwidth.is_none() || !line.starts_with("MB:");
    let cache = wanted.l3_cache_schema().as_deref().unwrap_or_default();
    let first: Vec<&str> = cache.lines().filter(is_cache).chain(bandwidth).collect();
    let last = wanted.schemata().as_deref().unwrap_or_default();
    [first.join("\n"), last.join("\n")].into_iter().filter(|text| !text.is_empty()).collect()
}

/// What a resource gives in one domain: a cache, or a controller of memory.
#[derive(Debug, PartialEq, Eq)]
struct Setting<'a> {
    resource: &'a str,
    domain: u32,
    value: u64,
}

/// Reads a line like `L3:0=ff;1=f0`; caches are divided by masks in hexadecimal.
fn settings(line: &str) -> Result<Vec<Setting<'_>>> {
    let bad = || Error::invalid("not of the form RESOURCE:ID=VALUE;ID=VALUE");
    let (resource, rest) = line.trim().split_once(':').ok_or_else(bad)?;
    let plain = !resource.is_empty() && resource.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let radix = if resource.starts_with('L') { 16 } else { 10 };
    let setting = |word: &'_ str| {
        let (domain, value) = word.split_once('=')?;
        Some((domain.trim().parse().ok()?, u64::from_str_radix(value.trim().trim_start_matches("0x"), radix).ok()?))
    };
    let read = |word| {
        let (domain, value) = setting(word).filter(|_| plain).ok_or_else(bad)?;
        Ok(Setting { resource, domain, value })
    };
    rest.split(';').filter(|word| !word.trim().is_empty()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that stands for the file system: the kernel's files appear in it as they are written.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("dhow-resctrl-{name}-{}", std::process::id()));
            std::fs::create_dir_all(root.join("info/L3_MON")).unwrap();
            std::fs::create_dir(root.join("mon_groups")).unwrap();
            std::fs::write(root.join("info/L3_MON/mon_features"), "llc_occupancy\nmbm_total_bytes\n").unwrap();
            std::fs::write(root.join("schemata"), "    L3:0=fffff;1=fffff\n    MB:0= 100;1= 100\n").unwrap();
            Self(root)
        }

        fn read(&self, path: &str) -> String {
            std::fs::read_to_string(self.0.join(path)).unwrap_or_default()
        }

        fn plan(&self, json: &str) -> Result<Group> {
            Group::plan_at(&self.0, &wanted(json), "box")
        }

        /// The kernel's own files go with their directory; here they are taken away first.
        fn remove(&self, group: &Group) {
            for dir in [Some(&group.class), group.monitor.as_ref()].into_iter().flatten() {
                if dir != &self.0 {
                    for file in ["tasks", "schemata"] {
                        drop(std::fs::remove_file(dir.join(file)));
                    }
                }
            }
            group.remove().unwrap();
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn wanted(json: &str) -> LinuxIntelRdt {
        let text = format!(r#"{{"ociVersion":"1.3.0","linux":{{"intelRdt":{json}}}}}"#);
        let spec = crate::runtime::bundle::parse(text.as_bytes(), Path::new("/b")).unwrap();
        spec.linux().as_ref().unwrap().intel_rdt().clone().unwrap()
    }

    #[test]
    fn without_a_name_the_group_is_the_containers_own() {
        let tree = Tree::new("own");
        let json = r#"{"l3CacheSchema":"L3:0=f;1=f0\nMB:0=70","memBwSchema":"MB:0=20;1=70"}"#;
        let group = tree.plan(json).unwrap();
        group.make(&wanted(json)).unwrap();
        // The line of the memory in the cache's schema gives way.
        assert_eq!(tree.read("box/schemata"), "L3:0=f;1=f0\nMB:0=20;1=70\n");
        group.add(42).unwrap();
        assert_eq!(tree.read("box/tasks"), "42");
        // Another of that name would share it.
        assert!(tree.plan(json).unwrap_err().to_string().contains("already exists"));
        tree.remove(&group);
        assert!(!tree.0.join("box").exists());
        group.remove().unwrap();
    }

    #[test]
    fn without_schemata_nothing_is_written() {
        let tree = Tree::new("none");
        let group = tree.plan("{}").unwrap();
        group.make(&wanted("{}")).unwrap();
        assert!(tree.0.join("box").is_dir() && !tree.0.join("box/schemata").exists());
        tree.remove(&group);
    }

    #[test]
    fn lines_are_written_last_and_as_they_are() {
        let tree = Tree::new("lines");
        let json = r#"{"closID":"gold","memBwSchema":"MB:0=20","schemata":["L2:0=3","L3CODE:0=ff"]}"#;
        let group = tree.plan(json).unwrap();
        group.make(&wanted(json)).unwrap();
        // Here the second text, which is longer, covers the first.
        assert_eq!(tree.read("gold/schemata"), "L2:0=3\nL3CODE:0=ff\n");
        // Who named it may share it with others: it stays.
        group.remove().unwrap();
        assert!(tree.0.join("gold").is_dir());
    }

    #[test]
    fn a_class_that_is_there_is_used_as_it_is() {
        let tree = Tree::new("class");
        assert!(tree.plan(r#"{"closID":"gold"}"#).unwrap_err().to_string().contains("does not exist"));
        std::fs::create_dir(tree.0.join("gold")).unwrap();
        std::fs::write(tree.0.join("gold/schemata"), "    L3:0=0000f;1=fffff\n    MB:0=  70;1= 100\n").unwrap();
        for (json, fine) in [
            (r#"{"closID":"gold"}"#, true),
            (r#"{"closID":"gold","l3CacheSchema":"L3:0=f"}"#, true),
            (r#"{"closID":"gold","l3CacheSchema":"L3:0=0xf;1=fffff","memBwSchema":"MB:0=70"}"#, true),
            (r#"{"closID":"gold","l3CacheSchema":"L3:0=ff"}"#, false),
            (r#"{"closID":"gold","schemata":["MB:0=71"]}"#, false),
            (r#"{"closID":"gold","schemata":["L2:0=f"]}"#, false),
            (r#"{"closID":"/","l3CacheSchema":"L3:1=fffff"}"#, true),
            (r#"{"closID":"/","l3CacheSchema":"L3:1=f"}"#, false),
        ] {
            let group = tree.plan(json).unwrap();
            assert_eq!(group.make(&wanted(json)).is_ok(), fine, "{json}");
            group.remove().unwrap();
        }
        assert!(tree.read("gold/schemata").contains("0000f") && tree.0.join("info").is_dir());
    }

    #[test]
    fn a_monitored_container_has_a_group_of_its_own_in_its_class() {
        let tree = Tree::new("monitor");
        let json = r#"{"closID":"/","enableMonitoring":true,"enableCMT":true,"enableMBM":true}"#;
        let group = tree.plan(json).unwrap();
        group.make(&wanted(json)).unwrap();
        // First the class, then what is measured of it.
        assert_eq!(group.entrances().unwrap().len(), 2);
        group.add(42).unwrap();
        assert_eq!((tree.read("tasks"), tree.read("mon_groups/box/tasks")), ("42".to_owned(), "42".to_owned()));
        assert!(tree.plan(json).is_err());
        tree.remove(&group);
        assert!(tree.0.join("mon_groups").is_dir() && !tree.0.join("mon_groups/box").exists());
        std::fs::write(tree.0.join("info/L3_MON/mon_features"), "llc_occupancy\n").unwrap();
        assert!(tree.plan(json).unwrap_err().to_string().contains("enableMBM"));
        std::fs::remove_file(tree.0.join("info/L3_MON/mon_features")).unwrap();
        let error = tree.plan(r#"{"enableMonitoring":true}"#).unwrap_err().to_string();
        assert!(error.contains("enableMonitoring"), "{error}");
    }

    #[test]
    fn the_kernels_reason_is_told() {
        let tree = Tree::new("reason");
        std::fs::write(tree.0.join("info/last_cmd_status"), "Mask f0f0 has non-consecutive 1-bits\n").unwrap();
        let group = tree.plan("{}").unwrap();
        let error = group.told(io::Error::from_raw_os_error(libc::EINVAL)).to_string();
        assert!(error.ends_with("non-consecutive 1-bits"), "{error}");
    }

    #[test]
    fn names_and_lines_are_checked() {
        for (json, fine) in [
            (r#"{"closID":"gold-1.a"}"#, true),
            (r#"{"closID":"/"}"#, true),
            (r#"{"closID":""}"#, true),
            (r#"{"closID":"a/b"}"#, false),
            (r#"{"closID":".."}"#, false),
            (r#"{"closID":"info"}"#, false),
            (r#"{"closID":"a\nb"}"#, false),
            (r#"{"l3CacheSchema":"L3:0=f;1=ff\nL2:0=1"}"#, true),
            (r#"{"l3CacheSchema":"L3"}"#, false),
            (r#"{"memBwSchema":"MB:0=ff"}"#, false),
            (r#"{"schemata":["L3:0=g"]}"#, false),
            (r#"{"schemata":["L3 x:0=f"]}"#, false),
        ] {
            assert_eq!(check(&wanted(json)).is_ok(), fine, "{json}");
        }
    }

    proptest::proptest! {
        /// R39.
        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,40}|[ML][B3]:([0-9]{1,11}=[0-9a-fx ]{0,20};?){0,4}") {
            if let Ok(settings) = settings(&line) {
                proptest::prop_assert!(settings.len() <= line.len());
            }
        }
    }
}
