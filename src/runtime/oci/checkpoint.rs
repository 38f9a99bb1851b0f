//! `checkpoint`: the processes of a container become images; it ends, or runs on.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use rustix::io::DupFlags;

use super::args::{CheckpointArgs, ImagesArgs};
use super::criu::wire::Message;
use super::criu::{Criu, Kind};
use super::delete;
use super::notify as service;
use super::record::{Record, Root, Status};
use crate::model::error::Error;
use crate::sys::exec::passed_on;

/// What the container's streams were, for `restore`; runc's name of it.
pub(crate) const DESCRIPTORS: &str = "descriptors.json";

/// Numbers of the fields of criu's `criu_opts`.
pub(crate) mod field {
    pub(crate) const IMAGES_DIR_FD: u32 = 1;
    pub(crate) const PID: u32 = 2;
    pub(crate) const LEAVE_RUNNING: u32 = 3;
    pub(crate) const EXT_UNIX_SK: u32 = 4;
    pub(crate) const TCP_ESTABLISHED: u32 = 5;
    pub(crate) const EVASIVE_DEVICES: u32 = 6;
    pub(crate) const SHELL_JOB: u32 = 7;
    pub(crate) const FILE_LOCKS: u32 = 8;
    pub(crate) const LOG_LEVEL: u32 = 9;
    pub(crate) const LOG_FILE: u32 = 10;
    pub(crate) const PAGE_SERVER: u32 = 11;
    pub(crate) const NOTIFY_SCRIPTS: u32 = 12;
    pub(crate) const ROOT: u32 = 13;
    pub(crate) const PARENT_IMG: u32 = 14;
    pub(crate) const TRACK_MEM: u32 = 15;
    pub(crate) const AUTO_DEDUP: u32 = 16;
    pub(crate) const WORK_DIR_FD: u32 = 17;
    pub(crate) const LINK_REMAP: u32 = 18;
    pub(crate) const MANAGE_CGROUPS: u32 = 24;
    pub(crate) const CG_ROOT: u32 = 25;
    pub(crate) const RST_SIBLING: u32 = 26;
    pub(crate) const INHERIT_FD: u32 = 27;
    pub(crate) const MANAGE_CGROUPS_MODE: u32 = 34;
    pub(crate) const EXTERNAL: u32 = 37;
    pub(crate) const EMPTY_NS: u32 = 38;
    pub(crate) const JOIN_NS: u32 = 39;
    pub(crate) const FREEZE_CGROUP: u32 = 44;
    pub(crate) const TCP_SKIP_IN_FLIGHT: u32 = 46;
    pub(crate) const LAZY_PAGES: u32 = 48;
    pub(crate) const ORPHAN_PTS_MASTER: u32 = 50;
    pub(crate) const LSM_PROFILE: u32 = 53;
    pub(crate) const LSM_MOUNT_CONTEXT: u32 = 63;
}

/// criu's most talkative but one.
const LOG_LEVEL: u64 = 4;

/// The directories of images and of logs, open: criu finds them among our descriptors.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) directory: PathBuf,
    work_directory: PathBuf,
    pub(crate) log: PathBuf,
    images: OwnedFd,
    work: OwnedFd,
}

impl Images {
    /// Opens them; with `make` they are made where they are missing, for us alone: there is memory in there.
    pub(crate) fn open(args: &ImagesArgs, log: &str, make: bool) -> Result<Self> {
        let open = |path: &Path, make: bool| -> Result<OwnedFd> {
            if make {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .with_context(|| format!("make {}", path.display()))?;
            }
            open_directory(path)
        };
        let directory = std::path::absolute(&args.image_path).context("the directory of --image-path")?;
        let work = args.work_path.as_deref().unwrap_or(&directory);
        let work = std::path::absolute(work).context("the directory of --work-path")?;
        let images = open(&directory, make)?;
        let opened = open(&work, true)?;
        Ok(Self { log: work.join(log), work: opened, work_directory: work, directory, images })
    }

    /// Opens them anew in the mount namespace of this thread, under the same numbers: criu mounts in its directory of
    /// scratch files, and can do so in its own namespace only.
    pub(crate) fn enter(&mut self) -> Result<()> {
        for (path, held) in [(&self.directory, &mut self.images), (&self.work_directory, &mut self.work)] {
            rustix::io::dup3(open_directory(path)?, held, DupFlags::CLOEXEC).context("copy a descriptor")?;
        }
        Ok(())
    }

    /// The options that dump and restore share.
    pub(crate) fn options(&self, args: &ImagesArgs) -> Result<Message> {
        let number = |fd: &OwnedFd| u64::try_from(fd.as_raw_fd()).unwrap_or_default();
        let log = self.log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mode = match args.manage_cgroups_mode.as_deref() {
            None | Some("" | "soft") => 3,
            Some("ignore") => 0,
            Some("full") => 4,
            Some("strict") => 5,
            Some(other) => bail!(Error::invalid(format!("invalid manage-cgroups-mode value {other:?}"))),
        };
        let mut empty = 0;
        for name in &args.empty_ns {
            if name != "network" {
                bail!(Error::invalid(format!("namespace {name:?} is not supported by --empty-ns")));
            }
            empty |= u64::from(libc::CLONE_NEWNET.unsigned_abs());
        }
        let options = Message::default()
            .number(field::IMAGES_DIR_FD, number(&self.images))
            .number(field::WORK_DIR_FD, number(&self.work))
            .number(field::LOG_LEVEL, LOG_LEVEL)
            .text(field::LOG_FILE, log)
            .flag(field::NOTIFY_SCRIPTS, true)
            .flag(field::ORPHAN_PTS_MASTER, true)
            .flag(field::MANAGE_CGROUPS, true)
            .number(field::MANAGE_CGROUPS_MODE, mode)
            .flag(field::EXT_UNIX_SK, args.ext_unix_sk)
            .flag(field::TCP_ESTABLISHED, args.tcp_established)
            .flag(field::SHELL_JOB, args.shell_job)
            .flag(field::FILE_LOCKS, args.file_locks)
            .flag(field::AUTO_DEDUP, args.auto_dedup)
            .flag(field::LAZY_PAGES, args.lazy_pages);
        Ok(if empty == 0 { options } else { options.number(field::EMPTY_NS, empty) })
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    if !file.metadata().with_context(|| format!("look at {}", path.display()))?.is_dir() {
        bail!(Error::invalid(format!("{} is not a directory", path.display())));
    }
    Ok(file.into())
}

/// `checkpoint`.
pub(crate) fn checkpoint(root: &Root, args: &CheckpointArgs) -> Result<()> {
    let container = root.container(&args.id)?;
    let _lock = container.lock()?;
    let record = container.record()?;
    let status = container.status(&record)?;
    if matches!(status, Status::Creating | Status::Created | Status::Stopped) {
        bail!(Error::state(format!("container cannot be checkpointed in {} state", status.name())));
    }
    let Some((pid, _)) = container.init(&record)? else { bail!(Error::state("container not running")) };
    let spec = container.spec()?;
    let mut images = Images::open(&args.images, "dump.log", true)?;
    let options = options(args, &record, &spec, pid, service::shared(&container), images.options(&args.images)?)?;
    if !args.pre_dump {
        let streams = serde_json::to_vec(&streams(pid)?).context("encode the streams")?;
        let path = images.directory.join(DESCRIPTORS);
        std::fs::write(&path, streams).with_context(|| format!("write {}", path.display()))?;
    }
    let kind = if args.pre_dump { Kind::PreDump } else { Kind::Dump };
    let mut status_fd = args.status_fd.map(passed_on).transpose().context("--status-fd")?;
    Criu::start(|| images.enter())?.call(kind, &options, &images.log, &mut |step| {
        if step.name == "status-ready"
            && let Some(fd) = status_fd.take()
        {
            rustix::io::write(&fd, b"\0").context("write to --status-fd")?;
        }
        Ok(())
    })?;
    if args.pre_dump || args.leave_running {
        return Ok(());
    }
    // criu has killed all of it.
    delete::finish(&container, &record, &spec)
}

/// What is asked of criu for the container whose first process is `pid`.
fn options(
    args: &CheckpointArgs,
    record: &Record,
    spec: &Spec,
    pid: i32,
    service: Option<&str>,
    common: Message,
) -> Result<Message> {
    let rootfs = record.rootfs.to_str().context("the root is not UTF-8")?;
    let mut options = common
        .number(field::PID, u64::try_from(pid)?)
        .text(field::ROOT, rootfs)
        .flag(field::LEAVE_RUNNING, args.leave_running)
        .flag(field::LINK_REMAP, args.link_remap)
        .flag(field::TCP_SKIP_IN_FLIGHT, args.tcp_skip_in_flight);
    if let Some(freezer) = record.cgroup.freezer() {
        options = options.text(field::FREEZE_CGROUP, freezer.to_str().context("the cgroup is not UTF-8")?);
    }
    if let Some(parent) = &args.parent_path {
        // criu makes a link of it among the images.
        if parent.is_absolute() {
            bail!(Error::invalid("--parent-path must be relative to --image-path"));
        }
        if !args.images.image_path.join(parent).is_dir() {
            bail!(Error::invalid(format!("--parent-path: {} is not a directory", parent.display())));
        }
        options = options.text(field::PARENT_IMG, parent.to_str().context("--parent-path is not UTF-8")?);
    }
    if args.parent_path.is_some() || args.pre_dump {
        options = options.flag(field::TRACK_MEM, true);
    }
    if let Some(server) = &args.page_server {
        let address = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let Some((host, port)) = address.filter(|(host, port)| !host.is_empty() && *port > 0) else {
            bail!(Error::invalid(format!("--page-server {server:?}: use ADDRESS:PORT")));
        };
        let server = Message::default().text(1, host).number(2, u64::from(port));
        options = options.message(field::PAGE_SERVER, &server);
    }
    for (kind, name, key) in EXTERNAL_NAMESPACES {
        if let Some(path) = namespace_path(spec, kind) {
            let inode = std::fs::metadata(path).with_context(|| format!("look at {}", path.display()))?.ino();
            options = options.text(field::EXTERNAL, &format!("{name}[{inode}]:{key}"));
        }
    }
    if args.pre_dump {
        return Ok(options);
    }
    for destination in binds(spec).map(|(destination, _)| destination).chain(service) {
        options = options.text(field::EXTERNAL, &format!("mnt[{destination}]:{destination}"));
    }
    Ok(options)
}

/// Namespaces of others that stay what they are: what criu calls them, and how they are found again.
pub(crate) const EXTERNAL_NAMESPACES: [(LinuxNamespaceType, &str, &str); 2] =
    [(LinuxNamespaceType::Network, "net", "extRootNetNS"), (LinuxNamespaceType::Pid, "pid", "extRootPidNS")];

/// The path of a namespace that the container joins.
pub(crate) fn namespace_path(spec: &Spec, kind: LinuxNamespaceType) -> Option<&Path> {
    let all = spec.linux().as_ref()?.namespaces().as_ref()?;
    all.iter().find(|namespace| namespace.typ() == kind)?.path().as_deref()
}

/// Mounts of files and directories of the host: where they are inside, and where they come from.
pub(crate) fn binds(spec: &Spec) -> impl Iterator<Item = (&str, &Path)> {
    let is_bind = |mount: &oci_spec::runtime::Mount| {
        let options = mount.options().as_deref().unwrap_or_default();
        mount.typ().as_deref() == Some("bind") || options.iter().any(|option| option == "bind" || option == "rbind")
    };
    spec.mounts()
        .iter()
        .flatten()
        .filter(move |mount| is_bind(mount))
        .filter_map(|mount| Some((mount.destination().to_str()?.trim_end_matches('/'), mount.source().as_deref()?)))
}

/// What standard input, output and error of process `pid` are, as the kernel names them.
fn streams(pid: i32) -> Result<Vec<String>> {
    let name = |number: u32| {
        let path = format!("/proc/{pid}/fd/{number}");
        match std::fs::read_link(&path) {
            Ok(name) => Ok(name.to_string_lossy().into_owned()),
            // It has closed it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).with_context(|| format!("read {path}")),
        }
    };
    (0..3).map(name).collect()
}
