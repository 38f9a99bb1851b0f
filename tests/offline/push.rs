//! `dhow push`, seen in the requests that a registry gets and in what it has afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::require;
use crate::support::TestEnv;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, MANIFEST_DOCKER, MANIFEST_OCI, Packing, digest};
use crate::support::isolated;
use crate::support::outcome::Outcome;
use crate::support::registry::{Fault, Part, Registry, Request};
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};

const PLAIN: &str = "--tls-verify=false";

fn noise(words: u32) -> Vec<u8> {
    (0..words).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// An image of one layer for each word.
fn layered(words: &[&str], packing: Packing) -> Image {
    Image::of(words.iter().map(|word| Layer::new(&[Entry::file(word, 0o644, *word)], packing)).collect())
}

/// Brings an image into the store, as it would come from a registry that then forgets it.
fn stocked(env: &TestEnv, registry: &Registry, image: &Image, flavor: Flavor) -> String {
    registry.add("from", "1", image, flavor);
    env.run(&["pull", "-q", PLAIN, &registry.reference("from:1")]).ok();
    env.run(&["tag", &image.id(), "here:1"]).ok();
    env.run(&["untag", &image.id(), &registry.reference("from:1")]).ok();
    image.id()
}

fn push(env: &TestEnv, words: &[&str]) -> Outcome {
    let all: Vec<&str> = ["push", PLAIN, "--retry", "0"].iter().chain(words).copied().collect();
    env.run(&all)
}

fn count(requests: &[Request], method: &str, part: &str) -> usize {
    requests.iter().filter(|request| request.method == method && request.path.contains(part)).count()
}

fn manifest(registry: &Registry, repository: &str) -> Value {
    serde_json::from_slice(&registry.manifest(repository, "1").unwrap()).unwrap()
}

#[test]
fn what_came_goes_as_it_was() {
    isolated(|env| {
        let from = Registry::beside(env);
        for (flavor, packing) in
            [(Flavor::Oci, Packing::Gzip), (Flavor::Oci, Packing::Zstd), (Flavor::Docker, Packing::Gzip)]
        {
            let to = Registry::beside(env);
            let image = layered(&["one", "two", "one"], packing);
            let id = stocked(env, &from, &image, flavor);
            let target = to.reference("made/app:1");
            let file = env.place.join("digest").display().to_string();
            let outcome = push(env, &["--digestfile", &file, "here:1", &target]);
            assert_eq!(outcome.ok(), "");
            let sent = to.manifest("made/app", "1").unwrap();
            assert_eq!(sent, image.manifest(flavor), "{flavor:?} {packing:?}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), digest(&sent));
            for blob in image.layers.iter().map(|layer| &layer.blob).chain([&image.config_bytes()]) {
                assert_eq!(to.blob(&digest(blob)).as_deref(), Some(&blob[..]));
            }
            let requests = to.requests();
            // Two of the three layers are one blob.
            assert_eq!(count(&requests, "PATCH", "/uploads/"), 3);
            let last = requests.last().unwrap();
            assert_eq!((last.method.as_str(), last.path.as_str()), ("PUT", "/v2/made/app/manifests/1"));
            let kind = if flavor == Flavor::Oci { MANIFEST_OCI } else { MANIFEST_DOCKER };
            assert_eq!(last.headers["content-type"], kind);
            // Again: nothing is sent but the manifest.
            push(env, &["-q", &id, &format!("docker://{target}")]).ok();
            let requests = to.requests();
            assert_eq!((count(&requests, "POST", ""), count(&requests, "PATCH", "")), (0, 0));
            assert_eq!(count(&requests, "PUT", "/manifests/1"), 1);
            env.run(&["rmi", "-f", &id]).ok();
            env.nothing_is_left();
        }
    });
}

#[test]
fn layers_and_formats_are_what_was_asked_for() {
    isolated(|env| {
        let from = Registry::beside(env);
        let oci = |suffix: &str| format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        let docker = |suffix: &str| format!("application/vnd.docker.image.rootfs.diff.tar{suffix}");
        for (flavor, packing, words, kind, layer, head) in [
            (Flavor::Oci, Packing::None, &[][..], MANIFEST_OCI, oci("+gzip"), &[0x1f, 0x8b][..]),
            (Flavor::Docker, Packing::None, &[], MANIFEST_DOCKER, docker(".gzip"), &[0x1f, 0x8b]),
            (Flavor::Oci, Packing::Zstd, &[], MANIFEST_OCI, oci("+zstd"), &[0x28, 0xb5]),
            (Flavor::Oci, Packing::Gzip, &["--compression-format", "zstd"], MANIFEST_OCI, oci("+zstd"), &[0x28, 0xb5]),
            (Flavor::Docker, Packing::Gzip, &["--compression-format=zstd"], MANIFEST_OCI, oci("+zstd"), &[0x28, 0xb5]),
            (Flavor::Oci, Packing::Zstd, &["--force-compression"], MANIFEST_OCI, oci("+gzip"), &[0x1f, 0x8b]),
            (Flavor::Oci, Packing::Gzip, &["-f", "v2s2"], MANIFEST_DOCKER, docker(".gzip"), &[0x1f, 0x8b]),
            (Flavor::Docker, Packing::Gzip, &["--format", "oci"], MANIFEST_OCI, oci("+gzip"), &[0x1f, 0x8b]),
            (
                Flavor::Oci,
                Packing::Zstd,
                &["--format=v2s2", "--compression-format=gzip", "--compression-level=9"],
                MANIFEST_DOCKER,
                docker(".gzip"),
                &[0x1f, 0x8b],
            ),
        ] {
            let to = Registry::beside(env);
            let image = layered(&["one", "two"], packing);
            let id = stocked(env, &from, &image, flavor);
            let target = to.reference("app:1");
            push(env, &[words, &["-q", "here:1", &target]].concat()).ok();
            let sent = manifest(&to, "app");
            assert_eq!(
                (&sent["mediaType"], &sent["layers"][0]["mediaType"]),
                (&json!(kind), &json!(layer)),
                "{words:?}"
            );
            assert_eq!(sent["config"]["digest"], json!(format!("sha256:{id}")), "the id stays");
            for layer in sent["layers"].as_array().unwrap() {
                let blob = to.blob(layer["digest"].as_str().unwrap()).unwrap();
                assert!(blob.starts_with(head) && layer["size"] == json!(blob.len()), "{words:?}");
            }
            env.run(&["rmi", "-f", &id]).ok();
            // And it is an image: its diff ids are compared.
            assert_eq!(env.run(&["pull", "-q", PLAIN, &target]).ok(), id, "{words:?}");
            env.run(&["rmi", "-f", &id]).ok();
            env.nothing_is_left();
        }
        let image = layered(&["one"], Packing::Zstd);
        stocked(env, &from, &image, Flavor::Oci);
        let target = from.reference("app:1");
        for (words, text) in [
            (&["--format", "v2s2"][..], "zstd cannot be in a manifest of the format v2s2"),
            (&["--format", "v2s1"], "unknown format"),
            (&["--compression-format", "xz"], "unknown compression format"),
            (&["--compression-level", "10"], "invalid compression level 10"),
        ] {
            push(env, &[words, &["here:1", &target]].concat()).exits(125);
            let outcome = push(env, &[words, &["here:1", &target]].concat());
            assert!(outcome.stderr.contains(text), "{words:?}: {outcome}");
        }
        assert!(from.manifest("app", "1").is_none());
    });
}

#[test]
fn an_upload_that_breaks_off_goes_on_where_it_was() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("noise", 0o644, noise(500_000))], Packing::Gzip)]);
        stocked(env, &registry, &image, Flavor::Oci);
        let blob = &image.layers[0].blob;
        let half = blob.len() as u64 / 2;
        let again = |fault: Fault| {
            let to = Registry::start();
            to.fault("app", Part::Upload, fault);
            let mut command = env.dhow(&["push", "-q", PLAIN, "--retry", "2", "--retry-delay", "1ms", "here:1"]);
            command.arg(to.reference("app:1")).env("DHOW_REGISTRY_TIMEOUT", "1");
            finished(command, b"").ok();
            assert_eq!(to.blob(&digest(blob)).as_deref(), Some(&blob[..]));
            to.requests()
        };
        let requests = again(Fault::HangUp { after: half, times: 1 });
        let ranges: Vec<&str> =
            requests.iter().filter_map(|r| r.headers.get("content-range")).map(String::as_str).collect();
        assert_eq!(ranges, [format!("{half}-{}", blob.len() - 1)], "what arrived is not sent again");
        // The registry has all of it, and never said so.
        let requests = again(Fault::Deaf { times: 1 });
        assert_eq!(count(&requests, "PATCH", ""), 2, "the layer once, the configuration once");
        for fault in [
            Fault::TooMany { times: 1, retry_after: 0 },
            Fault::Broken { times: 2, status: 502 },
            // The other blob may spend a fresh token for its three requests before this one uses it.
            Fault::Bearer { foreign: false, user: None, uses: 4 },
        ] {
            again(fault);
        }
    });
}

#[test]
fn a_blob_of_another_repository_is_mounted() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one", "two"], Packing::Gzip);
        registry.add("base/image", "1", &image, Flavor::Oci);
        env.run(&["pull", "-q", PLAIN, &registry.reference("base/image:1")]).ok();
        registry.requests();
        // It says of every blob that it is not there.
        registry.fault("made", Part::Blob, Fault::Missing);
        push(env, &["-q", &image.id(), &registry.reference("made/app:1")]).ok();
        let requests = registry.requests();
        let mounts: Vec<&str> = requests
            .iter()
            .filter(|request| request.method == "POST" && request.path.contains("mount="))
            .map(|request| request.path.as_str())
            .collect();
        assert_eq!(mounts.len(), 2, "{mounts:?}");
        assert!(mounts.iter().all(|path| path.contains("from=base%2Fimage")), "{mounts:?}");
        assert_eq!(count(&requests, "PATCH", ""), 1, "only the configuration is sent");
        // Of another registry nothing can be mounted.
        let other = Registry::beside(env);
        push(env, &["-q", &image.id(), &other.reference("made/app:1")]).ok();
        assert_eq!(count(&other.requests(), "POST", "mount="), 0);
    });
}

/// R19.
#[test]
fn credentials_stay_with_their_registry() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one"], Packing::Gzip);
        stocked(env, &registry, &image, Flavor::Oci);
        let user = ("u".to_owned(), "p w:d".to_owned());
        for (number, fault) in [
            Fault::Basic { user: user.0.clone(), password: user.1.clone() },
            Fault::Bearer { foreign: false, user: Some(user.clone()), uses: 100 },
        ]
        .into_iter()
        .enumerate()
        {
            let repository = format!("private{number}x");
            registry.fault("", Part::Any, fault);
            registry.fault(&repository, Part::Blob, Fault::Missing);
            let target = registry.reference(&format!("{repository}:1"));
            push(env, &["-q", "here:1", &target]).fails(125, "unauthorized");
            push(env, &["-q", "--creds", "u:wrong", "here:1", &target]).fails(125, "unauthorized");
            assert!(registry.manifest(&repository, "1").is_none());
            registry.requests();
            push(env, &["-q", "--creds", "u:p w:d", "here:1", &target]).ok();
            if number == 1 {
                let scope = format!("scope=repository%3A{repository}%3Apull%2Cpush");
                assert!(registry.requests().iter().any(|request| request.path.contains(&scope)), "{scope}");
            }
            registry.heal();
        }
        // A registry may want the bytes elsewhere; who it is, that place is not told.
        registry.fault("", Part::Manifest, Fault::Basic { user: user.0.clone(), password: user.1.clone() });
        registry.fault("away", Part::Blob, Fault::Missing);
        registry.fault("away", Part::Upload, Fault::UploadElsewhere);
        registry.requests();
        push(env, &["-q", "--creds", "u:p w:d", "here:1", &registry.reference("away:1")]).ok();
        let requests = registry.requests();
        let elsewhere: Vec<&Request> = requests.iter().filter(|request| request.other).collect();
        assert!(count(&requests, "PATCH", "") > 0 && !elsewhere.is_empty());
        for request in elsewhere {
            assert!(!request.headers.contains_key("authorization"), "{request:?}");
        }
    });
}

#[test]
fn what_cannot_be_pushed_is_said_in_one_line() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one"], Packing::Gzip);
        let id = stocked(env, &registry, &image, Flavor::Oci);
        let target = registry.reference("app:1");
        push(env, &["nothing", &target]).fails(125, "nothing: image not known");
        push(env, &[&id]).fails(125, "no name that says where the image is to go");
        push(env, &["-q", "here:1", "127.0.0.1:1/app:1"]).fails(125, "connection refused");
        push(env, &["-q", "here:1", &format!("{target}@{}", digest(b"another"))]).fails(125, "digest");
        for (part, fault, words) in [
            (Part::Any, Fault::Broken { times: usize::MAX, status: 500 }, "500"),
            (Part::Upload, Fault::Broken { times: usize::MAX, status: 403 }, "denied"),
            (Part::Upload, Fault::TooMany { times: usize::MAX, retry_after: 0 }, "toomanyrequests"),
            (Part::Manifest, Fault::Broken { times: usize::MAX, status: 507 }, "507"),
            (Part::Upload, Fault::Silent, "timed out"),
            (Part::Upload, Fault::Deaf { times: usize::MAX }, "timed out"),
        ] {
            let to = Registry::start();
            to.fault("", part, fault.clone());
            let mut command = env.dhow(&["push", "-q", PLAIN, "--retry", "0", "here:1", &to.reference("app:1")]);
            command.env("DHOW_REGISTRY_TIMEOUT", "1");
            let outcome = finished(command, b"");
            println!("{fault:?}: {}", outcome.stderr.trim_end());
            outcome.fails(125, words);
            assert!(to.manifest("app", "1").is_none());
        }
        env.run(&["rmi", "-f", &id]).ok();
        env.nothing_is_left();
    });
}

/// A registry takes its time to take: that is no reason to give up.
#[test]
fn a_slow_upload_is_waited_for() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = layered(&["one"], Packing::Gzip);
        stocked(env, &registry, &image, Flavor::Oci);
        registry.fault("app", Part::Upload, Fault::Slow { bytes: 1, pause: Duration::from_millis(400) });
        let mut command = env.dhow(&["push", "-q", PLAIN, "--retry", "0", "here:1", &registry.reference("app:1")]);
        command.env("DHOW_REGISTRY_TIMEOUT", "1");
        finished(command, b"").ok();
    });
}

#[test]
fn the_lines_are_podmans() {
    require!(podman);
    isolated(|env| {
        let (registry, one, two) = (Registry::beside(env), Registry::beside(env), Registry::beside(env));
        let image = layered(&["one", "two"], Packing::Gzip);
        stocked(env, &registry, &image, Flavor::Oci);
        let tools = Tools::new(env);
        tools.podman(&["pull", "-q", PLAIN, &registry.reference("from:1")]).ok();
        let lines = |outcome: &Outcome| {
            outcome.ok();
            let mut lines: Vec<String> = outcome.stderr.lines().map(str::to_owned).collect();
            // Version 5 left this one out; podman packs layers anew, and layers go at the same time.
            lines.retain(|line| line != "Storing signatures" && !line.starts_with("time="));
            let mut lines: Vec<String> = lines.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
            lines.sort();
            (lines, outcome.text())
        };
        let theirs = tools.podman(&["push", PLAIN, &image.id(), &one.reference("app:1")]);
        let ours = env.run(&["push", PLAIN, &image.id(), &two.reference("app:1")]);
        assert_eq!(lines(&ours), lines(&theirs));
    });
}

/// What Debian's registry was given, others take.
#[test]
fn others_take_what_was_pushed() {
    require!(registry, skopeo, podman, busybox);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let tools = Tools::new(env);
        let image = Image::busybox();
        env.load(&image, "docker.io/library/bb:1").ok();
        for (tag, words) in [
            ("plain", &[][..]),
            ("oci", &["--format", "oci"]),
            ("docker", &["--format", "v2s2"]),
            ("zstd", &["--compression-format", "zstd"]),
        ] {
            let name = format!("{}/made/by:{tag}", Distribution::ADDRESS);
            let file = env.place.join("digest").display().to_string();
            push(env, &[words, &["-q", "--digestfile", &file, "bb:1", &name]].concat()).ok();
            let about = tools.run(&["skopeo", "inspect", PLAIN, &format!("docker://{name}")]);
            let about: Value = serde_json::from_str(&about).unwrap();
            assert_eq!(about["Digest"], json!(std::fs::read_to_string(&file).unwrap()));
            let id = tools.podman(&["pull", "-q", PLAIN, &name]).ok();
            assert_eq!(id, image.id(), "{tag}");
            assert_eq!(env.run(&["pull", "-q", PLAIN, &name]).ok(), image.id());
        }
        // From here to there: the second repository of one registry needs no bytes.
        let again = format!("{}/another/place:1", Distribution::ADDRESS);
        push(env, &["-q", &format!("{}/made/by:oci", Distribution::ADDRESS), &again]).ok();
        let tags = env.run(&["pull", "-q", "-a", PLAIN, &format!("{}/made/by", Distribution::ADDRESS)]).ok();
        assert_eq!(tags.lines().filter(|line| **line == image.id()).count(), 4, "{tags}");
    });
}
