//! Tests that clone: each in a process of its own, whose other thread only waits. The harness starts this very binary
//! again with the name of one test.

use std::process::Command;

const CHILD: &str = "DHOW_TEST_CHILD";

/// Runs `body` as root in a process of its own, or says why it cannot; `path` is the test's name in the crate.
pub(crate) fn alone(path: &str, body: impl FnOnce()) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    if std::env::var_os(CHILD).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([path, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    eprintln!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
