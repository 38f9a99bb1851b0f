//! `info`, `unshare`, `version` and the noun `system`.

mod info;
mod unshare;
mod version;

use super::context::Context;
use super::flags::tree::Entry;

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    INFO,
    Entry::noun("system", "Manage dhow", &[INFO]),
    Entry::leaf::<unshare::UnshareArgs>("unshare", "Run a command in the user namespace of your containers"),
    Entry::leaf::<version::VersionArgs>("version", "Display the version information"),
];

const INFO: Entry<Context> = Entry::leaf::<info::InfoArgs>("info", "Display system information");
