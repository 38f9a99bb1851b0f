//! Images: from registries and archives into the store, and back.

pub(crate) mod archive;
pub(crate) mod artifact;
pub(crate) mod check;
pub(crate) mod commit;
pub(crate) mod convert;
pub(crate) mod credential;
pub(crate) mod gc;
pub(crate) mod hash;
pub(crate) mod import;
pub(crate) mod index;
pub(crate) mod intake;
pub(crate) mod load;
pub(crate) mod manifest;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod reformat;
pub(crate) mod registry;
pub(crate) mod save;
pub(crate) mod sign;
pub(crate) mod store;
pub(crate) mod trust;
