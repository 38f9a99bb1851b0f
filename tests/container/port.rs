//! Published ports: from the host, from another machine, from other containers, over TCP and UDP.

use super::{stage, wire};
use crate::require;
use crate::support::image::Image;
use crate::support::isolated;

#[test]
fn a_published_port_is_reached_from_everywhere() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let other = wire::Machine::new();
        env.run(&["run", "-d", "--name", "a", "-p", "8080:80", "-p", "5353:53/udp", "busybox", "sleep", "1000"]).ok();
        env.run(&["run", "-d", "--name", "b", "busybox", "sleep", "1000"]).ok();
        let (a, b, host) = (wire::of(env, "a"), wire::of(env, "b"), wire::host());
        for (what, from, to) in [
            ("loopback", &host, "127.0.0.1:8080"),
            ("own address", &host, "192.0.2.1:8080"),
            ("other machine", &other.net, "192.0.2.1:8080"),
            ("other container", &b, "192.0.2.1:8080"),
            ("itself", &a, "192.0.2.1:8080"),
        ] {
            assert!(wire::tcp(from, to, &a, 80).is_some(), "{what}");
        }
        assert_eq!(wire::tcp(&other.net, "192.0.2.1:8080", &a, 80).as_deref(), Some("192.0.2.2"), "who asks is seen");
        for (what, from, to) in [
            ("loopback", &host, "127.0.0.1:5353"),
            ("own address", &host, "192.0.2.1:5353"),
            ("other machine", &other.net, "192.0.2.1:5353"),
            ("other container", &b, "192.0.2.1:5353"),
        ] {
            assert!(wire::udp(from, to, &a, 53), "{what}");
        }
        assert_eq!(env.run(&["port", "a", "80"]).ok(), "0.0.0.0:8080");
        let mut lines = env.run(&["port", "a"]).lines();
        lines.sort();
        assert_eq!(lines, ["53/udp -> 0.0.0.0:5353", "80/tcp -> 0.0.0.0:8080"]);
        env.run(&["run", "--rm", "-p", "8080:81", "busybox"]).fails(126, "address already in use");
        env.run(&["rm", "-f", "-t", "0", "a", "b"]).ok();
        drop(other);
        env.nothing_is_left();
    });
}

#[test]
fn ranges_addresses_and_random_ports() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        let flags = ["-p", "7000-7001:80-81", "-p", "127.0.0.1:9000:90", "-p", "91"];
        env.run(&[&["run", "-d", "--name", "a"], &flags[..], &["busybox", "sleep", "1000"]].concat()).ok();
        let (a, host) = (wire::of(env, "a"), wire::host());
        assert!(wire::tcp(&host, "127.0.0.1:7001", &a, 81).is_some());
        assert!(wire::tcp(&host, "127.0.0.1:9000", &a, 90).is_some());
        let random = env.run(&["port", "a", "91"]).ok();
        let port = random.strip_prefix("0.0.0.0:").unwrap();
        assert!(wire::tcp(&host, &format!("127.0.0.1:{port}"), &a, 91).is_some());
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn every_exposed_port_is_published() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        let exposed = serde_json::json!({"80/tcp": {}, "53/udp": {}});
        env.load(&Image::busybox().with("ExposedPorts", exposed), "server").ok();
        env.rebase();
        let words = ["run", "-d", "--name", "a", "-P", "--expose", "90-91", "server", "sleep", "1000"];
        env.run(&words).ok();
        let (a, host) = (wire::of(env, "a"), wire::host());
        let lines = env.run(&["port", "a"]).lines();
        let mut inside: Vec<_> = lines.iter().map(|line| line.split(" -> ").next().unwrap()).collect();
        inside.sort_unstable();
        assert_eq!(inside, ["53/udp", "80/tcp", "90/tcp", "91/tcp"]);
        for port in [80, 90, 91] {
            let published = env.run(&["port", "a", &port.to_string()]).ok();
            let (_, on) = published.rsplit_once(':').unwrap();
            assert!(wire::tcp(&host, &format!("127.0.0.1:{on}"), &a, port).is_some(), "{published}");
        }
        env.run(&["restart", "-t", "0", "a"]).ok();
        assert_eq!(env.run(&["port", "a"]).lines(), lines, "a container keeps its ports");
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.nothing_is_left();
    });
}

/// R31, CVE-2025-54388 and moby 45610: a port of the loopback is for the host alone, whatever another machine or container
/// routes to the host.
#[test]
fn a_port_of_the_loopback_is_for_the_host_alone() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let other = wire::Machine::new();
        env.run(&["run", "-d", "--name", "a", "-p", "127.0.0.1:9000:90", "busybox", "sleep", "1000"]).ok();
        env.run(&["run", "-d", "--name", "b", "--cap-add", "net_admin", "busybox", "sleep", "1000"]).ok();
        let (a, b, host) = (wire::of(env, "a"), wire::of(env, "b"), wire::host());
        assert!(wire::tcp(&host, "127.0.0.1:9000", &a, 90).is_some());
        let address = wire::address(env, "a");
        for words in [
            &format!("route add {address} via 192.0.2.1"),
            "rule add pref 1 table local",
            "rule del pref 0",
            "route add 127.0.0.1 via 192.0.2.1 table 7",
            "rule add pref 0 to 127.0.0.1 table 7",
        ] {
            other.ip(words);
        }
        wire::within(&other.net, || {
            for name in ["all", "eth0"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{name}/route_localnet"), "1").unwrap();
            }
        });
        for (what, from, to) in [
            ("the host's address", &other.net, "192.0.2.1:9000".to_owned()),
            ("the loopback of the host, routed there", &other.net, "127.0.0.1:9000".to_owned()),
            ("the container, routed there", &other.net, format!("{address}:90")),
            ("another container by the gateway", &b, "10.88.0.1:9000".to_owned()),
            ("another container by the host's address", &b, "192.0.2.1:9000".to_owned()),
        ] {
            assert_eq!(wire::tcp(from, &to, &a, 90), None, "{what}");
        }
        env.run(&["rm", "-f", "-t", "0", "a", "b"]).ok();
        drop(other);
        env.nothing_is_left();
    });
}
