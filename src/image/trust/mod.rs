//! Which images may be used at all.

pub(crate) mod edit;
pub(crate) mod policy;
