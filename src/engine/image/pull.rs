//! Images from registries: by a policy for `run` and `create`, at once for `pull`.

use std::ffi::OsString;

use anyhow::{Context, Result, anyhow};

use super::interrupt::Guard;
use super::login::Access;
use super::progress::PullProgress;
use crate::engine::Engine;
use crate::engine::request::{PullPolicy, RegistryOptions};
use crate::image::intake::Target;
use crate::image::pull;
use crate::image::registry::client::{Client, Resolved};
use crate::image::registry::mirror::{self, Candidates, Choice};
use crate::image::store::{self, Image, ImageStore};
use crate::image::trust::policy::Policy;
use crate::model::error::Error;
use crate::model::platform::Platform;
use crate::model::reference::{IdPrefix, Reference, Source};
use crate::storage::extract::Limits;
use crate::sys::cancel::Cancel;

/// How often an image is pulled that others remove before it is looked at.
const REPULLS: u32 = 20;

impl Engine {
    /// The image that `name` means, pulled first where it is missing and `policy` allows, or wants it.
    pub(crate) fn ensure_image(
        &self,
        name: &str,
        policy: PullPolicy,
        options: &RegistryOptions,
        progress: &mut dyn PullProgress,
    ) -> Result<Image> {
        let images = ImageStore::new(&self.paths);
        let source: Source = match name.parse() {
            Ok(source) => source,
            // `sha256:…` is no name, and may be an id.
            Err(error) => return images.look(name)?.ok_or_else(|| error.into()),
        };
        let Source::Registry { reference, explicit } = source else {
            return self.image_from_archive(&source, options, progress);
        };
        let local = if explicit { images.look(&reference.to_string())? } else { images.look(name)? };
        let by_id = |image: &Image| IdPrefix::parse(name).is_some_and(|prefix| prefix.matches(&image.id));
        match (&local, policy) {
            (None, PullPolicy::Never) => return Err(store::unknown(name).into()),
            (Some(image), PullPolicy::Always) if by_id(image) => {
                let message = format!("pull policy is always but image has been referred to by ID ({name})");
                return Err(Error::invalid(message).into());
            }
            (Some(image), PullPolicy::Missing | PullPolicy::Never) if serves(image, options) => {
                return Ok(image.clone());
            }
            (Some(image), PullPolicy::Newer) if by_id(image) => return Ok(image.clone()),
            _ => {}
        }
        self.heal_images()?;
        let guard = Guard::new()?;
        let mut work = || {
            let access = self.registries(options)?;
            let platform = options.platform.clone().unwrap_or_else(Platform::host);
            let candidates = mirror::candidates(&access.config, &reference)?;
            let (names, chosen) = choose(&reference, candidates, progress)?;
            if policy == PullPolicy::Newer
                && let Some(image) = &local
                && !self.is_newer(&access, image, &names, &platform, &guard.cancel)
            {
                return Ok(image.clone());
            }
            let image = self.pull_first(&access, &names, &platform, &guard.cancel, progress)?;
            if let Some(chosen) = chosen
                && let Err(error) = access.config.record_alias(reference.path(), &chosen)
            {
                progress.warn(&format!("the choice is not kept: {error:#}"));
            }
            Ok(image)
        };
        guard.outcome(work())
    }

    /// The full names of all images that the repository of `name` has; a tag of its own does not count.
    pub(crate) fn all_tags(&self, name: &str, options: &RegistryOptions) -> Result<Vec<String>> {
        let Source::Registry { reference, .. } = name.parse()? else {
            return Err(Error::invalid("pulling all tags is not supported for this transport").into());
        };
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let candidates = mirror::candidates(&access.config, &reference)?;
            if candidates.choice == Choice::Must {
                return Err(ambiguous(&reference, &candidates.names).into());
            }
            let client = access.client(&guard.cancel)?;
            let mut failed = None;
            for candidate in &candidates.names {
                match client.tags(candidate) {
                    Ok(tags) if !tags.is_empty() => {
                        let full = tags.iter().map(|tag| Ok(store::text(&candidate.with_tag(tag)?)));
                        return full.collect();
                    }
                    Ok(_) => failed = Some(Error::not_found(format!("{}: no tags", candidate.name())).into()),
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| anyhow!("no registry to ask")))
        };
        guard.outcome(work())
    }

    /// Pulls the first of the names that a registry has.
    fn pull_first(
        &self,
        access: &Access,
        names: &[Reference],
        platform: &Platform,
        cancel: &Cancel,
        progress: &mut dyn PullProgress,
    ) -> Result<Image> {
        let client = access.client(cancel)?;
        let policy = policy()?;
        let target = self.image_target(cancel.clone());
        let mut failed = Vec::new();
        let images = ImageStore::new(&self.paths);
        let mut again = 0;
        let mut left = names.iter();
        let mut next = left.next();
        while let Some(name) = next {
            progress.trying(&store::text(name));
            match pull::pull(&target, &client, &policy, name, platform, progress) {
                Ok(pulled) => {
                    let Some(image) = images.look(&pulled.id)? else {
                        // Somebody removed it at once.
                        again += 1;
                        if again == REPULLS {
                            return Err(store::unknown(&pulled.id).into());
                        }
                        continue;
                    };
                    progress.stored(&pulled.id);
                    self.note_image("pull", &pulled.id, &store::text(name));
                    if platform.rank(&offered(&image)).is_none() {
                        progress.warn(&format!(
                            "image platform ({}) does not match the expected platform ({platform})",
                            offered(&image)
                        ));
                    }
                    return Ok(image);
                }
                Err(error) if cancel.is_cancelled() => return Err(error),
                Err(error) => {
                    failed.push(error);
                    next = left.next();
                }
            }
        }
        match failed.len() {
            0 | 1 => Err(failed.pop().unwrap_or_else(|| anyhow!("no registry to ask"))),
            count => {
                let all: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
                Err(anyhow!("{count} errors occurred while pulling: {}", all.join("; ")))
            }
        }
    }

    /// Whether a registry has another image than the one of the store that `name` means, which is a full name.
    pub(in crate::engine) fn has_newer(&self, name: &str, options: &RegistryOptions) -> Result<bool> {
        let Some(image) = ImageStore::new(&self.paths).look(name)? else { return Ok(true) };
        let guard = Guard::new()?;
        let work = || {
            let access = self.registries(options)?;
            let platform = options.platform.clone().unwrap_or_else(Platform::host);
            Ok(self.is_newer(&access, &image, &[name.parse()?], &platform, &guard.cancel))
        };
        guard.outcome(work())
    }

    /// Whether a registry has another image than ours. One that cannot be asked has none.
    fn is_newer(
        &self,
        access: &Access,
        image: &Image,
        names: &[Reference],
        platform: &Platform,
        cancel: &Cancel,
    ) -> bool {
        let Ok(client) = access.client(cancel) else { return false };
        let resolved = names.iter().find_map(|name| client.resolve(name, platform).ok());
        resolved.is_some_and(|resolved| resolved.manifest_digest != image.record.manifest)
    }

    /// Asks the policy for what a registry has, and for its signatures.
    pub(super) fn admit_fetched(&self, client: &Client, name: &Reference, resolved: &Resolved) -> Result<()> {
        let policy = policy()?;
        let demand = policy.check("docker", &store::text(name))?;
        pull::admit(&demand, client, name, resolved, self.privilege.is_rootless())
    }

    /// Where images go in this store.
    pub(in crate::engine) fn image_target(&self, cancel: Cancel) -> Target {
        let rootless = self.privilege.is_rootless();
        let limits = Limits { one_owner: rootless && maps_one_id(), ..Limits::default() };
        Target { paths: self.paths.clone(), rootless, limits, format: self.layer_format, cancel }
    }
}

/// Whether an image that is there may be used: it is for the platform that was asked for.
fn serves(image: &Image, options: &RegistryOptions) -> bool {
    let Some(wanted) = &options.platform else { return true };
    wanted.rank(&offered(image)).is_some()
}

/// The platform that an image is for.
fn offered(image: &Image) -> Platform {
    let record = &image.record;
    Platform::new(&record.os, &record.architecture, record.variant.as_deref())
}

/// The names to try, and the one, without its tag, that the user has chosen of several.
fn choose(
    reference: &Reference,
    candidates: Candidates,
    progress: &mut dyn PullProgress,
) -> Result<(Vec<Reference>, Option<String>)> {
    let Candidates { names, choice, .. } = candidates;
    if choice == Choice::None {
        return Ok((names, None));
    }
    let texts: Vec<String> = names.iter().map(store::text).collect();
    match progress.choose(&texts)?.and_then(|at| names.get(at)) {
        Some(name) => Ok((vec![name.clone()], Some(name.name()))),
        None if choice == Choice::Must => Err(ambiguous(reference, &names).into()),
        None => Ok((names, None)),
    }
}

fn ambiguous(reference: &Reference, names: &[Reference]) -> Error {
    let names: Vec<String> = names.iter().map(store::text).collect();
    let message = format!("short-name resolution enforced but cannot prompt without a TTY: \"{}\"", reference.path());
    Error::invalid(message).hint(format!("give the name in full: {}", names.join(", ")))
}

/// The policy that says which images may come in.
pub(super) fn policy() -> Result<Policy> {
    let var = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    Policy::load(&Policy::places(&var)).context("read the policy of images")
}

/// Whether this user namespace has but one id.
fn maps_one_id() -> bool {
    let text = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let sizes = text.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    sizes.sum::<u64>() == 1
}
