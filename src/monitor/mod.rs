pub(crate) mod attach;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod exit;
pub(crate) mod frame;
pub(crate) mod log;
pub(crate) mod report;
pub(crate) mod serve;
#[cfg(test)]
mod serve_test;
pub(crate) mod spawn;
pub(crate) mod stdio;
pub(crate) mod table;
