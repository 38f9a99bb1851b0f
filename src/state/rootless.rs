//! How an ordinary user's process becomes root in a namespace of its own, before it has any thread.
//!
//! 1. the user namespace of the process that `pause.json` names;
//! 2. else, under `pause.lock`: that of a live monitor, else a new one, whose maps `newuidmap` and `newgidmap` write
//!    from the files of subordinate ids (a map of one id where those are missing); then a keeper is started;
//! 3. a mount namespace of the process's own, which receives the host's mounts and gives none back.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::mount::MountPropagationFlags;

use super::config::storage::Storage;
use super::lock::Lock;
use super::pause::{self, PauseRecord};
use super::privilege::Privilege;
use super::subid::{self, Given, Stamp};
use super::{account, boot, record, scope};
use crate::model::container::{ContainerState, IdRange};
use crate::model::error::{Error, ErrorKind};
use crate::sys::clone::{self, CloneArgs, Cloned, Namespaces};
use crate::sys::{exec, pidfd, userns};

/// The answer of the process that has had the maps written.
const DONE: &str = "done";
/// How long another command may take to make the namespace.
const PATIENCE: Duration = Duration::from_secs(30);

/// Enters the user's namespaces. `root` is the store that was asked for, where live monitors are looked for. Returns what
/// a person should be told.
pub(crate) fn enter(privilege: &Privilege, root: Option<PathBuf>) -> Result<Vec<String>> {
    let Privilege::Rootless { uid, gid } = *privilege else { return Ok(Vec::new()) };
    let dir = privilege.run_root();
    prepare(&dir, uid)?;
    let kept = pause::read(&dir)
        .filter(|record| record.stamp == Stamp::now() && !record.is_single())
        .and_then(|record| pause::namespace_of(record.process, &record.boot));
    let warnings = match kept {
        Some(namespace) => join(&namespace).map(|()| Vec::new())?,
        None => {
            let data = match root {
                Some(root) => root,
                None => Storage::of_process(privilege)?.root.map_or_else(|| privilege.data_root(), Ok)?,
            };
            keep(&dir, &data, uid, gid)?
        }
    };
    own_mounts()?;
    Ok(warnings)
}

/// Makes the runtime directory and refuses one that somebody else could have planted (R15).
fn prepare(dir: &Path, uid: u32) -> Result<()> {
    let parent = dir.parent().context("the runtime directory has no parent")?;
    for path in [parent, dir] {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("create directory {}", path.display()));
            }
            _ => {}
        }
        let meta = fs::symlink_metadata(path).with_context(|| format!("stat {}", path.display()))?;
        if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o022 != 0 {
            let message = format!("the runtime directory {} is not this user's own", path.display());
            let hint = "log in as this user, or set XDG_RUNTIME_DIR to a directory that only this user can write";
            return Err(Error::new(ErrorKind::Denied, message).hint(hint).into());
        }
    }
    Ok(())
}

/// Finds or makes the namespace, enters it, and sees to it that somebody keeps it.
fn keep(dir: &Path, data: &Path, uid: u32, gid: u32) -> Result<Vec<String>> {
    let _lock = lock(&dir.join("pause.lock"))?;
    let stamp = Stamp::now();
    let wanted = Wanted::look(uid, gid)?;
    let is_wanted = |record: &PauseRecord| (&record.uids, &record.gids) == (&wanted.uids.map, &wanted.gids.map);
    let old = pause::read(dir);
    if let Some(old) = &old
        && let Some(namespace) = pause::namespace_of(old.process, &old.boot)
    {
        // After an edit of the files a new namespace is made as soon as nobody is left in this one.
        let stays = is_wanted(old);
        if stays || in_use(&namespace, old.process.pid)? {
            join(&namespace)?;
            if stays && old.stamp != stamp {
                pause::write(dir, &PauseRecord { stamp, ..old.clone() })?;
            }
            return Ok(Vec::new());
        }
    }
    let (uids, gids, warnings) = match monitor_namespace(data) {
        Some(namespace) => {
            join(&namespace)?;
            // As they are, not as they would be now.
            (own_map("uid_map")?, own_map("gid_map")?, Vec::new())
        }
        None => {
            make(&wanted, uid, gid)?;
            (wanted.uids.map.clone(), wanted.gids.map.clone(), wanted.warnings())
        }
    };
    // In the cgroup of a session it would keep that from ending, or end with it.
    let entered = scope::enter(uid);
    let process = pause::start(dir)?;
    let boot = boot::id().to_owned();
    let mut made = PauseRecord { version: record::VERSION, process, boot, uids, gids, stamp };
    if !is_wanted(&made) {
        // The next command looks at the files again.
        made.stamp = Stamp::default();
    }
    pause::write(dir, &made)?;
    let warning = entered.err().map(|error| format!("{error:#}"));
    Ok(warnings.into_iter().chain(warning).collect())
}

/// Waits for the lock without a thread: who has two cannot change its namespaces.
fn lock(path: &Path) -> Result<Lock> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = Lock::lease(path)? {
            return Ok(lock);
        }
        if Instant::now() > deadline {
            let message = format!("another process holds the lock {} for too long", path.display());
            return Err(Error::new(ErrorKind::Timeout, message)
                .hint("see what that process does; its end frees the lock")
                .into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The maps that the system allows this user now.
struct Wanted {
    uids: Given,
    gids: Given,
    /// `newuidmap` and `newgidmap`.
    helpers: Option<(PathBuf, PathBuf)>,
    /// What to do about a map of one id.
    missing: Vec<String>,
}

impl Wanted {
    fn look(uid: u32, gid: u32) -> Result<Self> {
        let name = account::name(uid);
        let names: Vec<String> = name.iter().cloned().chain([uid.to_string()]).collect();
        let name = name.unwrap_or_else(|| uid.to_string());
        let mut missing = Vec::new();
        let mut given = |own: u32, file: &str| -> Result<Given> {
            let entries = subid::parse(&subid::read(file)?);
            let given = subid::map(own, &names, &entries, file)?;
            if given.map.len() == 1 {
                missing.push(format!("add to {file}: {}", subid::proposal(&name, &entries)));
            }
            Ok(given)
        };
        let (uids, gids) = (given(uid, subid::SUBUID)?, given(gid, subid::SUBGID)?);
        let helpers = subid::helper("newuidmap").zip(subid::helper("newgidmap"));
        if helpers.is_none() {
            missing.push("install newuidmap and newgidmap, setuid root (package uidmap or shadow-utils)".to_owned());
        }
        if missing.is_empty() {
            return Ok(Self { uids, gids, helpers, missing });
        }
        let one = |outside| Given { map: vec![IdRange { inside: 0, outside, size: 1 }], warnings: Vec::new() };
        Ok(Self { uids: one(uid), gids: one(gid), helpers: None, missing })
    }

    fn warnings(&self) -> Vec<String> {
        if self.missing.is_empty() {
            return self.uids.warnings.iter().chain(&self.gids.warnings).cloned().collect();
        }
        let lines: String = self.missing.iter().map(|line| format!("\n  {line}")).collect();
        vec![format!("this user has one id only, so most images cannot be used. For more:{lines}")]
    }
}

/// Leaves for a new user namespace and has its maps written.
fn make(wanted: &Wanted, uid: u32, gid: u32) -> Result<()> {
    let Some((newuidmap, newgidmap)) = &wanted.helpers else {
        unshare_user()?;
        return userns::map_one(uid, gid).context("write the maps of the user namespace");
    };
    // The helpers must be started from outside: by a child that waits there until we have left.
    let (left, leaving) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make a pipe")?;
    let (answer, answering) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make a pipe")?;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    match clone::clone3(CloneArgs::default()).context("make a process")? {
        Cloned::Child => {
            drop((leaving, answer));
            let mut byte = [0_u8];
            // End of file: our parent is gone, or could not leave.
            if File::from(left).read(&mut byte).is_ok_and(|length| length == 1) {
                let write = |helper: &Path, map: &[IdRange]| {
                    subid::write_map(helper, own, map.iter().map(|range| [range.inside, range.outside, range.size]))
                };
                let done = write(newuidmap, &wanted.uids.map).and_then(|()| write(newgidmap, &wanted.gids.map));
                let text = done.err().map_or_else(|| DONE.to_owned(), |error| format!("{error:#}"));
                // A parent that does not listen any more needs no answer.
                drop(File::from(answering).write_all(text.as_bytes()));
            }
            exec::leave(0)
        }
        Cloned::Parent { pidfd, .. } => {
            drop((left, answering));
            let done = unshare_user().and_then(|()| Ok(File::from(leaving).write_all(&[1])?)).and_then(|()| {
                let mut text = String::new();
                File::from(answer).read_to_string(&mut text).context("hear from newuidmap")?;
                match text.as_str() {
                    DONE => Ok(()),
                    // A silence is no consent: a namespace without maps would be kept for every later command.
                    "" => Err(refused("the process that has its maps written was killed").into()),
                    why => Err(refused(why).into()),
                }
            });
            pidfd::reap(pidfd.as_fd()).context("reap a process")?;
            done
        }
    }
}

fn refused(text: &str) -> Error {
    let hint = format!(
        "see that {} and {} give this user ids, and that newuidmap is setuid root",
        subid::SUBUID,
        subid::SUBGID
    );
    Error::unsupported(format!("cannot set up the user namespace: {text}")).hint(hint)
}

fn unshare_user() -> Result<()> {
    clone::unshare(Namespaces::USER).map_err(|error| {
        let hint = match error.raw_os_error() {
            Some(libc::ENOSPC) => "raise the sysctl user.max_user_namespaces",
            Some(libc::EPERM | libc::EACCES) => {
                "this host forbids it: see the sysctls kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns"
            }
            _ => "the kernel must be built with user namespaces",
        };
        Error::unsupported(format!("cannot make a user namespace: {error}")).hint(hint).into()
    })
}

fn join(namespace: &OwnedFd) -> Result<()> {
    clone::enter(namespace.as_fd(), Namespaces::USER).context("join the user namespace")
}

/// Leaves for a mount namespace of our own, into which the host's mounts go on to come. The working directory stays.
fn own_mounts() -> Result<()> {
    clone::unshare(Namespaces::MOUNT).map_err(|error| {
        let hint = "where AppArmor restricts user namespaces, dhow needs a profile with `userns,`, or the sysctl \
                    kernel.apparmor_restrict_unprivileged_userns=0";
        Error::unsupported(format!("no rights in the user namespace: {error}")).hint(hint)
    })?;
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM)
        .context("separate the mounts from the host's")
}

/// Whether any process but `keeper` lives in the user namespace.
fn in_use(namespace: &OwnedFd, keeper: i32) -> Result<bool> {
    for entry in fs::read_dir("/proc").context("list processes")? {
        let Some(pid) = entry.context("list processes")?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // What we may not look at is not ours, and what is gone is gone.
        if pid != keeper && userns::of(pid).is_ok_and(|other| userns::same(other, namespace).unwrap_or(false)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The user namespace of a live monitor of the store at `data`.
fn monitor_namespace(data: &Path) -> Option<OwnedFd> {
    fs::read_dir(data.join("containers")).ok()?.flatten().find_map(|entry| {
        let state: ContainerState = record::read(&entry.path().join("state.json")).ok()??;
        pause::namespace_of(state.monitor?, &state.boot)
    })
}

/// A map of this process, whose user namespace is not the host's.
fn own_map(file: &str) -> Result<Vec<IdRange>> {
    let text = fs::read_to_string(format!("/proc/self/{file}")).with_context(|| format!("read {file}"))?;
    parse_map(&text).with_context(|| format!("parse {file}"))
}

/// Reads a map as the kernel prints it.
pub(crate) fn parse_map(text: &str) -> Option<Vec<IdRange>> {
    let line = |line: &str| {
        let numbers: Vec<u32> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let [inside, outside, size] = *numbers.as_slice() else { return None };
        Some(IdRange { inside, outside, size })
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_a_map_or_not(text in "( *[0-9]{0,11} +[0-9]{0,11} +[0-9]{0,11}\n?){0,4}|\\PC{0,40}") {
            drop(parse_map(&text));
        }
    }
}
