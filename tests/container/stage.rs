//! What the tests of kills, crowds and damage begin with: an image in the store, everything warm, and words for what a
//! container is doing.

use std::path::PathBuf;
use std::process::Child;

use serde_json::Value;

use crate::support::TestEnv;
use crate::support::census;
use crate::support::env::eventually;
use crate::support::image::Image;
use crate::support::registry::Registry;

/// Waits for SIGUSR1, then exits 7; says when it listens.
pub(crate) const LISTENER: &str = "trap 'exit 7' USR1; echo ready; while :; do sleep 1000 & wait; done";

/// Loads busybox and runs it once, so that what a first run makes for good is part of what every count compares.
pub(crate) fn busybox(env: &mut TestEnv) {
    env.load(&Image::busybox(), "busybox").ok();
    env.run(&["run", "--rm", "--cpuset-cpus", "0", "busybox", "true"]).ok();
    settle(env);
    // Its attendant may not be known for what it is yet.
    let up = env.root.store.join("networks/podman/up");
    eventually("the idle network is gone", || {
        census::hurry();
        !up.exists()
    });
    env.keep_images();
}

/// Leaves out the files that remember rather than hold: where the next address is looked for, compiled filters, events of
/// long ago.
pub(crate) fn settle(env: &mut TestEnv) {
    let store = env.root.store.display().to_string();
    env.ignore(&format!("file: {store}/cache/"));
    env.ignore(&format!("file: {store}/networks/podman/last"));
    let run = env.root.runtime.display().to_string();
    env.ignore(&format!("file: {run}/events.log.1"));
}

/// A registry in this process, whose ports are no leak.
pub(crate) fn registry(env: &mut TestEnv) -> Registry {
    env.ignore("address: tcp 0100007F");
    env.rebase();
    Registry::start()
}

/// The directory of container `name` in the store.
pub(crate) fn directory(env: &TestEnv, name: &str) -> PathBuf {
    env.root.store.join("containers").join(inspect(env, name)["Id"].as_str().unwrap())
}

/// What `inspect` says of a container.
pub(crate) fn inspect(env: &TestEnv, name: &str) -> Value {
    env.run(&["container", "inspect", name]).json()[0].take()
}

/// Starts a container that listens ([`LISTENER`]) and waits until it does.
pub(crate) fn listener(env: &TestEnv, flags: &[&str]) {
    let words = [&["run", "-d", "--name", "box"], flags, &["busybox", "sh", "-c", LISTENER]].concat();
    env.run(&words).ok();
    ready(env);
}

/// Waits until the listener in `box` listens.
pub(crate) fn ready(env: &TestEnv) {
    eventually("the container is ready", || env.run(&["logs", "box"]).text() == "ready");
}

/// The only monitor that lives.
#[track_caller]
pub(crate) fn monitor() -> u32 {
    let monitors = census::monitors();
    assert_eq!(monitors.len(), 1, "one monitor is due: {monitors:?}");
    monitors[0]
}

/// SIGKILL, and the wait until the process is gone.
pub(crate) fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    eventually("the killed process is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
    });
}

/// The exit code of a command that was started in the background.
#[track_caller]
pub(crate) fn code(mut child: Child) -> i32 {
    let status = crate::support::env::wait(&mut child, std::time::Duration::from_secs(30));
    status.expect("the command ends").code().unwrap_or(-1)
}
