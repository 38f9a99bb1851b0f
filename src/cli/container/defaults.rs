//! What `containers.conf` says where the command line of `run` or `create` is silent. Most of it stands as if it had been
//! typed, and is read by the same parsers; what images or typed flags override key by key is merged into the request.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{confinement, environment};
use crate::cli::context::Context;
use crate::cli::flags::create::CreateFlags;
use crate::engine::request::{CreateRequest, NamespaceRequest};
use crate::engine::{Config, Privilege, mounts};
use crate::engine::{cdi, facts, hook};
use crate::model::error::Error;
use crate::model::log::LogDriver;
use crate::model::mount::Mount;
use crate::model::network::{DEFAULT, NetworkMode};
use crate::model::service::CgroupsMode;

/// podman's own profiles by name: dhow's default stands for them.
const OWN_PROFILES: [&str; 2] = ["container-default", "containers-default"];
/// The administrator's own filter of system calls. containers.conf(5)
const SECCOMP: &str = "/etc/containers/seccomp.json";
/// The mode of a user namespace, by environment. podman-run(1).
const USERNS: &str = "PODMAN_USERNS";

/// Where hooks are defined: the directories that the command line names, else those of the files, else root's own.
pub(super) fn hook_dirs(context: &Context) -> Result<Vec<PathBuf>> {
    let given = &context.globals.hooks_dir;
    if !given.is_empty() {
        return Ok(given.clone());
    }
    let from = context.config()?.engine.hooks_dir.items();
    Ok(match (from.is_empty(), context.privilege.is_rootless()) {
        (false, _) => from.iter().map(PathBuf::from).collect(),
        (true, true) => Vec::new(),
        (true, false) => hook::DIRECTORIES.map(PathBuf::from).into(),
    })
}

/// Where devices of vendors are defined: the directories that the command line names, else those of the files, else the
/// usual ones.
pub(super) fn cdi_dirs(context: &Context) -> Result<Vec<PathBuf>> {
    let given = &context.globals.cdi_spec_dir;
    if !given.is_empty() {
        return Ok(given.clone());
    }
    let from = context.config()?.engine.cdi_spec_dirs.items();
    let usual = || cdi::DIRECTORIES.map(PathBuf::from).into();
    Ok(if from.is_empty() { usual() } else { from.iter().map(PathBuf::from).collect() })
}

/// The flags with what the files say, and what of that cannot be given.
pub(super) fn filled(flags: &CreateFlags, context: &Context) -> Result<(CreateFlags, Vec<String>)> {
    let config = context.config()?;
    let mut flags = flags.clone();
    let (from, engine) = (&config.containers, &config.engine);
    let mut warnings = config.unmet.clone();
    text(&mut flags.cgroupns, &from.cgroupns);
    text(&mut flags.cgroups, &from.cgroups);
    text(&mut flags.detach_keys, &engine.detach_keys);
    text(&mut flags.image_volume, &engine.image_volume_mode);
    text(&mut flags.ipc, &from.ipcns);
    text(&mut flags.pid, &from.pidns);
    text(&mut flags.pull, &engine.pull_policy);
    text(&mut flags.shm_size, &from.shm_size);
    text(&mut flags.tz, &from.tz);
    text(&mut flags.umask, &from.umask);
    if flags.hostname.is_none() {
        text(&mut flags.uts, &from.utsns);
    }
    let maps = [&flags.uidmap, &flags.gidmap].iter().any(|maps| !maps.is_empty());
    if !maps && flags.subuidname.is_none() && flags.subgidname.is_none() {
        text(&mut flags.userns, &std::env::var(USERNS).ok().or_else(|| from.userns.clone()));
    }
    flags.env_host = flags.env_host.or(from.env_host);
    flags.http_proxy = flags.http_proxy.or(from.http_proxy);
    flags.init = flags.init.or(from.init);
    flags.privileged = flags.privileged.or(from.privileged);
    flags.read_only = flags.read_only.or(from.read_only);
    flags.oom_score_adj = flags.oom_score_adj.or(from.oom_score_adj);
    if flags.add_host.is_empty() && flags.hosts_file.is_none() {
        flags.no_hosts = flags.no_hosts.or(from.no_hosts);
    }
    if flags.no_hosts != Some(true) {
        text(&mut flags.hosts_file, &from.base_hosts_file);
    }
    if flags.init == Some(true) && flags.init_path.is_none() {
        let path = from.init_path.as_ref().or(engine.init_path.as_ref());
        flags.init_path = path.filter(|path| !path.is_empty()).map(Into::into);
    }
    network(&mut flags, config, context.privilege.is_rootless());
    if flags.network.iter().any(|mode| mode.split(':').next() == Some("slirp4netns")) {
        warnings.push("--network slirp4netns: pasta is used, and its options have no effect".to_owned());
    }
    let joined = flags.network.iter().any(|mode| mode.starts_with("container:"));
    for (own, list) in [
        (&mut flags.dns, &from.dns_servers),
        (&mut flags.dns_search, &from.dns_searches),
        (&mut flags.dns_option, &from.dns_options),
    ] {
        if own.is_empty() && !joined {
            *own = list.items().to_vec();
        }
    }
    prepend(&mut flags.ulimit, from.default_ulimits.items());
    if flags.privileged != Some(true) {
        prepend(&mut flags.device, from.devices.items());
        security(&mut flags, config);
    }
    log(&mut flags, config, &mut warnings);
    Ok((flags, warnings))
}

/// Merges into the request what yields to single typed values, or to what the image says.
pub(super) fn complete(request: &mut CreateRequest, config: &Config, privilege: &Privilege, cwd: &str) -> Result<()> {
    let from = &config.containers;
    let at = |key: &'static str| move || config.origin(key);
    request.default_env = environment::variables(&[], from.env.items()).with_context(at("env"))?;
    let annotations =
        environment::pairs(from.annotations.items(), |_| "annotations must be formatted KEY=VALUE".to_owned());
    for (key, value) in annotations.with_context(at("annotations"))? {
        request.annotations.entry(key).or_insert(value);
    }
    let files = environment::pairs(from.cgroup_conf.items(), |_| "must be formatted KEY=VALUE".to_owned());
    for (file, value) in files.with_context(at("cgroup_conf"))? {
        request.resources.cgroup_conf.entry(file).or_insert(value);
    }
    let volumes = from.volumes.items().iter().map(|text| ("volumes", Mount::parse_volume(text, cwd)));
    let typed = from.mounts.items().iter().map(|text| ("mounts", Mount::parse_mount(text, cwd)));
    for (key, mount) in volumes.chain(typed) {
        let mount = mount.with_context(at(key))?;
        if !request.mounts.iter().any(|typed| typed.target == mount.target) {
            request.mounts.push(mount);
        }
    }
    for shared in mounts::load(&|name| std::env::var_os(name), privilege.ordinary_user())? {
        let taken = request.mounts.iter().any(|typed| typed.target == shared.target);
        if !taken && Path::new(&shared.source).exists() {
            // podman copies; so what the container writes there is its own.
            request.mounts.push(Mount::parse_volume(&format!("{}:{}:O", shared.source, shared.target), cwd)?);
        }
    }
    for text in from.default_sysctls.items() {
        sysctl(request, text).with_context(at("default_sysctls"))?;
    }
    if request.resources.pids.is_none() && request.cgroups != CgroupsMode::Disabled {
        request.resources.pids = from.pids_limit.map(|limit| if limit <= 0 { -1 } else { limit });
        // As dhow's own default: where there are no cgroups it is no error.
        request.resources.pids_is_default = request.resources.pids.is_some();
    }
    if let (Some((names, append)), false) = (from.default_capabilities.replaced(), request.security.privileged) {
        let mut base: Vec<String> = names.to_vec();
        if append {
            base.extend(facts::default_capabilities());
        }
        facts::check_capabilities(&base).with_context(at("default_capabilities"))?;
        request.security.default_caps = Some(base);
    }
    request.stop_timeout = request.stop_timeout.or(config.engine.stop_timeout);
    Ok(())
}

/// A kernel parameter that holds unless it was typed, or belongs to a namespace that is not the container's own.
fn sysctl(request: &mut CreateRequest, text: &String) -> Result<(), Error> {
    let texts = std::slice::from_ref(text);
    // Against namespaces of its own: that the key is known at all.
    let read = confinement::sysctls(texts, &NamespaceRequest::Private, &NetworkMode::Private)?;
    for (key, value) in read {
        let foreign = match key.starts_with("net.") {
            true => matches!(request.network, NetworkMode::Host | NetworkMode::Container(_) | NetworkMode::Path(_)),
            false => !matches!(
                request.ipc,
                NamespaceRequest::Default | NamespaceRequest::Private | NamespaceRequest::Shareable
            ),
        };
        if !foreign {
            request.sysctls.entry(key).or_insert(value);
        }
    }
    Ok(())
}

/// The network: what the files say, and which networks and options stand for `bridge` and `pasta`.
fn network(flags: &mut CreateFlags, config: &Config, rootless: bool) {
    if flags.network.is_empty() {
        flags.network.extend(config.containers.netns.clone().filter(|mode| !mode.is_empty()));
    }
    let mode = flags.network.first().cloned().unwrap_or_default();
    let mode = if flags.network.len() > 1 { "several" } else { mode.as_str() };
    let is_default = matches!(mode, "" | "private");
    let options = config.network.pasta_options.items();
    if rootless && (is_default || mode == "pasta") && !options.is_empty() {
        flags.network = vec![format!("pasta:{}", options.join(","))];
    }
    let own = config.network.default_network.as_ref().filter(|name| !name.is_empty() && *name != DEFAULT);
    if let (false, Some(name)) = (rootless, own)
        && (is_default || mode == "bridge")
    {
        flags.network = vec![name.clone()];
    }
}

/// Profiles that no typed option chooses.
fn security(flags: &mut CreateFlags, config: &Config) {
    let typed = |flags: &CreateFlags, key: &str| {
        let named = |option: &String| option.strip_prefix(key).is_some_and(|rest| rest.starts_with(['=', ':']));
        flags.security_opt.iter().any(named)
    };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    // podman's own file in /usr/share is what dhow has built in; this one the administrator wrote.
    let own = || Path::new(SECCOMP).exists().then(|| SECCOMP.to_owned());
    if let Some(path) = filled(&config.containers.seccomp_profile).or_else(own)
        && !typed(flags, "seccomp")
    {
        flags.security_opt.push(format!("seccomp={path}"));
    }
    if let Some(name) = filled(&config.containers.apparmor_profile)
        && !typed(flags, "apparmor")
        && !OWN_PROFILES.iter().any(|own| name.starts_with(own))
    {
        flags.security_opt.push(format!("apparmor={name}"));
    }
}

/// Where output goes. A driver that there is not is no reason to run nothing: output is kept, and somebody is told.
fn log(flags: &mut CreateFlags, config: &Config, warnings: &mut Vec<String>) {
    let from = &config.containers;
    if let (None, Some(name)) = (&flags.log_driver, &from.log_driver) {
        match name.parse::<LogDriver>() {
            // Distributions say so for all their hosts; the file is kept in any case.
            Ok(LogDriver::Journald) if !crate::engine::has_journal() => {}
            // A terminal, or that there is none, is not known to who writes a file.
            Ok(driver) if !driver.is_passthrough() => flags.log_driver = Some(name.clone()),
            _ => warnings.push(format!(
                "{}: log driver {name:?} is not supported here, {} is used",
                config.origin("log_driver"),
                LogDriver::default().name()
            )),
        }
    }
    let mut options = Vec::new();
    match from.log_size_max {
        Some(..=0) => options.push("max-size=-1".to_owned()),
        Some(size) => options.push(format!("max-size={size}")),
        None => {}
    }
    options.extend(from.log_tag.iter().filter(|tag| !tag.is_empty()).map(|tag| format!("tag={tag}")));
    prepend(&mut flags.log_opt, &options);
}

fn text(own: &mut Option<String>, default: &Option<String>) {
    if own.is_none() {
        *own = default.clone().filter(|text| !text.is_empty());
    }
}

fn prepend(own: &mut Vec<String>, defaults: &[String]) {
    own.splice(0..0, defaults.iter().cloned());
}
