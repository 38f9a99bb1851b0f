//! The noun `volume`.

mod create;
mod inspect;
mod list;
mod prune;
mod remove;

use super::context::Context;
use super::flags::tree::Entry;

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[Entry::noun(
    "volume",
    "Manage volumes",
    &[
        Entry::leaf::<create::CreateArgs>("create", "Create a new volume"),
        Entry::leaf::<inspect::ExistsArgs>("exists", "Check if a volume exists"),
        Entry::leaf::<inspect::InspectArgs>("inspect", "Display detailed information on one or more volumes"),
        Entry::leaf::<list::ListArgs>("ls", "List volumes").aliases(&["list"]),
        Entry::leaf::<prune::PruneArgs>("prune", "Remove all unused volumes"),
        Entry::leaf::<remove::RemoveArgs>("rm", "Remove one or more volumes").aliases(&["remove"]),
    ],
)];
