//! `dhow volume ls`.

use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::exit;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::output::template::Data;
use crate::cli::output::template::report::Report;
use crate::model::filter::Filters;

/// List volumes
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Choose by dangling, driver, label, name, opt, scope, since, until
    #[arg(short, long, value_name = "FILTER", value_delimiter = ',')]
    filter: Vec<String>,
    /// Change the output format to json or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Leave the headings out
    #[arg(short = 'n', long)]
    noheading: bool,
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
}

impl Run<Context> for ListArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.quiet && self.format.is_some() {
            anyhow::bail!("quiet and format flags cannot be used together");
        }
        let filters = Filters::parse(&self.filter)?;
        let found = context.engine()?.volumes(&filters)?;
        for error in &found.damaged {
            exit::report(error, &mut std::io::stderr().lock(), context.terminal());
        }
        let rows: Vec<Value> = found.volumes.iter().map(|volume| volume.to_json()).collect();
        let report = Report {
            command: "volume ls",
            type_name: "entities.VolumeListReport",
            default: if self.quiet { "{{.Name}}" } else { "table {{.Driver}}\\t{{.Name}}" },
            headings: &[("Name", "VOLUME NAME"), ("Driver", "DRIVER"), ("Mountpoint", "MOUNTPOINT")],
            methods: &[("Label", label)],
            heading: !self.noheading,
            terminal: context.terminal(),
        };
        stdout::print(&report.rows(self.format.as_deref(), &rows)?)?;
        Ok(0)
    }
}

/// `{{.Label "key"}}`.
fn label(row: &Data, args: &[Data]) -> Result<Data, String> {
    let [key] = args else { return Err("wrong number of args for Label: want 1".to_owned()) };
    let key = key.as_text().ok_or("wrong type of value for Label; expected string")?;
    Ok(row.field("Labels").and_then(|labels| labels.field(key)).cloned().unwrap_or_else(|| Data::text("")))
}
