//! `info`, `version` and the noun `system`.

mod info;
mod version;

use super::context::Context;
use super::flags::tree::Entry;

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    INFO,
    Entry::noun("system", "Manage dhow", &[INFO]),
    Entry::leaf::<version::VersionArgs>("version", "Display the version information"),
];

const INFO: Entry<Context> = Entry::leaf::<info::InfoArgs>("info", "Display system information");
