//! Images to and from the places that are no registry: layouts, loose files, archives.

use std::path::Path;

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::image::{Flavor, Image, Layer, Packing, digest};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;

fn layered(words: &[&str]) -> Image {
    Image::of(words.iter().map(|word| Layer::new(&[Entry::file(word, 0o644, *word)], Packing::Gzip)).collect())
}

/// Pulls an image as it would come from a registry, and calls it `here:1`.
fn stocked(env: &mut TestEnv, image: &Image, flavor: Flavor) -> String {
    let registry = Registry::beside(env);
    registry.add("from", "1", image, flavor);
    let name = registry.reference("from:1");
    env.run(&["pull", "-q", "--tls-verify=false", &name]).ok();
    env.run(&["tag", &name, "here:1"]).ok();
    env.run(&["untag", &image.id(), &name]).ok();
    image.id()
}

fn names(env: &TestEnv) -> Vec<String> {
    env.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).ok().lines().map(str::to_owned).collect()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_place_gives_back_what_it_took() {
    isolated(|env| {
        for flavor in [Flavor::Oci, Flavor::Docker] {
            let image = layered(&["one", "two", "one"]);
            let id = stocked(env, &image, flavor);
            let place = env.place.join("places");
            std::fs::create_dir(&place).unwrap();
            let at = |name: &str| place.join(name).display().to_string();
            for (to, from, called) in [
                (format!("dir:{}", at("deep/dir")), format!("dir:{}", at("deep/dir")), "<none>:<none>"),
                (format!("oci:{}:v1", at("layout")), format!("oci:{}:v1", at("layout")), "localhost/v1:latest"),
                (
                    format!("oci-archive:{}:v2", at("o.tar")),
                    format!("oci-archive:{}", at("o.tar")),
                    "localhost/v2:latest",
                ),
                (
                    format!("docker-archive:{}:name:3", at("d.tar")),
                    format!("docker-archive:{}", at("d.tar")),
                    "docker.io/library/name:3",
                ),
            ] {
                std::fs::create_dir_all(place.join("deep")).unwrap();
                let file = env.place.join("digest").display().to_string();
                env.run(&["push", "-q", "--digestfile", &file, "here:1", &to]).ok();
                assert_eq!(env.run(&["pull", "-q", &from]).ok(), id, "{to}");
                assert!(
                    names(env).contains(&called.to_owned()) || called.starts_with("<none>"),
                    "{to}: {:?}",
                    names(env)
                );
                env.run(&["untag", &id]).ok();
                env.run(&["tag", &id, "here:1"]).ok();
                let written = std::fs::read_to_string(&file).unwrap();
                match (to.split(':').next().unwrap(), flavor) {
                    ("dir", _) | ("oci", Flavor::Oci) => assert_eq!(written, digest(&image.manifest(flavor)), "{to}"),
                    _ => assert!(written.starts_with("sha256:")),
                }
            }
            // An archive is written once, a directory of others never, one of ours again.
            env.run(&["push", "-q", "here:1", &format!("oci-archive:{}", at("o.tar"))]).fails(125, "exist");
            std::fs::create_dir(place.join("mine")).unwrap();
            std::fs::write(place.join("mine/precious"), "1").unwrap();
            env.run(&["push", "-q", "here:1", &format!("dir:{}", at("mine"))])
                .fails(125, "not a containers image directory");
            assert_eq!(std::fs::read_dir(place.join("mine")).unwrap().count(), 1);
            env.run(&["rmi", "-f", &id]).ok();
            let other = layered(&["three"]);
            let second = stocked(env, &other, flavor);
            env.run(&["push", "-q", "here:1", &format!("dir:{}", at("deep/dir"))]).ok();
            // version, manifest.json, the configuration and one layer: what the first image had is gone.
            assert_eq!(std::fs::read_dir(place.join("deep/dir")).unwrap().count(), 4);
            env.run(&["push", "-q", "here:1", &format!("oci:{}:v2", at("layout"))]).ok();
            env.run(&["push", "-q", "here:1", &format!("oci:{}:v2", at("layout"))]).ok();
            let index = json_of(&place.join("layout/index.json"));
            let names: Vec<&str> = index["manifests"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap())
                .collect();
            assert_eq!(names, ["v1", "v2"]);
            env.run(&["rmi", "-f", &second]).ok();
            env.run(&["pull", "-q", &format!("oci:{}", at("layout"))]).fails(125, "2 images");
            assert_eq!(env.run(&["pull", "-q", &format!("oci:{}:v2", at("layout"))]).ok(), second);
            env.run(&["rmi", "-f", &second]).ok();
            std::fs::remove_dir_all(&place).unwrap();
            env.nothing_is_left();
        }
    });
}

#[test]
fn loose_files_that_lie_are_refused() {
    isolated(|env| {
        let image = layered(&["one", "two"]);
        let id = stocked(env, &image, Flavor::Oci);
        let dir = env.place.join("loose");
        let target = format!("dir:{}", dir.display());
        env.run(&["push", "-q", "here:1", &target]).ok();
        env.run(&["rmi", "-f", &id]).ok();
        let layer = digest(&image.layers[0].blob).replace("sha256:", "");
        let manifest = std::fs::read(dir.join("manifest.json")).unwrap();
        for (name, content, words) in [
            (layer.as_str(), Some(vec![0; image.layers[0].blob.len()]), "digest"),
            (layer.as_str(), Some(b"short".to_vec()), "bytes instead of"),
            (layer.as_str(), None, "missing"),
            (id.as_str(), Some(b"{}".to_vec()), "digest"),
            ("version", Some(b"Directory Transport Version: 2.0\n".to_vec()), "unsupported version"),
            ("manifest.json", Some(b"{}".to_vec()), "schemaVersion"),
            ("manifest.json", None, "missing"),
        ] {
            let kept = std::fs::read(dir.join(name)).unwrap();
            match content {
                Some(bytes) => std::fs::write(dir.join(name), bytes).unwrap(),
                None => std::fs::remove_file(dir.join(name)).unwrap(),
            }
            env.run(&["pull", "-q", &target]).fails(125, words);
            env.nothing_is_left();
            std::fs::write(dir.join(name), kept).unwrap();
        }
        // A file may not lead elsewhere.
        std::fs::rename(dir.join("manifest.json"), env.place.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(env.place.join("elsewhere"), dir.join("manifest.json")).unwrap();
        env.run(&["pull", "-q", &target]).exits(125);
        std::fs::remove_file(dir.join("manifest.json")).unwrap();
        std::fs::write(dir.join("manifest.json"), manifest).unwrap();
        assert_eq!(env.run(&["pull", "-q", &target]).ok(), id);
        env.run(&["rmi", "-f", &id]).ok();
    });
}

/// Each reads what the other wrote, in every place.
#[test]
fn places_are_shared_with_podman_and_skopeo() {
    require!(podman, skopeo);
    isolated(|env| {
        let image = layered(&["one", "two"]);
        let id = stocked(env, &image, Flavor::Oci);
        let tools = Tools::new(env);
        let at = |name: &str| env.place.join(name).display().to_string();
        for place in [
            format!("dir:{}", at("dir")),
            format!("oci:{}:v1", at("layout")),
            format!("oci-archive:{}:v1", at("o.tar")),
            format!("docker-archive:{}:name:1", at("d.tar")),
        ] {
            env.run(&["push", "-q", "here:1", &place]).ok();
            // podman's archives have several names for one image.
            assert_eq!(tools.podman(&["pull", "-q", &place]).ok().lines().last(), Some(id.as_str()), "{place}");
            tools.podman(&["rmi", "-fa"]).ok();
            let about = tools.run(&["skopeo", "inspect", "--config", &place]);
            let about: Value = serde_json::from_str(&about).unwrap();
            assert_eq!(
                about["rootfs"]["diff_ids"],
                json!([image.layers[0].diff_id, image.layers[1].diff_id]),
                "{place}"
            );
        }
        env.run(&["save", "-q", "--format", "oci-dir", "-o", &at("saved-oci"), "here:1"]).ok();
        env.run(&["save", "-q", "--format", "docker-dir", "-o", &at("saved-docker"), "here:1"]).ok();
        for saved in [at("saved-oci"), at("saved-docker")] {
            let out = tools.podman(&["load", "-q", "-i", &saved]).ok();
            assert!(out.contains("Loaded image"), "{out}");
            tools.podman(&["rmi", "-fa"]).ok();
        }
        // And the other way round.
        for (to, from) in [
            (format!("dir:{}", at("theirs")), format!("dir:{}", at("theirs"))),
            (format!("oci:{}:v3", at("their-layout")), format!("oci:{}:v3", at("their-layout"))),
        ] {
            tools.copy(&[], &format!("dir:{}", at("dir")), &to);
            env.run(&["rmi", "-f", &id]).ok();
            assert_eq!(env.run(&["pull", "-q", &from]).ok(), id, "{from}");
        }
        env.run(&["rmi", "-f", &id]).ok();
        let loaded = env.run(&["load", "-q", "-i", &at("theirs")]).ok();
        assert!(loaded.contains(&id), "{loaded}");
    });
}
