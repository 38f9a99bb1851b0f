//! What starts again after a boot, and the unit that sees to it.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::stage;
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};

const BOOT: [&str; 2] = ["--filter", "should-start-on-boot=true"];

fn names(env: &TestEnv, flags: &[&str]) -> String {
    let mut names = env.run(&[&["ps", "--format", "{{.Names}}"], flags].concat()).lines();
    names.sort();
    names.join(" ")
}

/// Runs a container that ends well when it is told to, with a policy.
fn run(env: &TestEnv, name: &str, policy: &str) {
    let script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let words = ["run", "-d", "--name", name, "--network", "none", "--restart", policy, "busybox", "sh", "-c", script];
    env.run(&words).ok();
    eventually("the container listens", || env.run(&["logs", name]).text().ends_with("up"));
}

/// Starts what a boot starts, and takes note of what runs then.
fn boot(env: &TestEnv) -> String {
    env.run(&[&["start", "--all"], &BOOT[..]].concat()).ok();
    names(env, &[])
}

#[test]
fn what_a_shutdown_ends_starts_at_the_next_boot() {
    isolated(|env| {
        stage::busybox(env);
        for (name, policy) in
            [("a", "always"), ("b", "unless-stopped"), ("c", "unless-stopped"), ("d", "on-failure"), ("e", "no")]
        {
            run(env, name, policy);
        }
        env.run(&["run", "--name", "f", "--network", "none", "--restart", "on-failure:1", "busybox", "true"]).ok();
        env.run(&["stop", "c"]).ok();
        assert_eq!(names(env, &[&["-a"], &BOOT[..]].concat()), "a b d");
        assert_eq!(names(env, &["-a", "--filter", "should-start-on-boot=false"]), "c e f");
        env.run(&["pause", "b"]).ok();
        env.run(&["stop", "--all", "--until-boot", "-t", "1"]).fails(125, "cannot be used together");
        let mut ended = env.run(&[&["stop", "--all", "--until-boot"], &BOOT[..]].concat()).lines();
        ended.sort();
        assert_eq!(ended.len(), 3);
        // By their own signal; nobody starts them before the boot does.
        assert_eq!(names(env, &[]), "e");
        for name in ["a", "b", "d"] {
            assert_eq!(stage::inspect(env, name)["State"]["ExitCode"], 0, "{name}");
        }
        assert_eq!(names(env, &[&["-a"], &BOOT[..]].concat()), "a b d");
        assert_eq!(boot(env), "a b d e");
        // `always` is podman's: also when a user has stopped it.
        env.run(&["stop", "-t", "0", "a", "b", "d"]).ok();
        assert_eq!(boot(env), "a e");
        env.run(&["rm", "-f", "-a", "-t", "0"]).ok();
    });
}

#[test]
fn what_a_power_cut_ended_starts_at_the_next_boot_and_not_before() {
    isolated(|env| {
        stage::busybox(env);
        run(env, "one", "unless-stopped");
        run(env, "two", "on-failure:3");
        run(env, "three", "no");
        for name in ["one", "two", "three"] {
            let state = stage::inspect(env, name)["State"].clone();
            let path = stage::directory(env, name).join("state.json");
            for key in ["ConmonPid", "Pid"] {
                stage::kill(u32::try_from(state[key].as_u64().unwrap()).unwrap());
            }
            let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            record["boot"] = "11111111-2222-3333-4444-555555555555".into();
            std::fs::write(&path, record.to_string()).unwrap();
        }
        assert_eq!(names(env, &[]), "");
        assert_eq!(names(env, &["-a", "--filter", "status=exited"]), "one three two");
        assert_eq!(boot(env), "one two");
        env.run(&["rm", "-f", "-a", "-t", "0"]).ok();
    });
}

#[test]
fn a_container_in_its_back_off_waits_for_the_boot_too() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--restart", "always", "busybox", "false"];
        env.run(&words).ok();
        // The back-off is long enough to be met in it after a few tries.
        eventually("it has failed often", || stage::inspect(env, "box")["RestartCount"].as_u64() > Some(3));
        eventually("it waits", || stage::inspect(env, "box")["State"]["Status"] == "exited");
        env.run(&["stop", "--all", "--until-boot"]).ok();
        stage::settle(env);
        let count = stage::inspect(env, "box")["RestartCount"].clone();
        eventually("nobody waits for its next start", || crate::support::census::monitors().is_empty());
        assert_eq!(stage::inspect(env, "box")["RestartCount"], count);
        assert_eq!(names(env, &[&["-a"], &BOOT[..]].concat()), "box");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn the_unit_is_printed_installed_and_removed() {
    isolated(|env| {
        let root = std::path::Path::new("/etc/systemd/system/dhow-boot.service");
        let own = env.user.home.join(".config/systemd/user/dhow-boot.service");
        for (seat, path, target) in
            [(&env.root, root, "multi-user.target"), (&env.user, own.as_path(), "default.target")]
        {
            let words = |flags: &[&'static str]| [&["system", "boot-unit"], flags].concat();
            let text = seat.run(&words(&[])).ok();
            let start = format!("ExecStart={} --root {} ", seat.binary.display(), seat.store.display());
            assert!(text.contains(&start) && text.contains(&format!("\nWantedBy={target}")), "{text}");
            assert!(!path.exists());
            let link = path.parent().unwrap().join(format!("{target}.wants/dhow-boot.service"));
            for _ in 0..2 {
                let installed = seat.run(&words(&["--install"]));
                assert_eq!(installed.ok(), path.display().to_string());
                assert_eq!(installed.stderr.contains("enable-linger"), seat.uid != 0, "{installed}");
                assert_eq!(std::fs::read_to_string(path).unwrap().trim_end(), text);
                assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644);
                assert_eq!(std::fs::canonicalize(&link).unwrap(), path);
            }
            assert_eq!(seat.run(&words(&["--remove"])).ok(), path.display().to_string());
            assert!(!path.exists() && std::fs::symlink_metadata(&link).is_err());
            seat.run(&words(&["--remove"])).fails(125, "is not installed");
            seat.run(&words(&["--install", "--remove"])).fails(125, "cannot be used together");
        }
    });
}
