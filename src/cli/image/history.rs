//! `dhow history`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::image::inspect::Step;
use crate::model::{size, time};

/// How much of a step's command is shown.
const SHORT: usize = 45;

/// Show the history of an image
#[derive(clap::Args)]
pub(crate) struct HistoryArgs {
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Display sizes and dates for people
    #[arg(short = 'H', long)]
    human: Option<bool>,
    /// Do not shorten anything
    #[arg(long)]
    no_trunc: bool,
    /// Leave the headings out
    #[arg(short, long)]
    noheading: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// The image
    #[arg(required = true, value_name = "IMAGE")]
    name: String,
}

impl Run<Context> for HistoryArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let steps = context.engine()?.image_history(&self.name)?;
        if self.format.as_deref().is_some_and(is_json) {
            let documents: Vec<Value> = steps.iter().map(document).collect();
            stdout::print(&format!("{}\n", json::line(&documents.into())))?;
            return Ok(0);
        }
        let report = Report {
            command: "history",
            type_name: "images.historyReporter",
            default: match self.quiet {
                true => "{{.ID}}",
                false => "table {{.ID}}\\t{{.Created}}\\t{{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}",
            },
            headings: &[("CreatedBy", "CREATED BY")],
            methods: &[],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        let rows: Vec<Value> = steps.iter().map(|step| self.row(step)).collect();
        stdout::print(&report.rows(self.format.as_deref(), &rows)?)?;
        Ok(0)
    }
}

impl HistoryArgs {
    fn row(&self, step: &Step) -> Value {
        let human = self.human.unwrap_or(true);
        let id = match (step.id.as_str(), self.no_trunc) {
            ("", _) => "<missing>",
            (id, true) => id,
            (id, false) => id.get(..12).unwrap_or(id),
        };
        let at = step.created.and_then(|at| Timestamp::from_second(at.as_second()).ok());
        let rfc3339 = at.map(|at| time::print_rfc3339(at, &TimeZone::UTC)).unwrap_or_default();
        let since = step.created.map(|at| time::human_ago(at, Timestamp::now())).unwrap_or_default();
        json!({
            "ID": id,
            "Created": if human { since.clone() } else { rfc3339 },
            "CreatedAt": at.map(|at| time::print_go(at, &TimeZone::UTC)).unwrap_or_default(),
            "CreatedSince": since,
            "CreatedBy": if self.no_trunc { step.created_by.clone() } else { short(&step.created_by) },
            "Size": if human { size::human_spaced(step.size) } else { step.size.to_string() },
            "Comment": step.comment,
            "Tags": step.tags,
        })
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= SHORT {
        return text.to_owned();
    }
    text.chars().take(SHORT - 3).chain("...".chars()).collect()
}

/// The object of `--format json`.
fn document(step: &Step) -> Value {
    let at = |at: Timestamp| time::print_rfc3339(at, &TimeZone::UTC);
    json!({
        "id": step.id,
        "created": step.created.map(at),
        "CreatedBy": step.created_by,
        "size": step.size,
        "comment": step.comment,
        "tags": step.tags,
    })
}
