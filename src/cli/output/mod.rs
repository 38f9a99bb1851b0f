//! What commands print: tables, JSON, YAML and Go templates, to a standard output that may be closed.

pub(crate) mod escape;
pub(crate) mod file;
pub(crate) mod json;
pub(crate) mod stdout;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod yaml;
