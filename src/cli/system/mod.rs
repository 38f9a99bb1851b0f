//! `events`, `info`, `unshare`, `version` and the noun `system`, which looks at the store as a whole.

mod auto_update;
mod boot_unit;
mod check;
mod df;
mod events;
mod info;
mod migrate;
mod prune;
mod renumber;
mod reset;
mod unshare;
mod version;

use super::context::Context;
use super::flags::tree::Entry;

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    Entry::leaf::<auto_update::AutoUpdateArgs>(
        "auto-update",
        "Update the containers of units whose images have changed",
    ),
    Entry::leaf::<events::EventsArgs>("events", "Show what happens to containers, images and volumes"),
    INFO,
    Entry::noun("system", "Manage dhow", SYSTEM),
    Entry::leaf::<unshare::UnshareArgs>("unshare", "Run a command in the user namespace of your containers"),
    Entry::leaf::<version::VersionArgs>("version", "Display the version information"),
];

const INFO: Entry<Context> = Entry::leaf::<info::InfoArgs>("info", "Display system information");

const SYSTEM: &[Entry<Context>] = &[
    Entry::leaf::<boot_unit::BootUnitArgs>("boot-unit", "Start containers at boot, by a unit of systemd"),
    Entry::leaf::<check::CheckArgs>("check", "Look for damage in the store, and repair it"),
    Entry::leaf::<df::DfArgs>("df", "Show what images, containers and volumes take on the disk"),
    INFO,
    Entry::leaf::<migrate::MigrateArgs>("migrate", "Make the user namespace of your containers anew"),
    Entry::leaf::<prune::PruneArgs>("prune", "Remove what nobody uses"),
    Entry::leaf::<renumber::RenumberArgs>("renumber", "Accepted for podman's sake: locks have no numbers"),
    Entry::leaf::<reset::ResetArgs>("reset", "Remove all containers, images, volumes and networks"),
];
