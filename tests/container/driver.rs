//! Containers whose root is no overlay: a snapshot of the image's tree on btrfs, a copy of it elsewhere. The same commands
//! with the same answers; killed, cut off, refused.

use std::process::Command;

use super::real_image::{same, seen, theirs, tricky, warm};
use super::stage;
use crate::require;
use crate::support::env::Seat;
use crate::support::image::{Flavor, Image, Packing};
use crate::support::kill::Sweep;
use crate::support::powercut::Disk;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;
use crate::support::{TestEnv, isolated};

const CONF: &str = "/etc/containers/storage.conf";

/// Runs `body` with root's store on a disk of `kind` and containers of `driver`.
fn with_driver(driver: &str, kind: &str, body: impl FnOnce(&mut TestEnv, &Disk)) {
    isolated(|env| {
        let disk = Disk::new(env, kind, 512);
        std::fs::create_dir_all("/etc/containers").unwrap();
        std::fs::write(CONF, format!("[storage]\ndriver = '{driver}'\n")).unwrap();
        let before = env.root.clone();
        env.root = disk.seat(&before);
        let store = env.root.store.display().to_string();
        env.ignore(&format!("file: {store}/tmp/reserve"));
        env.ignore(&format!("file: {store}/layers/shift.lock"));
        stage::settle(env);
        warm(env);
        body(env, &disk);
        env.run(&["rm", "-af", "-t", "0"]).ok();
        env.run(&["rmi", "-af"]).ok();
        env.nothing_is_left();
        assert_eq!(env.run(&["system", "check"]).ok(), "");
        assert_eq!(subvolumes(&disk), 0);
        env.root = before;
        std::fs::remove_file(CONF).unwrap();
        drop(disk);
        env.rebase();
    });
}

fn subvolumes(disk: &Disk) -> usize {
    let Ok(output) = Command::new("btrfs").args(["subvolume", "list"]).arg(disk.path()).output() else { return 0 };
    String::from_utf8_lossy(&output.stdout).lines().count()
}

/// What is removed, replaced, changed in place, linked and made anew.
const CHANGES: &str = "echo new > /data/new; rm /data/gone; echo FILE > /data/file; rm -r /data/dir; mkdir /data/dir; \
    echo x > /data/dir/x; rm -r /data/emptied; rm /data/link; mkdir /data/link; chmod 700 /data/mode; ln /data/new /data/hard; \
    ln -s new /data/soft; mkfifo /data/pipe; chown 1000:1001 /data/new; rm -r /data/falls; echo > /data/falls";

fn seed() -> Image {
    let entries = [Entry::dir("data/falls/", 0o755), Entry::file("data/falls/deep", 0o644, "x")];
    super::commit::image().layer(&entries, Packing::Gzip)
}

/// Every command that reads or writes the root of a container.
fn all_commands(env: &mut TestEnv, driver: &str) {
    env.load(&seed(), "seed").ok();
    let run = |words: &[&str]| env.run(&[&["run", "--network", "none"][..], words].concat());
    run(&["--name", "box", "seed", "sh", "-c", CHANGES]).ok();
    let format = "{{.Driver}} {{.GraphDriver.Name}} {{.GraphDriver.Data}}";
    assert_eq!(env.run(&["inspect", "--format", format, "box"]).ok(), format!("{driver} {driver} <nil>"));
    assert_eq!(env.run(&["info", "--format", "{{.Store.GraphDriverName}}"]).ok(), driver);
    let told: Vec<String> =
        env.run(&["diff", "box"]).lines().into_iter().filter(|line| line[2..].starts_with("/data")).collect();
    let want = [
        "C /data",
        "C /data/dir",
        "D /data/dir/old",
        "A /data/dir/x",
        "D /data/emptied",
        "C /data/falls",
        "C /data/file",
        "D /data/gone",
        "A /data/hard",
        "C /data/link",
        "C /data/mode",
        "A /data/new",
        "A /data/pipe",
        "A /data/soft",
    ];
    assert_eq!(told, want);
    let size = env.run(&["ps", "-a", "--size", "--format", "{{.Size}}"]).ok();
    assert!(size.contains("kB (virtual"), "{size}");

    let list = |image: &str| {
        let script = "cd /data; find . | sort | while read f; do stat -c '%n %F %a %u:%g' \"$f\"; [ -f $f ] && cat $f; done; exit 0";
        run(&["--rm", image, "sh", "-c", script]).lines()
    };
    env.run(&["commit", "-q", "box", "made"]).ok();
    env.run(&["commit", "-q", "-s", "box", "squashed"]).ok();
    let made = list("made");
    for line in [
        "FILE",
        "./hard regular file 644 1000:1001",
        "./link directory 755 0:0",
        "./mode directory 700 0:0",
        "./falls regular file 644 0:0",
    ] {
        assert!(made.iter().any(|seen| seen == line), "{line} of {made:#?}");
    }
    assert!(
        !made.iter().any(|line| line.contains("gone") || line.contains("old") || line.contains("deep")),
        "{made:#?}"
    );
    assert_eq!(made, list("squashed"));
    let export = env.place.join("export.tar").display().to_string();
    env.run(&["export", "-o", &export, "box"]).ok();
    env.run(&["import", "-q", &export, "flat"]).ok();
    assert_eq!(made, list("flat"));

    env.run(&["cp", &export, "box:/data/copied"]).ok();
    env.run(&["start", "-a", "box"]).ok();
    let place = env.run(&["mount", "box"]).ok();
    assert!(std::path::Path::new(&place).join("data/copied").exists());
    env.run(&["umount", "box"]).ok();
    // What one container writes no other sees, and the image never.
    run(&["--rm", "seed", "sh", "-c", "rm -rf /data; ls /data"]).exits(1);
    run(&["--rm", "seed", "cat", "/data/gone"]).ok();
    run(&["--rm", "--read-only", "seed", "sh", "-c", "echo > /data/x"]).exits(1);
    let mapped = [
        "--rm",
        "--uidmap",
        "0:100000:65536",
        "seed",
        "sh",
        "-c",
        "stat -c %u:%g /data/file; echo > /data/y; stat -c %u /data/y",
    ];
    assert_eq!(run(&mapped).ok(), "0:0\n0");
    run(&["--name", "mapped", "--uidmap", "0:200000:65536", "seed", "sh", "-c", "echo > /data/z; chown 7:8 /data/z"])
        .ok();
    env.run(&["commit", "-q", "mapped", "mapped"]).ok();
    assert_eq!(run(&["--rm", "mapped", "stat", "-c", "%u:%g", "/data/z"]).ok(), "7:8");
    run(&["--rm", "-v", "/data", "seed", "cat", "/data/file"]).ok();
    run(&["--rm", "--mount", "type=image,src=made,dst=/m", "seed", "ls", "/m/data/new"]).ok();
    env.run(&["container", "clone", "box", "second"]).ok();
    env.run(&["start", "-a", "second"]).ok();
    // An image without layers.
    let binary = env.place.join("static");
    let busybox = crate::support::require::program("busybox").unwrap();
    std::fs::copy(busybox, &binary).unwrap();
    let mut empty = seed();
    empty.layers.clear();
    env.load(&empty, "empty").ok();
    run(&["--rm", "-v", &format!("{}:/busybox", binary.display()), "empty", "/busybox", "ls", "/"]).ok();

    env.run(&["rm", "-af", "-t", "0"]).ok();
    let derived = || {
        let layers = std::fs::read_dir(env.root.store.join("layers")).unwrap().flatten();
        let names = layers.flat_map(|layer| std::fs::read_dir(layer.path()).into_iter().flatten().flatten());
        let made = names.filter(|entry| ["tree", "subvolume"].iter().any(|name| *entry.file_name() == **name));
        made.map(|entry| entry.path().display().to_string()).collect::<Vec<_>>()
    };
    assert!(derived().len() >= 4, "{:?}", derived());
    env.run(&["create", "--name", "kept", "seed"]).ok();
    env.run(&["image", "prune", "-f"]).ok();
    assert_eq!(derived().len(), 1, "the container's of {:?}", derived());
    env.run(&["system", "check", "--repair"]).ok();
    env.run(&["start", "-a", "kept"]).ok();
}

#[test]
fn a_snapshot_is_a_root_like_any_other() {
    require!(busybox, btrfs, loop_device);
    with_driver("btrfs", "btrfs", |env, disk| {
        all_commands(env, "btrfs");
        assert_eq!(subvolumes(disk), 2, "the image's and the container's");
    });
}

#[test]
fn a_copy_is_a_root_like_any_other() {
    require!(busybox, ext4, loop_device);
    with_driver("vfs", "ext4", |env, _| all_commands(env, "vfs"));
}

#[test]
fn a_container_sees_what_podman_unpacks() {
    require!(podman, busybox, btrfs, ext4, loop_device);
    for (driver, kind) in [("btrfs", "btrfs"), ("vfs", "ext4")] {
        with_driver(driver, kind, |env, _| {
            let registry = Registry::beside(env);
            registry.add("tricky", "1", &tricky(), Flavor::Oci);
            let name = registry.reference("tricky:1");
            env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
            let conf = std::fs::read(CONF).unwrap();
            std::fs::remove_file(CONF).unwrap();
            let tools = Tools::new(env);
            tools.podman(&["pull", "-q", "--tls-verify=false", &name]).ok();
            let theirs = theirs(&tools, &name);
            std::fs::write(CONF, conf).unwrap();
            same(&seen(env, &name), &theirs);
        });
    }
}

#[test]
fn a_creation_or_removal_killed_anywhere_is_healed() {
    require!(busybox, btrfs, ext4, loop_device);
    for (driver, kind) in [("btrfs", "btrfs"), ("vfs", "ext4")] {
        with_driver(driver, kind, |env, disk| {
            env.load(&seed(), "seed").ok();
            for words in [&["create", "--name", "box", "seed"][..], &["rm", "box"]] {
                let prepare = |env: &TestEnv| {
                    env.run(&["rm", "-f", "box"]);
                    env.run(&["image", "prune", "-f"]).ok();
                    if words[0] == "rm" {
                        env.run(&["create", "--name", "box", "seed"]).ok();
                    }
                };
                let command = |env: &TestEnv| {
                    let mut command = env.dhow(words);
                    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                    command
                };
                Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(super::kill::SAMPLE) }.run(
                    env,
                    |env, _| {
                        env.run(&["ps", "-a"]).ok();
                        env.run(&["run", "--rm", "--network", "none", "seed", "cat", "/data/gone"]).ok();
                        env.run(&["rm", "-f", "box"]);
                        env.run(&["image", "prune", "-f"]).ok();
                        assert_eq!(subvolumes(disk), 0, "{words:?}");
                    },
                );
            }
        });
    }
}

/// R40.
#[test]
fn what_a_container_starts_with_outlives_a_power_cut() {
    require!(busybox, btrfs, ext4, loop_device);
    for (driver, kind) in [("btrfs", "btrfs"), ("vfs", "ext4")] {
        with_driver(driver, kind, |env, disk| {
            env.load(&seed(), "seed").ok();
            env.run(&["create", "--name", "box", "--network", "none", "seed", "cat", "/data/file", "/data/falls/deep"])
                .ok();
            disk.cut();
            assert_eq!(env.run(&["start", "-a", "box"]).ok(), "file\nx");
            disk.cut();
            assert_eq!(env.run(&["start", "-a", "box"]).ok(), "file\nx");
            env.run(&["rm", "box"]).ok();
            disk.cut();
            assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
        });
    }
}

#[test]
fn a_driver_that_cannot_be_is_refused_and_the_one_that_can_is_taken() {
    require!(busybox);
    isolated(|env| {
        let other = env.place.join("other");
        let bare = |words: &[&str], root: &std::path::Path| {
            let mut command = env.root.command(&env.root.binary);
            command.arg("--root").arg(root).arg("--runroot").arg(&env.root.runtime).args(words);
            crate::support::env::finished(command, b"")
        };
        let message = "Error: storage driver \"btrfs\" is not supported: ";
        bare(&["--storage-driver", "btrfs", "images"], &other).fails(125, message);
        bare(&["--storage-driver", "zfs", "images"], &other).fails(125, "choose from: overlay, btrfs, vfs");
        // An overlay cannot be the upper of another: as in a container without a volume for the store.
        let dirs = ["lower", "upper", "work", "merged"].map(|name| env.place.join(name));
        for dir in &dirs {
            std::fs::create_dir(dir).unwrap();
        }
        let [lower, upper, work, merged] = dirs.each_ref().map(|dir| dir.display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let mounted = Command::new("mount").args(["-n", "-t", "overlay", "-o", &options, "overlay", &merged]).status();
        assert!(mounted.unwrap().success());
        let inner = dirs[3].join("store");
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, seed().docker_archive(&["seed"])).unwrap();
        bare(&["load", "-q", "-i", archive.to_str().unwrap()], &inner).ok();
        let run = |flags: &[&str]| {
            bare(&[flags, &["run", "--rm", "--network", "none", "seed", "cat", "/data/gone"]].concat(), &inner)
        };
        assert_eq!(run(&[]).ok(), "gone");
        assert_eq!(bare(&["info", "--format", "{{.Store.GraphDriverName}}"], &inner).ok(), "vfs");
        run(&["--storage-driver", "overlay"]).fails(125, "the store is on overlay");
        bare(&["rmi", "-af"], &inner).ok();
        assert!(Command::new("umount").arg(&merged).status().unwrap().success());
    });
}

/// Snapshots are everybody's; who may not remove one at once empties it first.
#[test]
fn an_ordinary_user_has_snapshots_and_copies() {
    require!(busybox, btrfs, ext4, loop_device, newuidmap);
    for (driver, kind) in [("btrfs", "btrfs"), ("vfs", "ext4")] {
        isolated(|env| {
            let disk = Disk::new(env, kind, 512);
            let home = disk.path().join("home");
            std::fs::create_dir(&home).unwrap();
            std::os::unix::fs::chown(&home, Some(env.user.uid), Some(env.user.uid)).unwrap();
            let seat = Seat { store: home.join("store"), ..env.user.clone() };
            let run = |words: &[&str]| seat.run(&[&["--storage-driver", driver][..], words].concat());
            let archive = env.place.join("image.tar");
            std::fs::write(&archive, seed().docker_archive(&["localhost/seed:latest"])).unwrap();
            run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
            assert_eq!(run(&["info", "--format", "{{.Store.GraphDriverName}}"]).ok(), driver);
            run(&["run", "--name", "box", "--network", "none", "seed", "sh", "-c", CHANGES]).ok();
            let told = run(&["diff", "box"]).lines();
            assert!(told.contains(&"D /data/gone".to_owned()) && told.contains(&"A /data/new".to_owned()), "{told:?}");
            run(&["commit", "-q", "box", "made"]).ok();
            let look = ["run", "--rm", "--network", "none", "made", "stat", "-c", "%u:%g", "/data/new"];
            assert_eq!(run(&look).ok(), "1000:1001");
            let own = ["--userns", "keep-id", "made", "sh", "-c", "id -u; stat -c %u:%g /data/new; echo > /tmp/mine"];
            let seen = run(&[&["run", "--rm", "--network", "none"][..], &own].concat());
            assert_eq!(seen.ok(), format!("{}\n1000:1001", env.user.uid), "{seen}");
            run(&["rm", "-af", "-t", "0"]).ok();
            run(&["rmi", "-af"]).ok();
            assert_eq!(subvolumes(&disk), 0);
            assert_eq!(run(&["system", "check"]).ok(), "");
            run(&["system", "reset", "-f"]).ok();
            drop(disk);
            std::fs::remove_file(&archive).unwrap();
        });
    }
}
