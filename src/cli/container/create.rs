//! `dhow create`.

use anyhow::{Result, bail};

use super::{defaults, request};
use crate::cli::context::Context;
use crate::cli::flags::create::CreateFlags;
use crate::cli::flags::tree::Run;
use crate::cli::output::stdout;
use crate::cli::output::template::Template;
use crate::cli::progress;
use crate::cli::relay::{self, Wanted};
use crate::engine::Engine;
use crate::engine::container::Locked;
use crate::engine::request::{CreateRequest, RemoveRequest, RootRequest};
use crate::model::error::Error;

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
    request.systemd_cgroup = context.by_systemd()?;
    if !request.vendor_devices.names.is_empty() {
        request.vendor_devices.dirs = defaults::cdi_dirs(context)?;
    }
    let tag = request.log.tag.clone().filter(|tag| tag.contains("{{"));
    let tag = tag.map(|tag| Template::parse("container", &tag)).transpose()?;
    let quiet = matches!(&request.root, RootRequest::Image { registry, .. } if registry.quiet);
    let mut progress = progress::for_pull(quiet);
    let mut locked = context.engine()?.create(request, progress.as_mut())?;
    if let Some(tag) = tag {
        let filled = fill(context.engine()?, &mut locked, tag);
        if let Err(error) = filled {
            let id = locked.id().clone();
            drop(locked);
            context.engine()?.remove(id.as_str(), RemoveRequest { volumes: true, ..RemoveRequest::default() })?;
            return Err(error.context("template of --log-opt tag"));
        }
    }
    Ok(locked)
}

/// Puts the tag of a container's log, a template over what `inspect` shows of it, in the template's place.
fn fill(engine: &Engine, locked: &mut Locked, tag: Template) -> Result<()> {
    let document = engine.inspect_container(locked.id().as_str(), false)?;
    let text = tag.typed("inspect container", &[]).render(&document)?;
    let text = text.trim_end_matches('\n');
    if text.contains(char::is_control) {
        bail!(Error::invalid(format!("{text:?} is no tag")));
    }
    locked.config.log.tag = Some(text.to_owned());
    locked.save_config()
}
