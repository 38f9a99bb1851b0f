//! Who gives addresses out.

pub(crate) mod host_local;
