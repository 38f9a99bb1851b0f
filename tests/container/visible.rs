//! A container's root file system where its user sees it: `mount`, `unmount`, `unshare`.

use std::path::Path;

use super::stage;
use crate::require;
use crate::support::env::eventually;
use crate::support::image::Image;
use crate::support::isolated;

#[test]
fn a_mounted_container_is_the_one_that_runs() {
    isolated(|env| {
        stage::busybox(env);
        for maps in [&[][..], &["--uidmap", "0:300000:70000", "--gidmap", "0:300000:70000"]] {
            let words =
                [&["create", "--name", "box", "--network", "none"], maps, &["busybox", "sleep", "1000"]].concat();
            let id = env.run(&words).ok();
            assert!(env.run(&["mount"]).ok().is_empty());
            let path = env.run(&["mount", "box"]).ok();
            let place = Path::new(&path);
            std::fs::write(place.join("before"), "").unwrap();
            assert_eq!(env.run(&["mount", "box"]).ok(), path, "once is enough");
            assert_eq!(env.run(&["mount"]).ok(), format!("{}  {path}", &id[..12]));
            assert_eq!(env.run(&["mount", "--format", "json"]).json()[0]["mountpoint"], path.as_str());
            // Started, stopped and copied from while it is mounted.
            env.run(&["start", "box"]).ok();
            env.run(&["exec", "box", "sh", "-c", "test -e /before && touch /inside"]).ok();
            assert!(place.join("inside").exists());
            std::fs::write(place.join("outside"), "").unwrap();
            env.run(&["exec", "box", "test", "-e", "/outside"]).ok();
            env.run(&["stop", "-t", "0", "box"]).ok();
            assert!(env.run(&["export", "box"]).stdout.windows(7).any(|bytes| bytes == b"outside"));
            assert_eq!(env.run(&["unmount", "box"]).ok(), "box");
            assert!(!place.join("inside").exists());
            assert_eq!(env.run(&["umount", "box"]).ok(), "box");
            // A running one shows what it has.
            env.run(&["start", "box"]).ok();
            assert_eq!(env.run(&["mount", "-a"]).ok(), path);
            assert!(place.join("inside").exists());
            assert_eq!(env.run(&["umount", "-a"]).ok(), id);
            env.run(&["exec", "box", "test", "-e", "/inside"]).ok();
            env.run(&["mount", "box"]).ok();
            env.run(&["container", "cleanup", "box"]).fails(125, "is running or paused, refusing to clean up");
            env.run(&["kill", "box"]).ok();
            env.run(&["wait", "box"]).ok();
            assert_eq!(env.run(&["container", "cleanup", "box"]).ok(), "box");
            assert!(env.run(&["mount"]).ok().is_empty());
            env.run(&["mount", "box"]).ok();
            env.run(&["rm", "box"]).ok();
            assert!(!place.exists());
        }
        env.run(&["mount", "none"]).fails(125, "no container with name or ID \"none\" found: no such container");
        env.run(&["unshare", "true"]).fails(125, "please use unshare with rootless");
    });
}

#[test]
fn an_ordinary_user_sees_mounts_where_they_are_root() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let archive = env.user.tmp.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let user = env.user.clone();
        user.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        std::fs::remove_file(&archive).unwrap();
        user.run(&["create", "--name", "box", "--network", "none", "busybox", "cat", "/made"]).ok();
        user.run(&["mount", "box"]).fails(125, "must execute `dhow unshare` first");
        assert_eq!(user.run(&["unshare", "id", "-u"]).ok(), "0");
        user.run(&["unshare", "sh", "-c", "exit 7"]).exits(7);
        user.run(&["unshare", "/none"]).exits(127);
        let words =
            format!("{} --root {} --runroot {}", user.binary.display(), user.store.display(), user.runtime.display());
        let script =
            format!("d='{words}'; m=$($d mount box) && echo text > $m/made && $d unmount box && $d start -a box");
        assert_eq!(user.run(&["unshare", "sh", "-c", &script]).ok(), "box\ntext");
        user.run(&["rm", "box"]).ok();
        user.run(&["rmi", "busybox"]).ok();
    });
}

/// Root looks into a container, and what lies there is no way to the host's devices.
#[test]
fn a_device_in_what_is_mounted_opens_nothing() {
    isolated(|env| {
        stage::busybox(env);
        let node = "mknod -m 666 /zero c 1 5; head -c 1 /zero | wc -c";
        let run = ["run", "--network", "none", "--cap-add", "mknod", "--name"];
        env.run(&[&run[..], &["box", "busybox", "sh", "-c", node]].concat()).ok();
        let up = format!("{node}; exec sleep 1000");
        env.run(&[&run[..], &["up", "-d", "busybox", "sh", "-c", &up]].concat()).ok();
        eventually("the node is there", || env.run(&["logs", "up"]).text().contains('1'));
        env.run(&["commit", "-q", "box", "image"]).ok();
        for words in [["mount", "box"].as_slice(), &["mount", "up"], &["image", "mount", "image"]] {
            let place = env.run(words).ok();
            let opened = std::fs::File::open(std::path::Path::new(place.trim()).join("zero"));
            assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EACCES), "{words:?}");
        }
        env.run(&["image", "unmount", "image"]).ok();
        // The container itself has it, started while it is mounted.
        env.run(&["mount", "box"]).ok();
        assert_eq!(env.run(&["start", "-a", "box"]).ok(), "1");
        env.run(&["rm", "-f", "-t", "0", "box", "up"]).ok();
        env.run(&["rmi", "image"]).ok();
    });
}
