//! `auto-update`: containers of systemd's units get the image that their image's name means by now, by a restart of the
//! unit, which makes the container anew. By podman's labels; where the new image does not start, the old one comes back.

use anyhow::Result;

use super::Engine;
use super::container::Container;
use super::image::progress::PullProgress;
use super::list::Listed;
use super::request::{PullPolicy, RegistryOptions};
use crate::image::store::ImageStore;
use crate::model::container::ImageRef;
use crate::model::error::Error;
use crate::model::reference::Source;
use crate::model::status::Status;
use crate::state::scope;

/// The label that asks for it.
const LABEL: &str = "io.containers.autoupdate";
/// The label with the file of credentials of one container.
const AUTHFILE: &str = "io.containers.autoupdate.authfile";
/// The label with the unit that runs the container, and the variable from which `run` takes it.
pub(crate) const UNIT: &str = "PODMAN_SYSTEMD_UNIT";

/// Where the newer image comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Registry,
    Local,
}

impl From {
    /// Reads the label; `None` where nothing is asked for.
    fn parse(text: &str) -> Result<Option<Self>, Error> {
        match text {
            "" | "disabled" => Ok(None),
            "registry" | "image" => Ok(Some(Self::Registry)),
            "local" => Ok(Some(Self::Local)),
            other => Err(Error::invalid(format!(
                "invalid auto-update policy {other:?}: valid policies are [\"disabled\" \"image\" \"local\" \"registry\"]"
            ))),
        }
    }

    /// The policy's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Local => "local",
        }
    }
}

/// What became of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Updated {
    /// There is nothing newer.
    No,
    Yes,
    /// There is a newer image, and it was not to be used.
    Pending,
    Failed,
    /// The unit did not start with the newer image, and runs with the old one.
    RolledBack,
}

impl Updated {
    /// podman's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::No => "false",
            Self::Yes => "true",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
        }
    }
}

/// A container that is to be kept up to date.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) unit: String,
    pub(crate) id: String,
    pub(crate) name: String,
    /// As it was when the container was made.
    pub(crate) image: ImageRef,
    pub(crate) from: From,
    pub(crate) updated: Updated,
    authfile: Option<String>,
}

/// What is wanted of an update.
pub(crate) struct AutoUpdate {
    pub(crate) dry_run: bool,
    /// Go back to the old image where a unit does not start with the new one.
    pub(crate) rollback: bool,
    pub(crate) registry: RegistryOptions,
}

impl Engine {
    /// Brings every running container that asks for it up to date; also gives what went wrong with single ones.
    pub(crate) fn auto_update(
        &self,
        wanted: &AutoUpdate,
        progress: &mut dyn PullProgress,
    ) -> Result<(Vec<Update>, Vec<anyhow::Error>)> {
        let (mut updates, mut errors) = (Vec::new(), Vec::new());
        for listed in self.list()? {
            match listed {
                Listed::Container(read) if read.state.status == Status::Running => match update_of(&read) {
                    Ok(update) => updates.extend(update),
                    Err(error) => errors.push(error.into()),
                },
                Listed::Container(_) => {}
                Listed::Damaged { id, error } => errors.push(error.context(format!("container {}", id.short()))),
            }
        }
        for update in &mut updates {
            match self.look_for_newer(update, wanted, progress) {
                Ok(true) => update.updated = Updated::Pending,
                Ok(false) => {}
                Err(error) => {
                    update.updated = Updated::Failed;
                    errors.push(error.context(format!("auto-updating container {:?}", update.id)));
                }
            }
        }
        if !wanted.dry_run {
            let mut units: Vec<String> = Vec::new();
            for update in updates.iter().filter(|update| update.updated == Updated::Pending) {
                if !units.contains(&update.unit) {
                    units.push(update.unit.clone());
                }
            }
            for unit in units {
                let pending = |update: &&mut Update| update.unit == unit && update.updated == Updated::Pending;
                let mut of_unit: Vec<&mut Update> = updates.iter_mut().filter(pending).collect();
                errors.extend(self.update_unit(&unit, &mut of_unit, wanted.rollback));
            }
        }
        Ok((updates, errors))
    }

    /// Whether there is a newer image; it is pulled unless nothing is to change.
    fn look_for_newer(&self, update: &Update, wanted: &AutoUpdate, progress: &mut dyn PullProgress) -> Result<bool> {
        let (name, id) = (&update.image.name, &update.image.id);
        if update.from == From::Registry {
            let full = matches!(name.parse()?, Source::Registry { reference, .. } if !reference.is_short());
            if !full {
                let message = "short name: auto updates require fully-qualified image reference";
                return Err(Error::invalid(format!("{message}: {name:?}")).into());
            }
            let authfile = update.authfile.as_ref().map(std::path::PathBuf::from);
            let options =
                RegistryOptions { authfile: authfile.or(wanted.registry.authfile.clone()), ..wanted.registry.clone() };
            if wanted.dry_run {
                if self.has_newer(name, &options)? {
                    return Ok(true);
                }
            } else {
                return Ok(self.ensure_image(name, PullPolicy::Newer, &options, progress)?.id != *id);
            }
        }
        Ok(ImageStore::new(&self.paths).look(name)?.is_some_and(|image| image.id != *id))
    }

    /// Restarts a unit for its containers, with the old images where it does not start with the new ones.
    fn update_unit(&self, unit: &str, updates: &mut [&mut Update], rollback: bool) -> Option<anyhow::Error> {
        let user = self.privilege.ordinary_user();
        let mut all = |updated: Updated| updates.iter_mut().for_each(|update| update.updated = updated);
        let Err(error) = scope::restart(user, unit) else {
            all(Updated::Yes);
            return None;
        };
        all(Updated::Failed);
        let error = error.context(format!("restarting unit {unit} during update"));
        if !rollback {
            return Some(error);
        }
        let store = ImageStore::new(&self.paths);
        let back = updates.iter().try_for_each(|update| {
            store.tag(&update.image.id, &update.image.name)?;
            self.note_image("tag", &update.image.id, &update.image.name);
            Ok::<_, anyhow::Error>(())
        });
        match back.and_then(|()| scope::restart(user, unit)) {
            Ok(()) => {
                updates.iter_mut().for_each(|update| update.updated = Updated::RolledBack);
                None
            }
            Err(again) => Some(error.context(format!("rolling back: {again:#}"))),
        }
    }
}

/// What a container asks for.
fn update_of(read: &Container) -> Result<Option<Update>, Error> {
    let (config, label) = (&read.config, |name: &str| read.config.labels.get(name).cloned());
    let Some(from) = From::parse(label(LABEL).as_deref().unwrap_or_default())? else { return Ok(None) };
    let Some(image) = config.image.clone() else {
        return Err(Error::invalid(format!("auto-updating container {:?}: it has no image", config.id.as_str())));
    };
    let Some(unit) = label(UNIT).filter(|unit| !unit.is_empty()) else {
        let message = format!("auto-updating container {:?}: no {UNIT} label found", config.id.as_str());
        return Err(Error::invalid(message).hint("only what a unit runs is updated, by a restart of the unit"));
    };
    Ok(Some(Update {
        unit,
        id: config.id.to_string(),
        name: config.name.clone(),
        image,
        from,
        updated: Updated::No,
        authfile: label(AUTHFILE),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_podmans() {
        for (text, want) in [
            ("", None),
            ("disabled", None),
            ("image", Some(From::Registry)),
            ("registry", Some(From::Registry)),
            ("local", Some(From::Local)),
        ] {
            assert_eq!(From::parse(text), Ok(want));
        }
        assert!(From::parse("weekly").unwrap_err().message.starts_with("invalid auto-update policy \"weekly\""));
    }
}
