//! The work that a power cut interrupts: commands, and what the store has after each of them. The guest does it, this
//! machine judges what was left of it.

use std::collections::BTreeMap;

use sha2::Digest;

use crate::support::image::{Image, Packing};
use crate::support::tar::Entry;

/// Where the disk is mounted that loses its power, in the guest and where it is looked at.
pub(crate) const MOUNTPOINT: &str = "/srv";
/// Stands for the address of the registry in the words of a step.
pub(crate) const REGISTRY: &str = "REGISTRY";
/// Where the guest writes what it does: the last sector of the disk, behind the file system.
pub(crate) const MARK_SECTOR: u64 = DISK_MEBIBYTES * 2048 - 8;
pub(crate) const DISK_MEBIBYTES: u64 = 320;
pub(crate) const FILE_SYSTEM_MEBIBYTES: u64 = 312;
/// What a mark begins with; the number of the step follows, then 0 at its begin and 1 at its end.
pub(crate) const MARK: &[u8; 8] = b"dhowmark";

/// A thing of the store, by the last part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Image(&'static str),
    Volume(&'static str),
    Container(&'static str),
}

/// A command, what it exits with, and what it changes: a thing that comes, with what it says when it is used, or one
/// that goes.
pub(crate) struct Step {
    pub(crate) words: &'static [&'static str],
    pub(crate) exits: i32,
    pub(crate) changes: &'static [(Thing, Option<&'static str>)],
}

const fn step(words: &'static [&'static str], changes: &'static [(Thing, Option<&'static str>)]) -> Step {
    Step { words, exits: 0, changes }
}

use Thing::{Container, Image as I, Volume};

/// All the work, in its order.
pub(crate) const STEPS: &[Step] = &[
    step(&["load", "-q", "-i", "/run/one.tar"], &[(I("one"), Some("one"))]),
    step(&["tag", "one", "two"], &[(I("two"), Some("one"))]),
    step(&["volume", "create", "empty"], &[(Volume("empty"), Some(""))]),
    step(&["pull", "-q", "--tls-verify=false", "REGISTRY/three"], &[(I("three"), Some("three"))]),
    Step {
        words: &[
            "run",
            "--name",
            "box",
            "--network",
            "none",
            "-v",
            "data:/data",
            "one",
            "sh",
            "-c",
            "echo made > /made; exit 3",
        ],
        exits: 3,
        changes: &[(Container("box"), Some("3")), (Volume("data"), Some(""))],
    },
    step(&["commit", "-q", "box", "four"], &[(I("four"), Some("one"))]),
    step(&["run", "--rm", "--network", "none", "one", "true"], &[]),
    step(
        &["create", "--name", "later", "--network", "none", "two", "sh", "-c", "exit 0"],
        &[(Container("later"), Some("0"))],
    ),
    step(&["rmi", "two"], &[(I("two"), None)]),
    step(&["import", "-q", "/run/five.tar", "five"], &[(I("five"), Some("five"))]),
    step(
        &["run", "-d", "--name", "long", "--network", "none", "five", "sh", "-c", "sleep 1; exit 4"],
        &[(Container("long"), Some("4"))],
    ),
    step(&["rm", "-f", "-t", "0", "long"], &[(Container("long"), None)]),
    step(&["rename", "later", "renamed"], &[(Container("later"), None), (Container("renamed"), Some("0"))]),
    step(&["volume", "create", "--label", "a=b", "labelled"], &[(Volume("labelled"), Some(""))]),
    step(&["rm", "-v", "box"], &[(Container("box"), None)]),
    step(&["rmi", "four"], &[(I("four"), None)]),
    step(&["volume", "rm", "empty", "data"], &[(Volume("empty"), None), (Volume("data"), None)]),
    step(&["load", "-q", "-i", "/run/six.tar"], &[(I("six"), Some("six"))]),
    step(&["rm", "renamed"], &[(Container("renamed"), None)]),
    step(&["rmi", "REGISTRY/three"], &[(I("three"), None)]),
];

/// What is there after the first `count` steps.
pub(crate) fn state(count: usize) -> BTreeMap<Thing, &'static str> {
    let mut state = BTreeMap::new();
    for (thing, says) in STEPS[..count].iter().flat_map(|step| step.changes) {
        match says {
            Some(says) => state.insert(*thing, *says),
            None => state.remove(thing),
        };
    }
    state
}

/// Whether step `number` has to do with `thing`.
pub(crate) fn touches(number: usize, thing: Thing) -> bool {
    STEPS.get(number).is_some_and(|step| step.changes.iter().any(|(changed, _)| *changed == thing))
}

/// What fills the layer of `name` that no other image has: nothing that compresses.
fn filling(name: &str) -> Vec<u8> {
    let mut block = sha2::Sha256::digest(name).to_vec();
    let mut bytes = Vec::new();
    while bytes.len() < 1 << 20 {
        block = sha2::Sha256::digest(&block).to_vec();
        bytes.extend(&block);
    }
    bytes
}

/// The files by which an image is known.
pub(crate) fn own_entries(name: &str) -> [Entry; 2] {
    [Entry::file("name", 0o644, name), Entry::file("filling", 0o644, filling(name))]
}

/// busybox, and a layer by which it is known.
pub(crate) fn image(name: &str) -> Image {
    Image::busybox().layer(&own_entries(name), Packing::Gzip)
}

/// What an image tells of all its files, and what it must tell: the name of what it was made as, and sums.
pub(crate) const QUESTION: &str = "cat /name; echo; sha256sum < /filling; sha256sum < /bin/busybox";

pub(crate) fn answer(name: &str) -> String {
    let sum = |bytes: &[u8]| crate::support::image::digest(bytes)["sha256:".len()..].to_owned();
    let busybox = crate::support::require::program("busybox").expect("busybox");
    let busybox = std::fs::read(busybox).expect("read busybox");
    format!("{name}\n{}  -\n{}  -", sum(&filling(name)), sum(&busybox))
}

#[test]
fn the_work_ends_with_what_it_says() {
    let end: Vec<Thing> = state(STEPS.len()).into_keys().collect();
    assert_eq!(end, [I("five"), I("one"), I("six"), Volume("labelled")]);
    assert!(touches(0, I("one")) && !touches(0, I("two")) && !touches(STEPS.len(), I("one")));
    assert!(state(0).is_empty());
}
