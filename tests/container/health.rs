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

#[test]
fn who_waits_for_health_waits_through_a_restart() {
    isolated(|env| {
        stage::busybox(env);
        // Well from the second run on; the first one ends slowly.
        let script = "test -e /again && touch /well; touch /again; trap 'sleep 1; exit 3' TERM; sleep 1000 & wait";
        let flags = ["--health-interval", "50ms"];
        let wait = || {
            let mut command = env.dhow(&["wait", "--condition", "healthy", "box"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().unwrap()
        };
        run(env, &flags, script);
        eventually("the first run is checked", || health(env)["FailingStreak"].as_u64() > Some(0));
        let waiter = wait();
        env.run(&["restart", "box"]).ok();
        assert_eq!(stage::code(waiter), 0);
        end(env);
        // A policy that starts it again until its tries are used up.
        let script = "test -e /again && touch /well && exec sleep 1000; touch /again; sleep 0.3; exit 1";
        run(env, &[&flags[..], &["--restart", "on-failure:1"]].concat(), script);
        assert_eq!(stage::code(wait()), 0);
        end(env);
        run(env, &[&flags[..], &["--restart", "on-failure:1"]].concat(), "exit 1");
        env.run(&["wait", "--condition", "healthy", "box"]).fails(125, "has ended");
        end(env);
        run(env, &flags, "sleep 1000");
        let waiter = wait();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        assert_eq!(stage::code(waiter), 125);
    });
}

#[test]
fn checks_change_while_a_container_runs() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        let update = |flags: &[&str]| env.run(&[&["update"], flags, &["box"]].concat());
        update(&["--health-interval", "1s"]).fails(125, "there is none");
        // One that had no check gets one, at once.
        update(&["--health-cmd", "test -e /well", "--health-interval", "50ms", "--health-retries", "1"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        update(&["--health-cmd", "test ! -e /well"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "healthy", "box"]).ok(), "-1");
        let config = inspect(env, "box")["Config"].clone();
        assert_eq!(
            (&config["Healthcheck"]["Interval"], &config["Healthcheck"]["Retries"]),
            (&50_000_000.into(), &1.into())
        );
        update(&["--health-max-log-count", "1", "--health-startup-interval", "1s"]).fails(125, "there is none");
        update(&["--health-max-log-count", "1"]).ok();
        eventually("one result is kept", || health(env)["Log"].as_array().map(Vec::len) == Some(1));
        // A successor makes the checks of the day.
        update(&["--health-cmd", "test -e /well"]).ok();
        stage::kill(monitor(env));
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        update(&["--no-healthcheck"]).ok();
        assert_eq!(health(env), Value::Null);
        env.run(&["healthcheck", "run", "box"]).fails(125, "has no defined healthcheck");
        update(&["--health-cmd", "true", "--health-on-failure", "kill", "--health-log-destination", "events_logger"])
            .ok();
        let checked = env.run(&["healthcheck", "run", "box"]);
        assert_eq!(checked.code, 0, "{checked} {}", health(env));
        let config = inspect(env, "box")["Config"].clone();
        assert_eq!(
            (&config["HealthcheckOnFailureAction"], &config["HealthLogDestination"]),
            (&"kill".into(), &"events_logger".into())
        );
        end(env);
    });
}

#[test]
fn events_tell_of_health() {
    isolated(|env| {
        stage::busybox(env);
        let events = |format: &str| {
            let words = ["events", "--stream=false", "--filter", "event=health_status", "--format", format];
            env.run(&words).lines()
        };
        // A change is an event, and nothing else is.
        run(env, &["--health-interval", "20ms", "--health-retries", "1", "--label", "a=b"], "sleep 1000");
        assert_eq!(env.run(&["wait", "--condition", "unhealthy", "box"]).ok(), "-1");
        eventually("it is checked on", || health(env)["FailingStreak"].as_u64() > Some(4));
        env.run(&["exec", "box", "touch", "/well"]).ok();
        assert_eq!(env.run(&["wait", "--condition", "healthy", "box"]).ok(), "-1");
        eventually("it is checked on", || health(env)["Log"][0]["ExitCode"] == 0);
        assert_eq!(events("{{.Name}} {{.HealthStatus}}"), ["box unhealthy", "box healthy"]);
        let words = ["events", "--stream=false", "--filter", "event=health_status"];
        let line = env.run(&words).lines().remove(0);
        assert!(line.contains(", name=box, health_status=unhealthy, a=b)"), "{line}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        // As the destination of the log each check is one, with what it printed.
        let flags =
            ["--health-interval", "disable", "--health-log-destination", "events_logger", "--health-cmd", "echo said"];
        env.run(
            &[&["run", "-d", "--name", "two", "--network", "none"], &flags[..], &["busybox", "sleep", "1000"]].concat(),
        )
        .ok();
        for _ in 0..3 {
            env.run(&["healthcheck", "run", "two"]).ok();
        }
        let logs = events("{{.Name}} {{.HealthLog}}");
        let logs: Vec<_> = logs.iter().filter_map(|line| line.strip_prefix("two ")).collect();
        assert_eq!(logs.len(), 3, "{logs:?}");
        assert!(logs.iter().all(|log| serde_json::from_str::<Value>(log).unwrap()["Output"] == "said\n"), "{logs:?}");
        env.run(&["rm", "-f", "-t", "0", "two"]).ok();
    });
}

#[test]
fn a_monitor_that_checks_often_does_not_grow() {
    isolated(|env| {
        stage::busybox(env);
        run(env, &["--health-interval", "2ms", "--health-max-log-count", "100"], "touch /well; sleep 1000");
        let memory = || {
            let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", monitor(env))).unwrap();
            let field = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
                line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
            };
            // Its own, whether a check shares it at this moment or not.
            field("Anonymous:")
        };
        let log = || health(env)["Log"].as_array().cloned().unwrap_or_default();
        let start = |entry: &Value| entry["Start"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        eventually("the log is full", || log().len() == 100);
        let before = memory();
        let newest = start(&log()[99]);
        // A hundred checks later.
        eventually("every result is a newer one", || start(&log()[0]) > newest);
        let after = memory();
        println!("{before} kB, then {after} kB");
        assert!(after <= before + 64, "{before} kB before, {after} kB after");
        end(env);
    });
}

#[test]
fn checks_that_run_are_no_hindrance_to_a_sweep() {
    isolated(|env| {
        stage::busybox(env);
        let flags = ["--health-cmd", "true", "--health-interval", "1ms"];
        let up = [&["run", "-d", "--name", "box", "--stop-timeout", "0"], &flags[..], &["busybox", "sleep", "1000"]]
            .concat();
        super::kill::sweep(env, &[&up], &["restart", "box"]);
        super::kill::sweep(env, &[&up], &["rm", "-f", "-t", "0", "box"]);
    });
}

#[test]
fn who_is_told_by_health_starts_when_it_is_healthy() {
    isolated(|env| {
        stage::busybox(env);
        let flags = ["--sdnotify", "healthy", "--health-interval", "50ms", "--health-cmd", "test -e /well"];
        let words = ["run", "-d", "--name", "box", "--network", "none"];
        let ready = [&words[..], &flags, &["busybox", "sh", "-c", "sleep 0.3; touch /well; exec sleep 1000"]].concat();
        env.run(&ready).ok();
        assert_eq!(health(env)["Status"], "healthy");
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["start", "box"]).ok();
        assert_eq!(health(env)["Status"], "healthy");
        end(env);
        let never = [&words[..], &flags, &["busybox", "sleep", "0.2"]].concat();
        env.run(&never).fails(125, "has ended");
        end(env);
    });
}
