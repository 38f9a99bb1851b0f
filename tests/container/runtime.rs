//! `--runtime`: containers that another OCI runtime makes, with everything else as for dhow's own.

use super::stage::{self, kill, monitor};
use crate::require;
use crate::support::env::eventually;
use crate::support::{TestEnv, isolated};

/// crun refuses a tree of cgroup v2 with controllers beside hierarchies of v1: it is not for this test to see.
fn without_hybrid() {
    let unified = std::path::Path::new("/sys/fs/cgroup/unified");
    if unified.join("cgroup.controllers").exists() {
        nix::mount::umount2(unified, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

/// What `inspect` says of the container.
fn shown(env: &TestEnv, template: &str) -> String {
    env.run(&["inspect", "-f", template, "box"]).text()
}

fn whole_life(env: &mut TestEnv, runtime: &str) {
    stage::busybox(env);
    let with = |words: &[&str]| env.run(&[&["--runtime", runtime], words].concat());
    let script = "echo out; echo err >&2; id -u; cat /proc/self/status | grep -c Seccomp:.2; exit 7";
    let outcome = with(&["run", "--rm", "--user", "7", "busybox", "sh", "-c", script]);
    outcome.exits(7);
    assert_eq!((outcome.text().as_str(), outcome.stderr.as_str()), ("out\n7\n1", "err\n"));
    with(&["run", "--rm", "busybox", "nosuch"]).fails(127, "command that was not found");
    with(&["run", "--rm", "busybox", "/etc/passwd"]).fails(126, "ermission denied");
    assert_eq!(env.run(&["ps", "-aq"]).ok(), "");

    let loops = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 1; done";
    with(&["run", "-d", "--name", "box", "-m", "64m", "-v", "data:/data", "busybox", "sh", "-c", loops]).ok();
    assert_eq!(shown(env, "{{.OCIRuntime}} {{.State.Status}}"), format!("{runtime} running"));
    // It is the container's, whatever the command line says later.
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";
    let outcome = env.run(&["exec", "box", "sh", "-c", &format!("{limit}; exit 5")]);
    outcome.exits(5);
    assert_eq!(outcome.text(), "67108864");
    env.run(&["exec", "box", "nosuch"]).fails(127, "not found");
    env.run(&["exec", "-d", "box", "sh", "-c", "echo made > /data/file"]).ok();
    eventually("the session has run", || env.run(&["exec", "box", "cat", "/data/file"]).text() == "made");
    env.run(&["exec", "-t", "box", "tty"]).ok();
    assert!(env.run(&["top", "box"]).ok().contains("sleep 1"));
    env.run(&["pause", "box"]).ok();
    assert_eq!(shown(env, "{{.State.Status}}"), "paused");
    env.run(&["unpause", "box"]).ok();
    env.run(&["update", "-m", "96m", "box"]).ok();
    assert_eq!(env.run(&["exec", "box", "sh", "-c", limit]).text(), "100663296");

    // Without its monitor it goes on, and its end is seen.
    kill(monitor());
    assert_eq!(env.run(&["exec", "box", "echo", "here"]).ok(), "here");
    env.run(&["stop", "-t", "10", "box"]).ok();
    assert_eq!(env.run(&["logs", "box"]).text(), "ready\nbye");
    env.run(&["start", "box"]).ok();
    env.run(&["restart", "-t", "10", "box"]).ok();
    assert_eq!(shown(env, "{{.State.Status}}"), "running");
    env.run(&["rm", "-f", "-v", "box"]).ok();
    assert_eq!(with(&["run", "--rm", "-t", "busybox", "tty"]).text().trim_end(), "/dev/pts/0");

    // Hooks are the runtime's to run.
    let (dir, log) = (env.place.join("hooks"), env.place.join("log"));
    std::fs::create_dir_all(&dir).unwrap();
    for stage in ["createRuntime", "poststart", "poststop"] {
        let definition = serde_json::json!({
            "version": "1.0.0", "when": {"always": true}, "stages": [stage],
            // crun fails when a hook ends without reading the state.
            "hook": {"path": "/bin/sh", "args": ["sh", "-c", format!("cat > /dev/null; echo {stage} >> {}", log.display())]},
        });
        std::fs::write(dir.join(format!("{stage}.json")), definition.to_string()).unwrap();
    }
    with(&["--hooks-dir", dir.to_str().unwrap(), "run", "--rm", "busybox", "true"]).ok();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "createRuntime\npoststart\npoststop\n");
    env.run(&["volume", "prune", "-f"]).ok();
}

#[test]
fn runc_makes_containers() {
    require!(runc);
    isolated(|env| whole_life(env, "runc"));
}

#[test]
fn crun_makes_containers() {
    require!(crun);
    isolated(|env| {
        without_hybrid();
        whole_life(env, "crun");
    });
}

#[test]
fn a_run_by_another_runtime_killed_anywhere_is_healed() {
    require!(runc);
    isolated(|env| {
        stage::busybox(env);
        super::kill::sweep(env, &[], &["--runtime", "runc", "run", "-d", "--name", "box", "busybox", "sleep", "100"]);
    });
}

#[test]
fn a_runtime_that_is_not_there_is_told() {
    isolated(|env| {
        stage::busybox(env);
        let missing = "default OCI runtime \"nosuch\" not found: invalid argument";
        env.run(&["--runtime", "nosuch", "create", "busybox"]).fails(125, missing);
        env.run(&["--runtime", "/nosuch/crun", "ps"]).fails(125, "not found");
        // A name of the files, and a program that breaks off.
        let (conf, program) = (env.place.join("containers.conf"), env.place.join("runtime"));
        std::fs::write(&conf, format!("[engine.runtimes]\nmine = [\"/nosuch\", \"{}\"]\n", program.display())).unwrap();
        std::fs::write(&program, "#!/bin/sh\necho no luck >&2\nexit 3\n").unwrap();
        let allow =
            |mode| std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let run = || {
            let mut command = env.dhow(&["--runtime", "mine", "run", "--rm", "-t", "busybox", "true"]);
            command.env("CONTAINERS_CONF", &conf);
            crate::support::env::finished(command, b"")
        };
        allow(0o755);
        run().fails(126, "mine: no luck: OCI runtime error");
        allow(0o777);
        run().fails(125, "can be changed by others than root");
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
    });
}
