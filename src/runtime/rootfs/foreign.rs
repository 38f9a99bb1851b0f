//! A bind whose source is in another container's mount namespace (`/proc/PID/root/dev/shm`). The kernel clones a mount only
//! for who is in the same mount namespace, so a short-lived process goes there and sends the detached tree back.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use crate::runtime::errand;
use crate::sys::clone::{Namespaces, enter};
use crate::sys::identity;
use crate::sys::mount::clone_tree;

/// The mount namespace and the path in it that `/proc/PID/root/PATH` means; None for any other path.
fn split(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut parts = path.components();
    let mut next = || match parts.next()? {
        Component::Normal(name) => name.to_str(),
        Component::RootDir => Some("/"),
        _ => None,
    };
    let (top, proc, pid, root) = (next()?, next()?, next()?, next()?);
    let process = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    let foreign = (top, proc, root) == ("/", "proc", "root") && process;
    foreign.then(|| (PathBuf::from(format!("/proc/{pid}/ns/mnt")), Path::new("/").join(parts.as_path())))
}

/// Clones the mount at a path of another process as that process sees it; None where `path` is none such.
pub(super) fn clone(path: &Path, recursive: bool) -> Result<Option<OwnedFd>> {
    let Some((namespace, inner)) = split(path) else { return Ok(None) };
    let namespace = File::open(&namespace).with_context(|| format!("open {}", namespace.display()))?;
    let tree = errand::mount(Namespaces::default(), || {
        identity::hide()
            .and_then(|()| enter(namespace.as_fd(), Namespaces::MOUNT))
            .context("enter the other container's mount namespace")?;
        Ok(clone_tree(rustix::fs::CWD, &inner, recursive)?)
    });
    tree.map(Some).with_context(|| format!("open {} as a mount", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_roots_of_processes_are_foreign() {
        let parts = |path: &str| split(Path::new(path)).map(|(ns, inner)| (ns.display().to_string(), inner));
        let shm = ("/proc/12/ns/mnt".to_owned(), PathBuf::from("/dev/shm"));
        assert_eq!(parts("/proc/12/root/dev/shm"), Some(shm));
        for other in
            ["/proc/self/root/x", "/proc/12/cwd/x", "/srv/12/root/x", "proc/12/root/x", "/proc/../12/root", "/"]
        {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
