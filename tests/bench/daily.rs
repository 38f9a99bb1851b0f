//! `cargo bench --bench daily`: the commands of a working day beside podman, with one container and with 200, as root.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::exit)]

mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use measure::{Contender, compare, dhow, output, podman, rounds};
use support::image::Image;

const NAME: &str = "localhost/bench:latest";
/// Ends when it is told to.
const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done";

/// One who is measured, by how he is called.
type Program = fn(&Path, &[&str]) -> Command;
const PROGRAMS: [(&str, Program); 2] = [("dhow", dhow), ("podman", podman)];

fn main() {
    let place = measure::enter();
    let file = place.join("image.tar");
    std::fs::write(&file, Image::busybox().docker_archive(&[NAME])).unwrap();
    std::fs::write(place.join("file"), vec![7; 100_000]).unwrap();
    each(&place, &["load", "-q", "-i", file.to_str().unwrap()]);
    let print = "i=0; while [ $i -lt 1000 ]; do echo a line of some length, number $i; i=$((i+1)); done";
    each(&place, &["run", "-d", "--name", "printer", "--network", "none", NAME, "sh", "-c", print]);
    each(&place, &["wait", "printer"]);
    measure::head();
    let mut made = 1;
    for count in [1, 200] {
        while made < count {
            each(&place, &["create", "--name", &format!("c{made}"), "--network", "none", NAME, "true"]);
            made += 1;
        }
        let what = |command: &str| format!("{command}, {count} container{}", if count == 1 { "" } else { "s" });
        for words in [
            &["ps", "-a"][..],
            &["images"],
            &["inspect", "printer"],
            &["logs", "printer"],
            &["cp", place.join("file").to_str().unwrap(), "printer:/file"],
        ] {
            against(&place, &what(words[0]), words, &|_| {});
        }
        each(&place, &["run", "-d", "--name", "idle", "--network", "none", NAME, "sh", "-c", IDLE]);
        against(&place, &what("stats --no-stream"), &["stats", "--no-stream", "idle"], &|_| {});
        against(&place, &what("stop"), &["stop", "idle"], &|program| drop(output(program(&place, &["start", "idle"]))));
        each(&place, &["rm", "-f", "-t", "0", "idle"]);
        let create = ["create", "--name", "gone", "--network", "none", NAME, "true"];
        against(&place, &what("rm"), &["rm", "gone"], &|program| drop(output(program(&place, &create))));
    }
}

fn each(place: &Path, words: &[&str]) {
    for (name, program) in PROGRAMS {
        if let Err(error) = output(program(place, words)) {
            eprintln!("{name} {}: {error}", words.join(" "));
        }
    }
}

/// `before` is called with whoever is measured next.
fn against(place: &Path, what: &str, words: &[&str], before: &dyn Fn(Program)) {
    let contenders = PROGRAMS
        .map(|(name, program)| Contender::new(name, move || program(place, words)).before(move || before(program)));
    compare(what, rounds(21), &contenders);
}
