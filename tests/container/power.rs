//! A power cut at the instant a command exits 0: what the user was told is kept, whole; what was removed stays away.

use super::stage;
use crate::require;
use crate::support::env::Seat;
use crate::support::image::{Flavor, Image};
use crate::support::powercut::Disk;
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// A disk, and root with the store on it.
fn disk(env: &mut TestEnv) -> (Disk, Seat) {
    // What a first container makes for good is made on another disk.
    stage::busybox(env);
    let disk = Disk::new(env, "ext4", 96);
    let seat = disk.seat(&env.root);
    (disk, seat)
}

/// Whether the whole of busybox is there and runs.
fn works(seat: &Seat, image: &str) {
    let words = ["run", "--rm", "--network", "none", image, "sh", "-c", "busybox sha256sum < /bin/busybox"];
    let sum = seat.run(&words).ok();
    let host = seat.command("sh").args(["-c", "sha256sum < $(command -v busybox)"]).output().unwrap();
    assert_eq!(sum, String::from_utf8_lossy(&host.stdout).trim());
}

#[test]
fn an_image_that_was_loaded_is_kept() {
    require!(loop_device, ext4, busybox);
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["kept"])).unwrap();
        let (disk, seat) = disk(env);
        seat.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        disk.cut();
        works(&seat, "kept");
        // Loading it again changes nothing, and what it writes is whole too.
        seat.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        disk.cut();
        works(&seat, "kept");
    });
}

/// R40.
#[test]
fn an_image_that_was_pulled_is_kept() {
    require!(loop_device, ext4, busybox);
    isolated(|env| {
        let registry = stage::registry(env);
        let (disk, seat) = disk(env);
        registry.add("kept", "1", &Image::busybox(), Flavor::Oci);
        let name = registry.reference("kept:1");
        seat.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
        disk.cut();
        works(&seat, &name);
        seat.run(&["tag", &name, "other"]).ok();
        disk.cut();
        works(&seat, "other");
        seat.run(&["rmi", "-f", "-a"]).ok();
        disk.cut();
        assert_eq!(seat.run(&["images", "-a", "-q"]).ok(), "");
    });
}

#[test]
fn an_image_that_was_imported_is_kept() {
    require!(loop_device, ext4, busybox);
    isolated(|env| {
        let tree = env.place.join("tree.tar");
        std::fs::write(&tree, &Image::busybox().layers[0].tar).unwrap();
        let (disk, seat) = disk(env);
        seat.run(&["import", "-q", tree.to_str().unwrap(), "kept"]).ok();
        disk.cut();
        works(&seat, "kept");
    });
}

/// R40.
#[test]
fn containers_and_volumes_that_were_made_are_kept_and_those_removed_stay_away() {
    require!(loop_device, ext4, busybox);
    isolated(|env| {
        let archive = env.place.join("image.tar");
        let image =
            Image::busybox().layer(&[Entry::file("data/file", 0o644, "copied")], crate::support::image::Packing::Gzip);
        std::fs::write(&archive, image.docker_archive(&["image"])).unwrap();
        let (disk, seat) = disk(env);
        seat.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        let before = seat.run(&["volume", "ls", "-q"]).ok();
        assert_eq!(before, "");

        seat.run(&["volume", "create", "--label", "a=b", "empty"]).ok();
        disk.cut();
        assert_eq!(seat.run(&["volume", "inspect", "empty"]).json()[0]["Labels"]["a"], "b");

        let words =
            ["create", "--name", "box", "--network", "none", "-v", "filled:/data", "image", "cat", "/data/file"];
        let id = seat.run(&words).ok();
        disk.cut();
        assert_eq!(seat.run(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]).ok(), format!("{id} box"));
        assert_eq!(seat.run(&["start", "-a", "box"]).ok(), "copied");

        seat.run(&["rm", "box"]).ok();
        disk.cut();
        assert_eq!(seat.run(&["ps", "-a", "-q"]).ok(), "");
        // Its name is free.
        seat.run(&words).ok();
        seat.run(&["rm", "box"]).ok();

        seat.run(&["volume", "rm", "filled"]).ok();
        disk.cut();
        assert_eq!(seat.run(&["volume", "ls", "-q"]).ok(), "empty");
    });
}

#[test]
fn a_container_that_ran_is_ended_by_a_power_cut() {
    require!(loop_device, ext4, busybox);
    isolated(|env| {
        let archive = env.place.join("image.tar");
        std::fs::write(&archive, Image::busybox().docker_archive(&["image"])).unwrap();
        let (disk, seat) = disk(env);
        seat.run(&["load", "-q", "-i", archive.to_str().unwrap()]).ok();
        seat.run(&["run", "--name", "box", "--network", "none", "image", "sh", "-c", "exit 3"]).exits(3);
        disk.cut();
        assert_eq!(seat.run(&["ps", "-a", "--format", "{{.Names}} {{.ExitCode}}"]).ok(), "box 3");
        assert_eq!(seat.run(&["start", "-a", "box"]).code, 3);
        seat.run(&["rm", "box"]).ok();
    });
}
