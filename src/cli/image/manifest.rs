//! `dhow manifest`: lists of images, one for each platform.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use super::push::{format, packing};
use super::registry::{RegistryArgs, credentials};
use crate::cli::context::Context;
use crate::cli::flags::tree::{Entry, Run};
use crate::cli::flags::value;
use crate::cli::outcome::Outcomes;
use crate::cli::output::{json, stdout};
use crate::cli::progress;
use crate::engine::image::manifest::Edit;
use crate::engine::image::push::Wish;
use crate::engine::request::RegistryOptions;

/// The noun and its commands.
pub(super) const ENTRY: Entry<Context> = Entry::noun(
    "manifest",
    "Manage lists of images for several platforms",
    &[
        Entry::leaf::<AddArgs>("add", "Add images to a list"),
        Entry::leaf::<AnnotateArgs>("annotate", "Change what a list says of an image"),
        Entry::leaf::<CreateArgs>("create", "Make a list"),
        Entry::leaf::<ExistsArgs>("exists", "Check if a list exists"),
        Entry::leaf::<InspectArgs>("inspect", "Display a list, of the store or of a registry"),
        Entry::leaf::<PushArgs>("push", "Push a list and its images to a registry"),
        Entry::leaf::<TakeArgs>("remove", "Take an image from a list"),
        Entry::leaf::<RemoveArgs>("rm", "Remove lists from the store"),
    ],
);

/// What is said of an image in a list.
#[derive(clap::Args)]
struct EditArgs {
    /// Annotate the image: KEY=VALUE
    #[arg(long, value_name = "ANNOTATION", value_parser = value::pair)]
    annotation: Vec<(String, String)>,
    /// The architecture, instead of the image's own
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// What the processor must have; only Docker's lists say so
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    features: Vec<String>,
    /// The operating system, instead of the image's own
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// What the operating system must have
    #[arg(long, value_name = "FEATURES", value_delimiter = ',')]
    os_features: Vec<String>,
    /// The version of the operating system
    #[arg(long, value_name = "VERSION")]
    os_version: Option<String>,
    /// The variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

impl EditArgs {
    fn edit(self) -> Edit {
        Edit {
            annotations: self.annotation,
            architecture: self.arch,
            features: self.features,
            os: self.os,
            os_features: self.os_features,
            os_version: self.os_version,
            variant: self.variant,
        }
    }
}

/// Make a list of images for several platforms
///
/// The images are those of the store, or a registry's where the store has none of the name.
#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// Add all images of an image that is a list itself
    #[arg(long)]
    all: bool,
    /// Add to a list that exists
    #[arg(short, long)]
    amend: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The name of the list
    #[arg(required = true, value_name = "LIST")]
    list: String,
    /// The images
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Run<Context> for CreateArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let options = self.registry.options()?;
        let is_new = !(self.amend && engine.list_exists(&self.list)?);
        let id = engine.create_list(&self.list, self.amend)?;
        for image in &self.images {
            let mut progress = progress::for_pull(true);
            let added = engine.add_to_list(&self.list, image, self.all, &Edit::default(), &options, progress.as_mut());
            if added.is_err() && is_new {
                // The first error is the one to tell; a list that stays can be removed.
                drop(engine.remove_list(&id));
            }
            added?;
        }
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}

/// Add images to a list
///
/// An image is one of the store, else a registry's, or one with its transport: docker://NAME, containers-storage:NAME,
/// docker-archive:PATH, oci-archive:PATH, oci:PATH, dir:PATH.
#[derive(clap::Args)]
pub(crate) struct AddArgs {
    /// Add all images of an image that is a list itself
    #[arg(long)]
    all: bool,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Run<Context> for AddArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let options = RegistryOptions { credentials: credentials(self.creds.as_deref())?, ..self.registry.options()? };
        let edit = self.edit.edit();
        let mut id = String::new();
        for image in &self.images {
            let mut progress = progress::for_pull(true);
            id = engine.add_to_list(&self.list, image, self.all, &edit, &options, progress.as_mut())?;
        }
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}

/// Change what a list says of an image
#[derive(clap::Args)]
pub(crate) struct AnnotateArgs {
    #[command(flatten)]
    edit: EditArgs,
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
    /// The digest of the image's manifest, or the image
    #[arg(required = true, value_name = "IMAGE")]
    image: String,
}

impl Run<Context> for AnnotateArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let id = context.engine()?.annotate_list(&self.list, &self.image, &self.edit.edit())?;
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}

/// Check if a list exists
///
/// The exit code is 1 where it does not.
#[derive(clap::Args)]
pub(crate) struct ExistsArgs {
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
}

impl Run<Context> for ExistsArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        Ok(u8::from(!context.engine()?.list_exists(&self.list)?))
    }
}

/// Display a list, of the store or of a registry
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let shown = context.engine()?.list_document(&self.list, &self.registry.options()?)?;
        let document: Value = serde_json::from_slice(&shown.bytes).context("parse the index")?;
        if !shown.is_index {
            let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or("of a single image");
            progress::warning(&format!("the manifest type {kind} is not a manifest list but a single image"));
        }
        stdout::print(&json::wide(&document, context.terminal()))?;
        Ok(0)
    }
}

/// Push a list and its images to a registry
///
/// Images that are only in another registry are copied from there.
#[derive(clap::Args)]
pub(crate) struct PushArgs {
    /// Push the images of the list too
    #[arg(long)]
    all: Option<bool>,
    /// How layers go: gzip or zstd
    #[arg(long, value_name = "FORMAT")]
    compression_format: Option<String>,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Write the digest of the list to a file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<PathBuf>,
    /// The format of the list and its images: oci or v2s2; what they are where none is given
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// There are none; accepted for podman's sake
    #[arg(long, hide = true)]
    remove_signatures: bool,
    /// Remove the list when it was pushed
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
    /// Where it goes; its own name where none is given
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

impl Run<Context> for PushArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let wish = Wish {
            format: format(self.format.as_deref())?,
            packing: packing(self.compression_format.as_deref(), None, false)?,
            force: self.compression_format.is_some_and(|text| !text.is_empty()),
        };
        let options = RegistryOptions {
            credentials: credentials(self.creds.as_deref())?,
            quiet: self.quiet,
            ..self.registry.options()?
        };
        let engine = context.engine()?;
        let destination = self.destination.as_deref().unwrap_or(&self.list);
        let mut progress = progress::for_pull(self.quiet);
        let digest =
            engine.push_list(&self.list, destination, self.all.unwrap_or(true), wish, &options, progress.as_mut())?;
        drop(progress);
        if let Some(file) = self.digestfile {
            std::fs::write(&file, digest.as_str()).with_context(|| format!("write {}", file.display()))?;
        }
        if self.rm {
            engine.remove_list(&self.list)?;
        }
        Ok(0)
    }
}

/// Take an image from a list
#[derive(clap::Args)]
pub(crate) struct TakeArgs {
    /// The list
    #[arg(required = true, value_name = "LIST")]
    list: String,
    /// The digest of the image's manifest
    #[arg(required = true, value_name = "DIGEST")]
    digest: String,
}

impl Run<Context> for TakeArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let id = context.engine()?.remove_from_list(&self.list, &self.digest)?;
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}

/// Remove lists from the store
///
/// The images of a list stay.
#[derive(clap::Args)]
pub(crate) struct RemoveArgs {
    /// The lists
    #[arg(required = true, value_name = "LIST")]
    lists: Vec<String>,
}

impl Run<Context> for RemoveArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let mut outcomes = Outcomes::default();
        for list in &self.lists {
            match engine.remove_list(list) {
                Ok(removed) => {
                    let mut text: String = removed.untagged.iter().map(|name| format!("Untagged: {name}\n")).collect();
                    text.extend(removed.deleted.map(|id| format!("Deleted: {id}\n")));
                    stdout::print(&text)?;
                }
                Err(error) => outcomes.failed(error),
            }
        }
        outcomes.finish_deletion()
    }
}
