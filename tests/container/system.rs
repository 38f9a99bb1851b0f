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
