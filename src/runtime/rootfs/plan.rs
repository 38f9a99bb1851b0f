//! The mounts of a container as data: what `spec.mounts` says, options sorted into attributes, propagation and file
//! system data, so that a unit test can read it. `mount.rs` applies it.

use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail};
use oci_spec::runtime::Mount;

use crate::model::error::Error;
use crate::sys::mount::MountAttr;

/// Where the content of a mount comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file or tree of the host.
    Bind { recursive: bool },
    /// A new instance of a file system.
    FileSystem(String),
    /// The view of the container's cgroups.
    Cgroup,
}

/// One mount, ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Place in `spec.mounts`.
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    pub(crate) source: Option<PathBuf>,
    pub(crate) destination: PathBuf,
    /// Attributes of the mount itself.
    pub(crate) attr: Attr,
    /// Attributes of it and of all mounts below.
    pub(crate) recursive: Attr,
    /// `MS_PRIVATE` and the like, with whether it is for all below; in order.
    pub(crate) propagation: Vec<(u64, bool)>,
    /// Options of the file system.
    pub(crate) data: Vec<(String, Option<String>)>,
    /// Fill a new tmpfs with what it covers.
    pub(crate) copy_up: bool,
    /// Map the owners by the container's (or the mount's own) id maps; `true` for all mounts below.
    pub(crate) id_map: Option<bool>,
}

/// Attributes to set and to clear, as mount_setattr(2) takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
}

impl Attr {
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn raw(self) -> MountAttr {
        MountAttr { set: self.set, clear: self.clear, ..MountAttr::default() }
    }

    /// The later option wins.
    fn set(&mut self, bits: u64) {
        self.set |= bits;
        self.clear &= !bits;
    }

    /// The time-of-access modes are one field, not bits: it is cleared whole and set anew.
    fn atime(&mut self, mode: u64) {
        self.set = (self.set & !libc::MOUNT_ATTR__ATIME) | mode;
        self.clear |= libc::MOUNT_ATTR__ATIME;
    }

    fn clear(&mut self, bits: u64) {
        self.clear |= bits;
        self.set &= !bits;
    }
}

/// What one word of `options` means.
enum Word {
    Set(u64),
    Clear(u64),
    RecursiveSet(u64),
    RecursiveClear(u64),
    Atime(u64),
    RecursiveAtime(u64),
    Propagation(u64, bool),
    /// A flag of the file system (superblock), passed on as data.
    Super(&'static str),
    Bind(bool),
    CopyUp,
    IdMap(bool),
    Nothing,
}

const NOSYMFOLLOW: u64 = 0x0020_0000;

/// All words that [`word`] knows, for who asks what this runtime can do.
pub(crate) const OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "notmpcopyup",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

/// The table of options: those of runc and crun together.
fn word(option: &str) -> Option<Word> {
    use libc::{
        MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID,
        MOUNT_ATTR_RDONLY, MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME,
    };
    Some(match option {
        "ro" => Word::Set(MOUNT_ATTR_RDONLY),
        "rw" => Word::Clear(MOUNT_ATTR_RDONLY),
        "nosuid" => Word::Set(MOUNT_ATTR_NOSUID),
        "suid" => Word::Clear(MOUNT_ATTR_NOSUID),
        "nodev" => Word::Set(MOUNT_ATTR_NODEV),
        "dev" => Word::Clear(MOUNT_ATTR_NODEV),
        "noexec" => Word::Set(MOUNT_ATTR_NOEXEC),
        "exec" => Word::Clear(MOUNT_ATTR_NOEXEC),
        "nodiratime" => Word::Set(MOUNT_ATTR_NODIRATIME),
        "diratime" => Word::Clear(MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => Word::Set(NOSYMFOLLOW),
        "symfollow" => Word::Clear(NOSYMFOLLOW),
        "noatime" => Word::Atime(MOUNT_ATTR_NOATIME),
        "relatime" | "atime" | "nostrictatime" => Word::Atime(MOUNT_ATTR_RELATIME),
        "strictatime" | "norelatime" => Word::Atime(MOUNT_ATTR_STRICTATIME),
        "rro" => Word::RecursiveSet(MOUNT_ATTR_RDONLY),
        "rrw" => Word::RecursiveClear(MOUNT_ATTR_RDONLY),
        "rnosuid" => Word::RecursiveSet(MOUNT_ATTR_NOSUID),
        "rsuid" => Word::RecursiveClear(MOUNT_ATTR_NOSUID),
        "rnodev" => Word::RecursiveSet(MOUNT_ATTR_NODEV),
        "rdev" => Word::RecursiveClear(MOUNT_ATTR_NODEV),
        "rnoexec" => Word::RecursiveSet(MOUNT_ATTR_NOEXEC),
        "rexec" => Word::RecursiveClear(MOUNT_ATTR_NOEXEC),
        "rnodiratime" => Word::RecursiveSet(MOUNT_ATTR_NODIRATIME),
        "rdiratime" => Word::RecursiveClear(MOUNT_ATTR_NODIRATIME),
        "rnosymfollow" => Word::RecursiveSet(NOSYMFOLLOW),
        "rsymfollow" => Word::RecursiveClear(NOSYMFOLLOW),
        "rnoatime" => Word::RecursiveAtime(MOUNT_ATTR_NOATIME),
        "rrelatime" | "ratime" | "rnostrictatime" => Word::RecursiveAtime(MOUNT_ATTR_RELATIME),
        "rstrictatime" | "rnorelatime" => Word::RecursiveAtime(MOUNT_ATTR_STRICTATIME),
        "private" => Word::Propagation(libc::MS_PRIVATE, false),
        "rprivate" => Word::Propagation(libc::MS_PRIVATE, true),
        "slave" => Word::Propagation(libc::MS_SLAVE, false),
        "rslave" => Word::Propagation(libc::MS_SLAVE, true),
        "shared" => Word::Propagation(libc::MS_SHARED, false),
        "rshared" => Word::Propagation(libc::MS_SHARED, true),
        "unbindable" => Word::Propagation(libc::MS_UNBINDABLE, false),
        "runbindable" => Word::Propagation(libc::MS_UNBINDABLE, true),
        "sync" => Word::Super("sync"),
        "dirsync" => Word::Super("dirsync"),
        "mand" => Word::Super("mand"),
        "lazytime" => Word::Super("lazytime"),
        "iversion" => Word::Super("iversion"),
        "bind" => Word::Bind(false),
        "rbind" => Word::Bind(true),
        "tmpcopyup" => Word::CopyUp,
        "idmap" => Word::IdMap(false),
        "ridmap" => Word::IdMap(true),
        "defaults" | "async" | "nomand" | "nolazytime" | "noiversion" | "silent" | "loud" | "remount"
        | "notmpcopyup" => Word::Nothing,
        _ => return None,
    })
}

/// Sorts one mount of the specification.
pub(crate) fn planned(index: usize, mount: &Mount) -> Result<Planned> {
    let mut bind = (mount.typ().as_deref() == Some("bind")).then_some(false);
    let mut plan = Planned {
        index,
        kind: Kind::Bind { recursive: false },
        source: mount.source().clone(),
        destination: clean(mount.destination())?,
        attr: Attr::default(),
        recursive: Attr::default(),
        propagation: Vec::new(),
        data: Vec::new(),
        copy_up: false,
        id_map: None,
    };
    for option in mount.options().iter().flatten() {
        match word(option) {
            Some(Word::Set(bits)) => plan.attr.set(bits),
            Some(Word::Clear(bits)) => plan.attr.clear(bits),
            Some(Word::RecursiveSet(bits)) => plan.recursive.set(bits),
            Some(Word::RecursiveClear(bits)) => plan.recursive.clear(bits),
            Some(Word::Atime(mode)) => plan.attr.atime(mode),
            Some(Word::RecursiveAtime(mode)) => plan.recursive.atime(mode),
            Some(Word::Propagation(flag, recursive)) => plan.propagation.push((flag, recursive)),
            Some(Word::Super(flag)) => plan.data.push((flag.to_owned(), None)),
            Some(Word::Bind(recursive)) => bind = Some(bind == Some(true) || recursive),
            Some(Word::CopyUp) => plan.copy_up = true,
            Some(Word::IdMap(recursive)) => plan.id_map = Some(recursive),
            Some(Word::Nothing) => {}
            None => plan.data.push(match option.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (option.clone(), None),
            }),
        }
    }
    if mount.uid_mappings().is_some() && plan.id_map.is_none() {
        plan.id_map = Some(false);
    }
    plan.kind = match (bind, mount.typ().as_deref()) {
        (Some(recursive), _) => {
            if plan.source.is_none() {
                bail!(Error::invalid(format!("bind mount on {} has no source", plan.destination.display())));
            }
            // As mount(8) does, a bind ignores what a file system would take.
            plan.data.clear();
            Kind::Bind { recursive }
        }
        (None, Some("cgroup" | "cgroup2")) => Kind::Cgroup,
        (None, Some(kind)) if !kind.is_empty() && kind != "none" => Kind::FileSystem(kind.to_owned()),
        (None, _) => bail!(Error::invalid(format!("mount on {} has no type", plan.destination.display()))),
    };
    refuse_under_proc(&plan)?;
    Ok(plan)
}

/// Sorts all mounts. Views of the cgroups go last when nothing is mounted below them, so that everything else is done
/// while the kernel still moves the process into its cgroups.
pub(crate) fn plan(mounts: &[Mount]) -> Result<Vec<Planned>> {
    let mut plans =
        mounts.iter().enumerate().map(|(index, mount)| planned(index, mount)).collect::<Result<Vec<_>>>()?;
    let mut index = 0;
    let mut left = plans.len();
    while left > 0 {
        left -= 1;
        let plan = &plans[index];
        let covered = plans[index + 1..].iter().any(|later| later.destination.starts_with(&plan.destination));
        if plan.kind == Kind::Cgroup && !covered {
            let plan = plans.remove(index);
            plans.push(plan);
        } else {
            index += 1;
        }
    }
    Ok(plans)
}

/// An absolute destination, `.` and `..` resolved as text as the specification's relative ones are (against `/`).
fn clean(destination: &Path) -> Result<PathBuf> {
    let mut path = PathBuf::from("/");
    for component in destination.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if path.as_os_str() == "/" {
        bail!(Error::invalid(format!("invalid mount destination {}", destination.display())));
    }
    Ok(path)
}

/// The files below `/proc` over which a mount may come.
const UNDER_PROC: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// `/proc` itself is a proc file system (or, without its own pid namespace, a bind of one); below it only a few files
/// may be covered: what else would lie there could catch what is written to `/proc/self` or `/proc/sys`.
fn refuse_under_proc(plan: &Planned) -> Result<()> {
    let Ok(below) = plan.destination.strip_prefix("/proc") else { return Ok(()) };
    let fine = if below.as_os_str().is_empty() {
        match &plan.kind {
            Kind::FileSystem(kind) => kind == "proc",
            Kind::Bind { .. } => plan.source.as_deref() == Some(Path::new("/proc")),
            Kind::Cgroup => false,
        }
    } else if plan.destination == Path::new("/proc/sys/fs/binfmt_misc") {
        plan.kind == Kind::FileSystem("binfmt_misc".to_owned())
    } else {
        UNDER_PROC.iter().any(|path| plan.destination == Path::new(path))
    };
    if fine {
        return Ok(());
    }
    let text = format!("mount on {} is not allowed: it is inside /proc", plan.destination.display());
    bail!(Error::invalid(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::MountBuilder;

    fn mount(typ: &str, source: &str, destination: &str, options: &[&str]) -> Mount {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        MountBuilder::default().typ(typ).source(source).destination(destination).options(options).build().unwrap()
    }

    #[test]
    fn options_are_sorted_and_the_last_one_wins() {
        let plan =
            planned(3, &mount("tmpfs", "tmpfs", "/a/../tmp/", &["ro", "nosuid", "rw", "size=64m", "mode=1777", "x"]))
                .unwrap();
        assert_eq!(plan.index, 3);
        assert_eq!(plan.kind, Kind::FileSystem("tmpfs".into()));
        assert_eq!(plan.destination, Path::new("/tmp"));
        assert_eq!(plan.attr, Attr { set: libc::MOUNT_ATTR_NOSUID, clear: libc::MOUNT_ATTR_RDONLY });
        let data = [("size", Some("64m")), ("mode", Some("1777")), ("x", None)];
        assert_eq!(plan.data, data.map(|(key, value)| (key.to_owned(), value.map(str::to_owned))));
    }

    #[test]
    fn every_listed_option_is_known() {
        assert!(OPTIONS.is_sorted());
        for option in OPTIONS {
            assert!(word(option).is_some(), "{option}");
        }
        assert!(word("size=1").is_none());
    }

    #[test]
    fn access_time_is_one_field() {
        let plan = planned(0, &mount("tmpfs", "tmpfs", "/t", &["noatime", "strictatime"])).unwrap();
        assert_eq!(plan.attr, Attr { set: libc::MOUNT_ATTR_STRICTATIME, clear: libc::MOUNT_ATTR__ATIME });
        let plan = planned(0, &mount("tmpfs", "tmpfs", "/t", &["strictatime", "relatime", "ro"])).unwrap();
        assert_eq!(plan.attr, Attr { set: libc::MOUNT_ATTR_RDONLY, clear: libc::MOUNT_ATTR__ATIME });
    }

    #[test]
    fn binds_are_known_by_type_or_option() {
        for (typ, options, recursive) in [
            ("bind", &["ro"][..], false),
            ("bind", &["rbind"], true),
            ("none", &["bind"], false),
            ("", &["rbind", "bind"], true),
        ] {
            let plan = planned(0, &mount(typ, "/src", "/dst", options)).unwrap();
            assert_eq!(plan.kind, Kind::Bind { recursive }, "{typ} {options:?}");
        }
        assert!(planned(0, &mount("", "/src", "/dst", &[])).is_err());
    }

    #[test]
    fn recursive_options_and_propagation() {
        let plan = planned(0, &mount("bind", "/s", "/d", &["rbind", "rro", "rslave", "shared"])).unwrap();
        assert!(plan.attr.is_empty());
        assert_eq!(plan.recursive.set, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(plan.propagation, [(libc::MS_SLAVE, true), (libc::MS_SHARED, false)]);
    }

    #[test]
    fn proc_is_ours() {
        for (mount, fine) in [
            (mount("proc", "proc", "/proc", &[]), true),
            (mount("bind", "/proc", "/proc", &["rbind"]), true),
            (mount("bind", "/evil", "/proc", &[]), false),
            (mount("tmpfs", "tmpfs", "/proc", &[]), false),
            (mount("bind", "/x", "/proc/uptime", &[]), true),
            (mount("bind", "/x", "/proc/self/attr", &[]), false),
            (mount("bind", "/x", "/tmp/../proc/sys", &[]), false),
            (mount("tmpfs", "tmpfs", "/process", &[]), true),
            (mount("tmpfs", "tmpfs", "/", &[]), false),
        ] {
            assert_eq!(planned(0, &mount).is_ok(), fine, "{:?}", mount.destination());
        }
    }

    #[test]
    fn cgroup_goes_last_unless_something_lies_below() {
        let order = |mounts: &[Mount]| -> Vec<usize> { plan(mounts).unwrap().iter().map(|plan| plan.index).collect() };
        let proc = mount("proc", "proc", "/proc", &[]);
        let cgroup = mount("cgroup", "cgroup", "/sys/fs/cgroup", &["ro"]);
        let below = mount("tmpfs", "t", "/sys/fs/cgroup/x", &[]);
        assert_eq!(order(&[cgroup.clone(), proc.clone()]), [1, 0]);
        assert_eq!(order(&[proc.clone(), cgroup.clone()]), [0, 1]);
        assert_eq!(order(&[cgroup, below, proc]), [0, 1, 2]);
    }
}
