//! `logs` in both formats: order, tails, times, following, rotation.

use std::process::Stdio;

use super::stage::{self, code};
use crate::support::isolated;

#[test]
fn both_formats_tell_the_same() {
    isolated(|env| {
        stage::busybox(env);
        for driver in ["k8s-file", "json-file"] {
            let script = "echo one; printf 'three \\\"x\\\"\\tü'";
            let words =
                ["run", "--name", "box", "--network", "none", "--log-driver", driver, "busybox", "sh", "-c", script];
            env.run(&words).ok();
            let logs = |flags: &[&str]| env.run(&[&["logs"], flags, &["box"]].concat());
            let all = logs(&[]);
            assert_eq!(all.ok(), "one\nthree \\\"x\\\"\tü", "{driver}");
            assert_eq!(logs(&["--tail", "1"]).ok(), "three \\\"x\\\"\tü", "{driver}");
            assert_eq!(logs(&["--tail", "0"]).ok(), "");
            assert_eq!(logs(&["--since", "1h"]).ok(), all.ok());
            assert_eq!(logs(&["--until", "2000-01-01T00:00:00Z"]).ok(), "");
            assert_eq!(logs(&["--since", "2100-01-01T00:00:00Z"]).ok(), "");
            let first = logs(&["-t"]).lines().remove(0);
            let (time, text) = first.split_once(' ').unwrap();
            assert!(time.len() >= 20 && time.contains('T') && text == "one", "{driver}: {first}");
            assert_eq!(logs(&["-f"]).ok(), all.ok(), "a follower of what has ended ends");
            env.run(&["rm", "box"]).ok();
        }
    });
}

#[test]
fn nothing_is_lost_under_the_cap_and_the_cap_holds() {
    isolated(|env| {
        stage::busybox(env);
        let numbers: Vec<String> = (1..=200_000).map(|n: u32| n.to_string()).collect();
        let run = |options: &[&str]| {
            let base = ["run", "--name", "box", "--network", "none"];
            env.run(&[&base, options, &["busybox", "seq", "1", "200000"]].concat()).lines()
        };
        assert_eq!(run(&[]), numbers);
        assert_eq!(env.run(&["logs", "box"]).lines(), numbers);
        env.run(&["rm", "box"]).ok();
        assert_eq!(run(&["--log-opt", "max-size=1m"]), numbers);
        let kept = env.run(&["logs", "box"]).lines();
        assert!(kept.len() < numbers.len() && numbers.ends_with(&kept), "the newest lines stay: {}", kept.len());
        env.run(&["rm", "box"]).ok();
        assert_eq!(run(&["--log-driver", "none"]), numbers);
        env.run(&["logs", "box"]).exits(125);
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_follower_hears_all_until_the_end() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        let out = env.place.join("followed");
        let mut command = env.dhow(&["logs", "-f", "box"]);
        command.stdin(Stdio::null()).stdout(std::fs::File::create(&out).unwrap());
        let follower = command.spawn().unwrap();
        let heard = || std::fs::read_to_string(&out).unwrap();
        crate::support::env::eventually("the follower hears", || heard() == "ready\n");
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        assert_eq!(code(follower), 0);
        assert_eq!(heard(), "ready\n");
        std::fs::remove_file(out).unwrap();
        env.run(&["rm", "box"]).ok();
    });
}
