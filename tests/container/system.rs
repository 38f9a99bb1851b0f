//! The store as a whole: what it takes, what of it goes, and that all of it goes whatever state it is in.

use std::process::Stdio;

use super::stage;
use crate::support::image::Image;
use crate::support::kill::Sweep;
use crate::support::{TestEnv, isolated};

fn furnish(env: &TestEnv) {
    env.load(&Image::busybox(), "busybox").ok();
    env.run(&["run", "-d", "--name", "up", "-v", "data:/d", "busybox", "sleep", "1000"]).ok();
    env.run(&["create", "--name", "made", "--network", "none", "busybox"]).ok();
}

/// Nothing of ours is left in the store's directories.
fn is_gone(env: &TestEnv) {
    for name in ["containers", "names", "images", "layers", "content", "volumes", "networks", "cache", "tmp"] {
        assert!(!env.root.store.join(name).exists(), "{name}");
    }
}

#[test]
fn a_layer_is_counted_once_and_what_is_unused_is_known() {
    isolated(|env| {
        env.load(&Image::busybox(), "busybox").ok();
        stage::settle(env);
        env.run(&[
            "run",
            "--name",
            "one",
            "--network",
            "none",
            "-v",
            "data:/d",
            "busybox",
            "sh",
            "-c",
            "head -c 1000000 /dev/zero > /f; cp /f /d/f",
        ])
        .ok();
        env.run(&["commit", "-q", "one", "second"]).ok();
        let rows = |name: &str| {
            let json = env.run(&["system", "df", "--format", "json"]).json();
            let rows = json.as_array().unwrap().clone();
            rows.into_iter().find(|row| row["Type"] == name).unwrap()
        };
        let number = |row: &serde_json::Value, field: &str| row[field].as_u64().unwrap();
        let images = rows("Images");
        let layers = number(&images, "RawSize");
        // The second has the first's layer and one of a megabyte.
        assert_eq!((number(&images, "Total"), number(&images, "Active")), (2, 1));
        assert_eq!(number(&images, "RawReclaimable"), 1_000_000);
        let containers = rows("Containers");
        assert!((1_000_000..1_100_000).contains(&number(&containers, "RawReclaimable")), "{containers}");
        let volumes = rows("Local Volumes");
        assert!((1_000_000..1_100_000).contains(&number(&volumes, "RawSize")), "{volumes}");
        assert_eq!(number(&volumes, "RawReclaimable"), 0);
        env.run(&["system", "prune", "-a", "-f"]).ok();
        // The container that did not run went first, so that no image was used any more.
        assert_eq!((number(&rows("Images"), "Total"), number(&rows("Local Volumes"), "Total")), (0, 1));
        assert!(layers > 1_000_000);
        env.run(&["system", "prune", "-f", "--volumes"]).ok();
        assert_eq!(number(&rows("Local Volumes"), "Total"), 0);
    });
}

#[test]
fn everything_goes_even_from_a_store_in_ruins() {
    isolated(|env| {
        stage::settle(env);
        furnish(env);
        let store = env.root.store.clone();
        env.run(&["system", "reset", "-f"]).ok();
        is_gone(env);
        // The records of containers that run are rubbish, links lead elsewhere, and somebody keeps a file there.
        furnish(env);
        std::fs::create_dir("/run/precious").unwrap();
        std::fs::write("/run/precious/file", "kept").unwrap();
        std::fs::write(store.join("mine"), "kept").unwrap();
        for entry in std::fs::read_dir(store.join("containers")).unwrap() {
            let dir = entry.unwrap().path();
            std::fs::write(dir.join("config.json"), "{").unwrap();
            std::fs::write(dir.join("state.json"), "").unwrap();
        }
        std::fs::remove_dir_all(store.join("tmp")).unwrap();
        std::os::unix::fs::symlink("/run/precious", store.join("tmp")).unwrap();
        std::os::unix::fs::symlink("/run/precious", store.join("volumes/odd")).unwrap();
        std::fs::write(store.join("images/broken.json"), "[").unwrap();
        env.run(&["system", "reset", "-f"]).ok();
        is_gone(env);
        assert_eq!(std::fs::read_to_string("/run/precious/file").unwrap(), "kept");
        assert_eq!(std::fs::read_to_string(store.join("mine")).unwrap(), "kept");
        std::fs::remove_file(store.join("mine")).unwrap();
        std::fs::remove_dir_all("/run/precious").unwrap();
        // And it can be used again.
        furnish(env);
        env.run(&["system", "reset", "-f"]).ok();
    });
}

#[test]
fn a_reset_that_was_killed_is_finished_by_the_next() {
    isolated(|env| {
        stage::settle(env);
        let command = |env: &TestEnv| {
            let mut command = env.dhow(&["system", "reset", "-f"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let calls = Sweep { prepare: &furnish, command: &command, exits: 0, sample: Some(10) }.run(env, |env, _| {
            env.run(&["system", "reset", "-f"]).ok();
            is_gone(env);
        });
        assert!(!calls.is_empty());
    });
}

/// One of the files in `dir` of the store.
fn first(env: &TestEnv, dir: &str) -> std::path::PathBuf {
    let mut all: Vec<_> =
        std::fs::read_dir(env.root.store.join(dir)).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.file_name().is_some_and(|name| name.len() >= 64));
    all.sort();
    all.remove(0)
}

#[test]
fn every_damage_is_named_and_mended() {
    isolated(|env| {
        stage::settle(env);
        let check = |flags: &[&str]| env.run(&[&["system", "check"], flags].concat());
        let layer = |env: &TestEnv| first(env, "layers");
        type Harm<'a> = (&'a str, &'a dyn Fn(&TestEnv));
        let blob = |env: &TestEnv| first(env, "content/sha256");
        let cases: &[Harm<'_>] = &[
            ("image", &|env| std::fs::write(first(env, "images"), "{").unwrap()),
            ("image", &|env| std::fs::write(first(env, "images"), "").unwrap()),
            ("the names of images", &|env| std::fs::write(first(env, "images/names"), "[]").unwrap()),
            ("image", &|env| std::fs::remove_file(blob(env)).unwrap()),
            ("blob", &|env| std::fs::write(blob(env), "other").unwrap()),
            ("layer", &|env| std::fs::remove_file(layer(env).join("layer.json")).unwrap()),
            ("layer", &|env| std::fs::rename(layer(env).join("diff"), layer(env).join("gone")).unwrap()),
            ("image", &|env| std::fs::rename(layer(env), env.root.tmp.join("layer")).unwrap()),
            ("volume data", &|env| std::fs::write(env.root.store.join("volumes/data/volume.json"), "{").unwrap()),
            ("volume data", &|env| std::fs::remove_file(env.root.store.join("volumes/data/volume.json")).unwrap()),
        ];
        for (number, (what, harm)) in cases.iter().enumerate() {
            env.load(&Image::busybox(), "busybox").ok();
            env.run(&["volume", "create", "--ignore", "data"]).ok();
            std::fs::write(env.root.store.join("volumes/data/_data/file"), "kept").unwrap();
            assert_eq!(check(&[]).ok(), "", "before {number}");
            harm(env);
            let told = check(&[]);
            told.fails(125, "damage detected in local storage");
            assert!(told.text().contains(&format!("Damage detected in {what}")), "{number}: {told}");
            check(&["--repair"]).ok();
            assert_eq!(check(&[]).ok(), "", "after {number}");
            assert_eq!(std::fs::read_to_string(env.root.store.join("volumes/data/_data/file")).unwrap(), "kept");
            env.run(&["rmi", "-a", "-f"]).ok();
            std::fs::remove_dir_all(env.root.tmp.join("layer")).ok();
        }
        // A container goes only when told to; what it stands on stays with it.
        env.load(&Image::busybox(), "busybox").ok();
        env.run(&["create", "--name", "made", "--network", "none", "busybox"]).ok();
        std::fs::remove_file(layer(env).join("layer.json")).unwrap();
        check(&["-q"]).fails(125, "damage detected");
        check(&["-q", "-r"]).fails(125, "damage detected");
        env.run(&["container", "exists", "made"]).ok();
        check(&["-q", "-r", "-f"]).ok();
        assert_eq!(env.run(&["container", "exists", "made"]).code, 1);
        assert_eq!(check(&[]).ok(), "");
        env.run(&["volume", "rm", "data"]).ok();
    });
}
