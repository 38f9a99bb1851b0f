//! `cargo bench --bench image`: what is done with an image that is there, beside podman: `save` and `load` of both archives,
//! `push` to Debian's docker-registry on loopback, `commit` of a container that wrote 64 MiB into 4000 files. The image is
//! that of the benchmark `pull`. `DHOW_BENCH_ONLY` names one row.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

#[allow(dead_code, reason = "nothing is pulled")]
mod large;
mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::cell::Cell;
use std::path::Path;

use large::{ADDRESS, is_wanted};
use measure::{Contender, compare, dhow, output, podman, rounds};
use support::image::Image;

/// Files of the sizes that a package manager writes.
const WRITES: &str = "mkdir /new && cd /new && i=0 && while [ $i -lt 4000 ]; do \
    head -c 16384 /proc/self/exe > $i; i=$((i+1)); done";

fn main() {
    if large::is_made() {
        return;
    }
    let place = measure::enter();
    let archive = large::archive(&place);
    let mut registry = large::registry(&place);
    let pulled = format!("{ADDRESS}/large:1");
    large::push(&place, &archive, &pulled);
    std::fs::remove_file(&archive).unwrap();
    let pull = ["pull", "-q", "--tls-verify=false", &pulled];
    for pull in [dhow(&place, &pull), podman(&place, &pull)] {
        output(pull).unwrap();
    }
    measure::head();
    push(&place, &pulled);
    let file = |who: &str| place.join(format!("{who}.tar")).display().to_string();
    let (ours, theirs) = (file("dhow"), file("podman"));
    for format in ["docker-archive", "oci-archive"] {
        let row = format!("save {format}");
        let save = |file: &str| ["save", "-q", "--format", format, "-o", file, &pulled].map(str::to_owned);
        let words = |file: &str| save(file).to_vec();
        if is_wanted(&row) {
            let gone = |file: &str| drop(std::fs::remove_file(file));
            let dhow = Contender::new("dhow", || dhow(&place, &strs(&words(&ours)))).before(|| gone(&ours));
            let podman = Contender::new("podman", || podman(&place, &strs(&words(&theirs)))).before(|| gone(&theirs));
            compare(&row, rounds(5), &[dhow, podman]);
        }
        let row = format!("load {format}");
        if is_wanted(&row) {
            if !std::path::Path::new(&ours).exists() {
                output(dhow(&place, &strs(&words(&ours)))).unwrap();
            }
            drop(std::fs::remove_file(&theirs));
            let load = ["load", "-q", "-i", &ours];
            let rmi = ["rmi", "-a", "-f"];
            let dhow = Contender::new("dhow", || dhow(&place, &load)).before(|| drop(output(dhow(&place, &rmi))));
            let podman =
                Contender::new("podman", || podman(&place, &load)).before(|| drop(output(podman(&place, &rmi))));
            compare(&row, rounds(5), &[dhow, podman]);
        }
        drop(std::fs::remove_file(&ours));
    }
    if is_wanted("commit") {
        let busybox = place.join("busybox.tar");
        std::fs::write(&busybox, Image::busybox().docker_archive(&["localhost/busybox:1"])).unwrap();
        let load = ["load", "-q", "-i", busybox.to_str().unwrap()];
        let run = ["run", "--name", "box", "--network", "none", "localhost/busybox:1", "sh", "-c", WRITES];
        for command in [dhow(&place, &load), podman(&place, &load), dhow(&place, &run), podman(&place, &run)] {
            output(command).unwrap();
        }
        let commit = ["commit", "-q", "box", "made"];
        let rmi = ["rmi", "made"];
        let dhow = Contender::new("dhow", || dhow(&place, &commit)).before(|| drop(output(dhow(&place, &rmi))));
        let podman = Contender::new("podman", || podman(&place, &commit)).before(|| drop(output(podman(&place, &rmi))));
        compare("commit", rounds(5), &[dhow, podman]);
    }
    registry.kill().unwrap();
    registry.wait().unwrap();
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn push(place: &Path, pulled: &str) {
    if !is_wanted("push") {
        return;
    }
    // A registry that has nothing of it: its store is emptied, and it finds out by itself.
    let empty = || drop(std::fs::remove_dir_all(place.join("registry/docker")));
    let number = Cell::new(0);
    let words = || {
        number.set(number.get() + 1);
        let to = format!("docker://{ADDRESS}/pushed{}:1", number.get());
        ["push", "-q", "--tls-verify=false", pulled, &to].map(str::to_owned).to_vec()
    };
    let dhow = Contender::new("dhow", || dhow(place, &strs(&words()))).before(empty);
    let podman = Contender::new("podman", || podman(place, &strs(&words()))).before(empty);
    compare("push", rounds(5), &[dhow, podman]);
}
