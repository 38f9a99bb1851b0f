//! The loopback link of a new network namespace, which is born down.

use std::io;
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// Sets `lo` of the current network namespace up. netdevice(7), SIOCSIFFLAGS.
pub(crate) fn up() -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "libc's own constant and its own type of requests")]
    const REQUEST: libc::Ioctl = libc::SIOCSIFFLAGS as libc::Ioctl;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all-zero bytes are a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = libc::c_char::from_ne_bytes([*byte]);
    }
    // IFF_UP and IFF_RUNNING.
    request.ifr_ifru.ifru_flags = 0x1 | 0x40;
    // SAFETY: the request is a live ifreq with a terminated name; the kernel only reads it.
    if unsafe { libc::ioctl(socket.as_raw_fd(), REQUEST, &raw const request) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
