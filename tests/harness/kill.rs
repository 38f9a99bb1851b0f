//! The sweep counts what changes something and kills exactly before it.

use std::process::Command;
use std::time::Duration;

use crate::require;
use crate::support::env;
use crate::support::isolated;
use crate::support::kill::{Sweep, points};
use crate::support::trace::{self, Plan};

fn everything(_: &str) -> bool {
    true
}

#[test]
fn points_are_spread_and_all_on_request() {
    assert_eq!(points(3, None), [1, 2, 3]);
    assert_eq!(points(10, Some(4)), [1, 3, 6, 8]);
    assert_eq!(points(2, Some(4)), [1, 2]);
}

#[test]
fn a_kill_comes_before_the_nth_change() {
    require!(busybox);
    isolated(|env| {
        let directory = |n: usize| env.place.join(format!("d{n}"));
        let command = || {
            let mut command = Command::new("busybox");
            command.arg("mkdir").args((1..=4).map(directory));
            command
        };
        for kill_at in [None, Some(1), Some(3)] {
            let plan = Plan { kill_at, counts: &everything, limit: Duration::from_secs(10) };
            let traced = trace::run(command(), &plan);
            let made = (1..=4).filter(|n| directory(*n).exists()).count();
            assert_eq!(made, kill_at.map_or(4, |n| n - 1), "{traced:?}");
            assert_eq!(traced.killed.is_some(), kill_at.is_some());
            assert_eq!(traced.status.unwrap().success(), kill_at.is_none());
            for n in 1..=made {
                std::fs::remove_dir(directory(n)).unwrap();
            }
        }
    });
}

#[test]
fn a_childs_changes_count_and_what_runs_on_is_let_go() {
    isolated(|env| {
        let script = "mkdir a; (mkdir b; sleep 0.3; mkdir c) & mkdir d";
        let plan = Plan { kill_at: None, counts: &everything, limit: Duration::from_secs(10) };
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&env.place);
        let traced = trace::run(command, &plan);
        let mkdirs = |process: Option<usize>| {
            let fits = |c: &&trace::Call| c.what.starts_with("mkdir") && process.is_none_or(|p| c.process == p);
            traced.calls.iter().filter(fits).count()
        };
        assert!(mkdirs(None) >= 2, "{:?}", traced.calls);
        assert_eq!(mkdirs(Some(0)), 0, "mkdir is a program: {:?}", traced.calls);
        assert!(
            traced
                .calls
                .iter()
                .any(|call| call.process == 0 && matches!(call.what.as_str(), "clone" | "vfork" | "fork"))
        );
        env::eventually("what was let go does its work", || env.place.join("c").exists());
    });
}

#[test]
fn a_command_that_hangs_is_killed() {
    isolated(|_| {
        let mut command = Command::new("sleep");
        command.arg("100");
        let plan = Plan { kill_at: None, counts: &everything, limit: Duration::from_millis(200) };
        assert!(trace::run(command, &plan).status.is_none());
    });
}

/// A program in the way of dhow: writes a temporary file, renames it. Killed anywhere, the old or the new is there.
#[test]
fn a_sweep_visits_every_point() {
    require!(busybox);
    isolated(|env| {
        let mut killed = Vec::new();
        let script = "cp new tmp && mv tmp file";
        let sweep = Sweep {
            prepare: &|env| {
                std::fs::write(env.place.join("new"), "new").unwrap();
                std::fs::write(env.place.join("file"), "old").unwrap();
            },
            command: &|env| {
                let mut command = Command::new("bash");
                command.args(["-c", script]).current_dir(&env.place);
                command
            },
            exits: 0,
            sample: None,
        };
        let calls = sweep.run(env, |env, call| {
            let text = std::fs::read_to_string(env.place.join("file")).unwrap();
            assert!(text == "old" || text == "new", "{text:?} after a kill at {call}");
            killed.push((call.what.clone(), text));
        });
        let counted = calls.iter().filter(|call| crate::support::trace::not_payload(&call.program)).count();
        assert_eq!(killed.len(), counted, "{calls:?}");
        assert!(killed.iter().any(|(what, text)| what.starts_with("rename") && text == "old"), "{killed:?}");
    });
}

/// The pid of the process that waits for the lock of `file`: `/proc/locks` lists it with an arrow.
fn waiter(file: &std::fs::File) -> Option<i32> {
    use std::os::unix::fs::MetadataExt;
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let line = locks.lines().find(|line| line.contains("-> FLOCK") && line.contains(&inode))?;
    line.split_whitespace().nth(5)?.parse().ok()
}

#[test]
fn a_call_that_the_kernel_restarts_counts_once() {
    isolated(|env| {
        let path = env.place.join("lock");
        let held = std::fs::File::create(&path).unwrap();
        held.lock().unwrap();
        let mut command = Command::new("flock");
        command.arg(&path).arg("true");
        let traced = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut pid = None;
                env::eventually("the command waits", || {
                    pid = waiter(&held);
                    pid.is_some()
                });
                let pid = pid.unwrap();
                let signal = nix::sys::signal::Signal::SIGWINCH;
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
                // It is taken out of the queue to look at its signal, and goes back into it.
                env::eventually("the command waits again", || {
                    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                    let pending = status.lines().find(|line| line.starts_with("ShdPnd:")).unwrap();
                    pending.ends_with(":\t0000000000000000") && waiter(&held) == Some(pid)
                });
                held.unlock().unwrap();
            });
            trace::run(command, &Plan { kill_at: None, counts: &everything, limit: Duration::from_secs(20) })
        });
        let locked = traced.calls.iter().filter(|call| call.what == "flock").count();
        assert_eq!((locked, traced.status.unwrap().success()), (1, true), "{:?}", traced.calls);
    });
}
