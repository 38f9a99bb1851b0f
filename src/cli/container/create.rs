//! `dhow create`.

use anyhow::Result;

use super::{defaults, request};
use crate::cli::context::Context;
use crate::cli::flags::create::CreateFlags;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::progress;
use crate::cli::relay::{self, Wanted};
use crate::engine::container::Locked;
use crate::engine::request::{CreateRequest, RootRequest};

/// Create a container without starting it
#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    create: CreateFlags,
}

impl Run<Context> for CreateArgs {
    fn run(self, context: &Context) -> Result<u8> {
        Wanted::parse(&self.create.attach)?;
        let config = context.config()?;
        let (flags, warnings) = defaults::filled(&self.create, context)?;
        relay::detach_keys(flags.detach_keys.as_deref())?;
        let request = request::of(&self.create, &flags, super::words(context), config, &context.privilege)?;
        warnings.iter().for_each(|warning| context.warn(warning));
        let locked = create(context, request)?;
        stdout::print(&format!("{}\n", locked.id()))?;
        Ok(0)
    }
}

/// Creates the container; a pull is shown on standard error.
pub(super) fn create(context: &Context, mut request: CreateRequest) -> Result<Locked> {
    request.hook_dirs = defaults::hook_dirs(context)?;
    request.runtime = context.other_runtime()?;
    if !request.vendor_devices.names.is_empty() {
        request.vendor_devices.dirs = defaults::cdi_dirs(context)?;
    }
    let quiet = matches!(&request.root, RootRequest::Image { registry, .. } if registry.quiet);
    let mut progress = progress::for_pull(quiet);
    context.engine()?.create(request, progress.as_mut())
}
