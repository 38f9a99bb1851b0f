//! Health checks: what they say of a container, and what happens to one that is unhealthy.

use serde_json::Value;

use super::stage::{self, inspect};
use crate::support::TestEnv;
use crate::support::env::eventually;
use crate::support::isolated;

/// Starts a container whose health is a file.
fn run(env: &TestEnv, flags: &[&str], script: &str) {
    let words = ["run", "-d", "--name", "box", "--network", "none", "--health-cmd", "test -e /well"];
    env.run(&[&words[..], flags, &["busybox", "sh", "-c", script]].concat()).ok();
}

fn health(env: &TestEnv) -> Value {
    inspect(env, "box")["State"]["Health"].clone()
}

fn end(env: &TestEnv) {
    env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    env.nothing_is_left();
}

fn monitor(env: &TestEnv) -> u32 {
    inspect(env, "box")["State"]["ConmonPid"].as_u64().unwrap().try_into().unwrap()
}

#[test]
fn a_container_is_as_well_as_its_checks_say() {
    isolated(|env| {
        stage::busybox(env);
        run(env, &["--health-interval", "100ms", "--health-retries", "2"], "sleep 1000");
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        let seen = health(env);
        assert!(seen["FailingStreak"].as_u64().unwrap() >= 2, "{seen}");
        assert_eq!(seen["Log"][0]["ExitCode"], 1, "{seen}");
        env.run(&["exec", "box", "touch", "/well"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "healthy", "box"]).ok(), "-1");
        assert_eq!(health(env)["FailingStreak"], 0);
        let status = env.run(&["ps", "--format", "{{.Status}}", "--filter", "health=healthy"]).ok();
        assert!(status.starts_with("Up ") && status.ends_with(" (healthy)"), "{status}");
        assert_eq!(env.run(&["ps", "-q", "--filter", "health=unhealthy"]).ok(), "");
        eventually("five results are kept", || health(env)["Log"].as_array().map(Vec::len) == Some(5));
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["wait", "--condition", "healthy", "box"]).fails(125, "has ended");
        end(env);
    });
}

#[test]
fn one_asks_for_a_check() {
    isolated(|env| {
        stage::busybox(env);
        let flags = ["--health-interval", "disable", "--health-max-log-size", "4", "--health-max-log-count", "1"];
        run(env, &flags, "sleep 1000");
        assert_eq!(health(env)["Status"], "starting");
        env.run(&["healthcheck", "run", "box"]).exits(1);
        env.run(&["exec", "box", "touch", "/well"]).ok();
        assert_eq!(env.run(&["healthcheck", "run", "box"]).ok(), "");
        let seen = health(env);
        assert_eq!((&seen["Status"], seen["Log"].as_array().map(Vec::len)), (&"healthy".into(), Some(1)), "{seen}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        // With a terminal, as another user, and with more output than is kept.
        let words =
            ["run", "-dt", "--name", "box", "--network", "none", "--user", "1000", "--health-interval", "disable"];
        let check = ["--health-cmd", "id -u; echo more >&2; exit 3", "--health-max-log-size", "7"];
        env.run(&[&words[..], &check, &["busybox", "sleep", "1000"]].concat()).ok();
        env.run(&["healthcheck", "run", "box"]).exits(1);
        let entry = &health(env)["Log"][0];
        assert_eq!((&entry["ExitCode"], &entry["Output"]), (&3.into(), &"1000\nmo".into()), "{entry}");
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["healthcheck", "run", "box"]).fails(125, "is not running");
        end(env);
    });
}

#[test]
fn a_check_that_hangs_is_ended_with_its_children() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--health-interval", "disable"];
        let check = ["--health-cmd", "sleep 998; true", "--health-timeout", "200ms", "--health-retries", "1"];
        env.run(&[&words[..], &check, &["busybox", "sleep", "1000"]].concat()).ok();
        env.run(&["healthcheck", "run", "box"]).exits(1);
        let seen = health(env);
        assert_eq!((&seen["Status"], &seen["Log"][0]["ExitCode"]), (&"unhealthy".into(), &(-1).into()), "{seen}");
        assert!(seen["Log"][0]["Output"].as_str().unwrap().contains("exceeded timeout of 200ms"), "{seen}");
        let left = env.run(&["top", "box", "-o", "args"]);
        assert!(!left.text().contains("998"), "{}", left.text());
        end(env);
    });
}

#[test]
fn the_unhealthy_are_killed_stopped_or_started_again() {
    isolated(|env| {
        stage::busybox(env);
        let flags = |action| ["--health-interval", "100ms", "--health-retries", "1", "--health-on-failure", action];
        // Not ill before it hears signals.
        let later = ["--health-cmd", "test ! -e /ready"];
        let script = "trap 'exit 5' TERM; touch /ready; sleep 1000 & wait";
        // No policy starts one again that its health stopped.
        run(env, &[&flags("stop")[..], &later, &["--restart", "always"]].concat(), script);
        eventually("it is stopped", || inspect(env, "box")["State"]["Status"] == "exited");
        let state = &inspect(env, "box")["State"];
        assert_eq!((&state["ExitCode"], &state["StoppedByUser"]), (&5.into(), &true.into()));
        end(env);
        run(env, &[&flags("kill")[..], &later].concat(), script);
        assert_eq!(env.run(&["wait", "box"]).ok(), "137");
        end(env);
        // A later run is well: what was written stays in the container, which no policy starts again.
        let script = "test -e /again && touch /well; touch /again; sleep 1000";
        run(env, &[&flags("restart")[..], &["--stop-timeout", "0"]].concat(), script);
        eventually("a later run is well", || inspect(env, "box")["State"]["Health"]["Status"] == "healthy");
        assert!(inspect(env, "box")["RestartCount"].as_u64() >= Some(1));
        end(env);
    });
}

#[test]
fn the_startup_check_goes_before_the_regular_one() {
    isolated(|env| {
        stage::busybox(env);
        let startup = ["--health-startup-cmd", "test -e /up", "--health-startup-interval", "50ms"];
        run(env, &[&startup[..], &["--health-interval", "50ms", "--health-retries", "1"]].concat(), "sleep 1000");
        eventually("it is checked", || health(env)["Log"].as_array().is_some_and(|log| log.len() > 2));
        assert_eq!((&health(env)["Status"], &health(env)["FailingStreak"]), (&"starting".into(), &0.into()));
        env.run(&["exec", "box", "touch", "/up"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        end(env);
    });
}

#[test]
fn nothing_of_a_check_outlives_its_monitor_and_a_successor_goes_on() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--health-interval", "50ms"];
        let check = ["--health-cmd", "test -e /well || exec sleep 998", "--health-timeout", "60s"];
        env.run(&[&words[..], &check, &["busybox", "sleep", "1000"]].concat()).ok();
        let hangs = || env.run(&["top", "box", "-o", "args"]).text().contains("998");
        eventually("a check hangs", hangs);
        // This one goes on to hang; the next one is well.
        env.run(&["exec", "box", "touch", "/well"]).ok();
        stage::kill(monitor(env));
        eventually("the check is gone", || !hangs());
        assert_eq!(env.run(&["wait", "--condition", "healthy", "box"]).ok(), "-1");
        end(env);
    });
}

#[test]
fn a_paused_container_is_not_checked() {
    isolated(|env| {
        stage::busybox(env);
        run(env, &["--health-interval", "50ms", "--health-retries", "1"], "touch /well; sleep 1000");
        assert_eq!(env.run(&["wait", "--condition", "healthy", "box"]).ok(), "-1");
        env.run(&["pause", "box"]).ok();
        env.run(&["healthcheck", "run", "box"]).fails(125, "is not running");
        assert_eq!(health(env)["Status"], "healthy");
        env.run(&["unpause", "box"]).ok();
        env.run(&["exec", "box", "rm", "/well"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        end(env);
    });
}

#[test]
fn a_monitor_that_is_asked_to_end_ends_its_container_first() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--restart", "unless-stopped", "busybox"];
        env.run(&[&words[..], &["sh", "-c", "trap 'exit 5' TERM; sleep 1000 & wait"]].concat()).ok();
        let monitor = rustix::process::Pid::from_raw(monitor(env).try_into().unwrap()).unwrap();
        rustix::process::kill_process(monitor, rustix::process::Signal::TERM).unwrap();
        assert_eq!(env.run(&["wait", "box"]).ok(), "5");
        let state = &inspect(env, "box")["State"];
        // Not the user's doing: a boot starts it again, but nobody now.
        assert_eq!((&state["Status"], &state["StoppedByUser"]), (&"exited".into(), &false.into()));
        assert_eq!(env.run(&["ps", "-aq", "--filter", "should-start-on-boot=true"]).lines().len(), 1);
        env.run(&["start", "--all", "--filter", "should-start-on-boot=true"]).ok();
        assert_eq!(inspect(env, "box")["State"]["Status"], "running");
        end(env);
    });
}
