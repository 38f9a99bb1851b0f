//! The OCI runtime with the systemd driver: scopes of the manager of the system and of a user.

use serde_json::{Value, json};

use super::{MANAGER, UID, USER, assert_guest, cgroup_of, command, dhow, eventually, load, login, shell};
use crate::support::Outcome;

pub(crate) const BUNDLE: &str = "/var/tmp/bundle";

pub(crate) fn oci(words: &[&str]) -> Outcome {
    dhow(&[&["oci"], words].concat())
}

/// A bundle of busybox that sleeps, with `change` of its linux part.
pub(crate) fn bundle(limits: Value, annotations: Value) {
    assert_guest();
    load();
    let script = format!(
        "mkdir -p {BUNDLE}/rootfs && dhow create --name bundle busybox true && \
         dhow export bundle | tar -C {BUNDLE}/rootfs -x && dhow rm bundle && \
         rm -f {BUNDLE}/config.json && dhow oci spec -b {BUNDLE}"
    );
    shell(&script).ok();
    let file = format!("{BUNDLE}/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sleep", "1000"]);
    config["linux"]["resources"] = limits;
    config["annotations"] = annotations;
    std::fs::write(&file, config.to_string()).unwrap();
}

pub(crate) fn property(unit: &str, name: &str) -> String {
    command(&["systemctl", "show", unit, "-P", name]).ok()
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_is_a_scope_with_its_limits() {
    bundle(
        json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 20}, "devices": [{"allow": false, "access": "rwm"}]}),
        json!({"org.systemd.property.Description": "'a box'"}),
    );
    // A node that no rule allows.
    let file = format!("{BUNDLE}/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["linux"]["devices"] = json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]);
    std::fs::write(&file, config.to_string()).unwrap();
    let refused = || {
        let outcome = oci(&["exec", "c1", "head", "-c", "1", "/dev/kmsg"]);
        assert!(outcome.stderr.contains("Operation not permitted"), "{outcome}");
    };
    oci(&["--systemd-cgroup", "run", "-d", "-b", BUNDLE, "c1"]).ok();
    refused();
    let unit = "dhow-c1.scope";
    assert_eq!(property(unit, "ActiveState"), "active");
    assert_eq!(property(unit, "Description"), "a box");
    assert_eq!((property(unit, "MemoryMax").as_str(), property(unit, "TasksMax").as_str()), ("67108864", "20"));
    let pid = oci(&["state", "c1"]).json()["pid"].to_string();
    let cgroup = cgroup_of(&pid);
    assert_eq!(cgroup, format!("/sys/fs/cgroup/system.slice/{unit}"));
    let file = |name: &str| std::fs::read_to_string(format!("{cgroup}/{name}")).unwrap().trim().to_owned();
    assert_eq!((file("memory.max").as_str(), file("pids.max").as_str()), ("67108864", "20"));
    // The holder of its place is gone.
    assert_eq!(file("cgroup.procs"), pid);
    assert_eq!(oci(&["exec", "c1", "sh", "-c", "cat /proc/self/cgroup; head -c1 /dev/zero | wc -c"]).ok(), "0::/\n1");
    // A further process below: where there is a place.
    oci(&["exec", "--cgroup", "sub", "c1", "true"]).fails(1, "sub does not exist");
    std::fs::create_dir(format!("{cgroup}/sub")).unwrap();
    assert_eq!(oci(&["exec", "--cgroup", "sub", "c1", "cat", "/proc/self/cgroup"]).ok(), "0::/sub");
    oci(&["exec", "--cgroup", "memory:sub", "c1", "true"]).fails(1, "cgroup v2 has one tree");
    // What the manager is told stays when it starts anew.
    oci(&["update", "--memory", "96m", "c1"]).ok();
    command(&["systemctl", "daemon-reload"]).ok();
    assert_eq!((file("memory.max"), property(unit, "MemoryMax")), ("100663296".into(), "100663296".into()));
    // Nor does it touch the rules about devices, of which it was told nothing here.
    command(&["systemctl", "set-property", "--runtime", unit, "TasksMax=30"]).ok();
    assert_eq!(file("pids.max"), "30");
    refused();
    oci(&["pause", "c1"]).ok();
    assert_eq!(file("cgroup.freeze"), "1");
    oci(&["resume", "c1"]).ok();
    oci(&["delete", "-f", "c1"]).ok();
    eventually("the scope is gone", || property(unit, "ActiveState") == "inactive");
    assert!(!std::path::Path::new(&cgroup).exists());
    shell(&format!("rm -rf {BUNDLE}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn a_path_of_another_form_is_refused_and_nothing_is_left() {
    bundle(json!({}), json!({"org.systemd.property.NoSuchThing": "true"}));
    let outcome = oci(&["--systemd-cgroup", "create", "-b", BUNDLE, "c1"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stderr.contains("NoSuchThing"), "{outcome}");
    oci(&["state", "c1"]).fails(1, "does not exist");
    bundle(json!({}), json!({}));
    let file = format!("{BUNDLE}/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["linux"]["cgroupsPath"] = json!("/plain/path");
    std::fs::write(&file, config.to_string()).unwrap();
    oci(&["--systemd-cgroup", "create", "-b", BUNDLE, "c1"]).fails(1, "SLICE:PREFIX:NAME");
    config["linux"]["cgroupsPath"] = json!("machine-own.slice:p:n");
    std::fs::write(&file, config.to_string()).unwrap();
    oci(&["--cgroup-manager=systemd", "run", "-d", "-b", BUNDLE, "c1"]).ok();
    let pid = oci(&["state", "c1"]).json()["pid"].to_string();
    assert_eq!(cgroup_of(&pid), "/sys/fs/cgroup/machine.slice/machine-own.slice/p-n.scope");
    oci(&["delete", "-f", "c1"]).ok();
    shell(&format!("rm -rf {BUNDLE}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn an_ordinary_user_has_scopes_of_his_own_manager() {
    assert_guest();
    super::load_as_user();
    let script = "set -e; rm -rf b; mkdir -p b/rootfs; dhow create --name bundle busybox true >/dev/null; \
        dhow export bundle | tar -C b/rootfs -x; dhow rm bundle >/dev/null; dhow oci spec --rootless -b b; \
        sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"sleep\", \"1000\"/; \
        s/\"resources\": {}/\"resources\": {\"memory\": {\"limit\": 50331648}}/' b/config.json; \
        dhow oci --systemd-cgroup run -d -b b c1 </dev/null >/dev/null; \
        systemctl --user show dhow-c1.scope -P MemoryMax; dhow oci exec c1 id -u; \
        dhow oci state c1 | grep '\"pid\"' | tr -dc 0-9";
    let outcome = login(USER, script);
    let lines = outcome.ok().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines[..2], ["50331648", "0"], "{outcome}");
    assert_eq!(cgroup_of(&lines[2]), format!("{MANAGER}/user.slice/dhow-c1.scope"));
    login(USER, "dhow oci delete -f c1; rm -rf b").ok();
    let gone = format!("systemctl --user is-active dhow-c1.scope || true; ls /run/user/{UID}/dhow/oci");
    // The manager hears of an empty scope a moment later.
    super::says("inactive", || login(USER, &gone));
}
