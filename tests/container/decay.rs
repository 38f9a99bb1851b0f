//! Every record, blob and lock of a store damaged in turn: one object is hurt and named with its remedy, the others work,
//! and a repair brings the store to rest. A sample every day; all of it by
//! `DHOW_TEST_SWEEP=all DHOW_TEST_TIMEOUT=3600 cargo test --test container decay::`

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::image::{Image, Packing};
use crate::support::kill::points;
use crate::support::outcome::Outcome;
use crate::support::tar::Entry;
use crate::support::{TestEnv, isolated};

/// Two of everything, with nothing in common.
const WORLDS: [&str; 2] = ["one", "two"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Absent,
    Empty,
    Half,
    Random,
    /// A JSON document of another kind.
    Json,
    Directory,
}

const DAMAGES: [Damage; 6] =
    [Damage::Absent, Damage::Empty, Damage::Half, Damage::Random, Damage::Json, Damage::Directory];

impl Damage {
    fn apply(self, path: &Path) {
        let whole = std::fs::read(path).unwrap();
        let bytes = match self {
            Self::Absent | Self::Directory => {
                std::fs::remove_file(path).unwrap();
                if self == Self::Directory {
                    std::fs::create_dir(path).unwrap();
                }
                return;
            }
            Self::Empty => Vec::new(),
            Self::Half => whole[..whole.len() / 2].to_vec(),
            Self::Random => (0..=u8::MAX).cycle().map(|n| n.wrapping_mul(167) ^ 13).take(whole.len().max(16)).collect(),
            Self::Json => b"[]\n".to_vec(),
        };
        std::fs::write(path, bytes).unwrap();
    }
}

fn archive(env: &TestEnv, world: &str) -> String {
    env.place.join(format!("{world}.tar")).display().to_string()
}

/// Makes an image of one layer, a container that ran, a volume, a secret and a list, all called `world`.
fn make(env: &TestEnv, world: &str) {
    let mut entries = crate::support::image::busybox_entries();
    entries.push(Entry::file("world", 0o644, world));
    let image = Image::of(vec![crate::support::image::Layer::new(&entries, Packing::Gzip)]);
    std::fs::write(archive(env, world), image.docker_archive(&[world])).unwrap();
    env.run(&["load", "-q", "-i", &archive(env, world)]).ok();
    let volume = format!("{world}:/v");
    env.run(&["run", "--name", world, "--network", "none", "-v", &volume, world, "true"]).ok();
    env.root.run_with(&["secret", "create", world, "-"], b"value").ok();
    env.run(&["manifest", "create", &format!("{world}-list"), world]).ok();
}

/// What is done with the objects of `world`.
fn use_all(env: &TestEnv, world: &str) -> Vec<Outcome> {
    let volume = format!("{world}:/v");
    let run = ["run", "--rm", "--network", "none", "--pull", "never"];
    vec![
        env.run(&[&run[..], &[world, "true"]].concat()),
        env.run(&["start", "-a", world]),
        env.run(&[&run[..], &["-v", &volume, world, "true"]].concat()),
        env.run(&[&run[..], &["--secret", world, world, "true"]].concat()),
        env.run(&["manifest", "inspect", "--tls-verify=false", &format!("{world}-list")]),
    ]
}

/// The files of the store that dhow keeps its knowledge in: not those of images and containers.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !["diff", "rootfs", "_data"].iter().any(|name| entry.file_name() == *name) {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn one_damaged_file_hurts_one_object_and_is_repaired() {
    isolated(|env| {
        // Events of long ago.
        env.ignore(&format!("file: {}/events.log.1", env.root.runtime.display()));
        for world in WORLDS {
            make(env, world);
        }
        let (store, backup) = (env.root.store.clone(), env.place.join("backup"));
        copy(&store, &backup);
        let mut all = Vec::new();
        files(&store, &mut all);
        all.sort();
        let cases: Vec<(PathBuf, Damage)> =
            all.iter().flat_map(|path| DAMAGES.map(|damage| (path.clone(), damage))).collect();
        // A step that shares no factor with the number of damages: a sample has some of each.
        for point in points(cases.len(), Some(25)) {
            let (path, damage) = &cases[(point - 1) * 7 % cases.len()];
            copy(&backup, &store);
            damage.apply(path);
            check(env, &format!("{damage:?} {}", path.display()), *damage);
        }
        for words in
            [&["rm", "-f", "-a"][..], &["volume", "rm", "-f", "-a"], &["rmi", "-f", "-a"], &["secret", "rm", "-a"]]
        {
            env.run(words).ok();
        }
        for place in [backup, archive(env, "one").into(), archive(env, "two").into()] {
            if place.is_dir() {
                std::fs::remove_dir_all(place).unwrap();
            } else {
                std::fs::remove_file(place).unwrap();
            }
        }
    });
}

/// What must be true whatever was damaged.
fn check(env: &TestEnv, case: &str, damage: Damage) {
    let hurt = WORLDS.map(|world| {
        let mut failed = use_all(env, world);
        failed.retain(|outcome| outcome.code != 0);
        failed
    });
    assert!(hurt.iter().any(Vec::is_empty), "{case} hurt both: {hurt:?}");
    for outcome in hurt.iter().flatten() {
        assert_eq!(outcome.code, 125, "{case}: {outcome}");
        // What is gone without a trace is not known; all else is named, with its remedy.
        assert!(damage == Damage::Absent || outcome.stderr.contains("hint: "), "{case}: {outcome}");
    }
    for words in [&["ps", "-a"][..], &["images"], &["volume", "ls"], &["secret", "ls"], &["system", "df"], &["info"]] {
        let listed = env.run(words);
        assert!(listed.code == 0 || listed.stderr.contains("hint: "), "{case}: {listed}");
    }
    let seen = env.run(&["system", "check"]);
    if damage != Damage::Absent {
        let is_hurt = hurt.iter().any(|failed| !failed.is_empty());
        assert!(!is_hurt || seen.code == 125, "{case} is not seen: {seen}");
    }
    env.run(&["system", "check", "--repair", "--force"]).ok();
    assert_eq!(env.run(&["system", "check"]).ok(), "", "{case}: what a repair leaves is whole");
    for world in WORLDS {
        env.run(&["load", "-q", "-i", &archive(env, world)]).ok();
        env.run(&["run", "--rm", "--network", "none", "--pull", "never", world, "cat", "/world"]).ok();
    }
    env.run(&["rm", "-f", "-a"]).ok();
    env.run(&["system", "prune", "-a", "-f", "--volumes"]).ok();
}
