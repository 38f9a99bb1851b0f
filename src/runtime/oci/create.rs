//! `create` and `run`: a container from a bundle, by this very process; `start`: its command, by another.
//!
//! Order: everything that can be refused is refused; the name is taken; the record says who makes what (so that `delete`
//! can undo it); cgroup; init, which ends with us until it is parked; record and pid file; terminal; parked. An error on
//! the way undoes it all, and runs the `poststop` hooks when others were run.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{ContainerState, LinuxIntelRdt, LinuxResources, Spec};

use super::args::{BundleArgs, Globals, RunArgs};
use super::console::{self, Foreground};
use super::delete;
use super::notify::{self as service, Listener};
use super::record::{Container, Record, Root, Status, user};
use crate::model::container::ProcessRef;
use crate::model::error::Error;
use crate::runtime::bundle;
use crate::runtime::cgroup::{Cgroup, Host, systemd};
use crate::runtime::create::{self as make, CreateRequest, Init, Rootfs, sources};
use crate::runtime::gate::{self, Gate};
use crate::runtime::hook::{POINTS, Point};
use crate::runtime::init::Ways;
use crate::runtime::resctrl::Group;
use crate::runtime::rootfs::{device, plan};
use crate::runtime::seccomp::notify::Observer;
use crate::runtime::stdio::Preserved;
use crate::runtime::stdio::Stdio;
use crate::runtime::{idmap, terminal, validate};
use crate::state::lock::Lock;
use crate::sys::exec::passed_on;
use crate::sys::{notify, process};

/// A container that waits for its start.
struct Made {
    container: Container,
    record: Record,
    init: Init,
    spec: Spec,
    /// The master of its terminal, where nobody else has it.
    terminal: Option<OwnedFd>,
    lock: Lock,
}

/// `create`.
pub(crate) fn create(root: &Root, globals: &Globals, args: &BundleArgs) -> Result<()> {
    let made = prepare(root, globals, args, true)?;
    let Made { container, record, init, spec, lock, .. } = made;
    if let Err(error) = init.park() {
        undo(&container, &record, &spec, true);
        return Err(error);
    }
    drop(lock);
    Ok(())
}

/// `run`: gives the exit code of the command.
pub(crate) fn run(root: &Root, globals: &Globals, args: &RunArgs) -> Result<u8> {
    let foreground = if args.detach { None } else { Some(Foreground::new()?) };
    let made = prepare(root, globals, &args.bundle, args.detach)?;
    let Made { container, record, init, spec, terminal, lock } = made;
    let command = init.pidfd.try_clone().context("copy a pidfd")?;
    let pid = init.pid;
    // Who stays is the service's main process.
    let main = if args.detach { pid } else { rustix::process::getpid().as_raw_nonzero().get() };
    let listener = init.park().and_then(|()| Listener::open(&container, main)).and_then(|listener| {
        started(&container, &record, &spec, pid, command.as_fd())?;
        Ok(listener)
    });
    let mut listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            undo(&container, &record, &spec, true);
            return Err(error);
        }
    };
    drop(lock);
    let Some(foreground) = foreground else {
        listener.map_or(Ok(()), |listener| listener.until_ready(command.as_fd()))?;
        return Ok(0);
    };
    let code = foreground.wait(&command, terminal.as_ref(), listener.as_mut());
    if !args.keep {
        let lock = container.lock()?;
        delete::finish(&container, &record, &spec)?;
        drop(lock);
    }
    Ok(u8::try_from(code?).unwrap_or(u8::MAX))
}

/// `start`.
pub(crate) fn start(container: &Container) -> Result<()> {
    let lock = container.lock()?;
    let record = container.record()?;
    let spec = container.spec()?;
    match container.status(&record)? {
        Status::Created => {}
        Status::Stopped => bail!(Error::state("cannot start a container that has stopped")),
        Status::Creating => bail!(Error::state("cannot start a container that is being created")),
        Status::Running | Status::Paused => bail!(Error::state("cannot start an already running container")),
    }
    let Some((pid, command)) = container.init(&record)? else {
        bail!(Error::state("cannot start a container that has stopped"));
    };
    let listener = Listener::open(container, pid)?;
    started(container, &record, &spec, pid, command.as_fd())?;
    drop(lock);
    listener.map_or(Ok(()), |listener| listener.until_ready(command.as_fd()))
}

/// Lets who waits at the gate go, and runs the hooks that follow; where one fails, the container ends (runtime-spec 1.3).
fn started(container: &Container, record: &Record, spec: &Spec, pid: i32, command: BorrowedFd<'_>) -> Result<()> {
    let Some(channel) = gate::knock(&container.directory)? else {
        bail!(Error::state("the container does not wait for its start"));
    };
    let observer = Observer::connect(spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()))?;
    let heard = |number: i32| match &observer {
        Some(observer) => {
            let state = container.subject(record).state(ContainerState::Created, Some(pid))?;
            observer.tell(command, pid, number, &state)
        }
        None => bail!("nobody decides calls"),
    };
    make::start(&channel, Some(&heard))?;
    let hooks = container.subject(record).run(Point::Poststart, spec, Some(pid));
    if hooks.is_err() {
        process::signal(command, libc::SIGKILL).context("kill the container")?;
    }
    hooks
}

/// Makes a container up to its start; the caller parks it. With `detached` its terminal must go to a socket.
fn prepare(root: &Root, globals: &Globals, args: &BundleArgs, detached: bool) -> Result<Made> {
    let container = root.container(&args.id)?;
    let bundle = std::fs::canonicalize(&args.bundle).with_context(|| format!("bundle {}", args.bundle.display()))?;
    let (config, spec) = read_config(&bundle)?;
    validate::spec(&spec)?;
    plan::plan(spec.mounts().as_deref().unwrap_or_default())?;
    device::nodes(spec.linux().as_ref().and_then(|linux| linux.devices().as_deref()).unwrap_or_default())?;
    let rootfs = bundle::root(&spec, &bundle)?;
    let rootfs = std::fs::canonicalize(&rootfs).with_context(|| format!("root.path {}", rootfs.display()))?;
    let (cgroup, scope) = cgroup(&spec, &args.id, globals)?;
    let resctrl = Group::plan(intel_rdt(&spec), &args.id)?;
    let console = console_socket(&spec, args.console_socket.as_deref(), detached)?;
    let pidfd_socket = args.pidfd_socket.as_deref().map(console::connect).transpose()?;
    let preserved = preserved(args.preserve_fds)?;
    let (spec, listening) = listen_fds(spec, args.preserve_fds)?;
    let spec = service::share(spec, &container)?;
    let preserve_fds = listening.into_iter().chain(preserved).collect();

    let ways = Ways { keep_keyring: args.no_new_keyring, no_pivot: args.no_pivot, make_directory: true, no_mtab: true };

    root.make()?;
    container.claim()?;
    let mut made = Begun { container: &container, root, spec: &spec, record: None, cgroup_made: false, hooked: false };
    let done = made
        .build(Material { bundle, rootfs, cgroup, scope, resctrl, config: &config, preserve_fds, ways })
        .and_then(|(init, lock)| {
            let Some(record) = made.record.clone() else { bail!("the record is missing") };
            let mut init = init;
            let terminal = init.terminal.take();
            let hand_over = || -> Result<Option<OwnedFd>> {
                if let Some(path) = &args.pid_file {
                    write_pid_file(path, init.pid)?;
                }
                if let Some(socket) = &pidfd_socket {
                    console::send(socket, init.pidfd.as_fd(), console::PIDFD)?;
                }
                match (&console, terminal) {
                    (Some(socket), Some(master)) => {
                        console::send(socket, master.as_fd(), console::TERMINAL)?;
                        Ok(None)
                    }
                    (_, terminal) => Ok(terminal),
                }
            };
            Ok((record, hand_over()?, init, lock))
        });
    match done {
        Ok((record, terminal, init, lock)) => Ok(Made { container, record, init, spec, terminal, lock }),
        Err(error) => {
            made.undo();
            Err(error)
        }
    }
}

/// What a container is made of.
struct Material<'a> {
    bundle: PathBuf,
    rootfs: PathBuf,
    cgroup: Cgroup,
    scope: Option<systemd::Planned>,
    resctrl: Option<Group>,
    config: &'a [u8],
    preserve_fds: Vec<OwnedFd>,
    ways: Ways,
}

/// A container whose name is taken, and how far it came.
struct Begun<'a> {
    container: &'a Container,
    root: &'a Root,
    spec: &'a Spec,
    record: Option<Record>,
    cgroup_made: bool,
    hooked: bool,
}

impl Begun<'_> {
    fn build(&mut self, material: Material<'_>) -> Result<(Init, Lock)> {
        let Material { bundle, rootfs, cgroup, scope, resctrl, config, preserve_fds, ways } = material;
        let (container, spec) = (self.container, self.spec);
        let lock = container.lock()?;
        let mut known =
            Record { cgroup, keep_keyring: ways.keep_keyring, resctrl, ..Record::begun(spec, bundle, rootfs)? };
        container.write(&known)?;
        container.keep_config(config)?;
        self.record = Some(known.clone());

        let none = LinuxResources::default();
        let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()).unwrap_or(&none);
        let holder = match &scope {
            Some(scope) => Some(known.cgroup.create_in(scope, resources).context("make the cgroup")?),
            None => known.cgroup.create(resources).context("make the cgroup").map(|()| None)?,
        };
        self.cgroup_made = true;
        known.cgroup.apply(resources).context("limit the cgroup")?;
        if let (Some(group), Some(wanted)) = (&known.resctrl, intel_rdt(spec)) {
            group.make(wanted)?;
        }
        let gate = Gate::open(&container.directory)?;
        service::prepare(spec, container)?;
        let stdio = stdio(spec)?;
        let sources = sources(spec, &known.bundle)?;
        self.hooked = POINTS.iter().any(|point| !point.of(spec).is_empty());
        let cache = self.root.seccomp_cache();
        let init = make::create(CreateRequest {
            spec,
            bundle: &known.bundle,
            rootfs: Rootfs::Path(known.rootfs.clone()),
            sources,
            namespaces: Vec::new(),
            stdio,
            preserved: Preserved::from_three(preserve_fds),
            cgroup: &known.cgroup,
            resctrl: known.resctrl.as_ref(),
            seccomp_cache: Some(&cache),
            subject: Some(container.subject(&known)),
            gate: Some(gate),
            ways,
        })?;
        drop(holder);
        known.init = Some(ProcessRef { pid: init.pid, start_time: init.start_time });
        self.record = Some(known.clone());
        container.write(&known)?;
        Ok((init, lock))
    }

    fn undo(&self) {
        let Some(record) = &self.record else {
            drop(self.container.remove());
            return;
        };
        let mut record = record.clone();
        if !self.cgroup_made {
            // Not ours: another's processes may be in it.
            record.cgroup = Cgroup::none();
        }
        undo(self.container, &record, self.spec, self.hooked);
    }
}

/// Takes back what was made; the error that led here is the one to tell.
pub(crate) fn undo(container: &Container, record: &Record, spec: &Spec, hooked: bool) {
    if let Ok(Some((_, init))) = container.init(record) {
        drop(process::signal(&init, libc::SIGKILL));
        drop(process::wait(&init, None));
        drop(crate::sys::pidfd::reap(init.as_fd()));
    }
    if hooked {
        drop(delete::finish(container, record, spec));
    } else {
        drop(record.cgroup.kill_all());
        drop(record.cgroup.remove());
        drop(record.resctrl.as_ref().map(Group::remove));
        drop(container.remove());
    }
}

/// The configuration, byte for byte and as a specification.
pub(crate) fn read_config(bundle: &Path) -> Result<(Vec<u8>, Spec)> {
    let bytes = bundle::read(bundle)?;
    let spec = bundle::parse(&bytes, bundle)?;
    Ok((bytes, spec))
}

/// The container's place among the cgroups, and the scope around it where systemd is to make it.
pub(crate) fn cgroup(spec: &Spec, id: &str, globals: &Globals) -> Result<(Cgroup, Option<systemd::Planned>)> {
    let by_systemd = match globals.cgroup_manager.as_deref() {
        None | Some("") => globals.systemd_cgroup,
        Some("cgroupfs") => false,
        Some("systemd") => true,
        Some("disabled") => return Ok((Cgroup::none(), None)),
        Some(other) => bail!(Error::invalid(format!("invalid cgroup manager {other:?}"))),
    };
    let linux = spec.linux().as_ref();
    let path = linux.and_then(|linux| linux.cgroups_path().as_ref()).and_then(|path| path.to_str());
    if by_systemd {
        let annotations = spec.annotations().clone().unwrap_or_default();
        let resources = linux.and_then(|linux| linux.resources().as_ref());
        let (cgroup, scope) = systemd::place(path, id, user(), resources, &annotations)?;
        return Ok((cgroup, Some(scope)));
    }
    let host = Host::detect(user())?;
    let cgroup = match path.filter(|path| !path.is_empty()) {
        Some(path) => host.at(path).context("linux.cgroupsPath")?,
        None => host.place(None, id)?,
    };
    Ok((cgroup, None))
}

/// What is asked for of caches and memory bandwidth.
pub(crate) fn intel_rdt(spec: &Spec) -> Option<&LinuxIntelRdt> {
    spec.linux().as_ref()?.intel_rdt().as_ref()
}

/// Whether the process gets a terminal.
pub(crate) fn wants_terminal(process: Option<&oci_spec::runtime::Process>) -> bool {
    process.and_then(oci_spec::runtime::Process::terminal).unwrap_or(false)
}

/// The socket that the terminal goes to.
pub(crate) fn console_socket(spec: &Spec, path: Option<&Path>, detached: bool) -> Result<Option<OwnedFd>> {
    let terminal = wants_terminal(spec.process().as_ref());
    match path {
        Some(_) if !terminal => bail!(Error::invalid("--console-socket without process.terminal")),
        None if terminal && detached => {
            bail!(Error::invalid("process.terminal needs --console-socket when the runtime does not stay"))
        }
        path => path.map(console::connect).transpose(),
    }
}

/// Our streams, or a new terminal.
fn stdio(spec: &Spec) -> Result<Stdio> {
    let Some(process) = spec.process() else { bail!(Error::invalid("the specification has no process")) };
    if wants_terminal(Some(process)) {
        return Ok(Stdio::Terminal { size: terminal::size(process) });
    }
    let user = process.user();
    own_streams(idmap::outer_owner(spec, (user.uid(), user.gid())).0)
}

/// Copies of our streams, which become those of user `uid`: who is not root could not open `/dev/stdout` again.
pub(crate) fn own_streams(uid: u32) -> Result<Stdio> {
    let copy = |fd: BorrowedFd<'_>| -> Result<OwnedFd> {
        let fd = fd.try_clone_to_owned().context("copy a stream")?;
        let stat = rustix::fs::fstat(&fd).context("look at a stream")?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        let is_null = kind == rustix::fs::FileType::CharacterDevice && stat.st_rdev == rustix::fs::makedev(1, 3);
        if stat.st_uid != uid && !is_null {
            // A stream that cannot change hands (another's file, a read-only place) works all the same.
            let _kept = rustix::fs::fchown(&fd, Some(rustix::fs::Uid::from_raw(uid)), None);
        }
        Ok(fd)
    };
    let (stdin, stdout, stderr) = (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    Ok(Stdio::Fds { stdin: copy(stdin)?, stdout: copy(stdout)?, stderr: copy(stderr)? })
}

/// Descriptors from 3 on that the caller wants passed on.
pub(crate) fn preserved(count: u32) -> Result<Vec<OwnedFd>> {
    let end = i32::try_from(count).ok().and_then(|count| count.checked_add(3));
    let end = end.ok_or_else(|| Error::invalid(format!("--preserve-fds {count}: too many")))?;
    (3..end).map(|fd| passed_on(fd).with_context(|| format!("--preserve-fds: descriptor {fd}"))).collect()
}

/// Sockets of a service manager that are meant for us (sd_listen_fds(3)), and a specification that tells the command of
/// them. They come right after the streams, so not together with other descriptors.
fn listen_fds(mut spec: Spec, preserve_fds: u32) -> Result<(Spec, Vec<OwnedFd>)> {
    let count = notify::listening(false);
    if count == 0 || preserve_fds > 0 {
        return Ok((spec, Vec::new()));
    }
    let fds = preserved(count).context("LISTEN_FDS")?;
    if let Some(process) = spec.process_mut() {
        let mut env = process.env().clone().unwrap_or_default();
        let is_listen = |entry: &String| notify::LISTEN.contains(&entry.split('=').next().unwrap_or_default());
        env.retain(|entry| !is_listen(entry));
        env.extend(notify::handed_on(fds.len()));
        process.set_env(Some(env));
    }
    Ok((spec, fds))
}

/// Writes the number at once or not at all: callers watch for the file.
pub(crate) fn write_pid_file(path: &Path, pid: i32) -> Result<()> {
    let (parent, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    let temporary = parent.join(temporary);
    std::fs::write(&temporary, pid.to_string())
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("write the pid file {}", path.display()))
}

/// Reads all of a file, or of standard input for `-`.
pub(crate) fn read_input(path: &Path) -> Result<Vec<u8>> {
    const LIMIT: u64 = 16 << 20;
    let describe = || format!("read {}", path.display());
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).context("read standard input")?;
    } else {
        File::open(path).with_context(describe)?.take(LIMIT).read_to_end(&mut bytes).with_context(describe)?;
    }
    Ok(bytes)
}
