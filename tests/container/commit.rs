//! What a container changed: told (`diff`), written out (`export`), made an image of (`commit`).

use serde_json::json;

use super::stage::{self, inspect};
use crate::require;
use crate::support::image::{Image, Packing};
use crate::support::tar::Entry;
use crate::support::tools::Tools;
use crate::support::{TestEnv, isolated};

/// Changes of every kind; deep and shallow, files and directories that take each other's place.
const CHANGES: &str = "echo new > /data/new; rm /data/gone; echo more >> /data/file; rm -r /data/dir; mkdir /data/dir; \
    echo x > /data/dir/x; rm -r /data/emptied; rm /data/link; mkdir /data/link; chmod 700 /data/mode; ln /data/new /data/hard; \
    ln -s new /data/soft; mkfifo /data/pipe; chown 1000:1001 /data/new; mkdir -p /data/a/b/c; mv /data/moved /data/there";

/// An image with files that can be changed in every way.
pub(super) fn image() -> Image {
    let entries = [
        Entry::dir("data/", 0o755),
        Entry::file("data/gone", 0o644, "gone"),
        Entry::file("data/file", 0o644, "file\n"),
        Entry::dir("data/dir/", 0o755),
        Entry::file("data/dir/old", 0o644, "old"),
        Entry::dir("data/emptied/", 0o755),
        Entry::file("data/emptied/one", 0o644, "1"),
        Entry::symlink("data/link", "file"),
        Entry::dir("data/mode/", 0o755),
        Entry::file("data/mode/kept", 0o644, "kept"),
        Entry::dir("data/moved/", 0o755),
        Entry::file("data/moved/along", 0o644, "along"),
    ];
    Image::busybox().layer(&entries, Packing::Gzip)
}

/// A container of it that made [`CHANGES`].
fn seed(env: &mut TestEnv) {
    env.load(&image(), "localhost/seed:1").ok();
    env.run(&["run", "--rm", "--network", "none", "seed:1", "true"]).ok();
    stage::settle(env);
    env.keep_images();
    env.run(&["run", "--name", "box", "--network", "none", "seed:1", "sh", "-c", CHANGES]).ok();
}

const TOLD: [&str; 18] = [
    "C /data",
    "A /data/a",
    "A /data/a/b",
    "A /data/a/b/c",
    "D /data/dir",
    "A /data/dir/x",
    "D /data/emptied",
    "C /data/file",
    "D /data/gone",
    "A /data/hard",
    "D /data/link",
    "C /data/mode",
    "D /data/moved",
    "A /data/new",
    "A /data/pipe",
    "A /data/soft",
    "A /data/there",
    "A /data/there/along",
];

/// What a container of `image` has below /data.
fn list(env: &TestEnv, image: &str) -> Vec<String> {
    let script =
        "cd /data; find . | sort | while read f; do stat -c '%n %F %a %u:%g' \"$f\"; [ -f $f ] && cat $f; done; exit 0";
    env.run(&["run", "--rm", "--network", "none", image, "sh", "-c", script]).lines()
}

#[test]
fn changes_are_told_and_become_a_layer() {
    isolated(|env| {
        seed(env);
        let below = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().filter(|line| line[2..].starts_with("/data")).collect()
        };
        assert_eq!(below(env.run(&["diff", "box"]).lines()), TOLD);
        let document = env.run(&["diff", "--format", "json", "box"]).json();
        assert!(document["deleted"].as_array().unwrap().contains(&json!("/data/gone")), "{document}");
        assert!(env.run(&["diff", "seed:1", "seed:1"]).ok().is_empty());

        let id = env.run(&["commit", "-q", "box", "made"]).ok();
        let expected = {
            env.run(&["start", "-a", "box"]);
            env.run(&["image", "inspect", "made"]).json()[0]["Id"].clone()
        };
        assert_eq!(id, expected.as_str().unwrap());
        assert_eq!(below(env.run(&["diff", "made"]).lines()), TOLD);
        // The image shows what the container showed.
        let seen = list(env, "made");
        for line in [
            "./a/b/c directory 755 0:0",
            "./dir/x regular file 644 0:0",
            "./hard regular file 644 1000:1001",
            "./link directory 755 0:0",
            "./mode directory 700 0:0",
            "./mode/kept regular file 644 0:0",
            "./soft symbolic link 777 0:0",
            "./pipe fifo 644 0:0",
            "./there/along regular file 644 0:0",
        ] {
            assert!(seen.contains(&line.to_owned()), "{line} of {seen:#?}");
        }
        assert!(
            !seen.iter().any(|line| line.contains("gone") || line.contains("old") || line.contains("emptied")),
            "{seen:#?}"
        );
        // In one layer, the same.
        env.run(&["commit", "-q", "-s", "box", "squashed"]).ok();
        let layers =
            |image: &str| env.run(&["image", "inspect", image]).json()[0]["RootFS"]["Layers"].as_array().unwrap().len();
        assert_eq!((layers("made"), layers("squashed")), (3, 1));
        assert_eq!(env.run(&["history", "-q", "squashed"]).lines().len(), 1);
        env.run(&["rm", "box"]).ok();
        env.run(&["rmi", "made", "squashed"]).ok();
    });
}

#[test]
fn an_export_has_the_files_and_not_the_volumes() {
    isolated(|env| {
        seed(env);
        let file = env.place.join("x.tar");
        let path = file.to_str().unwrap();
        env.run(&["export", "-o", path, "box"]).ok();
        let stopped = std::fs::read(&file).unwrap();
        assert_eq!(env.run(&["export", "box"]).stdout, stopped);
        env.run(&["import", "-q", path, "flat"]).ok();
        let flat = list(env, "flat");
        env.run(&["commit", "-q", "box", "made"]).ok();
        assert_eq!(flat, list(env, "made"));
        env.run(&["rm", "box"]).ok();
        let words =
            ["run", "-d", "--name", "box", "-v", "/v", "--tmpfs", "/t", "--network", "none", "seed:1", "sh", "-c"];
        env.run(&[&words[..], &["touch /v/in-volume /t/in-tmpfs /root/in-root; sleep 1000"]].concat()).ok();
        crate::support::env::eventually("it has written", || {
            env.run(&["exec", "box", "test", "-e", "/root/in-root"]).code == 0
        });
        let running = String::from_utf8_lossy(&env.run(&["export", "box"]).stdout).into_owned();
        assert!(running.contains("root/in-root") && running.contains("bin/busybox"));
        assert!(!running.contains("in-volume") && !running.contains("in-tmpfs"));
        env.run(&["export", "-o", "a:b", "box"]).fails(125, "invalid filename (should not contain ':') \"a:b\"");
        env.run(&["export"]).fails(125, "accepts 1 arg(s), received 0");
        env.run(&["export", "none"]).fails(125, "no container with name or ID \"none\" found: no such container");
        std::fs::remove_file(&file).unwrap();
        env.run(&["rm", "-f", "-t", "0", "-v", "box"]).ok();
        env.run(&["rmi", "made", "flat"]).ok();
    });
}

#[test]
fn a_commit_says_what_the_container_said() {
    isolated(|env| {
        stage::busybox(env);
        let flags =
            ["-e", "A=b", "-u", "web", "-w", "/tmp", "--label", "x=y", "--expose", "9/udp", "--stop-signal", "INT"];
        let words = [
            &["create", "--name", "box", "--network", "none"][..],
            &flags,
            &["busybox", "sh", "-c", "echo $A; id -u; pwd"],
        ];
        env.run(&words.concat()).ok();
        let file = env.place.join("iid");
        let id = env.run(&["commit", "-q", "--iidfile", file.to_str().unwrap(), "box", "made:v1"]).ok();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(env.run(&["run", "--rm", "--network", "none", "made:v1"]).ok(), "b\n1000\n/tmp");
        let image = env.run(&["image", "inspect", "made:v1"]).json()[0].take();
        let config = &image["Config"];
        assert_eq!(config["ExposedPorts"], json!({"9/udp": {}}));
        assert_eq!(
            (&config["Labels"], &config["User"], &config["WorkingDir"]),
            (&json!({"x": "y"}), &json!("web"), &json!("/tmp"))
        );
        assert_eq!(image["RepoTags"], json!(["localhost/made:v1"]));
        assert!(env.run(&["history", "made:v1"]).ok().contains("FROM docker.io/library/busybox:latest"));
        let more = [
            "-c",
            "CMD [\"echo\", \"hi\"]",
            "-c",
            "ENV A=c",
            "-c",
            "USER root",
            "-a",
            "me",
            "-m",
            "because",
            "-f",
            "docker",
        ];
        env.run(&[&["commit", "-q", "-p"][..], &more, &["box", "made:v2"]].concat()).ok();
        assert_eq!(env.run(&["run", "--rm", "--network", "none", "made:v2"]).ok(), "hi");
        let image = env.run(&["image", "inspect", "made:v2"]).json()[0].take();
        assert_eq!((&image["Author"], &image["Comment"]), (&json!("me"), &json!("because")));
        assert_eq!(image["ManifestType"], "application/vnd.docker.distribution.manifest.v2+json");
        for (words, message) in [
            (&["commit", "none"][..], "no container with name or ID \"none\" found: no such container"),
            (&["commit", "-c", "FOO x", "box"], "invalid change \"FOO x\" - invalid instruction FOO"),
            (&["commit", "-m", "x", "box"], "messages are only compatible with the docker image format (-f docker)"),
            (&["commit", "-f", "foo", "box"], "unrecognized image format \"foo\""),
            (&["commit", "box", "UPPER"], "repository name must be lowercase"),
        ] {
            env.run(words).fails(125, message);
        }
        // The layer of a container that lives, under its feet.
        env.run(&["rm", "box"]).ok();
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sh", "-c", "echo x > /x; sleep 1000"])
            .ok();
        crate::support::env::eventually("it has written", || env.run(&["exec", "box", "test", "-s", "/x"]).code == 0);
        env.run(&["commit", "-q", "-p", "box", "made:v3"]).ok();
        assert_eq!(inspect(env, "box")["State"]["Status"], "running");
        assert_eq!(env.run(&["run", "--rm", "--network", "none", "made:v3", "cat", "/x"]).ok(), "x");
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
        env.run(&["rmi", "made:v1", "made:v2", "made:v3"]).ok();
    });
}

#[test]
fn others_read_what_was_committed() {
    require!(root, podman, skopeo, busybox);
    isolated(|env| {
        seed(env);
        env.run(&["commit", "-q", "box", "made"]).ok();
        env.run(&["commit", "-q", "-f", "docker", "box", "made-docker"]).ok();
        env.run(&["rm", "box"]).ok();
        let tools = Tools::new(env);
        let file = env.place.join("made.tar");
        for (image, format) in [("made", "oci-archive"), ("made-docker", "docker-archive")] {
            env.run(&["save", "-q", "--format", format, "-o", file.to_str().unwrap(), image]).ok();
            tools.run(&["skopeo", "inspect", "--raw", &format!("{format}:{}", file.display())]);
            tools.podman(&["load", "-q", "-i", file.to_str().unwrap()]).ok();
            let theirs = tools.podman(&["diff", &format!("localhost/{image}")]).lines();
            let theirs: Vec<_> =
                theirs.iter().filter(|line| line[2..].starts_with("/data")).map(String::as_str).collect();
            assert_eq!(theirs, TOLD, "{image}");
            std::fs::remove_file(&file).unwrap();
        }
        env.run(&["rmi", "made", "made-docker"]).ok();
    });
}

#[test]
fn a_container_is_renamed() {
    isolated(|env| {
        stage::busybox(env);
        env.run(&["run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000"]).ok();
        env.run(&["create", "--name", "other", "--network", "none", "busybox"]).ok();
        for (from, to) in [("box", "new"), ("new", "new"), ("new", "box"), ("box", "third")] {
            assert!(env.run(&["rename", from, to]).ok().is_empty());
        }
        assert_eq!(env.run(&["ps", "--format", "{{.Names}}"]).ok(), "third");
        env.run(&["container", "exists", "box"]).exits(1);
        env.run(&["rename", "third", "other"]).fails(125, "name other already in use, cannot rename container");
        env.run(&["rename", "third", "a/b"])
            .fails(125, "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument");
        env.run(&["rename", "none", "x"]).fails(125, "no container with name or ID \"none\" found: no such container");
        env.run(&["rename", "third"]).fails(125, "accepts 2 arg(s), received 1");
        // The name that was given up is anybody's.
        env.run(&["create", "--name", "box", "--network", "none", "busybox"]).ok();
        env.run(&["rm", "-f", "-t", "0", "third", "other", "box"]).ok();
    });
}
