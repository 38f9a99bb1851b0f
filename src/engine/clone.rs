//! `container clone`: another container of the same configuration. What the first one wrote into its root stays there;
//! volumes, anonymous ones too, are both containers'.

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use super::image::PullProgress;
use super::remove::is_conflict;
use super::request::{PullPolicy, RegistryOptions, RemoveRequest};
use crate::image::store::ImageStore;
use crate::model::container::{ContainerConfig, Resources, RootFs};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::status::Action;
use crate::state::name;

/// What ends a name that is made from the first container's.
const SUFFIX: &str = "-clone";
/// How many names that are made so are tried.
const NAMES: usize = 10_000;

/// What is other than with the first container.
#[derive(Clone, Debug, Default)]
pub(crate) struct CloneRequest {
    /// `None`: made from the first one's.
    pub(crate) name: Option<String>,
    /// Pulled when it is missing. Only the files are those of the image: the rest is the first container's.
    pub(crate) image: Option<String>,
    /// What is absent stays.
    pub(crate) resources: Resources,
    /// Remove the first container once there is the other one.
    pub(crate) destroy: bool,
    /// Stop it for that.
    pub(crate) force: bool,
}

impl Engine {
    /// Makes a copy of the container that `typed` means; its id.
    pub(crate) fn clone_container(
        &self,
        typed: &str,
        request: &CloneRequest,
        progress: &mut dyn PullProgress,
    ) -> Result<Id> {
        let first = self.read(typed)?;
        let id = first.config.id.clone();
        if request.destroy {
            // Refused here, not when there are two of them.
            if !request.force {
                first.state.status.after(Action::Remove, &id)?;
            }
            super::require::check_unused(self, &id)?;
        }
        let copy = self.copy_of(&first.config, request, progress)?;
        if request.destroy {
            let removal = RemoveRequest { force: request.force, ..RemoveRequest::default() };
            self.remove_id(&id, removal).with_context(|| format!("replace container {id} by {copy}"))?;
        }
        Ok(copy)
    }

    fn copy_of(&self, first: &ContainerConfig, request: &CloneRequest, progress: &mut dyn PullProgress) -> Result<Id> {
        let mut config = first.clone();
        config.id = Id::from_random(crate::sys::random::bytes().context("get random bytes")?);
        config.created = Timestamp::now();
        // As podman: the copy stays.
        config.remove = false;
        config.remove_image = false;
        config.userns = self.userns_like(&first.userns)?;
        super::update::merge(&mut config.resources, &request.resources);
        let image = match (&request.image, &first.image) {
            (Some(name), _) => {
                Some(self.ensure_image(name, PullPolicy::Missing, &RegistryOptions::default(), progress)?)
            }
            (None, Some(image)) => Some(ImageStore::new(&self.paths).find(&image.id)?),
            (None, None) => None,
        };
        if let (Some(name), Some(image)) = (&request.image, &image) {
            config.image = Some(self.image_ref(image, name)?);
            config.root_fs = RootFs::Image { layers: image.chain_ids(), driver: self.driver };
        }
        super::facts::cgroup(self, &config)?;
        for warning in super::facts::check(&config)? {
            progress.warn(&warning);
        }
        if let Some(name) = &request.name {
            name::check(name).context("running container create option")?;
        }
        let mut made_up = candidates(&first.name);
        loop {
            config.name = match &request.name {
                Some(name) => name.clone(),
                None => self.free(&mut made_up)?,
            };
            match self.establish(config.clone(), true, image.as_ref(), None) {
                Ok(Some(locked)) => return Ok(locked.id().clone()),
                Ok(None) => return Err(Error::conflict("the image was removed meanwhile").into()),
                // Somebody else took the name since it was free.
                Err(error) if request.name.is_none() && is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next of `names` that nobody has.
    fn free(&self, names: &mut impl Iterator<Item = String>) -> Result<String> {
        for name in names {
            if name::lookup(&self.paths, &name)?.is_none() {
                return Ok(name);
            }
        }
        Err(Error::conflict("there are too many copies of this container").hint("give the new one a --name").into())
    }
}

/// The names that a copy of `name` may have, as podman makes them: `-clone` after it, then a number after that.
fn candidates(name: &str) -> impl Iterator<Item = String> {
    let (base, first) = match name.find(SUFFIX).map(|at| name.split_at(at + SUFFIX.len())) {
        None => (format!("{name}{SUFFIX}"), 0),
        Some((base, number)) => match number.parse::<u32>() {
            Ok(number) => (base.to_owned(), number.saturating_add(1)),
            Err(_) => (name.to_owned(), 1),
        },
    };
    let name = move |number| if number == 0 { base.clone() } else { format!("{base}{number}") };
    (first..).take(NAMES).map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_podmans() {
        for (name, expected) in [
            ("a", ["a-clone", "a-clone1", "a-clone2"]),
            ("a-clone", ["a-clone1", "a-clone2", "a-clone3"]),
            ("a-clone5", ["a-clone6", "a-clone7", "a-clone8"]),
            ("a-clone-x", ["a-clone-x1", "a-clone-x2", "a-clone-x3"]),
        ] {
            assert_eq!(candidates(name).take(3).collect::<Vec<_>>(), expected);
        }
    }
}
