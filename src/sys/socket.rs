//! Unix sockets of callers: reached by a path of any length, and given descriptors. unix(7).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

/// Connects to the stream socket at `path`. connect(2).
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let (_held, address) = address(path)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

/// The address of the socket at `path`, by way of a descriptor that has to live as long: a path may be longer than the
/// 108 bytes that an address takes.
fn address(path: &Path) -> io::Result<(OwnedFd, SocketAddrUnix)> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held = rustix::fs::open(parent, flags, Mode::empty())?;
    let address = Path::new("/proc/self/fd").join(held.as_raw_fd().to_string()).join(name);
    let address = SocketAddrUnix::new(&address)?;
    Ok((held, address))
}

/// Listens at `path` for the one who brings a descriptor. bind(2), listen(2).
pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let (_held, address) = address(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 1)?;
    Ok(socket)
}

/// A datagram socket at `path`. bind(2).
pub(crate) fn datagram(path: &Path) -> io::Result<UnixDatagram> {
    let (_held, address) = address(path)?;
    let socket = UnixDatagram::unbound()?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// Takes the descriptor that the first client of `listener` sends, within `limit`. accept(2), recvmsg(2), SCM_RIGHTS.
pub(crate) fn take(listener: &OwnedFd, limit: Duration) -> io::Result<OwnedFd> {
    wait(listener, limit)?;
    let socket = rustix::net::accept_with(listener, SocketFlags::CLOEXEC)?;
    wait(&socket, limit)?;
    let mut text = [0_u8; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [io::IoSliceMut::new(&mut text)];
    rustix::net::recvmsg(&socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let taken = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    taken.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no descriptor came"))
}

/// Waits for something to read, or for the other side's end. poll(2).
pub(super) fn wait(fd: &OwnedFd, limit: Duration) -> io::Result<()> {
    let limit = Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&limit))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Sends `fd` with `text`, which must not be empty. sendmsg(2), SCM_RIGHTS.
pub(crate) fn send(socket: &OwnedFd, fd: BorrowedFd<'_>, text: &[u8]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(text)], &mut ancillary, SendFlags::NOSIGNAL)?;
    if sent == text.len() { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WriteZero)) }
}
/// Receives a message of at most `longest` bytes and the first descriptor that comes with it; no byte is the end.
/// recvmsg(2), SCM_RIGHTS.
pub(crate) fn receive(socket: &OwnedFd, longest: usize) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; longest];
    let received = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    bytes.truncate(received.bytes);
    let fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let first = fds.flatten().next();
    Ok((bytes, first))
}
