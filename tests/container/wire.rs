//! Packets between network namespaces: sockets that this program opens inside containers, on the host, on a machine
//! beside it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
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

/// Writes the record of a bridge network whose subnets are those of the given gateways, as `network create` will.
pub(crate) fn network(env: &TestEnv, name: &str, gateways: &[&str]) {
    let subnets: Vec<_> = gateways
        .iter()
        .map(|gateway| {
            let subnet: ipnetwork::IpNetwork = gateway.parse().unwrap();
            let whole = format!("{}/{}", subnet.network(), subnet.prefix());
            serde_json::json!({"subnet": whole, "gateway": subnet.ip().to_string()})
        })
        .collect();
    let record = serde_json::json!({
        "version": 1, "name": name, "id": crate::support::image::digest(name.as_bytes())[7..], "driver": "bridge",
        "network_interface": format!("dhow-{name}"), "created": "2026-01-01T00:00:00Z", "subnets": subnets,
    });
    let directory = env.root.store.join("networks").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("network.json"), record.to_string()).unwrap();
}

/// The links of the host and the rules of its firewall, as text.
pub(crate) fn host_state() -> String {
    let output = Command::new("sh").args(["-c", "ip -o link; ip -o addr; nft list ruleset"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
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
    let to: SocketAddr = to.parse().unwrap();
    // One of IPv6 hears both.
    let any = if to.is_ipv6() { IpAddr::from(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
    let listener = within(server, || TcpListener::bind((any, port)).unwrap());
    let stream = within(from, || TcpStream::connect_timeout(&to, LIMIT)).ok()?;
    // A relay may have taken the connection without passing it on.
    listener.set_nonblocking(true).unwrap();
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        match listener.accept() {
            Ok((_, peer)) => break Some(peer.ip().to_canonical().to_string()),
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

    /// Runs `ip` on it.
    pub(crate) fn ip(&self, words: &str) {
        within(&self.net, || ip(words));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        ip("link del wire");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(crate) fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
}

/// A machine beside this one, which is also the way out: without one pasta finds nothing to imitate.
#[allow(dead_code)]
pub(crate) fn uplink() -> Machine {
    let machine = Machine::new();
    ip("route add default via 192.0.2.2");
    machine
}
