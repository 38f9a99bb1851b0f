//! Layers as EROFS images: the same files as in directories, in every command; killed, cut off, damaged, changed to the other
//! format and back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::kill::{layers, sweep_image};
use super::real_image::{parse, same, seen, theirs, tricky, warm};
use super::stage;
use crate::require;
use crate::support::env::{Seat, program};
use crate::support::image::{Flavor, Image, Layer, Packing, busybox_entries};
use crate::support::kill::Sweep;
use crate::support::powercut::Disk;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;
use crate::support::{TestEnv, isolated};

const CONF: &str = "/etc/containers/storage.conf";
/// podman reads the file, too.
const STORAGE: &str = "[storage]\ndriver = 'overlay'\nrunroot = '/run/containers/storage'\n\
                       graphroot = '/var/lib/containers/storage'\n[storage.options.overlay]\nlayer_format = 'erofs'\n";

/// Runs `body` with root's store on a disk of its own, whose layers are images. A tmpfs cannot back them.
fn on_images(body: impl FnOnce(&mut TestEnv, &Disk)) {
    isolated(|env| {
        let disk = Disk::new(env, "ext4", 512);
        std::fs::create_dir_all("/etc/containers").unwrap();
        std::fs::write(CONF, STORAGE).unwrap();
        let before = env.root.clone();
        env.root = disk.seat(&before);
        let store = env.root.store.display().to_string();
        env.ignore(&format!("file: {store}/tmp/reserve"));
        stage::settle(env);
        warm(env);
        body(env, &disk);
        env.run(&["rm", "-af", "-t", "0"]).ok();
        env.run(&["rmi", "-af"]).ok();
        env.nothing_is_left();
        assert_eq!(env.run(&["system", "check"]).ok(), "");
        env.root = before;
        std::fs::remove_file(CONF).unwrap();
        drop(disk);
        env.rebase();
    });
}

/// The images of all layers.
fn images(seat: &Seat) -> Vec<PathBuf> {
    let layers = std::fs::read_dir(seat.store.join("layers")).unwrap().flatten();
    layers.map(|entry| entry.path().join("layer.erofs")).filter(|path| path.exists()).collect()
}

fn directories(seat: &Seat) -> usize {
    let layers = std::fs::read_dir(seat.store.join("layers")).unwrap().flatten();
    layers.filter(|entry| entry.path().join("diff").exists()).count()
}

/// What the format's own checker says of every layer, where it is installed.
fn check(seat: &Seat) {
    let Some(fsck) = crate::support::require::program("fsck.erofs") else { return };
    for image in images(seat) {
        let output = Command::new(&fsck).arg(&image).output().unwrap();
        assert!(output.status.success(), "{}: {}", image.display(), String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_container_sees_what_podman_unpacks() {
    require!(podman, busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        let registry = Registry::beside(env);
        registry.add("tricky", "1", &tricky(), Flavor::Oci);
        let name = registry.reference("tricky:1");
        let tools = Tools::new(env);
        env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        tools.podman(&["pull", "-q", "--tls-verify=false", &name]).ok();
        let theirs = theirs(&tools, &name);
        same(&seen(env, &name), &theirs);
        assert_eq!((images(&env.root).len(), directories(&env.root)), (4, 0));
        check(&env.root);
        let blocks = ["run", "--rm", "--network", "none", &name, "/bin/sh", "-c", "stat -c '%b' /sparse"];
        assert!(env.run(&blocks).ok().parse::<u64>().unwrap() <= 40 << 11);
        // Every other reader of layers.
        let file = env.place.join("saved").display().to_string();
        env.run(&["save", "-q", "--format", "oci-archive", "-o", &file, &name]).ok();
        env.run(&["run", "--name", "box", "--network", "none", &name, "/bin/sh", "-c", "rm -r /opaque; : >/added"])
            .ok();
        env.run(&["commit", "-q", "box", "changed"]).ok();
        assert_eq!(env.run(&["image", "diff", "changed"]).text().lines().filter(|l| *l == "D /opaque").count(), 1);
        let place = env.run(&["image", "mount", "changed"]).ok();
        let place = PathBuf::from(place.trim());
        assert!(place.join("added").exists() && !place.join("opaque").exists());
        env.run(&["image", "unmount", "changed"]).ok();
        let mount = "type=image,src=changed,dst=/m";
        env.run(&["run", "--rm", "--network", "none", "--mount", mount, &name, "/bin/ls", "/m/added"]).ok();
        env.run(&["cp", "box:/a/one", &env.place.join("one").display().to_string()]).ok();
        assert_eq!(std::fs::read(env.place.join("one")).unwrap(), b"changed");
        // Owners by a mount, on every layer.
        let mapped = [
            "run",
            "--rm",
            "--network",
            "none",
            "--uidmap",
            "0:100000:65536",
            &name,
            "/bin/stat",
            "-c",
            "%u:%g",
            "/sticky",
        ];
        assert_eq!(env.run(&mapped).ok(), "9:9");
        env.run(&["rm", "box"]).ok();
        env.run(&["rmi", "-af"]).ok();
        env.nothing_is_left();
        env.run(&["load", "-q", "-i", &file]).ok();
        same(&seen(env, &name), &theirs);
        std::fs::remove_file(env.place.join("one")).unwrap();
    });
}

/// A generator of numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Few names, so that members meet each other.
    fn path(&mut self) -> String {
        let mut names: Vec<&str> = (0..self.below(3)).map(|_| self.pick(&["a", "b", "c"])).collect();
        names.push(self.pick(&["x", "y z", "é", "a", "b", "w", "v"]));
        names.join("/")
    }

    fn entry(&mut self) -> Entry {
        let (path, mode) = (self.path(), u32::try_from(self.below(0o10_000)).unwrap());
        let owner = (self.below(3), self.below(70_000));
        let entry = match self.below(10) {
            0..3 => Entry::dir(format!("{path}/"), mode),
            3 | 4 => Entry::file(&path, mode, vec![b'x'; usize::try_from(self.below(9000)).unwrap()]),
            5 => Entry::symlink(&path, self.path()),
            6 => return Entry::hardlink(&path, self.pick(&["x", "y z", "first", "first", "first", "first"])),
            7 => Entry::fifo(&path, mode),
            8 => return Entry::whiteout(&path),
            _ => return Entry::opaque(&path),
        };
        let entry = entry.owner(owner.0, owner.1).mtime(self.below(2_000_000_000));
        if self.below(4) == 0 { entry.xattr("user.note", path) } else { entry }
    }
}

type Seen = Result<(BTreeMap<String, Value>, String), String>;

/// Fails with what differs, and only that.
#[track_caller]
fn differ(seed: u64, directory: &Seen, erofs: &Seen) {
    let (one, size, other, other_size) = match (directory, erofs) {
        (Ok((one, size)), Ok((other, other_size))) => (one, size, other, other_size),
        // Of two layers that cannot be, the first to end is named.
        (Err(one), Err(other)) => {
            return assert!(one.contains("unpack layer") && other.contains("unpack layer"), "{one}{other}");
        }
        (one, other) => panic!("seed {seed}: {:?} and {:?}", one.as_ref().err(), other.as_ref().err()),
    };
    for name in one.keys().chain(other.keys()) {
        assert_eq!(one.get(name), other.get(name), "seed {seed}, {name}");
    }
    assert_eq!(size, other_size, "seed {seed}");
}

#[test]
fn any_layer_is_the_same_in_both_formats() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        let archive = env.place.join("image.tar");
        let file = archive.display().to_string();
        let probe = program("probe");
        let (mut good, mut bad) = (0, 0);
        for seed in 0..24 {
            let mut dice = Dice(seed);
            let mut image = Image::of(vec![Layer::new(&busybox_entries(), Packing::None)]);
            for _ in 0..3 {
                let mut entries = vec![Entry::file("first", 0o600, "1")];
                entries.extend((0..dice.below(14)).map(|_| dice.entry()));
                image = image.layer(&entries, Packing::None);
            }
            std::fs::write(&archive, image.docker_archive(&["random"])).unwrap();
            let tree = |format: &str| -> Seen {
                let format = format!("overlay.layer_format={format}");
                let loaded = env.run(&["--storage-opt", &format, "load", "-q", "-i", &file]);
                if loaded.code != 0 {
                    return Err(loaded.stderr.replace(&env.root.store.display().to_string(), ""));
                }
                check(&env.root);
                let place = env.run(&["image", "mount", "random"]).ok();
                let tree = env.root.command(&probe).args(["tree", place.trim()]).output().unwrap();
                env.run(&["image", "unmount", "random"]).ok();
                let size = env.run(&["images", "--format", "{{.Size}} {{.ID}}"]).ok();
                env.run(&["rmi", "-af"]).ok();
                let mut tree = parse(&String::from_utf8(tree.stdout).unwrap());
                for value in tree.values_mut().filter(|value| value["mtime"][0].as_u64() > Some(2_000_000_000)) {
                    value["mtime"] = "of the unpacking".into();
                }
                // Directories that no member describes have the time of now.
                for value in tree.values_mut().filter(|value| value["mtime"][0].as_u64() > Some(1_790_000_000)) {
                    value["mtime"] = "now".into();
                }
                Ok((tree, size))
            };
            let (directory, erofs) = (tree("directory"), tree("erofs"));
            differ(seed, &directory, &erofs);
            *if directory.is_ok() { &mut good } else { &mut bad } += 1;
        }
        assert!(good > 10 && bad > 0, "{good} were taken, {bad} refused");
        std::fs::remove_file(&archive).unwrap();
    });
}

#[test]
fn a_load_killed_anywhere_is_healed() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, layers().docker_archive(&["three"])).unwrap();
        sweep_image(env, &["load", "-q", "-i", archive.to_str().unwrap()]);
        std::fs::remove_file(&archive).unwrap();
    });
}

/// R40.
#[test]
fn what_was_loaded_outlives_a_power_cut() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, disk| {
        env.load(&Image::busybox(), "kept").ok();
        disk.cut();
        check(&env.root);
        let words = ["run", "--rm", "--network", "none", "kept", "sh", "-c", "busybox sha256sum < /bin/busybox"];
        let host = env.root.command("sh").args(["-c", "sha256sum < $(command -v busybox)"]).output().unwrap();
        assert_eq!(env.run(&words).ok(), String::from_utf8_lossy(&host.stdout).trim());
        env.run(&["system", "migrate", "--layer-format", "directory"]).ok();
        disk.cut();
        assert_eq!(env.run(&words).ok(), String::from_utf8_lossy(&host.stdout).trim());
    });
}

/// Three layers.
fn three() -> Image {
    let file = |name: &str| [Entry::dir("data/", 0o755), Entry::file(format!("data/{name}"), 0o644, "x".repeat(5000))];
    Image::busybox().layer(&file("one"), Packing::Gzip).layer(&file("two"), Packing::Zstd)
}

#[test]
fn layers_change_their_format_unless_they_are_in_use() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        env.load(&three(), "three").ok();
        env.load(&Image::busybox().layer(&[Entry::file("own", 0o644, "1")], Packing::Gzip), "other").ok();
        let all = images(&env.root).len();
        let format = |env: &TestEnv| (images(&env.root).len(), directories(&env.root));
        let migrate = |format: &str| env.run(&["system", "migrate", "--layer-format", format]);
        assert_eq!(env.run(&["info", "--format", "{{index .Store.GraphStatus \"Layer Format\"}}"]).ok(), "erofs");
        assert_eq!(migrate("erofs").ok(), "");
        assert_eq!(format(env), (all, 0));
        env.run(&["run", "-d", "--name", "up", "--network", "none", "other", "sleep", "1000"]).ok();
        env.run(&["run", "--name", "down", "--network", "none", "three", "sh", "-c", "echo mine > /mine"]).ok();
        let kept = migrate("directory");
        assert_eq!(kept.ok(), "");
        let warned = |name: &str| kept.stderr.lines().filter(|line| line.contains(name)).count();
        assert_eq!(warned("stays as it is: container up runs"), format(env).0, "{kept}");
        assert_eq!(env.run(&["exec", "up", "cat", "/own"]).ok(), "1");
        assert_eq!(env.run(&["start", "-a", "down"]).code, 0);
        env.run(&["stop", "-t", "0", "up"]).ok();
        env.run(&["image", "mount", "other"]).ok();
        assert!(migrate("directory").stderr.contains("is mounted"));
        env.run(&["image", "unmount", "other"]).ok();
        assert_eq!(migrate("directory").ok(), "");
        assert_eq!(format(env), (0, all));
        assert_eq!(env.run(&["export", "down"]).code, 0);
        env.run(&["start", "up"]).ok();
        assert_eq!(env.run(&["exec", "up", "cat", "/own"]).ok(), "1");
        env.run(&["rm", "-f", "-t", "0", "up", "down"]).ok();
        // Killed anywhere, every layer is there in one format or the other.
        let other = std::cell::Cell::new("erofs");
        let command = |env: &TestEnv| {
            let mut command = env.dhow(&["system", "migrate", "--layer-format", other.get()]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command
        };
        let prepare = |_: &TestEnv| other.set(if other.get() == "erofs" { "directory" } else { "erofs" });
        Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(super::kill::SAMPLE) }.run(
            env,
            |env, _| {
                assert_eq!(env.run(&["system", "check"]).ok(), "");
                let (files, trees) = format(env);
                assert_eq!(files + trees, all);
                env.run(&["run", "--rm", "--network", "none", "three", "true"]).ok();
                migrate(other.get()).ok();
                assert!(matches!(format(env), (0, n) | (n, 0) if n == all));
            },
        );
    });
}

/// R43.
#[test]
fn a_damaged_image_is_named_and_removed() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        env.load(&three(), "three").ok();
        let image = images(&env.root).remove(0);
        let whole = std::fs::read(&image).unwrap();
        let head = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            bytes
        };
        for damaged in [Vec::new(), whole[..whole.len() / 2].to_vec(), head(1024), head(1040), vec![7; 5000]] {
            std::fs::write(&image, &damaged).unwrap();
            let told = env.run(&["system", "check"]).exits(125).text();
            assert!(told.contains("of the layer"), "{told}");
            let run = env.run(&["run", "--rm", "--network", "none", "three", "true"]);
            assert!(matches!(run.code, 0 | 125), "{run}");
        }
        std::fs::remove_file(&image).unwrap();
        env.run(&["run", "--rm", "--network", "none", "three", "true"]).fails(125, "missing from the store");
        env.run(&["system", "check", "--repair", "--force"]);
        assert_eq!(env.run(&["images", "-q"]).ok(), "");
        env.load(&three(), "three").ok();
        env.run(&["run", "--rm", "--network", "none", "three", "true"]).ok();
    });
}

/// R12: attributes wait in memory, and a small archive may have gigabytes of them.
#[test]
fn a_layer_of_nothing_but_attributes_is_refused() {
    require!(busybox, erofs, loop_device, ext4);
    on_images(|env, _| {
        let value = "x".repeat(60_000);
        let entries: Vec<Entry> =
            (0..5000).map(|at| Entry::file(format!("f{at}"), 0o644, "").xattr("user.big", &value)).collect();
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().layer(&entries, Packing::Zstd).docker_archive(&["big"])).unwrap();
        drop(entries);
        let words = ["load", "-q", "-i", archive.to_str().unwrap()];
        env.run(&words).fails(125, "the names and attributes of the layer take more than 256 MiB");
        std::fs::remove_file(&archive).unwrap();
    });
}

#[test]
fn who_cannot_have_images_is_told() {
    require!(busybox, erofs);
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["busybox"])).unwrap();
        let file = archive.display().to_string();
        let load = |seat: &Seat| seat.run(&["--storage-opt", "overlay.layer_format=erofs", "load", "-q", "-i", &file]);
        // The store of a test is on a tmpfs.
        load(&env.root).fails(125, "cannot be mounted here");
        load(&env.user).fails(125, "mounted by root only");
        env.user.run(&["system", "migrate"]).ok();
        env.run(&["--storage-opt", "overlay.layer_format=tar", "ps"]).fails(125, "choose from: auto, directory, erofs");
        env.nothing_is_left();
        std::fs::create_dir_all("/etc/containers").unwrap();
        std::fs::write(CONF, STORAGE).unwrap();
        std::fs::set_permissions(&archive, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        // What the file says is for root.
        env.user.run_with(&["load", "-q"], &std::fs::read(&archive).unwrap()).ok();
        env.user.run(&["rmi", "-a"]).ok();
        env.user.run(&["system", "migrate"]).ok();
        std::fs::remove_file(&archive).unwrap();
        std::fs::remove_file(CONF).unwrap();
    });
}
