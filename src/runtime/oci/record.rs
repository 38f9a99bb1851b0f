//! The state of bundles' containers, one directory each:
//!
//! ```text
//! <root>/                     0700; /run/dhow/oci, or that of an ordinary user, or what the caller says
//!   .seccomp/                 compiled filters
//!   <id>/                     0700; who can make it has the name
//!     lock                    held by create, start, delete, pause, resume and update
//!     config.json             the bundle's as it was when the container was created
//!     state.json              [`Record`]
//!     start                   the gate (`runtime::gate`)
//! ```
//!
//! A record tells what is meant, the kernel what is: the status is made of the first process's pid and start time, of the
//! gate, and of the freezer, each time anew. Whatever was killed at whatever moment, `state` is right and `delete` works.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::model::container::ProcessRef;
use crate::model::error::Error;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::gate;
use crate::runtime::hook::Subject;
use crate::runtime::resctrl::Group;
use crate::state::lock::{Lock, Rank};
use crate::state::record::{self, Durability};
use crate::state::{account, boot};
use crate::sys::process;

/// The longest name of a container: that of a file.
const LONGEST: usize = 255;

/// What is known of a container. Fields may be added with a default, never changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    /// The boot that it belongs to.
    pub(crate) boot: String,
    #[serde(rename = "ociVersion")]
    pub(crate) oci_version: String,
    pub(crate) bundle: PathBuf,
    pub(crate) rootfs: PathBuf,
    /// RFC 3339.
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) annotations: HashMap<String, String>,
    pub(crate) cgroup: Cgroup,
    /// Its group of resource control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resctrl: Option<Group>,
    /// Who makes it.
    pub(crate) maker: ProcessRef,
    /// Its processes stay in the session keyring of who makes them.
    #[serde(default)]
    pub(crate) keep_keyring: bool,
    /// Its first process, once there is one.
    #[serde(default)]
    pub(crate) init: Option<ProcessRef>,
}

impl Record {
    /// The record of a container that this process begins to make of `spec`: without a cgroup and a first process yet.
    pub(crate) fn begun(spec: &Spec, bundle: PathBuf, rootfs: PathBuf) -> Result<Self> {
        let (pid, start_time) = process::own().context("look at this process")?;
        Ok(Self {
            version: record::VERSION,
            boot: boot::id().to_owned(),
            oci_version: spec.version().clone(),
            bundle,
            rootfs,
            created: jiff::Timestamp::now().to_string(),
            annotations: spec.annotations().clone().unwrap_or_default(),
            cgroup: Cgroup::none(),
            resctrl: None,
            maker: ProcessRef { pid, start_time },
            keep_keyring: false,
            init: None,
        })
    }
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// The ordinary user that we are.
pub(crate) fn user() -> Option<u32> {
    let uid = rustix::process::geteuid();
    (!uid.is_root()).then(|| uid.as_raw())
}

/// The directory of all containers.
#[derive(Clone, Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The caller's directory, or the usual one. Makes nothing.
    pub(crate) fn new(given: Option<&Path>) -> Result<Self> {
        if let Some(path) = given {
            return Ok(Self(std::path::absolute(path).context("the directory of --root")?));
        }
        if rustix::process::geteuid().is_root() {
            return Ok(Self(PathBuf::from("/run/dhow/oci")));
        }
        match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute()) {
            Some(path) => Ok(Self(path.join("dhow/oci"))),
            None => bail!(
                Error::invalid("no directory for the state of containers").hint("set XDG_RUNTIME_DIR, or pass --root")
            ),
        }
    }

    /// Makes the directory where it is missing, and refuses one that others could write.
    pub(crate) fn make(&self) -> Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("make {}", self.0.display()))?;
        let meta = fs::metadata(&self.0).with_context(|| format!("look at {}", self.0.display()))?;
        let own = meta.uid() == 0 || meta.uid() == rustix::process::geteuid().as_raw();
        // In a directory with the sticky bit others cannot replace what is ours.
        if !own || meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0 {
            bail!(Error::invalid(format!("{} belongs to others, or they may write it", self.0.display())));
        }
        Ok(())
    }

    /// Where compiled filters are kept.
    pub(crate) fn seccomp_cache(&self) -> PathBuf {
        self.0.join(".seccomp")
    }

    /// The container of that name, which need not exist.
    pub(crate) fn container(&self, id: &str) -> Result<Container> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        if id.is_empty() || id.len() > LONGEST || id.starts_with('.') || !id.bytes().all(fine) {
            bail!(Error::invalid(format!("invalid container id {id:?}")));
        }
        Ok(Container { id: id.to_owned(), directory: self.0.join(id) })
    }

    /// All containers, by name.
    pub(crate) fn list(&self) -> Result<Vec<Container>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("list {}", self.0.display()))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("list {}", self.0.display()))?;
            if let Some(container) = entry.file_name().to_str().and_then(|name| self.container(name).ok()) {
                found.push(container);
            }
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }
}

/// The directory of one container.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) directory: PathBuf,
}

impl Container {
    /// Takes the name.
    pub(crate) fn claim(&self) -> Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!(Error::conflict(format!("container with id {:?} already exists", self.id)))
            }
            made => made.with_context(|| format!("make {}", self.directory.display())),
        }
    }

    /// Whether there is one of that name.
    pub(crate) fn exists(&self) -> bool {
        self.directory.is_dir()
    }

    fn missing(&self) -> Error {
        Error::not_found(format!("container {:?} does not exist", self.id))
    }

    /// Waits for those who change it.
    pub(crate) fn lock(&self) -> Result<Lock> {
        if !self.exists() {
            bail!(self.missing());
        }
        let lock = Lock::exclusive(Rank::Container, &self.directory.join("lock"))?;
        // Who held it before may have deleted it.
        if self.exists() { Ok(lock) } else { bail!(self.missing()) }
    }

    /// What is known of it.
    pub(crate) fn record(&self) -> Result<Record> {
        record::read(&self.directory.join("state.json"))?.ok_or_else(|| self.missing().into())
    }

    /// Replaces what is known of it.
    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        record::write(&self.directory.join("state.json"), record, Durability::Lazy)
    }

    /// Keeps the bundle's configuration as it is now.
    pub(crate) fn keep_config(&self, config: &[u8]) -> Result<()> {
        record::write_bytes(&self.directory.join("config.json"), config, Durability::Lazy)
    }

    /// The specification that it was created with.
    pub(crate) fn spec(&self) -> Result<Spec> {
        crate::runtime::bundle::load(&self.directory)
    }

    /// What it does, as the kernel tells.
    pub(crate) fn status(&self, record: &Record) -> Result<Status> {
        if record.boot != boot::id() {
            return Ok(Status::Stopped);
        }
        let alive = |process: ProcessRef| process::is_alive(process.pid, process.start_time);
        let Some(init) = record.init else {
            return Ok(if alive(record.maker) { Status::Creating } else { Status::Stopped });
        };
        if !alive(init) {
            return Ok(Status::Stopped);
        }
        if gate::is_waiting(&self.directory)? {
            return Ok(Status::Created);
        }
        // The command's end closes the gate too.
        if !alive(init) {
            return Ok(Status::Stopped);
        }
        Ok(if record.cgroup.is_frozen()? { Status::Paused } else { Status::Running })
    }

    /// Its first process, when it lives.
    pub(crate) fn init(&self, record: &Record) -> Result<Option<(i32, OwnedFd)>> {
        let Some(ProcessRef { pid, start_time }) = record.init.filter(|_| record.boot == boot::id()) else {
            return Ok(None);
        };
        if !process::is_alive(pid, start_time) {
            return Ok(None);
        }
        Ok(process::open(pid, start_time).context("open the first process")?.map(|fd| (pid, fd)))
    }

    /// What hooks are told.
    pub(crate) fn subject<'a>(&'a self, record: &'a Record) -> Subject<'a> {
        Subject {
            id: &self.id,
            bundle: &record.bundle,
            version: &record.oci_version,
            annotations: Some(&record.annotations),
        }
    }

    /// The name of its owner, or the number.
    pub(crate) fn owner(&self) -> String {
        let uid = fs::metadata(&self.directory).map_or(0, |meta| meta.uid());
        if uid == rustix::process::geteuid().as_raw() {
            return account::name(uid).unwrap_or_else(|| uid.to_string());
        }
        uid.to_string()
    }

    /// Takes the directory away; gone is fine.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.directory.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let root = Root::new(Some(Path::new("/r"))).unwrap();
        for fine in ["a", "A_b+c-d.e", "0123"] {
            assert_eq!(root.container(fine).unwrap().directory, Path::new("/r").join(fine));
        }
        for bad in ["", ".", "..", "../x", "a/b", ".seccomp", "a b", "a\n", "é", &"x".repeat(256)] {
            assert!(root.container(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_taken_once_and_its_status_is_the_kernels() {
        let base = std::env::temp_dir().join(format!("dhow-oci-record-{}", std::process::id()));
        let root = Root::new(Some(&base)).unwrap();
        assert!(root.list().unwrap().is_empty());
        root.make().unwrap();
        let container = root.container("web").unwrap();
        assert!(container.lock().is_err());
        container.claim().unwrap();
        assert!(container.claim().unwrap_err().to_string().contains("already exists"));
        let (pid, start_time) = process::own().unwrap();
        let me = ProcessRef { pid, start_time };
        let mut record = Record {
            version: record::VERSION,
            boot: boot::id().to_owned(),
            oci_version: "1.0.2".to_owned(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: String::new(),
            annotations: HashMap::new(),
            cgroup: Cgroup::none(),
            resctrl: None,
            maker: me,
            keep_keyring: false,
            init: None,
        };
        container.write(&record).unwrap();
        assert_eq!(container.status(&container.record().unwrap()).unwrap(), Status::Creating);
        record.maker.start_time += 1;
        assert_eq!(container.status(&record).unwrap(), Status::Stopped);
        record.init = Some(me);
        assert_eq!(container.status(&record).unwrap(), Status::Running);
        let gate = gate::Gate::open(&container.directory).unwrap();
        assert_eq!(container.status(&record).unwrap(), Status::Created);
        drop(gate);
        assert_eq!(container.status(&record).unwrap(), Status::Running);
        record.boot = "another".to_owned();
        assert_eq!(container.status(&record).unwrap(), Status::Stopped);
        assert!(container.init(&record).unwrap().is_none());
        assert_eq!(root.list().unwrap().len(), 1);
        container.remove().unwrap();
        container.remove().unwrap();
        fs::remove_dir_all(base).unwrap();
    }
}
