//! The user namespace of a container.

use anyhow::Result;

use super::Engine;
use super::request::UserNamespaceRequest;
use crate::model::container::UserNamespace;
use crate::model::error::Error;

impl Engine {
    /// The user namespace that is asked for, with its maps.
    pub(crate) fn resolve_userns(&self, asked: &UserNamespaceRequest) -> Result<UserNamespace> {
        match asked {
            UserNamespaceRequest::Default | UserNamespaceRequest::Host => Ok(UserNamespace::Host),
            _ => Err(Error::unsupported("this user namespace mode is not there yet").into()),
        }
    }
}
