//! Namespaces that are shared with the host or with another container.

use std::io::Write;

use super::stage;
use crate::support::{TestEnv, isolated, require};

fn link(env: &TestEnv, flags: &[&str], kind: &str) -> String {
    let path = format!("/proc/self/ns/{kind}");
    env.run(&[&["run", "--rm", "--network", "none"], flags, &["busybox", "readlink", &path]].concat()).ok()
}

#[test]
fn the_hosts_are_joined_where_asked() {
    isolated(|env| {
        stage::busybox(env);
        for kind in ["pid", "ipc", "uts"] {
            let own = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string();
            assert_eq!(link(env, &[&format!("--{kind}"), "host"], kind), own);
            assert_ne!(link(env, &[], kind), own);
        }
        env.run(&["run", "--rm", "-h", "x", "--uts", "host", "busybox"])
            .fails(125, "cannot set hostname when running in the host UTS namespace");
        assert_eq!(env.run(&["run", "--rm", "--network", "none", "-h", "named", "busybox", "hostname"]).ok(), "named");
    });
}

#[test]
fn another_containers_are_joined_with_its_shared_memory() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        env.run(&["exec", "box", "sh", "-c", "echo shared > /dev/shm/x"]).ok();
        for kind in ["pid", "ipc", "uts"] {
            let theirs = env.run(&["exec", "box", "readlink", &format!("/proc/self/ns/{kind}")]).ok();
            assert_eq!(link(env, &[&format!("--{kind}"), "container:box"], kind), theirs);
        }
        let run = |words: &[&str]| env.run(&[&["run", "--rm"], words].concat());
        let ipc = ["--network", "none", "--ipc", "container:box", "busybox", "cat", "/dev/shm/x"];
        assert_eq!(run(&ipc).ok(), "shared");
        let theirs = env.run(&["exec", "box", "readlink", "/proc/self/ns/net"]).ok();
        assert_eq!(run(&["--network", "container:box", "busybox", "readlink", "/proc/self/ns/net"]).ok(), theirs);
        run(&["--pid", "container:none", "busybox"]).fails(125, "no container with name or ID \"none\" found");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn maps_come_from_the_owner_that_is_named() {
    isolated(|env| {
        stage::busybox(env);
        std::fs::OpenOptions::new()
            .append(true)
            .open("/etc/subuid")
            .unwrap()
            .write_all(b"owner:700000:10\nowner:800000:20\n")
            .unwrap();
        std::fs::OpenOptions::new().append(true).open("/etc/subgid").unwrap().write_all(b"owner:900000:30\n").unwrap();
        let map = |flags: &[&str]| {
            let words = [
                &["run", "--rm", "--network", "none"],
                flags,
                &["busybox", "cat", "/proc/self/uid_map", "/proc/self/gid_map"],
            ];
            let text = env.run(&words.concat()).ok();
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        if require::maps_tmpfs() {
            assert_eq!(map(&["--subuidname", "owner"]), ["0 700000 10", "10 800000 20", "0 900000 30"]);
        }
        let refused = |flags: &[&str], why: &str| {
            env.run(&[&["create"], flags, &["busybox"]].concat()).fails(125, why);
        };
        refused(&["--subuidname", "nobodys"], "no subuid ranges found for user \"nobodys\" in /etc/subuid");
        refused(&["--subuidname", "owner", "--userns", "host"], "mutually exclusive");
    });
}

#[test]
fn a_container_whose_namespace_another_has_joined_stays() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "1000"]).ok();
        env.run(&["run", "-d", "--name", "side", "--network", "container:web", "busybox", "sleep", "1000"]).ok();
        env.run(&["rm", "-f", "web"]).fails(125, "has dependent containers which must be removed before it");
        assert_eq!(env.run(&["inspect", "-f", "{{.State.Status}}", "web"]).text(), "running");
        env.run(&["rm", "-f", "-t", "0", "-a"]).ok();
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
    });
}
