//! The directories and files of one hierarchy: made, read, written, waited for, removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;

use super::driver::{Missing, Write};
use crate::model::error::{Error, ErrorKind};

/// How long processes may take to stop, or to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a file whole.
pub(super) fn read(dir: &Path, file: &str) -> io::Result<String> {
    fs::read_to_string(dir.join(file))
}

/// Reads a number; `max` is none.
pub(super) fn number(dir: &Path, file: &str) -> Option<u64> {
    read(dir, file).ok()?.trim().parse().ok()
}

/// Finds the number after `key` in lines of pairs.
pub(super) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Writes a value, in one call as the kernel wants it, into a file that is there.
pub(super) fn write(dir: &Path, file: &str, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(dir.join(file))?;
    match file.write(value.as_bytes())? {
        length if length == value.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Carries out a planned write.
pub(super) fn perform(dir: &Path, plan: &Write) -> Result<()> {
    match write(dir, &plan.file, &plan.value) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match &plan.missing {
            Missing::Ignore => Ok(()),
            Missing::Instead(other) => perform(dir, other),
            Missing::Error => Err(unsupported(&plan.controller, &format!("this kernel has no {}", plan.file))),
        },
        Err(error) => Err(error).with_context(|| format!("write {:?} to cgroup file {}", plan.value, plan.file)),
    }
}

/// The error for a limit that cannot be given.
pub(super) fn unsupported(controller: &str, why: &str) -> anyhow::Error {
    Error::new(ErrorKind::Unsupported, format!("the cgroup controller {controller} is not available: {why}")).into()
}

/// Makes the directory `path` (like `/dhow/ID`) below `mount`, and calls `visit` for each directory above the last.
pub(super) fn make(mount: &Path, path: &str, mut visit: impl FnMut(&Path, &Path) -> Result<()>) -> Result<()> {
    let mut dir = mount.to_owned();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let next = dir.join(name);
        match fs::create_dir(&next) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.with_context(|| format!("make cgroup {}", next.display()))?,
        }
        visit(&dir, &next)?;
        dir = next;
    }
    Ok(())
}

/// Lists the processes in `dir` and below; a directory that is gone has none.
pub(super) fn processes(dir: &Path) -> Result<Vec<i32>> {
    let mut pids = own_processes(dir)?;
    for child in children(dir)? {
        pids.extend(processes(&child)?);
    }
    Ok(pids)
}

/// Lists the processes in `dir` itself.
pub(super) fn own_processes(dir: &Path) -> Result<Vec<i32>> {
    let text = match read(dir, "cgroup.procs") {
        Ok(text) => text,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        // A threaded cgroup: its processes are listed in its domain.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read the processes of cgroup {}", dir.display())),
    };
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Lists the directories in `dir`.
pub(super) fn children(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("list cgroup {}", dir.display())),
    };
    Ok(entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            entry.file_type().ok()?.is_dir().then(|| entry.path())
        })
        .collect())
}

/// Removes `dir` and what is below it. Its processes may still be ending: waits for them by the events of `unified`,
/// the directory of cgroup v2, if there is one, else by trying again.
pub(super) fn remove(dir: &Path, unified: Option<&Path>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        match remove_once(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {}
            Err(error) => return Err(error).with_context(|| format!("remove cgroup {}", dir.display())),
        }
        if let Some(unified) = unified {
            wait_event(unified, "populated", 0, deadline)?;
        }
        // Nobody in it, and the kernel still lets go of it: no event tells when it has.
        rest(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn remove_once(dir: &Path) -> io::Result<()> {
    // A rmdir that succeeds is the common case; only what refuses is looked into.
    match fs::remove_dir(dir) {
        Ok(()) => return Ok(()),
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) if error.raw_os_error() != Some(libc::EBUSY) => return Err(error),
        Err(_) => {}
    }
    for child in children(dir).map_err(io::Error::other)? {
        remove_once(&child)?;
    }
    match fs::remove_dir(dir) {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

/// Says whether an error means that the cgroup is gone.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

/// Waits until `key` in `cgroup.events` is `wanted`; the kernel announces each change. Gone counts as reached.
pub(super) fn wait_event(dir: &Path, key: &str, wanted: u64, deadline: Instant) -> Result<bool> {
    let context = || format!("watch the events of cgroup {}", dir.display());
    let mut file = match File::open(dir.join("cgroup.events")) {
        Ok(file) => file,
        Err(error) if is_gone(&error) => return Ok(true),
        Err(error) => return Err(error).with_context(context),
    };
    loop {
        let mut text = String::new();
        match file.rewind().and_then(|()| file.read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Ok(true),
            Err(error) => return Err(error).with_context(context),
        }
        if keyed(&text, key) == Some(wanted) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut watched = [PollFd::new(&file, PollFlags::PRI)];
        match poll(&mut watched, Some(&timespec(left))) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).with_context(context),
        }
    }
}

/// Lets time pass where the kernel announces nothing.
pub(super) fn rest(time: Duration) {
    // Interrupted is as good as rested.
    let _ = poll(&mut [], Some(&timespec(time)));
}

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() }
}

/// Sends SIGKILL to each process that `dir` lists.
pub(super) fn signal_all(dir: &Path) -> Result<usize> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let pids = processes(dir)?;
    let open = |pid: &i32| Some((*pid, pidfd_open(Pid::from_raw(*pid)?, PidfdFlags::empty()).ok()?));
    let opened: Vec<_> = pids.iter().filter_map(open).collect();
    // Descriptors first, then the list again: a number that was reused meanwhile is not in it.
    let still = processes(dir)?;
    for (pid, pidfd) in opened.iter().filter(|(pid, _)| still.contains(pid)) {
        match pidfd_send_signal(pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error).with_context(|| format!("kill process {pid}")),
        }
    }
    Ok(pids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_has_the_key_or_not(text in "([a-z_]{0,8} ?[0-9-]{0,22}\n?){0,5}|\\PC{0,60}", key in "[a-z_]{1,8}", value: u64) {
            let _ = keyed(&text, &key);
            proptest::prop_assert_eq!(keyed(&format!("{key}x 1\n{key} {value}\n"), &key), Some(value));
        }
    }
}
