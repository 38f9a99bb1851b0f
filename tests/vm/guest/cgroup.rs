//! Root's containers on cgroup v2: limits are in force, not only written.

use super::{cgroup_file, cgroup_of, clean, dhow, eventually, init, load, shell};

/// `run --rm --network none FLAGS busybox sh -c SCRIPT`.
fn run(flags: &[&str], script: &str) -> crate::support::Outcome {
    dhow(&[&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat())
}

/// `run -d --name box --network none FLAGS busybox sh -c SCRIPT`.
fn start(flags: &[&str], script: &str) {
    dhow(&[&["run", "-d", "--name", "box", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat())
        .ok();
}

#[test]
#[ignore = "runs in the guest"]
fn limits_are_written_and_seen_inside() {
    load();
    let flags = ["--memory", "64m", "--memory-reservation", "32m", "--cpus", "0.5", "--cpuset-cpus", "1"];
    start(&[&flags[..], &["--pids-limit", "20", "--cpu-shares", "512"]].concat(), "exec sleep 1000");
    for (file, expected) in [
        ("memory.max", "67108864"),
        ("memory.low", "33554432"),
        ("cpu.max", "50000 100000"),
        ("cpuset.cpus", "1"),
        ("cpuset.cpus.effective", "1"),
        ("pids.max", "20"),
        ("cgroup.type", "domain"),
    ] {
        assert_eq!(cgroup_file("box", file), expected, "{file}");
    }
    let cgroup = cgroup_of(&init("box"));
    let id = dhow(&["inspect", "--format", "{{.Id}}", "box"]).ok();
    assert_eq!(cgroup, format!("/sys/fs/cgroup/dhow/{id}"));
    assert_eq!(dhow(&["inspect", "box"]).json()[0]["State"]["CgroupPath"], format!("/dhow/{id}"));
    // Its own namespace: its cgroup is the root of what it sees, to be read only.
    let seen = "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; echo 1 > /sys/fs/cgroup/pids.max";
    let outcome = dhow(&["exec", "box", "sh", "-c", seen]);
    assert_eq!(outcome.text(), "0::/\n67108864", "{outcome}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome}");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn who_takes_too_much_memory_is_killed_and_that_is_told() {
    load();
    let greedy = "dd if=/dev/zero of=/dev/null bs=200M count=1";
    run(&["--memory", "32m"], &format!("exec {greedy}")).exits(137);
    start(&["--memory", "32m"], &format!("exec {greedy}"));
    assert_eq!(dhow(&["wait", "box"]).ok(), "137");
    assert_eq!(dhow(&["inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", "box"]).ok(), "true 137");
    clean();
    // With enough of it the same lives, and nothing of the kind is told.
    start(&["--memory", "512m"], greedy);
    assert_eq!(dhow(&["wait", "box"]).ok(), "0");
    assert_eq!(dhow(&["inspect", "--format", "{{.State.OOMKilled}}", "box"]).ok(), "false");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn processes_and_processor_time_are_limited() {
    load();
    let outcome = run(&["--pids-limit", "5"], "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done");
    assert!(outcome.code != 0 && outcome.stderr.contains("can't fork"), "{outcome}");
    start(&["--cpus", "0.1"], "while :; do :; done");
    eventually("its time is rationed", || {
        let text = cgroup_file("box", "cpu.stat");
        let throttled = text.lines().find_map(|line| line.strip_prefix("nr_throttled ")).expect("nr_throttled");
        throttled.parse::<u64>().unwrap() > 2
    });
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn devices_are_refused_by_a_program_in_the_kernel() {
    load();
    // A node may be made; opening it is what the cgroup decides.
    let script = "mknod /tmp/msg c 1 11 && cat /tmp/msg";
    let refused = run(&["--cap-add", "mknod"], script);
    assert!(refused.code != 0 && refused.stderr.contains("Operation not permitted"), "{refused}");
    let read = "mknod /tmp/msg c 1 11 && dd if=/tmp/msg of=/dev/null bs=8k count=1 2>/dev/null && echo read";
    assert_eq!(run(&["--cap-add", "mknod,syslog", "--device", "/dev/kmsg:/dev/kmsg:r"], read).ok(), "read");
    let write = "echo x > /dev/kmsg";
    let refused = run(&["--device", "/dev/kmsg:/dev/kmsg:r"], write);
    assert!(refused.code != 0 && refused.stderr.contains("Operation not permitted"), "{refused}");
    run(&["--device", "/dev/kmsg:/dev/kmsg:rw"], write).ok();
    for device in ["null", "zero", "full", "random", "urandom"] {
        run(&[], &format!("test -c /dev/{device} && : < /dev/{device}")).ok();
    }
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn who_is_paused_stands_still_and_goes_on() {
    load();
    start(&[], "while :; do echo x; sleep 0.1; done");
    dhow(&["pause", "box"]).ok();
    assert_eq!(cgroup_file("box", "cgroup.events"), "populated 1\nfrozen 1");
    assert_eq!(dhow(&["inspect", "--format", "{{.State.Status}}", "box"]).ok(), "paused");
    let before = dhow(&["logs", "box"]).ok();
    shell("sleep 1").ok();
    assert_eq!(dhow(&["logs", "box"]).ok(), before, "who stands still writes nothing");
    dhow(&["unpause", "box"]).ok();
    eventually("it goes on", || dhow(&["logs", "box"]).ok().len() > before.len());
    dhow(&["pause", "box"]).ok();
    dhow(&["stop", "-t", "1", "box"]).ok();
    clean();
    start(&[], "exec sleep 1000");
    dhow(&["pause", "box"]).ok();
    dhow(&["kill", "box"]).ok();
    dhow(&["wait", "box"]).ok();
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_command_beside_is_born_in_the_cgroup() {
    load();
    start(&["--memory", "64m", "--pids-limit", "30"], "exec sleep 1000");
    let greedy = "exec dd if=/dev/zero of=/dev/null bs=200M count=1";
    dhow(&["exec", "box", "sh", "-c", greedy]).exits(137);
    dhow(&["exec", "-d", "box", "sleep", "777"]).ok();
    let pid = shell("pgrep -f '^sleep 777'").ok();
    assert_eq!(cgroup_of(&pid), cgroup_of(&init("box")));
    // What is left of it goes with the container.
    dhow(&["rm", "-f", "-t", "0", "box"]).ok();
    assert_eq!(shell("pgrep -f '^sleep 777' || true").ok(), "");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_manager_inside_divides_its_own_cgroup() {
    load();
    // As systemd in a container does: a leaf for itself, then controllers for its children.
    let script = "mkdir /sys/fs/cgroup/init /sys/fs/cgroup/child && echo 1 > /sys/fs/cgroup/init/cgroup.procs && \
                  echo +memory +pids > /sys/fs/cgroup/cgroup.subtree_control && \
                  echo 10M > /sys/fs/cgroup/child/memory.max && echo divided; exec sleep 1000";
    start(&["--privileged", "--cgroupns", "private"], script);
    eventually("it has divided it", || dhow(&["logs", "box"]).ok() == "divided");
    // A command that comes later finds no room at the top, and goes where there is some.
    assert_eq!(dhow(&["exec", "box", "cat", "/proc/self/cgroup"]).ok(), "0::/init");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn the_hosts_tree_is_shown_read_only_and_a_parent_is_honoured() {
    load();
    let outcome = run(&["--cgroupns", "host"], "cat /proc/self/cgroup; mkdir /sys/fs/cgroup/x");
    assert!(outcome.text().starts_with("0::/dhow/"), "{outcome}");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome}");
    start(&["--cgroup-parent", "/machine.slice/mine"], "exec sleep 1000");
    assert!(cgroup_of(&init("box")).starts_with("/sys/fs/cgroup/machine.slice/mine/"));
    clean();
    assert_eq!(shell("find /sys/fs/cgroup/machine.slice/mine -mindepth 1 -type d").ok(), "");
}
