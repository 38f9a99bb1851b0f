//! Images of an ordinary user: from registries and archives, with the user's own configuration; and layers that hold what
//! an ordinary user may not make.

use std::path::Path;

use serde_json::json;

use crate::support::env::{SUBIDS, UID, finished};
use crate::support::image::{Flavor, Image, Packing};
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};
use crate::support::{TestEnv, isolated};
use crate::{require, user};

const PLAIN: &str = "--tls-verify=false";

#[test]
fn a_day_with_a_real_registry() {
    require!(root, newuidmap, busybox, registry, skopeo);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["box:1"])).unwrap();
        let to = format!("docker://{}/box:1", Distribution::ADDRESS);
        Tools::new(env).copy(&[], &format!("docker-archive:{}", archive.display()), &to);
        std::fs::remove_file(&archive).unwrap();
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let me = env.user.clone();
        let name = format!("{}/box:1", Distribution::ADDRESS);
        // The user's own configuration: an alias, and a registry without TLS.
        let config = me.home.join(".config/containers");
        std::fs::create_dir_all(&config).unwrap();
        let text = format!(
            "[aliases]\nbox = \"{}/box\"\n[[registry]]\nlocation = \"{}\"\ninsecure = true\n",
            Distribution::ADDRESS,
            Distribution::ADDRESS
        );
        std::fs::write(config.join("registries.conf"), text).unwrap();
        let id = me.run(&["pull", "-q", "box:1"]).ok();
        assert_eq!(me.run(&["images", "--no-trunc", "-q"]).ok(), format!("sha256:{id}"));
        assert_eq!(me.run(&["run", "--rm", "--network", "none", "box:1", "id", "-u"]).ok(), "0");
        // XDG_CONFIG_HOME is another place; there nobody allowed plain HTTP.
        let mut elsewhere = me.dhow(&["pull", "-q", &name]);
        elsewhere.env("XDG_CONFIG_HOME", me.home.join("none"));
        assert_eq!(finished(elsewhere, b"").code, 125);
        let saved = me.tmp.join("saved.tar").display().to_string();
        me.run(&["save", "-q", "-o", &saved, &name]).ok();
        me.run(&["tag", &name, "mine:2"]).ok();
        me.run(&["rmi", &name]).ok();
        assert_eq!(me.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok(), "localhost/mine:2");
        me.run(&["rmi", "mine:2"]).ok();
        assert_eq!(me.run(&["images", "-q"]).ok(), "");
        me.run(&["load", "-q", "-i", &saved]).ok();
        assert_eq!(me.run(&["images", "--no-trunc", "-q"]).ok(), format!("sha256:{id}"));
        let layer = me.run(&["image", "inspect", "--format", "{{len .RootFS.Layers}}", &name]).ok();
        assert_eq!(layer, "1");
        me.run(&["rmi", "-a"]).ok();
        std::fs::remove_file(saved).unwrap();
    });
}

#[test]
fn a_login_is_kept_in_the_users_runtime_directory() {
    require!(root, newuidmap);
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(Vec::new()).layer(&[Entry::file("a", 0o644, "a")], Packing::Gzip);
        registry.add("app", "1", &image, Flavor::Oci);
        registry.fault("", Part::Any, Fault::Basic { user: "u".to_owned(), password: "p".to_owned() });
        let (address, name) = (registry.address(), registry.reference("app:1"));
        let me = env.user.clone();
        let fallback = me.tmp.join(format!("dhow-run-{UID}"));
        for runtime in [Some(me.runtime.clone()), None] {
            let run = |words: &[&str], input: &[u8]| {
                let mut command = me.dhow(words);
                if runtime.is_none() {
                    command.env_remove("XDG_RUNTIME_DIR");
                }
                finished(command, input)
            };
            assert_eq!(run(&["pull", "-q", PLAIN, &name], b"").code, 125);
            run(&["login", PLAIN, "-u", "u", "--password-stdin", &address], b"p\n").ok();
            let place = runtime.clone().unwrap_or_else(|| fallback.clone());
            let meta = std::fs::metadata(place.join("containers/auth.json")).unwrap();
            use std::os::unix::fs::MetadataExt;
            assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o600, UID));
            run(&["pull", "-q", PLAIN, &name], b"").ok();
            run(&["logout", &address], b"").ok();
            run(&["rmi", "-a"], b"").ok();
            std::fs::remove_dir_all(place.join("containers")).unwrap();
        }
        std::fs::remove_dir_all(fallback).unwrap();
    });
}

/// cap_net_bind_service+ep, revision 2.
const BIND: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Below /srv, what a layer can hold; and beside it a program with a capability.
fn image() -> Image {
    let busybox = std::fs::read(crate::support::require::program("busybox").unwrap()).unwrap();
    let base = [
        Entry::dir("srv", 0o755),
        Entry::dir("srv/home", 0o700).owner(1000, 1001).mtime(1_500_000_001),
        Entry::symlink("srv/home/link", "/nowhere").owner(1000, 1000),
        Entry::file("srv/high", 0o640, "high").owner(65_000, 65_000),
        Entry::file("srv/suid", 0o4755, "s"),
        Entry::file("srv/sgid", 0o2711, "s").owner(7, 12),
        Entry::hardlink("srv/again", "srv/sgid").mode(0o2711).owner(7, 12),
        Entry::file("srv/noted", 0o644, "noted").xattr("user.note", "hello").owner(5, 5),
        Entry::file("srv/gone", 0o644, "gone"),
        Entry::dir("srv/full", 0o755),
        Entry::file("srv/full/old", 0o644, "old"),
        Entry::dir("srv/closed", 0o0).owner(9, 9),
        Entry::fifo("srv/pipe", 0o622),
        Entry::char_device("srv/null", 0o666, 1, 3),
        Entry::block_device("srv/loop", 0o660, 7, 7),
        Entry::dir("srv/tmp", 0o1777),
        Entry::file("able/grep", 0o755, busybox).xattr("security.capability", BIND),
    ];
    let top = [
        Entry::dir("srv", 0o755),
        Entry::whiteout("srv/gone"),
        Entry::dir("srv/full", 0o711),
        Entry::opaque("srv/full"),
        Entry::file("srv/full/new", 0o644, "new").owner(3, 4),
    ];
    Image::busybox().layer(&base, Packing::Gzip).layer(&top, Packing::Zstd).with("User", json!("0"))
}

/// The tree below /srv as a container sees it, a line a file.
const TREE: &str = "find /srv -exec stat -c '%n %f %u:%g %h %Y %t:%T' {} + | sort; cat /srv/high /srv/full/new; \
                    readlink /srv/home/link";

fn tree(text: &str) -> Vec<String> {
    // A directory's times and links are the overlay's where it was merged.
    text.lines().filter(|line| !line.starts_with("/srv ")).map(str::to_owned).collect()
}

fn run(env: &TestEnv, flags: &[&str], command: &[&str]) -> String {
    env.user.run(&[&["run", "--rm", "--network", "none"], flags, &["all"], command].concat()).ok()
}

/// The attribute of capabilities of the file that is `name` in the only layer that has it.
fn capability(store: &Path, below: &str, name: &str) -> Vec<u8> {
    let layers = std::fs::read_dir(store.join("layers")).unwrap();
    let copies = layers.flatten().filter_map(|layer| std::fs::read_dir(layer.path()).ok()).flatten().flatten();
    let matching = copies.filter(|copy| copy.file_name().to_string_lossy().starts_with(below));
    let file = matching.map(|copy| copy.path().join(name)).find(|path| path.exists()).expect("the file in a layer");
    let mut value = vec![0; 64];
    let length = rustix::fs::lgetxattr(&file, "security.capability", &mut value[..]).unwrap();
    value.truncate(length);
    value
}

#[test]
fn layers_mean_the_same_to_an_ordinary_user() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        env.ignore(&format!("file: {}/cache/", env.root.store.display()));
        env.load(&image(), "all").ok();
        let expected = tree(&env.run(&["run", "--rm", "--network", "none", "all", "sh", "-c", TREE]).ok());
        let devices = |line: &&String| line.starts_with("/srv/null ") || line.starts_with("/srv/loop ");
        assert_eq!((expected.len(), expected.iter().filter(devices).count()), (15, 2), "{expected:#?}");
        // Devices are passed over, as podman does.
        let expected: Vec<String> = expected.iter().filter(|line| !devices(line)).cloned().collect();
        user::load(env, &image(), "all");
        for userns in ["host", "keep-id", "nomap", "auto:size=65535"] {
            let flags = ["--user", "0", "--userns", userns];
            assert_eq!(tree(&run(env, &flags, &["sh", "-c", TREE])), expected, "{userns}");
            // A capability of a file is worth something to the container's users, and to nobody outside.
            let flags = ["--user", "1000", "--userns", userns];
            let effective = run(env, &flags, &["/able/grep", "CapEff", "/proc/self/status"]);
            assert_eq!(effective, "CapEff:\t0000000000000400", "{userns}");
        }
        let own = capability(&env.user.store, "diff", "able/grep");
        assert_eq!((own[3], &own[20..]), (3, &UID.to_le_bytes()[..]), "the third revision, of the user's namespace");
        // Inside, attributes are as they were given.
        user::load(env, &image(), "all");
        env.user.run(&["run", "-d", "--name", "a", "--network", "none", "all", "sleep", "1000"]).ok();
        let noted = format!("/proc/{}/root/srv/noted", user::pid(env, "a"));
        let mut value = [0; 16];
        let length = rustix::fs::getxattr(noted.as_str(), "user.note", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"hello");
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(&noted).unwrap().uid(), SUBIDS + 4);
        user::remove(env, "a");
        // Owners that a small map does not have are nobody in it.
        let look = ["stat", "-c", "%u:%g", "/srv/high", "/srv/full/new"];
        assert_eq!(run(env, &["--userns", "auto:size=100"], &look), "65534:65534\n3:4");
    });
}

#[test]
fn with_one_id_images_of_one_owner_work() {
    require!(root, busybox);
    isolated(|env| {
        for file in ["/etc/subuid", "/etc/subgid"] {
            std::fs::write(file, "").unwrap();
        }
        env.ignore(&format!("file: {}/cache/", env.user.store.display()));
        let archive = env.user.tmp.join("image.tar");
        let load = ["load", "-q", "-i", archive.to_str().unwrap()];
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let first = env.user.run(&load);
        first.ok();
        assert_eq!(first.stderr.matches("Warning: ").count(), 1, "{first}");
        let run = |flags: &[&str], script: &str| {
            env.user.run(&[&["run", "--rm", "--network", "none"], flags, &["busybox", "sh", "-c", script]].concat())
        };
        let outcome =
            run(&[], "id -u; touch /new; stat -c %u:%g /new /bin/busybox; cat /proc/self/uid_map | tr -s ' '");
        assert_eq!(outcome.ok(), format!("0\n0:0\n0:0\n 0 {UID} 1"));
        assert_eq!(outcome.stderr, "");
        run(&["--userns", "keep-id"], "true").fails(125, "insufficient UIDs or GIDs");
        run(&["--userns", "nomap"], "true").fails(125, "nomap needs ids beside the user's own");
        run(&["--userns", "auto:size=10"], "true").fails(125, "not enough unused IDs");
        assert_ne!(run(&["--user", "7"], "true").code, 0);
        std::fs::write(&archive, image().docker_archive(&["all"])).unwrap();
        env.user.run(&load).ok();
        // Everything is the one user's.
        let look = ["run", "--rm", "--network", "none", "all", "stat", "-c", "%u:%g", "/srv/high", "/srv/home"];
        assert_eq!(env.user.run(&look).ok(), "0:0\n0:0");
        std::fs::remove_file(&archive).unwrap();
    });
}
