//! Restart policies: who starts again, how often, and who stays down.

use super::stage::{self, inspect};
use crate::support::TestEnv;
use crate::support::env::eventually;
use crate::support::isolated;

/// The container's state, runs that were started again, and exit code.
fn state(env: &TestEnv) -> (String, u64, i64) {
    let read = inspect(env, "box");
    let status = read["State"]["Status"].as_str().unwrap().to_owned();
    (status, read["RestartCount"].as_u64().unwrap(), read["State"]["ExitCode"].as_i64().unwrap())
}

fn run(env: &TestEnv, policy: &str, script: &str) {
    let words = ["run", "-d", "--name", "box", "--network", "none", "--restart", policy, "-v", "runs:/runs", "busybox"];
    env.run(&[&words[..], &["sh", "-c", &format!("echo run >> /runs/log; {script}")]].concat()).ok();
}

/// How often the command ran.
fn runs(env: &TestEnv) -> usize {
    let log = env.root.store.join("volumes/runs/_data/log");
    std::fs::read_to_string(log).unwrap_or_default().lines().count()
}

fn end(env: &TestEnv) {
    env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    env.run(&["volume", "rm", "runs"]).ok();
    env.nothing_is_left();
}

#[test]
fn failures_are_tried_again_as_often_as_allowed() {
    isolated(|env| {
        stage::busybox(env);
        run(env, "on-failure:2", "exit 3");
        eventually("all runs are over", || runs(env) == 3 && state(env) == ("exited".to_owned(), 2, 3));
        let policy = &inspect(env, "box")["HostConfig"]["RestartPolicy"];
        assert_eq!((&policy["Name"], &policy["MaximumRetryCount"]), (&"on-failure".into(), &2.into()));
        // A user's start counts anew.
        env.run(&["start", "box"]).ok();
        eventually("all runs are over again", || runs(env) == 6 && state(env).0 == "exited");
        end(env);
        for (policy, script, expected) in [("on-failure", "exit 0", 0), ("no", "exit 3", 3)] {
            run(env, policy, script);
            assert_eq!(env.run(&["wait", "box"]).ok(), expected.to_string());
            eventually("it is over", || state(env) == ("exited".to_owned(), 0, expected));
            assert_eq!(runs(env), 1, "{policy}");
            end(env);
        }
    });
}

#[test]
fn always_starts_again_until_it_is_stopped() {
    isolated(|env| {
        stage::busybox(env);
        for policy in ["always", "unless-stopped"] {
            run(env, policy, "test $(wc -l < /runs/log) -gt 2 && exec sleep 1000; exit 0");
            eventually("the third run stays", || runs(env) == 3 && state(env).0 == "running");
            assert_eq!(state(env).1, 2);
            // Death by a signal is an end as any other; one by `stop` or `kill` is the last.
            stage::kill(inspect(env, "box")["State"]["Pid"].as_u64().unwrap().try_into().unwrap());
            eventually("the fourth run stays", || runs(env) == 4 && state(env).0 == "running");
            env.run(&["stop", "-t", "0", "box"]).ok();
            // `stop` returns after Cleanup, which starts nothing again.
            assert_eq!((state(env).0.as_str(), runs(env)), ("exited", 4));
            env.run(&["start", "box"]).ok();
            eventually("the fifth run stays", || runs(env) == 5 && state(env).0 == "running");
            env.run(&["kill", "box"]).ok();
            assert_eq!(env.run(&["wait", "box"]).ok(), "137");
            assert_eq!((state(env).0.as_str(), runs(env)), ("exited", 5));
            end(env);
        }
    });
}

#[test]
fn each_back_off_is_longer_and_a_stop_ends_it() {
    isolated(|env| {
        stage::busybox(env);
        let started = std::time::Instant::now();
        run(env, "always", "exit 1");
        eventually("it was started again three times", || state(env).1 == 3);
        // 100, 200 and 400 ms.
        assert!(started.elapsed() >= std::time::Duration::from_millis(700), "{:?}", started.elapsed());
        // While it waits it is down, and a stop or a removal does not wait for it.
        env.run(&["stop", "-t", "0", "box"]).ok();
        let count = runs(env);
        assert!(crate::support::census::monitors().is_empty());
        assert_eq!((state(env).0.as_str(), runs(env)), ("exited", count));
        end(env);
    });
}

#[test]
fn a_policy_and_removal_exclude_each_other() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "--rm", "--restart", "always", "busybox", "true"])
            .fails(125, "the --rm option conflicts with --restart");
        env.run(&["run", "--restart", "on-failure:-1", "busybox", "true"]).exits(125);
        env.nothing_is_left();
    });
}
