//! An ordinary user's sessions: what was delegated is used, from wherever the user comes; what outlives a logout.

use super::{MANAGER, UID, USER, command, eventually, left, load_as_user, login, shell};
use crate::support::Outcome;

/// A script in a scope of the user's manager, as terminals of a desktop are.
fn in_scope(script: &str) -> Outcome {
    login(USER, &format!("exec systemd-run --user --scope --quiet bash -c \"$(cat <<'END'\n{script}\nEND\n)\""))
}

/// A script of the user without a session and without any variable of one.
fn without_session(script: &str) -> Outcome {
    command(&[
        "runuser",
        "-u",
        USER,
        "--",
        "env",
        "-i",
        "HOME=/home/tester",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "sh",
        "-c",
        script,
    ])
}

/// Removes the user's containers, and fails when something of them is left.
fn clean() {
    login(USER, "dhow rm -f -a -t 0 && dhow ps -aq").ok();
    assert_eq!(left(&format!("{MANAGER}/dhow")), Vec::<String>::new());
    assert_eq!(shell("pgrep -x dhow-monitor || true").ok(), "", "monitors");
}

fn logout() {
    shell(&format!("loginctl disable-linger {USER}; loginctl terminate-user {USER} || true")).ok();
    eventually("the user's manager has ended", || shell(&format!("systemctl is-active user@{UID}")).code != 0);
}

#[test]
#[ignore = "runs in the guest"]
fn limits_are_in_force_in_whatever_session() {
    load_as_user();
    for run in [in_scope as fn(&str) -> Outcome, |script| login(USER, script)] {
        let script = "dhow run --rm --network none --memory 48m --pids-limit 9 --cpus 0.5 busybox cat /proc/self/cgroup \
                      /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max";
        assert_eq!(run(script).ok(), "0::/\n50331648\n9\n50000 100000");
        let greedy =
            "dhow run --name box --network none --memory 32m busybox dd if=/dev/zero of=/dev/null bs=200M count=1";
        run(greedy).exits(137);
        assert_eq!(run("dhow inspect --format '{{.State.OOMKilled}}' box; dhow rm box").ok(), "true\nbox");
        run("dhow run --rm --network none --cpuset-cpus 0 busybox true").fails(125, "cpuset");
        clean();
    }
}

#[test]
#[ignore = "runs in the guest"]
fn every_session_reaches_the_containers_of_the_others() {
    load_as_user();
    in_scope("dhow run -d --name one --network none --memory 64m busybox sleep 1000").ok();
    login(USER, "dhow run -d --name two --network none --memory 64m busybox sleep 1000").ok();
    for name in ["one", "two"] {
        for run in [in_scope as fn(&str) -> Outcome, |script| login(USER, script)] {
            let script = format!("dhow exec {name} cat /proc/self/cgroup /sys/fs/cgroup/memory.max");
            assert_eq!(run(&script).ok(), "0::/\n67108864", "{name}");
            let greedy = format!("dhow exec {name} dd if=/dev/zero of=/dev/null bs=200M count=1");
            run(&greedy).exits(137);
            run(&format!("dhow pause {name} && dhow unpause {name} && dhow top {name} && dhow restart -t 0 {name}"))
                .ok();
        }
    }
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn without_a_manager_a_limit_is_refused_and_the_rest_works() {
    load_as_user();
    logout();
    let run = "export XDG_RUNTIME_DIR=/tmp/runtime; mkdir -p -m 700 $XDG_RUNTIME_DIR; dhow run --rm --network none";
    assert_eq!(without_session(&format!("{run} busybox echo hello")).ok(), "hello");
    let outcome = without_session(&format!("{run} --memory 64m busybox true"));
    outcome.fails(125, "resource limits were asked for");
    assert!(outcome.stderr.contains("hint:"), "{outcome}");
    shell("rm -rf /tmp/runtime").ok();
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_lives_as_long_as_the_users_manager() {
    load_as_user();
    let start = "dhow run -d --name box --network none busybox sleep 1000";
    let status = "dhow inspect --format '{{.State.Status}}' box";
    // With lingering, the end of the session that started it is nothing to it; logind kills what is left in that.
    shell("mkdir -p /etc/systemd/logind.conf.d && printf '[Login]\\nKillUserProcesses=yes\\n' > /etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind").ok();
    command(&["loginctl", "enable-linger", USER]).ok();
    login(USER, start).ok();
    eventually("the session has ended", || !shell("loginctl list-sessions --no-legend").ok().contains(USER));
    assert_eq!(login(USER, status).ok(), "running");
    assert_ne!(shell("pgrep -x dhow-monitor || true").ok(), "", "its monitor lives");
    // Without, it ends with the manager, and the next login knows it.
    logout();
    assert_eq!(shell("pgrep -f '^sleep 1000' || true").ok(), "");
    assert_eq!(login(USER, status).ok(), "exited");
    login(USER, "dhow start box").ok();
    assert_eq!(login(USER, status).ok(), "running");
    clean();
    shell("rm /etc/systemd/logind.conf.d/kill.conf && systemctl restart systemd-logind").ok();
}

#[test]
#[ignore = "runs in the guest"]
fn a_service_of_the_users_manager_runs_a_container() {
    load_as_user();
    let script = "systemd-run --user --quiet --wait --collect dhow run -d --name box --network none --memory 64m busybox sleep 1000 && \
                  dhow inspect --format '{{.State.Status}}' box";
    assert!(login(USER, script).ok().ends_with("running"));
    // A unit of the system, for this user, with a cgroup of its own to divide.
    let words = [
        "-p",
        "User=tester",
        "-p",
        "Delegate=yes",
        "--setenv=HOME=/home/tester",
        "--setenv=XDG_RUNTIME_DIR=/run/user/1000",
    ];
    let run = ["dhow", "exec", "box", "cat", "/sys/fs/cgroup/memory.max"];
    assert_eq!(
        command(&[&["systemd-run", "--quiet", "--wait", "--pipe", "--collect"], &words[..], &run].concat()).ok(),
        "67108864"
    );
    clean();
}
