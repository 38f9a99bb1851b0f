//! Checkpoint and restore of bundles' containers by Debian's criu.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use serde_json::{Value, json};

use super::oci::{BUNDLE, bundle, oci};
use super::{cgroup_of, eventually, shell};
use crate::support::descriptor::received;

const IMAGES: &str = "/var/tmp/images";
/// Counts, in its memory alone, and says how far it is.
const COUNT: &str =
    "i=0; while :; do i=$((i+1)); echo $i > /tmp/count.new; mv /tmp/count.new /tmp/count; sleep 0.1; done";

/// Two processes and a connection between them, over which one counts.
const TALK: &str = "sleep 100000 | busybox nc -l -p 5000 > /tmp/got & until busybox netstat -ltn | grep -q :5000; do sleep 0.1; done; \
    { i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done; } | busybox nc 127.0.0.1 5000";

/// Changes the bundle's configuration.
fn change(edit: impl FnOnce(&mut Value)) {
    let file = format!("{BUNDLE}/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    edit(&mut config);
    std::fs::write(&file, config.to_string()).unwrap();
}

/// The bundle with a command and limits, and a file of the host's inside.
fn counting(command: &str) {
    // What a test that failed has left.
    shell(&format!("dhow oci delete -f c1; dhow oci delete -f c2; rm -rf {BUNDLE} {IMAGES} {IMAGES}.work")).ok();
    bundle(json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 20}}), json!({}));
    std::fs::create_dir_all("/var/tmp/outside").unwrap();
    std::fs::write("/var/tmp/outside/file", "outside").unwrap();
    let file = format!("{BUNDLE}/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["root"]["readonly"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", command]);
    let bind =
        json!({"destination": "/outside", "type": "bind", "source": "/var/tmp/outside", "options": ["rbind", "ro"]});
    config["mounts"].as_array_mut().unwrap().push(bind);
    std::fs::write(&file, config.to_string()).unwrap();
}

fn start(name: &str) -> u32 {
    oci(&["run", "-d", "-b", BUNDLE, name]).ok();
    eventually("it counts", || count() > 3);
    count()
}

fn count() -> u32 {
    let text = std::fs::read_to_string(format!("{BUNDLE}/rootfs/tmp/count")).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn pid(name: &str) -> String {
    oci(&["state", name]).json()["pid"].to_string()
}

fn end(name: &str) {
    let cgroup = cgroup_of(&pid(name));
    oci(&["delete", "-f", name]).ok();
    assert!(!Path::new(&cgroup).exists(), "{cgroup} is left");
    assert_eq!(shell(&format!("grep -c {BUNDLE} /proc/self/mountinfo || true")).ok(), "0");
    shell(&format!("rm -rf {BUNDLE} {IMAGES} {IMAGES}.work")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn a_container_goes_on_where_it_was() {
    counting(COUNT);
    start("c1");
    let cgroup = cgroup_of(&pid("c1"));
    oci(&["checkpoint", "--image-path", IMAGES, "--work-path", &format!("{IMAGES}.work"), "c1"]).ok();
    let reached = count();
    oci(&["state", "c1"]).fails(1, "does not exist");
    assert!(!Path::new(&cgroup).exists(), "{cgroup} is left");
    assert!(Path::new(&format!("{IMAGES}.work/dump.log")).exists());
    // Memory is nobody else's to read.
    assert_eq!(shell(&format!("stat -c %a {IMAGES}")).ok(), "700");
    oci(&["restore", "-d", "-b", BUNDLE, "--image-path", IMAGES, "--pid-file", "/run/c2.pid", "c2"]).ok();
    eventually("it goes on", || count() > reached);
    assert!(count() < reached + 300, "from {reached} it came to {}", count());
    let state = oci(&["state", "c2"]).json();
    assert_eq!((&state["status"], &state["bundle"]), (&json!("running"), &json!(BUNDLE)));
    assert_eq!(std::fs::read_to_string("/run/c2.pid").unwrap(), state["pid"].to_string());
    let cgroup = cgroup_of(&pid("c2"));
    assert!(cgroup.ends_with("/c2"), "{cgroup}");
    let limit = |file: &str| std::fs::read_to_string(format!("{cgroup}/{file}")).unwrap().trim().to_owned();
    assert_eq!((limit("memory.max").as_str(), limit("pids.max").as_str()), ("67108864", "20"));
    let seen = oci(&["exec", "c2", "sh", "-c", "cat /outside/file; echo; cat /proc/kcore | wc -c; touch /outside/x"]);
    assert_eq!(seen.text(), "outside\n0", "{seen}");
    assert!(seen.stderr.contains("Read-only file system"), "{seen}");
    oci(&["pause", "c2"]).ok();
    oci(&["resume", "c2"]).ok();
    end("c2");
}

#[test]
#[ignore = "runs in the guest"]
fn memory_is_copied_beforehand_and_the_container_runs_on() {
    counting(COUNT);
    start("c1");
    oci(&["checkpoint", "--pre-dump", "--image-path", &format!("{IMAGES}/first"), "c1"]).ok();
    let reached = count();
    eventually("it runs on", || count() > reached);
    let images = format!("{IMAGES}/second");
    let words = ["checkpoint", "--leave-running", "--image-path", &images, "--parent-path", "../first", "c1"];
    oci(&words).ok();
    let reached = count();
    eventually("it still runs on", || count() > reached + 3);
    let at_end = count();
    oci(&["delete", "-f", "c1"]).ok();
    oci(&["restore", "-d", "-b", BUNDLE, "--image-path", &images, "c1"]).ok();
    eventually("it is back where it was", || count() < at_end);
    eventually("it goes on", || count() > at_end);
    end("c1");
}

#[test]
#[ignore = "runs in the guest"]
fn its_end_is_the_callers_who_stays() {
    counting("until test -e /tmp/end; do echo x > /tmp/count; sleep 0.1; done; echo last; exit 7");
    // Its output is a pipe, then and now.
    shell(&format!("dhow oci run -d -b {BUNDLE} c1 </dev/null 2>&1 | cat > /run/first &")).ok();
    eventually("it runs", || Path::new(&format!("{BUNDLE}/rootfs/tmp/count")).exists());
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).ok();
    std::fs::write(format!("{BUNDLE}/rootfs/tmp/end"), "").unwrap();
    let script =
        format!("dhow oci restore -b {BUNDLE} --image-path {IMAGES} c1 </dev/null 2>&1 | cat; exit ${{PIPESTATUS[0]}}");
    let outcome = super::command(&["bash", "-c", &script]);
    assert_eq!((outcome.code, outcome.text().as_str()), (7, "last"), "{outcome}");
    oci(&["state", "c1"]).fails(1, "does not exist");
    shell(&format!("rm -rf {BUNDLE} {IMAGES}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn what_cannot_be_done_is_said_and_leaves_nothing() {
    counting(COUNT);
    oci(&["create", "-b", BUNDLE, "c1"]).ok();
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).fails(1, "cannot be checkpointed in created state");
    oci(&["delete", "-f", "c1"]).ok();
    start("c1");
    let words = ["checkpoint", "--image-path", IMAGES, "--manage-cgroups-mode", "none", "c1"];
    oci(&words).fails(1, "invalid manage-cgroups-mode");
    oci(&["checkpoint", "--image-path", IMAGES, "--parent-path", "/first", "c1"])
        .fails(1, "--parent-path must be relative");
    oci(&["checkpoint", "--image-path", IMAGES, "--parent-path", "../none", "c1"]).fails(1, "not a directory");
    shell("mv /usr/sbin/criu /usr/sbin/criu.away").ok();
    let outcome = oci(&["checkpoint", "--image-path", IMAGES, "c1"]);
    shell("mv /usr/sbin/criu.away /usr/sbin/criu").ok();
    outcome.fails(1, "criu is not installed");
    assert!(outcome.stderr.contains("hint: install the package criu"), "{outcome}");
    // It went on meanwhile.
    let reached = count();
    eventually("it counts on", || count() > reached);
    oci(&["restore", "-d", "-b", BUNDLE, "--image-path", IMAGES, "c1"]).fails(1, "already exists");
    oci(&["restore", "-d", "-b", BUNDLE, "--image-path", "/var/tmp/nowhere", "c2"]).fails(1, "/var/tmp/nowhere");
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).ok();
    // Images that are not whole.
    shell(&format!("rm {IMAGES}/pages-1.img")).ok();
    let outcome = oci(&["restore", "-d", "-b", BUNDLE, "--image-path", IMAGES, "c1"]);
    outcome.fails(1, "criu cannot restore the container: ");
    assert!(outcome.stderr.contains(&format!("hint: see {IMAGES}/restore.log")), "{outcome}");
    oci(&["state", "c1"]).fails(1, "does not exist");
    assert_eq!(super::left("/sys/fs/cgroup/dhow"), Vec::<String>::new());
    assert_eq!(shell("pgrep -x criu || true").ok(), "");
    shell(&format!("rm -rf {BUNDLE} {IMAGES}")).ok();
}

#[test]
#[ignore = "runs in the guest"]
fn a_terminal_is_another_one_afterwards() {
    counting("while read line; do echo got $line; done");
    change(|config| config["process"]["terminal"] = json!(true));
    let listener = UnixListener::bind("/run/console").unwrap();
    let taken = |words: &[&str]| {
        let common = ["-d", "-b", BUNDLE, "--console-socket", "/run/console", "c1"];
        oci(&[words, &common].concat()).ok();
        let (name, master) = received(&listener);
        assert_eq!(name, "/dev/ptmx");
        File::from(master)
    };
    let says = |master: &mut File, line: &str| {
        master.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut seen = String::new();
        let mut bytes = [0; 256];
        while !seen.contains(&format!("got {line}")) {
            let length = master.read(&mut bytes).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    let mut master = taken(&["run"]);
    says(&mut master, "one");
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).ok();
    drop(master);
    let mut master = taken(&["restore", "--image-path", IMAGES]);
    says(&mut master, "two");
    assert_eq!(oci(&["state", "c1"]).json()["status"], "running");
    std::fs::remove_file("/run/console").unwrap();
    end("c1");
    drop(master);
}

#[test]
#[ignore = "runs in the guest"]
fn connections_go_on_where_that_is_asked_for() {
    counting(TALK);
    oci(&["run", "-d", "-b", BUNDLE, "c1"]).ok();
    let got = || {
        let text = std::fs::read_to_string(format!("{BUNDLE}/rootfs/tmp/got")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse::<u32>().ok()).collect::<Vec<_>>()
    };
    eventually("it talks", || got().len() > 3);
    // criu has to be told, and the container goes on when it was not.
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).fails(1, "criu cannot");
    let reached = got().len();
    eventually("it talks on", || got().len() > reached);
    shell(&format!("rm -rf {IMAGES}")).ok();
    oci(&["checkpoint", "--tcp-established", "--image-path", IMAGES, "c1"]).ok();
    let reached = got().len();
    oci(&["restore", "-d", "-b", BUNDLE, "--tcp-established", "--image-path", IMAGES, "c1"]).ok();
    eventually("it talks again", || got().len() > reached + 3);
    // No word was lost, and none came twice.
    let got = got();
    assert!(got.iter().zip(1..).all(|(number, expected)| *number == expected), "{got:?}");
    end("c1");
}

#[test]
#[ignore = "runs in the guest"]
fn memory_comes_when_it_is_used() {
    counting(COUNT);
    start("c1");
    // The status comes when memory can be asked for; the dump lasts until it was.
    let script = format!(
        "set -e; rm -rf /run/lazy; mkdir /run/lazy; mkfifo /run/lazy/status
        dhow oci checkpoint --lazy-pages --page-server 127.0.0.1:9876 --status-fd 3 --image-path {IMAGES} \
            --work-path {IMAGES}.work c1 3<>/run/lazy/status </dev/null >/run/lazy/dump 2>&1 & dump=$!
        head -c 1 /run/lazy/status >/dev/null; cat {BUNDLE}/rootfs/tmp/count
        criu lazy-pages --page-server --address 127.0.0.1 --port 9876 -D {IMAGES} -W /run/lazy \
            --status-fd 3 3<>/run/lazy/status </dev/null >/run/lazy/pages 2>&1 & pages=$!
        head -c 1 /run/lazy/status >/dev/null
        dhow oci restore -d --lazy-pages -b {BUNDLE} --image-path {IMAGES} --work-path /run/lazy c2 </dev/null >/dev/null
        wait $dump; wait $pages"
    );
    let outcome = super::command(&["timeout", "100", "bash", "-c", &script]);
    let logs = || shell("tail -n 5 /run/lazy/*").text();
    assert_eq!(outcome.code, 0, "{outcome}\n{}", logs());
    let reached: u32 = outcome.text().trim().parse().unwrap();
    eventually("it goes on", || count() > reached);
    assert!(count() < reached + 300, "from {reached} it came to {}", count());
    oci(&["state", "c1"]).fails(1, "does not exist");
    shell("rm -rf /run/lazy").ok();
    end("c2");
}

#[test]
#[ignore = "runs in the guest"]
fn it_comes_back_in_a_scope_and_keeps_its_notification_socket() {
    counting(COUNT);
    let manager = UnixDatagram::bind("/run/manager").unwrap();
    let run =
        format!("NOTIFY_SOCKET=/run/manager dhow oci --systemd-cgroup create -b {BUNDLE} c1 </dev/null >/dev/null");
    shell(&run).ok();
    oci(&["start", "c1"]).ok();
    drop(manager);
    eventually("it counts", || count() > 3);
    oci(&["checkpoint", "--image-path", IMAGES, "c1"]).ok();
    let reached = count();
    oci(&["--systemd-cgroup", "restore", "-d", "-b", BUNDLE, "--image-path", IMAGES, "c2"]).ok();
    eventually("it goes on", || count() > reached);
    assert_eq!(cgroup_of(&pid("c2")), "/sys/fs/cgroup/system.slice/dhow-c2.scope");
    assert_eq!(super::command(&["systemctl", "show", "dhow-c2.scope", "-P", "MemoryMax"]).ok(), "67108864");
    assert_eq!(oci(&["exec", "c2", "sh", "-c", "grep -c ' /run/notify ' /proc/mounts"]).ok(), "1");
    shell("rm /run/manager").ok();
    end("c2");
}
