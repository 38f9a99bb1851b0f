//! The unpacked tree is podman's, file by file: type, mode, owner, times, attributes, content, links.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::require;
use crate::support::image::{Image, Layer, Packing};
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// cap_net_raw+ep, revision 2.
const NET_RAW: &[u8] = &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Everything that a layer can hold, in three layers of the three packings.
fn image() -> Image {
    let long = "n".repeat(150);
    let base = [
        Entry::dir("./", 0o755).mtime(1_500_000_001),
        Entry::dir("bin", 0o755),
        Entry::file("bin/tool", 0o755, "tool"),
        Entry::hardlink("bin/again", "bin/tool").mode(0o755),
        Entry::file("bin/suid", 0o4755, "s").owner(0, 0),
        Entry::file("bin/sgid", 0o2711, "s").owner(7, 12),
        Entry::file("bin/ping", 0o755, "p").xattr("security.capability", NET_RAW),
        Entry::dir("etc", 0o755),
        Entry::file("etc/noted", 0o640, "noted").xattr("user.note", "hello").pax("mtime", "1234567890.123456789"),
        Entry::file("etc/gone", 0o644, "gone"),
        Entry::dir("home", 0o755),
        Entry::dir("home/user", 0o700).owner(1000, 1000),
        Entry::symlink("home/user/link", "/nowhere/at/all").owner(1000, 1000),
        Entry::dir("tmp", 0o1777),
        Entry::dir("srv", 0o755),
        Entry::dir("srv/full", 0o755),
        Entry::file("srv/full/old", 0o644, "old"),
        Entry::dir("srv/closed", 0o555),
        Entry::file("srv/closed/nothing", 0o0, "n"),
        Entry::dir("dev", 0o755),
        Entry::char_device("dev/null", 0o666, 1, 3),
        Entry::block_device("dev/loop7", 0o660, 7, 7),
        Entry::fifo("dev/pipe", 0o622),
        Entry::sparse("srv/sparse", 0o644, 10 << 20, &[(4096, &[7; 100]), (9 << 20, &[8; 5000])]),
        Entry::file(format!("srv/{long}"), 0o644, "long"),
        Entry::file("srv/m\u{fc}ll\tand more", 0o644, "odd"),
    ];
    // podman gives a directory that a layer does not name the time of the pull.
    let middle = [
        Entry::dir("bin", 0o755),
        Entry::dir("etc", 0o755),
        Entry::whiteout("etc/gone"),
        Entry::dir("srv", 0o755),
        Entry::dir("srv/full", 0o711),
        Entry::opaque("srv/full"),
        Entry::file("srv/full/new", 0o644, "new"),
        Entry::dir("home", 0o755),
        Entry::whiteout("home/user"),
        Entry::file("bin/tool", 0o755, "another tool"),
    ];
    let top = [
        Entry::dir("etc", 0o755),
        Entry::dir("home", 0o750),
        Entry::dir("home/user", 0o701).owner(1001, 1001),
        Entry::file("home/user/back", 0o644, "back").owner(1001, 1001),
        Entry::symlink("etc/gone", "noted"),
    ];
    Image::of(vec![Layer::new(&base, Packing::Gzip)]).layer(&middle, Packing::None).layer(&top, Packing::Zstd)
}

/// One line a file: all that two trees are compared by. The device of files with several names is their first name.
fn describe(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut first = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
        let kind = meta.file_type();
        let content = if kind.is_dir() {
            let mut below: Vec<PathBuf> = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
            below.sort();
            below.reverse();
            waiting.extend(below);
            String::new()
        } else if kind.is_symlink() {
            std::fs::read_link(&path).unwrap().display().to_string()
        } else if kind.is_file() {
            format!("{} {}", meta.size(), crate::support::image::digest(&std::fs::read(&path).unwrap()))
        } else {
            assert!(kind.is_fifo() || kind.is_char_device() || kind.is_block_device());
            meta.rdev().to_string()
        };
        let link = if !kind.is_dir() && meta.nlink() > 1 {
            first.entry((meta.dev(), meta.ino())).or_insert_with(|| name.clone()).clone()
        } else {
            String::new()
        };
        let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        let line = format!(
            "{:o} {}:{} {time} [{content}] [{link}] {}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            attributes(&path)
        );
        found.insert(name, line);
    }
    found
}

/// The extended attributes of a file, less what overlayfs and labels add, as getfattr prints them.
fn attributes(path: &Path) -> String {
    let mut names = vec![0_u8; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut lines = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let text = name.escape_ascii().to_string();
        if text.contains("overlay") || text == "security.selinux" {
            continue;
        }
        let mut value = vec![0_u8; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        lines.push(format!("{text}={}", value[..length].escape_ascii()));
    }
    lines.sort();
    lines.join(" ")
}

/// Mounts the layers of dhow's only image, the top one first, and describes what is seen.
fn of_dhow(env: &TestEnv, store: &Path) -> BTreeMap<String, String> {
    let record = std::fs::read_dir(store.join("images"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "json"))
        .unwrap();
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    let mut lower: Vec<String> = Vec::new();
    for layer in record["layers"].as_array().unwrap() {
        let chain = layer["chain_id"].as_str().unwrap().trim_start_matches("sha256:");
        lower.insert(0, store.join("layers").join(chain).join("diff").display().to_string());
    }
    let at = env.place.join("seen");
    std::fs::create_dir_all(&at).unwrap();
    let options = format!("lowerdir={}", lower.join(":"));
    let mounted = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&at).status().unwrap();
    assert!(mounted.success());
    let seen = describe(&at);
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    std::fs::remove_dir(&at).unwrap();
    seen
}

fn same(ours: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>) {
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| format!("{name}\n  dhow   {:?}\n  podman {:?}", ours.get(name), theirs.get(name)))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn the_unpacked_tree_is_podmans() {
    require!(root, podman);
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, image().docker_archive(&["localhost/all:1"])).unwrap();
        let theirs = env.place.join("podman");
        let podman = |arguments: &[&str]| {
            let mut command = env.root.command("podman");
            let (root, run) = (theirs.join("root"), theirs.join("run"));
            command.arg("--root").arg(root).arg("--runroot").arg(run).args(arguments);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        podman(&["load", "-q", "-i", archive.to_str().unwrap()]);
        let mount = podman(&["image", "mount", "localhost/all:1"]);
        let mut expected = describe(Path::new(&mount));
        podman(&["image", "unmount", "-a"]);
        podman(&["rmi", "-a", "-f"]);
        drop(Command::new("umount").arg("-l").arg(theirs.join("root/overlay")).output());
        drop(std::fs::remove_dir_all(&theirs));
        drop(std::fs::remove_file("/dev/shm/libpod_lock"));
        drop(std::fs::remove_dir_all("/run/libpod"));
        env.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        std::fs::remove_file(&archive).unwrap();
        let mut ours = of_dhow(env, &env.root.store);
        // podman overlooks what a layer says of its root and makes it 0555.
        assert!(ours.remove("").is_some_and(|root| root.starts_with("40755 0:0 1500000001")));
        expected.remove("");
        assert!(ours.len() > 20 && !ours.contains_key("srv/full/old") && ours.contains_key("home/user/back"));
        same(&ours, &expected);
        env.run(&["rmi", "-a"]).ok();
    });
}

#[test]
fn a_directory_that_a_layer_does_not_describe_is_as_it_was() {
    require!(root);
    isolated(|env| {
        let base = [Entry::dir("./", 0o711), Entry::dir("tmp", 0o1777), Entry::dir("own", 0o700).owner(5, 6)];
        let top = [Entry::file("tmp/f", 0o644, ""), Entry::file("own/f", 0o644, ""), Entry::file("new/f", 0o644, "")];
        let image = Image::of(vec![Layer::new(&base, Packing::Gzip)]).layer(&top, Packing::Gzip);
        env.load(&image, "localhost/implied:1").ok();
        let seen = of_dhow(env, &env.root.store);
        for (name, start) in [("", "40711 0:0"), ("tmp", "41777 0:0"), ("own", "40700 5:6"), ("new", "40755 0:0")] {
            assert!(seen[name].starts_with(start), "{name}: {}", seen[name]);
        }
    });
}
