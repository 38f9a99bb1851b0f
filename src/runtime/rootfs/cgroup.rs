//! A container's view of its cgroups: with v2 a `cgroup2` instance seen from its namespace, with v1 a tmpfs with a bind
//! of the container's own directory per hierarchy.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;

use super::plan::Planned;
use crate::sys::mount::{FsOption, MountAttr, attach, clone_tree, fs_mount, set_attr};
use crate::sys::proc::Proc;

/// Where the host has its hierarchies.
const HOST: &str = "/sys/fs/cgroup";

/// What the process sees of the cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// A single unified hierarchy.
    pub(crate) unified: bool,
    /// The cgroup namespace is the container's own.
    pub(crate) private: bool,
    /// Its cgroups by hierarchy, as the host sees them: the directory's name below [`HOST`] and the path in it.
    pub(crate) hierarchies: Vec<(String, String)>,
}

impl View {
    /// A view of nothing, where none is mounted.
    pub(crate) fn empty(private: bool) -> Self {
        Self { unified: false, private, hierarchies: Vec::new() }
    }

    /// Reads the cgroups that this process is in; to be called before it gets a cgroup namespace. Of the hierarchies of v1
    /// only those that it joined are kept, where its path ends with the container's, `own`: in the others it is where its
    /// starter is, and would be shown what is the host's and other containers'.
    pub(crate) fn read(this: &Proc, private: bool, own: Option<&str>) -> Result<Self> {
        let unified = rustix::fs::statfs(HOST)?.f_type == 0x6367_7270; // CGROUP2_SUPER_MAGIC
        let text = this.read("cgroup").context("read the cgroups of this process")?;
        let mut hierarchies = parse(&String::from_utf8_lossy(&text), unified);
        hierarchies.retain(|(_, path)| unified || is_own(path, own));
        Ok(Self { unified, private, hierarchies })
    }
}

/// Whether `path` is the container's own place, seen from whatever root of the hierarchy.
fn is_own(path: &str, own: Option<&str>) -> bool {
    own.is_some_and(|own| path.strip_suffix(own).is_some_and(|above| above.is_empty() || above.starts_with('/')))
}

/// Reads lines of `/proc/self/cgroup`: number, controllers, path. cgroups(7).
fn parse(text: &str, unified: bool) -> Vec<(String, String)> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let directory = match (number, controllers) {
            ("0", "") if unified => String::new(),
            ("0", "") => "unified".to_owned(),
            _ if unified => return None,
            (_, controllers) => controllers.strip_prefix("name=").unwrap_or(controllers).to_owned(),
        };
        let plain = path.starts_with('/') && !path.split('/').any(|part| part == "..");
        (plain && !directory.contains('/')).then(|| (directory, path.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Mounts `view` on `target` with the attributes of `planned`; gives the top mount.
pub(crate) fn mount(view: &View, planned: &Planned, target: &OwnedFd) -> Result<OwnedFd> {
    let mut set = planned.attr.set;
    if !view.private && view.unified {
        // The whole tree of the host shows: only to be looked at.
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    if view.unified {
        let attr = MountAttrFlags::from_bits_retain(u32::try_from(set).unwrap_or_default());
        let tree = match fs_mount("cgroup2", &[FsOption::Text("source", "cgroup")], attr) {
            Ok(tree) => tree,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                let own = view.hierarchies.first().filter(|_| view.private).map_or("/", |(_, path)| path);
                bound("", own, set)?
            }
            Err(error) => return Err(error.into()),
        };
        attach(&tree, target)?;
        return Ok(tree);
    }
    let options = [FsOption::Text("source", "cgroup"), FsOption::Text("mode", "755"), FsOption::Text("size", "64k")];
    let writable = set & !libc::MOUNT_ATTR_RDONLY;
    let attr = MountAttrFlags::from_bits_retain(u32::try_from(writable).unwrap_or_default());
    let top = fs_mount("tmpfs", &options, attr)?;
    attach(&top, target)?;
    for (directory, path) in &view.hierarchies {
        if !Path::new(HOST).join(directory).is_dir() {
            continue;
        }
        let tree = bound(directory, path, set)?;
        rustix::fs::mkdirat(&top, directory, Mode::from_raw_mode(0o755))?;
        let place = rustix::fs::openat(&top, directory, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        attach(tree, place)?;
        if directory.contains(',') {
            for name in directory.split(',') {
                rustix::fs::symlinkat(directory, &top, name)?;
            }
        }
    }
    if set & libc::MOUNT_ATTR_RDONLY != 0 {
        set_attr(&top, false, MountAttr { set: libc::MOUNT_ATTR_RDONLY, ..MountAttr::default() })?;
    }
    Ok(top)
}

/// A detached bind of one hierarchy's directory.
fn bound(directory: &str, path: &str, set: u64) -> Result<OwnedFd> {
    let path = format!("{HOST}/{directory}{path}");
    let tree = clone_tree(rustix::fs::CWD, &path, false).with_context(|| format!("clone {path}"))?;
    set_attr(tree.as_fd(), false, MountAttr { set, propagation: libc::MS_PRIVATE, ..MountAttr::default() })?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_all_layouts() {
        let hybrid = "12:cpu,cpuacct:/a\n1:name=systemd:/a/b\n0::/x\n";
        let expected = [("cpu,cpuacct", "/a"), ("systemd", "/a/b"), ("unified", "/x")];
        assert_eq!(parse(hybrid, false), expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
        assert_eq!(parse("0::/x:y\n", true), [(String::new(), "/x:y".to_owned())]);
        assert_eq!(parse("0::/../x\n3:a/b:/\nrubbish\n", false), []);
    }

    #[test]
    fn what_the_container_did_not_join_is_not_its_own() {
        let own = Some("/dhow/abc");
        assert!(is_own("/dhow/abc", own) && is_own("/user.slice/dhow/abc", own));
        for (path, own) in
            [("/", own), ("/dhow", own), ("/xdhow/abc/", own), ("/x/dhow/abcd", own), ("x/dhow/abc", own), ("/x", None)]
        {
            assert!(!is_own(path, own), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_leads_elsewhere(text in "([0-9]{0,2}:[a-z=,./]{0,8}:[/a-z.]{0,8}\n?){0,4}|\\PC{0,60}", unified: bool) {
            for (directory, path) in parse(&text, unified) {
                proptest::prop_assert!(!directory.contains('/') && path.starts_with('/'), "{directory:?} {path:?}");
                proptest::prop_assert!(path.split('/').all(|part| part != ".."), "{path:?}");
            }
        }
    }
}
