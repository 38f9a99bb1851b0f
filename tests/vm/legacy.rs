//! Tests that run in a guest whose systemd keeps cgroups of version 1, as root; ignored elsewhere.

use std::collections::BTreeMap;

use serde_json::json;

use crate::guest::oci::{BUNDLE, bundle, oci, property};
use crate::guest::{assert_guest, command, dhow, eventually, load, shell};

const UNIT: &str = "dhow-c1.scope";

/// Where a process is, by controller.
fn places(pid: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let fields = text.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    fields
        .flat_map(|field| field[1].split(',').map(|name| (name.to_owned(), field[2].to_owned())).collect::<Vec<_>>())
        .collect()
}

fn file(controller: &str, name: &str) -> String {
    let path = format!("/sys/fs/cgroup/{controller}/system.slice/{UNIT}/{name}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}")).trim().to_owned()
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_is_a_scope_in_every_hierarchy_that_it_needs() {
    assert_guest();
    assert!(!std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists());
    bundle(
        json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 20}, "cpu": {"shares": 512},
            "devices": [{"allow": false, "access": "rwm"}]}),
        json!({}),
    );
    oci(&["--systemd-cgroup", "run", "-d", "-b", BUNDLE, "c1"]).ok();
    assert_eq!(property(UNIT, "ActiveState"), "active");
    let told = ["MemoryLimit", "TasksMax", "CPUShares", "DevicePolicy"].map(|name| property(UNIT, name));
    assert_eq!(told, ["67108864", "20", "512", "strict"]);
    let pid = oci(&["state", "c1"]).json()["pid"].to_string();
    let places = places(&pid);
    for controller in ["memory", "pids", "cpu", "devices", "freezer", "name=systemd"] {
        assert_eq!(places[controller], format!("/system.slice/{UNIT}"), "{controller} of {places:?}");
    }
    // The holder of its place is gone.
    assert_eq!(file("systemd", "cgroup.procs"), pid);
    let limits = || (file("memory", "memory.limit_in_bytes"), file("cpu", "cpu.shares"));
    assert_eq!(limits(), ("67108864".into(), "512".into()));
    let confined = || {
        let devices = file("devices", "devices.list");
        assert!(devices.contains("c 1:3 rwm") && !devices.lines().any(|line| line.starts_with('a')), "{devices}");
        oci(&["exec", "c1", "sh", "-c", "head -c1 /dev/zero | wc -c"]).ok()
    };
    assert_eq!(confined(), "1");
    // What the manager was told stays when it starts anew and sets it again.
    oci(&["update", "--memory", "96m", "--cpu-share", "256", "c1"]).ok();
    command(&["systemctl", "daemon-reload"]).ok();
    command(&["systemctl", "set-property", "--runtime", UNIT, "TasksMax=30"]).ok();
    assert_eq!(limits(), ("100663296".into(), "256".into()));
    assert_eq!((property(UNIT, "MemoryLimit"), file("pids", "pids.max")), ("100663296".into(), "30".into()));
    assert_eq!(confined(), "1");
    oci(&["pause", "c1"]).ok();
    assert_eq!(file("freezer", "freezer.state"), "FROZEN");
    oci(&["resume", "c1"]).ok();
    oci(&["delete", "-f", "c1"]).ok();
    eventually("the scope is gone", || property(UNIT, "ActiveState") == "inactive");
    eventually("no hierarchy has it", || shell(&format!("find /sys/fs/cgroup -name {UNIT}")).ok().is_empty());
    shell(&format!("rm -rf {BUNDLE}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn what_a_unit_cannot_say_is_refused() {
    let refuse =
        json!([{"allow": true, "access": "rwm"}, {"allow": false, "type": "c", "major": 1, "minor": 8, "access": "r"}]);
    bundle(json!({"devices": refuse}), json!({}));
    oci(&["--systemd-cgroup", "create", "-b", BUNDLE, "c1"]).fails(1, "systemd cannot refuse c 1:8 r");
    oci(&["state", "c1"]).fails(1, "does not exist");
    oci(&["run", "-d", "-b", BUNDLE, "c1"]).ok();
    oci(&["delete", "-f", "c1"]).ok();
    shell(&format!("rm -rf {BUNDLE}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn the_engine_limits_and_cleans_up() {
    load();
    let script = "dd if=/dev/zero of=/dev/null bs=200M count=1";
    let words = ["run", "--name", "box", "--network", "none", "-m", "32m", "--memory-swap", "32m", "busybox"];
    let outcome = dhow(&[&words[..], &["sh", "-c", script]].concat());
    assert_eq!(outcome.code, 137, "{outcome}");
    dhow(&["rm", "box"]).ok();
    assert_eq!(shell("find /sys/fs/cgroup -path '*/dhow/*' -type d | grep -v monitors || true").ok(), "");
}
