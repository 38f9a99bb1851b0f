//! Which images may be used at all.

pub(crate) mod policy;
