//! The words of the domain. No I/O.

pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod id;
pub(crate) mod log;
