//! The noun `secret`.

mod create;
mod inspect;
mod list;
mod remove;

use super::context::Context;
use super::flags::tree::Entry;

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[Entry::noun(
    "secret",
    "Manage secrets",
    &[
        Entry::leaf::<create::CreateArgs>("create", "Keep a new secret"),
        Entry::leaf::<inspect::ExistsArgs>("exists", "Check if a secret exists"),
        Entry::leaf::<inspect::InspectArgs>("inspect", "Display detailed information on one or more secrets"),
        Entry::leaf::<list::ListArgs>("ls", "List secrets").aliases(&["list"]),
        Entry::leaf::<remove::RemoveArgs>("rm", "Remove one or more secrets").aliases(&["remove"]),
    ],
)];
