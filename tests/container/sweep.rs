//! As `kill`, of the commands that change a container's record or its processes without making or ending it, and of those
//! for volumes, images and the whole store: killed at any call, the next command finds everything whole.

use std::process::Stdio;

use super::kill::{SAMPLE, UP, clear, layers, sweep};
use super::stage::{self, inspect};
use crate::support::kill::Sweep;
use crate::support::registry::Registry;
use crate::support::tar::{Entry, archive};
use crate::support::{TestEnv, isolated};

#[test]
fn a_restart_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[UP], &["restart", "-t", "0", "box"]);
    });
}

#[test]
fn a_pause_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[UP], &["pause", "box"]);
        sweep(env, &[UP, &["pause", "box"]], &["unpause", "box"]);
    });
}

#[test]
fn an_update_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        let update = ["update", "--cpu-shares", "512", "--pids-limit", "100", "--restart", "on-failure:3", "box"];
        sweep(env, &[UP], &update);
        // What the record says holds after the next start, whatever the cgroup was told.
        let before = |env: &TestEnv| {
            clear(env);
            env.run(UP).ok();
        };
        let command = |env: &TestEnv| quiet(env, &update);
        Sweep { prepare: &before, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
            env.run(&["restart", "-t", "0", "box"]).ok();
            let shown = inspect(env, "box")["HostConfig"].take();
            let of = ["CpuShares", "PidsLimit"].map(|key| shown[key].as_i64().unwrap());
            assert!(matches!(of, [0, 2048] | [512, 100]), "all of it or nothing: {of:?}");
        });
        clear(env);
    });
}

#[test]
fn a_shutdown_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        let up =
            ["run", "-d", "--name", "box", "--restart", "always", "--stop-timeout", "0", "busybox", "sleep", "1000"];
        sweep(env, &[&up], &["stop", "--all", "--until-boot"]);
    });
}

#[test]
fn a_signal_killed_anywhere_is_sent_or_not() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[UP], &["kill", "box"]);
    });
}

#[test]
fn a_prune_of_containers_killed_anywhere_is_healed() {
    isolated(|env| {
        stage::busybox(env);
        sweep(env, &[&["create", "--name", "box", "busybox", "true"]], &["container", "prune", "-f"]);
    });
}

/// A command whose output is nobody's.
fn quiet(env: &TestEnv, words: &[&str]) -> std::process::Command {
    let mut command = env.dhow(words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Sweeps `words`, where `list` prints the names of everything that there is, `show` shows one, and `clear` takes all away.
fn sweep_objects(env: &TestEnv, list: &[&str], show: &[&str], clear: &[&str], before: &[&[&str]], words: &[&str]) {
    let prepare = |env: &TestEnv| {
        env.run(clear).ok();
        for words in before {
            env.run(words).ok();
        }
    };
    let command = |env: &TestEnv| quiet(env, words);
    let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
        env.run(&["ps", "-a"]).ok();
        for name in env.run(list).lines() {
            env.run(&[show, &[&name]].concat()).ok();
        }
        env.run(clear).ok();
        env.nothing_is_left();
        prepare(env);
        env.run(words).ok();
    });
    assert!(!calls.is_empty());
    env.run(clear).ok();
    env.nothing_is_left();
}

fn sweep_volumes(env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    let clear = ["volume", "rm", "-a", "-f"];
    sweep_objects(env, &["volume", "ls", "-q"], &["volume", "inspect"], &clear, before, words);
}

fn sweep_images(env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    let clear = ["rmi", "-a", "-f"];
    sweep_objects(env, &["images", "-q"], &["image", "inspect"], &clear, before, words);
}

#[test]
fn what_is_done_to_volumes_killed_anywhere_is_healed() {
    isolated(|env| {
        let make = ["volume", "create", "--label", "a=b", "one"];
        // The first command makes the store.
        env.run(&make).ok();
        env.run(&["volume", "rm", "one"]).ok();
        stage::settle(env);
        env.rebase();
        sweep_volumes(env, &[], &make);
        sweep_volumes(env, &[&make], &["volume", "rm", "one"]);
        sweep_volumes(env, &[&make, &["volume", "create", "two"]], &["volume", "prune", "-f"]);
        let tar = env.place.join("volume.tar");
        let entries = [Entry::dir("deep/", 0o755), Entry::file("deep/file", 0o644, vec![b'x'; 100_000])];
        std::fs::write(&tar, archive(&entries)).unwrap();
        sweep_volumes(env, &[&make], &["volume", "import", "one", tar.to_str().unwrap()]);
    });
}

#[test]
fn what_is_done_to_images_killed_anywhere_is_healed() {
    isolated(|env| {
        let file = env.place.join("image.tar");
        std::fs::write(&file, layers().docker_archive(&["three"])).unwrap();
        let load = ["load", "-q", "-i", file.to_str().unwrap()];
        env.run(&load).ok();
        env.run(&["rmi", "-a", "-f"]).ok();
        stage::settle(env);
        env.rebase();
        let tag: [&[&str]; 2] = [&load, &["tag", "three", "another", "third"]];
        sweep_images(env, &[&load], tag[1]);
        sweep_images(env, &tag, &["untag", "three", "another"]);
        sweep_images(env, &[&load], &["rmi", "three"]);
        sweep_images(env, &[&load], &["image", "prune", "-a", "-f"]);
    });
}

/// Sweeps a command for the list `all`, which it leaves whole or does not make.
fn sweep_lists(env: &TestEnv, before: &[&[&str]], words: &[&str]) {
    let prepare = |env: &TestEnv| {
        env.run(&["rmi", "-a", "-f"]).ok();
        for words in before {
            env.run(words).ok();
        }
    };
    let command = |env: &TestEnv| quiet(env, words);
    let calls = Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, call| {
        env.run(&["images", "-a"]).ok();
        if env.run(&["manifest", "exists", "all"]).code == 0 {
            let entries = env.run(&["manifest", "inspect", "all"]).json()["manifests"].as_array().unwrap().len();
            assert!(entries <= 1, "{call:?}");
        }
        // The next one to make a list finds what is left of a killed one.
        env.run(&["manifest", "create", "--amend", "all"]).ok();
        let left: Vec<_> = std::fs::read_dir(env.root.store.join("images/lists"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_str().unwrap().starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{call:?}: {left:?}");
        env.run(&["manifest", "rm", "all"]).ok();
        env.run(&["image", "prune", "-a", "-f"]).ok();
        env.nothing_is_left();
        prepare(env);
        env.run(words).ok();
    });
    assert!(!calls.is_empty());
    env.run(&["rmi", "-a", "-f"]).ok();
    env.nothing_is_left();
}

#[test]
fn what_is_done_to_lists_killed_anywhere_is_healed() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let file = env.place.join("image.tar");
        let image = layers();
        std::fs::write(&file, image.docker_archive(&["three"])).unwrap();
        let load = ["load", "-q", "-i", file.to_str().unwrap()];
        let create = ["manifest", "create", "all"];
        let add = ["manifest", "add", "all", "containers-storage:three"];
        env.run(&load).ok();
        env.run(&create).ok();
        env.run(&add).ok();
        let instance = env.run(&["manifest", "inspect", "all"]).json()["manifests"][0]["digest"].take();
        env.run(&["rmi", "-a", "-f"]).ok();
        stage::settle(env);
        env.rebase();
        sweep_lists(env, &[], &create);
        sweep_lists(env, &[&load, &create], &add);
        sweep_lists(env, &[&load, &create, &add], &["manifest", "annotate", "--os-version", "1", "all", "three"]);
        let remove = ["manifest", "remove", "all", instance.as_str().unwrap()];
        sweep_lists(env, &[&load, &create, &add], &remove);
        sweep_lists(env, &[&load, &create, &add], &["manifest", "rm", "all"]);
        let target = registry.reference("made:1");
        let push = ["manifest", "push", "-q", "--tls-verify=false", "all", &target];
        sweep_lists(env, &[&load, &create, &add], &push);
    });
}

#[test]
fn an_import_and_a_save_killed_anywhere_are_healed() {
    isolated(|env| {
        let (file, rootfs) = (env.place.join("image.tar"), env.place.join("rootfs.tar"));
        std::fs::write(&file, layers().docker_archive(&["three"])).unwrap();
        std::fs::write(&rootfs, archive(&[Entry::file("file", 0o644, vec![b'x'; 100_000])])).unwrap();
        let load = ["load", "-q", "-i", file.to_str().unwrap()];
        env.run(&load).ok();
        env.run(&["rmi", "-a", "-f"]).ok();
        stage::settle(env);
        env.rebase();
        sweep_images(env, &[], &["import", "-q", rootfs.to_str().unwrap(), "made"]);
        let out = env.place.join("out.tar");
        sweep_images(env, &[&load], &["save", "-q", "-o", out.to_str().unwrap(), "three"]);
    });
}

#[test]
fn a_prune_of_everything_killed_anywhere_is_healed() {
    isolated(|env| {
        let file = env.place.join("image.tar");
        std::fs::write(&file, layers().docker_archive(&["three"])).unwrap();
        let load = ["load", "-q", "-i", file.to_str().unwrap()];
        let create = ["create", "--name", "box", "-v", "/volume", "three", "true"];
        let prune = ["system", "prune", "-a", "-f", "--volumes"];
        for words in [&load[..], &create, &["volume", "create", "one"], &prune] {
            env.run(words).ok();
        }
        stage::settle(env);
        env.rebase();
        let clear = |env: &TestEnv| {
            env.run(&["rm", "-f", "-a", "-v"]).ok();
            env.run(&["volume", "rm", "-a", "-f"]).ok();
            env.run(&["rmi", "-a", "-f"]).ok();
        };
        let prepare = |env: &TestEnv| {
            clear(env);
            for words in [&load[..], &create, &["volume", "create", "one"]] {
                env.run(words).ok();
            }
        };
        let command = |env: &TestEnv| quiet(env, &prune);
        Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
            for (list, show) in [
                (&["ps", "-aq"][..], &["container", "inspect"][..]),
                (&["volume", "ls", "-q"], &["volume", "inspect"]),
                (&["images", "-q"], &["image", "inspect"]),
            ] {
                for name in env.run(list).lines() {
                    env.run(&[show, &[&name]].concat()).ok();
                }
            }
            // A second call does the rest.
            env.run(&prune).ok();
            env.nothing_is_left();
        });
        clear(env);
    });
}

#[test]
fn a_reset_killed_anywhere_is_continued() {
    isolated(|env| {
        let reset = ["system", "reset", "-f"];
        // Nobody has used the store.
        env.run(&reset).ok();
        env.rebase();
        let prepare = |env: &TestEnv| {
            env.run(&reset).ok();
            env.load(&crate::support::image::Image::busybox(), "busybox").ok();
            env.run(&["run", "-d", "--name", "box", "-p", "8080:80", "-v", "/volume", "busybox", "sleep", "1000"]).ok();
            env.run(&["create", "--name", "other", "busybox", "true"]).ok();
        };
        let command = |env: &TestEnv| quiet(env, &reset);
        Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(SAMPLE) }.run(env, |env, _| {
            env.run(&["ps", "-a"]).ok();
            env.run(&["images"]).ok();
            env.run(&reset).ok();
            env.nothing_is_left();
        });
        env.run(&reset).ok();
    });
}
