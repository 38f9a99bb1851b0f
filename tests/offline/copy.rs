//! `dhow image copy` and `dhow image inspect` of images that are elsewhere: between registries, files and the store.

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::image::{Flavor, Image, Layer, MANIFEST_DOCKER, MANIFEST_OCI, Packing, digest};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;

fn image(words: &[&str], packing: Packing) -> Image {
    Image::of(words.iter().map(|word| Layer::new(&[Entry::file(word, 0o644, *word)], packing)).collect())
}

fn copy(env: &TestEnv, words: &[&str]) {
    let all: Vec<&str> = ["image", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]
        .iter()
        .chain(words)
        .copied()
        .collect();
    env.run(&all).ok();
}

#[test]
fn an_image_goes_round_through_every_place_and_stays_what_it_is() {
    isolated(|env| {
        let (from, to) = (Registry::beside(env), Registry::beside(env));
        let image = image(&["one", "two", "one"], Packing::Gzip);
        from.add("app", "1", &image, Flavor::Oci);
        let path = |name: &str| env.place.join(name).display().to_string();
        let places = [
            format!("docker://{}", from.reference("app:1")),
            format!("oci:{}:a", path("layout")),
            format!("dir:{}", path("dir")),
            format!("oci-archive:{}:a", path("oci.tar")),
            format!("docker://{}", to.reference("made/app:2")),
        ];
        for pair in places.windows(2) {
            copy(env, &[&pair[0], &pair[1]]);
        }
        let manifest = image.manifest(Flavor::Oci);
        assert_eq!(to.manifest("made/app", "2").as_deref(), Some(&manifest[..]), "to the byte, through all of them");
        for blob in image.layers.iter().map(|layer| &layer.blob).chain([&image.config_bytes()]) {
            assert_eq!(to.blob(&digest(blob)).as_deref(), Some(&blob[..]));
        }
        // Nothing of it came into the store.
        assert_eq!(env.run(&["images", "-q"]).ok(), "");
        // In and out of the store.
        copy(env, &[&places[3], "containers-storage:mine:3"]);
        assert_eq!(env.run(&["images", "-q", "--no-trunc"]).ok(), format!("sha256:{}", image.id()));
        let file = path("digest");
        copy(env, &["--digestfile", &file, "containers-storage:mine:3", &format!("dir:{}", path("out"))]);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), digest(&manifest));
        copy(env, &[&places[0], "containers-storage:mine:4"]);
        env.run(&["rmi", "-a", "-f"]).ok();
        // Docker's archive has plain layers and no manifest: the image is the same by its id.
        let archive = format!("docker-archive:{}:x/y:1", path("docker.tar"));
        copy(env, &[&places[4], &archive]);
        copy(env, &[&archive, &format!("docker://{}", to.reference("again:1"))]);
        let sent: Value = serde_json::from_slice(&to.manifest("again", "1").unwrap()).unwrap();
        assert_eq!(sent["config"]["digest"], json!(format!("sha256:{}", image.id())));
        assert!(sent["layers"][0]["mediaType"].as_str().unwrap().ends_with("gzip"), "packed on the way");
        env.nothing_is_left();
    });
}

#[test]
fn forms_change_when_asked_and_an_index_goes_whole() {
    isolated(|env| {
        let (from, to) = (Registry::beside(env), Registry::beside(env));
        let one = image(&["one"], Packing::Gzip);
        from.add("app", "1", &one, Flavor::Docker);
        let (source, target) = (format!("docker://{}", from.reference("app:1")), to.reference("app:1"));
        copy(env, &["--format", "oci", "--compression-format", "zstd", &source, &format!("docker://{target}")]);
        let sent: Value = serde_json::from_slice(&to.manifest("app", "1").unwrap()).unwrap();
        assert_eq!(sent["mediaType"], json!(MANIFEST_OCI));
        assert!(sent["layers"][0]["mediaType"].as_str().unwrap().ends_with("+zstd"));
        let mut entries = Vec::new();
        for (architecture, flavor) in [("amd64", Flavor::Oci), ("s390x", Flavor::Docker)] {
            let image = image(&[architecture], Packing::Gzip);
            from.add("many", architecture, &image, flavor);
            let manifest = image.manifest(flavor);
            let kind = if matches!(flavor, Flavor::Oci) { MANIFEST_OCI } else { MANIFEST_DOCKER };
            entries.push(json!({"mediaType": kind, "digest": digest(&manifest), "size": manifest.len(),
                "platform": {"os": "linux", "architecture": architecture}}));
        }
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries})).unwrap();
        from.add_manifest("many", "1", kind, &index);
        let (source, target) = (from.reference("many:1"), to.reference("many:1"));
        copy(env, &["--all", &format!("docker://{source}"), &format!("docker://{target}")]);
        assert_eq!(to.manifest("many", "1").unwrap(), index);
        for entry in &entries {
            let digest = entry["digest"].as_str().unwrap();
            assert_eq!(to.manifest("many", digest), from.manifest("many", digest));
        }
        // One platform of it.
        let dir = env.place.join("one").display().to_string();
        copy(env, &["--platform", "linux/s390x", &format!("docker://{source}"), &format!("dir:{dir}")]);
        let manifest = std::fs::read(env.place.join("one/manifest.json")).unwrap();
        assert_eq!(json!(digest(&manifest)), entries[1]["digest"]);
        let bad = env.run(&["image", "copy", "app:1", "dir:/x"]);
        bad.fails(125, "it has no transport");
        env.nothing_is_left();
    });
}

/// R22.
#[test]
fn a_policy_stops_a_copy_before_any_layer() {
    isolated(|env| {
        let from = Registry::beside(env);
        from.add("app", "1", &image(&["one"], Packing::Gzip), Flavor::Oci);
        let home = env.root.home.join(".config/containers");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("policy.json"), r#"{"default":[{"type":"reject"}]}"#).unwrap();
        let source = format!("docker://{}", from.reference("app:1"));
        let dir = format!("dir:{}", env.place.join("out").display());
        env.run(&["image", "copy", "-q", "--src-tls-verify=false", &source, &dir]).fails(125, "is rejected by policy");
        assert!(from.requests().iter().all(|request| !request.path.contains("/blobs/")));
        env.nothing_is_left();
    });
}

#[test]
fn an_image_is_looked_at_where_it_is_as_skopeo_does() {
    require!(skopeo);
    isolated(|env| {
        let from = Registry::beside(env);
        let image = image(&["one", "two"], Packing::Gzip);
        from.add("app", "1", &image, Flavor::Oci);
        let source = format!("docker://{}", from.reference("app:1"));
        let looked = |words: &[&str]| {
            let all: Vec<&str> = ["image", "inspect", "--tls-verify=false"].iter().chain(words).copied().collect();
            env.run(&all)
        };
        let skopeo = |words: &[&str]| {
            let all: Vec<&str> = ["skopeo", "inspect", "--tls-verify=false"].iter().chain(words).copied().collect();
            Tools::new(env).run(&all)
        };
        assert_eq!(looked(&["--raw", &source]).stdout, image.manifest(Flavor::Oci));
        let config: Value = serde_json::from_slice(&image.config_bytes()).unwrap();
        assert_eq!(looked(&["--config", &source]).json(), config);
        let mut ours = looked(&[&source]).json()[0].take();
        let theirs: Value = serde_json::from_str(&skopeo(&[&source])).unwrap();
        for (key, value) in theirs.as_object().unwrap() {
            assert_eq!(ours[key], *value, "{key}");
        }
        assert_eq!(ours["LayersData"][1]["Size"], json!(image.layers[1].blob.len()));
        let dir = format!("dir:{}", env.place.join("d").display());
        copy(env, &[&source, &dir]);
        ours = looked(&["--format", "{{.Digest}}", &dir]).text().into();
        assert_eq!(ours, json!(digest(&image.manifest(Flavor::Oci))));
        assert_eq!(env.run(&["images", "-q"]).ok(), "", "nothing came into the store");
        env.nothing_is_left();
    });
}
