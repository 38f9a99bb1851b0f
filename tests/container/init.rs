//! Containers that are prepared by one command and started by another.

use std::io::Write;
use std::process::Stdio;

use super::stage::{self, inspect, kill};
use crate::support::{TestEnv, census, isolated};

fn status(env: &TestEnv) -> String {
    inspect(env, "box")["State"]["Status"].as_str().unwrap().to_owned()
}

fn pid(env: &TestEnv, field: &str) -> u32 {
    u32::try_from(inspect(env, "box")["State"][field].as_u64().unwrap()).unwrap()
}

fn prepared(env: &TestEnv, flags: &[&str], command: &[&str]) {
    env.run(&[&["create", "--name", "box"], flags, &["busybox"], command].concat()).ok();
    env.run(&["init", "box"]).ok();
    assert_eq!(status(env), "initialized");
}

#[test]
fn everything_is_there_before_the_command() {
    isolated(|env| {
        stage::busybox(env);
        prepared(env, &["-p", "8080:80", "-v", "data:/data"], &["sh", "-c", "cat /data/note; sleep 1000"]);
        let shown = inspect(env, "box");
        assert!(shown["State"]["Pid"].as_i64() > Some(0), "{shown}");
        assert!(shown["NetworkSettings"]["Networks"]["podman"]["IPAddress"].as_str().unwrap().starts_with("10."));
        // The port is taken from now on.
        let other = ["run", "--rm", "-p", "8080:80", "busybox", "true"];
        env.run(&other).fails(126, "address already in use");
        let note = env.place.join("note");
        std::fs::write(&note, "text\n").unwrap();
        env.run(&["cp", note.to_str().unwrap(), "box:/data/note"]).ok();
        assert_eq!(env.run(&["logs", "box"]).ok(), "");
        env.run(&["start", "box"]).ok();
        let after = inspect(env, "box");
        assert_eq!(
            (&after["State"]["Pid"], &after["State"]["ConmonPid"]),
            (&shown["State"]["Pid"], &shown["State"]["ConmonPid"])
        );
        crate::support::env::eventually("the command runs", || env.run(&["logs", "box"]).text() == "text");
        env.run(&["rm", "-f", "-t", "0", "-v", "box"]).ok();
        env.run(&["volume", "rm", "data"]).ok();
    });
}

#[test]
fn one_of_a_terminal_or_with_input_is_started_attached() {
    isolated(|env| {
        stage::busybox(env);
        prepared(env, &["-i", "--network", "none"], &["sh", "-c", "cat; exit 5"]);
        let mut start = env.dhow(&["start", "-a", "-i", "box"]);
        let mut start = start.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        start.stdin.take().unwrap().write_all(b"from outside").unwrap();
        let done = start.wait_with_output().unwrap();
        assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(5), &b"from outside"[..]));
        assert_eq!(status(env), "exited");
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_dead_monitor_or_process_leaves_what_was_before() {
    isolated(|env| {
        stage::busybox(env);
        prepared(env, &["-p", "8080:80"], &["sleep", "1000"]);
        kill(pid(env, "ConmonPid"));
        assert_eq!(status(env), "created");
        assert!(census::monitors().is_empty());
        // Its port and its address are free.
        env.run(&["run", "--rm", "-p", "8080:80", "busybox", "true"]).ok();
        // Now its process: the monitor lives to tell.
        env.run(&["init", "box"]).ok();
        kill(pid(env, "Pid"));
        assert_eq!(env.run(&["wait", "box"]).ok(), "137");
        env.run(&["start", "box"]).ok();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn what_was_prepared_and_not_started_is_taken_down() {
    isolated(|env| {
        stage::busybox(env);
        for words in [&["rm", "box"][..], &["rm", "-f", "box"], &["container", "prune", "-f"]] {
            prepared(env, &[], &["sleep", "1000"]);
            env.run(words).ok();
            env.nothing_is_left();
        }
        // SIGTERM would not be heard, and is not waited for.
        prepared(env, &["--stop-timeout", "1000"], &["sleep", "1000"]);
        env.run(&["stop", "box"]).ok();
        assert_eq!(status(env), "exited");
        env.run(&["rm", "box"]).ok();
        prepared(env, &["--rm"], &["sleep", "1000"]);
        env.run(&["start", "box"]).ok();
        env.run(&["kill", "box"]).ok();
        crate::support::env::eventually("it is removed", || env.run(&["container", "exists", "box"]).code == 1);
    });
}
