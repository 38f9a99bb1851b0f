//! `dhow top`.

use anyhow::Result;

use super::names::one;
use crate::cli::context::Context;
use crate::cli::flags::tree::Run;
use crate::cli::output::{escape, stdout, table};
use crate::engine::top;

/// Show the processes of a container
///
/// Columns are named by descriptors, separated by commas or blanks. Nothing is executed in the container: what the
/// kernel says is read from outside. Of the options of ps(1), `aux`, `-ef` and `-o` are understood.
#[derive(clap::Args)]
pub(crate) struct TopArgs {
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// List the descriptors
    #[arg(long, hide = true)]
    list_descriptors: bool,
    /// The container, then the descriptors
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CONTAINER")]
    words: Vec<String>,
}

impl Run<Context> for TopArgs {
    fn run(self, context: &Context) -> Result<u8> {
        if self.list_descriptors {
            stdout::print(&(top::descriptors().collect::<Vec<_>>().join("\n") + "\n"))?;
            return Ok(0);
        }
        let engine = context.engine()?;
        let (name, descriptors) =
            one(engine, self.latest, &self.words, "you must provide the name or id of a running container")?;
        let rows = engine.top(&name, descriptors)?;
        let terminal = context.terminal();
        let clean =
            |cell: String| if terminal { escape::line(&cell).into_owned() } else { cell.replace(['\t', '\n'], " ") };
        let rows = rows.into_iter().map(|row| row.into_iter().map(clean).collect::<Vec<_>>());
        stdout::print(&table::align(&table::rows(rows)))?;
        Ok(0)
    }
}
