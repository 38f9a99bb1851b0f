//! Copies of containers: what they share with the first one, and what is their own.

use std::io::Write;

use super::stage::{self, inspect};
use crate::support::image::{Image, Packing};
use crate::support::isolated;
use crate::support::tar::Entry;

#[test]
fn a_copy_is_configured_like_the_first() {
    isolated(|env| {
        stage::busybox(env);
        let flags =
            ["-v", "kept:/kept", "-v", "/anonymous", "-e", "A=1", "--hostname", "hut", "-u", "5:6", "-w", "/tmp"];
        let more =
            ["--label", "x=y", "--restart", "on-failure:2", "--ulimit", "core=0:0", "--network", "none", "-m", "64m"];
        let command = ["busybox", "sh", "-c", "echo $A; hostname; id -u; pwd"];
        let first = [&["create", "--name", "first"][..], &flags, &more, &command].concat();
        let id = env.run(&first).ok();
        let copy = env.run(&["container", "clone", "--memory", "32m", "--cpus", "0.5", "first"]).ok();
        assert_ne!(id, copy);
        let (old, new) = (inspect(env, "first"), inspect(env, "first-clone"));
        assert_eq!(new["Id"], *copy);
        for key in ["Config", "Mounts", "Image", "ImageName"] {
            let (mut old, mut new) = (old[key].clone(), new[key].clone());
            if key == "Config" {
                (old["Hostname"], new["Hostname"]) = (old["Hostname"].take(), new["Hostname"].take());
            }
            assert_eq!(old, new, "{key}");
        }
        assert_eq!(old["HostConfig"]["RestartPolicy"], new["HostConfig"]["RestartPolicy"]);
        assert_eq!(old["HostConfig"]["Ulimits"], new["HostConfig"]["Ulimits"]);
        assert_eq!((&old["HostConfig"]["Memory"], &old["HostConfig"]["CpuQuota"]), (&(64 << 20).into(), &0.into()));
        assert_eq!(
            (&new["HostConfig"]["Memory"], &new["HostConfig"]["CpuQuota"]),
            (&(32 << 20).into(), &50_000.into())
        );
        assert_eq!(env.run(&["start", "-a", "first-clone"]).lines(), ["1", "hut", "5", "/tmp"]);
        // The anonymous volume is that of the one that stays.
        env.run(&["rm", "-v", "first"]).ok();
        assert_eq!(env.run(&["volume", "ls", "-q"]).lines().len(), 2);
        env.run(&["rm", "-v", "first-clone"]).ok();
        assert_eq!(env.run(&["volume", "ls", "-q"]).lines(), ["kept"]);
        env.run(&["volume", "rm", "kept"]).ok();
    });
}

#[test]
fn a_copy_has_files_of_its_own() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "--name", "first", "--network", "none", "busybox", "sh", "-c", "ls /here; touch /here"];
        env.run(&words).ok();
        env.run(&["container", "clone", "--run", "first", "second"]).ok();
        env.run(&["wait", "second"]).ok();
        // Had it been there, `ls` would have said so.
        assert_eq!(env.run(&["logs", "second"]).ok(), "");
        // Another image, and all else as it was.
        let other = Image::busybox().layer(&[Entry::file("here", 0o644, "")], Packing::None);
        env.load(&other, "other").ok();
        env.run(&["container", "clone", "first", "third", "other"]).ok();
        let third = inspect(env, "third");
        assert_eq!(third["Config"]["Cmd"], inspect(env, "first")["Config"]["Cmd"]);
        assert_ne!(third["Image"], inspect(env, "first")["Image"]);
        assert_eq!(env.run(&["start", "-a", "third"]).ok(), "/here");
        env.run(&["rm", "-f", "first", "second", "third"]).ok();
        env.run(&["rmi", "other"]).ok();
    });
}

#[test]
fn no_copy_has_the_ids_of_the_first() {
    isolated(|env| {
        stage::busybox(env);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
            file.write_all(b"containers:1000000:65536\n").unwrap();
        }
        let userns = "auto:size=1000,uidmapping=3:5000:1";
        env.run(&["create", "--name", "first", "--network", "none", "--userns", userns, "busybox", "true"]).ok();
        env.run(&["container", "clone", "first"]).ok();
        let maps = |name: &str| {
            let config = std::fs::read(stage::directory(env, name).join("config.json")).unwrap();
            let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
            let numbers =
                |range: &serde_json::Value| ["inside", "outside", "size"].map(|key| range[key].as_u64().unwrap());
            config["userns"]["uids"].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>()
        };
        assert_eq!(maps("first"), [[0, 1_000_000, 3], [3, 5000, 1], [4, 1_000_003, 996]]);
        assert_eq!(maps("first-clone"), [[0, 1_000_999, 3], [3, 5000, 1], [4, 1_001_002, 996]]);
        env.run(&["start", "-a", "first-clone"]).ok();
        env.run(&["rm", "first", "first-clone"]).ok();
    });
}

#[test]
fn the_first_goes_when_it_is_to() {
    isolated(|env| {
        stage::busybox(env);
        let id = env.run(&["run", "-d", "--name", "first", "-p", "8080:80", "busybox", "sleep", "1000"]).ok();
        let clone = |flags: &[&str]| env.run(&[&["container", "clone"], flags].concat());
        clone(&["--destroy", "first"]).fails(125, "cannot be removed without force");
        assert_eq!(env.run(&["ps", "-aq", "--no-trunc"]).ok(), id, "nothing was made");
        env.run(&["create", "--name", "user", "--requires", "first", "busybox"]).ok();
        clone(&["--destroy", "--force", "first"]).fails(125, "has dependent containers");
        env.run(&["rm", "user"]).ok();
        // The port is free when the copy starts.
        let copy = clone(&["--destroy", "--force", "--run", "first", "moved"]).ok();
        assert_eq!(env.run(&["ps", "-q", "--no-trunc"]).ok(), copy);
        assert_eq!(env.run(&["ps", "-aq"]).lines().len(), 1);
        assert_eq!(env.run(&["port", "moved"]).ok(), "80/tcp -> 0.0.0.0:8080");
        env.run(&["rm", "-f", "-t", "0", "moved"]).ok();
    });
}
