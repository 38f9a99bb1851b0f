//! Containers that systemd's units start: what ends with the unit, and what does not.

use super::{cgroup_of, clean, command, dhow, eventually, init, load, shell};

fn status(name: &str) -> String {
    dhow(&["inspect", "--format", "{{.State.Status}}", name]).ok()
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_outlives_the_unit_that_started_it() {
    load();
    // When the unit ends, systemd kills what is left in its cgroup.
    let run = "dhow run -d --name box --network none busybox sh -c 'sleep 2; exit 7'";
    for flags in ["", "-p PrivateTmp=yes -p ProtectSystem=yes"] {
        shell(&format!("systemd-run --quiet --wait --collect {flags} --unit starter sh -c \"{run}\"")).ok();
        assert_eq!(status("box"), "running");
        let monitor = shell("pgrep -x dhow-monitor").ok();
        assert!(cgroup_of(&monitor).starts_with("/sys/fs/cgroup/dhow/"), "{}", cgroup_of(&monitor));
        // The code is known, so its monitor lived.
        assert_eq!(dhow(&["wait", "box"]).ok(), "7");
        clean();
    }
}

#[test]
#[ignore = "runs in the guest"]
fn a_unit_that_stops_stops_its_container() {
    load();
    let run = "dhow run --rm --name box --network none busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'";
    std::fs::write("/run/start-box", format!("exec {run}\n")).unwrap();
    command(&["systemd-run", "--quiet", "--unit", "box", "sh", "/run/start-box"]).ok();
    eventually("the container runs", || dhow(&["ps", "-q"]).ok() != "" && status("box") == "running");
    command(&["systemctl", "stop", "box"]).ok();
    assert_eq!(dhow(&["ps", "-aq"]).ok(), "");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn systemd_leaves_the_controllers_that_a_container_needs() {
    load();
    dhow(&[
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--memory",
        "64m",
        "--cpus",
        "1",
        "busybox",
        "sleep",
        "1000",
    ])
    .ok();
    command(&["systemctl", "daemon-reload"]).ok();
    // A unit with accounting comes and goes: systemd writes the controllers of the root again.
    shell("systemd-run --quiet --wait --collect -p CPUAccounting=yes -p IOAccounting=yes true").ok();
    let cgroup = cgroup_of(&init("box"));
    let read = |file: &str| std::fs::read_to_string(format!("{cgroup}/{file}")).unwrap();
    assert_eq!((read("memory.max").trim(), read("cpu.max").trim()), ("67108864", "100000 100000"));
    clean();
}
