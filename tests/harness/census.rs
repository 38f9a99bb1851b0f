//! The census sees each kind of thing that can be left behind, and isolation keeps it from others.

use std::os::fd::AsFd;
use std::process::{Child, Command};

use crate::require;
use crate::support::{TestEnv, env, isolated, require};

/// Takes the difference that `leak` makes.
fn seen(env: &mut TestEnv, leak: impl FnOnce(&TestEnv)) -> Vec<String> {
    let before = env.census();
    leak(env);
    before.difference(&env.census())
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_idle_test_leaves_nothing() {
    isolated(|env| {
        assert!(std::process::id() > 1);
        assert_eq!(std::fs::read_link("/proc/self").unwrap().to_str().unwrap(), std::process::id().to_string());
        assert_eq!(std::fs::read_dir("/sys/class/net").unwrap().count(), 1, "only lo");
        env.nothing_is_left();
    });
}

#[test]
fn a_leaked_mount_is_seen() {
    isolated(|env| {
        let place = env.place.display().to_string();
        let found = seen(env, |env| sh(&format!("mkdir {p}/m; mount -t tmpfs x {p}/m", p = env.place.display())));
        assert_eq!(found, [format!("+ mount: tmpfs / on {place}/m")]);
        sh(&format!("umount {place}/m"));
    });
}

#[test]
fn a_leaked_overlay_of_another_namespace_is_seen() {
    isolated(|env| {
        let mut child = None;
        let found = seen(env, |env| {
            let script =
                "mkdir l u w m; mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m; echo >ready; exec sleep 100";
            let mut command = Command::new("unshare");
            command.args(["-m", "sh", "-ec", script]).current_dir(&env.place);
            child = Some(command.spawn().unwrap());
            env::eventually("the mount", || env.place.join("ready").exists());
        });
        let place = env.place.display();
        assert!(found.contains(&format!("+ mount: overlay / on {place}/m")), "{found:?}");
        assert!(found.contains(&"+ namespace: mnt".to_owned()), "{found:?}");
        assert!(found.contains(&"+ process: sleep 100".to_owned()), "{found:?}");
        end(&mut child.unwrap());
    });
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_leaked_link_address_and_route_are_seen() {
    require!(ip);
    isolated(|env| {
        let found = seen(env, |_| {
            sh("ip link add leak type dummy || ip link add leak type bridge; ip link set leak alias 0123; \
                ip address add 192.0.2.1/24 dev leak; ip link set leak up");
        });
        assert!(found.contains(&"+ link: leak alias \"0123\" mtu 1500".to_owned()), "{found:?}");
        assert!(found.contains(&"+ address: v4 192.0.2.1".to_owned()), "{found:?}");
        assert!(found.contains(&"+ address: route leak to 000200C0 by 00000000".to_owned()), "{found:?}");
        sh("ip link delete leak");
    });
}

#[test]
fn a_leaked_firewall_element_is_seen() {
    require!(nft);
    isolated(|env| {
        sh("nft add table inet t; nft 'add set inet t s { type ipv4_addr; }'");
        env.rebase();
        let found = seen(env, |_| sh("nft 'add element inet t s { 192.0.2.7 }'"));
        assert!(found.iter().any(|line| line.starts_with("+ nftables:") && line.contains("192.0.2.7")), "{found:?}");
        sh("nft 'delete element inet t s { 192.0.2.7 }'");
    });
}

#[test]
fn a_leaked_cgroup_is_seen_and_lies_in_the_tests_own() {
    require!(cgroup);
    isolated(|env| {
        let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let parent = if v2 { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" };
        let group = format!("{parent}/dhow-left");
        let found = seen(env, |_| std::fs::create_dir(&group).unwrap());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("+ cgroup:") && found[0].ends_with("/dhow-left"), "{found:?}");
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        assert!(!own.contains("dhow-test"), "the namespace hides where we are: {own}");
        std::fs::remove_dir(&group).unwrap();
    });
}

#[test]
fn a_held_lock_a_file_and_a_port_are_seen() {
    isolated(|env| {
        let mut held = None;
        let found = seen(env, |env| {
            let file = std::fs::File::create(env.root.store.join("x.lock")).unwrap();
            rustix::fs::flock(file.as_fd(), rustix::fs::FlockOperation::LockExclusive).unwrap();
            std::fs::create_dir(env.root.store.join("0123456789abcdef")).unwrap();
            std::fs::write(env.root.tmp.join("bytes"), "123").unwrap();
            std::fs::write("/run/lost", "").unwrap();
            held = Some((file, std::net::TcpListener::bind("127.0.0.1:4711").unwrap()));
        });
        let store = env.root.store.display();
        let tmp = env.root.tmp.display();
        let mut expected = vec![
            "+ address: tcp 0100007F:1267".to_owned(),
            format!("+ file: {store}/0123456789abcdef directory"),
            format!("+ file: {tmp}/bytes 3 bytes"),
            "+ file: /run/lost 0 bytes".to_owned(),
            format!("+ lock: {store}/x.lock FLOCK WRITE"),
        ];
        expected.sort();
        let mut found = found;
        found.sort();
        assert_eq!(found, expected);
        std::fs::remove_dir(env.root.store.join("0123456789abcdef")).unwrap();
        std::fs::remove_file(env.root.tmp.join("bytes")).unwrap();
        std::fs::remove_file(env.root.store.join("x.lock")).unwrap();
        std::fs::remove_file("/run/lost").unwrap();
    });
}

#[test]
fn a_test_that_leaks_fails() {
    require!(root);
    let leaky = std::panic::catch_unwind(|| {
        isolated(|_| sh("sleep 100 >/dev/null 2>&1 &"));
    });
    // Inside, the leak is this process's to report; outside, the report is the test's failure.
    match leaky {
        Ok(()) => panic!("the leak was not seen"),
        Err(reason) => {
            let text = reason.downcast_ref::<String>().cloned().unwrap_or_default();
            if crate::support::isolate::is_inside() {
                std::panic::resume_unwind(reason);
            }
            assert!(text.contains("+ process: sleep 100"), "{text}");
        }
    }
}

#[test]
fn an_ordinary_user_has_ids_of_its_own() {
    require!(newuidmap);
    isolated(|env| {
        let mut command = env.user.command("unshare");
        command.args(["--map-root-user", "--map-auto", "cat", "/proc/self/uid_map"]);
        let outcome = env::finished(command, b"");
        let map: Vec<&str> = outcome
            .stdout
            .split(|b| *b == b'\n')
            .next()
            .map(|l| std::str::from_utf8(l).unwrap())
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(map, ["0", "4217", "1"], "{outcome}");
        assert!(outcome.text().contains("200000"), "{outcome}");
    });
}

#[test]
fn every_requirement_has_an_answer() {
    for need in ["root", "cgroup", "cgroup_v2", "tun", "loop_device", "registry", "nft", "ip", "pasta", "crun"] {
        // Recorded under a name of its own and taken back at once.
        if !require::met("a_probe_of_requirements", &[need]) {
            std::fs::remove_file(require::directory().join("harness-a_probe_of_requirements")).unwrap();
        }
    }
}
