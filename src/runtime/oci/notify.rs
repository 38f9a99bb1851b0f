//! `NOTIFY_SOCKET` of the runtime's caller: the container gets a socket of its own when it is created, and whoever starts it
//! (`start`, `run`) hears it there and tells the service manager, as runc and crun do. sd_notify(3).

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{MountBuilder, Spec};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::record::Container;
use crate::runtime::notify::{INSIDE, Notify, OPTIONS, SOCKET, make_directory};
use crate::sys::{notify, pidfd};

const VARIABLE: &str = "NOTIFY_SOCKET";
/// Bytes of one message at most.
const LENGTH: usize = 4096;

/// The service manager that waits to hear of what this process starts.
fn manager() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|address| !address.is_empty())
}

/// What the container's directory shows inside.
pub(crate) fn directory(container: &Container) -> PathBuf {
    container.directory.join("notify")
}

/// Gives the container its socket's directory and name, where a manager wants to hear of it. A bundle that names a socket
/// has its own.
pub(crate) fn share(mut spec: Spec, container: &Container) -> Result<Spec> {
    let named = |entry: &String| entry.split('=').next() == Some(VARIABLE);
    if manager().is_none() || spec.process().iter().flat_map(|process| process.env()).flatten().any(named) {
        return Ok(spec);
    }
    let mount = MountBuilder::default()
        .destination(INSIDE)
        .source(directory(container))
        .options(OPTIONS.map(str::to_owned))
        .build()
        .context("describe the mount of the notification socket")?;
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.push(mount);
    spec.set_mounts(Some(mounts));
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        env.push(format!("{VARIABLE}={INSIDE}/{SOCKET}"));
        process.set_env(Some(env));
    }
    Ok(spec)
}

/// Makes what `spec` shows of the container's directory.
pub(crate) fn prepare(spec: &Spec, container: &Container) -> Result<()> {
    let source = directory(container);
    let shown = |mount: &oci_spec::runtime::Mount| mount.source().as_deref() == Some(&source);
    if spec.mounts().iter().flatten().any(shown) { make_directory(&source) } else { Ok(()) }
}

/// The mount that [`share`] gave the container, which its stored specification does not have.
pub(crate) fn shared(container: &Container) -> Option<&'static str> {
    directory(container).is_dir().then_some(INSIDE)
}

/// Who hears a container while it is started, or as long as it runs.
pub(crate) struct Listener {
    notify: Notify,
    to: String,
    buffer: [u8; LENGTH],
}

impl Listener {
    /// Binds the socket of a container that was given one, if a manager listens; `main` is whom it is to watch.
    pub(crate) fn open(container: &Container, main: i32) -> Result<Option<Self>> {
        let Some(to) = manager().filter(|_| shared(container).is_some()) else { return Ok(None) };
        let path: &Path = &directory(container).join(SOCKET);
        Ok(Some(Self { notify: Notify::open(path, &to, Some(main))?, to, buffer: [0; LENGTH] }))
    }

    /// Passes on what waits, and says whether the container is ready by that.
    pub(crate) fn handle(&mut self) -> bool {
        self.notify.handle(&mut self.buffer)
    }

    /// Returns when the container is ready and the manager knows it, or when the command has ended.
    pub(crate) fn until_ready(mut self, command: BorrowedFd<'_>) -> Result<()> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.notify.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(command, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context("wait for the container to be ready"),
            }
            // What it said last, it said before its end.
            let ended = pidfd::ended_within(command, Some(std::time::Duration::ZERO))?;
            let ready = self.handle();
            if ready || ended {
                // A manager that has gone away, or does not read, is not the container's fault.
                drop(notify::barrier(&self.to));
                return Ok(());
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }
}
