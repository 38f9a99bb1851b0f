//! Images: from registries and archives into the store, and back.

pub(crate) mod archive;
pub(crate) mod credential;
pub(crate) mod hash;
pub(crate) mod manifest;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod trust;
