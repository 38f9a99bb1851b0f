//! `dhow version`.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::template::report::{Report, is_json};
use crate::cli::output::{json as text, stdout, table};

/// Display the version information
#[derive(clap::Args)]
pub(crate) struct VersionArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Run<Context> for VersionArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let platform = crate::model::platform::Platform::host();
        let os_arch = format!("{}/{}", platform.os, platform.architecture);
        let document = json!({ "Client": {
            "APIVersion": version,
            "Version": version,
            "GoVersion": "",
            "GitCommit": "",
            "BuiltTime": "Thu Jan  1 00:00:00 1970",
            "Built": 0,
            "OsArch": os_arch,
            "Os": platform.os,
        } });
        match self.format.as_deref() {
            Some(format) if is_json(format) => stdout::print(&format!("{}\n", text::line(&document)))?,
            Some(format) => {
                let report = Report {
                    command: "version",
                    type_name: "types.VersionReport",
                    default: "",
                    headings: &[],
                    methods: &[],
                    heading: false,
                    terminal: context.terminal(),
                };
                // As podman: here they are one.
                let format = format.replace(".Server.", ".Client.");
                stdout::print(&report.one(&format, &document)?)?;
            }
            None => {
                let lines = format!(
                    "Client:\tDhow Engine\nVersion:\t{version}\nAPI Version:\t{version}\nOS/Arch:\t{os_arch}\n"
                );
                stdout::print(&table::align(&lines))?;
            }
        }
        Ok(0)
    }
}
