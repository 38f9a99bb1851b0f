//! Making the planned mounts, in init: each is made detached, its attributes set while nobody can see it, attached by
//! descriptor on a target that was looked up inside the root, and looked up once more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::plan::{Attr, Kind, Planned};
use super::target::{self, Leaf};
use super::{cgroup, copy, foreign};
use crate::model::error::Error;
use crate::sys::clone::Namespaces;
use crate::sys::mount::{FsOption, MountAttr, attach, clone_tree, fs_mount, set_attr};
use crate::sys::path::{open_beneath, open_in_root};

/// What the mounts are made of and with.
pub(crate) struct Mounting<'a> {
    /// The container's root, attached.
    pub(crate) root: BorrowedFd<'a>,
    /// What relative sources start from.
    pub(crate) bundle: &'a Path,
    /// Detached sources by index in the specification.
    pub(crate) sources: &'a mut [Option<OwnedFd>],
    /// The namespaces that are new.
    pub(crate) new: Namespaces,
    /// The namespaces that are not the host's: new or joined.
    pub(crate) separate: Namespaces,
    /// Waits until the process is in its cgroups, and takes it into its cgroup namespace.
    pub(crate) enter_cgroup: &'a mut dyn FnMut() -> Result<cgroup::View>,
    /// The numbers of the mounts made so far at [`TOPS`] and below; empty at first.
    pub(crate) kernels: Vec<u64>,
}

/// Where what the kernel shows lies: only what is called by its name comes over it.
const TOPS: [&str; 3] = ["/proc", "/sys", "/dev"];

impl Mounting<'_> {
    /// Makes all mounts of `plan`.
    pub(crate) fn apply(&mut self, plan: &[Planned]) -> Result<()> {
        for planned in plan {
            self.one(planned).with_context(|| match (&planned.kind, &planned.source) {
                (Kind::FileSystem(kind), _) => format!("mount {kind} on {}", planned.destination.display()),
                (Kind::Cgroup, _) => format!("mount cgroup on {}", planned.destination.display()),
                (Kind::Bind { .. }, Some(source)) => {
                    format!("mount {} on {}", source.display(), planned.destination.display())
                }
                (Kind::Bind { .. }, None) => format!("bind mount on {}", planned.destination.display()),
            })?;
        }
        Ok(())
    }

    fn one(&mut self, planned: &Planned) -> Result<()> {
        match &planned.kind {
            Kind::Bind { recursive } => {
                let tree = match self.sources.get_mut(planned.index).and_then(Option::take) {
                    Some(tree) => tree,
                    None => {
                        let path = self.bundle.join(planned.source.as_deref().unwrap_or(Path::new("")));
                        let clone = clone_tree(rustix::fs::CWD, &path, *recursive);
                        clone.map_err(|error| source_error(&path, &error))?
                    }
                };
                set_bind_attributes(&tree, planned, *recursive)?;
                let leaf = match target::file_type(&tree)? {
                    FileType::Directory => Leaf::Directory,
                    _ => Leaf::File,
                };
                let (target, _) = self.target(&planned.destination, leaf)?;
                self.attach_checked(&tree, &target, &planned.destination)
            }
            Kind::FileSystem(kind) => self.file_system(kind, planned),
            Kind::Cgroup => {
                let view = (self.enter_cgroup)()?;
                let (target, _) = self.target(&planned.destination, Leaf::Directory)?;
                let top = cgroup::mount(&view, planned, &target)?;
                self.remember(&top, &planned.destination)
            }
        }
    }

    fn file_system(&mut self, kind: &str, planned: &Planned) -> Result<()> {
        let (target, existed) = self.target(&planned.destination, Leaf::Directory)?;
        let mut data = planned.data.clone();
        if let Some(source) = planned.source.as_ref().and_then(|source| source.to_str()).filter(|text| !text.is_empty())
        {
            // What mount(8) shows in the first column.
            data.push(("source".to_owned(), Some(source.to_owned())));
        }
        if kind == "tmpfs" && existed && !data.iter().any(|(key, _)| key == "mode") {
            // As other runtimes do, a tmpfs over a directory has that directory's mode.
            let mode = rustix::fs::fstat(&target)?.st_mode & 0o7777;
            data.push(("mode".to_owned(), Some(format!("{mode:o}"))));
        }
        let tree = match make(kind, &data, planned.attr) {
            Ok(tree) => tree,
            Err(error) => match self.substitute(kind, planned, &error)? {
                Some(tree) => tree,
                None => return Err(error.into()),
            },
        };
        if !planned.recursive.is_empty() {
            set_attr(&tree, true, planned.recursive.raw())?;
        }
        if planned.copy_up {
            if kind != "tmpfs" {
                bail!("tmpcopyup is for tmpfs only");
            }
            let read_only = planned.attr.set & libc::MOUNT_ATTR_RDONLY != 0;
            if read_only {
                set_attr(&tree, false, MountAttr { clear: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() })?;
            }
            copy::contents(target.as_fd(), tree.as_fd()).context("copy up")?;
            own_as_asked(&tree, &planned.data)?;
            if read_only {
                set_attr(&tree, false, MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() })?;
            }
        }
        self.attach_checked(&tree, &target, &planned.destination)?;
        for &(flag, recursive) in planned.propagation.iter().filter(|(flag, _)| *flag != libc::MS_PRIVATE) {
            set_attr(&tree, recursive, MountAttr { propagation: flag, ..MountAttr::default() })?;
        }
        Ok(())
    }

    /// In a user namespace the kernel refuses an instance of what another user namespace owns; where the container shares
    /// that part of the host anyway, the host's own tree is bound in its place.
    fn substitute(&self, kind: &str, planned: &Planned, error: &io::Error) -> Result<Option<OwnedFd>> {
        let (host, separate) = match kind {
            "proc" => ("/proc", self.separate.contains(Namespaces::PID)),
            // Only its network part differs in a network namespace that is joined.
            "sysfs" => ("/sys", self.new.contains(Namespaces::NETWORK)),
            "mqueue" => ("/dev/mqueue", self.separate.contains(Namespaces::IPC)),
            "devpts" if error.kind() == io::ErrorKind::InvalidInput => {
                // The group of terminals is not mapped.
                let data: Vec<_> = planned.data.iter().filter(|(key, _)| key != "gid").cloned().collect();
                return Ok(Some(make(kind, &data, planned.attr)?));
            }
            _ => return Ok(None),
        };
        if error.kind() != io::ErrorKind::PermissionDenied || separate {
            return Ok(None);
        }
        let tree = clone_tree(rustix::fs::CWD, host, true).with_context(|| format!("clone {host}"))?;
        let attr = MountAttr { set: planned.attr.set, propagation: libc::MS_PRIVATE, ..MountAttr::default() };
        set_attr(&tree, true, attr).with_context(|| format!("set attributes of {host}"))?;
        Ok(Some(tree))
    }

    /// The place for a mount on `destination`. `/proc`, `/sys` and `/dev` must be directories of the root itself.
    fn target(&self, destination: &Path, leaf: Leaf) -> Result<(OwnedFd, bool)> {
        let top = ["proc", "sys", "dev"].into_iter().find(|name| destination == Path::new("/").join(name));
        if let Some(name) = top {
            return Ok((target::ensure_real_directory(self.root, name)?, true));
        }
        let found = target::ensure(self.root, destination, leaf)
            .with_context(|| format!("find the place {} in the root", destination.display()))?;
        if !is_below_tops(destination) && self.kernels.contains(&target::mount_id(&found.0)?) {
            let text =
                format!("mount on {} is not allowed: a link leads into /proc, /sys or /dev", destination.display());
            bail!(Error::invalid(text));
        }
        Ok(found)
    }

    /// Keeps in mind that `tree` lies at one of the [`TOPS`] or below, if it does.
    fn remember(&mut self, tree: &OwnedFd, destination: &Path) -> Result<()> {
        // Images have a link to the shared memory, which is nobody's but the container's.
        if is_below_tops(destination) && destination != Path::new("/dev/shm") {
            self.kernels.push(target::mount_id(tree)?);
        }
        Ok(())
    }

    /// Attaches `tree`, and checks that the path now leads into it.
    fn attach_checked(&mut self, tree: &OwnedFd, target: &OwnedFd, destination: &Path) -> Result<()> {
        attach(tree, target)?;
        let seen = open_in_root(self.root, destination, OFlags::PATH, Mode::empty())?;
        if target::mount_id(&seen)? != target::mount_id(tree)? {
            bail!("{} changed while it was mounted", destination.display());
        }
        self.remember(tree, destination)
    }
}

fn is_below_tops(destination: &Path) -> bool {
    TOPS.iter().any(|top| destination.starts_with(top))
}

/// Makes a detached instance of a file system.
fn make(kind: &str, data: &[(String, Option<String>)], attr: Attr) -> io::Result<OwnedFd> {
    let options: Vec<_> = data
        .iter()
        // devpts: every mount is a new instance since Linux 4.7.
        .filter(|(key, _)| key != "newinstance")
        .map(|(key, value)| match value {
            Some(value) => FsOption::Text(key, value),
            None => FsOption::Flag(key),
        })
        .collect();
    fs_mount(kind, &options, MountAttrFlags::from_bits_retain(u32::try_from(attr.set).unwrap_or_default()))
}

/// Sets what a bind's options ask for on the still detached tree.
fn set_bind_attributes(tree: &OwnedFd, planned: &Planned, recursive: bool) -> Result<()> {
    // Without a word of the user, nothing passes between the host's mounts and the container's.
    let mut propagation = planned.propagation.clone();
    if propagation.is_empty() {
        propagation.push((libc::MS_PRIVATE, recursive));
    }
    if !planned.recursive.is_empty() {
        set_unless_locked(tree, true, planned.recursive.raw()).context("set recursive attributes")?;
    }
    let mut attr = planned.attr.raw();
    for (flag, deep) in propagation {
        if !deep || !recursive {
            attr.propagation = flag;
            set_unless_locked(tree, false, attr).context("set attributes")?;
            attr = MountAttr::default();
        } else {
            let all = MountAttr { propagation: flag, ..MountAttr::default() };
            set_attr(tree, true, all).context("set propagation")?;
        }
    }
    if attr.set != 0 || attr.clear != 0 {
        set_unless_locked(tree, false, attr).context("set attributes")?;
    }
    Ok(())
}

/// Sets attributes. Those that an outer user namespace has locked stay: what cannot be cleared is left as it is.
fn set_unless_locked(tree: &OwnedFd, recursive: bool, attr: MountAttr) -> io::Result<()> {
    match set_attr(tree, recursive, attr) {
        Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) && attr.clear != 0 => {
            // The time-of-access field must be cleared to be set.
            let keep = attr.clear & attr.set & libc::MOUNT_ATTR__ATIME;
            set_attr(tree, recursive, MountAttr { clear: keep, set: attr.set & !libc::MOUNT_ATTR__ATIME, ..attr })
        }
        done => done,
    }
}

/// Opens the sources of all binds in `mounts` as detached trees, while the caller has the rights and the host's paths;
/// `bundle` is what relative ones start from. The others, and those that the caller has no rights over, stay `None`.
pub(crate) fn sources(mounts: &[Planned], count: usize, bundle: &Path) -> Result<Vec<Option<OwnedFd>>> {
    let mut sources: Vec<Option<OwnedFd>> = (0..count).map(|_| None).collect();
    for planned in mounts {
        let (Kind::Bind { recursive }, Some(source)) = (&planned.kind, &planned.source) else { continue };
        let path = bundle.join(source);
        let tree = match clone_tree(rustix::fs::CWD, &path, *recursive) {
            // A mount of another namespace.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                match foreign::clone(&path, *recursive)? {
                    Some(tree) => tree,
                    None => return Err(source_error(&path, &error)),
                }
            }
            // No rights over the mounts here; init has them in its own user namespace.
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => continue,
            opened => opened.map_err(|error| source_error(&path, &error))?,
        };
        if let Some(slot) = sources.get_mut(planned.index) {
            *slot = Some(tree);
        }
    }
    Ok(sources)
}

fn source_error(path: &Path, error: &io::Error) -> anyhow::Error {
    let path = path.display();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => Error::not_found(format!("statfs {path}: no such file or directory")).into(),
        Some(Errno::ACCESS) => {
            Error::new(crate::model::error::ErrorKind::Denied, format!("statfs {path}: permission denied")).into()
        }
        _ => anyhow::anyhow!("open {path} as a mount: {error}"),
    }
}

/// Makes the root itself read-only.
pub(crate) fn make_read_only(root: BorrowedFd<'_>) -> Result<()> {
    let attr = MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    set_attr(root, false, attr).context("make the root read-only")
}

/// Opens a directory of the container's root that must not be a link.
pub(crate) fn open_real(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    open_beneath(root, path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
}

/// Gives the top of a tmpfs the owner and mode that were asked for: they go before those of the directory below.
fn own_as_asked(tree: &OwnedFd, data: &[(String, Option<String>)]) -> Result<()> {
    let asked = |name: &str, radix: u32| -> Result<Option<u32>> {
        let text = data.iter().rev().find_map(|(key, value)| (key == name).then_some(value.as_deref()?));
        let number = |text| u32::from_str_radix(text, radix).with_context(|| format!("{name} of tmpfs {text:?}"));
        text.map(number).transpose()
    };
    let (uid, gid, mode) = (asked("uid", 10)?, asked("gid", 10)?, asked("mode", 8)?);
    if uid.is_none() && gid.is_none() && mode.is_none() {
        return Ok(());
    }
    let top = open_beneath(tree, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    // -1 leaves an id as it is.
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        bail!("4294967295 is no owner of a tmpfs");
    }
    let (uid, gid) = (uid.map(rustix::fs::Uid::from_raw), gid.map(rustix::fs::Gid::from_raw));
    rustix::fs::fchown(&top, uid, gid).context("set the owner of the tmpfs")?;
    if let Some(mode) = mode {
        rustix::fs::fchmod(&top, Mode::from_raw_mode(mode & 0o7777)).context("set the mode of the tmpfs")?;
    }
    Ok(())
}
