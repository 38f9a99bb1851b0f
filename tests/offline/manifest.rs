//! `dhow manifest`: lists of images, seen in what the store keeps and in what a registry gets.

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::image::{Flavor, Image, Layer, MANIFEST_DOCKER, MANIFEST_OCI, Packing, architecture, digest};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::Tools;

const PLAIN: &str = "--tls-verify=false";
const INDEX_OCI: &str = "application/vnd.oci.image.index.v1+json";
const LIST_DOCKER: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn image(word: &str) -> Image {
    Image::of(vec![Layer::new(&[Entry::file(word, 0o644, word)], Packing::Gzip)])
}

fn inspect(env: &TestEnv, name: &str) -> Value {
    env.run(&["manifest", "inspect", PLAIN, name]).json()
}

fn stocked(env: &TestEnv, registry: &Registry, name: &str, image: &Image, flavor: Flavor) {
    registry.add("from", name, image, flavor);
    let from = registry.reference(&format!("from:{name}"));
    env.run(&["pull", "-q", PLAIN, &from]).ok();
    env.run(&["tag", &from, name]).ok();
    env.run(&["untag", &from, &from]).ok();
}

#[test]
fn a_list_is_made_changed_and_removed() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let (one, two) = (image("one"), image("two"));
        stocked(env, &registry, "one", &one, Flavor::Oci);
        stocked(env, &registry, "two", &two, Flavor::Docker);
        let id = env.run(&["manifest", "create", "all"]).ok().trim().to_owned();
        assert_eq!(id.len(), 64);
        let empty = json!({"schemaVersion": 2, "mediaType": LIST_DOCKER, "manifests": []});
        assert_eq!(inspect(env, "all"), empty);
        let again = env.run(&["manifest", "create", "all"]);
        again.fails(125, "that name is already in use");
        assert_eq!(env.run(&["manifest", "create", "--amend", "all", "two"]).ok().trim(), id);
        let (first, second) = (one.manifest(Flavor::Oci), two.manifest(Flavor::Docker));
        let docker = json!({
            "mediaType": MANIFEST_DOCKER, "size": second.len(), "digest": digest(&second),
            "platform": {"architecture": architecture(), "os": "linux"},
        });
        let whole = json!({"schemaVersion": 2, "mediaType": LIST_DOCKER, "manifests": [docker]});
        assert_eq!(inspect(env, "localhost/all:latest"), whole);
        let words = ["manifest", "add", "--annotation", "a=b", "--os-version", "1.2", "all", "containers-storage:one"];
        assert_eq!(env.run(&words).ok().trim(), id);
        let mut oci = json!({
            "mediaType": MANIFEST_OCI, "size": first.len(), "digest": digest(&first),
            "platform": {"architecture": architecture(), "os": "linux", "os.version": "1.2"}, "annotations": {"a": "b"},
        });
        let whole = json!({"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": [docker, oci]});
        assert_eq!(inspect(env, &id[..12]), whole);
        env.run(&["manifest", "annotate", "--arch=arm64", "--variant=v8", "all", &digest(&first)]).ok();
        oci["platform"] = json!({"architecture": "arm64", "os": "linux", "os.version": "1.2", "variant": "v8"});
        assert_eq!(inspect(env, "all")["manifests"][1], oci);
        let strange = digest(b"strange");
        env.run(&["manifest", "annotate", "all", &strange]).fails(125, "was found in list");
        env.run(&["manifest", "remove", "all", &strange]).fails(125, "no instance matching digest");
        env.run(&["manifest", "remove", "all", &digest(&second)]).ok();
        assert_eq!(inspect(env, "all")["manifests"], json!([oci]));
        // Names are those of images.
        env.run(&["tag", "all", "other:2"]).ok();
        let listed = env.run(&["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
        for name in ["all:latest", "other:2"] {
            assert!(listed.ok().contains(&format!("localhost/{name} {}", &id[..12])), "{}", listed.ok());
        }
        env.run(&["manifest", "exists", "other:2"]).ok();
        env.run(&["manifest", "exists", "one"]).exits(1);
        env.run(&["manifest", "rm", "one"]).fails(125, "localhost/one:latest: image is not a manifest list");
        assert_eq!(env.run(&["manifest", "rm", "other:2"]).ok(), "Untagged: localhost/other:2");
        let gone = format!("Untagged: localhost/all:latest\nDeleted: {id}");
        assert_eq!(env.run(&["manifest", "rm", "all"]).ok(), gone);
        env.run(&["manifest", "exists", "all"]).exits(1);
        env.run(&["manifest", "add", "all", "one"]).fails(125, "all: image not known");
        env.run(&["rmi", "-a"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_policy_keeps_images_of_a_registry_out_of_a_list() {
    isolated(|env| {
        let from = Registry::beside(env);
        from.add("app", "1", &image("app"), Flavor::Oci);
        let name = from.reference("app:1");
        env.run(&["manifest", "create", "all"]).ok();
        let dir = env.root.home.join(".config/containers");
        std::fs::create_dir_all(&dir).unwrap();
        let reject = json!([{"type": "reject"}]);
        let set = |policy: &Value| std::fs::write(dir.join("policy.json"), policy.to_string()).unwrap();
        set(&json!({"default": reject}));
        let add = || env.run(&["manifest", "add", PLAIN, "all", &format!("docker://{name}")]);
        add().fails(125, "is rejected by policy");
        assert_eq!(inspect(env, "all")["manifests"], json!([]));
        assert!(from.requests().iter().all(|request| !request.path.contains("/blobs/")));
        let accept = json!([{"type": "insecureAcceptAnything"}]);
        set(&json!({"default": reject, "transports": {"docker": {name.trim_end_matches(":1"): accept}}}));
        add().ok();
        env.run(&["manifest", "rm", "all"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_list_goes_with_its_images_wherever_they_are() {
    isolated(|env| {
        let (from, to) = (Registry::beside(env), Registry::beside(env));
        let (here, there) = (image("here"), image("there"));
        stocked(env, &from, "here", &here, Flavor::Oci);
        from.add("far", "1", &there, Flavor::Oci);
        env.run(&["manifest", "create", "all", "here"]).ok();
        env.run(&["manifest", "add", PLAIN, "--arch=s390x", "all", &format!("docker://{}", from.reference("far:1"))])
            .ok();
        // The image goes; the list keeps what it needs of it.
        env.run(&["rmi", "-f", "here"]).ok();
        let file = env.place.join("digest").display().to_string();
        let target = to.reference("made/app:1");
        env.run(&["manifest", "push", "-q", PLAIN, "--digestfile", &file, "all", &format!("docker://{target}")]).ok();
        let sent = to.manifest("made/app", "1").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), digest(&sent));
        let index: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!((&index["mediaType"], index["manifests"].as_array().unwrap().len()), (&json!(INDEX_OCI), 2));
        for image in [&here, &there] {
            let manifest = image.manifest(Flavor::Oci);
            assert_eq!(to.manifest("made/app", &digest(&manifest)).as_deref(), Some(&manifest[..]), "as it was");
            for blob in [&image.layers[0].blob, &image.config_bytes()] {
                assert_eq!(to.blob(&digest(blob)).as_deref(), Some(&blob[..]));
            }
        }
        let shown = inspect(env, &target);
        assert_eq!(shown, index, "a registry's list is shown too");
        // Only the list, changed to Docker's format: its images are there.
        let bare = to.reference("made/app:2");
        env.run(&["manifest", "push", "-q", PLAIN, "--all=false", "-f", "v2s2", "--rm", "all", &bare]).ok();
        let sent: Value = serde_json::from_slice(&to.manifest("made/app", "2").unwrap()).unwrap();
        assert_eq!(sent["mediaType"], json!(LIST_DOCKER));
        env.run(&["manifest", "exists", "all"]).exits(1);
        // A list of a registry is taken apart: all of it, or what serves this machine.
        env.run(&["manifest", "create", PLAIN, "--all", "whole", &target]).ok();
        assert_eq!(inspect(env, "whole")["manifests"], index["manifests"]);
        env.run(&["manifest", "create", PLAIN, "part", &target]).ok();
        assert_eq!(inspect(env, "part")["manifests"], json!([index["manifests"][0]]));
        env.run(&["manifest", "rm", "whole", "part"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn an_index_without_an_image_for_this_machine_is_shown_and_taken_whole() {
    isolated(|env| {
        let (from, to) = (Registry::beside(env), Registry::beside(env));
        let mut entries = Vec::new();
        for platform in ["s390x", "ppc64le"] {
            let manifest = from.add("app", platform, &image(platform), Flavor::Oci);
            let size = from.manifest("app", platform).unwrap().len();
            entries.push(json!({
                "mediaType": MANIFEST_OCI, "size": size, "digest": manifest,
                "platform": {"architecture": platform, "os": "linux"},
            }));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": entries});
        from.add_manifest("app", "1", INDEX_OCI, &serde_json::to_vec(&index).unwrap());
        let name = from.reference("app:1");
        assert_eq!(inspect(env, &name), index);
        let none = format!("choosing an image from manifest list docker://{name}: no image found in image index");
        env.run(&["pull", "-q", PLAIN, "--retry", "0", &name]).fails(125, &format!("Error: {none}"));
        env.run(&["manifest", "create", "all"]).ok();
        env.run(&["manifest", "add", PLAIN, "all", &format!("docker://{name}")]).fails(125, &none);
        assert_eq!(inspect(env, "all")["manifests"], json!([]));
        env.run(&["manifest", "add", PLAIN, "--all", "all", &format!("docker://{name}")]).ok();
        assert_eq!(inspect(env, "all")["manifests"], index["manifests"]);
        // What the images are made of comes from where they were.
        let target = to.reference("made:1");
        env.run(&["manifest", "push", "-q", PLAIN, "all", &target]).ok();
        assert_eq!(inspect(env, &target), index);
        for platform in ["s390x", "ppc64le"] {
            let sent = to.blob(&digest(&image(platform).layers[0].blob));
            assert_eq!(sent.as_deref(), Some(&image(platform).layers[0].blob[..]));
        }
        env.run(&["manifest", "rm", "all"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_damaged_list_hides_nothing_and_skopeo_reads_what_was_pushed() {
    require!(skopeo);
    isolated(|env| {
        let registry = Registry::beside(env);
        let one = image("one");
        stocked(env, &registry, "one", &one, Flavor::Oci);
        let id = env.run(&["manifest", "create", "all", "one"]).ok().trim().to_owned();
        let target = registry.reference("made:1");
        env.run(&["manifest", "push", "-q", PLAIN, "all", &target]).ok();
        let seen = Tools::new(env).run(&["skopeo", "inspect", "--raw", PLAIN, &format!("docker://{target}")]);
        assert_eq!(seen.trim().as_bytes(), registry.manifest("made", "1").unwrap());
        let record = env.root.store.join("images/lists").join(format!("{id}.json"));
        std::fs::write(&record, "{torn").unwrap();
        assert!(env.run(&["images", "-q"]).ok().contains(&one.id()[..12]));
        env.run(&["manifest", "inspect", "all"]).exits(125);
        env.run(&["rmi", "-f", &id]).ok();
        env.run(&["rmi", "-f", "one"]).ok();
        env.nothing_is_left();
    });
}

#[test]
fn a_list_goes_into_layouts_archives_and_directories_with_its_images() {
    require!(skopeo);
    isolated(|env| {
        let registry = Registry::beside(env);
        stocked(env, &registry, "one", &image("one"), Flavor::Oci);
        stocked(env, &registry, "two", &image("two"), Flavor::Docker);
        env.run(&["manifest", "create", "all"]).ok();
        env.run(&["manifest", "add", "--arch", "arm64", "all", "containers-storage:one"]).ok();
        env.run(&["manifest", "add", "all", "containers-storage:two"]).ok();
        let place = |name: &str| env.place.join(name).display().to_string();
        let tools = Tools::new(env);
        let read = |from: &str, words: &[&str]| {
            tools.run(&[&["skopeo", "--insecure-policy"][..], words, &["inspect", "--raw", from]].concat())
        };
        for to in [
            format!("oci:{}:kept", place("layout")),
            format!("oci-archive:{}:kept", place("a.tar")),
            format!("dir:{}", place("dir")),
        ] {
            env.run(&["manifest", "push", "-q", "--all", "all", &to]).ok();
            let index: Value = serde_json::from_str(&read(&to, &[])).unwrap();
            let lines = index["manifests"].as_array().unwrap();
            assert_eq!(lines.len(), 2, "{to}: {index}");
            assert_eq!(
                (&lines[0]["platform"]["architecture"], lines[1]["digest"].is_string()),
                (&json!("arm64"), true)
            );
            // Each image is whole, by others' reading, and comes back.
            for arch in ["arm64", architecture()] {
                let copied = place(&format!("{arch}-copy"));
                let from = ["skopeo", "--insecure-policy", "--override-arch", arch, "copy", "-q"];
                tools.run(&[&from[..], &[&to, &format!("oci:{copied}:x")]].concat());
                std::fs::remove_dir_all(&copied).unwrap();
            }
            if !to.starts_with("oci-archive") {
                // In the place of what was there.
                env.run(&["manifest", "push", "-q", "--all", "all", &to]).ok();
                assert_eq!(serde_json::from_str::<Value>(&read(&to, &[])).unwrap(), index);
            }
            env.run(&["pull", "-q", &to]).ok();
        }
        // From a registry, as it is there.
        let pushed = format!("docker://{}", registry.reference("all:1"));
        env.run(&["manifest", "push", "-q", "--all", "--format", "oci", PLAIN, "all", &pushed]).ok();
        for to in [format!("oci:{}:all", place("copied")), format!("dir:{}", place("copied-dir"))] {
            env.run(&["image", "copy", "-q", "--all", "--src-tls-verify=false", &pushed, &to]).ok();
            assert_eq!(Some(read(&to, &[]).into_bytes()), registry.manifest("all", "1"), "{to}");
        }
        let told = env.run(&["manifest", "push", "all", &format!("docker-archive:{}", place("d.tar"))]);
        told.fails(125, "an archive of Docker's has no lists of images");
        assert!(!env.place.join("d.tar").exists());
        env.run(&["manifest", "push", "all", "containers-storage:x"]).exits(125);
        env.run(&["manifest", "rm", "all"]).ok();
    });
}
