//! Below other engines: podman, containerd and dockerd of the distribution use the binary as their runtime.

use serde_json::json;

use super::bundle::Bundle;
use crate::require;
use crate::support::env::finished;
use crate::support::require::program;
use crate::support::tools::Tools;
use crate::support::{TestEnv, isolated};

/// What the shell of a test runs before: the runtime under a name of its own, the daemons' programs, fresh places.
const BEFORE: &str = r#"
set -u
ip link set lo up 2>/dev/null
for d in /run /var/tmp; do mount -t tmpfs tmpfs $d; done
umount /sys/fs/cgroup/unified 2>/dev/null
say() { "$@" 2>&1; echo "= $?"; }
"#;

/// Runs a script in namespaces of its own, where everything that it starts ends with it; gives its lines.
fn session(env: &TestEnv, daemon: &str, script: &str) -> Vec<String> {
    let bundle = Bundle::new(env, "b");
    bundle.config("true", json!({}));
    let runtime = env.place.join("dhow-runtime");
    std::os::unix::fs::symlink(&env.root.binary, &runtime).unwrap();
    let place = env.place.join("session");
    std::fs::create_dir(&place).unwrap();
    let mut command = env.root.command("unshare");
    command.args(["-m", "-n", "-p", "-f", "--mount-proc", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("{BEFORE}{script}"));
    let directory = program(daemon).unwrap().parent().unwrap().display().to_string();
    let client = program("ctr").map(|path| path.parent().unwrap().display().to_string()).unwrap_or_default();
    command.env("PATH", format!("/usr/sbin:/usr/bin:/sbin:/bin:{directory}:{client}"));
    command.env("PLACE", &place).env("RUNTIME", &runtime).env("ROOTFS", bundle.root());
    let outcome = finished(command, b"");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::remove_file(runtime).unwrap();
    assert_eq!(outcome.code, 0, "{outcome}\n{}", outcome.text());
    outcome.lines()
}

#[track_caller]
fn same(lines: &[String], expected: &str) {
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}

#[test]
fn containerd_runs_executes_pauses_and_measures() {
    isolated(|env| {
        require!(containerd, ctr);
        let lines = session(
            env,
            "containerd",
            r#"
cat > $PLACE/config.toml <<X
version = 2
root = "$PLACE/root"
state = "/run/ctd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/ctd.sock"
X
containerd -c $PLACE/config.toml > $PLACE/log 2>&1 &
daemon=$!
ctr() { command ctr -a /run/ctd.sock "$@"; }
for i in $(seq 200); do ctr version >/dev/null 2>&1 && break; sleep 0.05; done
run="--runc-binary $RUNTIME --rootfs"
say ctr run --rm $run $ROOTFS one /bin/sh -c 'id -u; exit 5'
say ctr run -d $run $ROOTFS two /bin/sh -c 'while :; do sleep 0.1; done'
say ctr task exec --exec-id e1 two sh -c 'echo in; exit 4'
say ctr task exec --exec-id e2 two nosuch
ctr task pause two; ctr task ls | grep -o 'PAUSED'; ctr task resume two
ctr task metrics two | grep -c -E 'memory.usage|pids.current'
ctr task kill -s KILL two
for i in $(seq 200); do ctr task ls | grep -q STOPPED && break; sleep 0.05; done
say ctr task rm two | grep "^="
ctr c rm two
say ctr run --rm $run $ROOTFS three nosuch
say ctr run --rm --memory-limit 33554432 $run $ROOTFS four sh -c 'grep -q four /proc/self/cgroup && echo limited'
ctr c ls -q; ls /run/containerd/runc/default
kill $daemon; wait
rmdir /sys/fs/cgroup/*/default 2>/dev/null || true # the callers' parent is theirs to remove
"#,
        );
        same(
            &lines,
            r#"0
            = 5
            = 0
            in
            = 4
            ctr: OCI runtime exec failed: exec: "nosuch": executable file not found in $PATH: unknown
            = 1
            PAUSED
            2
            = 0
            ctr: failed to create shim task: OCI runtime create failed: exec: "nosuch": executable file not found in $PATH: unknown
            = 1
            limited
            = 0"#,
        );
    });
}

#[test]
fn dockerd_runs_executes_updates_restarts_and_checks() {
    isolated(|env| {
        require!(dockerd, docker, containerd);
        let lines = session(
            env,
            "dockerd",
            r#"
dockerd --data-root $PLACE/root --exec-root /run/docker --pidfile /run/docker.pid -H unix:///run/docker.sock \
    --iptables=false --ip6tables=false --bridge=none --storage-driver vfs --cgroup-parent /dk \
    --add-runtime dhow=$RUNTIME --default-runtime dhow > $PLACE/log 2>&1 &
docker() { command docker -H unix:///run/docker.sock "$@"; }
for i in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.05; done
tar -C $ROOTFS -c . | docker import - box >/dev/null
run="--network none --ulimit nofile=1024:1024"
say docker run --rm $run box sh -c 'id -u; exit 5'
docker run --rm $run box nosuch >/dev/null 2>&1; echo "= $?"
docker run --rm $run box /etc >/dev/null 2>&1; echo "= $?"
say docker run -d --name web --health-cmd true --health-interval 1s --memory 64m $run box sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' >/dev/null
say docker exec web sh -c 'echo in; exit 4'
docker pause web; docker inspect -f '{{.State.Status}}' web; docker unpause web
docker update --memory 128m --memory-swap 256m web; docker exec web grep -c memory /proc/self/cgroup
for i in $(seq 100); do docker inspect -f '{{.State.Health.Status}}' web | grep -q ^healthy && break; sleep 0.1; done
docker inspect -f '{{.State.Health.Status}}' web
docker stop -t 3 web; docker inspect -f '{{.State.ExitCode}} {{.HostConfig.Runtime}}' web
docker start web; docker kill web; docker wait web; docker rm web
docker run -d --name again --restart on-failure:2 $run box sh -c 'exit 3' >/dev/null; docker wait again
for i in $(seq 100); do [ "$(docker inspect -f '{{.RestartCount}}' again)" = 2 ] && break; sleep 0.1; done
docker inspect -f '{{.RestartCount}}' again; docker rm -f again
docker run --rm -t $run box tty
docker run --rm -u 33:34 $run box sh -c 'id -u; echo x > /dev/stdout'
docker run --rm --read-only --tmpfs /tmp $run box sh -c 'touch /x 2>/dev/null || touch /tmp/x && echo ok'
docker run --rm --cap-drop all --security-opt no-new-privileges $run box grep -E 'CapBnd|NoNew|Seccomp:' /proc/self/status
docker ps -aq; ls /run/docker/runtime-dhow/moby /var/run/docker/runtime-dhow/moby 2>/dev/null | grep -v ':$' | grep .
# Its last shim may be at work still.
for i in $(seq 100); do ls -d /sys/fs/cgroup/pids/dk/*/ >/dev/null 2>&1 || break; sleep 0.05; done
kill $(cat /run/docker.pid); wait
rmdir /sys/fs/cgroup/*/dk 2>/dev/null || true # the caller's parent is its to remove
"#,
        );
        let lines: Vec<String> = lines.iter().map(|line| line.trim_end().to_owned()).collect();
        same(
            &lines,
            "0
            = 5
            = 127
            = 126
            in
            = 4
            web
            paused
            web
            web
            1
            healthy
            web
            9 dhow
            web
            web
            137
            web
            3
            2
            again
            /dev/pts/0
            33
            x
            ok
            CapBnd:\t0000000000000000
            NoNewPrivs:\t1
            Seccomp:\t2",
        );
    });
}

#[test]
fn podman_runs_executes_pauses_stops_and_measures() {
    isolated(|env| {
        require!(podman);
        let bundle = Bundle::new(env, "b");
        let tools = Tools::new(env);
        let runtime = env.place.join("dhow-runtime");
        std::os::unix::fs::symlink(&env.root.binary, &runtime).unwrap();
        let words = tools.podman_words().join(" ");
        let script = r#"
P="WORDS --runtime RUNTIME"
tar -C ROOTFS -c . | $P import - box >/dev/null 2>&1
run="--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
say() { "$@" 2>&1; echo "= $?"; }
say $P run --rm $run box sh -c 'id -u; exit 3'
$P run --rm $run box nosuch 2>/dev/null; echo "= $?"
$P run --rm $run box /etc 2>/dev/null; echo "= $?"
$P run -d --name web $run box sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' >/dev/null
say $P exec web sh -c 'echo in; exit 4'
$P exec web nosuch 2>/dev/null; echo "= $?"
$P pause web; $P inspect -f '{{.State.Status}}' web; $P unpause web
$P stats --no-stream --format '{{.Name}}' web
$P exec -t web tty
$P stop -t 5 web; $P inspect -f '{{.State.ExitCode}} {{.State.Status}}' web
$P start web; $P kill web; $P wait web; $P rm -f web
$P run --rm -t $run box tty
$P run --rm -m 32m --pids-limit 50 $run box true; echo "= $?"
$P run --rm -u 33:34 $run box sh -c 'id -u; echo x > /dev/stdout'
$P run --rm --cap-drop all $run box grep CapBnd /proc/self/status
$P ps -aq
# What podman itself leaves; conmon ends a moment later.
for d in /sys/fs/cgroup/*/libpod_parent; do
    for i in $(seq 100); do rmdir $d/conmon $d 2>/dev/null; [ -d $d ] || break; sleep 0.05; done
done
"#;
        let script = script
            .replace("WORDS", &words)
            .replace("RUNTIME", &runtime.display().to_string())
            .replace("ROOTFS", &bundle.root().display().to_string());
        let outcome = finished(tools.command(&["sh", "-c", &script]), b"");
        std::fs::remove_file(&runtime).unwrap();
        let lines: Vec<String> = outcome.lines().iter().map(|line| line.trim_end().to_owned()).collect();
        same(
            &lines,
            "0
            = 3
            = 127
            = 126
            in
            = 4
            = 127
            web
            paused
            web
            web
            /dev/pts/0
            web
            9 exited
            web
            web
            137
            web
            /dev/pts/0
            = 0
            33
            x
            CapBnd:\t0000000000000000",
        );
    });
}
