//! `create`: from a specification to a process that waits to start. Runs in the monitor, which has one thread.
//!
//! One clone3 makes all namespaces; on cgroup v2 it also puts the child into its cgroup, on v1 the child enters by itself.
//! Only what must belong to a user namespace that is joined needs a process in between.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType, Spec};
use rustix::io::Errno;

use super::cgroup::Cgroup;
use super::channel::{Channel, Message};
use super::gate::Gate;
use super::hook::{POINTS, Point, Subject};
use super::namespace::{self, Joined, Numbers, Plan};
use super::resctrl::Group;
use super::rootfs::pivot::open_root;
use super::rootfs::plan::{self, Planned};
use super::rootfs::{device, mount};
use super::seccomp::notify;
use super::stdio::{Preserved, Stdio};
use super::{idmap, init, netdevice, seccomp, sysctl, validate};
use crate::model::error::Error;
use crate::sys::clone::{CloneArgs, Cloned, Namespaces, clone3, enter, unshare};
use crate::sys::exec::leave;
use crate::sys::identity;
use crate::sys::mount::{MountAttr, set_attr};
use crate::sys::pidfd;
use crate::sys::proc::{Proc, start_time};

/// The root file system.
pub(crate) enum Rootfs {
    /// A mount that the caller made and nobody has attached.
    Detached(OwnedFd),
    /// A directory; what is mounted below comes with it.
    Path(PathBuf),
}

/// How a process gets into its cgroups.
pub(crate) struct Placement<'a> {
    cgroup: &'a Cgroup,
    /// Where it is born, on a unified hierarchy.
    birthplace: Option<OwnedFd>,
    /// Where the child enters by itself: hierarchies of v1, groups of resource control.
    pub(crate) entrances: Vec<File>,
    /// It could not be born there: the parent moves it, and tells when that is done.
    pub(crate) follows: bool,
}

impl<'a> Placement<'a> {
    pub(crate) fn new(cgroup: &'a Cgroup, resctrl: Option<&Group>) -> Result<Self> {
        let mut entrances = cgroup.entrances()?;
        entrances.extend(resctrl.map(Group::entrances).transpose()?.into_iter().flatten());
        Ok(Self { cgroup, birthplace: cgroup.into_fd()?, entrances, follows: false })
    }

    /// Clones in the cgroup; where the kernel cannot do that (before Linux 5.7, in a cgroup that is threaded, or frozen
    /// out by a rule of its own), beside it, to be moved.
    pub(crate) fn clone3(&mut self, namespaces: Namespaces) -> io::Result<Cloned> {
        let Some(birthplace) = &self.birthplace else {
            return clone3(CloneArgs { namespaces, ..CloneArgs::default() });
        };
        let cloned = clone3(CloneArgs { namespaces, cgroup: Some(birthplace.as_fd()), sibling: false });
        match &cloned {
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EBUSY | libc::EINVAL | libc::E2BIG | libc::EOPNOTSUPP)
                ) =>
            {
                self.birthplace = None;
                self.follows = true;
                clone3(CloneArgs { namespaces, ..CloneArgs::default() })
            }
            _ => cloned,
        }
    }

    /// Does the parent's part for the child `pid`.
    pub(crate) fn join(&self, pid: i32, channel: &Channel) -> Result<()> {
        if !self.follows {
            return Ok(());
        }
        self.cgroup.add_process(pid)?;
        channel.send(&Message::Joined)
    }
}

/// What a container is made of.
pub(crate) struct CreateRequest<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) bundle: &'a Path,
    pub(crate) rootfs: Rootfs,
    /// Detached sources of `spec.mounts` by index, from [`sources`]; where there is none, init opens it itself.
    pub(crate) sources: Vec<Option<OwnedFd>>,
    /// Namespaces to join that the caller holds open, taken before the paths of the specification.
    pub(crate) namespaces: Vec<Joined>,
    pub(crate) stdio: Stdio,
    /// Become 3 and following in the container.
    pub(crate) preserved: Preserved,
    /// Made and limited by the caller.
    pub(crate) cgroup: &'a Cgroup,
    /// Made by the caller; without it a specification that asks for one is refused.
    pub(crate) resctrl: Option<&'a Group>,
    /// The directory of compiled filters.
    pub(crate) seccomp_cache: Option<&'a Path>,
    /// What hooks are told; without it a specification with hooks is refused.
    pub(crate) subject: Option<Subject<'a>>,
    /// Where init waits for its start when its maker is gone; without it, for its maker.
    pub(crate) gate: Option<Gate>,
    pub(crate) ways: init::Ways,
}

/// A container's first process.
pub(crate) struct Init {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    /// Tells it from a later process of the same number.
    pub(crate) start_time: u64,
    /// The master of its pty.
    pub(crate) terminal: Option<OwnedFd>,
    /// Until it has started.
    channel: Option<Channel>,
}

/// Opens the sources of all binds of `spec` as detached trees. For a caller with the rights and the host's paths.
pub(crate) fn sources(spec: &Spec, bundle: &Path) -> Result<Vec<Option<OwnedFd>>> {
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let plans =
        mounts.iter().enumerate().map(|(index, mount)| plan::planned(index, mount)).collect::<Result<Vec<_>>>()?;
    mount::sources(&plans, mounts.len(), bundle)
}

/// Makes the container's first process, ready to start.
pub(crate) fn create(request: CreateRequest<'_>) -> Result<Init> {
    let spec = request.spec;
    validate::spec(spec)?;
    if request.subject.is_none() && POINTS.iter().any(|point| !point.of(spec).is_empty()) {
        bail!(Error::unsupported("hooks are not supported"));
    }
    let (Some(process), Some(linux)) = (spec.process(), spec.linux()) else {
        bail!(Error::invalid("the specification has no process"));
    };
    if request.resctrl.is_none() && linux.intel_rdt().is_some() {
        bail!(Error::unsupported("linux.intelRdt is not supported"));
    }
    let mounts = plan::plan(spec.mounts().as_deref().unwrap_or_default())?;
    let nodes = device::nodes(linux.devices().as_deref().unwrap_or_default())?;
    let namespaces = Plan::new(spec, request.namespaces)?;
    let proc = Proc::host().context("open /proc")?;
    let before = Numbers::read(&proc.this()?)?;
    let settings = sysctl::settings(spec, namespaces.private(&before)?)?;
    let program =
        linux.seccomp().as_ref().map(|profile| seccomp::program(profile, request.seccomp_cache)).transpose()?;
    if program.as_ref().is_some_and(|program| program.listener) {
        if request.subject.is_none() {
            bail!(Error::unsupported("seccomp notification is not supported"));
        }
        linux.seccomp().as_ref().map(notify::path).transpose()?;
    }
    let offsets = time_offsets(linux, namespaces.new)?;
    let by_middle = namespaces.needs_middle() || offsets.is_some();
    let uids = linux.uid_mappings().as_deref().unwrap_or_default();
    let gids = linux.gid_mappings().as_deref().unwrap_or_default();
    // Hooks that come before the root is changed look for it where the bundle has it.
    let hooks = [Point::Prestart, Point::CreateRuntime, Point::CreateContainer];
    let place = match &request.rootfs {
        _ if hooks.iter().all(|point| point.of(spec).is_empty()) => None,
        Rootfs::Path(path) => Some(path.clone()),
        Rootfs::Detached(_) => Some(super::bundle::root(spec, request.bundle)?),
    };
    let root = root(request.rootfs, linux.rootfs_propagation().as_deref())?;
    let bundle = request.bundle;
    let mut sources = request.sources;
    sources.resize_with(spec.mounts().as_ref().map_or(0, Vec::len), || None);

    let (ours, theirs) = Channel::pair()?;
    if !namespaces.new.contains(Namespaces::PID) {
        // Others see the child from its birth on, before it could hide by itself.
        identity::hide().context("hide from others")?;
    }
    map_mounts(&mounts, &sources, spec, None)?;
    let mut placement = Placement::new(request.cgroup, request.resctrl)?;
    match clone_init(&namespaces, &mut placement, &proc, offsets.as_deref())? {
        Cloned::Child => init::main(init::Init {
            spec,
            process,
            before: &before,
            mounts: &mounts,
            nodes: &nodes,
            settings: &settings,
            seccomp: program.as_ref(),
            uids,
            gids,
            root,
            place: place.as_deref(),
            bundle,
            sources,
            stdio: request.stdio,
            preserved: request.preserved,
            entrances: std::mem::take(&mut placement.entrances),
            cgroup_path: request.cgroup.path(),
            cgroup_follows: placement.follows,
            joined: by_middle,
            namespaces: &namespaces,
            subject: request.subject.as_ref(),
            gate: request.gate,
            ways: request.ways,
            channel: theirs,
        }),
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let new_user = namespaces.new.contains(Namespaces::USER);
            let maps = new_user.then_some((uids, gids));
            drop(request.gate);
            let company = Company {
                pid,
                pidfd: pidfd.as_fd(),
                channel: &ours,
                spec,
                placement: &placement,
                subject: request.subject.as_ref(),
            };
            match company.accompany(maps, &mounts, &sources) {
                Ok((terminal, start_time)) => Ok(Init { pid, pidfd, start_time, terminal, channel: Some(ours) }),
                Err(error) => {
                    end(&pidfd);
                    Err(starved(request.cgroup).unwrap_or(error))
                }
            }
        }
    }
}

impl Init {
    /// Leaves init to who comes to its gate. Until then it ends with us.
    pub(crate) fn park(mut self) -> Result<()> {
        let Some(channel) = self.channel.take() else { bail!(Error::state("the container has already been started")) };
        channel.send(&Message::Parked)
    }

    /// Lets the command start; returns when it has replaced init. An error whose kind is `NoCommand` or
    /// `NotExecutable` says that it could not be executed; init is reaped then.
    pub(crate) fn start(&mut self) -> Result<()> {
        let Some(channel) = self.channel.take() else { bail!(Error::state("the container has already been started")) };
        let started = start(&channel, None);
        if started.is_err() {
            end(&self.pidfd);
        }
        started
    }
}

/// Says to start on `channel`, and waits until the command has replaced init.
pub(crate) fn start(channel: &Channel, heard: Option<Heard<'_>>) -> Result<()> {
    channel.send(&Message::Start).and_then(|()| until_executed(channel, heard))
}

/// Takes the seccomp listener of a process, by its number there.
pub(crate) type Heard<'a> = &'a dyn Fn(i32) -> Result<()>;

/// Waits until execve has closed the other end.
pub(crate) fn until_executed(channel: &Channel, heard: Option<Heard<'_>>) -> Result<()> {
    channel.expect(&Message::Executing)?;
    loop {
        match (channel.receive_with()?, heard) {
            (None, _) => return Ok(()),
            (Some((Message::Listening(number), _)), Some(heard)) => {
                heard(number)?;
                channel.send(&Message::Heard)?;
            }
            (Some((message, _)), _) => {
                message.into_result()?;
                bail!("unexpected message while the command is executed")
            }
        }
    }
}

/// What is to be written to `timens_offsets` (time_namespaces(7)), if anything.
fn time_offsets(linux: &Linux, new: Namespaces) -> Result<Option<String>> {
    let Some(offsets) = linux.time_offsets().as_ref().filter(|offsets| !offsets.is_empty()) else { return Ok(None) };
    if !new.contains(Namespaces::TIME) {
        bail!(Error::invalid("linux.timeOffsets: the container gets no new time namespace"));
    }
    let mut text = String::new();
    for (clock, offset) in offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            bail!(Error::invalid(format!("linux.timeOffsets: unknown clock {clock:?}")));
        }
        let (seconds, nanoseconds) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        text.push_str(&format!("{clock} {seconds} {nanoseconds}\n"));
    }
    Ok(Some(text))
}

/// Says that the first process was killed for want of memory, if it was.
fn starved(cgroup: &Cgroup) -> Option<anyhow::Error> {
    let killed = cgroup.oom_kills().is_ok_and(|kills| kills > 0);
    let message = "the memory limit is too small: the container was killed before its command could start";
    killed.then(|| Error::invalid(message).hint("give it a higher memory limit").into())
}

/// Kills and reaps a child that did not come so far. Both may find it gone.
pub(crate) fn end(child: &OwnedFd) {
    drop(pidfd::signal(child.as_fd(), libc::SIGKILL));
    drop(pidfd::reap(child.as_fd()));
}

/// The root as a detached mount that no longer exchanges mounts with the host, unless the specification wants it so. Who
/// has no rights over the mounts here leaves it to init, which has them in its own user namespace.
fn root(rootfs: Rootfs, propagation: Option<&str>) -> Result<init::Root> {
    let path = match rootfs {
        Rootfs::Detached(fd) => return Ok(init::Root::Open(fd)),
        Rootfs::Path(path) => path,
    };
    match open_root(&path, propagation) {
        Err(error) if error.downcast_ref() == Some(&Errno::PERM) => Ok(init::Root::Path(path)),
        opened => opened.map(init::Root::Open),
    }
}

/// Makes init: at once, or by way of a process in between. The clocks of a time namespace can be set only before anybody
/// is in it, and only its children get there.
fn clone_init(namespaces: &Plan, placement: &mut Placement<'_>, proc: &Proc, offsets: Option<&str>) -> Result<Cloned> {
    // The cgroup namespace is made when the process is in its cgroups: its root is where they are then.
    let new = namespaces.new.without(Namespaces::CGROUP);
    if let Some(offsets) = offsets {
        return by_middle(placement, new.without(Namespaces::TIME), || {
            join_all(namespaces)?;
            unshare(Namespaces::TIME).context("make a time namespace")?;
            proc.this()?.write("timens_offsets", offsets.as_bytes()).context("set the clocks of the time namespace")
        });
    }
    if namespaces.needs_middle() {
        return by_middle(placement, new, || join_all(namespaces));
    }
    let pid = namespaces.join_of(Namespaces::PID);
    within_pid(proc, pid.map(|joined| joined.fd.as_fd()), placement, new)
}

/// Makes a child by way of a process in between, which joins, makes it as our child, tells its number, and ends. It tells
/// on a channel of its own: the child may be faster with what it has to say.
fn by_middle(placement: &mut Placement<'_>, new: Namespaces, join: impl FnOnce() -> Result<()>) -> Result<Cloned> {
    let (ours, theirs) = Channel::pair()?;
    match placement.clone3(Namespaces::default()).context("make a process in between")? {
        Cloned::Child => {
            let made = join().and_then(|()| {
                clone3(CloneArgs { namespaces: new, cgroup: None, sibling: true }).context("make the process")
            });
            let told = match made {
                Ok(Cloned::Child) => return Ok(Cloned::Child),
                Ok(Cloned::Parent { pid, .. }) => theirs.send(&Message::Process(pid)),
                Err(error) => theirs.send(&Message::report(&error)),
            };
            leave(i32::from(told.is_err()))
        }
        Cloned::Parent { pidfd: middle, .. } => {
            drop(theirs);
            let told = ours.receive();
            pidfd::reap(middle.as_fd())?;
            match told?.0 {
                // Our child and not yet reaped: the number is still its own.
                Message::Process(pid) => Ok(Cloned::Parent { pid, pidfd: pidfd::open(pid)? }),
                message => bail!("unexpected message {message:?} from the process in between"),
            }
        }
    }
}

fn join_all(namespaces: &Plan) -> Result<()> {
    namespaces.join_others()?;
    for kind in [Namespaces::PID, Namespaces::USER] {
        if let Some(joined) = namespaces.join_of(kind) {
            namespace::join(joined)?;
        }
    }
    Ok(())
}

/// Makes a child that is born into the user and the pid namespace of the process `init`: for who has no rights over the
/// latter from outside the former.
pub(crate) fn within_user(init: BorrowedFd<'_>, kinds: Namespaces, placement: &mut Placement<'_>) -> Result<Cloned> {
    by_middle(placement, Namespaces::default(), || {
        enter(init, Namespaces::USER).context("join the user namespace")?;
        if kinds.contains(Namespaces::PID) {
            enter(init, Namespaces::PID).context("join the pid namespace")?;
        }
        Ok(())
    })
}

/// Makes a child that is born into the pid namespace `pid`; this process itself stays where it is.
pub(crate) fn within_pid(
    proc: &Proc,
    pid: Option<BorrowedFd<'_>>,
    placement: &mut Placement<'_>,
    new: Namespaces,
) -> Result<Cloned> {
    let Some(pid) = pid else { return placement.clone3(new).context("make the process") };
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let own = rustix::fs::openat(proc.as_fd(), "self/ns/pid", flags, rustix::fs::Mode::empty())
        .context("open the pid namespace")?;
    let join = || enter(pid, Namespaces::PID).context("join the pid namespace");
    // Who has no rights over our own one, as in an ordinary user's namespace, could not return to it.
    if enter(own.as_fd(), Namespaces::PID).is_err() {
        return by_middle(placement, new, join);
    }
    join()?;
    let cloned = placement.clone3(new).context("make the process");
    if matches!(cloned, Ok(Cloned::Child)) {
        return cloned;
    }
    let back = enter(own.as_fd(), Namespaces::PID).context("return to the pid namespace");
    cloned.and_then(|cloned| back.map(|()| cloned))
}

type Maps<'a> = (&'a [LinuxIdMapping], &'a [LinuxIdMapping]);

/// Who stays with init until it is ready.
struct Company<'a> {
    pid: i32,
    pidfd: BorrowedFd<'a>,
    channel: &'a Channel,
    spec: &'a Spec,
    placement: &'a Placement<'a>,
    subject: Option<&'a Subject<'a>>,
}

impl Company<'_> {
    /// Does the parent's part until init is ready; gives the master of its pty and its start time.
    fn accompany(
        &self,
        maps: Option<Maps<'_>>,
        mounts: &[Planned],
        sources: &[Option<OwnedFd>],
    ) -> Result<(Option<OwnedFd>, u64)> {
        let Self { pid, channel, spec, .. } = *self;
        if let Some((uids, gids)) = maps {
            idmap::write(pid, uids, gids)?;
            map_mounts(mounts, sources, spec, Some(pid))?;
            channel.send(&Message::Mapped)?;
        }
        self.placement.join(pid, channel)?;
        let start_time = start_time(pid).context("read the start time")?;
        let mut terminal = None;
        loop {
            match channel.receive()? {
                (Message::Terminal, Some(master)) => terminal = Some(master),
                (Message::Hooks, _) => {
                    self.run_hooks()?;
                    channel.send(&Message::Hooked)?;
                }
                (Message::Ready, _) => return Ok((terminal, start_time)),
                (message, _) => bail!("unexpected message {message:?} from the first process"),
            }
        }
    }

    /// Hands over links, and runs the hooks of the runtime's namespaces.
    fn run_hooks(&self) -> Result<()> {
        if let Some(devices) = self.spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref()) {
            netdevice::hand_over(devices, self.pid, self.pidfd)?;
        }
        let Some(subject) = self.subject else { return Ok(()) };
        subject.run(Point::Prestart, self.spec, Some(self.pid))?;
        subject.run(Point::CreateRuntime, self.spec, Some(self.pid))
    }
}

/// Maps the owners of the sources that ask for it; they are detached still. Without `pid` those that bring maps of their
/// own, else those that take the maps of the container, whose first process that is.
fn map_mounts(mounts: &[Planned], sources: &[Option<OwnedFd>], spec: &Spec, pid: Option<i32>) -> Result<()> {
    let mut container: Option<OwnedFd> = None;
    for planned in mounts {
        let Some(recursive) = planned.id_map else { continue };
        let describe = || format!("map the owners of the mount on {}", planned.destination.display());
        let mount = spec.mounts().as_ref().and_then(|mounts| mounts.get(planned.index));
        let maps = mount.and_then(|mount| mount.uid_mappings().as_deref().zip(mount.gid_mappings().as_deref()));
        let own;
        let namespace = match (maps, pid) {
            (Some((uids, gids)), None) => {
                own = idmap::namespace(uids, gids).with_context(describe)?;
                &own
            }
            (None, Some(pid)) => match &mut container {
                Some(known) => &*known,
                unknown @ None => &*unknown.insert(idmap::of(pid)?),
            },
            (None, None) if !has_user_namespace(spec) => {
                bail!(Error::invalid(describe() + ": the container has no user namespace of its own"))
            }
            _ => continue,
        };
        let Some(source) = sources.get(planned.index).and_then(Option::as_ref) else {
            bail!(Error::invalid(describe() + ": not a bind that we may open"));
        };
        let attr = MountAttr {
            set: libc::MOUNT_ATTR_IDMAP,
            userns_fd: u64::try_from(namespace.as_raw_fd())?,
            ..MountAttr::default()
        };
        set_attr(source, recursive, attr).with_context(describe)?;
    }
    Ok(())
}

/// Whether the container gets a new user namespace.
fn has_user_namespace(spec: &Spec) -> bool {
    let all = spec.linux().iter().filter_map(|linux| linux.namespaces().as_ref()).flatten();
    all.filter(|namespace| namespace.typ() == LinuxNamespaceType::User).any(|namespace| namespace.path().is_none())
}
