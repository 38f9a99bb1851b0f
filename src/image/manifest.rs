//! Manifests, indexes and configurations of images: OCI image-spec 1.1 and Docker's schema 2, read strictly.
//!
//! A document is one kind: what could be read as a manifest and as an index is refused (CVE-2021-41190), and so is one
//! whose own media type differs from the one it was served with. Sizes, counts and nesting are bounded before anything
//! is kept. The bytes are passed on as they came, since the digest names them.

use anyhow::{Context as _, Result, bail};
use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind};
use crate::model::platform::Platform;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
/// What a registry is asked for, in order of preference.
pub(crate) const ACCEPTED: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// The largest manifest, index or configuration.
pub(crate) const DOCUMENT_MAX: u64 = 4 << 20;
const DEPTH_MAX: usize = 64;
const LAYERS_MAX: usize = 500;
pub(crate) const INDEX_MAX: usize = 1000;

/// What names a blob: media type, digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Descriptor {
    #[serde(rename = "mediaType")]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Other places of a foreign layer; never asked with credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) urls: Vec<String>,
}

/// How a layer's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Tells from the first bytes.
    pub(crate) fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame (0x184D2A50 to 5F), with which some zstd writers begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// An index: one manifest per platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<IndexEntry>,
}

/// One line of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) descriptor: Descriptor,
    pub(crate) platform: Option<Platform>,
    /// `org.opencontainers.image.ref.name` and its kind, as archives use them.
    pub(crate) annotations: Vec<(String, String)>,
}

impl IndexEntry {
    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// Either of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

impl Document {
    /// Reads a document that was served as `content_type` (`None` where nothing was said).
    pub(crate) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self> {
        let served = content_type
            .map(bare_type)
            .filter(|t| !matches!(t.as_str(), "" | "application/json" | "text/plain" | "application/octet-stream"));
        if served.as_deref().is_some_and(is_schema1) {
            return Err(schema1());
        }
        let map = object(bytes, "manifest")?;
        match map.get("schemaVersion") {
            Some(Value::Number(n)) if n.as_u64() == Some(2) => {}
            Some(Value::Number(n)) if n.as_u64() == Some(1) => return Err(schema1()),
            _ => bail!(Error::invalid("manifest has no valid schemaVersion")),
        }
        let own = match map.get("mediaType") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|t| !t.is_empty()),
            Some(_) => bail!(Error::invalid("manifest: mediaType is not a string")),
        };
        if let (Some(own), Some(served)) = (&own, &served)
            && own != served
        {
            bail!(Error::invalid(format!("manifest says media type {own:?} and was served as {served:?}")));
        }
        let is_index = map.contains_key("manifests");
        let is_manifest = map.contains_key("config") || map.contains_key("layers");
        if map.contains_key("fsLayers") || map.contains_key("history") || is_index == is_manifest {
            bail!(Error::invalid("manifest is not of exactly one kind"));
        }
        let media_type = own.or(served).unwrap_or_else(|| if is_index { OCI_INDEX } else { OCI_MANIFEST }.to_owned());
        match (media_type.as_str(), is_index) {
            (OCI_MANIFEST | DOCKER_MANIFEST, false) => {
                let config = descriptor(map.get("config").context("manifest has no config")?)?;
                let layers = list(&map, "layers", LAYERS_MAX)?.iter().map(descriptor).collect::<Result<_>>()?;
                if config.size > DOCUMENT_MAX {
                    bail!(Error::invalid(format!("image configuration of {} bytes is too large", config.size)));
                }
                Ok(Self::Manifest(Manifest { media_type, config, layers }))
            }
            (OCI_INDEX | DOCKER_LIST, true) => {
                let manifests = list(&map, "manifests", INDEX_MAX)?.iter().map(entry).collect::<Result<_>>()?;
                Ok(Self::Index(Index { media_type, manifests }))
            }
            (OCI_MANIFEST | DOCKER_MANIFEST | OCI_INDEX | DOCKER_LIST, _) => {
                bail!(Error::invalid(format!("manifest content does not fit its media type {media_type:?}")))
            }
            _ => bail!(Error::unsupported(format!("unsupported manifest media type {media_type:?}"))),
        }
    }
}

impl Manifest {
    /// Checks that this is an image that can be unpacked, not another artifact.
    pub(crate) fn check_is_image(&self) -> Result<()> {
        if !matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            bail!(Error::unsupported(format!(
                "not a container image: config of media type {:?}",
                self.config.media_type
            )));
        }
        self.layers.iter().try_for_each(|layer| layer_compression(&layer.media_type).map(drop))
    }

    /// The manifest as compact JSON, in the order of the specification.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Wire<'a> {
            #[serde(rename = "schemaVersion")]
            schema_version: u8,
            #[serde(rename = "mediaType")]
            media_type: &'a str,
            config: &'a Descriptor,
            layers: &'a [Descriptor],
        }
        let wire = Wire { schema_version: 2, media_type: &self.media_type, config: &self.config, layers: &self.layers };
        serde_json::to_vec(&wire).context("write manifest")
    }
}

impl Index {
    /// The manifest that serves `wanted` best; the first of equals.
    pub(crate) fn pick(&self, wanted: &Platform) -> Result<&IndexEntry> {
        self.manifests
            .iter()
            .filter_map(|entry| Some((wanted.rank(entry.platform.as_ref()?)?, entry)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, entry)| entry)
            .or_else(|| match &self.manifests[..] {
                // buildah's and umoci's layouts name a single image without its platform.
                [only] if only.platform.is_none() => Some(only),
                _ => None,
            })
            .ok_or_else(|| {
                let offered: Vec<String> =
                    self.manifests.iter().filter_map(|e| e.platform.as_ref()).map(ToString::to_string).collect();
                let error = Error::not_found(format!(
                    "no image found in image index for architecture {:?}, variant {:?}, OS {:?}",
                    wanted.architecture,
                    wanted.variant.as_deref().unwrap_or_default(),
                    wanted.os
                ));
                match offered.is_empty() {
                    true => error.into(),
                    false => error.hint(format!("it has {}", offered.join(", "))).into(),
                }
            })
    }
}

/// How a layer of this media type is packed; an error where it is no layer.
pub(crate) fn layer_compression(media_type: &str) -> Result<Compression> {
    let suffix = [OCI_LAYER, OCI_FOREIGN, DOCKER_LAYER, DOCKER_FOREIGN]
        .iter()
        .find_map(|base| media_type.strip_prefix(base))
        .unwrap_or("?");
    match suffix {
        "" => Ok(Compression::None),
        "+gzip" | ".gzip" => Ok(Compression::Gzip),
        "+zstd" | ".zstd" => Ok(Compression::Zstd),
        _ if media_type.ends_with("+encrypted") => bail!(Error::unsupported("encrypted layers are not supported")),
        _ => bail!(Error::unsupported(format!("unsupported layer media type {media_type:?}"))),
    }
}

/// The media type of a layer in OCI's words.
pub(crate) fn oci_layer_type(compression: Compression) -> String {
    match compression {
        Compression::None => OCI_LAYER.to_owned(),
        Compression::Gzip => format!("{OCI_LAYER}+gzip"),
        Compression::Zstd => format!("{OCI_LAYER}+zstd"),
    }
}

/// An image's configuration: OCI's part typed, Docker's extras beside it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) image: ImageConfiguration,
    pub(crate) diff_ids: Vec<Digest>,
    pub(crate) platform: Platform,
    /// Docker's `Healthcheck`, as it was written.
    pub(crate) healthcheck: Option<Value>,
}

impl Config {
    /// Reads a configuration; Docker writes null where OCI leaves out, and has fields of its own.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut map = object(bytes, "image configuration")?;
        if map.contains_key("schemaVersion") || map.contains_key("layers") || map.contains_key("manifests") {
            bail!(Error::invalid("image configuration is a manifest"));
        }
        let mut extras = match map.get("config") {
            Some(Value::Object(config)) => config.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => bail!(Error::invalid("image configuration: config is not an object")),
        };
        // Not OCI's, and perhaps of a shape that OCI's type does not take.
        for key in ["container_config", "container", "docker_version", "parent", "id"] {
            map.remove(key);
        }
        let mut value = Value::Object(map);
        drop_nulls(&mut value);
        if let Value::Object(map) = &mut value {
            if map.get("os").is_none_or(|os| os == "") {
                map.insert("os".to_owned(), "linux".into());
            }
            if map.get("architecture").is_none_or(|a| a == "") {
                map.insert("architecture".to_owned(), Platform::host().architecture.into());
            }
            if map.get("created").is_some_and(|c| c == "") {
                map.remove("created");
            }
            if let Some(Value::Object(config)) = map.get_mut("config") {
                for (key, field) in config.iter_mut() {
                    // A single string where a list is meant (schema 1 leftovers).
                    if matches!(key.as_str(), "Cmd" | "Entrypoint")
                        && let Value::String(text) = field
                    {
                        *field = vec![std::mem::take(text)].into();
                    }
                }
            }
        }
        let image: ImageConfiguration =
            serde_json::from_value(value).map_err(|e| Error::invalid(format!("parse image configuration: {e}")))?;
        let diff_ids = image
            .rootfs()
            .diff_ids()
            .iter()
            .map(|id| id.parse().map_err(anyhow::Error::new))
            .collect::<Result<Vec<Digest>>>()
            .context("image configuration, diff_ids")?;
        if diff_ids.len() > LAYERS_MAX {
            bail!(Error::invalid(format!("image has {} layers, more than {LAYERS_MAX}", diff_ids.len())));
        }
        let platform =
            Platform::new(&image.os().to_string(), &image.architecture().to_string(), image.variant().as_deref());
        Ok(Self { diff_ids, platform, healthcheck: extras.remove("Healthcheck").filter(Value::is_object), image })
    }

    /// Checks that manifest and configuration speak of the same number of layers.
    pub(crate) fn check_layers(&self, manifest: &Manifest) -> Result<()> {
        if self.diff_ids.len() != manifest.layers.len() {
            bail!(Error::invalid(format!(
                "manifest has {} layers, its configuration {}",
                manifest.layers.len(),
                self.diff_ids.len()
            )));
        }
        Ok(())
    }
}

/// Refuses keys that nobody knows the meaning of.
pub(crate) fn known(map: &Map<String, Value>, keys: &[&str], what: &str) -> Result<()> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => bail!(Error::invalid(format!("{what} has the unknown key {key:?}"))),
        None => Ok(()),
    }
}

/// Parses an object within the ceilings; a key that comes twice is refused, since two readers would see two documents.
pub(crate) fn object(bytes: &[u8], what: &str) -> Result<Map<String, Value>> {
    if bytes.len() as u64 > DOCUMENT_MAX {
        bail!(Error::invalid(format!("{what} of {} bytes is too large", bytes.len())));
    }
    check_depth(bytes, what)?;
    serde_json::from_slice::<UniqueMap>(bytes)
        .map(|map| map.0)
        .map_err(|e| Error::invalid(format!("parse {what}: {e}")).into())
}

/// Counts brackets outside of strings; serde_json itself stops at 128.
pub(crate) fn check_depth(bytes: &[u8], what: &str) -> Result<()> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    bail!(Error::invalid(format!("{what} is nested too deeply")));
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// An object whose keys, compared as Go does without case, come once.
struct UniqueMap(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = UniqueMap;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<UniqueMap, A::Error> {
                let mut map = Map::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    if !seen.insert(key.to_lowercase()) {
                        return Err(serde::de::Error::custom(format!("the key {key:?} comes twice")));
                    }
                    map.insert(key, value);
                }
                Ok(UniqueMap(map))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn list<'a>(map: &'a Map<String, Value>, key: &str, limit: usize) -> Result<&'a [Value]> {
    match map.get(key) {
        Some(Value::Array(list)) if list.len() <= limit => Ok(list),
        Some(Value::Array(list)) => {
            bail!(Error::invalid(format!("manifest has {} {key}, more than {limit}", list.len())))
        }
        _ => bail!(Error::invalid(format!("manifest has no list of {key}"))),
    }
}

fn descriptor(value: &Value) -> Result<Descriptor> {
    Descriptor::deserialize(value).map_err(|e| Error::invalid(format!("manifest: descriptor: {e}")).into())
}

fn entry(value: &Value) -> Result<IndexEntry> {
    let platform = match value.get("platform") {
        None | Some(Value::Null) => None,
        Some(platform) => {
            let part = |key: &str| platform.get(key).and_then(Value::as_str);
            match (part("os"), part("architecture")) {
                (Some(os), Some(architecture)) => Some(Platform::new(os, architecture, part("variant"))),
                _ => bail!(Error::invalid("image index: platform without os or architecture")),
            }
        }
    };
    let annotations = match value.get("annotations") {
        Some(Value::Object(map)) => {
            map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
        }
        _ => Vec::new(),
    };
    Ok(IndexEntry { descriptor: descriptor(value)?, platform, annotations })
}

fn bare_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_schema1(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

fn schema1() -> anyhow::Error {
    Error::new(ErrorKind::Unsupported, "this image has a Docker schema 1 manifest, which is no longer supported")
        .hint("rebuild it, or convert it with a tool that still reads schema 1")
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn digest() -> String {
        Digest::of(b"x").to_string()
    }

    fn manifest() -> Value {
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": digest(), "size": 3},
            "layers": [{"mediaType": format!("{OCI_LAYER}+gzip"), "digest": digest(), "size": 9}]})
    }

    fn parse(value: &Value, content_type: Option<&str>) -> Result<Document> {
        Document::parse(&serde_json::to_vec(value).unwrap(), content_type)
    }

    #[test]
    fn reads_both_families() {
        let Document::Manifest(read) = parse(&manifest(), Some(OCI_MANIFEST)).unwrap() else { panic!("index") };
        read.check_is_image().unwrap();
        assert_eq!(read.layers.len(), 1);
        let mut docker = manifest();
        docker["mediaType"] = DOCKER_MANIFEST.into();
        docker["config"]["mediaType"] = DOCKER_CONFIG.into();
        docker["layers"][0]["mediaType"] = format!("{DOCKER_LAYER}.gzip").into();
        let Document::Manifest(docker) = parse(&docker, Some(DOCKER_MANIFEST)).unwrap() else { panic!("index") };
        docker.check_is_image().unwrap();
        let again = Document::parse(&read.to_json().unwrap(), None).unwrap();
        assert_eq!(again, Document::Manifest(read));
        let mut untyped = manifest();
        untyped.as_object_mut().unwrap().remove("mediaType");
        assert!(parse(&untyped, None).is_ok());
        assert!(parse(&untyped, Some("application/json; charset=utf-8")).is_ok());
    }

    /// R13.
    #[test]
    fn refuses_what_is_ambiguous_or_wrong() {
        let with = |key: &str, value: Value| {
            let mut changed = manifest();
            changed[key] = value;
            changed
        };
        for (value, content_type, words) in [
            (with("manifests", json!([])), None, "exactly one kind"),
            (with("fsLayers", json!([])), None, "exactly one kind"),
            (manifest(), Some(DOCKER_MANIFEST), "was served as"),
            (with("mediaType", OCI_INDEX.into()), None, "does not fit"),
            (with("mediaType", "x/y".into()), None, "unsupported manifest media type"),
            (with("mediaType", json!(1)), None, "not a string"),
            (with("schemaVersion", json!(1)), None, "schema 1"),
            (with("schemaVersion", json!("2")), None, "schemaVersion"),
            (manifest(), Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
            (with("layers", json!({})), None, "no list of layers"),
            (with("layers", json!([{"mediaType": "a", "digest": "sha256:x", "size": 1}])), None, "digest"),
            (with("layers", json!([{"mediaType": "a", "digest": digest(), "size": -1}])), None, "descriptor"),
            (with("config", json!({"mediaType": OCI_CONFIG, "digest": digest(), "size": 5 << 20})), None, "too large"),
            (with("layers", Value::Array(vec![manifest()["config"].clone(); 501])), None, "more than 500"),
        ] {
            let error = format!("{:#}", parse(&value, content_type).unwrap_err());
            assert!(error.contains(words), "{error} lacks {words}");
        }
        let twice = br#"{"schemaVersion":2,"manifests":[],"Manifests":[]}"#;
        assert!(format!("{:#}", Document::parse(twice, None).unwrap_err()).contains("twice"));
        let deep = [vec![b'['; 100], vec![b']'; 100]].concat();
        assert!(format!("{:#}", Document::parse(&deep, None).unwrap_err()).contains("deeply"));
        assert!(layer_compression("application/vnd.oci.image.layer.v1.tar+lz4").is_err());
    }

    #[test]
    fn picks_the_platform() {
        let entry = |os: &str, arch: &str, variant: Option<&str>, size: u64| {
            let mut e = json!({"mediaType": OCI_MANIFEST, "digest": digest(), "size": size,
                "platform": {"os": os, "architecture": arch}});
            if let Some(v) = variant {
                e["platform"]["variant"] = v.into();
            }
            e
        };
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            entry("unknown", "unknown", None, 1), entry("linux", "arm", Some("v6"), 2),
            entry("linux", "arm", Some("v7"), 3), entry("linux", "amd64", None, 4), entry("linux", "amd64", None, 5)]});
        let Document::Index(index) = parse(&index, None).unwrap() else { panic!("manifest") };
        let pick = |p: &str| index.pick(&p.parse().unwrap()).map(|e| e.descriptor.size);
        assert_eq!(pick("linux/amd64").unwrap(), 4);
        assert_eq!(pick("linux/arm").unwrap(), 3);
        assert_eq!(pick("linux/arm/v6").unwrap(), 2);
        assert_eq!(
            pick("linux/s390x").unwrap_err().to_string(),
            "no image found in image index for architecture \"s390x\", variant \"\", OS \"linux\""
        );
    }

    #[test]
    fn reads_a_configuration_as_docker_writes_it() {
        let config = json!({"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z", "variant": null,
            "container_config": {"Cmd": [1]}, "docker_version": "20",
            "config": {"Cmd": ["sh"], "Entrypoint": null, "Env": null, "Volumes": {"/v": {}}, "Labels": null,
                "OnBuild": ["RUN x"], "Shell": ["/bin/bash"], "Healthcheck": {"Test": ["CMD", "x"]},
                "ExposedPorts": {"80/tcp": {}}, "ArgsEscaped": true, "Memory": 0},
            "rootfs": {"type": "layers", "diff_ids": [digest()]}, "history": [{"created_by": "x"}]});
        let config = Config::parse(&serde_json::to_vec(&config).unwrap()).unwrap();
        assert!(config.healthcheck.is_some());
        assert_eq!(config.platform.to_string(), "linux/amd64");
        assert_eq!(config.diff_ids.len(), 1);
        assert!(Config::parse(br#"{"schemaVersion":2,"rootfs":{"type":"layers","diff_ids":[]}}"#).is_err());
        assert!(Config::parse(br#"{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:zz"]}}"#).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Document::parse(&bytes, None));
            drop(Config::parse(&bytes));
        }

        #[test]
        fn a_manifest_with_one_field_replaced_is_read_or_refused(
            pointer in prop::sample::select(vec!["/config", "/layers", "/layers/0/size", "/layers/0/digest", "/mediaType",
                "/config/mediaType", "/schemaVersion"]),
            text in "\\PC{0,12}", number in any::<i64>(), which in 0u8..4,
        ) {
            let mut value = manifest();
            *value.pointer_mut(pointer).unwrap() = match which {
                0 => text.into(), 1 => number.into(), 2 => json!([]), _ => Value::Null,
            };
            if let Ok(Document::Manifest(read)) = parse(&value, None) {
                // What was taken is written and read as the same.
                prop_assert_eq!(Document::parse(&read.to_json().unwrap(), None).unwrap(), Document::Manifest(read));
            }
        }
    }
}
