//! Whose files are whose: binds, volumes and the writable layer under every kind of user namespace; and that nothing of a
//! sub-id is left behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::support::env::{SUBIDS, UID};
use crate::support::image::{Image, Packing};
use crate::support::tar::Entry;
use crate::support::{Outcome, TestEnv, isolated};
use crate::{require, user};

/// A file below `top` that is not the user's, if there is one.
fn strange(top: &Path) -> Option<PathBuf> {
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.uid() != UID || meta.gid() != UID {
            return Some(path);
        }
        if meta.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    None
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = path.symlink_metadata().unwrap();
    (meta.uid(), meta.gid())
}

/// A directory of the user's, with a file.
fn shared(env: &TestEnv) -> PathBuf {
    let dir = env.user.home.join("shared");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("old"), "old").unwrap();
    for path in [&dir, &dir.join("old")] {
        chown(path, Some(UID), Some(UID)).unwrap();
    }
    dir
}

/// `run --rm --network none FLAGS busybox sh -c SCRIPT`.
fn run(env: &TestEnv, flags: &[&str], script: &str) -> Outcome {
    env.user.run(&[&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat())
}

#[test]
fn what_a_container_writes_into_a_bind_belongs_to_whom_the_map_says() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let dir = shared(env);
        let bind = format!("{}:/d", dir.display());
        let sub = |n: u32| (SUBIDS + n - 1, SUBIDS + n - 1);
        // Flags, who the user's file is inside, and who owns a new one outside.
        let cases: &[(&[&str], &str, (u32, u32))] = &[
            (&[], "0:0", (UID, UID)),
            (&["--user", "7"], "0:0", (SUBIDS + 6, UID)),
            (&["--user", "7:8"], "0:0", (SUBIDS + 6, SUBIDS + 7)),
            (&["--userns", "host"], "0:0", (UID, UID)),
            (&["--userns", "keep-id"], "4217:4217", (UID, UID)),
            (&["--userns", "keep-id:uid=33,gid=44"], "33:44", (UID, UID)),
            (&["--userns", "keep-id", "--user", "0"], "4217:4217", sub(1)),
            (&["--userns", "nomap"], "65534:65534", sub(1)),
            (&["--userns", "nomap", "--user", "9:9"], "65534:65534", sub(10)),
            (&["--userns", "auto:size=100"], "65534:65534", sub(1)),
            (&["--uidmap", "0:0:1", "--uidmap", "1:11:5", "--user", "2:2"], "0:0", sub(12)),
            (&["--uidmap", "0:20:5", "--gidmap", "0:30:5"], "65534:65534", (SUBIDS + 19, SUBIDS + 29)),
        ];
        for (flags, seen, outside) in cases {
            std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
            let flags = [*flags, &["-v", &bind]].concat();
            assert_eq!(run(env, &flags, "touch /d/new && stat -c %u:%g /d/old").ok(), *seen, "{flags:?}");
            assert_eq!(owner(&dir.join("new")), *outside, "{flags:?}");
            // Removable as it was made: with the same map.
            run(env, &flags, "rm /d/new").ok();
        }
        run(env, &["--userns", "nomap:x"], "true").exits(125);
        env.run(&["run", "--rm", "--userns", "nomap", "--rootfs", "/", "true"])
            .fails(125, "only supported in rootless");
        std::fs::remove_dir_all(dir).unwrap();
    });
}

#[test]
fn the_sources_of_u_change_hands_and_those_of_o_do_not_change() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let dir = shared(env);
        let with = |option: &str| format!("{}:/d:{option}", dir.display());
        assert_eq!(
            run(env, &["--user", "100:101", "-v", &with("U")], "stat -c %u:%g /d/old; rm /d/old").ok(),
            "100:101"
        );
        assert_eq!(owner(&dir), (SUBIDS + 99, SUBIDS + 100));
        run(env, &["-v", &with("U")], "echo mine > /d/file").ok();
        assert_eq!((owner(&dir), strange(&dir)), ((UID, UID), None));
        assert_eq!(run(env, &["--userns", "keep-id", "-v", &with("U")], "stat -c %u /d /d/file").ok(), "4217\n4217");
        assert_eq!(run(env, &["--userns", "auto", "-v", &with("U")], "stat -c %u /d /d/file").ok(), "0\n0");
        assert_eq!(owner(&dir.join("file")), (SUBIDS, SUBIDS));
        run(env, &["-v", &with("U")], "true").ok();
        // Changes go into a layer of the container's own, also those of other users in it.
        for userns in ["host", "keep-id"] {
            let script = "echo other > /d/file && touch /d/more && mkdir /d/closed && chmod 0 /d/closed && cat /d/file";
            assert_eq!(run(env, &["--userns", userns, "-v", &with("O")], script).ok(), "other", "{userns}");
            assert_eq!(std::fs::read_to_string(dir.join("file")).unwrap(), "mine\n");
            assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        }
        std::fs::remove_dir_all(dir).unwrap();
    });
}

#[test]
fn nothing_of_a_sub_id_is_left() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        let home = [Entry::dir("home", 0o755), Entry::dir("home/u", 0o700).owner(1000, 1000)];
        let image = Image::busybox().layer(&home, Packing::Gzip);
        user::load(env, &image, "busybox");
        let script = "mkdir -p /a/b /v/b && echo > /a/b/c && echo > /v/b/c && chown -R 5:6 /a /v && chmod 0 /a/b /v/b \
                      && su -s /bin/sh -c 'touch /tmp/x' nobody 2>/dev/null; chown 77 /home/u; ln -s /x /v/l; mkfifo /v/f";
        for userns in ["host", "keep-id", "nomap", "auto:size=2000"] {
            let flags =
                ["--name", "a", "--user", "0", "--network", "none", "--userns", userns, "-v", "v:/v", "-v", "/w"];
            env.user.run(&[&["run"], &flags[..], &["busybox", "sh", "-c", script]].concat()).ok();
            assert!(strange(&env.user.store).is_some());
            env.user.run(&["rm", "-v", "a"]).ok();
            env.user.run(&["volume", "rm", "v"]).ok();
        }
        env.user.run(&["rmi", "-a"]).ok();
        for place in [&env.user.store, &env.user.runtime, &env.user.home] {
            assert_eq!(strange(place), None);
        }
    });
}

/// The copies of layers for the maps of containers.
fn copies(env: &TestEnv) -> usize {
    let layers = std::fs::read_dir(env.user.store.join("layers")).unwrap();
    let below = layers.flatten().filter_map(|layer| std::fs::read_dir(layer.path()).ok()).flatten().flatten();
    below.filter(|entry| entry.file_name().to_string_lossy().starts_with("shift-")).count()
}

#[test]
fn copies_of_layers_stay_for_the_next_container_and_go_when_images_are_pruned() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        assert_eq!(copies(env), 0);
        run(env, &["--userns", "keep-id"], "true").ok();
        run(env, &["--userns", "keep-id"], "true").ok();
        assert_eq!(copies(env), 1, "the second container finds the first one's");
        for (name, userns) in [("a", "keep-id"), ("b", "auto:size=2000"), ("c", "nomap")] {
            user::sleeper(env, name, &["--network", "none", "--userns", userns]);
        }
        assert_eq!(copies(env), 3);
        user::remove(env, "c");
        env.user.run(&["image", "prune", "-f"]).ok();
        assert_eq!(copies(env), 2, "what containers stand on stays");
        for name in ["a", "b"] {
            assert_eq!(env.user.run(&["exec", "-u", "0", name, "stat", "-c", "%u", "/bin/busybox"]).ok(), "0");
            env.user.run(&["restart", "-t", "0", name]).ok();
        }
        // A record that cannot be read may mean any of them.
        user::remove(env, "b");
        let record = env.user.store.join("containers").join(user::inspect(env, "a")["Id"].as_str().unwrap());
        let config = std::fs::read(record.join("config.json")).unwrap();
        std::fs::write(record.join("config.json"), "{").unwrap();
        env.user.run(&["image", "prune", "-f"]).ok();
        assert_eq!(copies(env), 2);
        std::fs::write(record.join("config.json"), config).unwrap();
        user::remove(env, "a");
        env.user.run(&["image", "prune", "-f"]).ok();
        assert_eq!(copies(env), 0);
        run(env, &["--userns", "keep-id"], "true").ok();
    });
}

#[test]
fn who_keeps_his_ids_has_his_name_and_his_volumes() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        let run = ["run", "--rm", "--network", "none", "--userns", "keep-id"];
        let host = std::fs::read_to_string("/etc/passwd").unwrap();
        let own = host.lines().find(|line| line.split(':').nth(2) == Some(&UID.to_string())).unwrap();
        let own = own.split(':').next().unwrap();
        let words = ["-v", "data:/data", "busybox", "sh", "-c", "whoami; id -gn; touch /data/x; stat -c %U /data"];
        assert_eq!(env.user.run(&[&run[..], &words].concat()).ok(), format!("{own}\n{own}\n{own}"));
        env.user.run(&["volume", "rm", "data"]).ok();
        // Measured cannot be what has no cgroup.
        let flags = ["--network", "slirp4netns:mtu=1500", "--cgroups", "disabled"];
        env.user.run(&[&["create", "--name", "box"], &flags[..], &["busybox"]].concat()).ok();
        env.user.run(&["rm", "box"]).ok();
    });
}
