//! Containers whose cgroups the service manager makes (`--cgroup-manager systemd`): each is a scope with podman's name.

use super::oci::property;
use super::{MANAGER, USER, cgroup_file, cgroup_of, clean, command, dhow, eventually, init, load, login, shell};

/// Root's containers with their scopes.
const SYSTEMD: &str = "--cgroup-manager=systemd";

fn gone(unit: &str) {
    eventually("the scope is gone", || property(unit, "ActiveState") == "inactive");
    assert_eq!(shell("find /sys/fs/cgroup/machine.slice -name 'libpod-*' 2>/dev/null || true").ok(), "");
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_is_a_scope_of_the_machines() {
    load();
    let words = [
        "--name",
        "box",
        "--stop-timeout",
        "2",
        "--network",
        "none",
        "--memory",
        "64m",
        "--pids-limit",
        "20",
        "busybox",
    ];
    let id = dhow(&[&[SYSTEMD, "run", "-d"], &words[..], &["sleep", "1000"]].concat()).ok();
    let unit = format!("libpod-{id}.scope");
    assert_eq!(property(&unit, "ActiveState"), "active");
    assert_eq!((property(&unit, "MemoryMax").as_str(), property(&unit, "TasksMax").as_str()), ("67108864", "20"));
    assert_eq!(cgroup_of(&init("box")), format!("/sys/fs/cgroup/machine.slice/{unit}"));
    let shown = dhow(&["inspect", "--format", "{{.HostConfig.CgroupManager}} {{.State.CgroupPath}}", "box"]);
    assert_eq!(shown.ok(), format!("systemd /machine.slice/{unit}"));
    assert_eq!(dhow(&["exec", "box", "cat", "/proc/self/cgroup"]).ok(), "0::/");
    // What the manager is told of a change stays when it starts anew.
    dhow(&["update", "--memory", "96m", "box"]).ok();
    command(&["systemctl", "daemon-reload"]).ok();
    assert_eq!(cgroup_file("box", "memory.max"), "100663296");
    dhow(&["pause", "box"]).ok();
    assert_eq!(cgroup_file("box", "cgroup.freeze"), "1");
    dhow(&["unpause", "box"]).ok();
    dhow(&["stop", "-t", "0", "box"]).ok();
    gone(&unit);
    // Again in a scope, whatever the command that starts it says.
    dhow(&["start", "box"]).ok();
    dhow(&["restart", "-t", "0", "box"]).ok();
    assert_eq!(
        (property(&unit, "ActiveState").as_str(), cgroup_file("box", "memory.max").as_str()),
        ("active", "100663296")
    );
    // Who stops the unit stops the container.
    command(&["systemctl", "stop", &unit]).ok();
    eventually("it has ended", || dhow(&["inspect", "--format", "{{.State.Status}}", "box"]).text() == "exited");
    dhow(&["start", "box"]).ok();
    // Killed with its monitor: the next command finds out and takes the scope away.
    let pids = dhow(&["inspect", "--format", "{{.State.ConmonPid}} {{.State.Pid}}", "box"]).ok();
    shell(&format!("kill -9 {pids}")).ok();
    dhow(&["rm", "-f", "box"]).ok();
    gone(&unit);
    dhow(&[&[SYSTEMD, "run", "--rm"], &words[..], &["true"]].concat()).ok();
    gone(&unit);
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn slices_are_chosen_and_paths_are_refused() {
    load();
    let run = |parent: &str, manager: &str| {
        let words = ["run", "--rm", "--network", "none", "--cgroupns", "host", "busybox", "cat", "/proc/self/cgroup"];
        dhow(&[&[manager][..], &words[..2], &["--cgroup-parent", parent], &words[2..]].concat())
    };
    let seen = run("work-box.slice", SYSTEMD).ok();
    assert!(seen.starts_with("0::/work.slice/work-box.slice/libpod-"), "{seen}");
    run("/work", SYSTEMD).fails(125, "did not receive systemd slice as cgroup parent");
    run("work.slice", "--cgroup-manager=cgroupfs").fails(125, "systemd slice received as cgroup parent");
    let conf = "[engine]\ncgroup_manager = \"systemd\"\n";
    std::fs::create_dir_all("/etc/containers/containers.conf.d").unwrap();
    std::fs::write("/etc/containers/containers.conf.d/test.conf", conf).unwrap();
    let info = dhow(&["info", "--format", "{{.Host.CgroupManager}}"]);
    let seen = dhow(&["run", "--rm", "--network", "none", "--cgroupns", "host", "busybox", "cat", "/proc/self/cgroup"]);
    std::fs::remove_file("/etc/containers/containers.conf.d/test.conf").unwrap();
    assert_eq!(info.ok(), "systemd");
    assert!(seen.ok().starts_with("0::/machine.slice/libpod-"), "{seen}");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn an_ordinary_users_container_is_a_scope_of_his_manager() {
    super::load_as_user();
    let script = "dhow --cgroup-manager systemd run -d --name box --network none --memory 48m busybox sleep 1000";
    let id = login(USER, script).ok();
    let unit = format!("libpod-{id}.scope");
    let shown = login(
        USER,
        &format!("systemctl --user show {unit} -P MemoryMax; dhow inspect --format {{{{.State.Pid}}}} box"),
    );
    let lines: Vec<String> = shown.ok().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "50331648", "{shown}");
    assert_eq!(cgroup_of(&lines[1]), format!("{MANAGER}/user.slice/{unit}"));
    login(USER, "dhow exec box true && dhow rm -f -t 0 box").ok();
    super::says("inactive", || login(USER, &format!("systemctl --user is-active {unit} || true")));
}
