//! SIGKILL of an ordinary user's commands at every call that changes something; the next command heals what was left. A
//! sample every day, all points by `DHOW_TEST_SWEEP=all DHOW_TEST_TIMEOUT=3600 cargo test --test rootless kill::`.

use std::process::Stdio;

use crate::support::census;
use crate::support::env::{SUBIDS, UID, eventually};
use crate::support::kill::Sweep;
use crate::support::{TestEnv, isolated};
use crate::{require, user, wire};

/// How many points of each command are tried every day.
const SAMPLE: usize = 8;

fn clear(env: &TestEnv) {
    for id in env.user.run(&["ps", "-aq", "--no-trunc"]).lines() {
        env.user.run(&["rm", "-f", "-t", "0", "-v", &id]).ok();
    }
}

/// Sweeps `words` over containers of busybox: `before` is run on an empty store first.
fn sweep(env: &mut TestEnv, before: &[&[&str]], words: &[&str]) {
    user::busybox(env);
    // What a first run makes for good.
    for words in before.iter().chain([&words]) {
        env.user.run(words).ok();
    }
    clear(env);
    env.keep_images();
    let prepare = |env: &TestEnv| {
        clear(env);
        for words in before {
            env.user.run(words).ok();
        }
    };
    let command = |env: &TestEnv| {
        let mut command = env.user.dhow(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
        env.user.run(&["ps", "-a"]).ok();
        for id in env.user.run(&["ps", "-aq"]).lines() {
            let shown = env.user.run(&["container", "inspect", &id]);
            if shown.code != 0 {
                // The monitor takes one with `--rm` away at this moment; it cannot have been one to stay.
                shown.fails(125, "no such container");
                assert!(words.contains(&"--rm"), "{shown}");
            }
        }
        clear(env);
        env.nothing_is_left();
        prepare(env);
        env.user.run(words).ok();
    });
    assert!(calls.len() > SAMPLE, "{calls:?}");
    clear(env);
    env.nothing_is_left();
    end_keeper(env);
}

/// What is left now is what every kill left: from here on nothing is there on purpose.
fn end_keeper(env: &mut TestEnv) {
    env.user.run(&["rmi", "-a"]).ok();
    std::fs::remove_dir_all(env.user.runtime.join("dhow")).unwrap();
    eventually("the keeper ends", || {
        census::pids().into_iter().all(|pid| !census::command_line(pid).contains("pause"))
    });
    env.rebase();
}

#[test]
fn a_preparation_killed_anywhere_is_healed() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        sweep(env, &[&["create", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]], &["init", "box"]);
    });
}

#[test]
fn a_run_killed_anywhere_is_healed() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        let words = ["run", "--rm", "--name", "a", "--network", "none", "-v", "/v", "busybox", "true"];
        sweep(env, &[], &words);
    });
}

#[test]
fn a_run_with_a_map_of_its_own_killed_anywhere_is_healed() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        let words = ["create", "--name", "a", "--network", "none", "--userns", "auto:size=300", "busybox", "true"];
        sweep(env, &[], &words);
    });
}

#[test]
fn a_run_with_pasta_killed_anywhere_is_healed() {
    require!(root, newuidmap, busybox, pasta, tun, ip);
    isolated(|env| {
        user::tun(env, 0o666);
        let machine = wire::uplink();
        env.rebase();
        sweep(env, &[], &["run", "-d", "--name", "a", "-p", "8080:80", "busybox", "sleep", "1000"]);
        drop(machine);
        env.rebase();
    });
}

#[test]
fn a_removal_killed_anywhere_is_healed() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        let up = ["run", "-d", "--name", "a", "--network", "none", "-v", "/v", "busybox", "sleep", "1000"];
        sweep(env, &[&up], &["rm", "-f", "-t", "0", "-v", "a"]);
    });
}

/// Sweeps a command about volumes, where `list` prints what there is.
fn sweep_volume(before: &[&[&str]], words: &[&str]) {
    isolated(|env| {
        user::busybox(env);
        env.keep_images();
        let prepare = |env: &TestEnv| {
            clear(env);
            env.user.run(&["volume", "rm", "-a", "-f"]).ok();
            for words in before {
                env.user.run(words).ok();
            }
        };
        let command = |env: &TestEnv| {
            let mut command = env.user.dhow(words);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let calls =
            Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
                for name in env.user.run(&["volume", "ls", "-q"]).lines() {
                    env.user.run(&["volume", "inspect", &name]).ok();
                }
                env.user.run(&["volume", "rm", "-a", "-f"]).ok();
                env.nothing_is_left();
                prepare(env);
                env.user.run(words).ok();
            });
        assert!(!calls.is_empty());
        env.user.run(&["volume", "rm", "-a", "-f"]).ok();
        env.nothing_is_left();
        end_keeper(env);
    });
}

#[test]
fn a_volume_of_many_owners_is_removed_whole_or_not_at_all() {
    require!(root, newuidmap, busybox);
    let fill = "mkdir -p /v/a/b && touch /v/a/b/c && chown -R 5:6 /v/a && chmod 0 /v/a/b";
    let before = ["run", "--rm", "--network", "none", "-v", "v:/v", "busybox", "sh", "-c", fill];
    sweep_volume(&[&before], &["volume", "rm", "v"]);
}

#[test]
fn a_volume_with_an_owner_is_made_whole_or_not_at_all() {
    require!(root, newuidmap, busybox);
    sweep_volume(&[], &["volume", "create", "-o", "o=uid=5,gid=6", "v"]);
}

#[test]
fn the_command_that_makes_the_namespace_may_be_killed_anywhere() {
    require!(root, newuidmap);
    isolated(|env| {
        let keepers = || -> Vec<u32> {
            let is_keeper = |pid: &u32| census::command_line(*pid).starts_with("dhow-pause");
            census::pids().into_iter().filter(is_keeper).collect()
        };
        let prepare = |env: &TestEnv| {
            drop(std::fs::remove_dir_all(env.user.runtime.join("dhow")));
            eventually("the keeper ends", || keepers().is_empty());
        };
        let command = |env: &TestEnv| {
            let mut command = env.user.dhow(&["ps"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: None }.run(env, |env, _| {
            let healed = env.user.run(&["ps"]);
            healed.ok();
            assert_eq!(healed.stderr, "");
            let text = std::fs::read(env.user.runtime.join("dhow/pause.json")).unwrap();
            let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let map = std::fs::read_to_string(format!("/proc/{}/uid_map", record["pid"])).unwrap();
            let numbers: Vec<u32> = map.split_whitespace().map(|word| word.parse().unwrap()).collect();
            assert_eq!(numbers, [0, UID, 1, 1, SUBIDS, 65_536]);
        });
        assert!(calls.len() > SAMPLE, "{calls:?}");
        prepare(env);
    });
}
