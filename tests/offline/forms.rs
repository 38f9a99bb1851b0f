//! Layers in the forms that registries hold: several frames, empty, the same one again, very many, with addresses.

use std::path::Path;

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::image::{Flavor, Image, Layer, MANIFEST_OCI, Packing, digest, pack};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};

const PLAIN: &str = "--tls-verify=false";

fn layer(name: &str, text: &str) -> Layer {
    Layer::new(&[Entry::file(name, 0o644, text)], Packing::Gzip)
}

fn pull(env: &TestEnv, name: &str) -> String {
    env.run(&["pull", "-q", PLAIN, "--retry", "0", name]).ok()
}

/// What the files of the image say, then unmounts it.
fn texts(env: &TestEnv, name: &str, files: &[&str]) -> Vec<String> {
    let root = env.run(&["image", "mount", name]).ok();
    let read = |file: &&str| std::fs::read_to_string(Path::new(&root).join(file)).unwrap();
    let texts = files.iter().map(read).collect();
    env.run(&["image", "unmount", name]).ok();
    texts
}

/// A skippable frame of zstd: its magic number, its length, its bytes (RFC 8878, 3.1.2).
fn skippable(bytes: &[u8]) -> Vec<u8> {
    [&0x184D_2A50_u32.to_le_bytes()[..], &u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

#[test]
fn a_layer_of_many_frames_is_read_to_its_end() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let text = "0123456789abcdef".repeat(4096);
        let mut image = Image::of(vec![Layer::new(
            &[
                Entry::file("first", 0o644, "1"),
                Entry::file("long", 0o644, text.clone()),
                Entry::file("last", 0o644, "3"),
            ],
            Packing::Zstd,
        )]);
        // As zstd:chunked has it: a frame for each piece, and behind them frames that a reader of zstd skips.
        let mut blob = skippable(b"in front");
        for piece in image.layers[0].tar.chunks(5000) {
            blob.extend(pack(piece, Packing::Zstd));
        }
        blob.extend(skippable(b"a table of contents"));
        blob.extend(skippable(&[0; 64]));
        image.layers[0].blob = blob;
        registry.add("frames", "1", &image, Flavor::Oci);
        let name = registry.reference("frames:1");
        assert_eq!(pull(env, &name), image.id());
        assert_eq!(texts(env, &name, &["first", "long", "last"]), ["1", text.as_str(), "3"]);
        // The very bytes go out again.
        env.run(&["push", "-q", PLAIN, &name, &registry.reference("again:1")]).ok();
        let sent: Value = serde_json::from_slice(&registry.manifest("again", "1").unwrap()).unwrap();
        assert_eq!(sent["layers"][0]["digest"], json!(digest(&image.layers[0].blob)));
        env.run(&["rmi", "-a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn what_skopeo_writes_as_chunks_is_read() {
    require!(registry, skopeo, busybox);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let tools = Tools::new(env);
        let name = format!("{}/made/by:chunked", Distribution::ADDRESS);
        let image = Image::busybox().layer(&[Entry::file("etc/more", 0o644, "more")], Packing::Gzip);
        std::fs::write(env.place.join("base.tar"), image.oci_archive("base")).unwrap();
        let words = ["--dest-compress-format", "zstd:chunked", "--dest-compress", "--format", "oci"];
        tools.copy(&words, "oci-archive:base.tar", &format!("docker://{name}"));
        let raw = tools.run(&["skopeo", "inspect", "--raw", PLAIN, &format!("docker://{name}")]);
        let raw: Value = serde_json::from_str(&raw).unwrap();
        assert_eq!(pull(env, &name), image.id());
        let layers = env.run(&["image", "inspect", &name]).json()[0]["RootFS"]["Layers"].take();
        assert_eq!(layers, json!(image.layers.iter().map(|layer| layer.diff_id.as_str()).collect::<Vec<_>>()), "{raw}");
        assert_eq!(texts(env, &name, &["etc/more"]), ["more"]);
        let chunked = raw["layers"].as_array().unwrap().iter().any(|layer| {
            layer["annotations"].as_object().is_some_and(|all| all.keys().any(|key| key.contains("zstd-chunked")))
        });
        assert!(chunked, "skopeo wrote no zstd:chunked: {raw}");
    });
}

#[test]
fn empty_layers_are_layers() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let empty = |packing| Layer::of_tar(vec![0; 1024], packing);
        let layers = vec![empty(Packing::Gzip), layer("f", "text"), empty(Packing::None), empty(Packing::Zstd)];
        let image = Image::of(layers);
        registry.add("empty", "1", &image, Flavor::Oci);
        let name = registry.reference("empty:1");
        assert_eq!(pull(env, &name), image.id());
        assert_eq!(texts(env, &name, &["f"]), ["text"]);
        let sizes = env.run(&["history", "--human=false", "--format", "{{.Size}}", &name]).lines();
        assert_eq!(sizes, ["0", "0", "4", "0"]);
        // Nothing but an empty layer.
        let bare = Image::of(vec![empty(Packing::Gzip)]);
        registry.add("empty", "2", &bare, Flavor::Docker);
        assert_eq!(pull(env, &registry.reference("empty:2")), bare.id());
        env.run(&["rmi", &image.id()]).ok();
        assert_eq!(texts(env, &bare.id(), &[]), Vec::<String>::new(), "its layer was the other's too");
        env.run(&["rmi", "-a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn the_same_layer_counts_wherever_it_is() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let (a, b) = (layer("f", "a"), layer("f", "b"));
        let gone = Layer::new(&[Entry::whiteout("f")], Packing::Gzip);
        let image = Image::of(vec![a.clone(), b.clone(), gone.clone(), a.clone(), a.clone(), gone, b.clone(), b, a]);
        registry.add("same", "1", &image, Flavor::Oci);
        let name = registry.reference("same:1");
        registry.requests();
        assert_eq!(pull(env, &name), image.id());
        let blobs = registry.requests().iter().filter(|r| r.method == "GET" && r.path.contains("/blobs/")).count();
        assert_eq!(blobs, 4, "three layers and the configuration, each once");
        assert_eq!(texts(env, &name, &["f"]), ["a"]);
        for format in ["docker-archive", "oci-archive"] {
            let file = env.place.join(format).display().to_string();
            env.run(&["save", "-q", "--format", format, "-o", &file, &name]).ok();
            env.run(&["rmi", "-a"]).ok();
            env.nothing_is_left();
            env.run(&["load", "-q", "-i", &file]).ok();
            assert_eq!(env.run(&["images", "-q", "--no-trunc"]).text(), format!("sha256:{}", image.id()), "{format}");
            assert_eq!(texts(env, &image.id(), &["f"]), ["a"], "{format}");
        }
    });
}

#[test]
fn an_image_of_127_layers_is_mounted_and_saved() {
    isolated(|env| {
        let names: Vec<String> = (0..127).map(|number| format!("f{number}")).collect();
        let with_top = |name: &String| {
            Layer::new(
                &[Entry::file(name, 0o644, name.as_str()), Entry::file("top", 0o644, name.as_str())],
                Packing::None,
            )
        };
        let image = Image::of(names.iter().map(with_top).collect());
        env.load(&image, "localhost/deep:1").ok();
        let mut files: Vec<&str> = names.iter().map(String::as_str).collect();
        files.push("top");
        let mut expected = files.clone();
        expected[127] = "f126";
        assert_eq!(texts(env, "deep:1", &files), expected);
        let file = env.place.join("deep.tar").display().to_string();
        env.run(&["save", "-q", "--format", "oci-archive", "-o", &file, "deep:1"]).ok();
        env.run(&["rmi", "deep:1"]).ok();
        env.nothing_is_left();
        env.run(&["load", "-q", "-i", &file]).ok();
        assert_eq!(texts(env, &image.id(), &files), expected);
    });
}

/// The manifest of `image` with `urls` and a media type at its layer.
fn foreign(image: &Image, kind: &str) -> Vec<u8> {
    let mut manifest: Value = serde_json::from_slice(&image.manifest(Flavor::Oci)).unwrap();
    manifest["layers"][0]["mediaType"] = json!(kind);
    manifest["layers"][0]["urls"] = json!(["http://127.0.0.1:1/layer"]);
    serde_json::to_vec(&manifest).unwrap()
}

#[test]
fn a_layer_with_addresses_comes_from_its_registry() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let (here, away) = (Image::of(vec![layer("f", "here")]), Image::of(vec![layer("f", "away")]));
        registry.add("foreign", "1", &here, Flavor::Oci);
        registry.add_blob(away.config_bytes());
        for kind in [
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ] {
            registry.add_manifest("foreign", "1", MANIFEST_OCI, &foreign(&here, kind));
            let name = registry.reference("foreign:1");
            assert_eq!(pull(env, &name), here.id(), "{kind}");
            assert_eq!(texts(env, &name, &["f"]), ["here"], "{kind}");
            env.run(&["rmi", "-a"]).ok();
            // What the registry does not have is not asked for in the clear where a manifest points.
            registry.add_manifest("foreign", "2", MANIFEST_OCI, &foreign(&away, kind));
            let lost = env.run(&["pull", "-q", PLAIN, "--retry", "0", &registry.reference("foreign:2")]);
            lost.fails(125, &digest(&away.layers[0].blob));
            env.nothing_is_left();
        }
    });
}
