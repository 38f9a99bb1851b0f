//! Signatures that dhow makes: others accept them as dhow's own policies do, and where a key is not what it should be
//! nothing is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use serde_json::{Value, json};

use crate::require;
use crate::support::env::finished;
use crate::support::image::{Image, Layer, Packing};
use crate::support::registry::Registry;
use crate::support::tar::Entry;
use crate::support::tools::{Distribution, Tools};
use crate::support::{Outcome, TestEnv, isolated};

const D: &str = "/etc/containers/registries.d/test.yaml";

struct Place<'a> {
    env: &'a TestEnv,
    tools: Tools<'a>,
}

impl Place<'_> {
    fn shell(&self, script: &str) -> String {
        let script = format!("cd {}; export GNUPGHOME=$PWD/gnupg; {script}", self.env.place.display());
        self.tools.run(&["sh", "-ec", &script])
    }

    fn file(&self, name: &str) -> String {
        self.env.place.join(name).display().to_string()
    }

    fn dhow(&self, words: &[&str]) -> Outcome {
        let mut command = self.env.dhow(words);
        command.env("GNUPGHOME", self.env.place.join("gnupg")).current_dir(&self.env.place);
        finished(command, b"")
    }

    fn push(&self, flags: &[&str], to: &str) -> Outcome {
        let to = format!("docker://{}/{to}", Distribution::ADDRESS);
        self.dhow(&[&["push", "-q", "--tls-verify=false"][..], flags, &["localhost/image:1", &to]].concat())
    }

    /// Whether dhow and podman take an image in that the policy asks `requirement` of.
    fn taken(&self, requirement: &Value, name: &str) -> (bool, bool) {
        let policy = json!({"default": [{"type": "insecureAcceptAnything"}],
            "transports": {"docker": {Distribution::ADDRESS: [requirement]}}});
        let home = self.env.root.home.join(".config/containers");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("policy.json"), policy.to_string()).unwrap();
        let pull = ["pull", "-q", "--tls-verify=false", &format!("{}/{name}", Distribution::ADDRESS)];
        let (ours, theirs) = (self.dhow(&pull), self.tools.podman(&pull));
        self.tools.podman(&["rmi", "-af"]).ok();
        let all = json!({"default": [{"type": "insecureAcceptAnything"}]});
        std::fs::write(home.join("policy.json"), all.to_string()).unwrap();
        (ours.code == 0, theirs.code == 0)
    }

    fn is_there(&self, name: &str) -> bool {
        let place = format!("docker://{}/{name}", Distribution::ADDRESS);
        self.dhow(&["image", "inspect", "--raw", "--tls-verify=false", &place]).code == 0
    }
}

fn at_a_registry(body: impl FnOnce(&Place<'_>)) {
    isolated(|env| {
        let _registry = Distribution::beside(env, None);
        std::fs::create_dir_all("/etc/containers/registries.d").unwrap();
        std::fs::create_dir_all("/etc/containers/registries.conf.d").unwrap();
        let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", Distribution::ADDRESS);
        std::fs::write("/etc/containers/registries.conf.d/test.conf", insecure).unwrap();
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        env.load(&image, "localhost/image:1").ok();
        let tools = Tools::new(env);
        body(&Place { env, tools });
        env.run(&["rmi", "-af"]).ok();
        std::fs::remove_file("/etc/containers/registries.conf.d/test.conf").unwrap();
    });
}

#[test]
fn keys_of_gnupg_sign_as_podman_reads_it() {
    require!(skopeo, podman, gpg, registry);
    at_a_registry(|at| {
        let lookaside = at.file("signatures");
        let places = |base: &str| {
            std::fs::write(D, format!("docker:\n  {}:\n    lookaside: {base}\n", Distribution::ADDRESS)).unwrap();
        };
        places(&format!("file://{lookaside}"));
        at.shell(
            "mkdir -m700 gnupg signatures; printf 'open sesame\\n' >pass; printf wrong >wrong
            for name in one two; do gpg -q --batch --passphrase '' --quick-gen-key $name@key rsa2048 sign never; done
            gpg -q --batch --passphrase '' --quick-gen-key ed@key ed25519 sign never
            gpg -q --batch --pinentry-mode loopback --passphrase 'open sesame' --quick-gen-key locked@key rsa2048 sign never
            for name in one two ed locked; do gpg --export $name@key >$name.gpg; done",
        );
        // Where they are looked for, and how they come there.
        let missing = at.push(&["--sign-by", "one@key"], "none:1");
        missing.fails(125, "Error: no secret key for \"one@key\": ");
        assert!(missing.stderr.contains("hint: bring it there: gpg --export-secret-keys"), "{missing}");
        at.shell(
            "for name in one two ed locked; do gpg --batch --pinentry-mode loopback --passphrase 'open sesame' \
            --export-secret-keys $name@key; done >gnupg/secring.gpg; gpgconf --kill all",
        );
        at.push(&["--sign-by", "nobody@key"], "none:1").fails(125, "no secret key for \"nobody@key\" in ");
        at.push(&["--sign-by", "@key"], "none:1").fails(125, "names several secret keys");
        at.push(&["--sign-by", "locked@key"], "none:1").fails(125, "sign with the secret key ");
        at.push(&["--sign-by", "locked@key", "--sign-passphrase-file", "wrong"], "none:1").fails(125, "sign with");
        places("http://127.0.0.1:9/");
        at.push(&["--sign-by", "one@key"], "none:1").fails(125, "signatures are written to file:// addresses");
        places(&format!("file://{lookaside}"));
        assert!(!at.is_there("none:1"), "nothing was sent");

        let print = at.shell("gpg --with-colons -k one@key | sed -n 's/^fpr:*\\([^:]*\\):/\\1/p' | head -1");
        at.push(&["--sign-by", &print], "signed:1").ok();
        at.push(&["--sign-by", &format!("0x{}", &print[24..])], "short:1").ok();
        at.push(&["--sign-by", "ed@key"], "ed:1").ok();
        at.push(&["--sign-by", "locked@key", "--sign-passphrase-file", "pass"], "locked:1").ok();
        let by =
            |name: &str| json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": at.file(&format!("{name}.gpg"))});
        for (key, name, taken) in [
            ("one", "signed:1", true),
            ("one", "short:1", true),
            ("two", "signed:1", false),
            ("ed", "ed:1", true),
            ("locked", "locked:1", true),
        ] {
            assert_eq!(at.taken(&by(key), name), (taken, taken), "{key} {name}");
        }
        // Another signature stands beside the first.
        at.push(&["--sign-by", "two@key"], "signed:1").ok();
        assert_eq!(at.taken(&by("two"), "signed:1"), (true, true));
        assert_eq!(at.taken(&by("one"), "signed:1"), (true, true));
        // What is there already, and copies.
        at.push(&[], "later:1").ok();
        let later = format!("docker://{}/later:1", Distribution::ADDRESS);
        assert_eq!(at.taken(&by("one"), "later:1"), (false, false));
        at.dhow(&["image", "sign", "--sign-by", "one@key", &later]).ok();
        assert_eq!(at.taken(&by("one"), "later:1"), (true, true));
        at.dhow(&["image", "sign", "--sign-by", "one@key", "--directory", "apart", &later]).ok();
        assert_eq!(at.shell("find apart -type f | sed 's/=.*-/=x-/'"), "apart/later@sha256=x-1");
        at.dhow(&["image", "sign", "--sign-by", "one@key", "later:1"]).fails(125, "begin it with docker://");
        at.dhow(&["image", "sign", &later]).fails(125, "please provide an identity");
        let copied = format!("docker://{}/copied:1", Distribution::ADDRESS);
        let copy = ["image", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", "--sign-by", "ed@key"];
        at.dhow(&[&copy[..], &[&later, &copied]].concat()).ok();
        assert_eq!(at.taken(&by("ed"), "copied:1"), (true, true));
        // Signatures go with the image, or it is said.
        let plain = ["image", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let go = |flags: &[&str], from: &str, to: &str| at.dhow(&[&plain[..], flags, &[from, to]].concat());
        let mirror = format!("docker://{}/mirror:1", Distribution::ADDRESS);
        let signed = format!("docker://{}/signed:1", Distribution::ADDRESS);
        let of_signed = |name: &str| {
            let mut requirement = by(name);
            requirement["signedIdentity"] =
                json!({"type": "exactRepository", "dockerRepository": format!("{}/signed", Distribution::ADDRESS)});
            requirement
        };
        go(&[], &signed, "dir:kept").ok();
        assert_eq!(at.shell("ls kept/signature-*"), "kept/signature-1\nkept/signature-2");
        go(&[], "dir:kept", &mirror).ok();
        go(&[], &signed, &mirror).ok();
        for key in ["one", "two"] {
            assert_eq!(at.taken(&of_signed(key), "mirror:1"), (true, true), "{key}");
        }
        assert_eq!(at.taken(&of_signed("ed"), "mirror:1"), (false, false));
        assert_eq!(at.shell("ls signatures/mirror*/ | wc -l"), "2", "each is there once");
        go(&[], &signed, "oci:layout:x").fails(125, "Can not copy signatures to oci:layout:x");
        assert!(!at.env.place.join("layout").exists());
        go(&["--remove-signatures"], &signed, "oci:layout:x").ok();
        go(&["--format", "oci"], &signed, &mirror).fails(125, "would require changing layer representation");
        let bare = format!("docker://{}/bare:1", Distribution::ADDRESS);
        go(&["--remove-signatures"], &signed, &bare).ok();
        assert_eq!(at.taken(&of_signed("one"), "bare:1"), (false, false));
        let told = at.dhow(&[&copy[..], &[&later, "dir:there"]].concat());
        told.fails(125, "Cannot determine canonical Docker reference for destination dir:there");
        assert!(!at.env.place.join("there").exists());
        std::fs::remove_dir_all(at.env.place.join("gnupg")).unwrap();
    });
}

/// A private key as cosign and skopeo seal it.
fn seal(der: &[u8], passphrase: &str) -> String {
    let mut key = [0; 32];
    let params = scrypt::Params::new(14, 8, 1, 32).unwrap();
    scrypt::scrypt(passphrase.as_bytes(), b"salt", &params, &mut key).unwrap();
    let text = XSalsa20Poly1305::new(&key.into()).encrypt(&[7; 24].into(), der).unwrap();
    let sealed = json!({
        "kdf": {"name": "scrypt", "params": {"N": 16384, "r": 8, "p": 1}, "salt": BASE64.encode("salt")},
        "cipher": {"name": "nacl/secretbox", "nonce": BASE64.encode([7; 24])},
        "ciphertext": BASE64.encode(text),
    });
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(sealed.to_string()))
}

#[test]
fn keys_of_sigstore_sign_as_others_verify_it() {
    require!(skopeo, podman, openssl, registry);
    at_a_registry(|at| {
        at.shell(
            "printf secret >pass; printf wrong >wrong
            for kind in prime256v1 secp384r1; do openssl ecparam -genkey -name $kind -noout | openssl pkcs8 -topk8 -nocrypt -outform DER -out $kind.der
            openssl pkey -inform DER -in $kind.der -pubout -out $kind.pub; done
            openssl ecparam -genkey -name prime256v1 -noout | openssl pkey -pubout -out other.pub
            printf 'privateKeyFile: prime256v1.key\\nprivateKeyPassphraseFile: pass\\n' >params.yaml
            printf 'privateKeyFile: prime256v1.key\\nrekorURL: https://r.e/\\n' >log.yaml",
        );
        for kind in ["prime256v1", "secp384r1"] {
            let der = std::fs::read(at.env.place.join(format!("{kind}.der"))).unwrap();
            std::fs::write(at.env.place.join(format!("{kind}.key")), seal(&der, "secret")).unwrap();
        }
        let flags = ["--sign-by-sigstore-private-key", "prime256v1.key", "--sign-passphrase-file", "pass"];
        at.push(&flags, "none:1").fails(125, "writing sigstore attachments is disabled by configuration");
        let text = format!("docker:\n  {}:\n    use-sigstore-attachments: true\n", Distribution::ADDRESS);
        std::fs::write(D, text).unwrap();
        let with = |key: &str, pass: &str| {
            at.push(&["--sign-by-sigstore-private-key", key, "--sign-passphrase-file", pass], "none:1")
        };
        with("prime256v1.key", "wrong").fails(125, "the passphrase does not open it");
        with("secp384r1.key", "pass").fails(125, "it is not for ECDSA with P-256");
        with("prime256v1.pub", "pass").fails(125, "it is not PEM of an \"ENCRYPTED SIGSTORE PRIVATE KEY\"");
        with("missing.key", "pass").fails(125, "open missing.key: no such file or directory");
        with("prime256v1.key", "missing").fails(125, "open missing: no such file or directory");
        at.push(&["--sign-by-sigstore", "log.yaml"], "none:1").fails(125, "a log of Rekor is not supported");
        assert!(!at.is_there("none:1"), "nothing was sent");

        at.push(&flags, "signed:1").ok();
        at.push(&["--sign-by-sigstore", "params.yaml"], "params:1").ok();
        at.push(&[], "plain:1").ok();
        let by = |key: &str| json!({"type": "sigstoreSigned", "keyPath": at.file(key), "signedIdentity": {"type": "matchRepository"}});
        for (key, name, taken) in [
            ("prime256v1.pub", "signed:1", true),
            ("prime256v1.pub", "params:1", true),
            ("other.pub", "signed:1", false),
            ("prime256v1.pub", "plain:1", false),
        ] {
            // Debian's podman has this disabled: it is asked about nothing here, OpenSSL is below.
            assert_eq!(at.taken(&by(key), name).0, taken, "{key} {name}");
        }
        // They go with a copy.
        let plain = ["image", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
        let [signed, mirror] =
            ["signed:1", "mirror:1"].map(|name| format!("docker://{}/{name}", Distribution::ADDRESS));
        at.dhow(&[&plain[..], &[&signed, &mirror]].concat()).ok();
        at.dhow(&[&plain[..], &[&signed, &mirror]].concat()).ok();
        let repository = format!("{}/signed", Distribution::ADDRESS);
        let of_signed = |key: &str| {
            json!({"type": "sigstoreSigned", "keyPath": at.file(key),
                "signedIdentity": {"type": "exactRepository", "dockerRepository": repository}})
        };
        assert!(
            at.taken(&of_signed("prime256v1.pub"), "mirror:1").0 && !at.taken(&of_signed("other.pub"), "mirror:1").0
        );
        at.dhow(&[&plain[..], &[&signed, "dir:there"]].concat()).fails(125, "cannot be kept in a directory");
        // A second one is added to the first.
        at.push(&flags, "signed:2").ok();
        assert!(at.taken(&by("prime256v1.pub"), "signed:2").0);
        let digest = at.shell(&format!(
            "skopeo inspect --tls-verify=false --format '{{{{.Digest}}}}' docker://{}/signed:1",
            Distribution::ADDRESS
        ));
        let tag = format!("docker://{}/signed:{}.sig", Distribution::ADDRESS, digest.replace(':', "-"));
        let raw = at.dhow(&["image", "inspect", "--raw", "--tls-verify=false", &tag]).json();
        assert_eq!(raw["layers"].as_array().unwrap().len(), 2, "{raw}");
        // Others read it as an image, and verify what is signed with nothing but the key.
        at.shell(&format!("skopeo inspect --raw --tls-verify=false {tag}"));
        for layer in raw["layers"].as_array().unwrap() {
            let text = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap();
            let blob = layer["digest"].as_str().unwrap();
            let address = format!("http://{}/v2/signed/blobs/{blob}", Distribution::ADDRESS);
            at.shell(&format!(
                "curl -sf {address} >payload; echo {text} | base64 -d >signature; grep -q {digest} payload
                openssl dgst -sha256 -verify prime256v1.pub -signature signature payload"
            ));
        }
        at.dhow(&["push", "-q", flags[0], flags[1], flags[2], flags[3], "localhost/image:1", "oci:there"])
            .fails(125, "Cannot determine canonical Docker reference");
    });
}

#[test]
fn a_registry_that_keeps_signatures_is_given_them_and_asked() {
    require!(podman, gpg);
    isolated(|env| {
        let registry = Registry::beside(env);
        registry.keep_signatures();
        let image = Image::of(vec![Layer::new(&[Entry::file("a", 0o644, "a")], Packing::Gzip)]);
        env.load(&image, "localhost/image:1").ok();
        let at = Place { env, tools: Tools::new(env) };
        at.shell(
            "mkdir -m700 gnupg
            for name in one two; do gpg -q --batch --passphrase '' --quick-gen-key $name@key rsa2048 sign never; done
            gpg --batch --export-secret-keys >gnupg/secring.gpg; for name in one two; do gpg --export $name@key >$name.gpg; done
            gpgconf --kill all",
        );
        let name = registry.reference("app:1");
        let push = ["push", "-q", "--tls-verify=false", "--sign-by", "one@key", "localhost/image:1", &name];
        at.dhow(&push).ok();
        let asked = registry.requests();
        let put = asked.iter().find(|request| request.method == "PUT" && request.path.starts_with("/extensions/"));
        let kept: Value = serde_json::from_slice(&put.expect("a signature is sent").body).unwrap();
        assert_eq!((&kept["schemaVersion"], &kept["type"]), (&json!(2), &json!("atomic")));
        for (key, taken) in [("one", true), ("two", false)] {
            let requirement =
                json!({"type": "signedBy", "keyType": "GPGKeys", "keyPath": at.file(&format!("{key}.gpg"))});
            let policy = json!({"default": [{"type": "insecureAcceptAnything"}],
                "transports": {"docker": {registry.address(): [requirement]}}});
            let home = env.root.home.join(".config/containers");
            std::fs::create_dir_all(&home).unwrap();
            std::fs::write(home.join("policy.json"), policy.to_string()).unwrap();
            let pull = ["pull", "-q", "--tls-verify=false", &name];
            let (ours, theirs) = (at.dhow(&pull), at.tools.podman(&pull));
            assert_eq!((ours.code == 0, theirs.code == 0), (taken, taken), "{key}\n{ours}\n{theirs}");
            at.tools.podman(&["rmi", "-af"]).ok();
        }
        std::fs::remove_dir_all(env.place.join("gnupg")).unwrap();
        env.run(&["rmi", "-af"]).ok();
    });
}
