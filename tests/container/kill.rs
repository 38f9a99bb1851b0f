//! SIGKILL at any moment: of the command at every call that changes something, of the monitor, of both, of the
//! foreground client. The next command heals what was left.
//!
//! A sample of the points runs every day. All of them:
//! `DHOW_TEST_SWEEP=all DHOW_TEST_TIMEOUT=3600 cargo test --test container kill::`

use std::cell::RefCell;
use std::process::Stdio;

use super::stage::{self, code, inspect, kill, listener, monitor, ready};
use crate::require;
use crate::support::census::{self, Census};
use crate::support::env::eventually;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::kill::Sweep;
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// How many points of each command are tried every day.
pub(super) const SAMPLE: usize = 10;

/// Removes every container; each must be whole enough to be shown and to go.
pub(super) fn clear(env: &TestEnv) {
    for id in env.run(&["ps", "-aq", "--no-trunc"]).lines() {
        // One that runs out at this moment may be gone already, which is what `-f` is for.
        env.run(&["rm", "-f", "-t", "0", "-v", &id]).ok();
    }
}

/// Sweeps `words` over containers: `before` is run on an empty store first.
pub(super) fn sweep(env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    sweep_up_to(1, env, before, words);
}

/// The same, where `most` containers may be left.
fn sweep_up_to(most: usize, env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    let prepare = |env: &TestEnv| {
        clear(env);
        for words in before {
            env.run(words).ok();
        }
    };
    let command = |env: &TestEnv| {
        let mut command = env.dhow(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
        env.run(&["ps", "-a"]).ok();
        let left = env.run(&["ps", "-aq"]).lines();
        assert!(left.len() <= most, "{left:?}");
        for id in &left {
            let shown = env.run(&["container", "inspect", id]);
            if shown.code != 0 {
                // The monitor takes one with `--rm` away at this moment; it cannot have been one to stay.
                shown.fails(125, "no such container");
                assert!(words.contains(&"--rm"), "{shown}");
                continue;
            }
            // Whoever was killed, the one who watches it is known.
            let state = shown.json()[0]["State"].take();
            assert!(state["Status"] != "running" || state["ConmonPid"].as_i64() > Some(0), "{state}");
        }
        clear(env);
        env.nothing_is_left();
        prepare(env);
        env.run(words).ok();
    });
    assert!(!calls.is_empty());
    clear(env);
    env.nothing_is_left();
}

/// R42.
#[test]
fn a_run_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[], &["run", "--rm", "--name", "box", "-v", "/volume", "busybox", "true"]);
    });
}

#[test]
fn a_detached_run_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[], &["run", "-d", "--name", "box", "-p", "8080:80", "busybox", "sleep", "1000"]);
    });
}

#[test]
fn a_create_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[], &["create", "--name", "box", "-v", "/volume", "busybox", "true"]);
    });
}

#[test]
fn a_start_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[&["create", "--name", "box", "busybox", "sleep", "1000"]], &["start", "box"]);
    });
}

const BOX: &[&str] = &["create", "--name", "box", "-p", "8080:80", "busybox", "sleep", "1000"];
const INIT: &[&str] = &["init", "box"];

#[test]
fn a_preparation_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[BOX], INIT);
    });
}

#[test]
fn a_start_of_what_is_prepared_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[BOX, INIT], &["start", "box"]);
    });
}

#[test]
fn a_removal_of_what_is_prepared_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[BOX, INIT], &["rm", "box"]);
    });
}

/// A container that runs.
pub(super) const UP: &[&str] = &["run", "-d", "--name", "box", "busybox", "sleep", "1000"];

#[test]
fn a_stop_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[UP], &["stop", "-t", "0", "box"]);
    });
}

/// R42.
#[test]
fn a_removal_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[UP], &["rm", "-f", "-t", "0", "box"]);
    });
}

#[test]
fn a_clone_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        let first = ["create", "--name", "box", "-v", "/volume", "busybox", "true"];
        sweep_up_to(2, env, &[&first], &["container", "clone", "--destroy", "box"]);
    });
}

#[test]
fn a_renaming_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[&["create", "--name", "box", "busybox", "true"]], &["rename", "box", "new"]);
    });
}

#[test]
fn a_copy_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("file");
        std::fs::write(&file, "text").unwrap();
        let words = ["cp", file.to_str().unwrap(), "box:/volume/below"];
        sweep(env, &[&["create", "--name", "box", "-v", "/volume", "busybox", "true"]], &words);
        sweep(env, &[UP], &["cp", file.to_str().unwrap(), "box:/tmp"]);
    });
}

#[test]
fn a_commit_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["commit", "-q", "box", "made"];
        let prepare = |env: &TestEnv| {
            clear(env);
            // Not there is as good.
            drop(env.run(&["rmi", "made"]));
            env.run(&["create", "--name", "box", "busybox", "true"]).ok();
        };
        let command = |env: &TestEnv| {
            let mut command = env.dhow(&words);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
            env.run(&["ps", "-a"]).ok();
            for id in env.run(&["images", "-q"]).lines() {
                env.run(&["image", "inspect", &id]).ok();
            }
            clear(env);
            drop(env.run(&["rmi", "made"]));
            env.nothing_is_left();
            prepare(env);
            env.run(&words).ok();
        });
        clear(env);
        env.run(&["rmi", "made"]).ok();
    });
}

#[test]
fn an_exec_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        env.run(UP).ok();
        let before = RefCell::new(Census::default());
        let prepare = |env: &TestEnv| *before.borrow_mut() = env.census();
        let command = |env: &TestEnv| {
            let mut command = env.dhow(&["exec", "box", "true"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(2 * SAMPLE) }.run(env, |env, _| {
            eventually("the session is swept", || {
                env.run(&["ps", "-a"]).ok();
                before.borrow().difference(&env.census()).is_empty()
            });
            assert_eq!(inspect(env, "box")["State"]["Status"], "running");
            env.run(&["exec", "box", "true"]).ok();
        });
        clear(env);
    });
}

/// An image of a few layers that are worth unpacking.
pub(super) fn layers() -> Image {
    let layer = |name: &str| Layer::new(&[Entry::file(name, 0o644, vec![b'x'; 300_000])], Packing::Gzip);
    Image::of(vec![layer("one"), layer("two"), layer("three")])
}

/// Sweeps a command that brings an image into the store.
pub(super) fn sweep_image(env: &TestEnv, words: &[&str]) {
    let prepare = |env: &TestEnv| drop(env.run(&["rmi", "-a", "-f"]).ok());
    let command = |env: &TestEnv| {
        let mut command = env.dhow(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(2 * SAMPLE) }.run(env, |env, _| {
        env.run(&["ps", "-a"]).ok();
        let whole = env.run(&["images", "-q"]).lines();
        for id in &whole {
            env.run(&["image", "inspect", id]).ok();
        }
        prepare(env);
        env.nothing_is_left();
        env.run(words).ok();
        assert_eq!(env.run(&["images", "-q"]).lines().len(), 1);
    });
    prepare(env);
}

#[test]
fn a_load_killed_anywhere_is_healed() {
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, layers().docker_archive(&["three"])).unwrap();
        sweep_image(env, &["load", "-q", "-i", archive.to_str().unwrap()]);
    });
}

#[test]
fn a_pull_killed_anywhere_is_healed() {
    isolated(|env| {
        let registry = stage::registry(env);
        registry.add("three", "1", &layers(), Flavor::Oci);
        stage::settle(env);
        sweep_image(env, &["pull", "-q", "--tls-verify=false", &registry.reference("three:1")]);
    });
}

/// R44.
#[test]
fn a_killed_monitor_is_replaced_and_the_exit_code_kept() {
    isolated(|env| {
        stage::busybox(env);
        listener(env, &["-p", "8080:80"]);
        let (first, id) = (monitor(), inspect(env, "box")["Id"].clone());
        kill(first);
        env.run(&["ps"]).ok();
        let state = inspect(env, "box")["State"].clone();
        assert_eq!((state["Status"].as_str(), inspect(env, "box")["Id"].clone()), (Some("running"), id));
        assert_ne!(monitor(), first);
        assert_eq!(state["ConmonPid"], monitor());
        // The pipes outlive their reader: not a byte is lost.
        env.run(&["exec", "box", "sh", "-c", "echo more > /proc/1/fd/1"]).ok();
        eventually("the successor logs", || env.run(&["logs", "box"]).lines() == ["ready", "more"]);
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        assert_eq!(env.run(&["wait", "box"]).ok(), "7");
        assert_eq!(inspect(env, "box")["State"]["ExitCode"], 7);
        env.run(&["start", "box"]).ok();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

/// R44.
#[test]
fn what_a_container_writes_between_two_monitors_is_kept() {
    isolated(|env| {
        stage::busybox(env);
        listener(env, &[]);
        kill(monitor());
        // Nobody but the container has touched the store yet.
        let pid = inspect_pid_without_healing(env);
        std::fs::write(format!("/proc/{pid}/root/proc/1/fd/1"), "alone\n").unwrap();
        eventually("the successor reads it", || env.run(&["logs", "box"]).lines() == ["ready", "alone"]);
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

/// The pid of the only container's init, from its record.
fn inspect_pid_without_healing(env: &TestEnv) -> i64 {
    let containers = std::fs::read_dir(env.root.store.join("containers")).unwrap();
    let dirs: Vec<_> = containers.map(|entry| entry.unwrap().path()).collect();
    let state = std::fs::read(dirs[0].join("state.json")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&state).unwrap()["init"]["pid"].as_i64().unwrap()
}

#[test]
fn a_monitor_and_its_container_killed_together_lose_the_exit_code_and_nothing_else() {
    isolated(|env| {
        stage::busybox(env);
        listener(env, &["-p", "8080:80"]);
        let pid = u32::try_from(inspect_pid_without_healing(env)).unwrap();
        kill(monitor());
        kill(pid);
        let shown = env.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]);
        assert_eq!(shown.ok(), "box exited");
        let state = inspect(env, "box")["State"].clone();
        assert_ne!(state["ExitCode"], 0, "{state}");
        assert!(state["Error"].as_str().is_some_and(|text| text.contains("lost")), "{state}");
        env.run(&["start", "box"]).ok();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_foreground_client_outlives_its_monitor() {
    isolated(|env| {
        stage::busybox(env);
        let mut command = env.dhow(&["run", "--rm", "--name", "box", "busybox", "sh", "-c", stage::LISTENER]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let client = command.spawn().unwrap();
        eventually("the container is ready", || env.run(&["logs", "box"]).lines() == ["ready"]);
        let first = monitor();
        kill(first);
        // The client and `ps` both heal; whoever comes second does not wait for the other's successor.
        eventually("a successor is there", || {
            env.run(&["ps", "-q"]).lines().len() == 1 && matches!(census::monitors()[..], [next] if next != first)
        });
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        assert_eq!(code(client), 7);
    });
}

/// A foreground client whose container and monitor are killed under it.
fn lose_both(env: &TestEnv, flags: &[&str]) -> i32 {
    let words = [&["run", "--name", "box"], flags, &["busybox", "sh", "-c", stage::LISTENER]].concat();
    let mut command = env.dhow(&words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let client = command.spawn().unwrap();
    ready(env);
    let init = u32::try_from(inspect_pid_without_healing(env)).unwrap();
    // The client is not to heal before both are dead.
    let stop = |signal| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(client.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    };
    stop(nix::sys::signal::Signal::SIGSTOP);
    eventually("the client stands still", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", client.id())).unwrap();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    });
    kill(monitor());
    kill(init);
    stop(nix::sys::signal::Signal::SIGCONT);
    code(client)
}

#[test]
fn a_foreground_client_knows_the_end_that_no_monitor_saw() {
    require!(pidfd_exit);
    isolated(|env| {
        stage::busybox(env);
        assert_eq!(lose_both(env, &["--rm"]), 137);
        env.nothing_is_left();
        assert_eq!(lose_both(env, &[]), 137);
        // Nobody else could have told.
        let state = inspect(env, "box")["State"].clone();
        assert_eq!((&state["ExitCode"], &state["Error"]), (&137.into(), &"".into()), "{state}");
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_wait_for_a_state_wakes_with_the_change() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["create", "--name", "box", "busybox", "sleep", "1000"]).ok();
        let wait = |condition: &str| {
            let mut command = env.dhow(&["wait", "--interval", "1h", "--condition", condition, "box"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        for (condition, words) in [
            ("running", &["start", "box"][..]),
            ("paused", &["pause", "box"]),
            ("running", &["unpause", "box"]),
            ("stopped", &["kill", "box"]),
        ] {
            let waiter = wait(condition);
            env.run(words).ok();
            assert_eq!(code(waiter), 0, "{condition}");
        }
        // Of an end that nobody wrote down its processes tell.
        env.run(&["start", "box"]).ok();
        let waiters = [wait("stopped"), wait("paused")];
        let init = u32::try_from(inspect_pid_without_healing(env)).unwrap();
        kill(monitor());
        kill(init);
        let [waiter, mut other] = waiters;
        assert_eq!(code(waiter), 0);
        other.kill().unwrap();
        other.wait().unwrap();
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_container_outlives_its_killed_client() {
    isolated(|env| {
        stage::busybox(env);
        let mut command = env.dhow(&["run", "--rm", "--name", "box", "busybox", "sh", "-c", stage::LISTENER]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = command.spawn().unwrap();
        eventually("the container is up", || env.run(&["ps", "-q"]).lines().len() == 1);
        ready(env);
        client.kill().unwrap();
        client.wait().unwrap();
        assert_eq!(inspect(env, "box")["State"]["Status"], "running");
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        // `--rm` is the monitor's promise as much as the client's.
        env.nothing_is_left();
    });
}

/// The hierarchies that a service manager keeps its units in.
fn unit_hierarchies() -> Vec<std::path::PathBuf> {
    let known = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
    let found = known.into_iter().map(std::path::PathBuf::from);
    found.filter(|place| place.join("cgroup.procs").exists()).collect()
}

#[test]
fn a_container_outlives_the_unit_that_started_it() {
    require!(cgroup);
    isolated(|env| {
        stage::busybox(env);
        let units: Vec<_> = unit_hierarchies().iter().map(|place| place.join("unit")).collect();
        for unit in &units {
            std::fs::create_dir(unit).unwrap();
        }
        let enter: Vec<_> = units.iter().map(|unit| format!("echo 0 > {}/cgroup.procs;", unit.display())).collect();
        let within = |words: &[&str]| {
            let dhow = env.dhow(words);
            let mut command = env.root.command("sh");
            command.arg("-c").arg(format!("{} exec \"$@\"", enter.join(" "))).arg("sh");
            command.arg(dhow.get_program()).args(dhow.get_args()).stdout(Stdio::null());
            assert!(command.status().unwrap().success(), "{words:?}");
        };
        within(&["run", "-d", "--name", "box", "busybox", "sh", "-c", stage::LISTENER]);
        ready(env);
        within(&["exec", "-d", "box", "sleep", "1000"]);
        // What the unit's end kills: whoever is in it. Then the unit goes.
        for unit in &units {
            let left = std::fs::read_to_string(unit.join("cgroup.procs")).unwrap();
            let left: Vec<_> = left.lines().map(|pid| census::command_line(pid.parse().unwrap())).collect();
            assert!(left.is_empty(), "{}: {left:?}", unit.display());
            std::fs::remove_dir(unit).unwrap();
        }
        assert_eq!(census::monitors().len(), 2);
        env.run(&["kill", "-s", "USR1", "box"]).ok();
        assert_eq!(env.run(&["wait", "box"]).ok(), "7");
        env.run(&["rm", "box"]).ok();
    });
}

/// Changes the state of container `box` on disk.
fn forge(env: &TestEnv, change: impl FnOnce(&mut serde_json::Value)) {
    let path = stage::directory(env, "box").join("state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut state);
    std::fs::write(&path, state.to_string()).unwrap();
}

/// R41.
#[test]
fn after_a_reboot_nothing_stale_is_believed() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["create", "--name", "box", "busybox", "sleep", "1000"]).ok();
        // Somebody else's process has the pid and the start time that the record names.
        let mut bystander = env.root.command("sleep").arg("1000").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", bystander.id())).unwrap();
        let start: u64 = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap();
        let process = serde_json::json!({"pid": bystander.id(), "start_time": start});
        for status in ["running", "paused", "stopping"] {
            forge(env, |state| {
                state["status"] = status.into();
                state["boot"] = "11111111-2222-3333-4444-555555555555".into();
                state["run"] = 1.into();
                state["effects"] = true.into();
                for who in ["init", "monitor", "stopper"] {
                    state[who] = process.clone();
                }
            });
            assert_eq!(env.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).ok(), "box exited");
            assert!(bystander.try_wait().unwrap().is_none(), "a stranger was killed ({status})");
        }
        env.run(&["start", "box"]).ok();
        assert_eq!(env.run(&["ps", "--format", "{{.Names}}"]).ok(), "box");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        assert!(bystander.try_wait().unwrap().is_none(), "a stranger was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    });
}
