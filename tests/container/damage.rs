//! Records that are torn, unreadable or of a newer version: one clear line, the others unharmed, and a way out.

use std::path::PathBuf;

use super::stage;
use crate::support::{TestEnv, isolated};

fn record(env: &TestEnv, name: &str, file: &str) -> PathBuf {
    stage::directory(env, name).join(file)
}

/// Two containers, of which only `box` will be damaged.
fn two(env: &mut TestEnv) {
    stage::busybox(env);
    for name in ["box", "other"] {
        env.run(&["create", "--name", name, "busybox", "true"]).ok();
    }
}

fn remove_both(env: &TestEnv) {
    env.run(&["rm", "-f", "box"]).ok();
    env.run(&["rm", "other"]).ok();
}

#[test]
fn a_torn_state_is_an_end_whose_code_nobody_knows() {
    isolated(|env| {
        two(env);
        for text in ["", "{\"version\":1,\"sta", "[]"] {
            std::fs::write(record(env, "box", "state.json"), text).unwrap();
            let shown = env.run(&["ps", "-a", "--sort", "names", "--format", "{{.Names}} {{.State}}"]);
            assert_eq!(shown.ok(), "box exited\nother created", "{text:?}");
        }
        env.run(&["start", "-a", "box"]).ok();
        env.run(&["rm", "box"]).ok();
        env.run(&["rm", "other"]).ok();
    });
}

/// R43.
#[test]
fn a_torn_configuration_is_told_and_can_be_removed() {
    isolated(|env| {
        two(env);
        let path = record(env, "box", "config.json");
        let id = stage::inspect(env, "box")["Id"].as_str().unwrap().to_owned();
        let whole = std::fs::read(&path).unwrap();
        for torn in [&whole[..whole.len() / 2], b""] {
            std::fs::write(&path, torn).unwrap();
            for words in [&["start", "box"][..], &["inspect", "box"], &["logs", "box"], &["rm", "box"]] {
                env.run(words).fails(125, "config.json is damaged");
            }
            let shown = env.run(&["ps", "-a", "--format", "{{.Names}}"]);
            assert_eq!(shown.exits(125).text(), "other");
            // The others go on.
            env.run(&["start", "-a", "other"]).ok();
            env.run(&["run", "--rm", "busybox", "true"]).ok();
        }
        env.run(&["rm", "-f", &id]).ok();
        env.run(&["rm", "other"]).ok();
    });
}

#[test]
fn a_record_of_a_newer_version_is_left_alone() {
    isolated(|env| {
        two(env);
        for file in ["config.json", "state.json"] {
            let path = record(env, "box", file);
            let old = std::fs::read(&path).unwrap();
            let mut new: serde_json::Value = serde_json::from_slice(&old).unwrap();
            new["version"] = 99.into();
            std::fs::write(&path, new.to_string()).unwrap();
            for words in [&["start", "box"][..], &["inspect", "box"], &["rm", "box"], &["rm", "-f", "box"]] {
                env.run(words).fails(125, "was written by a newer version of dhow (format 99)");
            }
            assert!(env.run(&["ps", "-a"]).exits(125).text().contains("other"));
            env.run(&["start", "-a", "other"]).ok();
            assert_eq!(std::fs::read(&path).unwrap(), new.to_string().into_bytes(), "{file} is as it was");
            std::fs::write(&path, old).unwrap();
        }
        env.run(&["start", "-a", "box"]).ok();
        remove_both(env);
    });
}

#[test]
fn a_record_that_cannot_be_read_is_told() {
    isolated(|env| {
        two(env);
        for file in ["config.json", "state.json"] {
            let path = record(env, "box", file);
            let aside = path.with_extension("aside");
            std::fs::rename(&path, &aside).unwrap();
            std::fs::create_dir_all(path.join("full")).unwrap();
            env.run(&["start", "box"]).fails(125, file);
            assert!(env.run(&["ps", "-a"]).exits(125).text().contains("other"));
            env.run(&["start", "-a", "other"]).ok();
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::rename(&aside, &path).unwrap();
        }
        env.run(&["start", "-a", "box"]).ok();
        remove_both(env);
    });
}

#[test]
fn unknown_fields_survive() {
    isolated(|env| {
        two(env);
        let path = record(env, "box", "config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["invented_later"] = serde_json::json!({"a": [1, 2]});
        std::fs::write(&path, config.to_string()).unwrap();
        env.run(&["start", "-a", "box"]).ok();
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(read["invented_later"], config["invented_later"]);
        remove_both(env);
    });
}

/// R43.
#[test]
fn a_damaged_volume_hides_no_other() {
    isolated(|env| {
        stage::busybox(env);
        for name in ["bad", "good"] {
            env.run(&["volume", "create", name]).ok();
        }
        let dir = env.root.store.join("volumes/bad");
        let records = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let path = records.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
        std::fs::write(&path, "{").unwrap();
        env.run(&["volume", "inspect", "bad"]).fails(125, "is damaged");
        env.run(&["run", "--rm", "-v", "bad:/v", "busybox", "true"]).fails(125, "is damaged");
        env.run(&["run", "--rm", "-v", "good:/v", "busybox", "true"]).ok();
        let listed = env.run(&["volume", "ls", "-q"]);
        assert!(listed.ok().lines().any(|line| line == "good"), "{listed}");
        env.run(&["volume", "rm", "-f", "bad"]).ok();
        env.run(&["volume", "rm", "good"]).ok();
    });
}

/// R43.
#[test]
fn a_damaged_image_hides_no_other() {
    isolated(|env| {
        stage::busybox(env);
        let image = crate::support::image::Image::busybox().with("Cmd", serde_json::json!(["true"]));
        let id = image.id();
        env.load(&image, "bad").ok();
        let images = env.root.store.join("images");
        let path = [images.join(format!("{id}.json")), images.join(&id).join("image.json")]
            .into_iter()
            .find(|path| path.exists())
            .expect("the record of an image");
        std::fs::write(&path, "{").unwrap();
        env.run(&["run", "--rm", "bad"]).fails(125, "is damaged");
        env.run(&["run", "--rm", "busybox", "true"]).ok();
        let listed = env.run(&["images", "--format", "{{.Repository}}"]);
        assert!(listed.ok().lines().any(|line| line.ends_with("/busybox")), "{listed}");
        env.run(&["rmi", "-f", "bad"]).ok();
    });
}
