//! `dhow images`.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::image::list::Summary;
use crate::engine::image::pattern;
use crate::model::filter::Filters;
use crate::model::{size, time};

/// What `--sort` takes.
const SORTS: [&str; 5] = ["created", "id", "repository", "size", "tag"];

/// The repository or tag of an image that has none.
const NONE: &str = "<none>";

/// List images
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Show all images; dhow keeps no intermediate ones
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Choose by after, before, containers, dangling, digest, id, label, readonly, reference, until
    #[arg(short, long, value_name = "FILTER", value_delimiter = ',')]
    filter: Vec<String>,
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show the names that images have had
    #[arg(long)]
    history: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// Leave the headings out
    #[arg(short, long)]
    noheading: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created, id, repository, size or tag
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
    /// Only images that this name means or matches
    #[arg(value_name = "IMAGE")]
    name: Option<String>,
}

/// An image under one of its names.
struct Row {
    image: Summary,
    repository: String,
    tag: String,
}

impl Run<Context> for ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if !SORTS.contains(&self.sort.as_str()) {
            let message =
                format!("\"{}\" is not a valid field for sorting. Choose from: {}", self.sort, SORTS.join(", "));
            return Err(UsageError::new(message).into());
        }
        if self.name.is_some() && self.all {
            return Err(UsageError::new("cannot specify an image and --all").into());
        }
        let mut filters = self.filter.clone();
        filters.extend(self.name.as_ref().map(|name| format!("reference={name}")));
        let users = self.format.as_deref().is_some_and(|format| is_json(format) || format.contains("Containers"));
        let found = context.engine()?.list_images(&Filters::parse(&filters)?, users)?;
        for error in &found.damaged {
            let mut out = std::io::stderr().lock();
            let terminal = out.is_terminal();
            exit::report(error, &mut out, terminal);
        }
        let mut rows: Vec<Row> = found.images.into_iter().flat_map(rows).collect();
        self.order(&mut rows);
        let text = match self.format.as_deref() {
            _ if self.quiet => self.ids(&rows),
            Some(format) if is_json(format) => {
                let documents: Vec<Value> = rows.iter().map(|row| document(&row.image)).collect();
                json::list(&documents, context.terminal())
            }
            format => self.table(context, format, &rows)?,
        };
        stdout::print(&text)?;
        Ok(0)
    }
}

impl ListArgs {
    fn order(&self, rows: &mut [Row]) {
        match self.sort.as_str() {
            "id" => rows.sort_by(|a, b| a.image.record.id.cmp(&b.image.record.id)),
            "repository" => rows.sort_by(|a, b| a.repository.cmp(&b.repository)),
            "size" => rows.sort_by_key(|row| row.image.size),
            "tag" => rows.sort_by(|a, b| a.tag.cmp(&b.tag)),
            _ => {}
        }
    }

    fn id(&self, row: &Row) -> String {
        let id = &row.image.record.id;
        if self.no_trunc { format!("sha256:{id}") } else { id.get(..12).unwrap_or(id).to_owned() }
    }

    /// Every image once.
    fn ids(&self, rows: &[Row]) -> String {
        let mut seen = BTreeSet::new();
        let ids = rows.iter().map(|row| self.id(row)).filter(|id| seen.insert(id.clone()));
        ids.map(|id| id + "\n").collect()
    }

    fn table(&self, context: &Context, format: Option<&str>, rows: &[Row]) -> anyhow::Result<String> {
        let mut columns = vec!["{{.Repository}}", "{{.Tag}}"];
        if self.digests {
            columns.push("{{.Digest}}");
        }
        columns.extend(["{{.ID}}", "{{.Created}}", "{{.Size}}"]);
        if self.history {
            columns.push("{{if .History}}{{.History}}{{else}}<none>{{end}}");
        }
        let default = format!("table {}", columns.join("\\t"));
        let report = Report {
            command: "images",
            type_name: "images.imageReporter",
            default: &default,
            headings: &[("ID", "IMAGE ID"), ("ReadOnly", "R/O")],
            methods: &[],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        let now = Timestamp::now();
        let values: Vec<Value> = rows.iter().map(|row| self.value(row, now)).collect();
        Ok(report.rows(format, &values)?)
    }

    /// What templates see of a row.
    fn value(&self, row: &Row, now: Timestamp) -> Value {
        let image = &row.image;
        let created = time::print_go(seconds(image), &TimeZone::UTC);
        let since = time::human_ago(image.created(), now);
        json!({
            "Repository": row.repository,
            "Tag": row.tag,
            "ID": self.id(row),
            "Created": since,
            "CreatedAt": created,
            "CreatedSince": since,
            "CreatedTime": created,
            "Size": size::human_spaced(image.size),
            "History": image.record.history.join(", "),
            "ParentId": "",
            "RepoTags": image.names,
            "RepoDigests": image.repo_digests(),
            "SharedSize": 0,
            "VirtualSize": image.size,
            "Labels": image.labels,
            "Containers": image.containers,
            "ReadOnly": false,
            "Dangling": image.names.is_empty(),
            "Names": image.names,
            "Digest": image.digest(),
            "Arch": image.record.architecture,
            "Os": image.record.os,
        })
    }
}

/// One row for each name; one without any for an image that has none.
fn rows(image: Summary) -> Vec<Row> {
    if image.names.is_empty() {
        return vec![Row { image, repository: NONE.to_owned(), tag: NONE.to_owned() }];
    }
    let names = image.names.clone();
    let row = |name: &String| Row {
        repository: pattern::repository(name).to_owned(),
        tag: Some(pattern::tag(name)).filter(|tag| !tag.is_empty()).unwrap_or(NONE).to_owned(),
        image: image.clone(),
    };
    names.iter().map(row).collect()
}

/// podman's lists have whole seconds.
fn seconds(image: &Summary) -> Timestamp {
    Timestamp::from_second(image.created().as_second()).unwrap_or_else(|_| image.created())
}

/// The object of `--format json`.
fn document(image: &Summary) -> Value {
    let mut document = json!({
        "Id": image.record.id,
        "ParentId": "",
        "RepoTags": null,
        "RepoDigests": image.repo_digests(),
        "Size": image.size,
        "SharedSize": 0,
        "VirtualSize": image.size,
        "Labels": if image.labels.is_empty() { Value::Null } else { json!(image.labels) },
        "Containers": image.containers,
    });
    if let Some(map) = document.as_object_mut() {
        if image.names.is_empty() {
            map.insert("Dangling".to_owned(), Value::Bool(true));
        } else {
            map.insert("Names".to_owned(), json!(image.names));
        }
        map.insert("Digest".to_owned(), json!(image.digest()));
        map.insert("History".to_owned(), json!(image.record.history));
        map.insert("Created".to_owned(), json!(image.created().as_second()));
        map.insert("CreatedAt".to_owned(), json!(time::print_rfc3339(seconds(image), &TimeZone::UTC)));
    }
    document
}
