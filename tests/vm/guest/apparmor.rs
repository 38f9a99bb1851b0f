//! AppArmor profiles of containers.

use super::{clean, dhow, load, shell};

fn run(flags: &[&str]) -> crate::support::Outcome {
    let words = ["run", "--rm", "--network", "none"];
    dhow(&[&words[..], flags, &["busybox", "cat", "/proc/self/attr/current"]].concat())
}

#[test]
#[ignore = "runs in the guest"]
fn a_profile_that_was_asked_for_is_in_force() {
    load();
    let profile = "profile strict flags=(attach_disconnected) { file, capability, network, signal, deny /bin/busybox w, deny /forbidden rw, }\n";
    std::fs::write("/run/strict", profile).unwrap();
    shell("apparmor_parser -r /run/strict").ok();
    assert_eq!(run(&["--security-opt", "apparmor=strict"]).ok(), "strict (enforce)");
    let words = [
        "run",
        "-d",
        "--name",
        "box",
        "--network",
        "none",
        "--security-opt",
        "apparmor=strict",
        "busybox",
        "sleep",
        "1000",
    ];
    dhow(&words).ok();
    let touch = |name: &str| dhow(&["exec", "box", "touch", name]);
    touch("/allowed").ok();
    let refused = touch("/forbidden");
    assert!(refused.code != 0 && refused.stderr.contains("Permission denied"), "{refused}");
    assert_eq!(dhow(&["inspect", "--format", "{{.AppArmorProfile}}", "box"]).ok(), "strict");
    clean();
    shell("apparmor_parser -R /run/strict").ok();
}

#[test]
#[ignore = "runs in the guest"]
fn unconfined_is_unconfined_and_an_unknown_profile_an_error() {
    load();
    assert_eq!(run(&["--security-opt", "apparmor=unconfined"]).ok(), "unconfined");
    assert_eq!(run(&["--privileged"]).ok(), "unconfined");
    run(&["--security-opt", "apparmor=no-such"]).fails(125, "AppArmor profile \"no-such\" specified but not loaded");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn the_default_profile_is_loaded_when_it_is_first_needed() {
    load();
    shell("echo 'profile dhow-default {}' | apparmor_parser -R || true").ok();
    assert_eq!(run(&[]).ok(), "dhow-default (enforce)");
    // What the mount options let pass, the profile does not.
    let help = |flags: &[&str]| {
        let words = ["run", "--rm", "--network", "none", "--security-opt", "unmask=ALL"];
        dhow(&[&words[..], flags, &["busybox", "sh", "-c", "echo h > /proc/sysrq-trigger"]].concat())
    };
    let refused = help(&[]);
    assert!(refused.code != 0 && refused.stderr.contains("Permission denied"), "{refused}");
    help(&["--security-opt", "apparmor=unconfined"]).ok();
    dhow(&["run", "-d", "--name", "box", "--network", "none", "--init", "busybox", "sleep", "1000"]).ok();
    assert_eq!(dhow(&["inspect", "--format", "{{.AppArmorProfile}}", "box"]).ok(), "dhow-default");
    // Signals reach it from outside and inside; what comes later is confined too.
    assert_eq!(dhow(&["exec", "box", "cat", "/proc/self/attr/current"]).ok(), "dhow-default (enforce)");
    dhow(&["exec", "box", "sh", "-c", "sleep 5 & kill $!; wait $! || true"]).ok();
    dhow(&["stop", "-t", "50", "box"]).ok();
    assert_eq!(dhow(&["inspect", "--format", "{{.State.ExitCode}}", "box"]).ok(), "143");
    clean();
}

#[test]
#[ignore = "runs in the guest"]
fn without_a_parser_there_is_no_default_and_a_warning() {
    load();
    shell("echo 'profile dhow-default {}' | apparmor_parser -R; mv /usr/sbin/apparmor_parser /root/parser").ok();
    let warnings = dhow(&["info", "--format", "{{.Warnings}}"]).text() + &dhow(&["info"]).text();
    let said = run(&[]);
    shell("mv /root/parser /usr/sbin/apparmor_parser").ok();
    assert_eq!(said.ok(), "unconfined");
    assert!(warnings.contains("without the default AppArmor profile: apparmor_parser is not installed"), "{warnings}");
    assert_eq!(run(&[]).ok(), "dhow-default (enforce)");
    clean();
}
