//! What other users of the host get to see of a store, a runtime directory and the processes of the product: nothing.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::stage;
use crate::support::env::{self, finished};
use crate::support::image::Image;
use crate::support::{TestEnv, isolated};

/// Runs the product with a umask, and words that nobody else is to know in the environment.
fn with_umask(env: &TestEnv, umask: &str, words: &[&str]) -> String {
    let mut command = env.root.command("sh");
    command.args(["-c", "umask $1; shift; exec \"$@\"", "sh", umask]).arg(&env.root.binary).env("SECRET", "hunter2");
    command.arg("--root").arg(&env.root.store).arg("--runroot").arg(&env.root.runtime).args(words);
    finished(command, b"").ok()
}

/// The modes of what is below `top`, by names in which ids are stars; what belongs to images and containers is theirs.
fn modes(top: &Path) -> BTreeMap<String, String> {
    fn walk(top: &Path, directory: &Path, out: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let (path, meta) = (entry.path(), std::fs::symlink_metadata(entry.path()).unwrap());
            let name = path.strip_prefix(top).unwrap().display().to_string();
            let parts = name.split('/').map(|part| {
                let long = part.len() >= 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
                if long || part.starts_with("sha256") { "*" } else { part }
            });
            let kind = if meta.file_type().is_socket() { "socket" } else { "" };
            out.insert(parts.collect::<Vec<_>>().join("/"), format!("{kind}{:o}", meta.mode() & 0o7777));
            if meta.is_dir() && !["diff", "upper", "work", "_data"].contains(&entry.file_name().to_str().unwrap()) {
                walk(top, &path, out);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(top, top, &mut out);
    out
}

/// R15 (CVE-2021-41091): the directories are closed whatever the caller's umask is, and so is what lies in them.
#[test]
fn modes_do_not_depend_on_who_calls() {
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["localhost/busybox:latest"])).unwrap();
        let mut seen = Vec::new();
        for umask in ["000", "022", "077", "777"] {
            for place in [&env.root.store, &env.root.runtime] {
                for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                    let path = entry.path();
                    if entry.file_type().unwrap().is_dir() {
                        std::fs::remove_dir_all(path)
                    } else {
                        std::fs::remove_file(path)
                    }
                    .unwrap();
                }
            }
            let run = |words: &[&str]| with_umask(env, umask, words);
            run(&["load", "-q", "-i", archive.to_str().unwrap()]);
            run(&["volume", "create", "data"]);
            run(&["run", "-d", "--name", "box", "--network", "none", "-v", "data:/data", "busybox", "sleep", "1000"]);
            run(&["exec", "box", "true"]);
            let (store, runtime) = (modes(&env.root.store), modes(&env.root.runtime));
            for place in [&env.root.store, &env.root.runtime] {
                assert_eq!(std::fs::metadata(place).unwrap().permissions().mode() & 0o7777, 0o700, "umask {umask}");
            }
            for (name, mode) in store.iter().chain(&runtime) {
                let open = u32::from_str_radix(mode.trim_start_matches("socket"), 8).unwrap() & 0o022 != 0;
                assert!(!open || mode == "777" || name.ends_with("std"), "umask {umask}: {name} {mode}");
                assert!(!mode.starts_with("socket") || mode == "socket600", "umask {umask}: {name} {mode}");
            }
            // R18: nothing of the caller's environment is in a process that stays.
            let environ = std::fs::read(format!("/proc/{}/environ", stage::monitor())).unwrap();
            assert_eq!(String::from_utf8_lossy(&environ), "", "the monitor's environment");
            run(&["rm", "-f", "-t", "0", "box"]);
            seen.push((umask, store, runtime));
        }
        for (umask, store, runtime) in &seen[1..] {
            assert_eq!((store, runtime), (&seen[0].1, &seen[0].2), "umask {umask}");
        }
        env.run(&["volume", "rm", "data"]).ok();
        env.run(&["rmi", "busybox"]).ok();
        std::fs::remove_file(archive).unwrap();
        env.rebase();
    });
}

/// R34: no socket has an abstract name, which every process of the network namespace could reach (CVE-2020-15257).
#[test]
fn no_socket_is_open_to_who_shares_the_network() {
    isolated(|env| {
        stage::busybox(env);
        stage::listener(env, &["--network", "host", "-v", &format!("{}:/probe:ro", env::program("probe").display())]);
        let sockets = env.run(&["exec", "box", "cat", "/proc/net/unix"]).ok();
        assert!(sockets.contains("/attach"), "{sockets}");
        let named: Vec<&str> =
            sockets.lines().filter(|line| line.split_whitespace().nth(7).is_some_and(|n| n.starts_with('@'))).collect();
        assert!(named.is_empty(), "{named:?}");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}
