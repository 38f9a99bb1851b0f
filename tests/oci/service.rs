//! `NOTIFY_SOCKET` of the runtime's caller: what a container says there, the service manager hears.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::bundle::{Bundle, Runtime, read};
use crate::support::env::eventually;
use crate::support::isolated;

/// Where the service manager of these tests listens, which is a directory of the test's own.
const MANAGER: &str = "/run/manager";
/// Has the socket where busybox's one program that sends datagrams looks for it, and says that the container is up.
const BEGIN: &str = "busybox ln -s $NOTIFY_SOCKET /dev/log; touch /up; until test -e /go; do sleep 0.02; done;";

/// Says lines; the first of the message is the program's own.
fn say(lines: &str) -> String {
    format!("busybox logger \"$(printf 'x\\n{lines}')\";")
}

struct Manager(UnixDatagram);

impl Manager {
    fn new() -> Self {
        let socket = UnixDatagram::bind(MANAGER).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(socket)
    }

    /// The next message. A descriptor that came with it is closed.
    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn has_heard_nothing(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let heard = self.0.recv(&mut [0; 16]);
        self.0.set_nonblocking(false).unwrap();
        heard.is_err()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(std::fs::remove_file(MANAGER));
    }
}

/// A command of the runtime that the service manager starts.
fn spawn(oci: &Runtime<'_>, bundle: &Bundle, words: &[&str]) -> Child {
    let path = bundle.path.display().to_string();
    let words =
        if matches!(words[0], "run" | "create") { [words, &["--bundle", &path]].concat() } else { words.to_vec() };
    let mut command = oci.command(&words);
    command.env("NOTIFY_SOCKET", MANAGER).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().unwrap()
}

#[track_caller]
fn ends(mut child: Child, code: i32) {
    assert_eq!(child.wait().unwrap().code(), Some(code));
}

fn pid(oci: &Runtime<'_>) -> Value {
    oci.run(&["state", "c1"]).json()["pid"].clone()
}

#[test]
fn start_waits_until_the_container_is_ready_and_tells() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let manager = Manager::new();
        bundle.config(&format!("{BEGIN} {} exec sleep 100", say("STATUS=up\\nREADY=1\\nMAINPID=1")), json!({}));
        ends(spawn(&oci, &bundle, &["create", "c1"]), 0);
        let mut start = spawn(&oci, &bundle, &["start", "c1"]);
        eventually("it is up", || bundle.root().join("up").exists());
        assert!(start.try_wait().unwrap().is_none() && manager.has_heard_nothing());
        // Others may look at it, and act on it, meanwhile.
        assert_eq!(oci.status("c1"), "running");
        std::fs::write(bundle.root().join("go"), "").unwrap();
        assert_eq!(manager.hears(), format!("STATUS=up\nREADY=1\nMAINPID={}", pid(&oci)));
        // Who has sent a message stays until it was taken: else nobody knows whose it was.
        assert!(start.try_wait().unwrap().is_none());
        assert_eq!(manager.hears(), "BARRIER=1");
        ends(start, 0);
        let mounts = oci.run(&["exec", "c1", "grep", " /run/notify ", "/proc/mounts"]).ok();
        assert!(mounts.contains(" ro,nosuid,nodev,noexec"), "{mounts}");
        oci.run(&["exec", "c1", "sh", "-c", "test -z \"$NOTIFY_SOCKET\""]).ok();
        oci.run(&["delete", "-f", "c1"]).ok();
        assert!(oci.is_empty() && manager.has_heard_nothing());
    });
}

#[test]
fn who_ends_before_it_is_ready_is_not_waited_for() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let manager = Manager::new();
        bundle.config(&format!("{BEGIN} exit 0"), json!({}));
        let run = spawn(&oci, &bundle, &["run", "-d", "c1"]);
        eventually("it is up", || bundle.root().join("up").exists());
        oci.run(&["kill", "c1", "KILL"]).ok();
        assert_eq!(manager.hears(), "BARRIER=1");
        ends(run, 0);
        oci.run(&["delete", "c1"]).ok();
        // A manager that is not there holds nobody up.
        drop(manager);
        std::fs::write(bundle.root().join("go"), "").unwrap();
        ends(spawn(&oci, &bundle, &["run", "c1"]), 0);
        assert!(oci.is_empty());
    });
}

#[test]
fn who_stays_passes_on_what_is_said_and_is_the_main_process() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let manager = Manager::new();
        let script =
            format!("{BEGIN} {} until test -e /end; do sleep 0.02; done; {}", say("READY=1"), say("STOPPING=1"));
        bundle.config(&format!("{script} exit 7"), json!({}));
        let run = spawn(&oci, &bundle, &["run", "c1"]);
        std::fs::write(bundle.root().join("go"), "").unwrap();
        assert_eq!(manager.hears(), format!("READY=1\nMAINPID={}", run.id()));
        // Any user of the container may speak, of its state only.
        let words = ["exec", "-u", "33", "c1", "busybox", "logger", "x\nSTATUS=still\nFDSTORE=1"];
        oci.run(&words).ok();
        assert_eq!(manager.hears(), "STATUS=still");
        std::fs::write(bundle.root().join("end"), "").unwrap();
        assert_eq!(manager.hears(), "STOPPING=1");
        ends(run, 7);
        assert!(oci.is_empty() && manager.has_heard_nothing());
    });
}

#[test]
fn a_bundle_that_names_a_socket_has_its_own() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let _manager = Manager::new();
        let script = "{ env | grep NOTIFY; grep -c notify /proc/mounts; } > /seen; true";
        bundle.config(script, json!({"process": {"env": ["NOTIFY_SOCKET=/mine"]}}));
        ends(spawn(&oci, &bundle, &["run", "c1"]), 0);
        assert_eq!(read(&bundle.root().join("seen")), "NOTIFY_SOCKET=/mine\n0");
        // Without a manager there is none.
        bundle.config(script, json!({}));
        oci.with(&bundle, &["run", "c1"]).ok();
        assert_eq!(read(&bundle.root().join("seen")), "0");
        assert!(oci.is_empty() && Path::new(MANAGER).exists());
    });
}
