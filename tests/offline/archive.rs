//! `dhow load`, `save` and `import`: archives of other tools, and archives for them.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, Packing, pack};
use crate::support::isolated;
use crate::support::tar::{Entry, archive};
use crate::support::tools::Tools;

/// Three layers, each packed in another way.
fn image() -> Image {
    let layer = |name: &str, packing| Layer::new(&[Entry::dir("d/", 0o755), Entry::file(name, 0o644, name)], packing);
    let layers = vec![layer("d/one", Packing::Gzip), layer("d/two", Packing::None), layer("d/three", Packing::Zstd)];
    Image::of(layers).with("Labels", json!({"a": "b"}))
}

/// The same, as docker's archives have it.
fn unpacked() -> Image {
    let layer = |name: &str| Layer::new(&[Entry::dir("d/", 0o755), Entry::file(name, 0o644, name)], Packing::None);
    Image::of(vec![layer("d/one"), layer("d/two")]).with("Labels", json!({"a": "b"}))
}

fn path(env: &TestEnv, name: &str) -> String {
    env.place.join(name).display().to_string()
}

fn write(env: &TestEnv, name: &str, bytes: &[u8]) -> String {
    std::fs::write(env.place.join(name), bytes).unwrap();
    path(env, name)
}

fn inspect(env: &TestEnv, name: &str) -> Value {
    env.run(&["image", "inspect", name]).json()[0].take()
}

#[test]
fn every_form_of_archive_is_loaded() {
    isolated(|env| {
        let (docker, oci) = (unpacked(), image());
        let forms = [(&docker, docker.docker_archive(&["localhost/a:1"])), (&oci, oci.oci_archive("localhost/a:1"))];
        for (image, bytes) in &forms {
            for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
                let packed = pack(bytes, packing);
                let file = write(env, "in", &packed);
                for (arguments, input) in [(&["load", "-q", "-i", &file][..], &[][..]), (&["load", "-q"], &packed)] {
                    let outcome = env.root.run_with(arguments, input);
                    assert_eq!(outcome.ok(), "Loaded image: localhost/a:1", "{packing:?}");
                    assert_eq!(outcome.stderr, "");
                    assert_eq!(env.run(&["images", "-q", "--no-trunc"]).text(), format!("sha256:{}", image.id()));
                    assert_eq!(inspect(env, "a:1")["Config"]["Labels"], json!({"a": "b"}));
                    env.run(&["rmi", "a:1"]).ok();
                    env.nothing_is_left();
                }
            }
        }
        // Through a pipe that has a name, and by the transports of pull.
        let file = write(env, "in", &forms[1].1);
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$0\" | \"$@\" load -q -i /dev/stdin", &file]);
        command.arg(&env.root.binary).arg("--root").arg(&env.root.store).arg("--runroot").arg(&env.root.runtime);
        command.env("TMPDIR", &env.root.tmp).env("HOME", &env.root.home);
        assert_eq!(finished(command, b"").ok(), "Loaded image: localhost/a:1");
        assert_eq!(env.run(&["pull", "-q", &format!("oci-archive:{file}")]).ok(), oci.id());
        let file = write(env, "in", &forms[0].1);
        assert_eq!(env.run(&["pull", "-q", &format!("docker-archive:{file}")]).ok(), docker.id());
        // Nameless, and with several names.
        env.run(&["rmi", "-af"]).ok();
        let file = write(env, "in", &docker.docker_archive(&[]));
        assert_eq!(env.run(&["load", "-q", "-i", &file]).ok(), format!("Loaded image: sha256:{}", docker.id()));
        let file = write(env, "in", &docker.docker_archive(&["x.test/a:1", "x.test/b/c:2"]));
        let loaded = env.run(&["load", "-q", "-i", &file]).lines();
        assert_eq!(loaded, ["Loaded image: x.test/a:1", "Loaded image: x.test/b/c:2"]);
    });
}

/// R22: the policy is asked for what an archive is and where it really is, whatever it is called.
#[test]
fn a_policy_is_asked_for_what_an_archive_is() {
    isolated(|env| {
        let home = env.root.home.join(".config/containers");
        std::fs::create_dir_all(&home).unwrap();
        let ours = image();
        let docker = write(env, "docker", &ours.docker_archive(&["localhost/a:1"]));
        let oci = write(env, "oci", &ours.oci_archive("localhost/a:1"));
        let link = path(env, "link");
        std::os::unix::fs::symlink(&oci, &link).unwrap();
        let real = std::fs::canonicalize(&oci).unwrap();
        for scope in ["", real.to_str().unwrap()] {
            let text = format!(
                r#"{{"default":[{{"type":"insecureAcceptAnything"}}],
                "transports":{{"oci-archive":{{"{scope}":[{{"type":"reject"}}]}}}}}}"#
            );
            std::fs::write(home.join("policy.json"), text).unwrap();
            for file in [&oci, &link] {
                env.run(&["load", "-q", "-i", file]).fails(125, "is rejected by policy");
                for transport in ["oci-archive", "docker-archive"] {
                    let name = format!("{transport}:{file}");
                    env.run(&["pull", "-q", &name]).fails(125, "is rejected by policy");
                    let out = format!("dir:{}", path(env, "out"));
                    env.run(&["image", "copy", "-q", &name, &out]).fails(125, "is rejected by policy");
                }
            }
            assert_eq!(env.run(&["images", "-q"]).ok(), "");
            env.run(&["load", "-q", "-i", &docker]).ok();
            env.run(&["rmi", "-af"]).ok();
        }
        env.nothing_is_left();
    });
}

/// What dhow saves is what podman and skopeo load, and the other way round, to the last digest.
#[test]
fn archives_go_both_ways() {
    require!(podman, skopeo);
    isolated(|env| {
        let tools = Tools::new(env);
        let ours = image();
        let file = write(env, "start", &ours.oci_archive("localhost/a:1"));
        env.run(&["load", "-q", "-i", &file]).ok();
        for format in ["docker-archive", "oci-archive"] {
            let (mine, theirs) = (path(env, &format!("mine-{format}")), path(env, &format!("theirs-{format}")));
            assert_eq!(env.run(&["save", "-q", "--format", format, "-o", &mine, "a:1"]).ok(), "");
            // A pipe gets the same bytes; there is nothing of now in them.
            let piped = env.run(&["save", "--format", format, "a:1"]);
            piped.ok();
            assert!(piped.stdout == std::fs::read(&mine).unwrap(), "{format}: file and pipe are the same");
            assert_eq!(tools.podman(&["load", "-q", "-i", &mine]).ok(), "Loaded image: localhost/a:1");
            let theirs_shown = tools.podman(&["image", "inspect", "a:1"]).json()[0].take();
            let ours_shown = inspect(env, "a:1");
            for key in ["Id", "RepoTags", "Config", "RootFS", "History", "Labels", "Architecture", "Created"] {
                assert_eq!(ours_shown[key], theirs_shown[key], "{format}: {key}");
            }
            tools.podman(&["save", "-q", "--format", format, "-o", &theirs, "a:1"]).ok();
            let copied = format!("copied-{format}");
            tools.copy(&[], &format!("{format}:{mine}"), &format!("dir:{copied}"));
            env.run(&["rmi", "a:1"]).ok();
            assert_eq!(env.run(&["load", "-q", "-i", &theirs]).ok(), "Loaded image: localhost/a:1");
            assert_eq!(inspect(env, "a:1")["Id"], json!(ours.id()), "{format}: the way there and back");
            env.run(&["rmi", "a:1"]).ok();
            // skopeo writes both forms, compressed layers too.
            tools.copy(&[], &format!("dir:{copied}"), &format!("{format}:by-skopeo-{format}:localhost/s:1"));
            let by_skopeo = path(env, &format!("by-skopeo-{format}"));
            assert_eq!(env.run(&["load", "-q", "-i", &by_skopeo]).ok(), "Loaded image: localhost/s:1", "{format}");
            env.run(&["rmi", "s:1"]).ok();
            env.nothing_is_left();
            env.run(&["load", "-q", "-i", &file]).ok();
        }
    });
}

#[test]
fn saving_takes_several_images_and_names() {
    isolated(|env| {
        let (first, second) = (unpacked(), image());
        env.load(&first, "localhost/first:1").ok();
        let file = write(env, "second", &second.oci_archive("localhost/second:1"));
        env.run(&["load", "-q", "-i", &file]).ok();
        let out = path(env, "out");
        env.run(&["save", "-q", "-m", "-o", &out, "first:1", "second:1"]).ok();
        assert_eq!(std::fs::metadata(&out).unwrap().mode() & 0o7777, 0o644);
        env.run(&["rmi", "-a"]).ok();
        let loaded = env.run(&["load", "-q", "-i", &out]).lines();
        assert_eq!(loaded, ["Loaded image: localhost/first:1", "Loaded image: localhost/second:1"]);
        env.run(&["save", "-q", "-o", &out, "first:1", "other:2"]).ok();
        let loaded = env.run(&["load", "-q", "-i", &out]).lines();
        assert_eq!(loaded, ["Loaded image: localhost/first:1", "Loaded image: localhost/other:2"]);
        // By id there is no name to keep.
        env.run(&["save", "-q", "-o", &out, &first.id()]).ok();
        assert_eq!(env.run(&["load", "-q", "-i", &out]).ok(), format!("Loaded image: sha256:{}", first.id()));
        // A reader that leaves early is no error to shout about.
        let mut child = env.dhow(&["save", "first:1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        // What fails leaves the file of before.
        std::fs::write(&out, "before").unwrap();
        let absent = path(env, "absent");
        env.run(&["save", "-o", &out, "nope"]).fails(125, "nope: image not known");
        env.run(&["save", "-o", &absent, "nope"]).fails(125, "nope: image not known");
        env.run(&["save", "--format", "tar", "-o", &out, "first:1"]).fails(125, "format value must be one of");
        env.run(&["save", "-o", &path(env, "a:b"), "first:1"]).fails(125, "should not contain ':'");
        env.run(&["save", "-o", &path(env, "no/where"), "first:1"]).fails(125, "no/where");
        assert_eq!(std::fs::read(&out).unwrap(), b"before");
        assert!(!env.place.join("absent").exists());
    });
}

/// Archives that are none, or lie: one line each, and nothing is left.
#[test]
fn a_bad_archive_leaves_nothing() {
    isolated(|env| {
        std::fs::write(env.place.join("secret"), "the host's").unwrap();
        let good = unpacked().docker_archive(&["localhost/a:1"]);
        let image = image();
        let docker = |manifest: &str, extra: Vec<Entry>| {
            let mut entries = vec![Entry::file("c.json", 0o644, image.config_bytes())];
            entries.extend(extra);
            entries.push(Entry::file("manifest.json", 0o644, manifest));
            archive(&entries)
        };
        let one = r#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar","l.tar","l.tar"]}]"#;
        let outside = path(env, "secret");
        let mut lying = self::image();
        lying.layers[1].diff_id = lying.layers[0].diff_id.clone();
        let mut swapped = self::image();
        swapped.layers[0].blob = swapped.layers[1].blob.clone();
        let deep = "[".repeat(200_000);
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("empty", Vec::new()),
            ("text", b"hello, I am no archive".to_vec()),
            ("zeros", vec![0; 4096]),
            ("gzip of nothing", pack(b"", Packing::Gzip)),
            ("broken gzip", pack(&good, Packing::Gzip)[..400].to_vec()),
            ("broken zstd", pack(&good, Packing::Zstd)[..400].to_vec()),
            ("half", good[..good.len() / 2].to_vec()),
            ("a root file system", archive(&[Entry::file("etc/passwd", 0o644, "x")])),
            ("no layer", docker(one, vec![])),
            ("a layer that is a link", docker(one, vec![Entry::symlink("l.tar", &outside)])),
            ("a layer that is a hard link", docker(one, vec![Entry::hardlink("l.tar", &outside)])),
            ("a layer that is a loop", docker(one, vec![Entry::symlink("l.tar", "l.tar")])),
            ("a configuration outside", docker(&one.replace("c.json", &outside), vec![])),
            ("a configuration above", docker(&one.replace("c.json", "../../../../etc/passwd"), vec![])),
            ("no list", docker("{}", vec![])),
            ("an empty list", docker("[]", vec![])),
            ("a deep list", docker(&deep, vec![])),
            ("a bad name", docker(&one.replace("a:1", "A B"), vec![])),
            ("another diff id", lying.docker_archive(&["a:1"])),
            ("another blob", swapped.docker_archive(&["a:1"])),
            (
                "an index that is none",
                archive(&[
                    Entry::file("oci-layout", 0o644, r#"{"imageLayoutVersion":"1.0.0"}"#),
                    Entry::file("index.json", 0o644, "[]"),
                ]),
            ),
            ("an index to nowhere", {
                let bytes = image.oci_archive("a");
                let manifest = crate::support::image::digest(&image.manifest(Flavor::Oci));
                let text = manifest["sha256:".len()..][..8].to_owned();
                let at = bytes.windows(8).position(|w| w == text.as_bytes()).unwrap();
                let mut bytes = bytes;
                bytes[at] ^= 1;
                bytes
            }),
        ];
        for (what, bytes) in cases {
            let file = write(env, "in", &bytes);
            let outcome = env.run(&["load", "-q", "-i", &file]);
            println!("{what}: {}", outcome.stderr.trim_end());
            assert_ne!(outcome.code, 0, "{what}: {outcome}");
            outcome.fails(125, "Error: ");
            assert!(!outcome.stderr.contains("the host's"), "{what}: {outcome}");
            env.root.run_with(&["load", "-q"], &bytes).exits(125);
            env.nothing_is_left();
        }
        env.run(&["load", "-i", &path(env, "nope")]).fails(125, "no such file or directory");
    });
}

#[test]
fn a_file_system_is_imported() {
    require!(podman);
    isolated(|env| {
        let tools = Tools::new(env);
        let tar = archive(&[Entry::dir("etc/", 0o755), Entry::file("etc/hi", 0o644, "hi")]);
        let file = write(env, "root.tar", &tar);
        let changes = [
            "CMD [\"/bin/x\"]",
            "LABEL a=b",
            "ENTRYPOINT=[\"/bin/foo\"]",
            "EXPOSE=80",
            "VOLUME /v",
            "WORKDIR /w",
            "USER me",
            "STOPSIGNAL 9",
            "ENV A=b",
        ];
        let mut words = vec!["import", "-q", "-m", "hello"];
        words.extend(changes.iter().flat_map(|change| ["-c", change]));
        words.extend([file.as_str(), "two"]);
        let id = env.run(&words).ok();
        tools.podman(&words).ok();
        let (ours, theirs) = (inspect(env, "two"), tools.podman(&["image", "inspect", "two"]).json()[0].take());
        assert_eq!(ours["Id"], json!(id.strip_prefix("sha256:").unwrap()));
        for key in ["Config", "RootFS", "Comment", "Architecture", "Os", "Labels", "User", "RepoTags", "ManifestType"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        assert_eq!(ours["History"][0]["created_by"], theirs["History"][0]["created_by"]);
        for packing in [Packing::None, Packing::Gzip, Packing::Zstd] {
            env.root.run_with(&["import", "-q", "-", "piped"], &pack(&tar, packing)).ok();
            assert_eq!(inspect(env, "piped")["RootFS"], ours["RootFS"], "{packing:?}");
        }
        env.run(&["rmi", "-af"]).ok();
        for (arguments, words) in [
            (&["import", "/nope/x.tar"][..], "/nope/x.tar"),
            (&["import", "-c", "FROM x", &file], "FROM"),
            (&["import", &file, "Bad Name"], "invalid reference"),
        ] {
            env.run(arguments).fails(125, words);
            env.nothing_is_left();
        }
        env.root.run_with(&["import", "-", "x"], b"no tar").exits(125);
        env.nothing_is_left();
    });
}
