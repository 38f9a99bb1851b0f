//! What a process in a container has of the host: its descriptors, signals, keys and environment, and where it gets by
//! those it has.

use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::stage;
use crate::support::env::{self, finished};
use crate::support::outcome::Outcome;
use crate::support::{TestEnv, isolated};

/// The option that puts the probe at `/probe`.
fn probe() -> String {
    format!("{}:/probe:ro", env::program("probe").display())
}

/// Runs the product as a careless caller would: signals ignored, a descriptor open, a umask, words of a service manager.
fn carelessly(env: &TestEnv, words: &[&str]) -> Outcome {
    let mut command = env.root.command("sh");
    let script = "trap '' HUP INT PIPE USR1 CHLD; umask 077; exec 9</etc/passwd 8>&9; \
                  export LISTEN_FDS=1 LISTEN_PID=1 SECRET=x; exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(&env.root.binary);
    command.arg("--root").arg(&env.root.store).arg("--runroot").arg(&env.root.runtime).args(words);
    finished(command, b"")
}

#[test]
fn nothing_of_the_callers_comes_with_a_process() {
    isolated(|env| {
        stage::busybox(env);
        let probe = probe();
        let run = &["run", "--rm", "--network", "none", "-v", &probe, "busybox"][..];
        stage::listener(env, &["--network", "none", "-v", &probe]);
        for words in [run, &["exec", "box"]] {
            // Not of the probe: Rust's own start ignores SIGPIPE.
            let signals = ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"];
            let signals = carelessly(env, &[words, &signals].concat()).ok();
            assert_eq!(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
            let seen = carelessly(env, &[words, &["/probe"]].concat()).json();
            let fds: Vec<&String> = seen["fds"].as_object().unwrap().keys().collect();
            assert_eq!(fds, ["0", "1", "2"], "{}", seen["fds"]);
            assert_eq!((&seen["umask"], &seen["oom_score_adj"]), (&json!(0o022), &json!("0")));
            assert_eq!(
                seen["tty"],
                json!({"stdin": false, "stdout": false, "stderr": false, "size": null, "controlling": false})
            );
            let mut names: Vec<&String> = seen["environment"].as_object().unwrap().keys().collect();
            names.sort();
            assert_eq!(names, ["HOME", "HOSTNAME", "PATH", "container"]);
            assert_eq!(seen["groups"], json!([0]));
            // A session of its own, not the caller's.
            assert_eq!(seen["sid"], seen["pid"]);
        }
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn the_null_device_is_the_containers_own() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        // By a descriptor of the host's node, root could close it to everybody. Only looked at: a defect harms nobody.
        let same = ["stat", "-L", "-c", "%d", "/proc/self/fd/0", "/dev/null"];
        let host = std::fs::metadata("/dev/null").unwrap().st_dev().to_string();
        for words in [&["run", "--rm", "--network", "none", "busybox"][..], &["exec", "box"]] {
            let devices = env.run(&[words, &same].concat()).lines();
            assert_eq!(devices.len(), 2);
            assert!(devices[0] == devices[1] && devices[0] != host, "{devices:?}, the host's is {host}");
        }
        // Whoever takes it away, or puts something else there, gets an end of file and not the host's.
        env.run(&["exec", "box", "sh", "-c", "rm /dev/null; echo bait > /dev/null"]).ok();
        let link = env.run(&["exec", "box", "readlink", "/proc/self/fd/0"]).ok();
        assert!(link.starts_with("pipe:"), "{link}");
        assert_eq!(env.run(&["exec", "box", "cat"]).ok(), "");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_working_directory_leads_nowhere_else() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none"]);
        // CVE-2024-21626: whatever descriptor is open while the process is prepared, it is none of the host's.
        let paths = (3..16).map(|number| format!("/proc/self/fd/{number}"));
        let above = (3..16).map(|number| format!("/proc/self/fd/{number}/../../.."));
        for path in paths.chain(above) {
            let run = ["run", "--rm", "--network", "none", "-w", &path, "busybox", "/bin/busybox", "readlink"];
            for words in [&run[..], &["exec", "-w", &path, "box", "/bin/busybox", "readlink"]] {
                let outcome = env.run(&[words, &["/proc/self/cwd"]].concat());
                let harmless = outcome.code == 0 && outcome.text() == "/" || [126, 127].contains(&outcome.code);
                assert!(harmless, "{outcome}");
            }
        }
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn our_own_binary_cannot_be_changed() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none", "--init"]);
        // CVE-2019-5736. That it runs keeps it from being written, so a change of its mode shows what the mount allows.
        let outcome = env.run(&["exec", "box", "chmod", "755", "/proc/1/exe"]);
        assert!(outcome.code == 1 && outcome.stderr.contains("Read-only file system"), "{outcome}");
        env.run(&["exec", "box", "sh", "-c", "echo x >> /dev/init"]).exits(1);
        let monitor = stage::inspect(env, "box")["State"]["ConmonPid"].as_i64().unwrap();
        let exe = std::path::PathBuf::from(format!("/proc/{monitor}/exe"));
        let mode = std::fs::metadata(&exe).unwrap().permissions().mode();
        let error = std::fs::set_permissions(&exe, PermissionsExt::from_mode(mode)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{error}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn each_process_has_keys_of_its_own() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none", "-v", &probe()]);
        let session = || env.run(&["exec", "box", "/probe", "session"]).ok();
        let (one, two) = (session(), session());
        let ours = finished(
            {
                let mut command = env.root.command(env::program("probe"));
                command.arg("session");
                command
            },
            b"",
        );
        assert!(one != two && one.parse::<i64>().unwrap() > 0 && ours.text() != one, "{one} {two}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_terminal_takes_nothing_that_was_not_typed() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "--rm", "-t", "--network", "none", "-v", &probe(), "busybox"];
        let typed = env.run(&[&words[..], &["/probe", "type"]].concat()).ok();
        assert_eq!(typed.replace('\r', ""), "-1 1\n-1 1");
        // Even for who may do everything else.
        let typed = env.run(&[&words[..1], &["--cap-add", "all"], &words[1..], &["/probe", "type"]].concat()).ok();
        assert_eq!(typed.replace('\r', ""), "-1 1\n-1 1");
        let seen: Value = env.run(&[&words[..], &["/probe"]].concat()).json();
        assert_eq!(seen["fds"].as_object().unwrap().len(), 3);
        assert_eq!(seen["tty"]["controlling"], true);
        assert!(seen["fds"]["0"].as_str().unwrap().starts_with("/dev/pts/"), "{}", seen["fds"]);
    });
}

#[test]
fn cgroups_show_the_containers_own_and_no_more() {
    isolated(|env| {
        stage::busybox(env);
        let list = "for d in /sys/fs/cgroup/*/; do [ -L ${d%/} ] || cat $d/cgroup.procs $d/tasks 2>/dev/null | grep -c .; \
                    find $d -mindepth 1 -type d; done";
        let run = |flags: &[&str]| {
            let base = ["run", "--rm", "--network", "none"];
            env.run(&[&base, flags, &["busybox", "sh", "-c", list]].concat()).ok()
        };
        for flags in [&[][..], &["--cgroupns", "host"]] {
            let seen = run(flags);
            // No cgroup below the container's, which has none: what shows there is another's.
            assert!(!seen.contains('/'), "{flags:?}: {seen}");
        }
        let written = "for f in $(find /sys/fs/cgroup -type f); do (echo 0 > $f) 2>/dev/null && echo $f; done; true";
        let outcome = env.run(&["run", "--rm", "--network", "none", "busybox", "sh", "-c", written]);
        assert_eq!(outcome.ok(), "");
    });
}
