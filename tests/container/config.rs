//! What configuration files change: of containers, where the command line is silent, and of this program.

use std::path::{Path, PathBuf};

use super::stage::{self, inspect};
use crate::support::env::finished;
use crate::support::{Outcome, TestEnv, isolated};

/// Writes a file below the test's own place.
fn file(env: &TestEnv, name: &str, text: &str) -> PathBuf {
    let path = env.place.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs the product with the one containers.conf `conf`.
fn with(env: &TestEnv, conf: &Path, words: &[&str]) -> Outcome {
    let mut command = env.dhow(words);
    command.env("CONTAINERS_CONF", conf);
    finished(command, b"")
}

#[test]
fn defaults_hold_where_the_command_line_is_silent() {
    isolated(|env| {
        stage::busybox(env);
        std::fs::write(env.place.join("given"), "given\n").unwrap();
        let text = format!(
            r#"
            [containers]
            annotations = ["team=a", "tier=x"]
            default_capabilities = ["CHOWN", "NET_RAW"]
            default_sysctls = ["net.ipv4.ip_default_ttl=77"]
            default_ulimits = ["core=0:0", "nofile=100:200"]
            dns_servers = ["192.0.2.1"]
            dns_searches = ["example.com"]
            dns_options = ["ndots:3"]
            env = ["A=file", "B=file", "PATH=/nowhere"]
            init = true
            log_driver = "json-file"
            log_size_max = 10000
            mounts = ["type=tmpfs,destination=/scratch"]
            netns = "none"
            oom_score_adj = 55
            pids_limit = 33
            read_only = true
            shm_size = "1m"
            tz = "Asia/Tokyo"
            umask = "0077"
            volumes = ["{place}/given:/given:ro", "{place}/given:/other:ro"]
            [engine]
            stop_timeout = 3
            "#,
            place = env.place.display()
        );
        let conf = file(env, "c.conf", &text);
        let script = "umask; date +%Z; echo $A $B; cat /given /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; df -m /dev/shm | tail -n1 | awk '{print $2}'; \
                      ls /sys/class/net; touch /x 2>&1; grep CapBnd /proc/self/status; cat /proc/1/comm; grep -c ' /scratch ' /proc/mounts";
        let seen = with(env, &conf, &["run", "--rm", "-e", "B=typed", "busybox", "sh", "-c", script]).lines();
        let expected = [
            "0077",
            "JST",
            "file typed",
            "given",
            "55",
            "100",
            "200",
            "1",
            "lo",
            "touch: /x: Read-only file system",
            "CapBnd:\t0000000000002001",
            "init",
            "1",
        ];
        assert_eq!(seen, expected);
        // What is typed goes first, item by item.
        let typed = [
            "--umask=0022",
            "--tz=UTC",
            "--init=false",
            "--read-only=false",
            "--ulimit=nofile=300:300",
            "--oom-score-adj=1",
            "--tmpfs=/given",
            "--cap-add=KILL",
            "--cap-drop=CHOWN",
            "--shm-size=2m",
        ];
        let script = "umask; date +%Z; ulimit -n; ulimit -c; cat /proc/self/oom_score_adj; ls /given; cat /other; \
                      grep CapBnd /proc/self/status; df -m /dev/shm | tail -n1 | awk '{print $2}'; touch /x; cat /proc/1/comm";
        let words = [&["run", "--rm"], &typed[..], &["busybox", "sh", "-c", script]].concat();
        let expected = ["0022", "UTC", "300", "0", "1", "given", "CapBnd:\t0000000000002020", "2", "cat"];
        assert_eq!(with(env, &conf, &words).lines(), expected);
        with(env, &conf, &["create", "--name", "box", "--annotation", "team=b", "busybox"]).ok();
        let box_ = inspect(env, "box");
        let host = &box_["HostConfig"];
        assert_eq!((&host["PidsLimit"], &box_["Config"]["StopTimeout"]), (&33.into(), &3.into()), "{host}");
        assert_eq!((&host["LogConfig"]["Type"], &host["LogConfig"]["Size"]), (&"json-file".into(), &"10kB".into()));
        let annotations = &box_["Config"]["Annotations"];
        assert_eq!((&annotations["team"], &annotations["tier"]), (&"b".into(), &"x".into()));
        env.run(&["rm", "box"]).ok();
        // A network of its own has the parameters and the servers.
        let script = "cat /proc/sys/net/ipv4/ip_default_ttl /etc/resolv.conf";
        let seen = with(env, &conf, &["run", "--rm", "--network=bridge", "busybox", "sh", "-c", script]).lines();
        assert_eq!(seen, ["77", "search example.com", "nameserver 192.0.2.1", "options ndots:3"]);
        // That of the host keeps its own, and the default is no error.
        let own = std::fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
        let words = ["run", "--rm", "--network=host", "busybox", "cat", "/proc/sys/net/ipv4/ip_default_ttl"];
        assert_eq!(with(env, &conf, &words).ok(), own.trim());
        // The image's variables are above the files'.
        let words = ["run", "--rm", "busybox", "sh", "-c", "echo $PATH"];
        assert_ne!(with(env, &conf, &words).ok(), "/nowhere");
    });
}

#[test]
fn wrong_values_name_their_file() {
    isolated(|env| {
        stage::busybox(env);
        let conf = file(env, "c.conf", "[containers]\n\numask = 22\n");
        let message = format!("Error: {}:3: umask: invalid type: integer `22`, expected a string", conf.display());
        with(env, &conf, &["run", "--rm", "busybox", "true"]).fails(125, &message);
        let conf = file(env, "c.conf", "[containers]\numask = '99'\n");
        let message = format!(
            "Error: with the defaults of {}: running container create option: invalid umask string 99",
            conf.display()
        );
        with(env, &conf, &["run", "--rm", "busybox", "true"]).fails(125, &message);
        with(env, &conf, &["run", "--rm", "--umask", "0022", "busybox", "true"]).ok();
        with(env, &conf, &["run", "--rm", "--umask", "98", "busybox", "true"])
            .fails(125, "Error: running container create option: invalid umask string 98");
        let conf = file(env, "c.conf", "[containers]\nvolumes = ['/a:b']\n");
        with(env, &conf, &["run", "--rm", "busybox", "true"])
            .fails(125, &format!("Error: with the defaults of {0}: volumes in {0}:2: ", conf.display()));
        let conf = file(env, "c.conf", "[containers]\nfoo = 1\nlog_driver = 'syslog'\n[engine]\nbar = 1\n");
        let told = with(env, &conf, &["run", "--rm", "busybox", "true"]);
        assert_eq!(
            told.stderr.lines().collect::<Vec<_>>(),
            [
                format!("Warning: {}: unknown keys: containers.foo, engine.bar", conf.display()),
                format!(
                    "Warning: log_driver in {}:3: log driver \"syslog\" is not supported here, k8s-file is used",
                    conf.display()
                ),
            ]
        );
        let quiet = with(env, &conf, &["--log-level", "error", "run", "--rm", "busybox", "true"]);
        assert!(quiet.stderr.is_empty());
        with(env, &env.place.join("none.conf"), &["run", "--rm", "busybox", "true"])
            .fails(125, "none.conf: no such file");
    });
}

#[test]
fn files_are_read_in_their_order() {
    isolated(|env| {
        stage::busybox(env);
        let conf = |value: &str| format!("[containers]\ntz = '{value}'\nenv = ['{value}=1', {{append=true}}]\n");
        let run = |extra: &[&str], vars: &[(&str, &Path)]| {
            let mut command =
                env.dhow(&[extra, &["run", "--rm", "busybox", "sh", "-c", "date +%Z; env | grep T=1 | sort"]].concat());
            command.env_remove("CONTAINERS_CONF").envs(vars.iter().copied());
            finished(command, b"").lines()
        };
        // This machine's own is covered.
        let etc = Path::new("/etc/containers");
        std::fs::create_dir_all(etc.join("containers.conf.d")).unwrap();
        std::fs::create_dir_all(etc.join("containers.conf.modules")).unwrap();
        std::fs::write(etc.join("containers.conf"), conf("EST")).unwrap();
        assert_eq!(run(&[], &[]), ["EST", "EST=1"]);
        std::fs::write(etc.join("containers.conf.d/1.conf"), conf("MST")).unwrap();
        std::fs::write(etc.join("containers.conf.d/2.notconf"), conf("HST")).unwrap();
        assert_eq!(run(&[], &[]), ["MST", "EST=1", "MST=1"]);
        let own = env.root.home.join(".config/containers");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("containers.conf"), conf("WET")).unwrap();
        assert_eq!(run(&[], &[]), ["WET", "EST=1", "MST=1", "WET=1"]);
        std::fs::write(etc.join("containers.conf.modules/m.conf"), conf("EET")).unwrap();
        assert_eq!(run(&["--module", "m.conf"], &[])[0], "EET");
        let last = file(env, "last.conf", &conf("MET"));
        assert_eq!(run(&["--module", "m.conf"], &[("CONTAINERS_CONF_OVERRIDE", &last)])[0], "MET");
        let only = file(env, "only.conf", &conf("CET"));
        assert_eq!(run(&[], &[("CONTAINERS_CONF", &only)]), ["CET", "CET=1"]);
        let mut command = env.dhow(&["--module", "none", "run", "--rm", "busybox", "true"]);
        command.env_remove("CONTAINERS_CONF");
        finished(command, b"").fails(125, "could not resolve module \"none\"");
        // What another user wrote is not what root does.
        std::os::unix::fs::chown(own.join("containers.conf"), Some(crate::support::env::UID), None).unwrap();
        assert_eq!(run(&[], &[])[0], "MST");
        for name in [
            "containers.conf",
            "containers.conf.d/1.conf",
            "containers.conf.d/2.notconf",
            "containers.conf.modules/m.conf",
        ] {
            std::fs::remove_file(etc.join(name)).unwrap();
        }
    });
}

#[test]
fn the_store_is_where_the_files_say() {
    isolated(|env| {
        let (big, volumes) = (env.place.join("big"), env.place.join("volumes"));
        for dir in [&big, &volumes] {
            std::fs::create_dir(dir).unwrap();
        }
        let storage =
            file(env, "storage.conf", &format!("[storage]\ndriver = 'overlay'\ngraphroot = '{}'\n", big.display()));
        let conf = file(env, "c.conf", &format!("[engine]\nvolume_path = '{}'\n", volumes.display()));
        let bare = |words: &[&str], driver: &str| {
            let mut command = env.root.command(&env.root.binary);
            command.arg("--runroot").arg(&env.root.runtime).args(words);
            command
                .env("CONTAINERS_STORAGE_CONF", &storage)
                .env("CONTAINERS_CONF", &conf)
                .env("STORAGE_DRIVER", driver);
            finished(command, b"")
        };
        let places = |seen: Outcome| {
            seen.ok();
            let store = seen.json()["store"].take();
            format!("{} {}", store["graphRoot"].as_str().unwrap(), store["volumePath"].as_str().unwrap())
        };
        let words = ["info", "--format", "json"];
        let expected = format!("{}/dhow {}/dhow", big.display(), volumes.display());
        assert_eq!(places(bare(&words, "")), expected);
        let message =
            "Error: STORAGE_DRIVER: storage driver \"zfs\" is not supported, choose from: overlay, btrfs, vfs";
        bare(&["ps"], "zfs").fails(125, message);
        let archive = file(env, "i.tar", "");
        std::fs::write(&archive, crate::support::image::Image::busybox().docker_archive(&["busybox"])).unwrap();
        bare(&["load", "-q", "-i", &archive.display().to_string()], "").ok();
        let script = "echo kept > /v/f; echo gone > /a/f";
        bare(&["run", "-v", "v:/v", "-v", "/a", "--rm", "--network=none", "busybox", "sh", "-c", script], "").ok();
        assert_eq!(std::fs::read_to_string(volumes.join("dhow/v/_data/f")).unwrap(), "kept\n");
        assert_eq!(bare(&["volume", "ls", "-q"], "").ok(), "v", "the clean-up knows where the anonymous one was");
        std::fs::write(volumes.join("dhow/other"), "").unwrap();
        bare(&["system", "reset", "-f"], "").ok();
        assert!(!volumes.join("dhow/v").exists() && volumes.join("dhow/other").exists());
        // A flag goes before every file.
        let store = env.root.store.display().to_string();
        let words = ["--root", &store, "--volumepath", &store, "info", "--format", "json"];
        assert_eq!(places(bare(&words, "")), format!("{store} {store}"));
        for dir in [&big, &volumes] {
            std::fs::remove_dir_all(dir).unwrap();
        }
        let wrong = file(env, "storage.conf", "[storage]\ndriver = 'zfs'\n");
        let message = format!("Error: {}: storage driver \"zfs\" is not supported", wrong.display());
        bare(&["ps"], "").fails(125, &message);
    });
}

#[test]
fn a_store_may_be_named_from_where_one_is() {
    isolated(|env| {
        let place = env.place.join("here");
        std::fs::create_dir(&place).unwrap();
        let archive = env.place.join("i.tar").display().to_string();
        std::fs::write(&archive, crate::support::image::Image::busybox().docker_archive(&["busybox"])).unwrap();
        let here = |words: &[&str]| {
            let mut command = env.root.command(&env.root.binary);
            command.args(["--root", "data", "--runroot", "run", "--volumepath", "volumes"]).args(words);
            command.current_dir(&place);
            finished(command, b"")
        };
        here(&["load", "-q", "-i", &archive]).ok();
        let script = "echo kept > /v/f; cat /v/f";
        let words = ["run", "-d", "--name", "box", "--network=none", "-v", "v:/v", "busybox", "sh", "-c", script];
        here(&words).ok();
        assert_eq!(here(&["wait", "box"]).ok(), "0");
        assert_eq!(here(&["logs", "box"]).ok(), "kept");
        assert_eq!(std::fs::read_to_string(place.join("volumes/v/_data/f")).unwrap(), "kept\n");
        here(&["rm", "box"]).ok();
        here(&["system", "reset", "-f"]).ok();
        std::fs::remove_dir_all(&place).unwrap();
    });
}

#[test]
fn what_every_container_shares_is_its_own_copy() {
    isolated(|env| {
        stage::busybox(env);
        let shared = env.place.join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::write(shared.join("f"), "host\n").unwrap();
        std::fs::create_dir_all("/etc/containers").unwrap();
        let text = format!("# shared\n{}:/run/shared\n/no/such:/run/none\n", shared.display());
        std::fs::write("/etc/containers/mounts.conf", text).unwrap();
        let script = "cat /run/shared/f; echo inside > /run/shared/f; cat /run/shared/f; ls -d /run/none 2>&1";
        let seen = env.run(&["run", "--rm", "--network=none", "busybox", "sh", "-c", script]).lines();
        assert_eq!(seen, ["host", "inside", "ls: /run/none: No such file or directory"]);
        assert_eq!(std::fs::read_to_string(shared.join("f")).unwrap(), "host\n");
        std::fs::write("/etc/containers/mounts.conf", "relative:/x\n").unwrap();
        env.run(&["run", "--rm", "busybox", "true"]).fails(125, "/etc/containers/mounts.conf:1: ");
        std::fs::remove_file("/etc/containers/mounts.conf").unwrap();
        std::fs::remove_dir_all(&shared).unwrap();
        // The administrator's filter holds where no other was typed.
        let filter = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#;
        std::fs::write("/etc/containers/seccomp.json", filter).unwrap();
        let mkdir = ["busybox", "mkdir", "/tmp/d"];
        env.run(&[&["run", "--rm", "--network=none"], &mkdir[..]].concat()).exits(1);
        env.run(&[&["run", "--rm", "--network=none", "--security-opt", "seccomp=default"], &mkdir[..]].concat()).ok();
        std::fs::remove_file("/etc/containers/seccomp.json").unwrap();
    });
}

#[test]
fn global_flags_have_a_meaning_or_say_that_they_have_none() {
    isolated(|env| {
        stage::busybox(env);
        for (flags, want) in [
            (
                &["--storage-opt", "overlay.mountopt=nodev"][..],
                "--storage-opt has no effect: the options are those of podman's storage",
            ),
            (
                &["--conmon", "/usr/bin/conmon", "--syslog"],
                "--conmon has no effect: dhow watches over containers itself",
            ),
            (&["--tmpdir=/tmp/x"], "--tmpdir has no effect: what is gone after a reboot is below --runroot"),
            (&["--network-config-dir", "/tmp/x"], "--network-config-dir has no effect: networks are kept in the store"),
        ] {
            let told = env.run(&[flags, &["ps", "-q"]].concat());
            assert!(told.ok().is_empty() && told.stderr.contains(want), "{told}");
            assert!(env.run(&[flags, &["--log-level=error", "ps", "-q"]].concat()).stderr.is_empty());
        }
        for flag in ["--remote", "-r", "--url=ssh://x", "--connection=x", "-c=x", "--host=tcp://x", "-H=tcp://x"] {
            env.run(&[flag, "ps"]).fails(125, "is not supported: dhow works on this machine");
        }
        env.run(&["--remote=false", "--url=", "ps"]).ok();
        env.run(&["ps", "-c", "x"]).exits(125);
        assert_eq!(env.run(&["--noout", "images"]).ok(), "");
        let out = env.place.join("out");
        assert_eq!(env.run(&["--out", &out.display().to_string(), "run", "--rm", "busybox", "echo", "hi"]).ok(), "");
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "hi\n");
        std::fs::remove_file(&out).unwrap();
        // Variables of the program itself, before anything reads them.
        let conf = file(
            env,
            "c.conf",
            "[engine]\nenv = ['TMPDIR=/no/such']\nhooks_dir = ['/no/hooks']\ncgroup_manager = 'systemd'\n",
        );
        let info = with(env, &conf, &["info", "--format", "json"]);
        assert!(info.stderr.contains("has no effect: the systemd cgroup driver needs a service manager"), "{info}");
        assert_eq!(info.json()["host"]["cgroupManager"], "cgroupfs");
        assert!(!info.json()["warnings"].to_string().contains("hooks_dir"), "{info}");
        let told = with(env, &conf, &["run", "--rm", "--network=none", "busybox", "true"]);
        assert_eq!(told.stderr.lines().count(), 1, "{told}");
        // A definition that cannot be read is told, not passed over.
        let hooks = file(env, "hooks/x.json", "{}");
        let dir = hooks.parent().unwrap().display().to_string();
        env.run(&["--hooks-dir", &dir, "run", "--rm", "busybox", "true"]).fails(125, "missing field `version`");
    });
}
