//! The default bridge: what a container sees of it, who reaches whom, and that nothing of it outlives its last container.

use std::process::Command;

use super::{stage, wire};
use crate::require;
use crate::support::census;
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};

/// One command in a new container, with its flags.
fn shown(env: &TestEnv, flags: &[&str], script: &str) -> String {
    env.run(&[&["run", "--rm"], flags, &["busybox", "sh", "-c", script]].concat()).ok()
}

#[test]
fn a_container_has_what_was_asked_for() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        let address = "ip -4 -o addr show eth0 | awk '{print $4}'";
        for (flags, script, expected) in [
            (&["--ip", "10.88.3.4"][..], address, "10.88.3.4/16"),
            (&[], "ip route | grep ^default | cut -d' ' -f3", "10.88.0.1"),
            (&["--mac-address", "02:00:00:00:00:07"], "cat /sys/class/net/eth0/address", "02:00:00:00:00:07"),
            (&["--network", "none"], "ls /sys/class/net", "lo"),
            (&["--hostname", "box"], "hostname; grep -c box /etc/hosts", "box\n1"),
            (&["--add-host", "db:192.0.2.7"], "grep -w db /etc/hosts", "192.0.2.7\tdb"),
            (&["--dns", "192.0.2.8"], "grep ^nameserver /etc/resolv.conf", "nameserver 192.0.2.8"),
            (&["--dns-search", "a.test"], "grep ^search /etc/resolv.conf", "search a.test"),
            (&["--dns-option", "ndots:3"], "grep ^options /etc/resolv.conf", "options ndots:3"),
        ] {
            assert_eq!(shown(env, flags, script), expected, "{flags:?}");
        }
        let host = std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
        assert_eq!(shown(env, &["--network", "host"], "readlink /proc/self/ns/net"), host);
        env.run(&["run", "-d", "--name", "a", "busybox", "sleep", "1000"]).ok();
        let own = env.run(&["exec", "a", "readlink", "/proc/self/ns/net"]).ok();
        assert_ne!(own, host);
        assert_eq!(shown(env, &["--network", "container:a"], "readlink /proc/self/ns/net"), own);
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.run(&["run", "--rm", "--ip", "10.99.0.1", "busybox"]).exits(125);
        env.nothing_is_left();
    });
}

#[test]
fn containers_and_the_host_reach_each_other() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        for name in ["a", "b"] {
            env.run(&["run", "-d", "--name", name, "busybox", "sleep", "1000"]).ok();
        }
        let (a, b) = (wire::of(env, "a"), wire::of(env, "b"));
        let (at_a, at_b) = (wire::address(env, "a"), wire::address(env, "b"));
        assert_ne!(at_a, at_b);
        let host = wire::host();
        assert_eq!(wire::tcp(&host, &format!("{at_a}:80"), &a, 80), Some("10.88.0.1".to_owned()));
        assert_eq!(wire::tcp(&b, &format!("{at_a}:80"), &a, 80), Some(at_b));
        assert_eq!(wire::tcp(&a, "10.88.0.1:81", &host, 81), Some(at_a));
        env.run(&["rm", "-f", "-t", "0", "a", "b"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_killed_container_leaves_no_link_and_no_rule() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        for monitor_too in [false, true] {
            env.run(&["run", "-d", "--name", "a", "-p", "8080:80", "busybox", "sleep", "1000"]).ok();
            let pid = u32::try_from(stage::inspect(env, "a")["State"]["Pid"].as_u64().unwrap()).unwrap();
            if monitor_too {
                stage::kill(stage::monitor());
            } else {
                stage::kill(pid);
            }
            env.run(&["rm", "-f", "-t", "0", "a"]).ok();
            env.nothing_is_left();
        }
    });
}

#[test]
fn a_stopped_container_has_nothing_and_gets_it_again() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let flags = ["-d", "--name", "a", "-p", "8080:80", "--network-alias", "web"];
        env.run(&[&["run"], &flags[..], &["busybox", "sleep", "1000"]].concat()).ok();
        let inspected = stage::inspect(env, "a");
        let id = inspected["Id"].as_str().unwrap().to_owned();
        let aliases = inspected["NetworkSettings"]["Networks"]["podman"]["Aliases"].as_array().unwrap().clone();
        assert!(aliases.contains(&"web".into()), "{aliases:?}");
        let leases = || std::fs::read_dir(env.root.store.join("networks/podman/leases")).unwrap().count();
        for again in [&["start", "a"][..], &["restart", "-t", "0", "a"]] {
            assert_eq!(leases(), 1);
            assert!(wire::host_state().contains(&id[..10]));
            env.run(&["stop", "-t", "0", "a"]).ok();
            assert_eq!(leases(), 0);
            // The kernel takes the link with the namespace, in its own time.
            eventually("its link goes", || !wire::host_state().contains(&id[..10]));
            assert_eq!(wire::tcp(&wire::host(), "127.0.0.1:8080", &wire::host(), 80), None);
            env.run(again).ok();
            assert!(wire::tcp(&wire::host(), "127.0.0.1:8080", &wire::of(env, "a"), 80).is_some());
        }
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn an_idle_bridge_goes_by_itself() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let before = wire::host_state();
        shown(env, &[], "true");
        eventually("the bridge is gone", || wire::host_state() == before);
        // Its attendant is killed: the next command sees to it.
        shown(env, &[], "true");
        let attendants = census::attendants();
        assert_eq!(attendants.len(), 1);
        stage::kill(attendants[0]);
        assert!(wire::host_state().contains("dhow0"));
        env.run(&["ps"]).ok();
        eventually("the bridge is gone", || wire::host_state() == before);
        // It leaves a network alone that somebody came to meanwhile.
        shown(env, &[], "true");
        env.run(&["run", "-d", "--name", "a", "busybox", "sleep", "1000"]).ok();
        eventually("the attendant is gone", || census::attendants().is_empty());
        assert!(
            wire::tcp(&wire::host(), &format!("{}:80", wire::address(env, "a")), &wire::of(env, "a"), 80).is_some()
        );
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_flushed_firewall_and_a_lost_bridge_come_back_with_the_next_start() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let other = wire::Machine::new();
        env.run(&["run", "-d", "--name", "a", "-p", "8080:80", "busybox", "sleep", "1000"]).ok();
        let a = wire::of(env, "a");
        // Without the firewall the monitor's socket serves, and the container sees the host.
        let reached = || wire::tcp(&other.net, "192.0.2.1:8080", &a, 80).as_deref() == Some("192.0.2.2");
        assert!(reached());
        assert!(Command::new("nft").args(["flush", "ruleset"]).status().unwrap().success());
        assert!(!reached());
        shown(env, &[], "true");
        assert!(reached());
        wire::ip("link del dhow0");
        assert!(!reached());
        shown(env, &[], "true");
        assert!(reached());
        // Nothing of it is needed to stop, or to start again.
        assert!(Command::new("nft").args(["flush", "ruleset"]).status().unwrap().success());
        wire::ip("link del dhow0");
        env.run(&["restart", "-t", "0", "a"]).ok();
        assert!(wire::tcp(&other.net, "192.0.2.1:8080", &wire::of(env, "a"), 80).is_some());
        assert!(Command::new("nft").args(["flush", "ruleset"]).status().unwrap().success());
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        drop(other);
        env.nothing_is_left();
    });
}

#[test]
fn ipv6_where_it_is_asked_for() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        wire::network(env, "six", &["10.90.0.1/24", "fd00:90::1/64"]);
        let flags = ["--network", "six", "--ip6", "fd00:90::77", "-p", "8080:80", "-p", "[::1]:9090:90"];
        env.run(&[&["run", "-d", "--name", "a"], &flags[..], &["busybox", "sleep", "1000"]].concat()).ok();
        let (a, host) = (wire::of(env, "a"), wire::host());
        let network = &stage::inspect(env, "a")["NetworkSettings"]["Networks"]["six"];
        assert_eq!(network["GlobalIPv6Address"], "fd00:90::77");
        assert_eq!(network["GlobalIPv6PrefixLen"], 64);
        assert_eq!(network["IPv6Gateway"], "fd00:90::1");
        assert_eq!(wire::tcp(&host, "[fd00:90::77]:80", &a, 80).as_deref(), Some("fd00:90::1"));
        for to in ["[::1]:8080", "127.0.0.1:8080", "[fd00:90::1]:8080"] {
            assert!(wire::tcp(&host, to, &a, 80).is_some(), "{to}");
        }
        assert!(wire::tcp(&host, "[::1]:9090", &a, 90).is_some());
        assert_eq!(wire::tcp(&host, "127.0.0.1:9090", &a, 90), None, "only ::1 was asked for");
        // The default network has none, and gives none out.
        assert_eq!(shown(env, &[], "ip -6 addr show dev eth0"), "");
        env.run(&["run", "--rm", "--ip6", "fd00:90::78", "busybox"]).fails(125, "not in any subnet");
        env.run(&["run", "--rm", "--ip6", "10.88.0.7", "busybox"]).exits(125);
        env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn networks_reach_each_other_by_published_ports_only() {
    require!(root, nft, ip);
    isolated(|env| {
        stage::busybox(env);
        let other = wire::Machine::new();
        wire::network(env, "red", &["10.91.0.1/24"]);
        let start = |name: &str, flags: &[&str]| {
            env.run(&[&["run", "-d", "--name", name], flags, &["busybox", "sleep", "1000"]].concat()).ok();
            wire::of(env, name)
        };
        let red = start("red", &["--network", "red", "--ip", "10.91.0.9", "-p", "8080:80"]);
        let plain = start("plain", &[]);
        let both = start("both", &["--network", "podman", "--network", "red"]);
        assert!(wire::tcp(&plain, "192.0.2.1:8080", &red, 80).is_some(), "published");
        assert_eq!(wire::tcp(&plain, "10.91.0.9:80", &red, 80), None, "by its address, published or not");
        assert_eq!(wire::tcp(&plain, "10.91.0.9:81", &red, 81), None);
        assert_eq!(wire::tcp(&plain, "192.0.2.1:81", &red, 81), None, "by the host's other address");
        assert!(wire::tcp(&both, "10.91.0.9:81", &red, 81).is_some(), "a member");
        // Another machine that routes to the containers through the host gets no further than the published port.
        other.ip("route add 10.91.0.0/24 via 192.0.2.1");
        assert_eq!(wire::tcp(&other.net, "10.91.0.9:81", &red, 81), None);
        assert!(wire::tcp(&other.net, "192.0.2.1:8080", &red, 80).is_some());
        env.run(&["rm", "-f", "-t", "0", "red", "plain", "both"]).ok();
        drop(other);
        env.nothing_is_left();
    });
}

#[test]
fn names_of_others_are_checked_before_anything_is_made() {
    require!(root);
    isolated(|env| {
        stage::busybox(env);
        for (flags, told) in [
            (&["--add-host", "x"][..], "bad format for add-host: \"x\""),
            (&["--add-host", "x:1.2.3"], "invalid IP address in add-host: \"1.2.3\""),
            (&["--add-host", "#x:1.2.3.4"], "hostname in host entry \"#x:1.2.3.4\" is empty or invalid"),
            (&["--add-host", "a b:1.2.3.4"], "bad format for add-host"),
            (&["--dns-search", "a b"], "invalid DNS search domain or option \"a b\""),
            (&["--dns-option", "a\nnameserver 192.0.2.1"], "invalid DNS search domain or option"),
        ] {
            env.run(&[&["create"], flags, &["busybox"]].concat()).fails(125, told);
        }
        env.nothing_is_left();
        let none = ["--network", "none", "--dns", "none"];
        assert_eq!(shown(env, &none, "cat /etc/resolv.conf 2>/dev/null || echo missing"), "missing");
        let gateway = ["--add-host", "gate:host-gateway"];
        assert_eq!(shown(env, &gateway, "grep gate /etc/hosts"), "10.88.0.1\tgate");
        env.nothing_is_left();
    });
}

#[test]
fn a_network_that_is_not_there_leaves_no_container() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "nosuch", "busybox", "true"];
        env.run(&words).fails(125, "unable to find network with name or ID nosuch: network not found");
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
    });
}

/// R32: nothing that another container says gives one an address, a route or a name server (CVE-2020-10749); R31: nothing
/// of the loopback's is routed.
#[test]
fn no_router_is_believed_and_no_loopback_is_routed() {
    require!(root, nft);
    isolated(|env| {
        stage::busybox(env);
        wire::network(env, "six", &["10.90.0.1/24", "fd00:90::1/64"]);
        let setting = |interface: &str, name: &str| {
            let path = format!("/proc/sys/net/ipv6/conf/{interface}/{name}");
            std::fs::read_to_string(path).unwrap().trim().to_owned()
        };
        for (network, interface, ipv6) in [("podman", "dhow0", false), ("six", "dhow-six", true)] {
            env.run(&[
                "run",
                "-d",
                "--name",
                "a",
                "--network",
                network,
                "-p",
                "127.0.0.1:9000:90",
                "busybox",
                "sleep",
                "1000",
            ])
            .ok();
            let inside =
                |name: &str| env.run(&["exec", "a", "cat", &format!("/proc/sys/net/ipv6/conf/eth0/{name}")]).ok();
            let bridge = |name: &str| setting(interface, name);
            if ipv6 {
                assert_eq!((inside("accept_ra"), bridge("accept_ra")), ("0".into(), "0".into()));
            } else {
                assert_eq!((inside("disable_ipv6"), bridge("disable_ipv6")), ("1".into(), "1".into()));
            }
            for interface in ["all", "default", interface] {
                let path = format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet");
                assert_eq!(std::fs::read_to_string(path).unwrap().trim(), "0", "{interface}");
            }
            env.run(&["rm", "-f", "-t", "0", "a"]).ok();
        }
        env.nothing_is_left();
    });
}
