//! `dhow secret create`.

use std::fs::File;
use std::io::Read;

use anyhow::Context as _;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::flags::value;
use crate::cli::output::stdout;
use crate::engine::secret::{SecretRequest, Value};
use crate::model::error::Error;

/// More than any secret may have.
const LIMIT: u64 = 512_001;

/// Keep a new secret
///
/// It is kept in the store, for its owner alone, and not encrypted. Containers see it by --secret of run and create.
#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// Who keeps it: file
    #[arg(short, long, value_name = "DRIVER", default_value = "file")]
    driver: String,
    /// Set an option of the driver, of which there are none
    #[arg(long, value_name = "OPTION", value_parser = value::pair, value_delimiter = ',')]
    driver_opts: Vec<(String, String)>,
    /// Take the value of the variable of the environment that is named in place of the file
    #[arg(long)]
    env: bool,
    /// Do not fail if the secret exists
    #[arg(long)]
    ignore: bool,
    /// Set a label, KEY=VALUE
    #[arg(short, long, value_name = "LABEL", value_parser = value::pair)]
    label: Vec<(String, String)>,
    /// Put it in the place of a secret of the same name
    #[arg(long)]
    replace: bool,
    /// The name
    #[arg(required = true, value_name = "NAME")]
    name: String,
    /// The file with the value; - is standard input
    #[arg(required = true, value_name = "FILE")]
    file: String,
}

impl Run<Context> for CreateArgs {
    fn run(self, context: &Context) -> anyhow::Result<u8> {
        if self.driver != "file" {
            return Err(Error::invalid("invalid driver").hint("file is the only one").into());
        }
        if let Some((key, _)) = self.driver_opts.first() {
            let message = format!("option {:?} of the driver file is not supported: secrets are in the store", key);
            return Err(Error::unsupported(message).into());
        }
        let request = SecretRequest {
            value: Value::new(self.value()?),
            name: self.name,
            labels: self.label.into_iter().collect(),
            replace: self.replace,
            ignore: self.ignore,
        };
        let id = context.engine()?.create_secret(request)?;
        stdout::print(&format!("{id}\n"))?;
        Ok(0)
    }
}

impl CreateArgs {
    fn value(&self) -> anyhow::Result<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt;
        if self.env {
            let value = std::env::var_os(&self.file).map(OsStringExt::into_vec);
            let missing = || {
                Error::invalid(format!(
                    "cannot create store secret data: environment variable {} is not set",
                    self.file
                ))
            };
            return Ok(value.ok_or_else(missing)?);
        }
        let mut bytes = Vec::new();
        if self.file == "-" {
            std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).context("read standard input")?;
        } else {
            let file = File::open(&self.file).with_context(|| format!("open {}", self.file))?;
            file.take(LIMIT).read_to_end(&mut bytes).with_context(|| format!("read {}", self.file))?;
        }
        Ok(bytes)
    }
}
