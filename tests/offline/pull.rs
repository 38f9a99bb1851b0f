//! `dhow pull` from a registry that behaves and from one that does not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::image::{Flavor, INDEX_OCI, Image, Layer, MANIFEST_OCI, Packing, architecture, digest};
use crate::support::isolated;
use crate::support::outcome::Outcome;
use crate::support::registry::{Fault, Part, Registry, Request};
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};

const PLAIN: &str = "--tls-verify=false";

/// An image of as many layers as there are words.
fn layered(words: &[&str], packing: Packing) -> Image {
    let layers = words.iter().map(|word| Layer::new(&[Entry::file(word, 0o644, *word)], packing)).collect();
    Image::of(layers)
}

fn pull(env: &TestEnv, name: &str) -> Outcome {
    env.run(&["pull", "-q", PLAIN, "--retry", "0", name])
}

/// The digests of the blobs that a client took, sorted.
fn fetched(requests: &[Request]) -> Vec<String> {
    let blob = |r: &Request| {
        (r.method == "GET").then(|| r.path.split_once("/blobs/").map(|(_, name)| name.to_owned())).flatten()
    };
    let mut all: Vec<String> = requests.iter().filter_map(blob).collect();
    all.sort();
    all
}

fn sorted(mut digests: Vec<String>) -> Vec<String> {
    digests.sort();
    digests
}

fn inspect(env: &TestEnv, name: &str) -> Value {
    env.run(&["image", "inspect", name]).json()[0].take()
}

#[test]
fn every_form_of_image_is_pulled() {
    isolated(|env| {
        let registry = Registry::beside(env);
        for (flavor, packing, kind) in [
            (Flavor::Oci, Packing::None, MANIFEST_OCI),
            (Flavor::Oci, Packing::Gzip, MANIFEST_OCI),
            (Flavor::Oci, Packing::Zstd, MANIFEST_OCI),
            (Flavor::Docker, Packing::None, "application/vnd.docker.distribution.manifest.v2+json"),
            (Flavor::Docker, Packing::Gzip, "application/vnd.docker.distribution.manifest.v2+json"),
        ] {
            let image = layered(&["one", "two", "three"], packing);
            let manifest = registry.add("form", "1", &image, flavor);
            registry.requests();
            let outcome = pull(env, &registry.reference("form:1"));
            assert_eq!((outcome.ok(), outcome.stderr.as_str()), (image.id(), ""), "{flavor:?} {packing:?}");
            let blobs = image.layers.iter().map(|layer| digest(&layer.blob)).chain([format!("sha256:{}", image.id())]);
            assert_eq!(fetched(&registry.requests()), sorted(blobs.collect()), "{flavor:?} {packing:?}");
            let shown = inspect(env, &registry.reference("form:1"));
            assert_eq!(shown["Id"], json!(image.id()));
            assert_eq!(shown["Digest"], json!(manifest));
            assert_eq!(shown["ManifestType"], json!(kind));
            let ids: Vec<&str> = image.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
            assert_eq!(shown["RootFS"]["Layers"], json!(ids));
            env.run(&["rmi", &image.id()]).ok();
            env.nothing_is_left();
        }
    });
}

#[test]
fn a_second_pull_fetches_only_what_is_missing() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let first = layered(&["one", "two"], Packing::Gzip);
        let second = layered(&["one", "two", "three"], Packing::Gzip);
        registry.add("app", "1", &first, Flavor::Oci);
        registry.add("app", "2", &second, Flavor::Oci);
        pull(env, &registry.reference("app:1")).ok();
        registry.requests();
        pull(env, &registry.reference("app:1")).ok();
        assert_eq!(fetched(&registry.requests()), Vec::<String>::new(), "everything was there");
        pull(env, &registry.reference("app:2")).ok();
        let new = vec![digest(&second.layers[2].blob), format!("sha256:{}", second.id())];
        assert_eq!(fetched(&registry.requests()), sorted(new));
        // What the other image needs stays when one goes.
        env.run(&["rmi", &first.id()]).ok();
        pull(env, &registry.reference("app:1")).ok();
        assert_eq!(fetched(&registry.requests()), [format!("sha256:{}", first.id())]);
    });
}

#[test]
fn policies_say_when_the_registry_is_asked() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let name = registry.reference("app:1");
        let (old, new) = (layered(&["old"], Packing::Gzip), layered(&["new"], Packing::Gzip));
        registry.add("app", "1", &old, Flavor::Oci);
        let by = |policy: &str| env.run(&["pull", "-q", PLAIN, "--retry", "0", "--policy", policy, &name]);
        by("never").fails(125, "image not known");
        assert_eq!(by("missing").ok(), old.id());
        registry.add("app", "1", &new, Flavor::Oci);
        registry.requests();
        assert_eq!((by("missing").ok(), by("never").ok()), (old.id(), old.id()));
        assert!(registry.requests().is_empty());
        assert_eq!((by("newer").ok(), by("always").ok()), (new.id(), new.id()));
        by("sometimes").exits(125);
        // The one that lost its name is still there.
        assert_eq!(env.run(&["images", "-q", "--filter", "dangling=true"]).text(), old.id()[..12]);
    });
}

#[test]
fn an_index_gives_the_platform_that_was_asked_for() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let mut images = Vec::new();
        let mut manifests = Vec::new();
        for (name, variant) in [("amd64", None), ("arm64", Some("v8")), ("arm", Some("v7")), ("arm", Some("v6"))] {
            let mut image = layered(&[name, variant.unwrap_or("none")], Packing::Gzip);
            image.config["architecture"] = json!(name);
            if let Some(variant) = variant {
                image.config["variant"] = json!(variant);
            }
            let tag = format!("{name}{}", variant.unwrap_or(""));
            let manifest = registry.add("multi", &tag, &image, Flavor::Oci);
            let size = image.manifest(Flavor::Oci).len();
            let platform = json!({"os": "linux", "architecture": name, "variant": variant});
            manifests.push(json!({"mediaType": MANIFEST_OCI, "digest": manifest, "size": size, "platform": platform}));
            images.push((tag, image));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX_OCI, "manifests": manifests});
        let list = registry.add_manifest("multi", "1", INDEX_OCI, &serde_json::to_vec(&index).unwrap());
        let name = registry.reference("multi:1");
        let id = |tag: &str| images.iter().find(|(known, _)| known == tag).unwrap().1.id();
        for (options, tag) in [
            (&[][..], architecture()),
            (&["--platform", "linux/amd64"], "amd64"),
            (&["--platform", "linux/arm64"], "arm64v8"),
            (&["--arch", "arm64"], "arm64v8"),
            (&["--platform=linux/arm/v6"], "armv6"),
            (&["--arch", "arm", "--variant", "v7"], "armv7"),
        ] {
            let words: Vec<&str> =
                ["pull", "-q", PLAIN].iter().chain(options).copied().chain([name.as_str()]).collect();
            let tag = if tag == "arm64" { "arm64v8" } else { tag };
            assert_eq!(env.run(&words).ok(), id(tag), "{options:?}");
            assert_eq!(inspect(env, &name)["Digest"], json!(list), "the index is what the registry knows");
        }
        let none = |architecture: &str, os: &str| {
            format!(
                "Error: choosing an image from manifest list docker://{name}: no image found in image index for \
                 architecture \"{architecture}\", variant \"\", OS \"{os}\""
            )
        };
        for (options, words) in [
            (["--arch", "s390x"], none("s390x", "linux").as_str()),
            (["--os", "windows"], &none(architecture(), "windows")),
            (["--platform", "linux/amd64/x/y"], "linux/amd64/x/y"),
            (["--platform", ""], "platform"),
        ] {
            env.run(&["pull", "-q", PLAIN, "--retry", "0", options[0], options[1], &name]).fails(125, words);
        }
    });
}

#[test]
fn a_digest_names_exactly_one_image() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one"], Packing::Gzip);
        let manifest = registry.add("app", "1", &image, Flavor::Oci);
        let name = registry.reference(&format!("app@{manifest}"));
        assert_eq!(pull(env, &name).ok(), image.id());
        assert_eq!(
            env.run(&["images", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"]).text(),
            format!("{} <none> {manifest}", registry.reference("app")),
        );
        for known in [name.as_str(), &image.id(), &image.id()[..12]] {
            env.run(&["image", "exists", known]).ok();
        }
        // Tag and digest: the digest counts.
        let both = registry.reference(&format!("app:other@{manifest}"));
        assert_eq!(pull(env, &both).ok(), image.id());
        env.run(&["rmi", "-f", &image.id()]).ok();
        env.nothing_is_left();
        let wrong = registry.reference(&format!("app@{}", digest(b"another")));
        pull(env, &wrong).fails(125, "manifest unknown");
        // A registry that answers with another document is not believed.
        registry.fault("app", Part::Manifest, Fault::WrongDigest);
        pull(env, &name).fails(125, "digest");
        env.nothing_is_left();
    });
}

#[test]
fn all_tags_are_pulled() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let words = ["one", "two", "three", "four", "five"];
        let images: Vec<Image> = words.iter().map(|word| layered(&[word], Packing::Gzip)).collect();
        for (word, image) in words.iter().zip(&images) {
            registry.add("app", word, image, Flavor::Oci);
        }
        registry.add("app-more", "six", &images[0], Flavor::Oci);
        let name = registry.reference("app");
        let out = env.run(&["pull", "-q", PLAIN, "--all-tags", &name]).ok();
        let ids: Vec<String> = images.iter().map(Image::id).collect();
        assert_eq!(sorted(out.lines().map(str::to_owned).collect()), sorted(ids));
        let listed = env.run(&["images", "--format", "{{.Tag}}"]).ok();
        assert_eq!(sorted(listed.lines().map(str::to_owned).collect()), ["five", "four", "one", "three", "two"]);
        env.run(&["rmi", "-a"]).ok();
        env.run(&["pull", "-q", PLAIN, "-a", &registry.reference("nothing")]).fails(125, "no tags");
        registry.fault("app", Part::Manifest, Fault::Broken { times: usize::MAX, status: 500 });
        env.run(&["pull", "-q", PLAIN, "-a", "--retry=0", &name]).fails(125, "500");
        env.run(&["pull", "-a", "oci-archive:nothing.tar"]).fails(125, "not supported for this transport");
    });
}

/// Each fault is one line, exit code 125, and nothing left.
#[test]
fn a_fault_leaves_nothing() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one", "two"], Packing::Gzip);
        let bearer = |user| Fault::Bearer { foreign: false, user, uses: 100 };
        let broken = |status| Fault::Broken { times: usize::MAX, status };
        let cases: Vec<(Part, Fault, &str)> = vec![
            (Part::Blob, Fault::Truncated { after: 40 }, ""),
            (Part::Blob, Fault::WrongDigest, "digest"),
            (Part::Blob, Fault::WrongLength { more: 7 }, ""),
            (Part::Blob, Fault::Huge { bytes: 1 << 20 }, ""),
            (Part::Blob, Fault::Missing, ""),
            (Part::Blob, Fault::RedirectLoop, "redirect"),
            (Part::Blob, broken(500), "500"),
            (Part::Manifest, Fault::Truncated { after: 40 }, ""),
            (Part::Manifest, Fault::WrongDigest, ""),
            (Part::Manifest, Fault::Huge { bytes: 64 << 20 }, ""),
            (Part::Manifest, Fault::Missing, "manifest unknown"),
            (Part::Manifest, Fault::RedirectLoop, "redirect"),
            (Part::Manifest, broken(503), "503"),
            // Counted by us, and by the HTTP library, which stops reading.
            (Part::Manifest, Fault::Headers { count: 9, bytes: 8000 }, "bytes of headers"),
            (Part::Blob, Fault::Headers { count: 9, bytes: 8000 }, "bytes of headers"),
            (Part::Blob, Fault::Headers { count: 50, bytes: 100_000 }, "bytes of headers"),
            (Part::Manifest, Fault::Headers { count: 4000, bytes: 4 }, ""),
            (Part::Any, Fault::TooMany { times: usize::MAX, retry_after: 0 }, "toomanyrequests"),
            (Part::Any, Fault::Basic { user: "u".to_owned(), password: "p".to_owned() }, "unauthorized"),
            (Part::Any, bearer(Some(("u".to_owned(), "p".to_owned()))), "unauthorized"),
        ];
        for (number, (part, fault, words)) in cases.into_iter().enumerate() {
            let repository = format!("fault{number}x");
            registry.add(&repository, "1", &image, Flavor::Docker);
            registry.fault(&repository, part, fault.clone());
            let name = registry.reference(&format!("{repository}:1"));
            let outcome = pull(env, &name);
            println!("{part:?} {fault:?}: {}", outcome.stderr.trim_end());
            outcome.fails(125, "Error: ");
            assert!(outcome.stderr.to_lowercase().contains(words), "{part:?} {fault:?}: {outcome}");
            assert_eq!(outcome.text(), "");
            env.nothing_is_left();
        }
    });
}

#[test]
fn what_passes_is_tried_again() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let noise: Vec<u8> = (0..2000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let image = Image::of(vec![Layer::new(&[Entry::file("noise", 0o644, noise)], Packing::Gzip)]);
        let cases: Vec<(Part, Fault)> = vec![
            // The configuration is shorter than that.
            (Part::Blob, Fault::CutOff { after: 1000, times: 2 }),
            (Part::Blob, Fault::Broken { times: 1, status: 503 }),
            (Part::Manifest, Fault::Broken { times: 1, status: 502 }),
            (Part::Manifest, Fault::TooMany { times: 1, retry_after: 0 }),
            (Part::Blob, Fault::Redirect),
            (Part::Manifest, Fault::NoDigestHeader),
            (Part::Any, Fault::Headers { count: 7, bytes: 8000 }),
            (Part::Blob, Fault::Slow { bytes: 50, pause: Duration::from_millis(10) }),
            (Part::Any, Fault::Bearer { foreign: false, user: None, uses: 2 }),
            (Part::Any, Fault::Bearer { foreign: true, user: None, uses: 100 }),
        ];
        for (number, (part, fault)) in cases.into_iter().enumerate() {
            let repository = format!("passes{number}x");
            registry.add(&repository, "1", &image, Flavor::Oci);
            registry.fault(&repository, part, fault.clone());
            registry.requests();
            let outcome = env.run(&["pull", "-q", PLAIN, &registry.reference(&format!("{repository}:1"))]);
            assert_eq!(outcome.ok(), image.id(), "{part:?} {fault:?}");
            let requests = registry.requests();
            if let Fault::CutOff { after, .. } = fault {
                let part = format!("bytes={after}-");
                let ranges = requests.iter().filter(|r| r.headers.get("range").is_some_and(|text| *text == part));
                assert!(ranges.count() >= 1, "what came is not fetched again");
            }
            env.run(&["rmi", "-a"]).ok();
        }
        // Without ranges the whole comes again.
        registry.add("whole", "1", &image, Flavor::Oci);
        registry.fault("whole", Part::Blob, Fault::CutOff { after: 1000, times: 2 });
        registry.fault("whole", Part::Blob, Fault::NoRanges);
        assert_eq!(env.run(&["pull", "-q", PLAIN, &registry.reference("whole:1")]).ok(), image.id());
    });
}

/// R13.
#[test]
fn an_image_that_lies_about_itself_is_refused() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let mut diff_id = layered(&["one", "two"], Packing::Gzip);
        diff_id.layers[1].diff_id = digest(b"another");
        let mut fewer = layered(&["one"], Packing::Gzip);
        let more = layered(&["one", "two"], Packing::Gzip);
        fewer.layers[0].diff_id = more.layers[1].diff_id.clone();
        let mut tail = layered(&["one"], Packing::Gzip);
        tail.layers[0].blob.extend_from_slice(b"more");
        let mut short = layered(&["one"], Packing::Gzip);
        let half = short.layers[0].blob.len() / 2;
        short.layers[0].blob.truncate(half);
        let mut kind = layered(&["one"], Packing::Gzip);
        kind.layers[0].blob = b"no archive at all, and not packed either".to_vec();
        for (tag, image) in [("diff", &diff_id), ("fewer", &fewer), ("tail", &tail), ("short", &short), ("kind", &kind)]
        {
            registry.add("lies", tag, image, Flavor::Oci);
            pull(env, &registry.reference(&format!("lies:{tag}"))).fails(125, "Error: ");
            env.nothing_is_left();
        }
        // Documents that are no image.
        for (tag, kind, text) in [
            ("text", MANIFEST_OCI, "hello"),
            ("empty", MANIFEST_OCI, "{}"),
            ("list", MANIFEST_OCI, "[1]"),
            ("old", "application/vnd.docker.distribution.manifest.v1+prettyjws", r#"{"schemaVersion":1}"#),
            ("odd", "text/html", "<html>"),
            ("index", INDEX_OCI, r#"{"schemaVersion":2,"manifests":[]}"#),
            ("deep", MANIFEST_OCI, &"[".repeat(100_000)),
        ] {
            registry.add_manifest("odd", tag, kind, text.as_bytes());
            pull(env, &registry.reference(&format!("odd:{tag}"))).fails(125, "Error: ");
            env.nothing_is_left();
        }
    });
}

#[test]
fn the_lines_are_podmans() {
    require!(podman);
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one", "two"], Packing::Gzip);
        registry.add("app", "1", &image, Flavor::Oci);
        let name = registry.reference("app:1");
        let lines = |outcome: &Outcome| {
            outcome.ok();
            let mut lines: Vec<String> = outcome.stderr.lines().map(str::to_owned).collect();
            // Version 5 left this one out.
            lines.retain(|line| line != "Storing signatures" && !line.starts_with("time="));
            // Layers come at the same time.
            lines.sort();
            (lines, outcome.text())
        };
        let theirs = Tools::new(env).podman(&["pull", PLAIN, &name]);
        assert_eq!(lines(&env.run(&["pull", PLAIN, &name])), lines(&theirs));
    });
}

/// Images as buildah, umoci and skopeo make them, from the registry that Debian packages.
#[test]
fn what_other_tools_pushed_is_pulled() {
    require!(registry, skopeo, buildah, umoci, busybox);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let tools = Tools::new(env);
        let name = |tag: &str| format!("{}/made/by:{tag}", Distribution::ADDRESS);
        let target = |tag: &str| format!("docker://{}", name(tag));
        let image = Image::busybox();
        std::fs::write(env.place.join("base.tar"), image.oci_archive("base")).unwrap();
        tools.copy(&["--format", "oci"], "oci-archive:base.tar", &target("skopeo-oci"));
        tools.copy(&["--format", "v2s2"], "oci-archive:base.tar", &target("skopeo-docker"));
        let zstd = ["--dest-compress-format", "zstd", "--dest-force-compress-format", "--format", "oci"];
        let forced = tools.command(&["skopeo", "copy", "--help"]).output().unwrap();
        let zstd = if String::from_utf8_lossy(&forced.stdout).contains(zstd[2]) { &zstd[..] } else { &zstd[..2] };
        tools.copy(zstd, "oci-archive:base.tar", &target("skopeo-zstd"));
        // buildah: two layers, the second removes something.
        let container = tools.buildah(&["from", "--pull-never=false", "oci-archive:base.tar"]);
        std::fs::write(env.place.join("extra"), "extra\n").unwrap();
        tools.buildah(&["copy", &container, "extra", "/etc/extra"]);
        tools.buildah(&["config", "--cmd", "/bin/cat /etc/extra", "--label", "made=buildah", &container]);
        tools.buildah(&["commit", "-q", "--format", "oci", &container, "localhost/made"]);
        tools.buildah(&["push", "-q", PLAIN, "localhost/made", &target("buildah")]);
        // umoci: a layout on the disk, unpacked, changed, packed again.
        tools.run(&[
            "sh",
            "-ec",
            "umoci init --layout l; umoci new --image l:a; umoci unpack --image l:a b; \
                     mkdir b/rootfs/etc; echo umoci >b/rootfs/etc/who; umoci repack --refresh-bundle --image l:a b; \
                     echo more >b/rootfs/etc/more; rm b/rootfs/etc/who; umoci repack --refresh-bundle --image l:a b; \
                     umoci config --image l:a --config.cmd /bin/sh",
        ]);
        tools.copy(&[], "oci:l:a", &target("umoci"));
        for (tag, layers) in [("skopeo-oci", 1), ("skopeo-docker", 1), ("skopeo-zstd", 1), ("buildah", 2), ("umoci", 2)]
        {
            let id = env.run(&["pull", "-q", PLAIN, &name(tag)]).ok();
            let shown = inspect(env, &name(tag));
            let about = tools.run(&["skopeo", "inspect", PLAIN, &target(tag)]);
            let about: Value = serde_json::from_str(&about).unwrap();
            assert_eq!(shown["Digest"], about["Digest"], "{tag}");
            assert_eq!(shown["RootFS"]["Layers"].as_array().unwrap().len(), layers, "{tag}");
            let by_digest = format!("{}/made/by@{}", Distribution::ADDRESS, shown["Digest"].as_str().unwrap());
            assert_eq!(env.run(&["pull", "-q", PLAIN, &by_digest]).ok(), id);
        }
        assert_eq!(inspect(env, &name("buildah"))["Config"]["Labels"]["made"], json!("buildah"));
        env.run(&["pull", "-q", PLAIN, &name("nothing")]).fails(125, "manifest unknown");
    });
}

/// R20.
#[test]
fn certificates_are_checked() {
    require!(registry, skopeo);
    isolated(|env| {
        Tools::new(env).run(&[
            "sh",
            "-ec",
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                     -keyout tls.key -out tls.crt -subj /CN=test -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
        ]);
        let file = |name: &str| env.place.join(name).display().to_string();
        let _registry = Distribution::beside(env, Some((&file("tls.crt"), &file("tls.key"))));
        let tools = Tools::new(env);
        let image = layered(&["one"], Packing::Gzip);
        std::fs::write(env.place.join("a.tar"), image.oci_archive("a")).unwrap();
        let name = format!("{}/app:1", Distribution::ADDRESS);
        tools.copy(&[], "oci-archive:a.tar", &format!("docker://{name}"));
        env.run(&["pull", "-q", "--retry", "0", &name]).fails(125, "certificate");
        env.nothing_is_left();
        assert_eq!(env.run(&["pull", "-q", PLAIN, &name]).ok(), image.id());
        let certs = env.place.join("certs");
        std::fs::create_dir(&certs).unwrap();
        std::fs::copy(env.place.join("tls.crt"), certs.join("ca.crt")).unwrap();
        let certs = certs.display().to_string();
        assert_eq!(env.run(&["pull", "-q", "--cert-dir", &certs, &name]).ok(), image.id());
        let system = format!("/etc/containers/certs.d/{}", Distribution::ADDRESS);
        std::fs::create_dir_all(&system).unwrap();
        std::fs::copy(env.place.join("tls.crt"), format!("{system}/ca.crt")).unwrap();
        assert_eq!(env.run(&["pull", "-q", &name]).ok(), image.id());
    });
}
