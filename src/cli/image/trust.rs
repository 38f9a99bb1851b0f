//! `dhow image trust`.

use std::path::PathBuf;

use crate::cli::context::Context;
use crate::cli::flags::tree::{Entry, Run};
use crate::engine::image::trust::{self, Trust};

/// The noun.
pub(crate) const ENTRY: Entry<Context> = Entry::noun(
    "trust",
    "Manage the policy of which images are trusted",
    &[Entry::leaf::<SetArgs>("set", "Set what is required of the images of a registry")],
);

/// Set what is required of the images of a registry
///
/// REGISTRY is a registry, a part of it such as docker.io/library, or default, which stands for all others. The policy
/// is policy.json of the user, or where there is none of the system. Signatures cannot be verified yet: what has to be
/// signed is refused.
#[derive(clap::Args)]
pub(crate) struct SetArgs {
    /// What is required: accept, reject, signedBy or sigstoreSigned
    #[arg(short, long, value_name = "TYPE", default_value = "signedBy")]
    r#type: String,
    /// A file of public keys by which images have to be signed; may be given again
    #[arg(short = 'f', long, value_name = "FILE", value_delimiter = ',')]
    pubkeysfile: Vec<PathBuf>,
    /// Change this file instead
    #[arg(long, hide = true, value_name = "FILE")]
    policypath: Option<PathBuf>,
    /// The registry
    #[arg(required = true, value_name = "REGISTRY")]
    registry: String,
}

impl Run<Context> for SetArgs {
    fn run(self, _: &Context) -> anyhow::Result<u8> {
        trust::set(self.policypath, &self.registry, &Trust::new(&self.r#type, self.pubkeysfile)?)?;
        Ok(0)
    }
}
