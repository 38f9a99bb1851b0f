//! The unit that starts containers at boot. The guest boots once: its end is that of the unit, or of the user's manager,
//! and the next boot one whose id the records do not have.

use super::{UID, USER, clean, command, dhow, eventually, load, load_as_user, login, shell};

/// What ends well when it is told to.
const COMMAND: &str = "sh -c 'trap \"exit 0\" TERM; echo up; while :; do sleep 0.1; done'";

/// Makes this boot the next one after what the records in `store` tell of.
fn next_boot(store: &str) {
    let other = "11111111-2222-3333-4444-555555555555";
    shell(&format!("sed -i s/$(cat /proc/sys/kernel/random/boot_id)/{other}/ {store}/containers/*/state.json")).ok();
}

/// What starts the containers of this test, and stops one of them for good.
fn start() -> String {
    let mut script = String::from("set -e\n");
    for (name, policy) in
        [("a", "always"), ("b", "unless-stopped"), ("c", "unless-stopped"), ("d", "on-failure"), ("e", "no")]
    {
        script += &format!("dhow run -d --name {name} --network none --restart {policy} busybox {COMMAND}\n");
        script += &format!("until dhow logs {name} | grep -q up; do :; done\n");
    }
    script + "dhow stop c\n"
}

/// Waits until the user's unit has done its work.
fn started() {
    let state = || login(USER, "systemctl --user is-active dhow-boot").text();
    eventually("the unit has ended", || state() != "activating");
    let again =
        "systemd-run --user --quiet --wait --pipe --collect dhow start --all --filter should-start-on-boot=true";
    assert_eq!(state(), "active", "{}", login(USER, again));
}

/// Where the user's containers are.
const STORE: &str = "/home/tester/.local/share/dhow";
const RUNNING: &str = "dhow ps --format '{{.Names}}' | sort | tr '\\n' ' '";

#[test]
#[ignore = "runs in the guest"]
fn the_systems_unit_brings_back_what_ran() {
    load();
    assert_eq!(dhow(&["system", "boot-unit", "--install"]).ok(), "/etc/systemd/system/dhow-boot.service");
    assert_eq!(shell("systemctl is-enabled dhow-boot").ok(), "enabled");
    shell("systemd-analyze verify --man=no dhow-boot.service").ok();
    shell(&start()).ok();
    command(&["systemctl", "start", "dhow-boot"]).ok();
    assert_eq!(shell(RUNNING).ok(), "a b d e ");
    // The unit's end is not the containers' but at its stop.
    command(&["systemctl", "stop", "dhow-boot"]).ok();
    assert_eq!(shell(RUNNING).ok(), "e ");
    assert_eq!(dhow(&["inspect", "--format", "{{.State.ExitCode}}", "a", "b", "d"]).ok(), "0\n0\n0");
    // Nothing outlives a host.
    dhow(&["stop", "--until-boot", "e"]).ok();
    next_boot("/var/lib/dhow");
    assert_eq!(shell(RUNNING).ok(), "");
    command(&["systemctl", "start", "dhow-boot"]).ok();
    assert_eq!(shell(RUNNING).ok(), "a b d ");
    assert_eq!(dhow(&["system", "boot-unit", "--remove"]).ok(), "/etc/systemd/system/dhow-boot.service");
    command(&["systemctl", "daemon-reload"]).ok();
    assert_ne!(shell("systemctl is-enabled dhow-boot").code, 0);
    command(&["systemctl", "stop", "dhow-boot"]).ok();
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn a_lingering_users_unit_brings_back_what_ran() {
    load_as_user();
    let manager = format!("user@{UID}");
    login(USER, &format!("dhow system boot-unit --install\n{}", start())).ok();
    // The manager ends with the host; what ran goes with it.
    command(&["systemctl", "stop", &manager]).ok();
    eventually("nothing of the user runs", || shell(&format!("pgrep -u {USER} || true")).ok().is_empty());
    next_boot(STORE);
    // As a boot starts it for who lingers.
    command(&["systemctl", "start", &manager]).ok();
    started();
    assert_eq!(login(USER, RUNNING).ok(), "a b d ");
    // This time in good order.
    command(&["systemctl", "stop", &manager]).ok();
    next_boot(STORE);
    command(&["systemctl", "start", &manager]).ok();
    started();
    assert_eq!(login(USER, RUNNING).ok(), "a b d ");
    login(USER, "dhow rm -f -a -t 0; dhow system boot-unit --remove").ok();
    command(&["systemctl", "restart", &manager]).ok();
}
