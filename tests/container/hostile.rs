//! Images whose author means harm: files and links where the engine looks, configuration that says more than it should.

use serde_json::{Value, json};

use super::stage::{self, inspect};
use crate::require;
use crate::support::env::{self, eventually};
use crate::support::image::{Image, Packing};
use crate::support::isolated;
use crate::support::tar::Entry;

fn with(entries: &[Entry]) -> Image {
    Image::busybox().layer(entries, Packing::Gzip)
}

/// R7: Files of users and groups that are none.
#[test]
fn files_of_users_are_read_with_care() {
    isolated(|env| {
        let huge = |name: &str| Entry::file(name, 0o644, vec![b'x'; (1 << 20) + 1]);
        let not_regular = "is not a regular file";
        for (entry, words) in [
            (Entry::fifo("etc/passwd", 0o644), not_regular),
            (Entry::fifo("etc/group", 0o644), not_regular),
            (Entry::char_device("etc/passwd", 0o644, 1, 5), not_regular),
            (huge("etc/passwd"), "is larger than 1 MiB"),
            (huge("etc/group"), "is larger than 1 MiB"),
            (Entry::symlink("etc/passwd", "passwd"), "ymbolic link loop"),
            (Entry::symlink("etc/passwd", "/proc/1/root/etc/passwd"), "unable to find user web"),
            (Entry::symlink("etc/passwd", "../../../../../../../../etc/hosts"), "unable to find user web"),
        ] {
            let what = format!("{entry:?}").chars().take(200).collect::<String>();
            let changed = [Entry::whiteout("etc/passwd"), entry];
            env.load(&with(&changed[usize::from(!what.contains("passwd"))..]), "bad").ok();
            let outcome = env.run(&["run", "--rm", "--network", "none", "-u", "web", "bad", "true"]);
            assert!([125, 126].contains(&outcome.code) && outcome.stderr.contains(words), "{what}: {outcome}");
            env.run(&["rmi", "bad"]).ok();
        }
    });
}

/// R2, R3.
#[test]
fn links_in_the_place_of_our_directories_are_refused() {
    isolated(|env| {
        for name in ["proc", "dev", "sys"] {
            let entries = [Entry::whiteout(name), Entry::symlink(name, "/tmp")];
            let mut image = Image::busybox();
            image = image.layer(&entries[..1], Packing::Gzip).layer(&entries[1..], Packing::Gzip);
            env.load(&image, "bad").ok();
            let outcome = env.run(&["run", "--rm", "--network", "none", "bad", "true"]);
            assert!(outcome.code == 125 && outcome.stderr.contains("ymbolic link loop"), "{name}: {outcome}");
            env.run(&["rmi", "bad"]).ok();
        }
    });
}

/// R3: CVE-2019-16884 and its kin: what lies over the kernel's files can lie to who reads or writes them.
#[test]
fn no_mount_comes_over_what_the_kernel_shows() {
    isolated(|env| {
        let links = [
            Entry::symlink("toproc", "/proc"),
            Entry::symlink("tosys", "sys/"),
            Entry::symlink("todev", "/../dev/."),
            Entry::symlink("around", "toproc/self"),
        ];
        let volumes = json!({"/toproc/self/attr": {}});
        env.load(&with(&links), "links").ok();
        env.load(&with(&links).with("Volumes", volumes), "declared").ok();
        let refused = "a link leads into /proc, /sys or /dev";
        for target in ["/toproc", "/toproc/self/attr", "/around/attr", "/tosys/firmware", "/tosys/fs/cgroup", "/todev"]
        {
            for flags in [&["--tmpfs", target][..], &["--mount", &format!("type=volume,dst={target}")]] {
                let words = [&["run", "--rm", "--network", "none"], flags, &["links", "true"]].concat();
                let outcome = env.run(&words);
                assert!(outcome.code == 125 && outcome.stderr.contains(refused), "{outcome}");
            }
        }
        let outcome = env.run(&["run", "--rm", "--network", "none", "declared", "true"]);
        assert!(outcome.code == 125 && outcome.stderr.contains(refused), "{outcome}");
        // By its name it is the user's to say; what is in the container's shared memory is its own.
        let run = |target: &str| env.run(&["run", "--rm", "--network", "none", "--tmpfs", target, "links", "true"]);
        run("/dev/shm/x").ok();
        run("/todev/shm/x").ok();
        run("/proc/self/attr").fails(125, "mount on /proc/self/attr is not allowed");
    });
}

/// R16: A declared volume is a path: it names no directory of the host, no volume of the user, no option.
#[test]
fn declared_volumes_are_paths_and_nothing_else() {
    isolated(|env| {
        let path = env.place.display().to_string();
        let declared = json!({
            format!("{path}:/mnt"): {}, "/etc:/mnt:rw": {}, "mine:/taken": {}, "/data:U": {}, "/dev": {}, "/dev/shm": {},
            "/sys/fs/cgroup": {}, "/proc": {}, "/": {}, "relative": {}, "/new\nline": {}, "/good": {}, "/srv/../better/": {},
        });
        env.load(&Image::busybox().with("Volumes", declared), "declared").ok();
        env.run(&["volume", "create", "mine"]).ok();
        env.run(&["create", "--name", "box", "declared"]).ok();
        let mut targets: Vec<Value> = stage::inspect(env, "box")["Mounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|mount| mount["Destination"].clone())
            .collect();
        targets.sort_by_key(Value::to_string);
        assert_eq!(targets, ["/better", "/good"]);
        env.run(&["rm", "-v", "box"]).ok();
        let script = "ls /mnt /taken; stat -c %t:%T /dev/null; awk '$2 ~ /mnt|taken/' /proc/mounts";
        let outcome = env.run(&["run", "--rm", "--network", "none", "declared", "sh", "-c", script]);
        assert_eq!(outcome.text(), "1:3", "{outcome}");
        env.run(&["volume", "rm", "mine"]).ok();
    });
}

/// R16, R24.
#[test]
fn configuration_chooses_nothing_but_what_is_its_own() {
    isolated(|env| {
        for (key, value, words) in [
            ("User", json!("0:999999999999"), "out of range"),
            ("User", json!("4294967295"), "out of range"),
            ("User", json!("-1"), "unable to find user"),
            ("User", json!("0\n"), "invalid user"),
            ("WorkingDir", json!("relative/../.."), "not absolute"),
            ("Env", json!(["A=b\u{0}c"]), "NUL"),
            ("Cmd", json!(["true", "a\u{0}b"]), "NUL"),
        ] {
            env.load(&Image::busybox().with(key, value.clone()), "bad").ok();
            let words_of_run: &[&str] = if key == "Cmd" { &["bad"] } else { &["bad", "true"] };
            let outcome = env.run(&[&["run", "--rm", "--network", "none"], words_of_run].concat());
            assert!([125, 126].contains(&outcome.code) && outcome.stderr.contains(words), "{key} {value}: {outcome}");
            env.run(&["rmi", "bad"]).ok();
        }
        // Labels and annotations that other engines obey.
        let labels = json!({
            "io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined",
            "run.oci.hooks.stderr": "/dev/null", "org.systemd.property.KillMode": "'none'", "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
            "io.containers.autoupdate": "registry", "devices": "/dev/mem",
        });
        let image = Image::busybox()
            .with("Labels", labels)
            .with("StopSignal", json!("SIGNONE"))
            .with("ExposedPorts", json!({"99999/x": {}}));
        env.load(&image, "labels").ok();
        let status = ["grep", "-E", "^(CapEff|Seccomp):", "/proc/self/status"];
        let seen = env.run(&[&["run", "--rm", "--network", "none", "labels"][..], &status].concat()).ok();
        assert_eq!(seen, "CapEff:\t00000000800405fb\nSeccomp:\t2");
    });
}

/// R37: What an image calls itself reaches a terminal as text.
#[test]
fn names_and_labels_do_not_drive_a_terminal() {
    isolated(|env| {
        let evil = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}";
        let image = Image::busybox().with("Labels", json!({"a": evil})).with("Cmd", json!(["sh", evil]));
        env.load(&image, "evil").ok();
        env.run(&["create", "--name", "box", "evil"]).ok();
        for words in [
            &["ps", "-a", "--no-trunc"][..],
            &["ps", "-a", "--format", "{{.Labels}} {{.Command}}"],
            &["inspect", "box"],
            &["inspect", "box", "--format", "{{.Config.Labels}}"],
            &["image", "inspect", "evil"],
            &["history", "--no-trunc", "evil"],
            &["rm", evil],
        ] {
            let mut command = env.root.command("script");
            let path = |path: &std::path::Path| path.display().to_string();
            let (binary, store, runtime) = (path(&env.root.binary), path(&env.root.store), path(&env.root.runtime));
            let line = [&[&binary[..], "--root", &store, "--runroot", &runtime], words]
                .concat()
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(" ");
            command.args(["-qec", &line, "/dev/null"]);
            let shown = String::from_utf8_lossy(&env::finished(command, b"").stdout).into_owned();
            let drives = shown.chars().find(|c| (c.is_control() && !"\r\n\t".contains(*c)) || *c == '\u{202e}');
            assert_eq!(drives, None, "{words:?}: {shown:?}");
            assert!(!shown.trim().is_empty(), "{words:?}");
        }
        env.run(&["rm", "box"]).ok();
    });
}

/// R1.
///
/// A container exchanges a directory of a shared volume for a link to `/`, over and over, while others are mounted there.
#[test]
fn a_race_in_a_shared_volume_leads_nowhere() {
    isolated(|env| {
        stage::busybox(env);
        let source = env.place.join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("mark"), "").unwrap();
        let (racer, bind) = (env::program("racer").display().to_string(), format!("{}:/v/a/target", source.display()));
        env.run(&["volume", "create", "shared"]).ok();
        let words = ["run", "-d", "--name", "racer", "--network", "none", "-v", "shared:/v", "-v"];
        let racer = format!("{racer}:/racer:ro");
        env.run(&[&words[..], &[&racer, "busybox", "/racer", "/v", "a", "b", "60"]].concat()).ok();
        let host = std::fs::read_dir("/").unwrap().count();
        for _ in 0..20 {
            let flags = ["run", "--rm", "--network", "none", "-v", "shared:/v", "-v", &bind];
            // It comes to lie in the volume or in the container's own root, as the race has it; or it is refused.
            let outcome = env.run(&[&flags[..], &["busybox", "true"]].concat());
            assert!(outcome.code == 0 || outcome.code == 125 && outcome.stderr.contains("/v/a/target"), "{outcome}");
            assert!(!std::path::Path::new("/target").exists(), "made in the host's root");
        }
        assert_eq!(std::fs::read_dir("/").unwrap().count(), host);
        env.run(&["rm", "-f", "-t", "0", "racer"]).ok();
        env.run(&["volume", "rm", "shared"]).ok();
        std::fs::remove_dir_all(source).unwrap();
    });
}

/// Forks without end, eats memory, opens files and signals whatever it sees: outside of its limits nobody notices.
#[test]
fn who_takes_all_it_can_get_harms_nobody_else() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let start = |name: &str, script: &str| {
            let words =
                ["run", "-d", "--name", name, "--network", "none", "--pids-limit", "40", "--ulimit", "nofile=64:64"];
            let more = ["-m", "32m", "--memory-swap", "32m", "busybox", "sh", "-c", script];
            env.run(&[&words[..], &more].concat()).ok();
        };
        start("quiet", "trap : TERM HUP INT; while :; do sleep 0.2; done");
        let before = inspect(env, "quiet")["State"]["Pid"].clone();
        start("forks", "while :; do (while :; do sleep 1000 & done) 2>/dev/null; done");
        start("eats", "while :; do tail /dev/zero; echo x; done");
        start("opens", "exec tail -n 0 -f $(seq 100 | sed s,.*,/bin/busybox,) 2>&1");
        start("signals", "while :; do kill -KILL -1; kill -TERM -1; kill -STOP -1; echo x; sleep 0.1; done");
        let lines = |name: &str| env.run(&["logs", name]).text().lines().count();
        eventually("processes are at their limit", || env.run(&["top", "forks", "pid"]).text().lines().count() >= 38);
        eventually("signals were sent", || lines("signals") >= 3);
        eventually("memory ran out", || lines("eats") >= 2 || inspect(env, "eats")["State"]["OOMKilled"] == true);
        eventually("files ran out", || env.run(&["logs", "opens"]).text().matches("can't open").count() >= 36);
        // The others, and who manages them, go on as before.
        assert_eq!(env.run(&["exec", "quiet", "echo", "here"]).ok(), "here");
        assert_eq!(inspect(env, "quiet")["State"]["Pid"], before);
        assert_eq!(env.run(&["run", "--rm", "--network", "none", "busybox", "echo", "new"]).ok(), "new");
        for name in ["forks", "eats", "opens", "signals", "quiet"] {
            env.run(&["rm", "-f", "-t", "0", name]).ok();
        }
    });
}

/// R5: nothing of an image is executed or read as a program by who looks at its container (CVE-2019-14271).
#[test]
fn looking_at_a_container_executes_nothing_of_it() {
    isolated(|env| {
        let trap = "#!/bin/busybox sh\n/bin/busybox echo \"$0\" >> /trapped\n";
        let names = ["bin/ps", "bin/tar", "bin/cat", "bin/ls", "bin/id", "bin/sh", "usr/bin/getent", "sbin/ldconfig"];
        let mut entries = vec![Entry::dir("lib", 0o755), Entry::dir("usr/bin", 0o755), Entry::dir("sbin", 0o755)];
        entries.push(Entry::file("lib/libnss_files.so.2", 0o755, trap));
        entries.push(Entry::file("etc/nsswitch.conf", 0o644, "passwd: trap files\n"));
        for name in names {
            entries.push(Entry::whiteout(name));
        }
        let traps: Vec<Entry> = names.iter().map(|name| Entry::file(*name, 0o755, trap)).collect();
        let image = with(&entries).layer(&traps, Packing::Gzip);
        env.load(&image, "trapped").ok();
        let words = ["run", "-d", "--name", "box", "--network", "none", "trapped", "/bin/busybox", "sleep", "1000"];
        env.run(&words).ok();
        let (out, archive) = (env.place.join("out"), env.place.join("out.tar"));
        let (to, tar) = (out.display().to_string(), archive.display().to_string());
        for words in [
            &["top", "box"][..],
            &["top", "box", "user", "huser", "group", "comm", "capeff"],
            &["stats", "--no-stream", "box"],
            &["cp", "box:/etc", &to],
            &["cp", &tar, "box:/copied"],
            &["diff", "box"],
            &["export", "-o", &tar, "box"],
            &["inspect", "box"],
            &["logs", "box"],
            &["commit", "-q", "box", "committed"],
            &["image", "inspect", "committed"],
            &["rmi", "committed"],
        ] {
            std::fs::write(&archive, "").unwrap();
            env.run(words).ok();
        }
        let outcome = env.run(&["exec", "box", "/bin/busybox", "cat", "/trapped"]);
        assert!(outcome.code == 1 && outcome.stderr.contains("No such file"), "{outcome}");
        // The trap works.
        env.run(&["exec", "box", "/bin/ps"]).ok();
        assert_eq!(env.run(&["exec", "box", "/bin/busybox", "cat", "/trapped"]).ok(), "/bin/ps");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        std::fs::remove_dir_all(out).unwrap();
        std::fs::remove_file(archive).unwrap();
    });
}

/// R6: of the host a container sees what was asked for, and the files that are made for it alone.
#[test]
fn nothing_of_the_host_is_mounted_unasked() {
    isolated(|env| {
        stage::busybox(env);
        let probe = format!("{}:/probe:ro", env::program("probe").display());
        let asked = ["run", "--rm", "--network", "none", "-v", &probe];
        for flags in [&[][..], &["--privileged"], &["-t"], &["-u", "1000"], &["--read-only"]] {
            let seen = env.run(&[&asked, flags, &["busybox", "/probe"]].concat()).json();
            let mut binds: Vec<&str> = Vec::new();
            for mount in seen["mounts"].as_array().unwrap() {
                let (kind, target) = (mount["type"].as_str().unwrap(), mount["target"].as_str().unwrap());
                match kind {
                    "overlay" if target == "/" => {}
                    "proc" | "sysfs" | "cgroup" | "cgroup2" | "mqueue" | "devpts" => {}
                    // Our own, empty ones; whose root is not theirs is a bind of the host's.
                    "tmpfs" if mount["root"] == "/" => {}
                    // Of the container's own directory.
                    _ if ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"]
                        .contains(&target) =>
                    {
                        assert!(mount["root"].as_str().unwrap().contains("/containers/"), "{mount}");
                    }
                    _ => binds.push(target),
                }
            }
            // In a cgroup of v1 the hierarchies lie in a tmpfs of ours; masks are of a device or of an empty tmpfs.
            binds.retain(|target| {
                !target.starts_with("/proc/")
                    && !target.starts_with("/sys/")
                    && *target != "/dev/console"
                    && *target != "/probe"
            });
            assert!(binds.is_empty(), "{flags:?}: {binds:?}");
        }
    });
}
