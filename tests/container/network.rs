//! The default bridge: what a container sees of it, who reaches whom, and that nothing of it outlives its last container.

use super::{stage, wire};
use crate::require;
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
            (&["--add-host", "db:192.0.2.7"], "grep db /etc/hosts", "192.0.2.7\tdb"),
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
