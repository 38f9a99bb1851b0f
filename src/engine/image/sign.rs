//! `image sign`: signatures of GnuPG for what a registry has.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::interrupt::Guard;
use super::push::SignRequest;
use crate::engine::Engine;
use crate::engine::request::RegistryOptions;
use crate::image::manifest::Document;
use crate::image::sign::Signers;
use crate::image::store;
use crate::model::digest::Digest;
use crate::model::error::Error;
use crate::model::reference::{DOCKER_HUB, Source};

impl Engine {
    /// Signs what `name` (with `docker://`) stands for, and with `all` every image of an index, into the directory `dir`, or
    /// where the files of registries.d say.
    pub(crate) fn sign_image(
        &self,
        name: &str,
        dir: Option<&Path>,
        all: bool,
        sign: &SignRequest,
        options: &RegistryOptions,
    ) -> Result<()> {
        let source: Source = name.parse()?;
        let Source::Registry { reference, explicit: true } = &source else {
            return Err(Error::invalid(format!("{name}: only images of registries are signed"))
                .hint("begin it with docker://")
                .into());
        };
        let reference = reference.qualified(DOCKER_HUB)?.or_latest();
        let signers = Signers::open(sign)?;
        if dir.is_none() {
            signers.check(&reference, self.privilege.is_rootless())?;
        }
        let guard = Guard::new()?;
        let work = || {
            let client = self.registries(options)?.client(&guard.cancel)?;
            let (bytes, document) = client.document(&reference)?;
            let mut digests = vec![Digest::of(&bytes)];
            if let (true, Document::Index(index)) = (all, &document) {
                digests.extend(index.manifests.iter().map(|entry| entry.descriptor.digest.clone()));
            }
            for digest in &digests {
                match dir {
                    Some(dir) => signers.sign_into(dir, &reference, digest),
                    None => self.sign_pushed(&signers, &client, &reference, digest),
                }
                .with_context(|| format!("signing {}", store::text(&reference)))?;
            }
            Ok(())
        };
        guard.outcome(work())
    }
}
