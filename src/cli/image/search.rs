//! `dhow search`.

use anyhow::Result;
use serde_json::{Value, json};

use super::registry::{RegistryArgs, credentials};
use crate::cli::context::Context;
use crate::cli::flags::UsageError;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout};
use crate::engine::image::search::{Found, Hit};
use crate::engine::request::RegistryOptions;

/// How many repositories are shown of a registry, and how many tags.
const LIMIT: usize = 25;
/// How much of a description is shown.
const SHORT: usize = 44;

/// Search registries for images
///
/// A term that begins with a registry is looked for there, another one in the registries that registries.conf names.
#[derive(clap::Args)]
pub(crate) struct SearchArgs {
    /// Show stars, official and automated too
    #[arg(long)]
    compatible: bool,
    /// Whose credentials are used: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Choose by stars=NUMBER, is-official, is-automated
    #[arg(short, long, value_name = "FILTER", value_delimiter = ',')]
    filter: Vec<String>,
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// How many are shown of each registry
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// List the tags of a repository
    #[arg(long)]
    list_tags: bool,
    /// Do not shorten descriptions
    #[arg(long)]
    no_trunc: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// What is looked for
    #[arg(required = true, value_name = "TERM")]
    term: String,
}

/// What the filters ask for.
#[derive(Debug, Default)]
struct Choice {
    stars: u64,
    official: Option<bool>,
    automated: Option<bool>,
}

impl Choice {
    fn parse(filters: &[String]) -> Result<Self> {
        let mut choice = Self::default();
        for filter in filters {
            let (key, value) = filter.split_once('=').unwrap_or((filter, "true"));
            let truth = || {
                value
                    .parse::<bool>()
                    .map_err(|_| UsageError::new(format!("invalid value {value:?} for filter {key:?}")))
            };
            match key {
                "stars" => {
                    let bad = |_| UsageError::new(format!("incorrect value type for stars filter: {value:?}"));
                    choice.stars = value.parse().map_err(bad)?;
                }
                "is-official" => choice.official = Some(truth()?),
                "is-automated" => choice.automated = Some(truth()?),
                _ => return Err(UsageError::new(format!("invalid filter type {filter:?}")).into()),
            }
        }
        Ok(choice)
    }

    fn takes(&self, hit: &Hit) -> bool {
        hit.stars >= self.stars
            && self.official.is_none_or(|wanted| wanted == hit.official)
            && self.automated.is_none_or(|wanted| wanted == hit.automated)
    }
}

impl Run<Context> for SearchArgs {
    fn run(self, context: &Context) -> Result<u8> {
        let options =
            RegistryOptions { credentials: credentials(self.creds.as_deref())?, ..self.registry.clone().options()? };
        let limit = self.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT);
        let choice = Choice::parse(&self.filter)?;
        let engine = context.engine()?;
        let as_json = self.format.as_deref().is_some_and(is_json);
        let default = match (self.list_tags, self.compatible) {
            (true, _) => "table {{.Name}}\\t{{.Tag}}",
            (_, true) => "table {{.Name}}\\t{{.Description}}\\t{{.Stars}}\\t{{.Official}}\\t{{.Automated}}",
            _ => "table {{.Name}}\\t{{.Description}}",
        };
        let rows: Vec<Value> = if self.list_tags {
            if !self.filter.is_empty() {
                return Err(UsageError::new("filters are not applicable to list tags result").into());
            }
            let (name, tags) = engine.search_tags(&self.term, limit, &options)?;
            if as_json {
                let whole = [json!({"Name": name, "Tags": tags})];
                stdout::print(&json::list(&whole, context.terminal()))?;
                return Ok(0);
            }
            tags.into_iter().map(|tag| json!({"Name": name, "Tag": tag})).collect()
        } else {
            let found = engine.search_images(&self.term, limit, &options, &|hit| choice.takes(hit))?;
            found.iter().map(|found| self.row(found)).collect()
        };
        if as_json {
            stdout::print(&json::list(&rows, context.terminal()))?;
            return Ok(0);
        }
        let report = Report {
            command: "search",
            type_name: "images.searchReporter",
            default,
            headings: &[],
            methods: &[],
            heading: true,
            terminal: context.terminal(),
        };
        stdout::print(&report.rows(self.format.as_deref(), &rows)?)?;
        Ok(0)
    }
}

impl SearchArgs {
    fn row(&self, found: &Found) -> Value {
        let hit = &found.hit;
        let text = hit.description.split_whitespace().collect::<Vec<_>>().join(" ");
        let description = match text.char_indices().nth(SHORT) {
            Some((at, _)) if !self.no_trunc => format!("{}...", &text[..at]),
            _ => text,
        };
        let mark = |fact: bool| if fact { "[OK]" } else { "" };
        // A domain by its last two labels, as podman has it.
        let labels: Vec<&str> = found.registry.split('.').collect();
        let index = labels[labels.len().saturating_sub(2)..].join(".");
        json!({
            "Index": index,
            "Name": hit.name,
            "Description": description,
            "Stars": hit.stars,
            "Official": mark(hit.official),
            "Automated": mark(hit.automated),
            "Tag": "",
        })
    }
}
