//! The clients of a monitor: the foreground one, which came with the start, and later ones on the socket `attach`.
//!
//! The foreground client exerts back-pressure: while its socket is full, the container's output is not read. A later one
//! that does not keep up is disconnected, and freed at once. The socket is a path (0600) in a directory (0700), and its
//! peers are checked: the same user or root.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::event::epoll::EventFlags;
use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::frame::{self, Sent};
use crate::model::error::Error;

/// No more clients than this at once.
pub(crate) const CLIENTS: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 8;

/// Binds the socket at `path`.
pub(crate) fn listen(path: &Path) -> Result<OwnedFd> {
    let what = || format!("bind {}", path.display());
    crate::state::paths::remove_file(path).with_context(what)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).with_context(what)?;
    // The inode gets the socket's own mode: set before, there is no moment in which it is open to others.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).with_context(what)?;
    rustix::net::bind(&socket, &address(path)?.1).with_context(what)?;
    rustix::net::listen(&socket, BACKLOG).with_context(what)?;
    Ok(socket)
}

/// The address of the socket at `path`, which may have any length: by its directory, whose descriptor comes with it.
fn address(path: &Path) -> Result<(OwnedFd, SocketAddrUnix)> {
    let dir = path.parent().unwrap_or_else(|| Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(dir, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Err(not_running()).with_context(|| format!("open {}", dir.display())),
        opened => opened.with_context(|| format!("open {}", dir.display()))?,
    };
    let address = SocketAddrUnix::new(format!("{}/{name}", crate::sys::path::fd_path(&fd)));
    Ok((fd, address.context("make a socket address")?))
}

/// Connects to the monitor that listens at `path`.
pub(super) fn connect(path: &Path) -> Result<OwnedFd> {
    let what = || format!("attach to {}", path.display());
    let (_dir, address) = address(path)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .with_context(what)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(socket),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Err(not_running()).with_context(what),
        Err(error) => Err(error).with_context(what),
    }
}

/// What a client hears who finds no monitor.
fn not_running() -> Error {
    Error::state("no monitor accepts connections: the container does not run")
}

/// Accepts one connection whose peer may attach; `None` when there is none.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> Option<OwnedFd> {
    loop {
        match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => {
                let uid = socket_peercred(&socket).ok()?.uid;
                if uid.is_root() || uid == rustix::process::geteuid() {
                    return Some(socket);
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => {}
            Err(_) => return None,
        }
    }
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    socket: OwnedFd,
    /// What epoll was told; none: not registered.
    pub(crate) watched: Option<EventFlags>,
    /// It hung up; what it said before is still to be read.
    pub(crate) hung_up: bool,
}

impl Client {
    /// Greets a new client. One that hung up already may have said something before: it is read like the others.
    pub(crate) fn greet(socket: OwnedFd, tty: bool, stdin: bool) -> Self {
        frame::put(&socket, &frame::hello(tty, stdin));
        Self { socket, watched: None, hung_up: false }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Everything that the foreground client has still to get, in order.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// While the container runs at most one frame, whose buffer is kept; what it left in its pipes at its end, and
    /// `Exit`, come here too, so that the record of the end need not wait for a client that is slow.
    frames: VecDeque<Vec<u8>>,
    spare: Vec<u8>,
}

impl Backlog {
    /// Makes the buffer for the one frame, once.
    pub(crate) fn new() -> Self {
        Self { frames: VecDeque::with_capacity(4), spare: Vec::with_capacity(frame::FRAME) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
    }

    /// Sends `frame` after what waits already, or keeps it. `false`: the client is gone.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, frame: &[u8]) -> bool {
        if !self.flush(socket) {
            return false;
        }
        if self.frames.is_empty() {
            match frame::put(socket, frame) {
                Sent::Done => return true,
                Sent::Gone => return false,
                Sent::Full => {}
            }
        }
        let mut kept = std::mem::take(&mut self.spare);
        kept.clear();
        kept.extend_from_slice(frame);
        self.frames.push_back(kept);
        true
    }

    /// Sends what waits, as far as it goes. `false`: the client is gone.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> bool {
        while let Some(frame) = self.frames.front() {
            match frame::put(socket, frame) {
                Sent::Done => self.spare = self.frames.pop_front().unwrap_or_default(),
                Sent::Full => return true,
                Sent::Gone => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// R34.
    #[test]
    fn the_socket_is_ours_alone_however_long_its_path() {
        let dir = std::env::temp_dir().join(format!("dhow-attach-{}-{}", std::process::id(), "x".repeat(150)));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = listen(&dir.join("attach")).unwrap();
        let mode = std::fs::metadata(dir.join("attach")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(accept(listener.as_fd()).is_none());
        let again = listen(&dir.join("attach")).expect("what a dead monitor left is replaced");
        drop(again);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// R34: who reaches the socket is asked who he is all the same.
    #[test]
    fn another_user_is_not_accepted() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
        let dir = std::env::temp_dir().join(format!("dhow-peer-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = listen(&dir.join("attach")).unwrap();
        std::fs::set_permissions(dir.join("attach"), PermissionsExt::from_mode(0o666)).unwrap();
        for (uid, accepted) in [(65534, false), (0, true)] {
            let path = dir.join("attach");
            // The ids of one thread.
            let connected = std::thread::spawn(move || {
                let uid = rustix::process::Uid::from_raw(uid);
                rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
                connect(&path).unwrap()
            });
            let socket = connected.join().unwrap();
            assert_eq!(accept(listener.as_fd()).is_some(), accepted, "{uid}");
            drop(socket);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_backlog_keeps_order_and_tells_the_end() {
        let (ours, theirs) = frame::pair().unwrap();
        let mut backlog = Backlog::new();
        let count = 40_u8;
        for n in 0..count {
            let mut frame = vec![n; frame::FRAME];
            frame[0] = frame::STDOUT;
            assert!(backlog.send(ours.as_fd(), &frame));
        }
        assert!(!backlog.is_empty() && backlog.frames.iter().map(Vec::len).sum::<usize>() < 40 * frame::FRAME);
        let mut buffer = vec![0; frame::FRAME];
        for n in 0..count {
            assert_eq!(frame::take(&theirs, &mut buffer), frame::Got::Frame(frame::FRAME), "{n}");
            assert_eq!(buffer[1], n);
            assert!(backlog.flush(ours.as_fd()));
        }
        drop(theirs);
        assert!(!backlog.send(ours.as_fd(), &[frame::STDOUT]));
    }
}
