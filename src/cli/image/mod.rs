//! Images: the noun `image`, and its commands that podman also has at the top.

mod artifact;
mod copy;
mod exists;
mod history;
mod import;
mod inspect;
mod list;
mod load;
mod login;
mod logout;
mod manifest;
mod mount;
mod prune;
mod pull;
mod push;
pub(super) mod registry;
mod remove;
mod save;
mod search;
mod sign;
mod tag;
mod tree;
mod trust;

use super::context::Context;
use super::flags::tree::Entry;

const HISTORY: Entry<Context> = Entry::leaf::<history::HistoryArgs>("history", "Show the history of an image");
const IMPORT: Entry<Context> =
    Entry::leaf::<import::ImportArgs>("import", "Make an image from the tar of a file system");
const LOAD: Entry<Context> = Entry::leaf::<load::LoadArgs>("load", "Load images from an archive");
const PULL: Entry<Context> = Entry::leaf::<pull::PullArgs>("pull", "Pull images from a registry");
const PUSH: Entry<Context> = Entry::leaf::<push::PushArgs>("push", "Push an image to a registry");
const SAVE: Entry<Context> = Entry::leaf::<save::SaveArgs>("save", "Save images to an archive");
const SEARCH: Entry<Context> = Entry::leaf::<search::SearchArgs>("search", "Search registries for images");
const TAG: Entry<Context> = Entry::leaf::<tag::TagArgs>("tag", "Give an image additional names");
const UNTAG: Entry<Context> = Entry::leaf::<tag::UntagArgs>("untag", "Take names from an image");

/// The commands of this folder.
pub(crate) const ENTRIES: &[Entry<Context>] = &[
    artifact::ENTRY,
    HISTORY,
    Entry::noun(
        "image",
        "Manage images",
        &[
            Entry::leaf::<copy::CopyArgs>("copy", "Copy an image from one place to another"),
            Entry::leaf::<exists::ExistsArgs>("exists", "Check if an image exists"),
            Entry::leaf::<super::diff::ImageArgs>("diff", "Show what an image's top layer changed"),
            HISTORY,
            IMPORT,
            Entry::leaf::<inspect::InspectArgs>("inspect", "Display the configuration of one or more images"),
            LOAD,
            Entry::leaf::<list::ListArgs>("ls", "List images").aliases(&["list"]),
            Entry::leaf::<mount::MountArgs>("mount", "Mount images, read-only"),
            Entry::leaf::<prune::PruneArgs>("prune", "Remove unused images"),
            PULL,
            PUSH,
            Entry::leaf::<remove::RemoveArgs>("rm", "Remove one or more images").aliases(&["remove"]),
            SAVE,
            SEARCH,
            Entry::leaf::<sign::ImageSignArgs>("sign", "Sign images of registries"),
            TAG,
            Entry::leaf::<tree::TreeArgs>("tree", "Show the layers of an image"),
            trust::ENTRY,
            Entry::leaf::<mount::UnmountArgs>("unmount", "Unmount images").aliases(&["umount"]),
            UNTAG,
        ],
    ),
    Entry::leaf::<list::ListArgs>("images", "List images"),
    IMPORT,
    LOAD,
    Entry::leaf::<login::LoginArgs>("login", "Log in to a registry"),
    Entry::leaf::<logout::LogoutArgs>("logout", "Log out of a registry"),
    manifest::ENTRY,
    PULL,
    PUSH,
    Entry::leaf::<remove::RemoveArgs>("rmi", "Remove one or more images"),
    SAVE,
    SEARCH,
    TAG,
    UNTAG,
];
