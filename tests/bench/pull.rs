//! `cargo bench --bench pull`: pulling a large image (eight layers, 320 MiB packed unless `DHOW_BENCH_MIB` says
//! otherwise) from Debian's docker-registry on loopback, beside podman and beside the floor: into an empty store on tmpfs,
//! into an empty store on a new ext4 (in a file on the disk below the temporary directory, by a loop device), and where all
//! of it is there. `DHOW_BENCH_ONLY` names one of the three rows.
//!
//! The floor is the least that any pull does, in one pass on as many threads as there are processors: download, the digests
//! of both forms, the blob kept, zlib-rs, the files made, one sync of the file system.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod floor;
mod large;
mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use large::{ADDRESS, Disk, is_wanted};
use measure::{Contender, compare, dhow, output, podman, rounds};

fn main() {
    if large::is_made() {
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, dir] = &arguments[..]
        && word == floor::WORD
    {
        return floor::pull(dir.as_ref());
    }
    let place = measure::enter();
    let archive = large::archive(&place);
    let mut registry = large::registry(&place);
    let reference = format!("{ADDRESS}/large:1");
    large::push(&place, &archive, &reference);
    std::fs::remove_file(&archive).unwrap();
    let pull = ["pull", "-q", "--tls-verify=false", &reference];
    let stores = ["dhow", "podman", "floor"];
    let floor = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(floor::WORD).arg(place.join("floor/store"));
        command
    };
    measure::head();
    if is_wanted("tmpfs") {
        let empty = |name: &str| drop(std::fs::remove_dir_all(place.join(name).join("store")));
        let dhow = Contender::new("dhow", || dhow(&place, &pull)).before(|| empty("dhow"));
        let podman = Contender::new("podman", || podman(&place, &pull)).before(|| empty("podman"));
        let floor = Contender::new("floor", floor).before(|| empty("floor"));
        compare("tmpfs", rounds(5), &[dhow, podman, floor]);
        stores.iter().for_each(|name| empty(name));
    }
    let disks = stores.map(Disk::new);
    let fresh = |number: usize| disks[number].fresh(&place.join(stores[number]).join("store"));
    if is_wanted("ext4") {
        let dhow = Contender::new("dhow", || dhow(&place, &pull)).before(|| fresh(0));
        let podman = Contender::new("podman", || podman(&place, &pull)).before(|| fresh(1));
        let floor = Contender::new("floor", floor).before(|| fresh(2));
        compare("ext4", rounds(5), &[dhow, podman, floor]);
    }
    if is_wanted("again") {
        if !is_wanted("ext4") {
            (0..2).for_each(fresh);
        }
        let dhow = Contender::new("dhow", || dhow(&place, &pull));
        let podman = Contender::new("podman", || podman(&place, &pull));
        compare("again", rounds(5), &[dhow, podman]);
    }
    assert_eq!(
        output(dhow(&place, &["image", "exists", &reference])),
        Ok(String::new()),
        "dhow did not keep the image"
    );
    assert!(place.join("dhow/store").is_dir(), "dhow has no store");
    drop(disks);
    registry.kill().unwrap();
    registry.wait().unwrap();
}
