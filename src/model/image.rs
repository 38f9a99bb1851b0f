//! An image of the store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::Digest;

/// How a layer's files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LayerFormat {
    /// As they are, in a directory.
    #[default]
    Directory,
    /// In one file, an EROFS image.
    Erofs,
}

impl LayerFormat {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Erofs => "erofs",
        }
    }

    /// The format that `word` names.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Directory, Self::Erofs].into_iter().find(|format| format.name() == word)
    }
}

/// How the root of a container is made of an image's layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    /// An overlay over them.
    #[default]
    Overlay,
    /// A snapshot of their tree, a btrfs subvolume.
    Btrfs,
    /// A copy of their tree.
    Vfs,
}

impl Driver {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Overlay, Self::Btrfs, Self::Vfs];

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Btrfs => "btrfs",
            Self::Vfs => "vfs",
        }
    }

    /// The driver that `word` names.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "overlay2" => Some(Self::Overlay),
            _ => Self::ALL.into_iter().find(|driver| driver.name() == word),
        }
    }

    /// For records, where the usual one is not told.
    pub(crate) fn is_overlay(&self) -> bool {
        *self == Self::Overlay
    }
}

/// A layer of an image: its blob, and what it unpacks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageLayer {
    /// The blob as it came.
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) media_type: String,
    pub(crate) diff_id: Digest,
    pub(crate) chain_id: Digest,
    /// Bytes of file data.
    pub(crate) unpacked: u64,
}

/// The record of an image, `images/<id>.json`. Its names are records of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    pub(crate) version: u32,
    /// Hex of the configuration's digest.
    pub(crate) id: String,
    pub(crate) config: Digest,
    pub(crate) manifest: Digest,
    /// The index by which it was found, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<Digest>,
    /// `repository@digest`, as registries know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repo_digests: Vec<String>,
    /// Names that it has or had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<String>,
    /// From the lowest up.
    pub(crate) layers: Vec<ImageLayer>,
    pub(crate) os: String,
    pub(crate) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    /// When it was built, as its configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Timestamp>,
    /// When it came into the store.
    pub(crate) stored: Timestamp,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl ImageRecord {
    /// Bytes of the unpacked layers.
    pub(crate) fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.unpacked).sum()
    }
}

/// The record of a list of images, `images/lists/<id>.json`: an index that is being put together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListRecord {
    pub(crate) version: u32,
    /// Random: what a list says changes, and its id does not.
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) instances: Vec<Instance>,
    pub(crate) created: Timestamp,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// The record of an artifact, `images/artifacts/<SHA-256 of the name>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArtifactRecord {
    pub(crate) version: u32,
    /// In full: `quay.io/some/thing:latest`.
    pub(crate) name: String,
    /// Bytes of its files.
    pub(crate) size: u64,
    /// Its manifest, and the blobs that it keeps.
    pub(crate) instance: Instance,
    pub(crate) created: Timestamp,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// A line of a list: the manifest of one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) os: String,
    pub(crate) architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) os_version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) os_features: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) features: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// The blobs of the store that it keeps: its manifest, and of an image that was here what that names.
    pub(crate) keeps: Vec<Digest>,
    /// The repository that has the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// The record of a name, `images/names/<SHA-256 of the name>.json`: one file a name, so that a name moves from one image
/// to another by one rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    pub(crate) version: u32,
    /// In full: `docker.io/library/busybox:latest`.
    pub(crate) name: String,
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}
