//! Artifacts: made of files, sent and fetched, read by others; what only they keep stays and goes with them.

use std::path::Path;

use serde_json::{Value, json};

use crate::require;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, Packing};
use crate::support::kill::Sweep;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};
use crate::support::{Outcome, TestEnv, isolated};

fn at(env: &TestEnv, words: &[&str]) -> Outcome {
    let mut command = env.dhow(words);
    command.current_dir(&env.place);
    finished(command, b"")
}

fn write(env: &TestEnv, name: &str, bytes: &[u8]) {
    std::fs::write(env.place.join(name), bytes).unwrap();
}

fn blobs(env: &TestEnv) -> usize {
    std::fs::read_dir(env.root.store.join("content/sha256")).unwrap().count()
}

#[test]
fn files_become_an_artifact_and_files_again() {
    isolated(|env| {
        write(env, "text", b"hello\n");
        write(env, "binary", &[0, 1, 2, 255]);
        std::fs::create_dir(env.place.join("dir")).unwrap();
        let add = |flags: &[&str]| at(env, &[&["artifact", "add"][..], flags].concat());
        add(&["one", "none"]).fails(125, "Error: add none: no such file or directory");
        add(&["one", "dir"]).fails(125, "dir: only files can be added to an artifact");
        add(&["one", "text", "text"]).fails(125, "text: file already exists in the artifact localhost/one:latest");
        add(&["--append", "one", "text"]).fails(125, "localhost/one:latest: artifact does not exist");
        add(&["--append", "--type", "a/b", "one", "text"])
            .fails(125, "append option is not compatible with type option");
        add(&["--annotation", "x", "one", "text"]).fails(125, "invalid annotation \"x\"");
        assert_eq!((at(env, &["artifact", "ls", "-q"]).ok().as_str(), blobs(env)), ("", 0), "nothing was made");

        let digest = add(&["--type", "a/b", "--annotation", "k=v", "one", "text", "binary"]).ok();
        let document = at(env, &["artifact", "inspect", "one"]).json();
        assert_eq!(document["Name"], "localhost/one:latest");
        assert_eq!(document["Digest"], format!("sha256:{digest}"));
        let manifest = &document["Manifest"];
        assert_eq!(manifest["artifactType"], "a/b");
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
        let layer = |number: usize| &manifest["layers"][number];
        assert_eq!((&layer(0)["mediaType"], &layer(0)["size"]), (&json!("text/plain; charset=utf-8"), &json!(6)));
        assert_eq!(layer(1)["mediaType"], "application/octet-stream");
        assert_eq!(layer(1)["annotations"], json!({"org.opencontainers.image.title": "binary", "k": "v"}));
        add(&["one", "text"]).fails(125, "localhost/one:latest: artifact already exists");

        write(env, "more", b"more");
        let second = add(&["--append", "--file-type", "x/y", "one", "more"]).ok();
        assert_ne!(digest, second);
        let appended = manifest["annotations"].clone();
        assert_eq!(appended["k"], "v");
        assert!(appended["org.opencontainers.image.created"].as_str().unwrap().ends_with('Z'), "{appended}");
        let manifest = at(env, &["artifact", "inspect", &second[..8]]).json()["Manifest"].clone();
        assert_eq!(manifest["annotations"], appended, "those of the beginning");
        assert_eq!((&manifest["artifactType"], &manifest["layers"][2]["mediaType"]), (&json!("a/b"), &json!("x/y")));
        assert_eq!(blobs(env), 5, "three files, the configuration, the newer manifest");
        assert_eq!(at(env, &["images", "-q"]).ok(), "", "an artifact is no image");
        let lines = at(env, &["artifact", "ls"]).lines();
        assert!(lines[0].starts_with("REPOSITORY") && lines[0].ends_with("SIZE"), "{lines:?}");
        assert!(lines[1].contains(&second[..12]) && lines[1].contains("14 B"), "{lines:?}");
        assert_eq!(at(env, &["artifact", "ls", "-q", "--no-trunc"]).ok(), second);

        let extract = |words: &[&str]| at(env, &[&["artifact", "extract"][..], words].concat());
        extract(&["one", "dir"]).ok();
        let read = |name: &str| std::fs::read(env.place.join(name)).unwrap();
        assert_eq!(
            (read("dir/text"), read("dir/binary"), read("dir/more")),
            (b"hello\n".to_vec(), vec![0, 1, 2, 255], b"more".to_vec())
        );
        extract(&["one", "new"]).fails(125, "the artifact consists of several blobs");
        extract(&["--title", "more", "one", "new"]).ok();
        assert_eq!(read("new"), b"more");
        let blob = layer(1)["digest"].as_str().unwrap();
        extract(&["--digest", &blob[..15], "one", "newer"]).ok();
        assert_eq!(read("newer"), [0, 1, 2, 255]);
        extract(&["--digest", blob, "one", "dir"]).ok();
        assert_eq!(read(&format!("dir/{}", blob.replace(':', "-"))), [0, 1, 2, 255]);
        extract(&["--title", "gone", "one", "new"]).fails(125, "no blob with the title \"gone\"");
        extract(&["none", "new"]).fails(125, "none: artifact does not exist");
        std::os::unix::fs::symlink("/etc/passwd", env.place.join("dir/link")).unwrap();
        write(env, "link", b"x");
        add(&["linked", "link"]).ok();
        extract(&["linked", "dir"]).fails(125, "symbolic link loop");

        // Pruning spares it; what is damaged is told, with its remedy, and hurts nothing else.
        at(env, &["image", "prune", "-af"]).ok();
        at(env, &["system", "check"]).ok();
        assert_eq!(add(&["--replace", "one", "text"]).ok(), at(env, &["artifact", "rm", "one"]).ok());
        assert_eq!(blobs(env), 3, "of the other");
        let record =
            std::fs::read_dir(env.root.store.join("images/artifacts")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(&record, "{").unwrap();
        assert!(at(env, &["artifact", "ls"]).stderr.contains("Error: "));
        add(&["whole", "text"]).ok();
        at(env, &["system", "check"]).fails(125, "damage");
        at(env, &["system", "check", "--repair"]);
        at(env, &["system", "check"]).ok();
        assert_eq!(at(env, &["artifact", "ls", "-q", "--noheading"]).lines().len(), 1);
        at(env, &["artifact", "rm"]).fails(125, "a single artifact name or digest must be specified");
        at(env, &["artifact", "rm", "gone"]).fails(125, "gone: artifact does not exist");
        at(env, &["artifact", "rm", "--ignore", "gone"]).ok();
        at(env, &["artifact", "rm", "--all"]).ok();
        assert_eq!(blobs(env), 0);
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
    });
}

#[test]
fn registries_and_others_have_the_same() {
    require!(skopeo, registry);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let name = format!("{}/some/thing:1", Distribution::ADDRESS);
        write(env, "text", b"hello\n");
        write(env, "large", &vec![7; 3 << 20]);
        let digest = at(env, &["artifact", "add", "--type", "a/b", &name, "text", "large"]).ok();
        at(env, &["artifact", "push", "-q", "--digestfile", "digest", "--tls-verify=false", &name]).ok();
        assert_eq!(std::fs::read_to_string(env.place.join("digest")).unwrap(), format!("sha256:{digest}"));
        let tools = Tools::new(env);
        let place = format!("docker://{name}");
        let raw = tools.run(&["skopeo", "inspect", "--raw", "--tls-verify=false", &place]);
        let ours = at(env, &["artifact", "inspect", &name]).json()["Manifest"].clone();
        assert_eq!(serde_json::from_str::<Value>(&raw).unwrap(), ours);
        at(env, &["artifact", "rm", &name]).ok();
        assert_eq!(blobs(env), 0);
        let pull = ["artifact", "pull", "-q", "--tls-verify=false", &name];
        assert_eq!(at(env, &pull).ok(), digest);
        assert_eq!(at(env, &pull).ok(), digest, "again");
        at(env, &["artifact", "extract", "--title", "large", &name, "back"]).ok();
        assert_eq!(std::fs::read(env.place.join("back")).unwrap(), vec![7; 3 << 20]);
        // A damaged blob is not written as if it were whole.
        for blob in std::fs::read_dir(env.root.store.join("content/sha256")).unwrap().flatten() {
            if blob.metadata().unwrap().len() > 1 << 20 {
                std::fs::write(blob.path(), vec![8; 3 << 20]).unwrap();
            }
        }
        at(env, &["artifact", "extract", "--title", "large", &name, "bad"]).exits(125);
        assert!(!env.place.join("bad").exists());
        at(env, &["artifact", "rm", "--all"]).ok();
        at(env, &["artifact", "pull", "-q", "--tls-verify=false", &format!("{}/none:1", Distribution::ADDRESS)])
            .exits(125);
        at(env, &["artifact", "pull", "-q", "dir:/tmp"]).fails(125, "artifacts come from registries");
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
    });
}

/// R4: a title leads nowhere.
#[test]
fn a_foreign_title_is_no_path() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let blob = registry.add_blob(b"owned".to_vec());
        let config = registry.add_blob(b"{}".to_vec());
        for title in ["../outside", "/tmp/outside", "..", "a/b"] {
            let document = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "artifactType": "a/b", "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                "layers": [{"mediaType": "a/b", "digest": blob, "size": 5, "annotations": {"org.opencontainers.image.title": title}}]});
            registry.add_manifest(
                "bad",
                "1",
                "application/vnd.oci.image.manifest.v1+json",
                document.to_string().as_bytes(),
            );
            let name = registry.reference("bad:1");
            at(env, &["artifact", "pull", "-q", "--tls-verify=false", &name]).ok();
            std::fs::create_dir_all(env.place.join("into")).unwrap();
            at(env, &["artifact", "extract", &name, "into"]).fails(125, "is not the name of a file");
            assert!(std::fs::read_dir(env.place.join("into")).unwrap().next().is_none());
            assert!(!env.place.join("outside").exists() && !Path::new("/tmp/outside").exists());
            at(env, &["artifact", "extract", &name, "chosen"]).ok();
            assert_eq!(std::fs::read(env.place.join("chosen")).unwrap(), b"owned");
        }
        // An image is none.
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        registry.add("image", "1", &image, Flavor::Oci);
        let pulled = at(env, &["artifact", "pull", "-q", "--tls-verify=false", &registry.reference("image:1")]);
        pulled.fails(125, "this is an image, not an artifact");
        at(env, &["artifact", "rm", "-a"]).ok();
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
    });
}

/// What others made stays what it is where files are added; what a newer one of its name replaces goes at once.
#[test]
fn an_artifact_of_others_keeps_what_else_it_says() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let (config, blob) = (registry.add_blob(b"{\"a\":1}".to_vec()), registry.add_blob(b"text".to_vec()));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let publish = |layers: Value| {
            let document = json!({"schemaVersion": 2, "mediaType": kind, "artifactType": "a/b", "layers": layers,
                "config": {"mediaType": "x/config", "digest": config, "size": 7},
                "annotations": {"x": "y", "org.opencontainers.image.created": "2020-02-02T02:02:02Z"}});
            registry.add_manifest("thing", "1", kind, document.to_string().as_bytes());
        };
        let layer = |digest: &str, title: &str| json!({"mediaType": "a/b", "digest": digest, "size": 4, "annotations": {"org.opencontainers.image.title": title}});
        let name = registry.reference("thing:1");
        let pull = || at(env, &["artifact", "pull", "-q", "--tls-verify=false", &name]).ok();
        publish(json!([layer(&blob, "a"), layer(&blob, "a"), {"mediaType": "a/b", "digest": blob, "size": 4}]));
        pull();
        write(env, "more", b"more");
        at(env, &["artifact", "add", "--append", &name, "more"]).ok();
        let show = |format: &str| at(env, &["artifact", "inspect", &name, "--format", format]).ok();
        assert_eq!(
            show("{{.Manifest.ArtifactType}} {{.Manifest.Config.MediaType}} {{.TotalSizeBytes}}"),
            "a/b x/config 16"
        );
        assert_eq!(
            show("{{index .Manifest.Annotations \"x\"}} {{len .Manifest.Layers}} {{.Name}}"),
            format!("y 4 {name}")
        );
        assert_eq!(
            show("{{range .Manifest.Layers}}{{.MediaType}} {{end}}").trim(),
            "a/b a/b a/b text/plain; charset=utf-8"
        );
        assert!(show("json").contains("\"artifactType\": \"a/b\""), "as it is");
        let created = at(env, &["artifact", "ls", "--noheading", "--format", "{{.Created}}"]).ok();
        assert!(created.ends_with("years ago"), "{created}");

        // Of two files with one title neither is meant, and none replaces the other.
        std::fs::create_dir(env.place.join("dir")).unwrap();
        let extract = |words: &[&str]| at(env, &[&["artifact", "extract", &name][..], words].concat());
        extract(&["dir"]).fails(125, "is used in multiple different layers within artifact");
        extract(&["dir", "--title", "a"]).fails(125, "more than one match for the title \"a\"");
        extract(&["dir", "--digest", &blob]).fails(125, "more than one match for the digest");
        assert!(std::fs::read_dir(env.place.join("dir")).unwrap().next().is_none());

        let new = registry.add_blob(b"none".to_vec());
        publish(json!([{"mediaType": "a/b", "digest": new, "size": 4}]));
        pull();
        assert_eq!(blobs(env), 3, "the configuration, the file and the manifest of the newer");
        extract(&["dir"]).ok();
        let file = std::fs::read_dir(env.place.join("dir")).unwrap().next().unwrap().unwrap().file_name();
        assert_eq!(file.to_str().unwrap(), new.replace(':', "-"));
        at(env, &["artifact", "rm", "-a"]).ok();
        assert_eq!(blobs(env), 0);
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
    });
}

#[test]
fn an_artifact_killed_anywhere_is_whole_or_not_there() {
    isolated(|env| {
        write(env, "one", b"1");
        write(env, "two", &vec![2; 100_000]);
        let one = env.place.join("one").display().to_string();
        let two = env.place.join("two").display().to_string();
        env.ignore(&format!("file: {}", env.root.store.join("images/artifacts").display()));
        env.run(&["artifact", "add", "kept", &one]).ok();
        env.run(&["artifact", "rm", "kept"]).ok();
        for words in [
            &["artifact", "add", "thing", &one, &two][..],
            &["artifact", "add", "--replace", "thing", &two],
            &["artifact", "rm", "thing"],
        ] {
            let prepare = |env: &TestEnv| {
                drop(env.run(&["artifact", "rm", "--all"]));
                if words.len() != 5 || words[2] == "--replace" {
                    env.run(&["artifact", "add", "thing", &one]).ok();
                }
            };
            let command = |env: &TestEnv| {
                let mut command = env.dhow(words);
                command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                command
            };
            Sweep { prepare: &prepare, command: &command, exits: 0, sample: Some(12) }.run(env, |env, _| {
                env.run(&["ps", "-a"]).ok();
                for digest in env.run(&["artifact", "ls", "-q"]).lines() {
                    env.run(&["artifact", "inspect", &digest]).ok();
                }
                assert_eq!(env.run(&["system", "check"]).ok(), "");
                drop(env.run(&["artifact", "rm", "--all"]));
                env.run(&["image", "prune", "-f"]).ok();
                env.nothing_is_left();
            });
            drop(env.run(&["artifact", "rm", "--all"]));
        }
    });
}
