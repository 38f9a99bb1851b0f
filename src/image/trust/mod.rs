//! Which images may be used at all: what a policy says of their names, and which signatures it asks for.
//!
//! [`policy`] decides by the name; what it asks besides is a [`verify::Demand`], which is met before any layer is fetched.

pub(crate) mod describe;
pub(crate) mod edit;
mod identity;
pub(crate) mod lookaside;
pub(super) mod openpgp;
pub(super) mod payload;
pub(crate) mod policy;
mod requirement;
pub(super) mod sigstore;
pub(crate) mod verify;
