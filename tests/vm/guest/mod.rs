//! Tests that run in the guest, as its root, one at a time; ignored elsewhere. They use the installed product with its
//! own directories, as people do.

mod apparmor;
mod boot;
mod cgroup;
mod checkpoint;
pub(crate) mod oci;
mod rootless;
mod scope;
mod session;
mod unit;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Outcome;
use crate::support::env::finished;
use crate::support::image::Image;

/// The ordinary user with subordinate ids.
pub(crate) const USER: &str = "tester";
pub(crate) const UID: u32 = 1000;
/// Where a user's service manager is, with what was delegated to it.
const MANAGER: &str = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
const ARCHIVE: &str = "/var/tmp/busybox.tar";

/// Refuses to change a machine that is not the guest.
pub(crate) fn assert_guest() {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    assert!(name.trim() == "guest" && Path::new("/suite/run").exists(), "this test runs in the guest only");
}

/// A program as root, in the unit of the suite.
pub(crate) fn command(words: &[&str]) -> Outcome {
    assert_guest();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir("/").env_remove("RUST_BACKTRACE");
    finished(command, b"")
}

/// The product as root.
pub(crate) fn dhow(words: &[&str]) -> Outcome {
    command(&[&["dhow"], words].concat())
}

/// A script as root.
pub(crate) fn shell(script: &str) -> Outcome {
    command(&["sh", "-c", script])
}

/// A script in a new session of `user`, from PAM's login to its end.
pub(crate) fn login(user: &str, script: &str) -> Outcome {
    let words = ["--quiet", "--wait", "--pipe", "--collect", "-p", "PAMName=login", "-p"];
    let user = format!("User={user}");
    let home = ["-p", "WorkingDirectory=~", "bash", "-c", script];
    command(&[&["systemd-run"], &words[..], &[user.as_str()], &home].concat())
}

/// Puts the archive of an image where everybody can read it.
pub(crate) fn archive() -> &'static str {
    assert_guest();
    if !Path::new(ARCHIVE).exists() {
        std::fs::write(ARCHIVE, Image::busybox().docker_archive(&["docker.io/library/busybox:latest"])).unwrap();
    }
    ARCHIVE
}

/// Gives root the image `busybox`, and takes away the containers of a test that failed.
pub(crate) fn load() {
    dhow(&["rm", "-f", "-a", "-t", "0"]).ok();
    if dhow(&["image", "exists", "busybox"]).code != 0 {
        dhow(&["load", "-q", "-i", archive()]).ok();
    }
}

/// Gives the user the image `busybox`, and takes away the containers of a test that failed. The user's manager stays
/// between sessions.
pub(crate) fn load_as_user() {
    let archive = archive();
    command(&["loginctl", "enable-linger", USER]).ok();
    login(USER, &format!("dhow rm -f -a -t 0; dhow image exists busybox || dhow load -q -i {archive}")).ok();
}

/// Waits until `condition` holds, as long as a guest without hardware support may take beside other work.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks until the answer is `expected`.
#[track_caller]
pub(crate) fn says(expected: &str, mut ask: impl FnMut() -> Outcome) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let outcome = ask();
        if outcome.text() == expected {
            return;
        }
        assert!(Instant::now() < deadline, "never {expected:?}: {outcome}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A file of a container's cgroup, by what `inspect` says of its first process.
fn cgroup_file(name: &str, file: &str) -> String {
    let path = format!("{}/{file}", cgroup_of(&init(name)));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}")).trim().to_owned()
}

/// The first process of root's container `name`.
fn init(name: &str) -> String {
    dhow(&["inspect", "--format", "{{.State.Pid}}", name]).ok()
}

/// The directory of a process's cgroup.
fn cgroup_of(pid: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("the cgroup of a process");
    format!("/sys/fs/cgroup{}", text.trim().strip_prefix("0::").expect("one tree"))
}

/// The cgroups that the product made below `top`, but for those that stay.
fn left(top: &str) -> Vec<String> {
    let found = shell(&format!("find {top} -mindepth 1 -type d 2>/dev/null || true")).ok();
    found.lines().filter(|line| !line.ends_with("/monitors")).map(str::to_owned).collect()
}

/// Removes root's containers, and fails when something of them is left.
fn clean() {
    dhow(&["rm", "-f", "-a", "-t", "0"]).ok();
    assert_eq!(dhow(&["ps", "-aq"]).ok(), "");
    assert_eq!(left("/sys/fs/cgroup/dhow"), Vec::<String>::new(), "cgroups");
    let mounts = shell("grep -c /var/lib/dhow /proc/self/mountinfo || true").ok();
    assert_eq!(mounts, "0", "mounts");
    let monitors = shell("pgrep -x dhow-monitor || true").ok();
    assert_eq!(monitors, "", "monitors");
}
