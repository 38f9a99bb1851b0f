//! The images of the store, as users ask for them.

pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod pattern;
pub(crate) mod remove;
mod usage;
