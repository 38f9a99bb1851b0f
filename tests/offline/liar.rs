//! A registry that means harm: documents and layers that are made to be believed, to take memory, or never to end. Each is
//! refused in one line by processes that may not have more than 256 MiB of addresses, and nothing is left.

use serde_json::{Value, json};

use crate::support::env::finished;
use crate::support::image::{Image, Layer, MANIFEST_OCI, Packing};
use crate::support::isolated;
use crate::support::registry::Registry;
use crate::support::tar::{Entry, archive};
use crate::support::{Outcome, TestEnv};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn limited(env: &TestEnv, words: &[&str]) -> Outcome {
    let inner = env.dhow(words);
    let mut command = env.root.command("prlimit");
    command.arg("--as=268435456").arg(inner.get_program()).args(inner.get_args());
    finished(command, b"")
}

fn refused(env: &TestEnv, registry: &Registry, tag: &str) {
    let outcome = limited(env, &["pull", "-q", "--tls-verify=false", &registry.reference(&format!("liar:{tag}"))]);
    println!("{tag}: {}", outcome.stderr.chars().take(200).collect::<String>().trim_end());
    outcome.fails(125, "Error: ");
    assert!(outcome.stderr.len() < 4096, "{tag}: {} bytes of words", outcome.stderr.len());
    assert!(!outcome.stderr.contains("panicked"), "{tag}: {outcome}");
    env.nothing_is_left();
}

#[test]
fn no_document_is_believed_for_its_looks() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::None)]);
        let (tar, diff_id) = (image.layers[0].blob.clone(), image.layers[0].diff_id.clone());
        let layer = json!({"mediaType": LAYER, "digest": registry.add_blob(tar.clone()), "size": tar.len()});
        let config = |bytes: &[u8]| json!({"mediaType": CONFIG, "digest": registry.add_blob(bytes.to_vec()), "size": bytes.len()});
        let good_config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
        let good = config(good_config.to_string().as_bytes());
        let manifest = |config: &Value, layers: &Value| json!({"schemaVersion": 2, "mediaType": MANIFEST_OCI, "config": config, "layers": layers});
        let changed = |of: &Value, key: &str, value: Value| {
            let mut of = of.clone();
            of[key] = value;
            of
        };
        // The same without harm is taken.
        let whole = manifest(&good, &json!([layer])).to_string();
        registry.add_manifest("liar", "good", MANIFEST_OCI, whole.as_bytes());
        let name = registry.reference("liar:good");
        limited(env, &["pull", "-q", "--tls-verify=false", &name]).ok();
        env.run(&["rmi", "-af"]).ok();

        let deep = |times: usize| format!("{}1{}", r#"{"a":"#.repeat(times), "}".repeat(times));
        let many_layers: Vec<Value> = (0..20_000).map(|_| layer.clone()).collect();
        let annotations: String = (0..40_000).map(|n| format!(r#""k{n}":"{}","#, "v".repeat(80))).collect();
        let digest = |text: &str| changed(&layer, "digest", text.into());
        let one = |layer: Value| manifest(&good, &json!([layer])).to_string();
        let hex = "a".repeat(64);
        let mut cases: Vec<(&str, &str, String)> = vec![
            ("deep-object", MANIFEST_OCI, deep(100_000)),
            ("deep-annotation", MANIFEST_OCI, whole.replacen('{', &format!(r#"{{"annotations":{},"#, deep(50_000)), 1)),
            ("many-layers", MANIFEST_OCI, manifest(&good, &Value::Array(many_layers)).to_string()),
            (
                "annotations",
                MANIFEST_OCI,
                whole.replacen('{', &format!(r#"{{"annotations":{{{annotations}"z":"z"}},"#), 1) + &" ".repeat(1 << 20),
            ),
            ("twice", MANIFEST_OCI, whole.replacen('{', r#"{"layers":[],"#, 1)),
            ("both", MANIFEST_OCI, whole.replacen('{', r#"{"manifests":[],"#, 1)),
            ("negative", MANIFEST_OCI, one(changed(&layer, "size", (-1).into()))),
            ("largest", MANIFEST_OCI, one(changed(&layer, "size", u64::MAX.into()))),
            ("float", MANIFEST_OCI, one(changed(&layer, "size", json!(1e300)))),
            ("smaller", MANIFEST_OCI, one(changed(&layer, "size", 10.into()))),
            ("larger", MANIFEST_OCI, one(changed(&layer, "size", (1_u64 << 40).into()))),
            ("path", MANIFEST_OCI, one(digest("sha256:../../../../etc/passwd"))),
            ("upper", MANIFEST_OCI, one(digest(&format!("sha256:{}", hex.to_uppercase())))),
            ("short", MANIFEST_OCI, one(digest("sha256:abc"))),
            ("algorithm", MANIFEST_OCI, one(digest(&format!("md5:{}", &hex[..32])))),
            ("no-digest", MANIFEST_OCI, one(json!({"mediaType": LAYER, "size": 1}))),
            ("kind", MANIFEST_OCI, one(changed(&layer, "mediaType", "text/html".into()))),
            ("config-list", MANIFEST_OCI, manifest(&json!([]), &json!([layer])).to_string()),
            ("index-is", MANIFEST_OCI, whole.replace(MANIFEST_OCI, INDEX)),
        ];
        let mut configured = |tag: &'static str, bytes: &[u8]| {
            cases.push((tag, MANIFEST_OCI, manifest(&config(bytes), &json!([layer])).to_string()));
        };
        configured("config-deep", deep(100_000).as_bytes());
        configured("config-text", b"hello");
        configured(
            "config-fewer",
            changed(&good_config, "rootfs", json!({"type": "layers", "diff_ids": []})).to_string().as_bytes(),
        );
        let more: Vec<&String> = std::iter::repeat_n(&diff_id, 3).collect();
        configured(
            "config-more",
            changed(&good_config, "rootfs", json!({"type": "layers", "diff_ids": more})).to_string().as_bytes(),
        );
        configured(
            "config-other",
            changed(&good_config, "rootfs", json!({"type": "layers", "diff_ids": [format!("sha256:{hex}")]}))
                .to_string()
                .as_bytes(),
        );
        configured(
            "config-path",
            changed(&good_config, "rootfs", json!({"type": "layers", "diff_ids": ["sha256:../../x"]}))
                .to_string()
                .as_bytes(),
        );
        configured(
            "config-env",
            changed(&good_config, "config", json!({"Env": [1, {"a": "b"}]})).to_string().as_bytes(),
        );
        configured("config-huge", format!("{}{}", good_config, " ".repeat(70 << 20)).as_bytes());
        let entry = json!({"mediaType": MANIFEST_OCI, "digest": format!("sha256:{hex}"), "size": 3, "platform": {"architecture": "amd64", "os": "linux"}});
        let lines: Vec<Value> = (0..15_000).map(|_| entry.clone()).collect();
        cases.push((
            "index-many",
            INDEX,
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": lines}).to_string(),
        ));
        cases.push((
            "index-gone",
            INDEX,
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string(),
        ));
        // An index of an index of an index: none may hold itself, but they may hold each other for long.
        let mut inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
        for level in 0..40 {
            let digest = registry.add_manifest("liar", &format!("level{level}"), INDEX, inner.as_bytes());
            let line = json!({"mediaType": INDEX, "digest": digest, "size": inner.len(), "platform": {"architecture": "amd64", "os": "linux"}});
            inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [line]}).to_string();
        }
        cases.push(("index-nested", INDEX, inner));
        for (tag, kind, text) in &cases {
            registry.add_manifest("liar", tag, kind, text.as_bytes());
            refused(env, &registry, tag);
        }
    });
}

#[test]
fn no_layer_takes_more_than_it_may() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let plain = Layer::new(&[Entry::file("a", 0o644, vec![b'x'; 100_000])], Packing::Gzip);
        let gzip = plain.blob.clone();
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd];
        // A zstd frame that asks for a window of 2 GiB.
        frame.extend([0x04, 21 << 3, 0, 0, 0]);
        let member = |size: &[u8; 12]| {
            let mut header = [0_u8; 512];
            header[..1].copy_from_slice(b"f");
            header[100..108].copy_from_slice(b"0000644\0");
            header[124..136].copy_from_slice(size);
            header[156] = b'0';
            header[257..265].copy_from_slice(b"ustar\x0000");
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            header.to_vec()
        };
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let cases: Vec<(&str, &str, Vec<u8>)> = vec![
            ("cut", "+gzip", gzip[..gzip.len() / 2].to_vec()),
            ("no-gzip", "+gzip", b"\x1f\x8b\x08 and then nothing of the kind".to_vec()),
            ("window", "+zstd", frame),
            ("no-zstd", "+zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff".to_vec()),
            ("octal", "", member(b"77777777777\0")),
            ("base256", "", member(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")),
            ("negative", "", member(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
            ("letters", "", member(b"abcdefghijk\0")),
            ("header", "", vec![b'x'; 512]),
            ("name", "", archive(&[Entry::file("n".repeat(300), 0o644, "")])),
            ("path", "", archive(&[Entry::file("d/".repeat(5000) + "f", 0o644, "")])),
            ("link", "", archive(&[Entry::symlink("l", "t".repeat(70_000))])),
            ("pax", "", archive(&[Entry::file("f", 0o644, "").pax("comment", "c".repeat(8 << 20))])),
            ("xattr", "", archive(&[Entry::file("f", 0o644, "").xattr("user.x", "v".repeat(70_000))])),
            ("pax-size", "", archive(&[Entry::file("f", 0o644, "x").pax("size", "99999999999999999999")])),
        ];
        for (tag, ending, blob) in cases {
            let mut image = Image::of(vec![plain.clone()]);
            image.layers[0].blob = blob.clone();
            let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [image.layers[0].diff_id]}}).to_string();
            let document = json!({"schemaVersion": 2, "mediaType": MANIFEST_OCI,
                "config": {"mediaType": CONFIG, "digest": registry.add_blob(config.clone().into_bytes()), "size": config.len()},
                "layers": [{"mediaType": format!("{tar}{ending}"), "digest": registry.add_blob(blob.clone()), "size": blob.len()}]});
            registry.add_manifest("liar", tag, MANIFEST_OCI, document.to_string().as_bytes());
            refused(env, &registry, tag);
        }
    });
}
