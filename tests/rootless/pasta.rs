//! A network of the container's own through an installed pasta: the way out, the published ports, and that the process
//! which serves it lives as long as the container.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::census::{command_line, pids};
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};
use crate::{require, stage, user, wire};

/// How long a packet may take that is not dropped.
const LIMIT: Duration = Duration::from_secs(5);

/// The only pasta that lives here.
#[track_caller]
fn pasta() -> u32 {
    let found = pastas();
    assert_eq!(found.len(), 1, "one pasta is due: {found:?}");
    found[0]
}

fn pastas() -> Vec<u32> {
    pids().into_iter().filter(|pid| command_line(*pid).contains("pasta --config-net")).collect()
}

/// A question and an answer from `from` to `to` while `server` listens on `port`; whom the server sees. The one who
/// connects speaks first: pasta of 2023 on a new kernel lets a handshake lie until then.
fn tcp(from: &Path, to: &str, server: &Path, port: u16) -> Option<String> {
    let listener = wire::within(server, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    let to: SocketAddr = to.parse().unwrap();
    let mut client = wire::within(from, || TcpStream::connect_timeout(&to, LIMIT)).ok()?;
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.write_all(b"ask").ok()?;
    listener.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + LIMIT;
    let (mut connection, peer) = loop {
        match listener.accept() {
            Ok(accepted) => break accepted,
            Err(_) if Instant::now() < deadline => std::thread::yield_now(),
            Err(_) => return None,
        }
    };
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    let mut bytes = [0; 6];
    connection.read_exact(&mut bytes[..3]).ok()?;
    assert_eq!(&bytes[..3], b"ask");
    connection.write_all(b"answer").ok()?;
    client.read_exact(&mut bytes).ok()?;
    assert_eq!(&bytes, b"answer");
    Some(peer.ip().to_string())
}

/// Whether a datagram arrives. The answer to the host's own address is lost by pasta of 2023.
fn datagram(from: &Path, to: &str, server: &Path, port: u16) -> bool {
    let listener = wire::within(server, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    let client = wire::within(from, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    listener.set_read_timeout(Some(LIMIT)).unwrap();
    client.send_to(b"ask", to).unwrap();
    let mut bytes = [0; 8];
    listener.recv(&mut bytes).is_ok_and(|length| &bytes[..length] == b"ask")
}

#[test]
fn a_container_has_a_network_of_its_own_by_default() {
    require!(root, newuidmap, busybox, pasta, tun, ip);
    isolated(|env| {
        user::tun(env, 0o666);
        user::busybox(env);
        let machine = wire::uplink();
        let (host, other) = (wire::host(), &machine.net);
        let ports = ["-p", "8080:80", "-p", "127.0.0.1:8081:81", "-p", "7000-7001:90-91", "-p", "5353:53/udp"];
        user::sleeper(env, "a", &ports);
        let a = user::net(env, "a");
        assert_eq!(tcp(&a, "192.0.2.2:1234", other, 1234).as_deref(), Some("192.0.2.1"), "out");
        assert!(wire::udp(&a, "192.0.2.2:1235", other, 1235), "out");
        for (what, from, to, port) in [
            ("loopback", &host, "127.0.0.1:8080", 80),
            ("own address", &host, "192.0.2.1:8080", 80),
            ("other machine", other, "192.0.2.1:8080", 80),
            ("one address", &host, "127.0.0.1:8081", 81),
            ("range", &host, "127.0.0.1:7001", 91),
        ] {
            assert!(tcp(from, to, &a, port).is_some(), "{what}");
        }
        assert_eq!(tcp(other, "192.0.2.1:8080", &a, 80).as_deref(), Some("192.0.2.2"), "who asks is seen");
        for (what, from, to) in [
            ("loopback", &host, "127.0.0.1:5353"),
            ("own address", &host, "192.0.2.1:5353"),
            ("other machine", other, "192.0.2.1:5353"),
        ] {
            assert!(datagram(from, to, &a, 53), "{what}");
        }
        assert!(wire::udp(other, "192.0.2.1:5353", &a, 53), "question and answer");
        for (what, from, to, server) in [
            ("on loopback only", other, "192.0.2.1:8081", &a),
            ("not published", &host, "127.0.0.1:90", &a),
            ("the host's own services", &a, "127.0.0.1:90", &host),
        ] {
            let port = to.rsplit(':').next().unwrap().parse().unwrap();
            assert_eq!(tcp(from, to, server, port), None, "{what}");
        }
        let mut shown = env.user.run(&["port", "a"]).lines();
        shown.sort();
        let expected =
            ["53/udp -> 0.0.0.0:5353", "80/tcp -> 0.0.0.0:8080", "81/tcp -> 127.0.0.1:8081", "90/tcp -> 0.0.0.0:7000"];
        assert_eq!(shown[..4], expected);
        assert_eq!(user::inspect(env, "a")["HostConfig"]["NetworkMode"], "pasta");
        assert_eq!(user::inspect(env, "a")["NetworkSettings"]["IPAddress"], "192.0.2.1");
        assert_eq!(env.user.run(&["exec", "a", "head", "-n1", "/etc/resolv.conf"]).ok(), "nameserver 169.254.1.1");
        let served = pasta();
        env.user.run(&["stop", "-t", "0", "a"]).ok();
        user::gone(served);
        env.user.run(&["start", "a"]).ok();
        assert!(tcp(&host, "127.0.0.1:8080", &user::net(env, "a"), 80).is_some(), "started again");
        user::remove(env, "a");
        assert_eq!(pastas(), Vec::<u32>::new());
        drop(machine);
    });
}

#[test]
fn options_are_pastas_own() {
    require!(root, newuidmap, busybox, pasta, tun, ip);
    isolated(|env| {
        user::tun(env, 0o666);
        user::busybox(env);
        let machine = wire::uplink();
        let host = wire::host();
        user::sleeper(env, "a", &["--network", "pasta:-T,5000,-I,eth7,-a,192.0.2.77,-n,24"]);
        let a = user::net(env, "a");
        assert!(tcp(&a, "127.0.0.1:5000", &host, 5000).is_some(), "a port of the host's");
        assert_eq!(user::inspect(env, "a")["NetworkSettings"]["IPAddress"], "192.0.2.77");
        env.user.run(&["exec", "a", "test", "-d", "/sys/class/net/eth7"]).ok();
        user::remove(env, "a");
        // A pod's way: one network for two.
        user::sleeper(env, "a", &["-p", "8080:80"]);
        user::sleeper(env, "b", &["--network", "container:a"]);
        assert!(tcp(&host, "127.0.0.1:8080", &user::net(env, "b"), 80).is_some());
        for name in ["b", "a"] {
            user::remove(env, name);
        }
        drop(machine);
    });
}

#[test]
fn what_pasta_cannot_do_is_one_clear_error() {
    require!(root, newuidmap, busybox, pasta, tun, ip);
    isolated(|env| {
        user::tun(env, 0o600);
        user::busybox(env);
        let run = |env: &TestEnv, flags: &[&str]| {
            let outcome = env.user.run(&[&["run", "--rm"], flags, &["busybox", "true"]].concat());
            assert_eq!(env.user.run(&["ps", "-aq"]).ok(), "");
            assert_eq!(pastas(), Vec::<u32>::new());
            outcome
        };
        let machine = wire::uplink();
        let denied = run(env, &[]);
        denied.fails(125, "pasta failed: ");
        assert!(denied.stderr.contains("hint: see that /dev/net/tun is there"), "{denied}");
        std::fs::set_permissions("/dev/net/tun", PermissionsExt::from_mode(0o666)).unwrap();
        run(env, &[]).ok();
        let taken = TcpListener::bind("0.0.0.0:8080").unwrap();
        run(env, &["-p", "8080:80"]).fails(126, "address already in use");
        drop(taken);
        run(env, &["-p", "80:80"]).fails(125, "permission denied");
        run(env, &["--network", "pasta:--no-such-option"]).fails(125, "pasta failed: ");
        run(env, &["-p", "132:132/sctp"]).fails(125, "can't forward protocol: sctp");
        drop(machine);
        // Nothing to imitate.
        run(env, &[]).fails(125, "pasta failed: ");
        for network in ["none", "host"] {
            run(env, &["--network", network]).ok();
        }
        user::cover("/dev/null", "/usr/bin/pasta");
        let missing = run(env, &[]);
        missing.fails(125, "could not find pasta, the network namespace can't be configured");
        assert!(missing.stderr.contains("hint: install passt, or use --network none or host"), "{missing}");
        run(env, &["--network", "none"]).ok();
        nix::mount::umount("/usr/bin/pasta").unwrap();
    });
}

#[test]
fn pasta_ends_with_its_container_whoever_is_killed() {
    require!(root, newuidmap, busybox, pasta, tun, ip);
    isolated(|env| {
        user::tun(env, 0o666);
        user::busybox(env);
        let machine = wire::uplink();
        let host = wire::host();
        // The container's first process.
        user::sleeper(env, "a", &["-p", "8080:80"]);
        let served = pasta();
        stage::kill(user::pid(env, "a"));
        user::gone(served);
        user::remove(env, "a");
        // The monitor: a successor takes over, and the network never stops.
        user::sleeper(env, "a", &["-p", "8080:80"]);
        let served = pasta();
        let net = user::net(env, "a");
        stage::kill(stage::monitor());
        assert_eq!(env.user.run(&["ps", "--format", "{{.Names}} {{.State}}"]).ok(), "a running");
        assert!(tcp(&host, "127.0.0.1:8080", &net, 80).is_some());
        env.user.run(&["kill", "a"]).ok();
        user::gone(served);
        user::remove(env, "a");
        // Both, so that nobody is there to end pasta but the next command.
        user::sleeper(env, "a", &["-p", "8080:80"]);
        let (served, monitor, first) = (pasta(), stage::monitor(), user::pid(env, "a"));
        stage::kill(monitor);
        stage::kill(first);
        env.user.run(&["ps", "-a"]).ok();
        user::gone(served);
        user::remove(env, "a");
        // pasta itself: the container goes on without, and has one again when it is started again.
        user::sleeper(env, "a", &["-p", "8080:80"]);
        stage::kill(pasta());
        env.user.run(&["exec", "a", "true"]).ok();
        env.user.run(&["restart", "-t", "0", "a"]).ok();
        assert!(tcp(&host, "127.0.0.1:8080", &user::net(env, "a"), 80).is_some());
        user::remove(env, "a");
        // A foreground container and its client.
        let mut client = env.user.dhow(&["run", "--rm", "--name", "a", "busybox", "sleep", "1000"]).spawn().unwrap();
        eventually("it runs", || env.user.run(&["ps", "-q"]).lines().len() == 1);
        let served = pasta();
        client.kill().unwrap();
        client.wait().unwrap();
        env.user.run(&["stop", "-t", "0", "a"]).ok();
        user::gone(served);
        drop(machine);
    });
}
