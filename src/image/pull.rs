//! From a registry into the store.
//!
//! The client resolves the name, the policy decides before any layer is fetched, then every missing blob streams into
//! the staging directory while [`Intake`] unpacks. The record comes last.

use anyhow::{Context, Result};

use super::intake::{Documents, Intake, Progress, Target};
use super::manifest::{Config, DOCUMENT_MAX};
use super::registry::client::{Choosing, Client, Resolved};
use super::registry::transfer::{Event, Job, Sinks};
use super::store;
use super::trust::policy::Policy;
use super::trust::verify::{Demand, Signatures, Subject};
use crate::model::digest::Digest;
use crate::model::platform::Platform;
use crate::model::reference::Reference;
use crate::storage::content::Content;

/// Downloads at once.
const PARALLEL: usize = 6;

/// What a pull gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    /// The name that the image has now, in full.
    pub(crate) name: String,
}

/// Pulls `name`, a full name with tag or digest. `client` was made with the same `cancel` as `target`.
pub(crate) fn pull(
    target: &Target,
    client: &Client,
    policy: &Policy,
    name: &Reference,
    platform: &Platform,
    progress: &mut dyn Progress,
) -> Result<Pulled> {
    let name = name.or_latest();
    let text = store::text(&name);
    let demand = policy.check("docker", &text)?;
    let resolved = client.resolve(&name, platform).map_err(|error| match error.is::<Choosing>() {
        // The source is fine; it has nothing for the platform.
        true => error,
        false => error.context(format!("initializing source docker://{text}")),
    })?;
    admit(&demand, client, &name, &resolved, target.rootless)?;
    let config_bytes = configuration(target, client, &resolved)?;
    let config = Config::parse(&config_bytes)?;
    let documents = Documents {
        manifest_bytes: &resolved.manifest_bytes,
        manifest: &resolved.manifest,
        config_bytes: &config_bytes,
        config: &config,
        index: resolved.index.as_deref(),
    };
    let intake = Intake::begin(target, documents)?;
    for (digest, size) in intake.present() {
        progress.present(&digest, size);
    }
    let missing = intake.missing();
    let mut jobs = Vec::with_capacity(missing.len());
    for (index, digest, _) in &missing {
        let descriptor = resolved.manifest.layers.iter().find(|layer| layer.digest == *digest);
        let descriptor = descriptor.context("a missing blob is of the manifest")?.clone();
        let (intake, index) = (&intake, *index);
        let open = Box::new(move || Ok(Sinks { file: Some(intake.create(index)?), pipe: None }));
        jobs.push(Job { descriptor, open });
    }
    intake.run(|| {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut tell = |event: Event| match event {
            Event::Started { job } => progress.started(&missing[job].1, missing[job].2),
            Event::Advanced { job, bytes } => {
                intake.advanced(missing[job].0, bytes);
                progress.advanced(&missing[job].1, bytes);
            }
            Event::Finished { job } => {
                intake.finished(missing[job].0);
                progress.finished(&missing[job].1);
            }
        };
        client.fetch_all(&resolved, jobs, PARALLEL, intake.stop(), &mut tell).map(drop)
    })?;
    let mut repo_digests: Vec<String> = [&resolved.digest, &resolved.manifest_digest]
        .iter()
        .map(|digest| format!("{}@{digest}", name.name()))
        .collect();
    repo_digests.dedup();
    let id = intake.publish(std::slice::from_ref(&text), repo_digests)?;
    Ok(Pulled { id, digest: resolved.digest, name: text })
}

/// Fails unless the image that `name` was resolved to has the signatures that are demanded.
pub(crate) fn admit(
    demand: &Demand<'_>,
    client: &Client,
    name: &Reference,
    resolved: &Resolved,
    rootless: bool,
) -> Result<()> {
    if demand.is_met() {
        return Ok(());
    }
    let subject = Subject {
        name: Some(name),
        manifest: &resolved.manifest_bytes,
        digest: &resolved.manifest_digest,
        signatures: Signatures::Registry { client, rootless },
    };
    demand.verify(&subject).context("Source image rejected")
}

/// The configuration: the store's where it has it whole, else the registry's.
fn configuration(target: &Target, client: &Client, resolved: &Resolved) -> Result<Vec<u8>> {
    let config = &resolved.manifest.config;
    match Content::new(&target.paths).document(&config.digest, DOCUMENT_MAX) {
        Ok(bytes) => Ok(bytes),
        // Not there, or damaged: what the registry sends replaces it.
        Err(_) => client.fetch_bytes(resolved, config),
    }
}
