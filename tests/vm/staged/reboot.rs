//! What is started at boot, by the system's unit and by that of a user who lingers.

use crate::guest::{USER, command, dhow, eventually, load, load_as_user, login, shell};

/// Containers that run, with their policies; one of them is stopped for good.
const START: &str = "set -e; dhow system boot-unit --install >/dev/null
for each in a:always b:unless-stopped c:unless-stopped d:on-failure e:no; do
dhow run -d --name ${each%%:*} --network none --restart ${each#*:} busybox \
  sh -c 'trap \"exit 0\" TERM; echo up; while :; do sleep 0.2; done' >/dev/null
until dhow logs ${each%%:*} | grep -q up; do :; done
done
dhow stop c >/dev/null";
const RUNNING: &str = "dhow ps --format '{{.Names}}' | sort | tr '\\n' ' '";

#[test]
#[ignore = "runs in the guest"]
fn before() {
    load();
    shell(START).ok();
    // Its stop, by the host's, is theirs; the user's is not up yet.
    command(&["systemctl", "start", "dhow-boot"]).ok();
    assert_eq!(shell(RUNNING).ok(), "a b d e ");
    load_as_user();
    login(USER, START).ok();
    assert_eq!(login(USER, RUNNING).ok(), "a b d e ");
}

#[test]
#[ignore = "runs in the guest"]
fn after() {
    let state = || command(&["systemctl", "is-active", "dhow-boot"]).text();
    eventually("the system's unit has ended", || state() != "activating");
    assert_eq!(state(), "active");
    // Nobody but the unit has started anything: this is the first command.
    assert_eq!(shell(RUNNING).ok(), "a b d ");
    assert_eq!(dhow(&["inspect", "--format", "{{.State.Status}}", "c", "e"]).ok(), "exited\nexited");
    let state = || login(USER, "systemctl --user is-active dhow-boot").text();
    eventually("the user's unit has ended", || !matches!(state().as_str(), "activating" | "inactive"));
    assert_eq!(state(), "active");
    assert_eq!(login(USER, RUNNING).ok(), "a b d ");
    assert_eq!(login(USER, "dhow exec a echo inside").ok(), "inside");
}
