//! Where an ordinary user's things are: the XDG directories, what stands in for them, and that nobody meets another.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::env::{SUBIDS, Seat, UID, USER, eventually, finished};
use crate::support::{Outcome, TestEnv, isolated};
use crate::{require, user};

/// Shows where the store is, among other things.
const INFO: [&str; 3] = ["info", "--format", "json"];

/// Where `info` says that the store is.
fn store(info: &Outcome) -> String {
    info.ok();
    let store = &info.json()["store"];
    format!("{} {}", store["graphRoot"].as_str().unwrap(), store["runRoot"].as_str().unwrap())
}

/// A command line of this seat, without `--root` and `--runroot`, in an environment changed by `change`.
fn plain(seat: &Seat, words: &[&str], change: impl FnOnce(&mut Command)) -> Outcome {
    let mut command = seat.command(&seat.binary);
    command.args(words);
    change(&mut command);
    finished(command, b"")
}

fn directory(path: &Path, owner: u32) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
}

/// The user logs out.
fn forget(run: &Path) {
    std::fs::remove_dir_all(run).unwrap();
}

#[test]
fn the_store_is_where_xdg_says() {
    require!(root, newuidmap);
    isolated(|env| {
        let user = env.user.clone();
        let home = user.home.display().to_string();
        let runtime = user.runtime.display().to_string();
        let elsewhere = user.tmp.join("data").display().to_string();
        let cases: &[(&[(&str, Option<&str>)], String, String)] = &[
            (&[], format!("{home}/.local/share/dhow"), format!("{runtime}/dhow")),
            (&[("XDG_DATA_HOME", Some(&elsewhere))], format!("{elsewhere}/dhow"), format!("{runtime}/dhow")),
            // A relative one is none, says the specification; and without HOME there is /etc/passwd.
            (&[("XDG_DATA_HOME", Some("data"))], format!("{home}/.local/share/dhow"), format!("{runtime}/dhow")),
            (&[("HOME", None)], format!("{home}/.local/share/dhow"), format!("{runtime}/dhow")),
        ];
        for (variables, data, run) in cases {
            let shown = plain(&user, &INFO, |command| {
                for (key, value) in *variables {
                    match value {
                        Some(value) => command.env(key, value),
                        None => command.env_remove(key),
                    };
                }
            });
            assert_eq!(store(&shown), format!("{data} {run}"), "{variables:?}");
            assert_eq!(std::fs::metadata(data).unwrap().mode() & 0o7777, 0o700);
        }
        std::fs::remove_dir_all(&elsewhere).unwrap();
    });
}

/// R15.
#[test]
fn a_runtime_directory_that_is_not_ours_is_as_good_as_none() {
    require!(root, newuidmap);
    isolated(|env| {
        let user = env.user.clone();
        let places = |runtime: Option<&Path>| {
            plain(&user, &INFO, |command| {
                match runtime {
                    Some(path) => command.env("XDG_RUNTIME_DIR", path),
                    None => command.env_remove("XDG_RUNTIME_DIR"),
                };
            })
        };
        let data = user.home.join(".local/share/dhow").display().to_string();
        let fallback = user.tmp.join(format!("dhow-run-{UID}"));
        for runtime in [None, Some(env.root.runtime.as_path()), Some(Path::new("/run/user/none"))] {
            assert_eq!(store(&places(runtime)), format!("{data} {}/dhow", fallback.display()), "{runtime:?}");
            assert_eq!(std::fs::metadata(&fallback).unwrap().mode() & 0o7777, 0o700);
            forget(&fallback);
        }
        // What a login makes.
        let login = PathBuf::from(format!("/run/user/{UID}"));
        directory(&login, UID);
        assert_eq!(store(&places(None)), format!("{data} {}/dhow", login.display()));
        forget(&login);
        std::fs::remove_dir("/run/user").unwrap();
        // Somebody else was there first: whoever owns it could replace what is in it.
        directory(&fallback, 1);
        places(None).fails(125, &format!("the runtime directory {} is not this user's own", fallback.display()));
        std::fs::remove_dir(&fallback).unwrap();
        std::os::unix::fs::symlink(&user.home, &fallback).unwrap();
        places(None).fails(125, "is not this user's own");
        std::fs::remove_file(&fallback).unwrap();
    });
}

#[test]
fn with_root_and_runroot_no_home_is_needed() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let text = std::fs::read_to_string("/etc/passwd").unwrap();
        let others: String =
            text.lines().filter(|line| !line.starts_with(USER)).map(|line| format!("{line}\n")).collect();
        std::fs::write("/etc/passwd", others).unwrap();
        let mut user = env.user.clone();
        let homeless = |command: &mut Command| {
            command.env_remove("HOME");
        };
        plain(&user, &["ps"], homeless).fails(125, "neither XDG_DATA_HOME nor HOME is set");
        let mut command = user.dhow(&["run", "--rm", "--network", "none", "busybox", "id", "-u"]);
        homeless(&mut command);
        assert_eq!(finished(command, b"").ok(), "0");
        user.home = PathBuf::from("/nowhere");
        let mut command = user.dhow(&["run", "--rm", "--network", "none", "busybox", "id", "-u"]);
        command.current_dir("/");
        assert_eq!(finished(command, b"").ok(), "0");
    });
}

/// What a monitor becomes has no environment at all, so nobody tells it where a home is.
#[test]
fn a_container_cleans_up_behind_itself() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let words = ["run", "-d", "--rm", "--network", "none", "-v", "/volume", "busybox", "true"];
        env.user.run(&words).ok();
        for name in ["containers", "volumes"] {
            let entries = || std::fs::read_dir(env.user.store.join(name)).unwrap().flatten();
            eventually("it is gone", || entries().all(|entry| !entry.path().is_dir()));
        }
        let script = "echo run; exit 1";
        let words = [
            "run",
            "-d",
            "--name",
            "a",
            "--restart",
            "on-failure:2",
            "--network",
            "none",
            "busybox",
            "sh",
            "-c",
            script,
        ];
        env.user.run(&words).ok();
        eventually("it was started twice more", || env.user.run(&["logs", "a"]).lines().len() == 3);
        user::remove(env, "a");
    });
}

#[test]
fn root_with_a_users_environment_leaves_nothing_of_its_own_there() {
    require!(root, busybox, nft);
    isolated(|env| {
        let mut sudo = env.root.clone();
        sudo.home.clone_from(&env.user.home);
        sudo.runtime.clone_from(&env.user.runtime);
        let user = |command: &mut Command| {
            command.env("XDG_DATA_HOME", env.user.home.join("data")).env("SUDO_UID", UID.to_string()).env("USER", USER);
        };
        assert_eq!(store(&plain(&sudo, &INFO, user)), "/var/lib/dhow /run/dhow");
        plain(&sudo, &["ps", "-a"], user).ok();
        for place in [&env.user.home, &env.user.runtime] {
            assert_eq!(std::fs::read_dir(place).unwrap().count(), 0, "{}", place.display());
        }
        for place in ["/var/lib/dhow", "/run/dhow"] {
            std::fs::remove_dir_all(place).unwrap();
        }
    });
}

/// Another ordinary user, with sub-ids next to the first one's.
fn neighbour(env: &TestEnv) -> Seat {
    let uid = UID + 1;
    let top = env.place.join("neighbour");
    let mut seat = env.user.clone();
    seat.uid = uid;
    for (path, name) in [(&mut seat.home, "home"), (&mut seat.store, "store"), (&mut seat.runtime, "run")] {
        *path = top.join(name);
        directory(path, uid);
    }
    // /tmp is everybody's.
    seat.tmp = PathBuf::from("/tmp");
    chown(&top, Some(uid), Some(uid)).unwrap();
    for (file, line) in [
        ("/etc/passwd", format!("neighbour:x:{uid}:{uid}:n:{}:/bin/sh\n", seat.home.display())),
        ("/etc/subuid", format!("neighbour:{}:65536\n", SUBIDS + 65536)),
        ("/etc/subgid", format!("neighbour:{}:65536\n", SUBIDS + 65536)),
    ] {
        let text = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, text + &line).unwrap();
    }
    seat
}

#[test]
fn two_users_at_once_do_not_meet() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        let other = neighbour(env);
        user::busybox(env);
        user::load_as(&other, &crate::support::image::Image::busybox(), "busybox");
        let script = "cat /proc/self/uid_map; exec sleep 1000";
        let words = ["run", "-d", "--name", "same", "--network", "none", "busybox", "sh", "-c", script];
        let mut children: Vec<_> = [&env.user, &other]
            .map(|seat| seat.dhow(&words).env_remove("XDG_RUNTIME_DIR").stdout(Stdio::null()).spawn().unwrap())
            .into_iter()
            .collect();
        for child in &mut children {
            assert!(child.wait().unwrap().success());
        }
        for (seat, first) in [(&env.user, SUBIDS), (&other, SUBIDS + 65536)] {
            assert_eq!(seat.run(&["ps", "--format", "{{.Names}}"]).ok(), "same");
            eventually("it has written", || {
                let map: Vec<u32> =
                    seat.run(&["logs", "same"]).text().split_whitespace().map(|word| word.parse().unwrap()).collect();
                map == [0, seat.uid, 1, 1, first, 65_536]
            });
        }
        // One cannot work on the other's store.
        let mut foreign = other.clone();
        foreign.store.clone_from(&env.user.store);
        assert_ne!(foreign.run(&["ps"]).code, 0);
        for seat in [&env.user, &other] {
            seat.run(&["rm", "-f", "-t", "0", "same"]).ok();
            seat.run(&["rmi", "-a", "-f"]).ok();
        }
        for run in [
            other.runtime.join("dhow"),
            PathBuf::from(format!("/tmp/dhow-run-{}", other.uid)),
            env.user.tmp.join(format!("dhow-run-{UID}")),
        ] {
            drop(std::fs::remove_dir_all(run));
        }
    });
}
