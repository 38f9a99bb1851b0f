//! `create`: a request, an image and the host become a configuration; then the directory, the name, the volumes and the
//! writable layer are made, in that order. Until the last step the record says `Removing`, so a kill at any point leaves
//! nothing that the next command does not take away.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Engine;
use super::container::{self, Locked};
use super::remove::is_conflict;
use super::request::{CreateRequest, ImageVolumes, NamespaceRequest, RemoveRequest, RootRequest};
use crate::image::store::{Image, ImageStore};
use crate::model::container::{Accounts, ContainerConfig, ImageRef, Namespace, RootFs};
use crate::model::error::Error;
use crate::model::id::Id;
use crate::model::mount::{Mount, Source};
use crate::model::network::NetworkMode;
use crate::model::port::{self, PortMapping};
use crate::model::service::{CgroupsMode, NotifyMode};
use crate::state::{name, record};

/// Processes of one container unless asked otherwise.
const PIDS: i64 = 2048;
/// Bytes of /dev/shm unless asked otherwise.
const SHM: u64 = 64 << 20;
/// Seconds between the stop signal and SIGKILL unless asked otherwise.
const STOP_TIMEOUT: u32 = 10;
/// What tells a systemd to halt: SIGRTMIN+3 as the C library counts. systemd(1).
const SYSTEMD_STOP: i32 = 37;
/// How often a creation begins anew because others took the name that it replaced, or the image.
const ATTEMPTS: u32 = 100;

/// podman's words for ports that nobody can listen on.
const DISCARDED: &str =
    "Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use";

impl Engine {
    /// Creates a container and returns it locked; the image is pulled first when it is missing and the policy allows.
    pub(crate) fn create(
        &self,
        request: CreateRequest,
        progress: &mut dyn super::image::PullProgress,
    ) -> Result<Locked> {
        if let Some(name) = &request.name {
            name::check(name).context("running container create option")?;
        }
        check_cidfile(&request)?;
        super::network::check_names(&request.names)?;
        if let Some(zone) = &request.timezone {
            super::account::check_zone(zone)?;
        }
        let mut image = self.image_of(&request, progress)?;
        let mut attempts = 0;
        loop {
            if request.replace {
                self.remove_replaced(&request)?;
            }
            let config = self.configure(&request, image.as_ref())?;
            let mut warnings = super::facts::check(&config)?;
            if config.publish.is_empty() && !request.publish.is_empty() {
                warnings.push(DISCARDED.to_owned());
            }
            let cidfile = request.cidfile.as_deref();
            let failure = match self.establish(config, request.name.is_some(), image.as_ref(), cidfile) {
                Ok(Some(locked)) => {
                    warnings.iter().for_each(|warning| progress.warn(warning));
                    return Ok(locked);
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            attempts += 1;
            match failure {
                None if attempts < ATTEMPTS => image = self.image_of(&request, progress)?,
                None => return Err(Error::conflict("the image is removed as often as it is found").into()),
                // Somebody else took the name since it was freed: that one is replaced in its turn.
                Some(error) if request.replace && is_conflict(&error) && attempts < ATTEMPTS => {}
                Some(error) => return Err(error),
            }
        }
    }

    /// Makes the container that `config` describes, and returns it locked. `named`: its name is a user's, not made up.
    /// `None`: its image has gone since it was found.
    pub(super) fn establish(
        &self,
        config: ContainerConfig,
        named: bool,
        image: Option<&Image>,
        cidfile: Option<&Path>,
    ) -> Result<Option<Locked>> {
        let mut locked = Locked::new(&self.paths, config)?;
        // The record keeps the image from now on; whoever removed it before did not know of us.
        let images = ImageStore::new(&self.paths);
        let mounted = super::image_volume::ids(&locked.config.mounts);
        let ids: Vec<String> = image.map(|image| image.id.clone()).into_iter().chain(mounted).collect();
        let kept = ids.iter().try_fold(true, |kept, id| Ok(kept && images.keeps(id)?));
        let made = kept.and_then(|kept| {
            if kept {
                self.furnish(&mut locked, named, image)?;
                write_cidfile(cidfile, locked.id())?;
            }
            Ok(kept)
        });
        if let Ok(true) = made {
            locked.created()?;
            self.note_container(&locked.config, "create");
            return Ok(Some(locked));
        }
        let id = locked.id().clone();
        // The first error is the one to tell; what this cannot undo the next command will.
        drop(super::remove::finish(self, locked).with_context(|| format!("remove container {}", id.short())));
        made.map(|_| None)
    }

    /// The image that is asked for, there; `None` for a directory.
    fn image_of(
        &self,
        request: &CreateRequest,
        progress: &mut dyn super::image::PullProgress,
    ) -> Result<Option<Image>> {
        match &request.root {
            RootRequest::Image { name, pull, registry } => self.ensure_image(name, *pull, registry, progress).map(Some),
            RootRequest::Directory { path, .. } => {
                let meta = std::fs::metadata(path).with_context(|| format!("open rootfs {}", path.display()))?;
                if !meta.is_dir() {
                    return Err(Error::invalid(format!("rootfs {} is not a directory", path.display())).into());
                }
                Ok(None)
            }
        }
    }

    /// `--replace`: the container that has the name goes first.
    fn remove_replaced(&self, request: &CreateRequest) -> Result<()> {
        let Some(name) = &request.name else {
            return Err(Error::invalid("cannot replace container without --name being set").into());
        };
        let Some(id) = name::lookup(&self.paths, name)? else { return Ok(()) };
        let removal = RemoveRequest { force: true, timeout: None, volumes: true };
        self.remove_id(&id, removal).with_context(|| format!("replace container {name}"))
    }

    /// Everything that is asked for, with what the image says merged in. Changes nothing.
    fn configure(&self, request: &CreateRequest, image: Option<&Image>) -> Result<ContainerConfig> {
        let id = Id::from_random(crate::sys::random::bytes().context("get random bytes")?);
        let defaults = ImageDefaults::of(image);
        let (entrypoint, command) = merge_command(request, &defaults)?;
        let systemd = request.systemd.applies(entrypoint.iter().flatten().chain(&command).next().map(String::as_str));
        let mut mounts = without_duplicates(super::glob::expanded(request.mounts.clone())?)?;
        super::image_volume::resolve(self, &mut mounts)?;
        let inherited = super::volume::of_containers(self, &request.volumes_from)?;
        let declared = defaults.volumes.iter().filter_map(|mount| match request.image_volumes {
            ImageVolumes::Anonymous => Some(mount.clone()),
            ImageVolumes::Tmpfs => Mount::parse_tmpfs(&mount.target).ok(),
            ImageVolumes::Ignore => None,
        });
        for further in inherited.into_iter().chain(declared) {
            if !mounts.iter().any(|mount| mount.target == further.target) {
                mounts.push(further);
            }
        }
        let candidate = super::hook::Candidate {
            annotations: &request.annotations,
            command: entrypoint.iter().flatten().chain(&command).next().map(String::as_str),
            has_bind_mounts: mounts.iter().any(|mount| matches!(mount.source, Source::Bind { .. })),
        };
        let hooks = super::hook::chosen(&request.hook_dirs, &candidate, !self.privilege.is_rootless())?;
        let mut anonymous = Vec::new();
        for mount in &mut mounts {
            if let Source::Volume { name: name @ None, .. } = &mut mount.source {
                let volume = Id::from_random(crate::sys::random::bytes().context("get random bytes")?).to_string();
                anonymous.push(volume.clone());
                *name = Some(volume);
            }
        }
        if request.cgroups == CgroupsMode::Disabled && request.resources.is_asked() {
            return Err(Error::invalid("cannot specify resource limits when cgroups are disabled").into());
        }
        let mut resources = request.resources.clone();
        if resources.pids.is_none() {
            resources.pids = Some(PIDS);
            resources.pids_is_default = true;
        }
        let network = self.resolve_network(&request.network)?;
        let publish = publish(request, &defaults, &network)?;
        let mut labels = defaults.labels.clone();
        labels.extend(request.labels.clone());
        let userns = self.resolve_userns(&request.userns)?;
        let workdir = request.workdir.clone().or(defaults.workdir).unwrap_or_else(|| "/".to_owned());
        let mut accounts = Accounts {
            host_users: super::account::host_users(&request.host_users, &mounts, &workdir)?,
            ..request.accounts.clone()
        };
        // A line that the user gives takes the place of the caller's.
        if let Some((uid, gid)) = self.caller_kept(&request.userns)
            && accounts.passwd_entry.is_none()
        {
            let (user, group) = super::account::caller(uid, gid, &mounts, &workdir);
            accounts.host_users.extend(user);
            accounts.host_groups.extend(group);
        }
        let health = super::health::resolve(&request.health, image)?;
        if request.notify == NotifyMode::Healthy && health.is_none() {
            return Err(Error::invalid("sdnotify policy \"healthy\" requires a healthcheck to be set").into());
        }
        Ok(ContainerConfig {
            version: record::VERSION,
            name: match &request.name {
                Some(name) => name.clone(),
                None => super::naming::random()?,
            },
            created: Timestamp::now(),
            image: match (image, &request.root) {
                (Some(image), RootRequest::Image { name, .. }) => Some(self.image_ref(image, name)?),
                _ => None,
            },
            root_fs: match (&request.root, image) {
                (RootRequest::Directory { path, overlay }, _) => RootFs::Directory {
                    path: std::fs::canonicalize(path).context("open rootfs")?.to_string_lossy().into_owned(),
                    overlay: *overlay,
                },
                (RootRequest::Image { .. }, image) => {
                    let layers = image.map(Image::chain_ids).unwrap_or_default();
                    RootFs::Image { layers, driver: self.driver }
                }
            },
            entrypoint,
            command,
            create_command: request.create_command.clone(),
            volumes_from: request.volumes_from.clone(),
            env: super::environment::merge(&defaults.env, request)?,
            unset_env: request.unset_env.clone(),
            unset_env_all: request.unset_env_all,
            secrets: self.resolve_secrets(&request.secrets)?,
            workdir,
            user: user(request, defaults.user, self.user_of_userns(&request.userns)),
            group_add: request.group_add.clone(),
            accounts,
            umask: request.umask,
            oom_score_adj: request.oom_score_adj,
            personality32: request.personality32,
            timezone: request.timezone.clone(),
            hostname: request.hostname.clone().unwrap_or_default(),
            tty: request.tty,
            stdin: request.stdin,
            stop_signal: request.stop_signal.or(defaults.stop_signal).unwrap_or(if systemd {
                SYSTEMD_STOP
            } else {
                libc::SIGTERM
            }),
            stop_timeout: request.stop_timeout.unwrap_or(STOP_TIMEOUT),
            labels,
            annotations: request.annotations.clone(),
            mounts,
            read_only: request.read_only,
            read_only_tmpfs: request.read_only_tmpfs,
            shm_size: request.shm_size.unwrap_or(SHM),
            init: request.init,
            init_path: request.init_path.clone(),
            systemd,
            notify: request.notify,
            pid: self.resolve_namespace(&request.pid)?,
            ipc: self.resolve_namespace(&request.ipc)?,
            uts: match (&request.uts, &network) {
                // As podman: with the host's network, the name is the host's unless one was given.
                (NamespaceRequest::Default, NetworkMode::Host) if request.hostname.is_none() => Namespace::Host,
                (asked, _) => self.resolve_namespace(asked)?,
            },
            cgroup: match &request.cgroup {
                NamespaceRequest::Default if request.security.privileged && !crate::runtime::cgroup::is_unified() => {
                    Namespace::Host
                }
                asked => self.resolve_namespace(asked)?,
            },
            userns,
            network,
            publish,
            exposed: defaults.exposed.iter().chain(&request.expose).cloned().collect(),
            cgroups: request.cgroups,
            cgroup_parent: request.cgroup_parent.clone(),
            systemd_cgroup: request.systemd_cgroup,
            resources,
            security: request.security.clone(),
            devices: request.devices.clone(),
            vendor_devices: request.vendor_devices.clone(),
            device_rules: request.device_rules.clone(),
            ulimits: request.ulimits.clone(),
            sysctls: request.sysctls.clone(),
            hooks,
            runtime: request.runtime.clone(),
            names: request.names.clone(),
            restart: request.restart,
            health,
            log: request.log.clone(),
            remove: request.remove,
            detach_keys: request.detach_keys.clone(),
            pidfile: request.pidfile.clone(),
            monitor_pidfile: request.monitor_pidfile.clone(),
            timeout: request.timeout,
            requires: request.requires.iter().map(|name| self.required(name)).collect::<Result<_>>()?,
            remove_image: request.remove_image,
            chroot_dirs: request.chroot_dirs.clone(),
            anonymous_volumes: anonymous,
            unknown: serde_json::Map::new(),
            id,
        })
    }

    /// How a container's record speaks of `image`, found as `typed`.
    pub(super) fn image_ref(&self, image: &Image, typed: &str) -> Result<ImageRef> {
        Ok(ImageRef {
            id: image.id.clone(),
            name: ImageStore::new(&self.paths).display_name(&image.id, typed)?,
            digest: image.digest().map(|digest| digest.to_string()),
        })
    }

    /// Reserves the name and makes what the container lives in.
    fn furnish(&self, locked: &mut Locked, named: bool, image: Option<&Image>) -> Result<()> {
        if named {
            name::reserve(&self.paths, &locked.config.name, locked.id())?;
        } else {
            // A made-up name that is taken is not the user's mistake.
            while let Err(error) = name::reserve(&self.paths, &locked.config.name, locked.id()) {
                if !is_conflict(&error) {
                    return Err(error);
                }
                locked.config.name = super::naming::random()?;
                locked.save_config()?;
            }
        }
        super::require::announce(self, locked)?;
        super::rootfs::prepare(self, locked)?;
        super::secret::prepare(self, locked)?;
        super::volume::prepare(self, locked, image)
    }

    /// The namespace that is asked for, with the container found.
    fn resolve_namespace(&self, asked: &NamespaceRequest) -> Result<Namespace> {
        Ok(match asked {
            NamespaceRequest::Container(name) => Namespace::Container(container::find(&self.paths, name)?),
            NamespaceRequest::Path(path) => {
                check_namespace_path(path)?;
                Namespace::Path(path.clone())
            }
            other => other.plain().unwrap_or_default(),
        })
    }

    fn required(&self, name: &str) -> Result<Id> {
        let known = container::find(&self.paths, name);
        known.with_context(|| format!("{name:?} is not a valid container, cannot be used as a dependency"))
    }

    fn resolve_network(&self, asked: &NetworkMode) -> Result<NetworkMode> {
        Ok(match asked {
            NetworkMode::Container(name) => NetworkMode::Container(container::find(&self.paths, name)?.to_string()),
            NetworkMode::Private if !self.privilege.is_rootless() => {
                NetworkMode::Bridge(vec![crate::model::network::Attachment::to(crate::model::network::DEFAULT)])
            }
            NetworkMode::Private => NetworkMode::Pasta(Vec::new()),
            NetworkMode::Bridge(networks) if self.privilege.is_rootless() => {
                let unknown = networks.iter().find(|network| network.network != crate::model::network::DEFAULT);
                if let Some(unknown) = unknown {
                    return Err(Error::not_found(format!(
                        "unable to find network with name or ID {}: network not found",
                        unknown.network
                    ))
                    .hint("an ordinary user has no bridge networks: use --network pasta, host or none")
                    .into());
                }
                if networks.iter().any(|network| !network.static_ips.is_empty() || network.static_mac.is_some()) {
                    let message = "invalid config provided: networks and static ip/mac address can only be used with \
                                   Bridge mode networking";
                    return Err(Error::invalid(message).hint("an ordinary user has no bridge networks").into());
                }
                return Err(Error::unsupported("bridge networks of an ordinary user are not supported")
                    .hint("use --network pasta, host or none")
                    .into());
            }
            NetworkMode::Bridge(attachments) => {
                // Refused here, not when there is a container that has the name.
                super::network::check(self, attachments)?;
                asked.clone()
            }
            NetworkMode::Path(path) => {
                check_namespace_path(path)?;
                asked.clone()
            }
            other => other.clone(),
        })
    }
}

fn check_namespace_path(path: &str) -> Result<()> {
    std::fs::metadata(path).map(drop).with_context(|| format!("cannot find specified namespace path \"{path}\""))
}

/// What an image gives where the request is silent.
#[derive(Debug, Default)]
struct ImageDefaults {
    entrypoint: Option<Vec<String>>,
    command: Vec<String>,
    env: Vec<String>,
    workdir: Option<String>,
    user: Option<String>,
    stop_signal: Option<i32>,
    labels: BTreeMap<String, String>,
    volumes: Vec<Mount>,
    exposed: Vec<String>,
}

impl ImageDefaults {
    fn of(image: Option<&Image>) -> Self {
        let Some(config) = image.and_then(|image| image.config.config().clone()) else { return Self::default() };
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            entrypoint: config.entrypoint().clone().filter(|words| !words.is_empty()),
            command: config.cmd().clone().unwrap_or_default(),
            env: config.env().clone().unwrap_or_default(),
            workdir: filled(config.working_dir()),
            user: filled(config.user()),
            stop_signal: config.stop_signal().as_deref().and_then(crate::model::signal::parse),
            labels: config.labels().clone().unwrap_or_default().into_iter().collect(),
            // A volume whose path is nonsense is the image's fault: it selects nothing.
            volumes: config.volumes().iter().flatten().filter_map(|path| Mount::of_image(path)).collect(),
            exposed: config.exposed_ports().clone().unwrap_or_default(),
        }
    }
}

/// podman's rule: a user's entrypoint drops the image's command; a user's command replaces it.
fn merge_command(request: &CreateRequest, image: &ImageDefaults) -> Result<(Option<Vec<String>>, Vec<String>)> {
    let entrypoint = match &request.entrypoint {
        Some(words) => Some(words.clone()).filter(|words| words.iter().any(|word| !word.is_empty())),
        None => image.entrypoint.clone(),
    };
    let command = match (&request.entrypoint, request.command.is_empty()) {
        (_, false) => request.command.clone(),
        (Some(_), true) => Vec::new(),
        (None, true) => image.command.clone(),
    };
    if entrypoint.is_none() && command.is_empty() {
        let message = "no command or entrypoint provided, and no CMD or ENTRYPOINT from image";
        return Err(Error::invalid(message).hint("give a command after the image").into());
    }
    Ok((entrypoint, command))
}

/// Two mounts cannot have one place; the same one twice is once.
fn without_duplicates(mounts: Vec<Mount>) -> Result<Vec<Mount>> {
    let mut kept: Vec<Mount> = Vec::with_capacity(mounts.len());
    for mount in mounts {
        match kept.iter().find(|other| other.target == mount.target) {
            None => kept.push(mount),
            Some(other) if *other == mount => {}
            Some(_) => return Err(Error::invalid(format!("{}: duplicate mount destination", mount.target)).into()),
        }
    }
    Ok(kept)
}

/// The ports that are published: those asked for, and with `-P` every exposed one.
fn publish(request: &CreateRequest, image: &ImageDefaults, network: &NetworkMode) -> Result<Vec<PortMapping>> {
    let mut ports = request.publish.clone();
    if request.publish_all {
        for text in image.exposed.iter().chain(&request.expose) {
            let (first, range, protocol) = port::parse_expose(text)?;
            let taken = |mapping: &PortMapping| mapping.protocol == protocol && mapping.container_port == first;
            if !ports.iter().any(taken) {
                ports.push(PortMapping {
                    host_ip: String::new(),
                    container_port: first,
                    host_port: 0,
                    range,
                    protocol,
                });
            }
        }
    }
    // podman: published ports are nothing with the host's network or none.
    Ok(match network {
        NetworkMode::Bridge(_) | NetworkMode::Pasta(_) | NetworkMode::Private => {
            let mut ports = port::merge(ports)?;
            // Chosen once: the container keeps its ports over restarts.
            crate::monitor::port::assign(&mut ports)?;
            ports
        }
        _ => Vec::new(),
    })
}

fn check_cidfile(request: &CreateRequest) -> Result<()> {
    match &request.cidfile {
        Some(path) if path.exists() => {
            let message = format!(
                "container id file exists. Ensure another container is not using it or delete {}",
                path.display()
            );
            Err(Error::conflict(message).into())
        }
        _ => Ok(()),
    }
}

/// Who the container runs as: what was asked for, what the image says, what its user namespace implies.
fn user(request: &CreateRequest, image: Option<String>, implied: Option<String>) -> String {
    let image = image.filter(|user| !user.is_empty());
    request.user.clone().or(image).or(implied).unwrap_or_default()
}

fn write_cidfile(path: Option<&Path>, id: &Id) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    write_new(path, id.as_str()).with_context(|| format!("write the container id to {}", path.display()))
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}
