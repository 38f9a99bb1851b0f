//! The noun `volume`.

mod content;
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
        Entry::leaf::<content::ExportArgs>("export", "Write what is in a volume as a tar archive"),
        Entry::leaf::<content::ImportArgs>("import", "Add what is in a tar archive to a volume"),
        Entry::leaf::<inspect::InspectArgs>("inspect", "Display detailed information on one or more volumes"),
        Entry::leaf::<list::ListArgs>("ls", "List volumes").aliases(&["list"]),
        Entry::leaf::<content::MountArgs>("mount", "Say where what is in a volume is"),
        Entry::leaf::<prune::PruneArgs>("prune", "Remove all unused volumes"),
        Entry::leaf::<content::ReloadArgs>("reload", "Look for volumes of plugins, of which there are none"),
        Entry::leaf::<remove::RemoveArgs>("rm", "Remove one or more volumes").aliases(&["remove"]),
        Entry::leaf::<content::UnmountArgs>("unmount", "Undo what mount did").aliases(&["umount"]),
    ],
)];
