//! `dhow diff`, `dhow container diff`, `dhow image diff`.

use std::os::unix::ffi::OsStrExt;

use anyhow::Result;
use serde_json::{Map, Value};

use super::container::names::latest;
use super::context::Context;
use super::flags::UsageError;
use super::flags::tree::{Entry, Run};
use super::output::{escape, json, stdout};
use crate::engine::diff::{Change, Kind, Subject};
use crate::model::error::Error;

/// The command at the top.
pub(crate) const ENTRIES: &[Entry<Context>] =
    &[Entry::leaf::<EitherArgs>("diff", "Show what a container or an image changed")];

#[derive(clap::Args)]
struct Shape {
    /// The form: json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
}

/// Show what a container changed of its image, or an image's top layer of those below
///
/// A is added, C changed, D deleted. With a second name: what is different between the two.
#[derive(clap::Args)]
pub(crate) struct EitherArgs {
    #[command(flatten)]
    shape: Shape,
    /// The container or image, and perhaps what it is compared with
    #[arg(value_name = "NAME [NAME]", num_args = 0..=2)]
    names: Vec<String>,
}

/// Show what a container changed of its image
///
/// A is added, C changed, D deleted. With a second name: what is different between the two.
#[derive(clap::Args)]
pub(crate) struct ContainerArgs {
    #[command(flatten)]
    shape: Shape,
    /// The container, and perhaps the one it is compared with
    #[arg(value_name = "CONTAINER [CONTAINER]", num_args = 0..=2)]
    names: Vec<String>,
}

/// Show what an image's top layer changed of those below
///
/// A is added, C changed, D deleted. With a second name: what is different between the two.
#[derive(clap::Args)]
pub(crate) struct ImageArgs {
    /// The form: json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The image, and perhaps the one it is compared with
    #[arg(value_name = "IMAGE [IMAGE]", num_args = 0..=2)]
    names: Vec<String>,
}

impl Run<Context> for EitherArgs {
    fn run(self, context: &Context) -> Result<u8> {
        show(context, &self.shape, &self.names, Subject::Either)
    }
}

impl Run<Context> for ContainerArgs {
    fn run(self, context: &Context) -> Result<u8> {
        show(context, &self.shape, &self.names, Subject::Container)
    }
}

impl Run<Context> for ImageArgs {
    fn run(self, context: &Context) -> Result<u8> {
        show(context, &Shape { format: self.format, latest: false }, &self.names, Subject::Image)
    }
}

fn show(context: &Context, shape: &Shape, names: &[String], subject: Subject) -> Result<u8> {
    let as_json = match shape.format.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => return Err(UsageError::new("only supported value for '--format' is 'json'").into()),
    };
    if shape.latest && !names.is_empty() {
        return Err(UsageError::new("--latest and containers cannot be used together").into());
    }
    let engine = context.engine()?;
    let newest;
    let (name, other) = match names {
        [] if shape.latest => {
            newest = latest(engine)?.config.id.to_string();
            (newest.as_str(), None)
        }
        [] => return Err(UsageError::new("\"dhow diff\" requires a name, id, or the \"--latest\" flag").into()),
        [name] => (name.as_str(), None),
        [name, other] => (name.as_str(), Some(other.as_str())),
        _ => return Err(Error::invalid(format!("accepts at most 2 arg(s), received {}", names.len())).into()),
    };
    let changes = engine.diff(name, other, subject)?;
    if as_json {
        stdout::print(&json::inspect(&document(&changes), context.terminal()))?;
        return Ok(0);
    }
    let mut lines = Vec::new();
    for change in &changes {
        let letter = match change.kind {
            Kind::Changed => b'C',
            Kind::Added => b'A',
            Kind::Deleted => b'D',
        };
        lines.extend([letter, b' ']);
        if context.terminal() {
            lines.extend(escape::line(&change.path.to_string_lossy()).as_bytes());
        } else {
            lines.extend(change.path.as_bytes());
        }
        lines.push(b'\n');
    }
    stdout::print_bytes(&lines)?;
    Ok(0)
}

/// A list for each kind that there is.
fn document(changes: &[Change]) -> Value {
    let mut document = Map::new();
    for (kind, key) in [(Kind::Changed, "changed"), (Kind::Added, "added"), (Kind::Deleted, "deleted")] {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        let paths: Vec<Value> = of_kind.map(|change| change.path.to_string_lossy().into_owned().into()).collect();
        if !paths.is_empty() {
            document.insert(key.to_owned(), paths.into());
        }
    }
    document.into()
}
