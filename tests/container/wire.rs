//! Packets between network namespaces: sockets that this program opens inside containers, on the host, on a machine
//! beside it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::stage;
use crate::support::TestEnv;

/// How long a packet may take that is not dropped.
const LIMIT: Duration = Duration::from_secs(2);

/// The network namespace of a container's first process.
pub(crate) fn of(env: &TestEnv, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/ns/net", stage::inspect(env, name)["State"]["Pid"]))
}

pub(crate) fn host() -> PathBuf {
    PathBuf::from("/proc/1/ns/net")
}

/// The address of a container on the default bridge.
pub(crate) fn address(env: &TestEnv, name: &str) -> String {
    let address = &stage::inspect(env, name)["NetworkSettings"]["Networks"]["podman"]["IPAddress"];
    address.as_str().unwrap().to_owned()
}

/// Runs `work` in a thread that has entered `net`.
pub(crate) fn within<T: Send>(net: &Path, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(net).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

/// Connects from `from` to `to` while `server` listens on `port`; who the server sees, None when nothing arrives.
pub(crate) fn tcp(from: &Path, to: &str, server: &Path, port: u16) -> Option<String> {
    let listener = within(server, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    let to: SocketAddr = to.parse().unwrap();
    let stream = within(from, || TcpStream::connect_timeout(&to, LIMIT)).ok()?;
    // A relay may have taken the connection without passing it on.
    listener.set_nonblocking(true).unwrap();
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok((_, peer)) => break Some(peer.ip().to_string()),
            Err(_) if std::time::Instant::now() < deadline => std::thread::yield_now(),
            Err(_) => {
                drop(stream);
                break None;
            }
        }
    }
}

/// Sends a datagram and its answer; whether both arrive.
pub(crate) fn udp(from: &Path, to: &str, server: &Path, port: u16) -> bool {
    let listener = within(server, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    let client = within(from, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    for socket in [&listener, &client] {
        socket.set_read_timeout(Some(LIMIT)).unwrap();
    }
    // Connected: only an answer from where it was sent counts.
    client.connect(to).unwrap();
    client.send(b"ask").unwrap();
    let mut bytes = [0; 8];
    let Ok((_, peer)) = listener.recv_from(&mut bytes) else { return false };
    listener.send_to(b"answer", peer).unwrap();
    client.recv(&mut bytes).is_ok_and(|count| &bytes[..count] == b"answer")
}

/// Another machine, 192.0.2.2, on a wire to the host, 192.0.2.1.
pub(crate) struct Machine {
    process: Child,
    pub(crate) net: PathBuf,
}

impl Machine {
    #[allow(unsafe_code)]
    pub(crate) fn new() -> Self {
        let mut command = Command::new("/bin/sleep");
        command.arg("1000");
        // SAFETY: one system call between fork and exec.
        unsafe { command.pre_exec(|| Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?)) };
        let process = command.spawn().unwrap();
        let pid = process.id();
        let machine = Self { process, net: PathBuf::from(format!("/proc/{pid}/ns/net")) };
        ip(&format!("link add wire type veth peer name eth0 netns {pid}"));
        ip("addr add 192.0.2.1/24 dev wire");
        ip("link set wire up");
        within(&machine.net, || {
            ip("addr add 192.0.2.2/24 dev eth0");
            ip("link set eth0 up");
        });
        machine
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        ip("link del wire");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
}
