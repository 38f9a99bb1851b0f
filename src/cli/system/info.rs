//! `dhow info`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json, stdout, yaml};

/// Display system information
///
/// What this host has, where the store is, and under `warnings` the defaults that this host cannot give.
#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Display more, as podman does; everything is shown anyway
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
}

impl Run<Context> for InfoArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let mut document = context.engine()?.info()?;
        document["host"]["cgroupManager"] = if context.by_systemd()? { "systemd" } else { "cgroupfs" }.into();
        if let Some(warnings) = document["warnings"].as_array_mut() {
            let config = context.config()?;
            warnings.extend(config.warnings.iter().chain(&config.unmet).map(|line| line.as_str().into()));
        }
        let text = match self.format.as_deref() {
            None => yaml::print(&document),
            Some(format) if is_json(format) => json::list(&document, context.terminal()),
            Some(format) => {
                let report = Report {
                    command: "info",
                    type_name: "*define.Info",
                    default: "",
                    headings: &[],
                    methods: &[],
                    heading: false,
                    terminal: context.terminal(),
                };
                report.one(format, &document)?
            }
        };
        stdout::print(&text)?;
        Ok(0)
    }
}
