//! Registries as this user sees them: the configuration, the credentials, and a client for both.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::interrupt::Guard;
use crate::engine::request::RegistryOptions;
use crate::engine::{Engine, Privilege};
use crate::image::credential::{AuthFiles, Credential};
use crate::image::registry::client::{Client, Options};
use crate::image::registry::config::{Places, Registries};
use crate::model::error::Error;
use crate::model::reference::DOCKER_HUB;
use crate::model::secret::Secret;
use crate::state::account;
use crate::sys::cancel::Cancel;

/// A credential that is kept already.
#[derive(Clone, Debug)]
pub(crate) struct Existing {
    pub(crate) user: String,
    pub(crate) credential: Credential,
}

/// The registries of this user, as the files and the command line say.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) config: Registries,
    pub(crate) files: AuthFiles,
    options: Options,
    privilege: Privilege,
}

impl Engine {
    /// Reads registries.conf and finds the files of credentials. Nothing is asked yet.
    pub(crate) fn registries(&self, options: &RegistryOptions) -> Result<Access> {
        let (uid, privileged) = match self.privilege {
            Privilege::Root => (0, true),
            Privilege::Rootless { uid, .. } => (uid, false),
        };
        let privilege = self.privilege.clone();
        let var = |name: &str| var(&privilege, name);
        let config = Registries::load(&Places::new(&var, privileged))?;
        let files = AuthFiles::new(options.authfile.as_deref(), &var, uid, &config.helpers);
        let credential = options.credentials.as_ref().map(|pair| Credential::from_pair(pair.expose())).transpose()?;
        let options = Options {
            tls_verify: options.tls_verify,
            cert_dir: options.cert_dir.clone(),
            credential,
            retry_delay: options.retry_delay,
            retries: options.retries.unwrap_or(Options::default().retries),
            cancel: None,
        };
        Ok(Access { config, files, options, privilege })
    }
}

/// A variable of the environment; for an ordinary user with what stands in for a home or a runtime directory that is
/// missing, or that another user's login left.
fn var(privilege: &Privilege, name: &str) -> Option<OsString> {
    match (privilege, name) {
        (Privilege::Rootless { .. }, "XDG_RUNTIME_DIR") => Some(privilege.run_root().parent()?.into()),
        (Privilege::Rootless { uid, .. }, "HOME") => account::home(*uid).map(PathBuf::into_os_string),
        _ => std::env::var_os(name),
    }
}

impl Access {
    /// A client for these registries, which ends with `cancel`.
    pub(crate) fn client(&self, cancel: &Cancel) -> Result<Client> {
        let options = Options { cancel: Some(cancel.clone()), ..self.options.clone() };
        Client::new(self.config.clone(), self.files.clone(), options, &|name| var(&self.privilege, name))
    }

    /// Works with the files of credentials; a signal ends that, and a helper that is asked.
    fn guarded<T>(&self, work: impl FnOnce(&AuthFiles, &Cancel) -> Result<T>) -> Result<T> {
        let guard = Guard::new()?;
        let files = self.files.clone().until(Some(guard.cancel.clone()));
        guard.outcome(work(&files, &guard.cancel))
    }

    /// The key under which a registry's credential is kept; without a name the first registry of the search list.
    pub(crate) fn login_key(&self, name: Option<&str>) -> Result<String> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.config.search.first().cloned().unwrap_or_else(|| DOCKER_HUB.to_owned()),
        };
        let bare = ["https://", "http://"].iter().find_map(|scheme| name.strip_prefix(scheme)).unwrap_or(&name);
        let bare = bare.trim_end_matches('/');
        if bare.is_empty() || bare.bytes().any(|b| b.is_ascii_control() || matches!(b, b' ' | b'@' | b'?' | b'#')) {
            return Err(Error::invalid(format!("{}: not the name of a registry", name.escape_debug())).into());
        }
        Ok(bare.to_owned())
    }

    /// The credential that is kept for a registry.
    pub(crate) fn logged_in(&self, key: &str) -> Result<Option<Existing>> {
        let (registry, repository) = key.split_once('/').unwrap_or((key, ""));
        Ok(self.guarded(|files, _| files.find(registry, repository))?.map(|credential| Existing {
            user: match &credential {
                Credential::Basic { user, .. } => user.clone(),
                Credential::Identity(_) => "<token>".to_owned(),
            },
            credential,
        }))
    }

    /// Asks the registry whether it takes the credential.
    pub(crate) fn check(&self, key: &str, credential: &Credential) -> Result<()> {
        let registry = key.split('/').next().unwrap_or(key);
        self.guarded(|_, cancel| self.client(cancel)?.check_login(registry, credential))
    }

    /// Tries a credential and keeps it; returns the file that knows it now.
    pub(crate) fn login(&self, key: &str, user: &str, password: Secret) -> Result<PathBuf> {
        let credential = Credential::Basic { user: user.to_owned(), password };
        self.check(key, &credential)?;
        self.guarded(|files, _| files.store(key, &credential))?;
        self.files.first().map(ToOwned::to_owned).context("no file for credentials")
    }

    /// Forgets the credential of a registry.
    pub(crate) fn logout(&self, key: &str) -> Result<()> {
        match self.guarded(|files, _| files.remove(key))? {
            true => Ok(()),
            false => Err(Error::not_found(format!("not logged into {key}")).into()),
        }
    }

    /// Forgets all credentials.
    pub(crate) fn logout_all(&self) -> Result<()> {
        self.files.remove_all()
    }
}
