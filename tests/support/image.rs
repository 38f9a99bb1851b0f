//! Images made in memory, without a tool: layers entry by entry, a configuration as JSON, and the forms that a store
//! or a registry takes them in.

use std::io::Write;

use serde_json::{Value, json};
use sha2::Digest;

use super::tar::{Entry, archive};

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// A layer: the tar and the packed blob.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) tar: Vec<u8>,
    pub(crate) blob: Vec<u8>,
    pub(crate) packing: Packing,
    /// The digest of the unpacked tar that the configuration claims.
    pub(crate) diff_id: String,
}

/// An image for this machine's architecture, unless its configuration says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Layer>,
    /// The whole configuration document; `rootfs` is written when the image is.
    pub(crate) config: Value,
}

/// Which media types a manifest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Oci,
    Docker,
}

/// `sha256:` and the digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digits: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// The name of this processor in the image specification.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Packs `bytes`.
pub(crate) fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::None => bytes.to_vec(),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).expect("deflate in memory");
            encoder.finish().expect("deflate in memory")
        }
        Packing::Zstd => zstd::encode_all(bytes, 1).expect("zstd in memory"),
    }
}

impl Layer {
    pub(crate) fn new(entries: &[Entry], packing: Packing) -> Self {
        Self::of_tar(archive(entries), packing)
    }

    /// A layer from any bytes, an archive or not.
    pub(crate) fn of_tar(tar: Vec<u8>, packing: Packing) -> Self {
        let (blob, diff_id) = (pack(&tar, packing), digest(&tar));
        Self { tar, blob, packing, diff_id }
    }

    /// One file of `megabytes` of zeros, a thousandth of that as a blob.
    pub(crate) fn bomb(megabytes: usize) -> Self {
        let size = megabytes << 20;
        let mut head = archive(&[Entry::file("bomb", 0o644, "").claim_size(size as u64)]);
        head.truncate(512);
        let zeros = vec![0_u8; 1 << 20];
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut hash = sha2::Sha256::new();
        let end = [0_u8; 1024];
        let parts = std::iter::once(&head[..]).chain((0..megabytes).map(|_| &zeros[..])).chain([&end[..]]);
        for part in parts {
            encoder.write_all(part).expect("deflate in memory");
            hash.update(part);
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let blob = encoder.finish().expect("deflate in memory");
        Self { tar: Vec::new(), blob, packing: Packing::Gzip, diff_id: format!("sha256:{digits}") }
    }

    fn media_type(&self, flavor: Flavor) -> &'static str {
        match (flavor, self.packing) {
            (Flavor::Oci, Packing::None) => "application/vnd.oci.image.layer.v1.tar",
            (Flavor::Oci, Packing::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Flavor::Oci, Packing::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Flavor::Docker, Packing::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Flavor::Docker, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

impl Image {
    /// An image of these layers that runs `/bin/sh`.
    pub(crate) fn of(layers: Vec<Layer>) -> Self {
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "2020-09-13T12:26:40Z",
            "config": { "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"] },
            "history": layers.iter().map(|_| json!({"created": "2020-09-13T12:26:40Z", "created_by": "test"}))
                .collect::<Vec<_>>(),
        });
        Self { layers, config }
    }

    /// The busybox of this machine with all its applets, in one layer.
    pub(crate) fn busybox() -> Self {
        Self::of(vec![Layer::new(&busybox_entries(), Packing::Gzip)])
    }

    /// Sets a key of the `config` object: `with("User", json!("1000"))`.
    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.config["config"][key] = value;
        self
    }

    /// Adds a layer on top.
    pub(crate) fn layer(mut self, entries: &[Entry], packing: Packing) -> Self {
        self.layers.push(Layer::new(entries, packing));
        let history = self.config["history"].as_array_mut().expect("history is a list");
        history.push(json!({"created": "2020-09-13T12:26:40Z", "created_by": "test"}));
        self
    }

    /// The configuration document.
    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        let mut config = self.config.clone();
        let ids: Vec<&str> = self.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        config["rootfs"] = json!({"type": "layers", "diff_ids": ids});
        serde_json::to_vec(&config).expect("a JSON document")
    }

    /// The image's id: the digest of its configuration.
    pub(crate) fn id(&self) -> String {
        digest(&self.config_bytes())["sha256:".len()..].to_owned()
    }

    /// The manifest document.
    pub(crate) fn manifest(&self, flavor: Flavor) -> Vec<u8> {
        let config = self.config_bytes();
        let (manifest, kind) = match flavor {
            Flavor::Oci => (MANIFEST_OCI, "application/vnd.oci.image.config.v1+json"),
            Flavor::Docker => (MANIFEST_DOCKER, "application/vnd.docker.container.image.v1+json"),
        };
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|l| json!({"mediaType": l.media_type(flavor), "digest": digest(&l.blob), "size": l.blob.len()}))
            .collect();
        let document = json!({
            "schemaVersion": 2,
            "mediaType": manifest,
            "config": {"mediaType": kind, "digest": digest(&config), "size": config.len()},
            "layers": layers,
        });
        serde_json::to_vec(&document).expect("a JSON document")
    }

    /// What `podman save` and `docker save` write.
    pub(crate) fn docker_archive(&self, names: &[&str]) -> Vec<u8> {
        let config = self.config_bytes();
        let file = |layer: &Layer| format!("{}.tar", &digest(&layer.blob)["sha256:".len()..]);
        let mut entries: Vec<Entry> = Vec::new();
        for layer in &self.layers {
            entries.push(Entry::file(file(layer), 0o644, layer.blob.clone()));
        }
        let config_name = format!("{}.json", self.id());
        let manifest = json!([{
            "Config": config_name,
            "RepoTags": names,
            "Layers": self.layers.iter().map(file).collect::<Vec<_>>(),
        }]);
        entries.push(Entry::file(&config_name, 0o644, config));
        entries.push(Entry::file("manifest.json", 0o644, serde_json::to_vec(&manifest).expect("a JSON document")));
        archive(&entries)
    }

    /// An OCI image layout in a tar, its one image called `name`.
    pub(crate) fn oci_archive(&self, name: &str) -> Vec<u8> {
        let manifest = self.manifest(Flavor::Oci);
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": MANIFEST_OCI,
                "digest": digest(&manifest),
                "size": manifest.len(),
                "annotations": {"org.opencontainers.image.ref.name": name},
            }],
        });
        let blob = |bytes: &[u8]| {
            Entry::file(format!("blobs/sha256/{}", &digest(bytes)["sha256:".len()..]), 0o644, bytes.to_vec())
        };
        let mut entries = vec![Entry::dir("blobs/", 0o755), Entry::dir("blobs/sha256/", 0o755)];
        entries.extend(self.layers.iter().map(|layer| blob(&layer.blob)));
        entries.extend([blob(&self.config_bytes()), blob(&manifest)]);
        entries.push(Entry::file("oci-layout", 0o644, r#"{"imageLayoutVersion":"1.0.0"}"#));
        entries.push(Entry::file("index.json", 0o644, serde_json::to_vec(&index).expect("a JSON document")));
        archive(&entries)
    }
}

pub(crate) const MANIFEST_OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const MANIFEST_DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const INDEX_OCI: &str = "application/vnd.oci.image.index.v1+json";

/// A root file system around this machine's static busybox.
pub(crate) fn busybox_entries() -> Vec<Entry> {
    let program = super::require::program("busybox").expect("busybox is installed (busybox-static)");
    let bytes = std::fs::read(&program).expect("read busybox");
    let list = std::process::Command::new(&program).arg("--list").output().expect("list the applets of busybox");
    let mut entries: Vec<Entry> =
        ["bin/", "dev/", "etc/", "home/", "proc/", "root/", "run/", "sys/", "usr/", "usr/bin/", "var/"]
            .iter()
            .map(|name| Entry::dir(name, 0o755))
            .collect();
    entries.push(Entry::dir("tmp/", 0o1777));
    entries.push(Entry::file("bin/busybox", 0o755, bytes));
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        // A link's header has the mode of its file; podman applies it.
        entries.push(Entry::hardlink(format!("bin/{applet}"), "bin/busybox").mode(0o755));
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\nweb:x:1000:1001:web:/home:/bin/sh\n";
    entries.push(Entry::file("etc/passwd", 0o644, passwd));
    entries.push(Entry::file("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\nweb:x:1001:\nextra:x:1002:web\n"));
    entries.push(Entry::file("etc/hostname", 0o644, "from-the-image\n"));
    entries
}
