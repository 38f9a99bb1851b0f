//! What a process in a container has of the host: its descriptors, signals, keys and environment, and where it gets by
//! those it has.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

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

/// R8.
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
        let host = std::fs::metadata("/dev/null").unwrap().dev().to_string();
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

/// R8.
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

/// R9.
#[test]
fn our_own_binary_cannot_be_changed() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "none", "--init"]);
        // CVE-2019-5736. That it runs keeps it from being written, so a change of its mode shows what the mount allows.
        let outcome = env.run(&["exec", "box", "chmod", "755", "/proc/1/exe"]);
        assert!(outcome.code == 1 && outcome.stderr.contains("Read-only file system"), "{outcome}");
        env.run(&["exec", "box", "sh", "-c", "echo x >> /dev/init"]).exits(1);
        // Who may mount lifts what is read-only of a bind, and still has no way to the installed file: what he meets is
        // an overlay of it, or a copy where something is mounted on the file, as here on that of the test.
        let installed = env.place.join("bin/dhow");
        std::fs::create_dir(installed.parent().unwrap()).unwrap();
        std::fs::copy(&env.root.binary, &installed).unwrap();
        let lifted = "mount -o remount,bind,rw /dev/init && chmod 700 /dev/init";
        for (binary, overlaid) in [(&installed, true), (&env.root.binary.clone(), false)] {
            let before = std::fs::metadata(binary).unwrap();
            for rights in [&["--privileged"][..], &["--cap-add", "sys_admin"]] {
                let words = [&["run", "--rm", "--init", "--network", "none"], rights, &["busybox", "sh", "-c", lifted]];
                env.root.binary.clone_from(binary);
                let outcome = env.run(&words.concat());
                let refused = outcome.code == 1 && outcome.stderr.contains("chmod: /dev/init: Read-only file system");
                assert!(if overlaid { refused } else { outcome.code == 0 }, "{outcome}");
                let after = std::fs::metadata(binary).unwrap();
                assert_eq!(
                    (after.mode(), after.ctime(), after.ctime_nsec()),
                    (before.mode(), before.ctime(), before.ctime_nsec())
                );
            }
        }
        std::fs::remove_dir_all(installed.parent().unwrap()).unwrap();
        let monitor = stage::inspect(env, "box")["State"]["ConmonPid"].as_i64().unwrap();
        let exe = std::path::PathBuf::from(format!("/proc/{monitor}/exe"));
        let mode = std::fs::metadata(&exe).unwrap().permissions().mode();
        let error = std::fs::set_permissions(&exe, PermissionsExt::from_mode(mode)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{error}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

/// R29 and the default profile: what a filter is there for, tried by each way into the kernel.
#[test]
fn calls_are_refused_by_every_way_into_the_kernel() {
    isolated(|env| {
        stage::busybox(env);
        let run = |flags: &[&str]| {
            let words = [&["run", "--rm", "--network", "none", "-v", &probe()], flags, &["busybox", "/probe", "calls"]];
            env.run(&words.concat()).json()
        };
        let (free, default, strict) =
            (run(&["--security-opt", "seccomp=unconfined"]), run(&[]), run(&["--security-opt", "seccomp=strict"]));
        let number = |seen: &Value, name: &str| i32::try_from(seen[name].as_i64().unwrap()).unwrap();
        let (eperm, enosys) = (libc::EPERM, libc::ENOSYS);
        let by_32_bits = number(&free, "32 getpid") == 0;
        let mut table = vec![
            ("socket alg", eperm),
            ("socket alg high", eperm),
            ("socket vsock", eperm),
            ("sti", eperm),
            ("sti high", eperm),
            ("linux", eperm),
            ("linux high", eperm),
            ("bpf", eperm),
            ("perf_event_open", eperm),
            ("userfaultfd", eperm),
            ("kexec_load", eperm),
            ("init_module", eperm),
            ("finit_module", eperm),
            ("open_by_handle_at", eperm),
            ("swapon", eperm),
            ("acct", eperm),
            ("settimeofday", eperm),
            ("iopl", eperm),
            ("personality randomness off", enosys),
            ("io_uring_setup", enosys),
            ("number 9999", enosys),
            ("x32 getpid", enosys),
            ("x32 socket alg", enosys),
            ("x32 ioctl sti", enosys),
        ];
        let strictly = [
            ("clone user", eperm),
            ("clone3", enosys),
            ("unshare", eperm),
            ("setns", eperm),
            ("mount", eperm),
            ("fsopen", eperm),
            ("open_tree", eperm),
            ("umount2", eperm),
            ("pivot_root", eperm),
        ];
        let mut strictly = strictly.to_vec();
        if by_32_bits {
            table.extend([
                ("32 socket alg", eperm),
                ("32 socket vsock", eperm),
                ("32 socketcall alg", eperm),
                ("32 socketcall vsock", eperm),
                ("32 sti", eperm),
                ("32 linux", eperm),
                ("32 bpf", eperm),
                ("32 vm86old", eperm),
                ("32 init_module", eperm),
                ("32 number 9999", enosys),
            ]);
            strictly.extend([("32 mount", eperm), ("32 setns", eperm), ("32 clone3", enosys), ("32 unshare", eperm)]);
        }
        for (name, errno) in &table {
            for seen in [&default, &strict] {
                assert_eq!(number(seen, name), *errno, "{name}: {seen}");
            }
        }
        for (name, errno) in &strictly {
            assert_eq!(number(&strict, name), *errno, "{name}: {strict}");
            // Else from the kernel, which looked at the arguments, or at the rights by the same number.
            let alike = ["fsopen", "pivot_root", "unshare"].contains(name);
            assert!(alike || number(&default, name) != *errno, "{name}: {default}");
        }
        // What nobody means to refuse works, so that the numbers above are the filter's.
        for name in ["getpid", "socket unix", "clone"] {
            assert_eq!((number(&default, name), number(&strict, name)), (0, 0), "{name}");
        }
        for seen in [&default, &strict] {
            assert_eq!(number(seen, "ioctl other"), libc::EBADF);
        }
        for (name, _) in table.iter().filter(|(_, errno)| *errno == enosys) {
            assert!(name.contains("9999") || name.contains("x32") || number(&free, name) != enosys, "{name}: {free}");
        }
    });
}

/// R27.
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

/// R29.
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

/// R28.
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

/// R17: whichever way leads into a container, what confines a process there is the same.
#[test]
fn every_way_into_a_container_confines_alike() {
    isolated(|env| {
        stage::busybox(env);
        let confined = "grep -E '^(Cap|Seccomp|NoNewPrivs|Groups|Uid|Gid)' /proc/self/status; ulimit -a; umask; \
                        cat /proc/self/oom_score_adj /proc/self/attr/current 2>/dev/null; readlink /proc/self/ns/*; true";
        let script = format!("{{ {confined}; }} > /seen/by-run; exec sleep 1000");
        let check = format!("{{ {confined}; }} > /seen/by-check");
        for flags in [
            &[][..],
            &["--security-opt", "no-new-privileges", "--cap-drop", "all", "--cap-add", "chown", "-u", "7:8"],
            &["--security-opt", "seccomp=strict", "--ulimit", "nofile=77:88", "--oom-score-adj", "100"],
        ] {
            let user = flags.contains(&"7:8");
            let words = [&["run", "-d", "--name", "box", "--network", "none"], flags];
            // Written where everybody may.
            let places = ["--tmpfs", "/seen:mode=1777", "--health-cmd", &check];
            let more = [&places[..], &["--health-interval", "disable", "busybox", "sh", "-c"]].concat();
            env.run(&[&words.concat(), &more[..], &[script.as_str()]].concat()).ok();
            env.run(&["healthcheck", "run", "box"]).ok();
            let seen = |name: &str| {
                crate::support::env::eventually("it was written", || {
                    env.run(&["exec", "box", "test", "-s", name]).code == 0
                });
                env.run(&["exec", "box", "cat", name]).text()
            };
            let by_exec = env.run(&["exec", "box", "sh", "-c", confined]).text();
            assert_eq!(by_exec, seen("/seen/by-run"), "{flags:?}");
            assert_eq!(by_exec, seen("/seen/by-check"), "{flags:?}");
            assert!(by_exec.contains("Seccomp:\t2") && (!user || by_exec.contains("Uid:\t7\t7\t7\t7")), "{by_exec}");
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        }
    });
}
