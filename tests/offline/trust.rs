//! Policies that ask for signatures: what skopeo signs is accepted where podman accepts it, and nothing else is.

use serde_json::{Value, json};

use crate::require;
use crate::support::env::{eventually, finished};
use crate::support::image::{Flavor, Image, Layer, MANIFEST_OCI, Packing};
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};
use crate::support::{Outcome, TestEnv, isolated};

/// A shell with keys and files of the test, run beside the tools.
fn shell(env: &TestEnv, tools: &Tools<'_>, script: &str) -> String {
    let script = format!("cd {}; export GNUPGHOME=$PWD/gnupg; {script}", env.place.display());
    tools.run(&["sh", "-ec", &script])
}

/// Keys, and where signatures are.
fn prepare(env: &TestEnv, tools: &Tools<'_>, host: &str) {
    let place = env.place.join("signatures").display().to_string();
    let text = format!("docker:\n  {host}:\n    lookaside: file://{place}\n    lookaside-staging: file://{place}\n");
    std::fs::create_dir_all("/etc/containers/registries.d").unwrap();
    std::fs::write("/etc/containers/registries.d/test.yaml", text).unwrap();
    shell(
        env,
        tools,
        "mkdir -m700 gnupg signatures
        for name in one two gone; do gpg -q --batch --passphrase '' --quick-gen-key $name@key rsa2048 sign $([ $name = gone ] && echo seconds=1 || echo never); done
        gpg -q --batch --passphrase '' --quick-gen-key three@key ed25519 cert never
        gpg -q --batch --passphrase '' --quick-add-key $(gpg --with-colons -K three@key | sed -n 's/^fpr:*\\([^:]*\\):/\\1/p' | head -1) ed25519 sign never
        for name in one two three gone; do gpg --export $name@key >$name.gpg; gpg --armor --export $name@key >$name.asc; done",
    );
}

fn policy(env: &TestEnv, scope: &str, requirement: &Value) {
    let policy = json!({"default": [{"type": "reject"}], "transports": {
        "docker": {scope: [requirement]}, "docker-archive": {"": [{"type": "insecureAcceptAnything"}]}}});
    let home = env.root.home.join(".config/containers");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("policy.json"), policy.to_string()).unwrap();
}

fn gpg(path: &str) -> Value {
    json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": path})
}

fn with(mut requirement: Value, identity: Value) -> Value {
    requirement["signedIdentity"] = identity;
    requirement
}

#[test]
fn what_skopeo_signs_is_accepted_where_podman_accepts_it() {
    require!(skopeo, podman, gpg, openssl, registry, busybox);
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        let host = Distribution::ADDRESS;
        let tools = Tools::new(env);
        prepare(env, &tools, host);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        std::fs::write(env.place.join("image.tar"), image.docker_archive(&["image"])).unwrap();
        let copy = "skopeo --insecure-policy copy -q --dest-tls-verify=false docker-archive:image.tar";
        shell(
            env,
            &tools,
            &format!(
                "key() {{ gpg --with-colons -K $1@key | sed -n 's/^fpr:*\\([^:]*\\):/\\1/p' | head -1; }}
                {copy} docker://{host}/none:1
                {copy} --sign-by $(key one) docker://{host}/signed:1
                {copy} docker://{host}/signed:2
                {copy} --sign-by $(key three) docker://{host}/third:1
                {copy} --sign-by $(key one) docker://{host}/both:1; {copy} --sign-by $(key two) docker://{host}/both:1
                gpg --batch --export-secret-keys one@key >/dev/null; gpgconf --kill all"
            ),
        );
        let manifest = shell(
            env,
            &tools,
            &format!("skopeo inspect --tls-verify=false --format '{{{{.Digest}}}}' docker://{host}/signed:1"),
        );
        let digest = format!("signed@{manifest}");
        let file = |name: &str| env.place.join(name).display().to_string();
        let (one, two, three) = (gpg(&file("one.gpg")), gpg(&file("two.gpg")), gpg(&file("three.asc")));
        let identity = |kind: &str| json!({"type": kind});
        let exact = json!({"type": "exactReference", "dockerReference": format!("{host}/signed:1")});
        let remap = json!({"type": "remapIdentity", "prefix": format!("{host}/signed"), "signedPrefix": "e.f/x"});
        let data = json!({"type": "signedBy", "keyType": "GPGKeys",
            "keyData": shell(env, &tools, "base64 -w0 one.gpg")});
        let good = "";
        let cases: Vec<(Value, &str, &str)> = vec![
            (one.clone(), "signed:1", good),
            (one.clone(), "none:1", "A signature was required, but no signature exists"),
            (two.clone(), "signed:1", "Invalid GPG signature"),
            (gpg(&file("gone.gpg")), "signed:1", "Invalid GPG signature"),
            (gpg(&file("one.asc")), "signed:1", good),
            (data, "signed:1", good),
            (one.clone(), "signed:2", "is not accepted"),
            (with(one.clone(), identity("matchRepository")), "signed:2", good),
            (one.clone(), &digest, good),
            (with(one.clone(), identity("matchExact")), "signed:1", good),
            (with(one.clone(), identity("matchExact")), &digest, "is not accepted"),
            (with(one.clone(), exact.clone()), "signed:2", good),
            (with(one.clone(), exact), "both:1", "Invalid GPG signature"),
            (with(one.clone(), remap), "signed:1", "is not accepted"),
            (two, "both:1", good),
        ];
        let one_again = one.clone();
        for (requirement, name, says) in &cases {
            policy(env, host, requirement);
            let full = format!("{host}/{name}");
            let ours = env.run(&["pull", "-q", "--tls-verify=false", &full]);
            let theirs = tools.podman(&["pull", "-q", "--tls-verify=false", &full]);
            let context = format!("{requirement} {name}\n{ours}\n{theirs}");
            assert_eq!((ours.code == 0, theirs.code == 0), (says.is_empty(), says.is_empty()), "{context}");
            if !says.is_empty() {
                assert!(ours.stderr.contains("Source image rejected: ") && ours.stderr.contains(says), "{context}");
            }
            env.run(&["rmi", "-af"]).ok();
            tools.podman(&["rmi", "-af"]).ok();
        }
        // A subkey that may sign signs for its key; podman 4 knows primary keys only.
        policy(env, host, &three);
        env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/third:1")]).ok();
        env.run(&["rmi", "-af"]).ok();
        // Both that are asked for have to be there; Debian's skopeo makes no signatures of sigstore.
        std::fs::write(env.place.join("key.pub"), "").unwrap();
        let cosign = json!({"type": "sigstoreSigned", "keyPath": file("key.pub")});
        let all = json!({"default": [{"type": "reject"}], "transports": {"docker": {host: [one, cosign]}}});
        std::fs::write(env.root.home.join(".config/containers/policy.json"), all.to_string()).unwrap();
        let told = env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/signed:1")]);
        told.fails(125, "A signature was required, but no signature exists");
        // A directory's signatures are beside the manifest, and count for the name that the policy gives; a server's are asked.
        let source = format!("docker://{host}/signed:1");
        shell(env, &tools, &format!("skopeo --insecure-policy copy -q --src-tls-verify=false {source} dir:kept"));
        let dir = format!("dir:{}", file("kept"));
        for (requirement, says) in [
            (
                with(
                    one_again.clone(),
                    json!({"type": "exactReference", "dockerReference": format!("{host}/signed:1")}),
                ),
                "",
            ),
            (one_again.clone(), "has none"),
            (gpg(&file("two.gpg")), "Invalid GPG signature"),
        ] {
            let policy = json!({"default": [{"type": "reject"}], "transports": {"dir": {"": [requirement]}}});
            std::fs::write(env.root.home.join(".config/containers/policy.json"), policy.to_string()).unwrap();
            let pulled = env.run(&["pull", "-q", &dir]);
            assert!(
                pulled.code == 0 && says.is_empty() || !says.is_empty() && pulled.stderr.contains(says),
                "{pulled}"
            );
            env.run(&["rmi", "-af"]).ok();
        }
        policy(env, host, &one_again);
        let registries = std::fs::read_to_string("/etc/containers/registries.d/test.yaml").unwrap();
        let served = registries.replace(&format!("file://{}", file("signatures")), "http://127.0.0.1:8081");
        std::fs::write("/etc/containers/registries.d/test.yaml", served).unwrap();
        let mut server = env.root.command("busybox");
        let mut server =
            server.args(["httpd", "-f", "-p", "127.0.0.1:8081", "-h", &file("signatures")]).spawn().unwrap();
        let address = "127.0.0.1:8081".parse().unwrap();
        let limit = std::time::Duration::from_secs(1);
        eventually("the server answers", || std::net::TcpStream::connect_timeout(&address, limit).is_ok());
        env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/signed:1")]).ok();
        env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/none:1")]).fails(125, "no signature exists");
        env.run(&["rmi", "-af"]).ok();
        server.kill().unwrap();
        server.wait().unwrap();
        env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/signed:1")])
            .fails(125, "read signature http://");
        std::fs::write("/etc/containers/registries.d/test.yaml", registries).unwrap();
        // What was changed on the way counts no more.
        let found = shell(env, &tools, "find signatures/signed* -name signature-1");
        let path = env.place.join(found.lines().next().unwrap());
        let whole = std::fs::read(&path).unwrap();
        policy(env, host, &gpg(&file("one.gpg")));
        for at in [10, whole.len() / 2, whole.len() - 3] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/signed:1")])
                .fails(125, "Source image rejected: ");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        env.run(&["pull", "-q", "--tls-verify=false", &format!("{host}/signed:1")])
            .fails(125, "Source image rejected: ");
        std::fs::remove_dir_all(env.place.join("signatures")).unwrap();
        std::fs::remove_dir_all(env.place.join("gnupg")).unwrap();
    });
}

/// A registry with an image and signatures of sigstore that the test makes itself.
struct Signed<'a> {
    env: &'a TestEnv,
    tools: Tools<'a>,
    registry: Registry,
    digest: String,
}

impl Signed<'_> {
    fn shell(&self, script: &str) -> String {
        shell(self.env, &self.tools, script)
    }

    fn payload(&self, reference: &str) -> Vec<u8> {
        let critical = json!({"type": "cosign container image signature", "image": {"docker-manifest-digest": self.digest},
            "identity": {"docker-reference": reference}});
        serde_json::to_vec(&json!({"critical": critical, "optional": null})).unwrap()
    }

    /// Attaches a payload with annotations to the image.
    fn attach(&self, payload: &[u8], annotations: &Value) {
        let config = self.registry.add_blob(b"{}".to_vec());
        let layer = self.registry.add_blob(payload.to_vec());
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST_OCI,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": config},
            "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": payload.len(),
                "digest": layer, "annotations": annotations}]});
        let tag = format!("{}.sig", self.digest.replace(':', "-"));
        self.registry.add_manifest("app", &tag, MANIFEST_OCI, document.to_string().as_bytes());
    }

    fn sign(&self, key: &str, bytes: &[u8]) -> String {
        std::fs::write(self.env.place.join("bytes"), bytes).unwrap();
        self.shell(&format!("openssl dgst -sha256 -sign {key} bytes | base64 -w0"))
    }

    fn pull(&self) -> Outcome {
        let mut command = self.env.dhow(&["pull", "-q", "--tls-verify=false", &self.registry.reference("app:1")]);
        command.current_dir(&self.env.place);
        finished(command, b"")
    }

    /// The word of the log for a signature.
    fn bundle(&self, log: &str, key: &[u8], signature: &str, payload: &[u8], when: u64) -> String {
        std::fs::write(self.env.place.join("payload"), payload).unwrap();
        std::fs::write(self.env.place.join("key"), key).unwrap();
        let sum = self.shell("sha256sum <payload");
        let key = self.shell("base64 -w0 <key");
        let body = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": sum.split(' ').next().unwrap()}},
            "signature": {"content": signature, "publicKey": {"content": key}}}});
        std::fs::write(self.env.place.join("body"), body.to_string()).unwrap();
        let body = self.shell("base64 -w0 <body");
        let signed = format!(r#"{{"body":"{body}","integratedTime":{when},"logID":"id","logIndex":7}}"#);
        let promise = self.sign(log, signed.as_bytes());
        json!({"SignedEntryTimestamp": promise, "Payload": {"body": body, "integratedTime": when, "logIndex": 7, "logID": "id"}})
            .to_string()
    }
}

fn signed(body: impl FnOnce(&Signed<'_>)) {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        let digest = registry.add("app", "1", &image, Flavor::Oci);
        let tools = Tools::new(env);
        let text = format!("docker:\n  {}:\n    use-sigstore-attachments: true\n", registry.address());
        std::fs::create_dir_all("/etc/containers/registries.d").unwrap();
        std::fs::write("/etc/containers/registries.d/test.yaml", text).unwrap();
        body(&Signed { env, tools, registry, digest });
        env.run(&["rmi", "-af"]).ok();
    });
}

const MAKE_KEY: &str = "openssl ecparam -genkey -name prime256v1 -noout -out";

#[test]
fn keys_of_every_kind_and_the_word_of_the_log() {
    require!(openssl, skopeo);
    signed(|at| {
        at.shell(&format!(
            "{MAKE_KEY} p256.key; openssl ecparam -genkey -name secp384r1 -noout -out p384.key; openssl genrsa -out rsa.key 2048 2>/dev/null
            {MAKE_KEY} log.key; {MAKE_KEY} other.key
            for name in p256 p384 rsa log other; do openssl pkey -in $name.key -pubout -out $name.pub; done"
        ));
        let reference = at.registry.reference("app:1");
        let payload = at.payload(&reference);
        let host = at.registry.address();
        for name in ["p256", "p384", "rsa"] {
            let signature = at.sign(&format!("{name}.key"), &payload);
            at.attach(&payload, &json!({"dev.cosignproject.cosign/signature": signature}));
            policy(at.env, &host, &json!({"type": "sigstoreSigned", "keyPath": format!("{name}.pub")}));
            at.pull().ok();
            at.env.run(&["rmi", "-af"]).ok();
            let keys = json!({"type": "sigstoreSigned", "keyPaths": ["other.pub", format!("{name}.pub")]});
            policy(at.env, &host, &keys);
            at.pull().ok();
            at.env.run(&["rmi", "-af"]).ok();
            policy(at.env, &host, &json!({"type": "sigstoreSigned", "keyPath": "other.pub"}));
            at.pull().fails(125, "cryptographic signature verification failed");
        }
        // Another image, another name, another kind of payload.
        let wrong = |payload: &[u8], says: &str| {
            let signature = at.sign("p256.key", payload);
            at.attach(payload, &json!({"dev.cosignproject.cosign/signature": signature}));
            policy(at.env, &host, &json!({"type": "sigstoreSigned", "keyPath": "p256.pub"}));
            at.pull().fails(125, says);
        };
        let text = String::from_utf8(payload.clone()).unwrap();
        wrong(text.replace(&at.digest, &format!("sha256:{}", "0".repeat(64))).as_bytes(), "does not match");
        wrong(&at.payload("other.t/app:1"), "is not accepted");
        wrong(text.replace("cosign container", "atomic container").as_bytes(), "unrecognized signature type");
        wrong(b"{}", "critical is not an object");
        // The log.
        let key = std::fs::read(at.env.place.join("p256.pub")).unwrap();
        let signature = at.sign("p256.key", &payload);
        let annotated = |bundle: &str| {
            let all = json!({"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/bundle": bundle});
            at.attach(&payload, &all);
            at.pull()
        };
        let wanted = json!({"type": "sigstoreSigned", "keyPath": "p256.pub", "rekorPublicKeyPath": "log.pub"});
        policy(at.env, &host, &wanted);
        annotated(&at.bundle("log.key", &key, &signature, &payload, 1_700_000_000)).ok();
        at.env.run(&["rmi", "-af"]).ok();
        annotated(&at.bundle("other.key", &key, &signature, &payload, 1)).fails(125, "not the log's");
        annotated(&at.bundle("log.key", &key, &signature, b"other", 1)).fails(125, "the log has another signature");
        let other = std::fs::read(at.env.place.join("other.pub")).unwrap();
        annotated(&at.bundle("log.key", &other, &signature, &payload, 1)).fails(125, "the log has another signature");
        annotated("{}").fails(125, "Payload is missing");
        at.attach(&payload, &json!({"dev.cosignproject.cosign/signature": signature}));
        at.pull().fails(125, "it has no word of the log");
        at.env.nothing_is_left();
    });
}

#[test]
fn certificates_of_an_authority_count_for_their_time_and_name() {
    require!(openssl, skopeo);
    signed(|at| {
        let extensions = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n\
                          subjectAltName=critical,email:dev@example.org\n1.3.6.1.4.1.57264.1.1=DER:68:74:74:70:73:3a:2f:2f:69\n";
        std::fs::write(at.env.place.join("leaf.ext"), extensions).unwrap();
        std::fs::write(at.env.place.join("server.ext"), extensions.replace("codeSigning", "serverAuth")).unwrap();
        at.shell(&format!(
            "for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $ca.key \
                -out $ca.pem -days 3650 -subj /CN=$ca -addext keyUsage=critical,keyCertSign 2>/dev/null; done
            {MAKE_KEY} log.key; openssl pkey -in log.key -pubout -out log.pub
            {MAKE_KEY} leaf.key; openssl req -new -key leaf.key -subj / -out leaf.csr
            for kind in leaf server; do openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 1 -extfile $kind.ext \
                -out $kind.pem 2>/dev/null; done"
        ));
        let now: u64 = at.shell("date +%s").parse().unwrap();
        let payload = at.payload(&at.registry.reference("app:1"));
        let signature = at.sign("leaf.key", &payload);
        let attach = |certificate: &str, when: u64| {
            let pem = std::fs::read(at.env.place.join(certificate)).unwrap();
            let bundle = at.bundle("log.key", &pem, &signature, &payload, when);
            let annotations = json!({"dev.cosignproject.cosign/signature": signature, "dev.sigstore.cosign/bundle": bundle,
                "dev.sigstore.cosign/certificate": String::from_utf8(pem).unwrap()});
            at.attach(&payload, &annotations);
        };
        let fulcio = |ca: &str, issuer: &str, email: &str| {
            let fulcio = json!({"caPath": ca, "oidcIssuer": issuer, "subjectEmail": email});
            json!({"type": "sigstoreSigned", "fulcio": fulcio, "rekorPublicKeyPath": "log.pub"})
        };
        let host = at.registry.address();
        let good = fulcio("ca.pem", "https://i", "dev@example.org");
        policy(at.env, &host, &good);
        attach("leaf.pem", now + 60);
        at.pull().ok();
        at.env.run(&["rmi", "-af"]).ok();
        attach("leaf.pem", now + 90_000);
        at.pull().fails(125, "its certificate: ");
        attach("server.pem", now + 60);
        at.pull().fails(125, "its certificate: ");
        attach("leaf.pem", now + 60);
        for (requirement, says) in [
            (fulcio("other.pem", "https://i", "dev@example.org"), "its certificate: "),
            (fulcio("ca.pem", "https://j", "dev@example.org"), "Required OIDC issuer https://j"),
            (fulcio("ca.pem", "https://i", "other@example.org"), "Required email other@example.org not found"),
        ] {
            policy(at.env, &host, &requirement);
            at.pull().fails(125, says);
        }
        at.env.nothing_is_left();
    });
}
