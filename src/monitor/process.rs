//! The process under the monitor: a container's init, a further one of `exec`, or one whose monitor died.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{LinuxResources, Mount, MountBuilder, Process, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;

use super::config::{ExecSource, MonitorConfig, RootSource};
use super::exit::Child;
use super::stdio::{self, Kind, MonitorEnds};
use crate::model::container::ProcessRef;
use crate::model::error::{Error, ErrorKind};
use crate::model::log::{LogConfig, LogDriver};
use crate::model::runtime::OtherRuntime;
use crate::runtime::capability::{self, CapSet};
use crate::runtime::create::{CreateRequest, Init, Rootfs, create, sources};
use crate::runtime::delegate::{self, Delegate};
use crate::runtime::exec::{ExecRequest, exec};
use crate::runtime::hook::{Point, Subject};
use crate::runtime::init::Ways;
use crate::runtime::rootfs::{idmapped, layered, pivot};
use crate::runtime::stdio::Preserved;
use crate::runtime::stdio::Stdio;
use crate::runtime::{account, bundle, idmap, owner, seal, terminal, user};
use crate::sys::mount::{self, MountAttr, OverlayDirs};

/// A process with what the monitor keeps of it.
pub(crate) struct Made {
    pub(crate) reference: ProcessRef,
    pub(crate) child: Child,
    pub(crate) ends: MonitorEnds,
    /// Waits to be started; none where it runs already.
    pub(crate) init: Option<Waiting>,
}

/// A container's first process before its command.
pub(crate) enum Waiting {
    Ours(Init),
    Delegated(Box<delegate::Waiting>),
}

impl Waiting {
    /// Lets the command start; returns when it has replaced init. An error whose kind is `NoCommand` or `NotExecutable`
    /// says that it could not be executed; the process is dead then.
    pub(super) fn start(&mut self) -> Result<()> {
        match self {
            Self::Ours(init) => init.start(),
            Self::Delegated(waiting) => waiting.start(),
        }
    }
}

/// Makes a container's init, which waits to be started. What was made is undone when it fails, but for `run_dir`.
pub(crate) fn container(config: &MonitorConfig, preserved: Preserved) -> Result<Made> {
    let mut spec = bundle::load(&config.bundle)?;
    let rootfs = rootfs(config, &spec)?;
    let mut process = spec.process().clone().ok_or_else(|| Error::invalid("the specification has no process"))?;
    {
        let opened;
        let root = match &rootfs {
            Rootfs::Detached(fd) => fd.as_fd(),
            Rootfs::Path(path) => {
                opened = directory(path)?;
                opened.as_fd()
            }
        };
        account(&mut spec, &process, root, config)?;
        settle_user(&mut process, root, config)?;
    }
    let user = process.user();
    let owner = idmap::outer_owner(&spec, (user.uid(), user.gid()));
    for path in &config.chown {
        owner::change(path, owner)?;
    }
    let size = terminal::size(&process);
    spec.set_process(Some(process));
    let (stdio, ends) = streams(config, Kind::Fifos(&config.run_dir), owner, size)?;
    let special = special_sources(config, &spec)?;
    let none = LinuxResources::default();
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()).unwrap_or(&none);
    // The scope lasts until the container's first process is in it.
    let _holder = match &config.scope {
        Some(scope) => Some(config.cgroup.create_in(scope, resources).context("make the cgroup")?),
        None => config.cgroup.create(resources).context("make the cgroup").map(|()| None)?,
    };
    if let Some(runtime) = &config.runtime {
        let request =
            delegate::CreateRequest { bundle: &config.bundle, rootfs, sources: special, stdio, preserved, spec };
        return delegated(config, runtime, request, ends);
    }
    config.cgroup.apply(resources).context("limit the cgroup")?;
    let mut sources = sources(&spec, &config.bundle)?;
    for (index, tree) in special {
        sources[index] = Some(tree);
    }
    let made = {
        create(CreateRequest {
            spec: &spec,
            bundle: &config.bundle,
            rootfs,
            sources,
            namespaces: Vec::new(),
            stdio,
            preserved,
            cgroup: &config.cgroup,
            resctrl: None,
            seccomp_cache: config.seccomp_cache.as_deref(),
            subject: config.hooks.then(|| subject(config, &spec)),
            gate: None,
            ways: Ways::default(),
        })
    };
    let mut init = match made {
        Ok(init) => init,
        Err(error) => {
            // The first error is the one to tell; who takes the container's lock next finishes this.
            config.cgroup.remove().ok();
            return Err(error);
        }
    };
    let ends = with_terminal(ends, init.terminal.take())?;
    let reference = ProcessRef { pid: init.pid, start_time: init.start_time };
    let pidfd = init.pidfd.try_clone().context("copy a pidfd")?;
    Ok(Made { reference, child: Child::Ours(pidfd), ends, init: Some(Waiting::Ours(init)) })
}

/// Has another runtime make the container.
fn delegated(
    config: &MonitorConfig,
    runtime: &OtherRuntime,
    request: delegate::CreateRequest<'_>,
    ends: MonitorEnds,
) -> Result<Made> {
    let place = delegate::place(&config.run_dir);
    let delegate = Delegate { runtime, id: config.id.as_str(), place, cgroup: &config.cgroup };
    let (made, waiting) = match delegate.create(request) {
        Ok(made) => made,
        Err(error) => {
            // As above.
            drop((delegate.delete(), config.cgroup.remove()));
            return Err(error);
        }
    };
    let ends = with_terminal(ends, made.terminal)?;
    let reference = ProcessRef { pid: made.pid, start_time: made.start_time };
    Ok(Made { reference, child: Child::Ours(made.pidfd), ends, init: Some(Waiting::Delegated(Box::new(waiting))) })
}

/// The sources of the container's mounts that are no plain binds, with the numbers of these.
fn special_sources(config: &MonitorConfig, spec: &Spec) -> Result<Vec<(usize, OwnedFd)>> {
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let mut special = Vec::new();
    for ((target, source), mount) in find(&config.images, |(target, _)| target, mounts) {
        let tree = detached(config, spec, source).with_context(|| format!("mount the image on {target}"))?;
        special.push((mount, tree));
    }
    for (_, mount) in find(&config.sealed, |target| target, mounts) {
        let source = mounts[mount].source().as_deref().unwrap_or(Path::new(""));
        special.push((mount, seal::inside(source, &config.bundle)?));
    }
    Ok(special)
}

/// Each of `things` whose target is that of one of the `mounts`, with the number of that mount.
fn find<'a, T>(
    things: &'a [T],
    target: impl Fn(&T) -> &String,
    mounts: &[Mount],
) -> impl Iterator<Item = (&'a T, usize)> {
    things.iter().filter_map(move |thing| {
        let index = mounts.iter().position(|mount| mount.destination() == Path::new(target(thing)))?;
        Some((thing, index))
    })
}

/// What hooks are told of the container.
fn subject<'a>(config: &'a MonitorConfig, spec: &'a Spec) -> Subject<'a> {
    let annotations = spec.annotations().as_ref();
    Subject { id: config.id.as_str(), bundle: &config.bundle, version: spec.version(), annotations }
}

/// Runs the hooks that come after the start.
pub(super) fn tell_started(config: &MonitorConfig, init: ProcessRef) -> Result<()> {
    let spec = bundle::load(&config.bundle)?;
    subject(config, &spec).run(Point::Poststart, &spec, Some(init.pid))
}

/// Makes a health check in the container that `config` describes: a process like its first one, with other words. It dies
/// with this process.
pub(super) fn check(config: &MonitorConfig, init: ProcessRef, args: Vec<String>) -> Result<Made> {
    let spec = bundle::load(&config.bundle)?;
    let mut process = spec.process().clone().ok_or_else(|| Error::invalid("the specification has no process"))?;
    process.set_args(Some(args)).set_terminal(Some(false)).set_console_size(None);
    // What a service manager handed to the first process is not for this one.
    let handed = ["LISTEN_FDS=", "LISTEN_PID=", "LISTEN_FDNAMES=", "NOTIFY_SOCKET="];
    let mut env = process.env().clone().unwrap_or_default();
    env.retain(|pair| !handed.iter().any(|name| pair.starts_with(name)));
    process.set_env(Some(env));
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().clone());
    let source = ExecSource { init, process, seccomp, bound: true };
    let log = LogConfig { driver: LogDriver::None, ..LogConfig::default() };
    let config = MonitorConfig { tty: false, stdin: false, log, ..config.clone() };
    session(&config, &source, Preserved::default())
}

/// Makes a further process in a container; it runs when this returns.
pub(crate) fn session(config: &MonitorConfig, source: &ExecSource, preserved: Preserved) -> Result<Made> {
    let mut spec = bundle::load(&container_bundle(config)?)?;
    if let Some(mut linux) = spec.linux().clone() {
        linux.set_seccomp(source.seccomp.clone());
        spec.set_linux(Some(linux));
    }
    let gone = || Error::state("the container has ended");
    let ProcessRef { pid, start_time } = source.init;
    let pidfd = crate::sys::process::open(pid, start_time)?.ok_or_else(gone)?;
    let mut process = source.process.clone();
    let root = directory(Path::new(&format!("/proc/{pid}/root")))?;
    if !crate::sys::process::is_alive(pid, start_time) {
        // The number may have been another process's when its root was opened.
        return Err(gone().into());
    }
    settle_user(&mut process, root.as_fd(), config)?;
    drop(root);
    let user = process.user();
    let owner = idmap::outer_owner(&spec, (user.uid(), user.gid()));
    let (stdio, ends) = streams(config, Kind::Pipes, owner, terminal::size(&process))?;
    if let Some(runtime) = &config.runtime {
        let container = container_run(config)?;
        let place = delegate::place(&container);
        let delegate = Delegate { runtime, id: config.id.as_str(), place, cgroup: &config.cgroup };
        let made = delegate.exec(&process, stdio, preserved, &config.run_dir)?;
        let ends = with_terminal(ends, made.terminal)?;
        let reference = ProcessRef { pid: made.pid, start_time: made.start_time };
        return Ok(Made { reference, child: Child::Ours(made.pidfd), ends, init: None });
    }
    let child = {
        exec(ExecRequest {
            spec: &spec,
            process: &process,
            init: pidfd.as_fd(),
            init_pid: pid,
            stdio,
            preserved,
            cgroup: &config.cgroup,
            resctrl: None,
            seccomp_cache: config.seccomp_cache.as_deref(),
            subject: None,
            bound: source.bound,
            keep_keyring: false,
        })?
    };
    let ends = with_terminal(ends, child.terminal)?;
    let start_time = crate::sys::proc::start_time(child.pid).unwrap_or(0);
    let reference = ProcessRef { pid: child.pid, start_time };
    Ok(Made { reference, child: Child::Ours(child.pidfd), ends, init: None })
}

/// The bundle of the container that an exec session, whose directory is `exec/<session>` in the container's, belongs to.
fn container_bundle(config: &MonitorConfig) -> Result<PathBuf> {
    if !config.bundle.as_os_str().is_empty() {
        return Ok(config.bundle.clone());
    }
    let container = config.data_dir.ancestors().nth(2).context("find the container of the session")?;
    Ok(container.join("bundle"))
}

/// The run directory of that container.
fn container_run(config: &MonitorConfig) -> Result<PathBuf> {
    if config.exec.is_none() {
        return Ok(config.run_dir.clone());
    }
    let container = config.run_dir.ancestors().nth(2).context("find the container of the session")?;
    Ok(container.to_owned())
}

fn rootfs(config: &MonitorConfig, spec: &Spec) -> Result<Rootfs> {
    source(config, spec, &config.root)
}

/// The files of an image, as a mount that nobody has attached.
fn detached(config: &MonitorConfig, spec: &Spec, from: &RootSource) -> Result<OwnedFd> {
    match source(config, spec, from)? {
        Rootfs::Detached(fd) => Ok(fd),
        Rootfs::Path(path) => Ok(mount::clone_tree(rustix::fs::CWD, &path, false)?),
    }
}

fn source(config: &MonitorConfig, spec: &Spec, from: &RootSource) -> Result<Rootfs> {
    Ok(match from {
        RootSource::Bundle => Rootfs::Path(bundle::root(spec, &config.bundle)?),
        RootSource::Directory { path } => {
            let propagation = spec.linux().as_ref().and_then(|linux| linux.rootfs_propagation().as_deref());
            if config.map_root {
                let namespace = idmapped::namespace(spec)?;
                Rootfs::Detached(idmapped::directory(path, propagation, namespace.as_fd())?)
            } else {
                // Not as a path: hooks find it in the bundle, like every other.
                Rootfs::Detached(pivot::open_root(path, propagation)?)
            }
        }
        RootSource::Mounted { path } => {
            let doing = || format!("clone {}", path.display());
            let tree = mount::clone_tree(rustix::fs::CWD, path, false).with_context(doing)?;
            let propagation = libc::MS_PRIVATE;
            let attr = MountAttr { clear: libc::MOUNT_ATTR_NODEV, propagation, ..MountAttr::default() };
            mount::set_attr(&tree, false, attr).with_context(doing)?;
            Rootfs::Detached(tree)
        }
        RootSource::Overlay { lower, upper, volatile, userxattr } => {
            if let Some((_, work)) = upper
                && *volatile
            {
                allow_volatile(work)?;
            }
            let dirs =
                OverlayDirs { lower: lower.clone(), upper: upper.clone(), volatile: *volatile, userxattr: *userxattr };
            let namespace = config.map_root.then(|| idmapped::namespace(spec)).transpose()?;
            let overlay = layered::mount(&dirs, namespace.as_ref().map(OwnedFd::as_fd), MountAttrFlags::empty());
            Rootfs::Detached(overlay.context("mount the overlay of the root file system")?)
        }
    })
}

/// Lets a volatile upper be mounted again: the kernel refuses it even after a clean unmount. One of another boot was
/// discarded by who prepared it.
fn allow_volatile(work: &Path) -> Result<()> {
    let mark = work.join("work/incompat/volatile");
    match std::fs::remove_dir_all(&mark) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", mark.display()))
        }
        _ => Ok(()),
    }
}

fn directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))
}

/// Makes `process` that of the user who was asked for, as the container's own files know him.
fn settle_user(process: &mut Process, root: BorrowedFd<'_>, config: &MonitorConfig) -> Result<()> {
    let found = user::lookup(root, &config.user, &config.groups)?;
    let mut oci = process.user().clone();
    oci.set_uid(found.uid).set_gid(found.gid);
    // The main group is among the further ones too: else a process that changes it sheds a group which a file's mode may
    // shut out (CVE-2022-2989).
    let further = found.groups.into_iter().filter(|&gid| gid != found.gid);
    oci.set_additional_gids(Some(std::iter::once(found.gid).chain(further).collect()));
    process.set_user(oci);
    let mut env = process.env().clone().unwrap_or_default();
    if !env.iter().any(|pair| pair.starts_with("HOME=")) {
        env.push(format!("HOME={}", if found.home.is_empty() { "/" } else { &found.home }));
        process.set_env(Some(env));
    }
    if found.uid != 0
        && let Some(sets) = process.capabilities()
    {
        let bounding = sets.bounding().as_ref().map_or_else(|| CapSet::from_mask(0), CapSet::from_oci);
        let requested = capability::requested(&config.capabilities, bounding)?;
        process.set_capabilities(Some(capability::sets(bounding, requested, false)?));
    }
    Ok(())
}

/// Gives the user a line in the container's passwd and group files where it has none: in the file, or where that cannot
/// be written in one that covers it.
fn account(spec: &mut Spec, process: &Process, root: BorrowedFd<'_>, config: &MonitorConfig) -> Result<()> {
    let home = process.cwd().to_string_lossy();
    let read_only = spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false);
    for addition in account::missing(root, &config.user, &home, &config.accounts)? {
        if !read_only && addition.append(root)? {
            continue;
        }
        let (_, name) = addition.path.rsplit_once('/').unwrap_or_default();
        let path = config.bundle.join(name);
        std::fs::write(&path, addition.text()).with_context(|| format!("write {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))
            .with_context(|| format!("chmod {}", path.display()))?;
        let (uid, gid) = idmap::outer_owner(spec, (0, 0));
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).with_context(|| format!("chown {}", path.display()))?;
        let options = ["bind", "rprivate", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec();
        let mount = MountBuilder::default().destination(format!("/{}", addition.path)).typ("bind").source(&path);
        let mount = mount.options(options).build().with_context(|| format!("build the mount of /{}", addition.path))?;
        let mut mounts = spec.mounts().clone().unwrap_or_default();
        // Before all others: a mount of the user's covers it.
        mounts.insert(0, mount);
        spec.set_mounts(Some(mounts));
    }
    Ok(())
}

/// What the process gets as its streams, and what we keep of them.
fn streams(
    config: &MonitorConfig,
    kind: Kind<'_>,
    owner: (u32, u32),
    size: Option<(u16, u16)>,
) -> Result<(Stdio, MonitorEnds)> {
    if config.tty {
        return Ok((Stdio::Terminal { size }, MonitorEnds::Nothing));
    }
    if config.log.driver.is_passthrough() {
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().context("copy a stream");
        let stdin = own(rustix::stdio::stdin())?;
        let (stdout, stderr) = (own(rustix::stdio::stdout())?, own(rustix::stdio::stderr())?);
        return Ok((Stdio::Fds { stdin, stdout, stderr }, MonitorEnds::Nothing));
    }
    let (ends, ours) = stdio::create(kind, config.stdin, owner).map_err(|error| unmapped(error, owner))?;
    Ok((Stdio::Fds { stdin: ends.stdin, stdout: ends.stdout, stderr: ends.stderr }, ours))
}

/// Says why a file cannot be given to a user whom our user namespace does not have; any other error stays.
fn unmapped(error: anyhow::Error, (uid, gid): (u32, u32)) -> anyhow::Error {
    let cause = error.root_cause().downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    if cause != Some(libc::EINVAL) {
        return error;
    }
    Error::new(ErrorKind::NotExecutable, format!("user {uid} or group {gid} is not in the user namespace"))
        .hint("the ids that a user has are in /etc/subuid and /etc/subgid")
        .into()
}

fn with_terminal(ends: MonitorEnds, terminal: Option<OwnedFd>) -> Result<MonitorEnds> {
    match terminal {
        Some(master) => stdio::terminal(master),
        None => Ok(ends),
    }
}
