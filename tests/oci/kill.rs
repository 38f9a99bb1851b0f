//! SIGKILL of the runtime at any moment: `state` says what is, and `delete --force` takes everything away.

use serde_json::json;

use super::bundle::{Bundle, Runtime};
use crate::support::kill::Sweep;
use crate::support::{TestEnv, isolated};

/// How many points of each command are tried every day.
const SAMPLE: usize = 20;

fn sweep(env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    let bundle = Bundle::new(env, "b");
    bundle.config("exec sleep 100", json!({}));
    let path = bundle.path.display().to_string();
    let filled = |words: &[&str]| -> Vec<String> { words.iter().map(|word| word.replace("BUNDLE", &path)).collect() };
    let run = |env: &TestEnv, words: &[&str]| {
        let words = filled(words);
        Runtime::dhow(env).run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let prepare = |env: &TestEnv| {
        run(env, &["delete", "-f", "c1"]).ok();
        for words in before {
            run(env, words).ok();
        }
    };
    let command = |env: &TestEnv| {
        let words = filled(words);
        let mut command = Runtime::dhow(env).command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, call| {
        let state = run(env, &["state", "c1"]);
        if state.code == 0 {
            let status = state.json()["status"].as_str().unwrap().to_owned();
            let known = ["created", "running", "stopped"];
            assert!(known.contains(&status.as_str()), "{status} after {call}");
            // What is said to wait does wait.
            if status == "created" && before.is_empty() {
                run(env, &["start", "c1"]).ok();
            }
        } else {
            state.fails(1, "does not exist");
        }
        run(env, &["list"]).ok();
        run(env, &["delete", "-f", "c1"]).ok();
        assert!(Runtime::dhow(env).is_empty(), "after {call}");
        env.nothing_is_left();
    });
    assert!(calls.len() >= 3, "{calls:?}");
    run(env, &["delete", "-f", "c1"]).ok();
    std::fs::remove_dir_all(bundle.path).unwrap();
}

#[test]
fn create_killed_anywhere_leaves_what_delete_takes_away() {
    isolated(|env| {
        sweep(env, &[], &["create", "-b", "BUNDLE", "c1"]);
    });
}

#[test]
fn start_killed_anywhere_leaves_a_true_state() {
    isolated(|env| {
        sweep(env, &[&["create", "-b", "BUNDLE", "c1"]], &["start", "c1"]);
    });
}

#[test]
fn delete_killed_anywhere_is_finished_by_the_next() {
    isolated(|env| {
        sweep(env, &[&["run", "-d", "-b", "BUNDLE", "c1"]], &["delete", "-f", "c1"]);
    });
}
