//! `dhow system renumber`.

use anyhow::Result;

use crate::cli::context::Context;
use crate::cli::flags::tree::Run;

/// Accepted for podman's sake: locks have no numbers
///
/// podman gives each object a number of a shared table of locks, which may have to be dealt out anew. A lock of dhow is a
/// file beside the object's record.
#[derive(clap::Args)]
pub(crate) struct RenumberArgs {}

impl Run<Context> for RenumberArgs {
    fn run(self, context: &Context) -> Result<u8> {
        // A store that cannot be opened is an error here, too.
        context.engine()?;
        context.warn("there is nothing to renumber: every lock is a file beside its object's record");
        Ok(0)
    }
}
