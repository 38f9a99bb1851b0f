//! Whose streams a container has: the caller's own with `--log-driver passthrough`, nobody's log with `none`.

use std::os::unix::fs::MetadataExt;

use super::stage;
use crate::support::env::{eventually, finished};
use crate::support::isolated;

#[test]
fn passthrough_hands_over_the_callers_streams() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("output");
        let inode = |path: &std::path::Path| std::fs::metadata(path).unwrap().ino().to_string();
        for mode in [&["run", "--rm"][..], &["run", "--rm", "-i"]] {
            let opened = std::fs::File::create(&file).unwrap();
            let words = ["--network", "none", "--log-driver", "passthrough", "busybox", "sh", "-c"];
            let script = "cat; stat -L -c %i /proc/self/fd/1; echo error >&2; exit 7";
            let mut command = env.dhow(&[mode, &words, &[script]].concat());
            command.stdin(std::fs::File::from(
                rustix::pipe::pipe()
                    .map(|(read, write)| {
                        rustix::io::write(&write, b"typed\n").unwrap();
                        read
                    })
                    .unwrap(),
            ));
            command.stdout(opened.try_clone().unwrap()).stderr(opened);
            assert_eq!(command.status().unwrap().code(), Some(7));
            // The very file, not a relay of it.
            assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("typed\n{}\nerror\n", inode(&file)));
        }
        std::fs::remove_file(&file).unwrap();
    });
}

#[test]
fn a_background_container_keeps_them_and_so_does_its_restart() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("output");
        let opened = std::fs::File::options().create(true).append(true).open(&file).unwrap();
        let words = ["run", "-d", "--name", "box", "--network", "none", "--log-driver", "passthrough", "--restart"];
        let mut command =
            env.dhow(&[&words[..], &["on-failure:1", "busybox", "sh", "-c", "echo once; exit 1"]].concat());
        command.stdout(opened);
        let id_is_printed_there_too = command.status().unwrap();
        assert!(id_is_printed_there_too.success());
        crate::support::env::eventually("the second run wrote", || {
            std::fs::read_to_string(&file).unwrap().matches("once\n").count() == 2
        });
        env.run(&["wait", "box"]).ok();
        let message = "this container is using the 'passthrough' log driver, cannot read logs: this container is not \
                       logging output";
        env.run(&["logs", "box"]).fails(125, message);
        assert_eq!(env.run(&["inspect", "-f", "{{.HostConfig.LogConfig.Type}}", "box"]).ok(), "passthrough");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        std::fs::remove_file(&file).unwrap();
    });
}

#[test]
fn what_passthrough_refuses() {
    isolated(|env| {
        stage::busybox(env);
        use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let inside =
            ioctl_tiocgptpeer(&terminal, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        let mut command = env.dhow(&["run", "--rm", "--log-driver", "passthrough", "busybox", "true"]);
        command.stdin(inside.try_clone().unwrap());
        finished(command, b"").fails(125, "the '--log-driver passthrough' option cannot be used on a TTY");
        let mut command = env.dhow(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--log-driver",
            "passthrough-tty",
            "busybox",
            "sh",
            "-c",
            "test -t 0",
        ]);
        command.stdin(inside);
        finished(command, b"").ok();
        drop(terminal);
        env.run(&["run", "--rm", "-t", "--log-driver", "passthrough", "busybox", "true"])
            .fails(125, "cannot be used with --tty");
        env.run(&["run", "-d", "--name", "box", "--log-driver", "passthrough", "busybox", "sleep", "1000"]).ok();
        env.run(&["attach", "box"]).fails(125, "cannot attach");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn without_a_log_output_is_seen_and_not_kept() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "--name", "box", "--network", "none", "--log-driver", "none", "busybox", "echo", "seen"];
        assert_eq!(env.run(&words).ok(), "seen");
        env.run(&["logs", "box"]).fails(125, "this container is using the 'none' log driver, cannot read logs");
        let logs =
            env.root.store.join("containers").join(env.run(&["inspect", "-f", "{{.Id}}", "box"]).ok()).join("log");
        let kept = std::fs::read_dir(&logs).map(Iterator::count).unwrap_or(0);
        assert_eq!(kept, 0, "{}", logs.display());
        env.run(&["rm", "box"]).ok();
    });
}

/// R44, R36: whatever a container writes, and whoever does not read it, its monitor stays as small as it was.
#[test]
fn a_flood_of_output_leaves_the_monitor_small() {
    isolated(|env| {
        stage::busybox(env);
        let probe = format!("{}:/probe:ro", crate::support::env::program("probe").display());
        for driver in ["none", "k8s-file", "json-file"] {
            let words = ["run", "-d", "--name", "box", "--network", "none", "--log-driver", driver, "--log-opt"];
            let size = if driver == "none" { "path=" } else { "max-size=1m" };
            let script =
                "/probe flood 1000000; touch /one; read go < /go; /probe flood 200000000; touch /two; sleep 1000";
            let script = format!("mkfifo /go; {script}");
            let mut flags = [&words[..], &[size, "-v", &probe, "busybox", "sh", "-c", &script]].concat();
            if driver == "none" {
                flags.drain(8..10);
            }
            env.run(&flags).ok();
            let exists = |name: &str| env.run(&["exec", "box", "test", "-e", name]).code == 0;
            let memory = || {
                let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", stage::monitor())).unwrap();
                let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
                line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
            };
            eventually("a megabyte is written", || exists("/one"));
            let before = memory();
            env.run(&["exec", "box", "sh", "-c", "echo > /go"]).ok();
            eventually("the flood is over", || exists("/two"));
            let after = memory();
            println!("{driver}: {before} kB, then {after} kB");
            assert!(after <= 1024 && after <= before + 64, "{driver}: {before} kB before, {after} kB after");
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        }
    });
}
