//! Bundles whose root file system means harm, and processes that wait where others could look.

use std::os::unix::fs::{MetadataExt, symlink};

use rustix::fs::{CWD, FileType, makedev, mknodat};
use serde_json::{Value, json};

use super::bundle::{Bundle, Runtime};
use crate::require;
use crate::support::env::eventually;
use crate::support::isolated;

/// R2: what a root file system brings in the place of a device is not taken for it (CVE-2025-31133).
#[test]
fn what_is_not_the_device_is_no_device() {
    isolated(|env| {
        let (oci, bundle) = (Runtime::dhow(env), Bundle::new(env, "b"));
        // Without a mount on /dev the directory is the root file system's own.
        bundle.config("echo ran", json!({}));
        let file = bundle.path.join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
        std::fs::write(&file, config.to_string()).unwrap();
        let null = bundle.root().join("dev/null");
        let bait = bundle.root().join("bait");
        for what in ["file", "link", "directory", "fifo", "another device"] {
            std::fs::write(&bait, "bait").unwrap();
            match what {
                "file" => std::fs::write(&null, "bait").unwrap(),
                "link" => symlink("/bait", &null).unwrap(),
                "directory" => std::fs::create_dir(&null).unwrap(),
                "fifo" => mknodat(CWD, &null, FileType::Fifo, 0o666.into(), 0).unwrap(),
                _ => mknodat(CWD, &null, FileType::CharacterDevice, 0o666.into(), makedev(1, 5)).unwrap(),
            }
            let outcome = oci.with(&bundle, &["run", "c1"]);
            assert!(outcome.code == 1 && outcome.stderr.contains("is not the device 1:3"), "{what}: {outcome}");
            assert_eq!(std::fs::read_to_string(&bait).unwrap(), "bait", "{what}");
            assert!(oci.is_empty());
            let removed = if what == "directory" { std::fs::remove_dir(&null) } else { std::fs::remove_file(&null) };
            removed.unwrap();
        }
        mknodat(CWD, &null, FileType::CharacterDevice, 0o666.into(), makedev(1, 3)).unwrap();
        assert_eq!(oci.with(&bundle, &["run", "c1"]).ok(), "ran");
    });
}

/// R9: until it is the command, nobody with the same ids looks into a process of ours or takes what it has open.
#[test]
fn a_process_that_waits_is_closed_to_its_own_user() {
    isolated(|env| {
        let (oci, bundle) = (Runtime::dhow(env), Bundle::new(env, "b"));
        let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
        let linux = json!({"namespaces": [{"type": "user"}], "uidMappings": maps, "gidMappings": maps});
        bundle.config("exec sleep 100", json!({"linux": linux}));
        oci.with(&bundle, &["create", "c1"]).ok();
        let pid = oci.run(&["state", "c1"]).json()["pid"].as_u64().unwrap();
        // The kernel gives the files of a process that is not to be looked into to root, whoever it is.
        let owner = || std::fs::metadata(format!("/proc/{pid}/environ")).unwrap().uid();
        assert_eq!(owner(), 0);
        oci.run(&["start", "c1"]).ok();
        eventually("it is the command, and its user's", || owner() == 100_000);
        oci.run(&["delete", "-f", "c1"]).ok();
    });
}

/// Forks without end, eats memory, opens files and signals whatever it sees: outside of its limits nobody notices.
#[test]
fn who_takes_all_it_can_get_harms_nobody_else() {
    require!(root, cgroup);
    isolated(|env| {
        let (oci, quiet, greedy) = (Runtime::dhow(env), Bundle::new(env, "quiet"), Bundle::new(env, "greedy"));
        quiet.config("exec sleep 1000", json!({}));
        oci.with(&quiet, &["run", "-d", "quiet"]).ok();
        let limits = json!({
            "process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 32, "hard": 32}]},
            "linux": {"resources": {"pids": {"limit": 30}, "memory": {"limit": 32 << 20, "swap": 32 << 20}}},
        });
        let script = "echo $$ > /began; (kill -KILL -1; kill -STOP -1); \
                      (exec /bin/probe eat 100) > /eaten 2>&1; echo $? > /eaten; \
                      (exec cat 3</ 4</ 5</ 33</ ) 2> /opened; \
                      while :; do (while :; do sleep 1000 & done) 2>/dev/null; done";
        greedy.config(script, limits);
        oci.with(&greedy, &["run", "-d", "greedy"]).ok();
        let said = |name: &str| std::fs::read_to_string(greedy.root().join(name)).unwrap_or_default();
        let processes = |id: &str| oci.run(&["ps", "-f", "json", id]).json().as_array().unwrap().len();
        eventually("processes are at their limit", || processes("greedy") == 30);
        assert_eq!(said("eaten").trim(), "137", "more memory than allowed");
        assert!(said("opened").contains("Bad file descriptor"), "{}", said("opened"));
        // At the limit, and no further.
        for _ in 0..20 {
            assert!(processes("greedy") <= 30);
        }
        assert_eq!(oci.run(&["exec", "quiet", "echo", "here"]).ok(), "here");
        assert_eq!((oci.status("quiet").as_str(), processes("quiet")), ("running", 1));
        for id in ["greedy", "quiet"] {
            oci.run(&["delete", "-f", id]).ok();
        }
    });
}
