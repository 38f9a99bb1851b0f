//! The process that keeps an ordinary user's namespace between commands: its record, and the process itself.
//!
//! `$XDG_RUNTIME_DIR/dhow/pause.json` names it; `pause.lock` is held by who makes another. The process ends when the
//! record names another one or none, or when the directory goes, as at logout. So replacing the record is enough to
//! replace the process, and one whose maker was killed before it wrote the record ends by itself.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, inotify};
use serde::{Deserialize, Serialize};

use super::record::{self, Durability};
use super::subid::Stamp;
use crate::model::container::{IdRange, ProcessRef};
use crate::sys::spawn::{self, Program};
use crate::sys::{identity, process, userns};

/// The program's name in this role: `dhow pause` is also a command.
pub(crate) const PROGRAM: &str = "dhow-pause";
const RECORD: &str = "pause.json";
/// How long a new process waits to be named in the record.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a named one looks without having been told of a change: where there is no such telling, as on some file
/// systems of a network.
const ROUND: Duration = Duration::from_secs(600);

/// Who keeps the namespace, and what its maps were made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PauseRecord {
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) process: ProcessRef,
    pub(crate) boot: String,
    pub(crate) uids: Vec<IdRange>,
    pub(crate) gids: Vec<IdRange>,
    pub(crate) stamp: Stamp,
}

impl PauseRecord {
    /// Whether the user has no other id than their own.
    pub(crate) fn is_single(&self) -> bool {
        self.uids.len() < 2 || self.gids.len() < 2
    }
}

/// Reads the record; one that cannot be read is as good as none: it is made anew.
pub(crate) fn read(dir: &Path) -> Option<PauseRecord> {
    record::read(&dir.join(RECORD)).ok().flatten()
}

/// Replaces the record.
pub(crate) fn write(dir: &Path, pause: &PauseRecord) -> Result<()> {
    record::write(&dir.join(RECORD), pause, Durability::Lazy)
}

/// Forgets who keeps the namespace in the runtime directory `dir`; that process then ends. Whether there was one.
pub(crate) fn forget(dir: &Path) -> Result<bool> {
    match std::fs::remove_file(dir.join(RECORD)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).context("forget who keeps the user namespace"),
    }
}

/// The user namespace of a live process that a record of boot `boot` names, if it is one that this user made and that
/// lies directly below ours.
pub(crate) fn namespace_of(named: ProcessRef, boot: &str) -> Option<OwnedFd> {
    if boot != super::boot::id() {
        return None;
    }
    let pidfd = process::open(named.pid, named.start_time).ok()??;
    let namespace = userns::of(named.pid).ok()?;
    // Only now, alive, is what was opened by number surely of that process.
    if process::wait(&pidfd, Some(Duration::ZERO)).ok()? {
        return None;
    }
    let ours = userns::owner(namespace.as_fd()).ok()? == rustix::process::geteuid().as_raw();
    let below = userns::same(userns::parent(namespace.as_fd()).ok()?, userns::own().ok()?).ok()?;
    (ours && below).then_some(namespace)
}

/// Starts the process, in the user namespace of the caller, for the runtime directory `dir`.
pub(crate) fn start(dir: &Path) -> Result<ProcessRef> {
    let file = rustix::fs::open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .context("open our own binary")?;
    let null = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
    let arguments = [CString::new(PROGRAM)?, CString::from(c"pause"), CString::new(dir.as_os_str().as_bytes())?];
    let stdio = [null.as_fd(); 3];
    let program = Program {
        file: file.as_fd(),
        arguments: &arguments,
        environment: &[],
        stdio,
        fds: &[],
        cgroup: None,
        entrances: &[],
    };
    let (pid, _pidfd) = spawn::spawn(&program).context("start the process that keeps the user namespace")?;
    let pid = pid.as_raw_nonzero().get();
    let start_time = process::start_time(pid).context("the process that keeps the user namespace ended at once")?;
    Ok(ProcessRef { pid, start_time })
}

/// The process: `pause DIR`.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let [dir] = args else { return ExitCode::FAILURE };
    // For listings of processes; it changes nothing else.
    rustix::thread::set_name(c"dhow-pause").ok();
    // What lives in the namespace must not look into its keeper.
    match identity::hide().map_err(anyhow::Error::from).and_then(|()| keep(&PathBuf::from(dir))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Waits until nobody wants this process.
fn keep(dir: &Path) -> Result<()> {
    let (pid, start_time) = process::own()?;
    let own = ProcessRef { pid, start_time };
    // Before the first look: no change falls between the two.
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    let events = inotify::WatchFlags::MOVED_TO
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::MOVE_SELF
        | inotify::WatchFlags::DELETE_SELF
        | inotify::WatchFlags::ONLYDIR;
    inotify::add_watch(&watch, dir, events)?;
    let born = Instant::now();
    let mut was_named = false;
    loop {
        let named = read(dir).is_some_and(|record| record.process == own);
        let given_up = was_named || born.elapsed() >= PATIENCE || !dir.is_dir();
        if !named && given_up {
            return Ok(());
        }
        was_named |= named;
        let limit = if named { ROUND } else { PATIENCE };
        match poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&Timespec::try_from(limit)?)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        drain(&watch)?;
    }
}

/// Takes the events away; what there is to know is on the disk.
fn drain(watch: &OwnedFd) -> Result<()> {
    let mut buffer = [0_u8; 1024];
    loop {
        match rustix::io::read(watch, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_and_strangers_are_not_joined() {
        let dir = std::env::temp_dir().join(format!("dhow-pause-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(read(&dir), None);
        let (pid, start_time) = process::own().unwrap();
        let one = vec![IdRange { inside: 0, outside: 1000, size: 1 }];
        let record = PauseRecord {
            version: record::VERSION,
            process: ProcessRef { pid, start_time },
            boot: crate::state::boot::id().to_owned(),
            uids: one.clone(),
            gids: one,
            stamp: Stamp::now(),
        };
        write(&dir, &record).unwrap();
        assert_eq!(read(&dir).unwrap(), record);
        assert!(record.is_single());
        // Our own namespace is not below ours; another boot and another start time are other processes.
        assert!(namespace_of(record.process, &record.boot).is_none());
        assert!(namespace_of(record.process, "another").is_none());
        assert!(namespace_of(ProcessRef { start_time: start_time + 1, ..record.process }, &record.boot).is_none());
        std::fs::write(dir.join(RECORD), "{").unwrap();
        assert_eq!(read(&dir), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
