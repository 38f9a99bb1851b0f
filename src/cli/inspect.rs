//! Showing documents, for every `inspect`; and `dhow inspect`, which looks for the name among all kinds of objects.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::container::names::latest;
use super::context::Context;
use super::flags::UsageError;
use super::flags::tree::{Entry, Run};
use super::outcome::{self, Outcomes};
use super::output::template::report::{Report, is_json};
use super::output::template::{Data, Method};
use super::output::{json, stdout};

/// The commands of this file.
pub(crate) const ENTRIES: &[Entry<Context>] =
    &[Entry::leaf::<InspectArgs>("inspect", "Display the configuration of the object that a name or ID means")];

/// Display the configuration of the object that a name or ID means
///
/// Containers come first, then images, then volumes.
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The kind of object
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "all",
          value_parser = ["all", "container", "image", "volume"])]
    kind: String,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Sizes of containers too
    #[arg(short, long)]
    size: bool,
    /// The objects
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let engine = context.engine()?;
        let names = match (self.latest, self.names.is_empty()) {
            (true, true) => vec![latest(engine)?.config.id.to_string()],
            (true, false) => return Err(UsageError::new("--latest and arguments cannot be used together").into()),
            (false, true) => return Err(UsageError::new("no names or ids specified").into()),
            (false, false) => self.names,
        };
        let find = |name: &str| -> Result<Value> {
            match self.kind.as_str() {
                "container" => return engine.inspect_container(name, self.size),
                "image" => return engine.inspect_image(name),
                "volume" => return Ok(engine.find_volume(name)?.to_json()),
                _ => {}
            }
            let kinds: [&dyn Fn() -> Result<Value>; 3] =
                [&|| engine.inspect_container(name, self.size), &|| engine.inspect_image(name), &|| {
                    Ok(engine.find_volume(name)?.to_json())
                }];
            for find in kinds {
                match find() {
                    Err(error) if outcome::is_missing(&error) => {}
                    found => return found,
                }
            }
            Err(crate::model::error::Error::not_found(format!("no such object: \"{}\"", name.escape_debug())).into())
        };
        each(context, self.format.as_deref(), &names, find)
    }
}

/// Finds and shows the documents of several names; those that are found are shown whatever happens to the others.
pub(crate) fn each(
    context: &Context,
    format: Option<&str>,
    names: &[String],
    find: impl Fn(&str) -> Result<Value>,
) -> Result<u8> {
    // podman: nothing asked for is no template.
    let format = format.filter(|format| !format.is_empty());
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        match find(name) {
            Ok(document) => documents.push(document),
            Err(error) => errors.push(error),
        }
    }
    show(context, format, documents, errors)
}

/// Shows documents: as JSON, or each by a template.
pub(crate) fn show(
    context: &Context,
    format: Option<&str>,
    documents: Vec<Value>,
    errors: Vec<anyhow::Error>,
) -> Result<u8> {
    let text = match format.filter(|format| !is_json(format)) {
        None => json::inspect(&documents, context.terminal()),
        Some(format) => {
            let has = |field: &str| documents.iter().all(|document| document.get(field).is_some());
            let report = Report {
                command: "inspect",
                type_name: match () {
                    () if has("State") => "inspect container",
                    () if has("RootFS") => "inspect image",
                    () => "inspect volume",
                },
                default: "",
                headings: &[],
                methods: METHODS,
                heading: false,
                terminal: context.terminal(),
            };
            let rows: Vec<Value> = documents.into_iter().map(go_names).collect();
            match report.rows(Some(format), &rows) {
                Err(failure) if failure.is_of_execution() => {
                    return Err(failure).context("inspecting object: printing inspect output");
                }
                rendered => rendered?,
            }
        }
    };
    stdout::print(&text)?;
    let mut outcomes = Outcomes::default();
    errors.into_iter().for_each(|error| outcomes.failed(error));
    outcomes.finish()
}

/// Go's spelling of fields whose names are another in JSON.
const METHODS: &[(&str, Method)] = &[("ID", |row, _| Ok(row.field("Id").cloned().unwrap_or_else(|| Data::text(""))))];

/// An image's history is spelled in lower case in JSON; templates see Go's fields.
fn go_names(mut document: Value) -> Value {
    const NAMES: [(&str, &str); 5] = [
        ("created", "Created"),
        ("created_by", "CreatedBy"),
        ("author", "Author"),
        ("comment", "Comment"),
        ("empty_layer", "EmptyLayer"),
    ];
    let Some(history) = document.get_mut("History").and_then(Value::as_array_mut) else { return document };
    for entry in history {
        let Some(old) = entry.as_object() else { continue };
        let empty = |name: &str| if name == "empty_layer" { Value::Bool(false) } else { Value::String(String::new()) };
        let new: Map<String, Value> = NAMES
            .iter()
            .map(|(name, field)| ((*field).to_owned(), old.get(*name).cloned().unwrap_or_else(|| empty(name))))
            .collect();
        *entry = Value::Object(new);
    }
    document
}
