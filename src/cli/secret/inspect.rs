//! `dhow secret inspect` and `dhow secret exists`.

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::inspect;

/// Check if a secret exists
///
/// The exit code is 0 if it does, 1 if it does not.
#[derive(clap::Args)]
pub(crate) struct ExistsArgs {
    /// The secret
    #[arg(required = true, value_name = "SECRET")]
    name: String,
}

impl Run<Context> for ExistsArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        Ok(u8::from(!context.engine()?.secret_exists(&self.name)?))
    }
}

/// What `--pretty` prints.
const PRETTY: &str = "ID:              {{.ID}}
Name:              {{.Spec.Name}}{{if .Spec.Labels}}
Labels:{{range $k, $v := .Spec.Labels}}
 - {{$k}}{{if $v}}={{$v}}{{end}}{{end}}{{end}}
Driver:            {{.Spec.Driver.Name}}
Created at:        {{.CreatedAt}}
Updated at:        {{.UpdatedAt}}";

/// Display detailed information on one or more secrets
#[derive(clap::Args)]
pub(crate) struct InspectArgs {
    /// Change the output format to json or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print for people
    #[arg(long)]
    pretty: bool,
    /// Show what they say as well
    #[arg(long)]
    showsecret: bool,
    /// The secrets
    #[arg(required = true, value_name = "SECRET")]
    names: Vec<String>,
}

impl Run<Context> for InspectArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        let engine = context.engine()?;
        let format = if self.pretty { Some(PRETTY) } else { self.format.as_deref() };
        inspect::each(context, format, &self.names, |name: &str| engine.inspect_secret(name, self.showsecret))
    }
}
