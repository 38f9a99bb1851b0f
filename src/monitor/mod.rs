pub(crate) mod config;
pub(crate) mod frame;
pub(crate) mod log;
pub(crate) mod report;
pub(crate) mod spawn;
