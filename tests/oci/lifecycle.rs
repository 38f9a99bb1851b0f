//! create, start, state, kill, delete, run, list, ps, pause, resume, update, events.

use serde_json::json;

use super::bundle::{Bundle, Runtime, read};
use crate::support::env::eventually;
use crate::support::isolated;

#[test]
fn create_runs_nothing_and_start_does() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        bundle.config("echo $0 started > /mark", json!({"annotations": {"a.b": "c"}}));
        let pid_file = env.place.join("pid");
        oci.with(&bundle, &["create", "--pid-file", pid_file.to_str().unwrap(), "c1"]).ok();
        let state = oci.run(&["state", "c1"]).json();
        assert_eq!(state["status"], "created");
        assert_eq!(state["ociVersion"], "1.0.2");
        assert_eq!(state["annotations"]["a.b"], "c");
        assert_eq!(state["bundle"], bundle.path.to_str().unwrap());
        assert_eq!(state["pid"].to_string(), read(&pid_file));
        assert!(!bundle.root().join("mark").exists());
        oci.with(&bundle, &["create", "c1"]).fails(1, "already exists");
        // The configuration of the moment counts, not what becomes of the file.
        bundle.config("echo another > /mark", json!({}));
        oci.run(&["start", "c1"]).ok();
        eventually("the command has ended", || oci.status("c1") == "stopped");
        assert_eq!(read(&bundle.root().join("mark")), "/bin/sh started");
        assert_eq!(oci.run(&["state", "c1"]).json()["pid"], 0);
        oci.run(&["start", "c1"]).fails(1, "cannot start a container that has stopped");
        oci.run(&["kill", "c1"]).fails(1, "container not running");
        oci.run(&["exec", "c1", "true"]).fails(1, "stopped container");
        oci.run(&["delete", "c1"]).ok();
        oci.run(&["state", "c1"]).fails(1, "does not exist");
        oci.run(&["delete", "c1"]).fails(1, "does not exist");
        oci.run(&["delete", "-f", "c1"]).ok();
        std::fs::remove_file(pid_file).unwrap();
        assert!(oci.is_empty());
    });
}

#[test]
fn what_runs_is_not_deleted_but_by_force() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        bundle.config("exec sleep 100", json!({}));
        oci.with(&bundle, &["run", "-d", "c1"]).ok();
        assert_eq!(oci.status("c1"), "running");
        oci.run(&["start", "c1"]).fails(1, "already running");
        oci.run(&["delete", "c1"]).fails(1, "not stopped: running");
        oci.run(&["kill", "c1", "NOSUCH"]).fails(1, "unknown signal");
        oci.run(&["kill", "c1", "0"]).ok();
        oci.run(&["delete", "c1", "--force"]).ok();
        // One that only waits goes without.
        oci.with(&bundle, &["create", "c1"]).ok();
        oci.run(&["delete", "c1"]).ok();
        // Killed before its start: stopped, and start says so.
        oci.with(&bundle, &["create", "c1"]).ok();
        oci.run(&["kill", "c1", "KILL"]).ok();
        eventually("it is stopped", || oci.status("c1") == "stopped");
        oci.run(&["start", "c1"]).fails(1, "has stopped");
        oci.run(&["delete", "c1"]).ok();
        assert!(oci.is_empty());
    });
}

#[test]
fn run_gives_the_commands_code_and_leaves_nothing() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        for (script, code) in [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)] {
            // As process 1 a shell cannot kill itself; in the host's process ids it can.
            let shared = json!({"linux": {"namespaces": null}});
            bundle.config(script, shared);
            let own: serde_json::Value = json!({"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}]}});
            let mut config: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(bundle.path.join("config.json")).unwrap()).unwrap();
            super::bundle::merge(&mut config, own);
            std::fs::write(bundle.path.join("config.json"), config.to_string()).unwrap();
            assert_eq!(oci.with(&bundle, &["run", "c1"]).code, code, "{script}");
            assert!(oci.is_empty());
        }
        bundle.config("echo out; echo err >&2", json!({}));
        let outcome = oci.with(&bundle, &["run", "--keep", "c1"]);
        assert_eq!((outcome.ok().as_str(), outcome.stderr.as_str()), ("out", "err\n"));
        assert_eq!(oci.status("c1"), "stopped");
        oci.run(&["delete", "c1"]).ok();
    });
}

#[test]
fn a_container_is_paused_limited_and_measured() {
    isolated(|env| {
        crate::require!(cgroup);
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        bundle.config("exec sleep 100", json!({"linux": {"resources": {"memory": {"limit": 67_108_864}}}}));
        oci.with(&bundle, &["run", "-d", "c1"]).ok();
        oci.run(&["resume", "c1"]).fails(1, "not paused");
        oci.run(&["pause", "c1"]).ok();
        assert_eq!(oci.status("c1"), "paused");
        oci.run(&["exec", "c1", "true"]).fails(1, "paused container");
        oci.run(&["resume", "c1"]).ok();
        assert_eq!(oci.status("c1"), "running");
        let limit = |oci: &Runtime<'_>| {
            let stats = oci.run(&["events", "--stats", "c1"]).json();
            assert_eq!(stats["type"], "stats");
            assert!(stats["data"]["pids"]["current"].as_u64() >= Some(1), "{stats}");
            stats["data"]["memory"]["usage"]["limit"].as_u64().unwrap()
        };
        assert_eq!(limit(&oci), 64 << 20);
        oci.run(&["update", "--memory", "96m", "c1"]).ok();
        assert_eq!(limit(&oci), 96 << 20);
        let resources = env.place.join("resources.json");
        std::fs::write(&resources, r#"{"memory": {"limit": 134217728}, "pids": {"limit": 50}}"#).unwrap();
        oci.run(&["update", "-r", resources.to_str().unwrap(), "c1"]).ok();
        assert_eq!(limit(&oci), 128 << 20);
        std::fs::remove_file(resources).unwrap();
        let pid = oci.run(&["state", "c1"]).json()["pid"].clone();
        assert_eq!(oci.run(&["ps", "--format", "json", "c1"]).json(), json!([pid]));
        assert_eq!(oci.run(&["ps", "c1"]).ok(), format!("PID\n{pid}"));
        oci.run(&["pause", "c1"]).ok();
        // What stands still is killed all the same.
        oci.run(&["kill", "c1", "9"]).ok();
        eventually("it is stopped", || oci.status("c1") == "stopped");
        oci.run(&["delete", "c1"]).ok();
    });
}

#[test]
fn a_list_shows_all_and_one_damaged_record_hides_no_other() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        assert_eq!(oci.run(&["list"]).ok().split_whitespace().next(), Some("ID"));
        let bundle = Bundle::new(env, "b");
        bundle.config("exec sleep 100", json!({}));
        oci.with(&bundle, &["create", "c1"]).ok();
        oci.with(&bundle, &["create", "c2"]).ok();
        assert_eq!(oci.run(&["list", "-q"]).lines(), ["c1", "c2"]);
        let listed = oci.run(&["list", "--format", "json"]).json();
        assert_eq!((&listed[0]["id"], &listed[1]["status"]), (&json!("c1"), &json!("created")));
        let record = oci.root.join("c1/state.json");
        let whole = std::fs::read(&record).unwrap();
        std::fs::write(&record, &whole[..20]).unwrap();
        let lines = oci.run(&["list"]).lines();
        assert!(lines[1].contains("damaged") && lines[2].contains("created"), "{lines:?}");
        oci.run(&["state", "c1"]).fails(1, "damaged");
        std::fs::write(&record, whole).unwrap();
        for id in ["c1", "c2"] {
            oci.run(&["delete", "--force", id]).ok();
        }
    });
}

#[test]
fn the_names_of_other_runtimes_are_the_same_program() {
    isolated(|env| {
        let bundle = Bundle::new(env, "b");
        bundle.config("echo hello", json!({}));
        for name in ["runc", "crun", "dhow-runtime"] {
            let program = env.place.join(name);
            std::os::unix::fs::symlink(&env.root.binary, &program).unwrap();
            let run = |words: &[&str]| {
                let mut command = env.root.command(&program);
                command.arg("--root").arg(env.root.runtime.join("oci")).args(words);
                crate::support::env::finished(command, b"")
            };
            let version = run(&["--version"]).ok();
            assert!(version.starts_with(&format!("{name} version ")), "{version}");
            assert_eq!(run(&["run", "-b", bundle.path.to_str().unwrap(), "c1"]).ok(), "hello");
            std::fs::remove_file(program).unwrap();
        }
        let features = Runtime::dhow(env).run(&["features"]).json();
        assert_eq!(features["ociVersionMax"], "1.3.0");
        let linux = &features["linux"];
        assert_eq!(linux["intelRdt"], json!({"enabled": true, "schemata": true, "monitoring": true}));
        assert_eq!(linux["netDevices"], json!({"enabled": true}));
        std::fs::remove_dir_all(env.root.runtime.join("oci")).ok();
    });
}

#[test]
fn a_written_specification_runs() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        oci.with(&bundle, &["spec"]).ok();
        oci.with(&bundle, &["spec"]).fails(1, "exists");
        let path = bundle.path.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!(["hostname"]);
        std::fs::write(&path, config.to_string()).unwrap();
        assert_eq!(oci.with(&bundle, &["run", "c1"]).ok(), "dhow");
    });
}
