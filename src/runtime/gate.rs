//! The gate at which a container that was created waits for `start`, which is another process than its maker.
//!
//! It is a listening `SOCK_SEQPACKET` socket in the container's own directory (0700). Who connects gets a [`Channel`] to
//! init and says `Start` there, and hears how the command was executed; a connection on which nothing is said only asks
//! whether somebody waits. init alone holds the socket, and execve closes it: a connection that is refused means that the
//! command runs, or that all is over, whoever was killed meanwhile.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::channel::{Channel, Message};

/// The name of the socket.
const NAME: &str = "start";
/// How many may knock at once.
const BACKLOG: i32 = 16;

/// The inner side.
pub(crate) struct Gate(OwnedFd);

impl Gate {
    /// Makes the gate in the container's directory.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let (_held, address) = address(directory)?;
        let socket = socket(SocketFlags::CLOEXEC)?;
        rustix::net::bind(&socket, &address).context("bind the socket for the start")?;
        std::fs::set_permissions(directory.join(NAME), std::fs::Permissions::from_mode(0o600))
            .context("close the socket for the start to others")?;
        rustix::net::listen(&socket, BACKLOG).context("listen for the start")?;
        Ok(Self(socket))
    }

    /// Waits for who says `Start`, and gives the conversation with them.
    pub(crate) fn wait(&self) -> Result<Channel> {
        loop {
            let visitor = match rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC) {
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                accepted => Channel::over(accepted.context("wait for the start")?),
            };
            if let Ok(Some((Message::Start, _))) = visitor.receive_with() {
                return Ok(visitor);
            }
        }
    }
}

impl AsRawFd for Gate {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_fd().as_raw_fd()
    }
}

/// Whether somebody waits at the gate in `directory`.
pub(crate) fn is_waiting(directory: &Path) -> Result<bool> {
    // The queue is full (EAGAIN) only while somebody listens.
    Ok(match connect(directory, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(_) | Err(Some(Errno::AGAIN)) => true,
        Err(Some(Errno::CONNREFUSED | Errno::NOENT)) => false,
        Err(Some(errno)) => return Err(errno).context("look whether the container waits"),
        Err(None) => false,
    })
}

/// Begins the conversation with who waits at the gate; `None` when nobody does.
pub(crate) fn knock(directory: &Path) -> Result<Option<Channel>> {
    match connect(directory, SocketFlags::CLOEXEC) {
        Ok(socket) => Ok(Some(Channel::over(socket))),
        Err(None | Some(Errno::CONNREFUSED | Errno::NOENT)) => Ok(None),
        Err(Some(errno)) => Err(errno).context("reach the container that waits"),
    }
}

/// The error is `None` where the directory is gone.
fn connect(directory: &Path, flags: SocketFlags) -> Result<OwnedFd, Option<Errno>> {
    let (_held, address) = address(directory).map_err(|error| error.downcast_ref().copied())?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

fn socket(flags: SocketFlags) -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).context("make a socket")
}

/// The address, by way of a descriptor: a path may be longer than the 108 bytes that an address takes.
fn address(directory: &Path) -> Result<(OwnedFd, SocketAddrUnix)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held =
        rustix::fs::open(directory, flags, Mode::empty()).with_context(|| format!("open {}", directory.display()))?;
    let address =
        SocketAddrUnix::new(format!("/proc/self/fd/{}/{NAME}", held.as_raw_fd())).context("make an address")?;
    Ok((held, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_opens_the_gate() {
        let long = "x".repeat(120);
        let directory = std::env::temp_dir().join(format!("dhow-gate-{}-{long}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        assert!(!is_waiting(&directory).unwrap());
        assert!(knock(&directory).unwrap().is_none());
        let gate = Gate::open(&directory).unwrap();
        let waiting = std::thread::spawn(move || gate.wait().map(|channel| channel.send(&Message::Executing)));
        for _ in 0..3 {
            assert!(is_waiting(&directory).unwrap());
        }
        let channel = knock(&directory).unwrap().unwrap();
        channel.send(&Message::Start).unwrap();
        channel.expect(&Message::Executing).unwrap();
        waiting.join().unwrap().unwrap().unwrap();
        // The gate is closed with its holder.
        assert!(!is_waiting(&directory).unwrap());
        assert!(knock(&directory).unwrap().is_none());
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(!is_waiting(&directory).unwrap());
    }
}
