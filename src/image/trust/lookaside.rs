//! Where signatures of images of registries are (containers-registries.d(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::image::archive::directory::read_small;
use crate::image::store;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::Reference;

/// A file larger than this is no configuration.
const MAX: u64 = 1 << 20;

/// What the files say, taken together.
#[derive(Debug, Default)]
pub(crate) struct Lookaside {
    /// Where signatures are of which no file tells.
    home: PathBuf,
    default: Option<Place>,
    scopes: BTreeMap<String, Place>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Place {
    lookaside: Option<String>,
    /// The name that `lookaside` had.
    sigstore: Option<String>,
    /// Where new ones are written, if that is not where they are read.
    lookaside_staging: Option<String>,
    sigstore_staging: Option<String>,
    use_sigstore_attachments: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Document {
    default_docker: Option<Place>,
    docker: BTreeMap<String, Place>,
}

fn user(path: &str) -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| PathBuf::from(home).join(path))
}

/// The directory of registries.d: the user's, or the system's where the user has none.
pub(crate) fn directory() -> PathBuf {
    let own = user(".config/containers/registries.d").filter(|dir| dir.is_dir());
    own.unwrap_or_else(|| "/etc/containers/registries.d".into())
}

impl Lookaside {
    /// Reads the user's directory, or the system's where the user has none.
    pub(crate) fn of_process(rootless: bool) -> Result<Self> {
        let home = user(".local/share/containers/sigstore").filter(|_| rootless);
        let all = Self::load(&directory())?;
        Ok(Self { home: home.unwrap_or_else(|| "/var/lib/containers/sigstore".into()), ..all })
    }

    /// Reads all `*.yaml` of a directory; none is fine.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => entries.with_context(|| format!("list {}", dir.display()))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("list {}", dir.display()))?.path();
            files.extend(path.extension().is_some_and(|ending| ending == "yaml").then_some(path));
        }
        files.sort();
        let mut all = Self::default();
        for file in files {
            all.read(&file).with_context(|| format!("read {}", file.display()))?;
        }
        Ok(all)
    }

    fn read(&mut self, file: &Path) -> Result<()> {
        // One that went meanwhile says nothing.
        let bytes = read_small(file, MAX)?.unwrap_or_default();
        let text = std::str::from_utf8(&bytes).context("not UTF-8")?;
        let document: Document = serde_saphyr::from_str(text).map_err(|error| Error::invalid(error.to_string()))?;
        if let Some(place) = document.default_docker
            && self.default.replace(place).is_some()
        {
            bail!(Error::invalid("default-docker is in more than one file"));
        }
        for (scope, place) in document.docker {
            if self.scopes.insert(scope.clone(), place).is_some() {
                bail!(Error::invalid(format!("docker: {scope} is in more than one file")));
            }
        }
        Ok(())
    }

    /// What is said of an image, the narrowest word first.
    fn places(&self, name: &Reference) -> impl Iterator<Item = &Place> {
        let full = store::text(name);
        let mut scopes = vec![full];
        let mut rest = name.name();
        loop {
            scopes.push(rest.clone());
            match rest.rfind('/') {
                Some(at) => rest.truncate(at),
                None => break,
            }
        }
        let host = rest.split(':').next().unwrap_or_default().to_owned();
        let mut domain = host.as_str();
        while let Some((_, above)) = domain.split_once('.') {
            scopes.push(format!("*.{above}"));
            domain = above;
        }
        let found: Vec<&Place> = scopes.iter().filter_map(|scope| self.scopes.get(scope)).collect();
        found.into_iter().chain(&self.default)
    }

    /// What the files say of a scope of a policy: the narrowest one.
    pub(super) fn said_of(&self, scope: &str) -> String {
        let mut rest = scope;
        let place = loop {
            match (self.scopes.get(rest), rest.rfind('/')) {
                (Some(place), _) => break Some(place),
                (None, Some(at)) => rest = &rest[..at],
                (None, None) => break self.default.as_ref(),
            }
        };
        place.and_then(|place| place.lookaside.clone().or(place.sigstore.clone())).unwrap_or_default()
    }

    /// The address below which the signatures of `name` are.
    fn base(&self, name: &Reference) -> String {
        let said = self.places(name).find_map(|place| place.lookaside.clone().or(place.sigstore.clone()));
        said.filter(|base| !base.is_empty()).unwrap_or_else(|| format!("file://{}", self.home.display()))
    }

    /// The address below which new signatures of `name` are written.
    pub(crate) fn writable(&self, name: &Reference) -> String {
        let staging = |place: &Place| place.lookaside_staging.clone().or(place.sigstore_staging.clone());
        let said = self.places(name).find_map(|place| {
            staging(place).or(place.lookaside.clone()).or(place.sigstore.clone()).filter(|base| !base.is_empty())
        });
        said.unwrap_or_else(|| format!("file://{}", self.home.display()))
    }

    /// The address of the signature `number`, from one on, of the manifest `digest` of `name`.
    pub(crate) fn address(&self, name: &Reference, digest: &Digest, number: usize) -> String {
        let base = self.base(name);
        let algorithm = digest.algorithm();
        format!("{}/{}@{algorithm}={}/signature-{number}", base.trim_end_matches('/'), name.path(), digest.hex())
    }

    /// Whether signatures of sigstore are looked for beside the image.
    pub(crate) fn attachments(&self, name: &Reference) -> bool {
        self.places(name).find_map(|place| place.use_sigstore_attachments).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_word_counts() {
        let dir = std::env::temp_dir().join(format!("dhow-lookaside-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let one = "default-docker:\n  sigstore: https://d.e/s/\ndocker:\n  a.b/c:\n    lookaside: file:///l\n";
        std::fs::write(dir.join("1.yaml"), one).unwrap();
        std::fs::write(dir.join("2.yaml"), "docker:\n  '*.b':\n    use-sigstore-attachments: true\n").unwrap();
        std::fs::write(dir.join("ignored.txt"), ":").unwrap();
        let read = Lookaside::load(&dir).unwrap();
        let digest: Digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let address = |name: &str| read.address(&name.parse().unwrap(), &digest, 2);
        assert_eq!(address("a.b/c/d:1"), format!("file:///l/c/d@sha256={}/signature-2", digest.hex()));
        assert_eq!(address("a.b/d:1"), format!("https://d.e/s/d@sha256={}/signature-2", digest.hex()));
        assert!(read.attachments(&"a.b/c:1".parse().unwrap()) && !read.attachments(&"a.c/c:1".parse().unwrap()));
        let none = Lookaside { home: "/home".into(), ..Lookaside::default() };
        let none = none.address(&"h.t/i:1".parse().unwrap(), &digest, 1);
        assert!(none.starts_with("file:///home/i@sha256="), "{none}");
        std::fs::write(dir.join("3.yaml"), "docker:\n  a.b/c:\n    lookaside: x\n").unwrap();
        assert!(format!("{:#}", Lookaside::load(&dir).unwrap_err()).contains("more than one file"));
        std::fs::write(dir.join("3.yaml"), "docker: [").unwrap();
        assert!(Lookaside::load(&dir).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(Lookaside::load(&dir).unwrap().default.is_none());
    }
}
