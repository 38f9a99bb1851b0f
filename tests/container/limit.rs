//! Limits in force: memory, processes, processor time and sets; ulimits that the host does not allow.

use std::path::PathBuf;

use super::stage::{self, inspect};
use crate::require;
use crate::support::isolated;

/// Reads a file of the running container's cgroup, under the name of v1 or of v2.
fn value(env: &crate::support::TestEnv, controller: &str, v1: &str, v2: &str) -> String {
    let pid = inspect(env, "box")["State"]["Pid"].to_string();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            controllers.split(',').any(|name| name == wanted).then(|| path.to_owned())
        })
    };
    let (mount, name, path) = match path(controller) {
        Some(path) => (PathBuf::from("/sys/fs/cgroup").join(controller), v1, path),
        None => (PathBuf::from("/sys/fs/cgroup"), v2, path("").unwrap()),
    };
    let file = mount.join(path.trim_start_matches('/')).join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).trim().to_owned()
}

#[test]
fn limits_are_in_force() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--memory", "64m", "--cpus", "0.5"];
        let more = ["--cpuset-cpus", "0", "--pids-limit", "30", "--cpu-shares", "512", "busybox", "sleep", "1000"];
        env.run(&[&words[..], &more].concat()).ok();
        assert_eq!(value(env, "memory", "memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
        assert_eq!(value(env, "pids", "pids.max", "pids.max"), "30");
        let quota = value(env, "cpu", "cpu.cfs_quota_us", "cpu.max");
        assert!(quota == "50000" || quota == "50000 100000", "{quota}");
        assert_eq!(value(env, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
        assert_eq!(env.run(&["exec", "box", "nproc"]).ok(), "1");
        let host = &inspect(env, "box")["HostConfig"];
        assert_eq!((&host["Memory"], &host["NanoCpus"]), (&(64 << 20).into(), &500_000_000.into()));
        assert_eq!((&host["PidsLimit"], &host["CpusetCpus"]), (&30.into(), &"0".into()));
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn who_takes_too_much_memory_is_killed_and_it_is_said() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        // The whole output of tail's memory: it keeps one endless line.
        let words = ["run", "--name", "box", "--network", "none", "--memory", "16m", "--memory-swap", "16m", "busybox"];
        env.run(&[&words[..], &["tail", "/dev/zero"]].concat()).exits(137);
        let state = &inspect(env, "box")["State"];
        assert_eq!((&state["OOMKilled"], &state["ExitCode"]), (&true.into(), &137.into()));
        env.run(&["start", "box"]).ok();
        assert_eq!(env.run(&["wait", "box"]).ok(), "137");
        env.run(&["rm", "box"]).ok();
        // A death by another hand is not one.
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        env.run(&["kill", "box"]).ok();
        assert_eq!(env.run(&["wait", "box"]).ok(), "137");
        assert_eq!(inspect(env, "box")["State"]["OOMKilled"], false);
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn a_limit_too_small_for_a_start_is_said_to_be() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let words =
            ["run", "--name", "box", "--network", "none", "--memory", "4k", "--memory-swap", "4k", "busybox", "true"];
        env.run(&words).fails(125, "the memory limit is too small");
        env.run(&["rm", "box"]).ok();
    });
}

#[test]
fn no_more_processes_than_allowed() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let script = "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done";
        let words = ["run", "--rm", "--network", "none", "--pids-limit", "8", "busybox", "sh", "-c", script];
        let outcome = env.run(&words);
        assert!(outcome.code != 0 && outcome.stderr.contains("fork"), "{outcome}");
        let words = ["run", "--rm", "--network", "none", "--pids-limit", "-1", "busybox", "sh", "-c", script];
        env.run(&words).ok();
    });
}

#[test]
fn processor_time_is_rationed() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--cpus", "0.1", "busybox", "sh", "-c"];
        env.run(&[&words[..], &["while :; do :; done"]].concat()).ok();
        // Two periods after its first throttling the kernel has counted more than one.
        crate::support::env::eventually("it is throttled", || {
            let stat = value(env, "cpu", "cpu.stat", "cpu.stat");
            stat.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|n| n.parse::<u64>().unwrap() > 1))
        });
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn a_ulimit_above_the_hosts_is_lowered_and_said_once() {
    isolated(|env| {
        stage::busybox(env);
        // The host's own, for this test: a hard limit that nobody here may raise.
        let script = "ulimit -n 4000; exec setpriv --bounding-set -sys_resource \"$@\"";
        let run = |flag: &str| {
            let dhow =
                env.dhow(&["run", "--rm", "--network", "none", "--ulimit", flag, "busybox", "sh", "-c", "ulimit -Hn"]);
            let mut command = env.root.command("sh");
            command.args(["-c", script, "sh"]).arg(dhow.get_program()).args(dhow.get_args());
            crate::support::env::finished(command, b"")
        };
        let outcome = run("nofile=1000:9000");
        assert_eq!(outcome.ok(), "4000", "{outcome}");
        assert_eq!(outcome.stderr, "WARNING: ulimit nofile: 9000 is above the host's 4000, which is used\n");
        let outcome = run("nofile=1000:3000");
        assert_eq!((outcome.ok().as_str(), outcome.stderr.as_str()), ("3000", ""));
        // The default is lowered too; that is told by info.
        let outcome = run("core=0:0");
        assert_eq!((outcome.ok().as_str(), outcome.stderr.as_str()), ("4000", ""));
    });
}

#[test]
fn limits_of_devices_are_in_force() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "--device-read-bps", "/dev/loop0:1m"];
        let more = ["--device-write-iops", "/dev/loop0:70", "busybox", "sleep", "1000"];
        env.run(&[&words[..], &more].concat()).ok();
        let read = value(env, "blkio", "blkio.throttle.read_bps_device", "io.max");
        assert!(read == "7:0 1048576" || read.starts_with("7:0 rbps=1048576"), "{read}");
        env.run(&["update", "--device-read-bps", "/dev/loop0:2m", "box"]).ok();
        let read = value(env, "blkio", "blkio.throttle.read_bps_device", "io.max");
        assert!(read == "7:0 2097152" || read.starts_with("7:0 rbps=2097152"), "{read}");
        env.run(&["update", "--device-read-bps", "/dev/null:2m", "box"]).fails(125, "is not a block device");
        let write = value(env, "blkio", "blkio.throttle.write_iops_device", "io.max");
        assert!(write == "7:0 70" || write.contains("wiops=70"), "{write}");
        let rates = &inspect(env, "box")["HostConfig"]["BlkioDeviceReadBps"];
        assert_eq!(*rates, serde_json::json!([{ "Path": "/dev/loop0", "Rate": 2 << 20 }]));
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        for (flag, wrong) in [
            ("--device-read-bps=/dev/null:1", "/dev/null is not a block device"),
            ("--device-read-bps=/dev/nosuch:1", "stat /dev/nosuch: no such file or directory"),
            ("--device-read-bps=/dev/loop0:x", "invalid rate for device: /dev/loop0:x"),
            ("--blkio-weight=5", "blkio weight 5 is out of range: 10 to 1000"),
            ("--cgroup-conf=novalue", "--cgroup-conf must be formatted KEY=VALUE"),
        ] {
            env.run(&["create", flag, "busybox"]).fails(125, wrong);
        }
        // What this host has no file for is an error that says so, and nothing is left of the container.
        for (flag, words) in [
            // In the words of v1, then of v2.
            ("--cpu-rt-runtime=1000", ["rt_runtime", "realtime"]),
            ("--blkio-weight=100", ["blkio", "io.weight"]),
            ("--cgroup-conf=memory.high=64m", ["cgroup v2", "memory.high"]),
        ] {
            let outcome = env.run(&["run", "--rm", "--network", "none", flag, "busybox", "true"]);
            assert!(outcome.code == 0 || words.iter().any(|word| outcome.stderr.contains(word)), "{flag}: {outcome}");
        }
        assert!(env.run(&["ps", "-aq"]).ok().is_empty());
    });
}

#[test]
fn a_rule_allows_a_device_that_is_not_there() {
    require!(root, cgroup);
    isolated(|env| {
        stage::busybox(env);
        // 10:237 is loop-control, which every host has and whose opening changes nothing.
        let script = "mknod /tmp/node c 10 237 && (: </tmp/node) && echo open || echo refused";
        let run = |flags: &[&str]| {
            let words = ["run", "--rm", "--network", "none", "--cap-add", "MKNOD"];
            env.run(&[&words, flags, &["busybox", "sh", "-c", script]].concat()).text()
        };
        assert_eq!(run(&[]), "refused");
        assert_eq!(run(&["--device-cgroup-rule", "c 10:* rwm"]), "open");
        assert_eq!(run(&["--device-cgroup-rule", "c 11:* rwm"]), "refused");
        assert_eq!(run(&["--device-cgroup-rule", "c 10 rwm"]), "open");
        env.run(&["create", "--device-cgroup-rule", "c 10:x rwm", "busybox"])
            .fails(125, "invalid device cgroup rule requires type");
    });
}
