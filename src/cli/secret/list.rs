//! `dhow secret ls`.

use jiff::Timestamp;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::output::template::report::Report;
use crate::model::filter::Filters;
use crate::model::time;

/// List secrets
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Choose by id, name
    #[arg(short, long, value_name = "FILTER", value_delimiter = ',')]
    filter: Vec<String>,
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Leave the headings out
    #[arg(short = 'n', long)]
    noheading: bool,
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Run<Context> for ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.quiet && self.format.is_some() {
            anyhow::bail!("quiet and format are mutually exclusive");
        }
        let (documents, damaged) = context.engine()?.secrets(&Filters::parse(&self.filter)?)?;
        for error in &damaged {
            exit::report(error, &mut std::io::stderr().lock(), context.terminal());
        }
        let rows = documents.iter().map(|document| {
            let ago = |field: &str| {
                let then = document[field].as_str().and_then(|text| text.parse().ok());
                then.map(|then| time::human_ago(then, Timestamp::now()))
            };
            json!({
                "ID": document["ID"],
                "Name": document["Spec"]["Name"],
                "Driver": document["Spec"]["Driver"]["Name"],
                "CreatedAt": ago("CreatedAt"),
                "UpdatedAt": ago("UpdatedAt"),
            })
        });
        let report = Report {
            command: "secret ls",
            type_name: "secrets.secretListReport",
            default: if self.quiet {
                "{{.ID}}"
            } else {
                "table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.CreatedAt}}\\t{{.UpdatedAt}}"
            },
            headings: &[
                ("ID", "ID"),
                ("Name", "NAME"),
                ("Driver", "DRIVER"),
                ("CreatedAt", "CREATED"),
                ("UpdatedAt", "UPDATED"),
            ],
            methods: &[],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        stdout::print(&report.rows(self.format.as_deref(), &rows.collect::<Vec<_>>())?)?;
        Ok(0)
    }
}
