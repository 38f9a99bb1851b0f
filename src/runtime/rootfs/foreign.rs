//! A bind whose source is in another container's mount namespace (`/proc/PID/root/dev/shm`). The kernel clones a mount only
//! for who is in the same mount namespace, so a short-lived process goes there and sends the detached tree back.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::runtime::channel::{Channel, Message};
use crate::sys::clone::{CloneArgs, Cloned, Namespaces, clone3, enter};
use crate::sys::exec::leave;
use crate::sys::identity;
use crate::sys::mount::clone_tree;
use crate::sys::pidfd;

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
    let (ours, theirs) = Channel::pair()?;
    match clone3(CloneArgs::default()).context("make a process that looks into the other container")? {
        Cloned::Child => {
            let tree = identity::hide()
                .and_then(|()| enter(namespace.as_fd(), Namespaces::MOUNT))
                .context("enter the other container's mount namespace")
                .and_then(|()| Ok(clone_tree(rustix::fs::CWD, &inner, recursive)?));
            let told = match tree {
                Ok(tree) => theirs.send_with(&Message::Mount, Some(&tree)),
                Err(error) => theirs.send(&Message::report(&error)),
            };
            leave(i32::from(told.is_err()))
        }
        Cloned::Parent { pidfd, .. } => {
            drop(theirs);
            let told = ours.receive();
            pidfd::reap(pidfd.as_fd())?;
            match told.with_context(|| format!("open {} as a mount", path.display()))? {
                (Message::Mount, Some(tree)) => Ok(Some(tree)),
                (message, _) => bail!("unexpected message {message:?} in place of a mount"),
            }
        }
    }
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
