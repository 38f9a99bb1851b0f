//! Work on a thread whose root, working directory, umask and mount namespace are its own: it enters, works and ends there,
//! and nothing of it is seen by the other threads.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::mount::MountPropagationFlags;
use rustix::thread::CapabilitiesSecureBits;

/// Runs `work` in the mount namespace that `namespace` refers to (a namespace file, or a pidfd since Linux 5.8).
pub(crate) fn in_mounts<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_thread(|| {
        unshare(CloneFlags::CLONE_FS)?;
        setns(namespace, CloneFlags::CLONE_NEWNS)?;
        Ok(work())
    })
}

/// Runs `work` in a copy of the caller's mount namespace that ends with it. No mount comes in or goes out.
pub(crate) fn in_private_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_thread(|| {
        unshare(CloneFlags::CLONE_NEWNS)?;
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        Ok(work())
    })
}

/// Runs `work` with `root` as its root and no umask: what it names by a path, it names in there.
pub(crate) fn in_root<T: Send>(root: impl AsFd + Sync, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_thread(|| {
        unshare(CloneFlags::CLONE_FS)?;
        rustix::process::fchdir(&root)?;
        rustix::process::chroot(".")?;
        rustix::process::umask(rustix::fs::Mode::empty());
        Ok(work())
    })
}

/// As [`in_root`]; what `work` makes belongs to the user and group of `owner` at first, and its rights stay what they are.
/// A mount that maps owners lets nobody make files whom its map does not know. setfsuid(2).
pub(crate) fn in_root_as<T: Send>(
    root: impl AsFd + Sync,
    owner: (u32, u32),
    work: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    in_root(root, || {
        rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        // They tell of no error but by the ids that are in force.
        setfsgid(gid);
        setfsuid(uid);
        if (setfsuid(uid), setfsgid(gid)) != (uid, gid) {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        Ok(work())
    })?
}

fn on_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let (done, id) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, || {
            let id = rustix::thread::gettid();
            (work(), Some(id))
        });
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => (Err(io::Error::other("a thread that works apart panicked")), None),
            Err(error) => (Err(error), None),
        }
    });
    // It told of its end a moment before the kernel takes it off the list; who clones next looks there.
    let task = id.map(|id| format!("/proc/self/task/{}", id.as_raw_nonzero()));
    while task.as_deref().is_some_and(|task| rustix::fs::stat(task).is_ok()) {
        std::thread::yield_now();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_one_thread_is_not_that_of_another() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = std::env::temp_dir().join(format!("dhow-apart-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("only")).unwrap();
        let root = std::fs::File::open(&dir).unwrap();
        assert!(in_root(&root, || std::path::Path::new("/only").is_dir()).unwrap());
        assert!(!std::path::Path::new("/only").exists());
        let mounted = in_private_mounts(|| {
            let tree = crate::sys::mount::clone_tree(rustix::fs::CWD, &dir, false).unwrap();
            let target = std::fs::File::open(dir.join("only")).unwrap();
            crate::sys::mount::attach(&tree, &target).unwrap();
            dir.join("only/only").is_dir()
        });
        assert!(mounted.unwrap() && !dir.join("only/only").exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
