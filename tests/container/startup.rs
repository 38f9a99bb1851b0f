//! What belongs to the start of a container: masks, zones, accounts, variables, files of pids, time limits, what it
//! needs of other containers and of its caller.

use super::stage::{self, inspect};
use crate::support::{TestEnv, isolated};

fn busybox(env: &TestEnv, flags: &[&str], script: &str) -> String {
    let words = [&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat();
    env.run(&words).ok()
}

#[test]
fn masks_zones_and_scores_are_the_containers() {
    isolated(|env| {
        stage::busybox(env);
        let script = "umask; date +%Z; cat /proc/self/oom_score_adj; uname -m";
        let flags = ["--umask", "0077", "--tz", "Asia/Tokyo", "--oom-score-adj", "300", "--personality", "LINUX32"];
        assert_eq!(busybox(env, &flags, script).lines().collect::<Vec<_>>(), ["0077", "JST", "300", "i686"]);
        let words = [&["run", "-d", "--name", "box", "--network", "none"], &flags[..], &["busybox", "sleep", "1000"]];
        env.run(&words.concat()).ok();
        assert_eq!(
            env.run(&["exec", "box", "sh", "-c", "umask; cat /proc/self/oom_score_adj"]).lines(),
            ["0077", "300"]
        );
        let seen = inspect(env, "box");
        assert_eq!((&seen["Config"]["Umask"], &seen["HostConfig"]["OomScoreAdj"]), (&"0077".into(), &300.into()));
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        env.run(&["create", "--tz", "No/Where", "busybox"]).fails(125, "stat /usr/share/zoneinfo/No/Where");
        env.run(&["create", "--tz", "../../../etc/passwd", "busybox"]).fails(125, "finding timezone");
    });
}

#[test]
fn a_user_without_an_account_gets_one() {
    isolated(|env| {
        stage::busybox(env);
        let own = "grep ^4242: /etc/passwd; grep ^4343: /etc/group; id -un";
        let lines = ["4242:*:4242:4343:container user:/tmp:/bin/sh", "4343:x:4343:4242", "4242"];
        let flags = ["-u", "4242:4343", "-w", "/tmp"];
        assert_eq!(busybox(env, &flags, own).lines().collect::<Vec<_>>(), lines);
        // What cannot be written is covered.
        assert_eq!(busybox(env, &[&flags[..], &["--read-only"]].concat(), own).lines().collect::<Vec<_>>(), lines);
        let auto = [&flags[..], &["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"]].concat();
        assert_eq!(busybox(env, &auto, own).lines().collect::<Vec<_>>(), lines);
        assert_eq!(
            busybox(env, &[&flags[..], &["--passwd=false"]].concat(), "grep -c ^4242: /etc/passwd || true"),
            "0"
        );
        let flags =
            ["-u", "4242:4343", "--passwd-entry", "me:*:$UID:$GID::$HOME:/bin/me", "--group-entry", "us:x:$GID:"];
        let script = "id -un; id -gn; grep -c ^me: /etc/passwd";
        assert_eq!(busybox(env, &flags, script).lines().collect::<Vec<_>>(), ["me", "us", "1"]);
        // Once, however often it starts; and as the host knows the user.
        env.run(&[
            "create",
            "--name",
            "box",
            "--network",
            "none",
            "--hostuser",
            "daemon",
            "-u",
            "77",
            "busybox",
            "sh",
            "-c",
            "grep -c ^77: /etc/passwd; grep ^daemon: /etc/passwd | cut -d: -f3",
        ])
        .ok();
        for _ in 0..2 {
            assert_eq!(env.run(&["start", "-a", "box"]).lines(), ["1", "1"]);
        }
        env.run(&["rm", "box"]).ok();
        env.run(&["create", "--passwd-entry", "a\nroot2:x:0:0::/:", "busybox"]).fails(125, "control character");
        env.run(&["create", "--hostuser", "nosuch", "busybox"]).fails(125, "unable to find user nosuch");
    });
}

#[test]
fn variables_are_left_out_merged_and_passed_on() {
    isolated(|env| {
        stage::busybox(env);
        let run = |flags: &[&str]| {
            let words = [&["run", "--rm", "--network", "none"], flags, &["busybox", "/bin/env"]].concat();
            let mut command = env.root.dhow(&words);
            command.env("CALLER", "c").env("https_proxy", "http://p:1");
            let mut lines = crate::support::env::finished(command, b"").lines();
            lines.retain(|line| !line.starts_with("HOSTNAME="));
            lines.sort();
            lines
        };
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(run(&[]), ["HOME=/root", path, "container=podman", "https_proxy=http://p:1"]);
        let without = ["--http-proxy=false", "--unsetenv", "container"];
        assert_eq!(run(&without), ["HOME=/root", path]);
        assert_eq!(run(&["--http-proxy=false", "--unsetenv-all", "-e", "A=1"]), ["A=1", "HOME=/root"]);
        assert!(run(&["--env-host"]).contains(&"CALLER=c".to_owned()));
        let merged = run(&["--env-merge", "PATH=${PATH}:/more", "--env-merge", "NEW=${NONE:-d}"]);
        assert!(merged.contains(&format!("{path}:/more")) && merged.contains(&"NEW=d".to_owned()), "{merged:?}");
    });
}

#[test]
fn pids_are_written_where_they_are_asked_for() {
    isolated(|env| {
        stage::busybox(env);
        let (init, monitor) = (env.place.join("init.pid"), env.place.join("monitor.pid"));
        let (one, two) = (init.display().to_string(), monitor.display().to_string());
        let flags = ["run", "-d", "--name", "box", "--network", "none", "--pidfile", &one, "--conmon-pidfile", &two];
        env.run(&[&flags[..], &["busybox", "sleep", "1000"]].concat()).ok();
        let pid = |path: &std::path::Path| std::fs::read_to_string(path).unwrap().parse::<i64>().unwrap();
        let seen = || {
            let state = inspect(env, "box")["State"].take();
            (state["Pid"].as_i64().unwrap(), state["ConmonPid"].as_i64().unwrap())
        };
        let first = (pid(&init), pid(&monitor));
        assert_eq!(first, seen());
        env.run(&["restart", "-t", "0", "box"]).ok();
        assert_eq!((pid(&init), pid(&monitor)), seen());
        assert_ne!((pid(&init), pid(&monitor)), first);
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        // Where it cannot be written nothing runs.
        env.run(&["run", "--rm", "--network", "none", "--pidfile", "/no/where/pid", "busybox", "sleep", "1000"])
            .fails(125, "write the pid to /no/where/pid");
        assert!(env.run(&["ps", "-aq"]).ok().is_empty());
    });
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "--rm", "--network", "none", "--timeout", "1", "busybox", "sleep", "1000"]).exits(255);
        // A monitor that takes over keeps the time.
        env.run(&["run", "-d", "--name", "box", "--network", "none", "--timeout", "2", "busybox", "sleep", "1000"])
            .ok();
        stage::kill(stage::monitor());
        env.run(&["ps"]).ok();
        assert_eq!(env.run(&["wait", "box"]).ok(), "255");
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn what_is_required_runs_first_and_stays() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["create", "--name", "base", "--network", "none", "busybox", "sleep", "1000"]).ok();
        env.run(&["run", "--name", "box", "--network", "none", "--requires", "base", "busybox", "true"]).ok();
        assert_eq!(inspect(env, "base")["State"]["Status"], "running");
        env.run(&["rm", "-f", "-t", "0", "base"])
            .fails(125, "has dependent containers which must be removed before it");
        env.run(&["rm", "box"]).ok();
        env.run(&["rm", "-f", "-t", "0", "base"]).ok();
        env.run(&["create", "--requires", "base", "busybox"]).fails(125, "no container with name or ID \"base\" found");
    });
}

#[test]
fn volumes_come_from_other_containers_and_images() {
    isolated(|env| {
        stage::busybox(env);
        let words = ["create", "--name", "source", "-v", "kept:/a", "-v", "/b", "--tmpfs", "/c", "busybox"];
        env.run(&words).ok();
        let mounts = |flags: &[&str]| {
            busybox(env, flags, "for d in a b c; do grep -q \" /$d \" /proc/mounts && echo $d; done; true")
        };
        assert_eq!(mounts(&["--volumes-from", "source"]).lines().collect::<Vec<_>>(), ["a", "b"]);
        busybox(env, &["--volumes-from", "source"], "echo x >/a/file");
        let read_only = ["--volumes-from", "source:ro"];
        assert_eq!(busybox(env, &read_only, "cat /a/file; echo y 2>/dev/null >/a/file || echo refused"), "x\nrefused");
        // The user's own come first.
        assert_eq!(busybox(env, &["--volumes-from", "source", "--tmpfs", "/a"], "ls /a"), "");
        env.run(&["create", "--volumes-from", "source:bogus", "busybox"]).fails(125, "can only use z,ro,rw options");
        env.run(&["rm", "-v", "source"]).ok();
        env.run(&["volume", "rm", "kept"]).ok();
    });
}

#[test]
fn descriptors_of_the_caller_are_handed_on() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("handed");
        std::fs::write(&file, "hello\n").unwrap();
        let shell = |words: &str| {
            let mut command = env.root.command("sh");
            let dhow: Vec<_> = {
                let dhow = env.root.dhow(&[] as &[&str]);
                std::iter::once(dhow.get_program())
                    .chain(dhow.get_args())
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect()
            };
            command.args(["-c", &format!("{} {words}", dhow.join(" "))]);
            crate::support::env::finished(command, b"")
        };
        let path = file.display();
        let ran = shell(&format!("run --rm --network none --preserve-fds 1 busybox sh -c 'cat <&3' 3<{path}"));
        assert_eq!(ran.ok(), "hello");
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        assert_eq!(shell(&format!("exec --preserve-fds 2 box sh -c 'cat <&4' 3</dev/null 4<{path}")).ok(), "hello");
        shell("exec --preserve-fds 1 box true").fails(125, "file descriptor 3 is not available");
        // By their numbers: what lies between is closed, whatever the caller has there.
        let named =
            format!("--preserve-fd 5,9 busybox sh -c 'cat <&9; ls /proc/self/fd' 4</dev/null 5</dev/null 9<{path}");
        let numbers = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let got = numbers(shell(&format!("run --rm --network none {named}")).ok());
        // One is the directory that ls reads.
        assert_eq!(got, ["hello", "0", "1", "2", "3", "5", "9"]);
        let got = numbers(shell(&format!("exec --preserve-fd 7 box sh -c 'cat <&7; ls /proc/self/fd' 7<{path}")).ok());
        assert_eq!(got, ["hello", "0", "1", "2", "3", "7"]);
        shell("exec --preserve-fd 7,8 box true 8</dev/null").fails(125, "file descriptor 7 is not available");
        shell("exec --preserve-fds 1 --preserve-fd 3 box true 3</dev/null").fails(125, "cannot specify both");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn the_image_goes_with_its_last_container() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["tag", "busybox", "other"]).ok();
        env.run(&["create", "--name", "box", "busybox"]).ok();
        env.run(&["run", "--rmi", "--network", "none", "other", "true"]).ok();
        env.run(&["image", "exists", "other"]).exits(1);
        // Another container uses it.
        env.run(&["run", "--rmi", "--network", "none", "busybox", "true"]).ok();
        env.run(&["image", "exists", "busybox"]).ok();
        env.run(&["rm", "box"]).ok();
        env.run(&["run", "--rmi", "--network", "none", "busybox", "true"]).ok();
        env.run(&["image", "exists", "busybox"]).exits(1);
        // What was kept of it is gone, as it should be.
        env.rebase();
    });
}

#[test]
fn hosts_begin_with_another_file_and_are_in_other_roots() {
    isolated(|env| {
        stage::busybox(env);
        let file = env.place.join("hosts");
        std::fs::write(&file, "10.1.2.3 special\n").unwrap();
        let path = file.display().to_string();
        let script = "grep -c special /etc/hosts; grep -c localhost /etc/hosts";
        assert_eq!(busybox(env, &["--hosts-file", &path], script), "1\n2");
        assert_eq!(busybox(env, &["--hosts-file", "none"], "grep -vc localhost /etc/hosts"), "1");
        let script = "cmp /etc/hosts /tmp/root/etc/hosts && echo same";
        assert_eq!(busybox(env, &["--chrootdirs", "/tmp/root"], script), "same");
        env.run(&["create", "--no-hosts", "--hosts-file", "none", "busybox"]).fails(125, "cannot be set together");
    });
}

#[test]
fn processes_of_others_are_hidden_by_options_of_proc() {
    isolated(|env| {
        stage::busybox(env);
        // The shell is another user's than root's first process.
        let script = "test -e /proc/1/status && echo seen || echo hidden";
        let run = |flags: &[&str]| {
            env.run(
                &[&["run", "-d", "--name", "box", "--network", "none"], flags, &["busybox", "sleep", "1000"]].concat(),
            )
            .ok();
            let seen = env.run(&["exec", "-u", "1000", "box", "sh", "-c", script]).ok();
            env.run(&["rm", "-f", "-t", "0", "box"]).ok();
            seen
        };
        assert_eq!(run(&[]), "seen");
        assert_eq!(run(&["--security-opt", "proc-opts=hidepid=2"]), "hidden");
        env.run(&["create", "--security-opt", "proc-opts=rw", "busybox"]).fails(125, "is no option of procfs");
    });
}
