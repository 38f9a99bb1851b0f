//! The command line: arguments in, text out, exit codes.

pub(crate) mod exit;
pub(crate) mod flags;
pub(crate) mod output;
pub(crate) mod terminal;
