//! A container's first process, from its birth to execve. It is a clone of the monitor with one thread.
//!
//! Stages, in this order: [`Init::isolate`] (descriptors, ids, session, keyring, namespaces), [`Init::build`] (mounts,
//! devices, terminal, masks, the new root), [`Init::prepare`] (settings, streams), then it says `Ready`, drops the
//! host's tree and waits for `Start`; [`Init::finish`] writes the settings of links and hands over to `confine`.

use std::convert::Infallible;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::{LinuxIdMapping, Process, Spec};
use rustix::fs::Mode;

use super::cgroup;
use super::channel::{Channel, Message};
use super::confine::{self, Confinement, give_up, new_keyring};
use super::gate::Gate;
use super::hook::{Point, Subject};
use super::namespace::{Numbers, Plan};
use super::rootfs::cgroup::View;
use super::rootfs::device::Node;
use super::rootfs::mount::Mounting;
use super::rootfs::plan::{Kind, Planned};
use super::rootfs::target::{self, Leaf};
use super::rootfs::{device, mask, mount, pivot};
use super::seccomp::Program;
use super::stdio::{Preserved, Stdio};
use super::sysctl::{self, Setting, When};
use super::{idmap, terminal};
use crate::model::error::ErrorKind;
use crate::sys::clone::{Namespaces, unshare};
use crate::sys::exec::close_all_but;
use crate::sys::proc::Proc;
use crate::sys::{identity as own, loopback};

/// The root file system.
pub(crate) enum Root {
    Open(OwnedFd),
    /// To be opened by init: its parent had no rights.
    Path(PathBuf),
}

/// What callers of bundles may want otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ways {
    /// Stay in the session keyring of the caller.
    pub(crate) keep_keyring: bool,
    /// Change to the root by chroot(2): there is none to exchange with in an initial ramdisk.
    pub(crate) no_pivot: bool,
    /// Make the working directory where it is missing.
    pub(crate) make_directory: bool,
    /// Leave `/etc/mtab` as it is; else it leads to `/proc/mounts` where it is missing, for who reads only that.
    pub(crate) no_mtab: bool,
}

/// All that init needs, made before it is born.
pub(crate) struct Init<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) process: &'a Process,
    pub(crate) namespaces: &'a Plan,
    /// The parent's namespaces.
    pub(crate) before: &'a Numbers,
    pub(crate) mounts: &'a [Planned],
    pub(crate) nodes: &'a [Node],
    pub(crate) settings: &'a [Setting],
    pub(crate) seccomp: Option<&'a Program>,
    pub(crate) uids: &'a [LinuxIdMapping],
    pub(crate) gids: &'a [LinuxIdMapping],
    pub(crate) root: Root,
    /// Where the root is attached until it is the root; elsewhere than `/` only where hooks look for it.
    pub(crate) place: Option<&'a Path>,
    /// What relative sources start from.
    pub(crate) bundle: &'a Path,
    pub(crate) sources: Vec<Option<OwnedFd>>,
    pub(crate) stdio: Stdio,
    pub(crate) preserved: Preserved,
    /// Lead into the cgroups in which this process could not be born.
    pub(crate) entrances: Vec<File>,
    /// Its own place in each hierarchy, where it has one.
    pub(crate) cgroup_path: Option<&'a str>,
    /// The parent will say when this process is in its cgroups; else it was born there.
    pub(crate) cgroup_follows: bool,
    /// The other namespaces were joined by the process in between.
    pub(crate) joined: bool,
    /// What hooks are told.
    pub(crate) subject: Option<&'a Subject<'a>>,
    /// Where the start is waited for when the parent is gone.
    pub(crate) gate: Option<Gate>,
    pub(crate) ways: Ways,
    pub(crate) channel: Channel,
}

/// Runs init to execve; reports an error and ends when it does not come so far.
pub(crate) fn main(mut init: Init<'_>) -> ! {
    let Err(error) = run(&mut init);
    give_up(&init.channel, &error)
}

fn run(init: &mut Init<'_>) -> Result<Infallible> {
    let proc = init.isolate()?;
    let this = proc.this().context("open this process in /proc")?;
    let root = init.build(&this)?;
    let streams = init.prepare(&proc)?;
    if init.gate.is_some() {
        init.find_command()?;
    }
    init.channel.send(&Message::Ready)?;
    init.leave_host(&root)?;
    init.await_start()?;
    init.finish(&root, streams, &proc, &this)
}

impl Init<'_> {
    /// The descriptors that this process needs; all others are the monitor's.
    fn close_others(&self) -> Result<()> {
        let mut keep = vec![self.channel.as_fd().as_raw_fd()];
        if let Root::Open(root) = &self.root {
            keep.push(root.as_raw_fd());
        }
        keep.extend(self.sources.iter().flatten().map(AsRawFd::as_raw_fd));
        keep.extend(self.preserved.fds.iter().map(AsRawFd::as_raw_fd));
        keep.extend(self.gate.iter().map(AsRawFd::as_raw_fd));
        keep.extend(self.namespaces.joined.iter().map(|joined| joined.fd.as_raw_fd()));
        if let Stdio::Fds { stdin, stdout, stderr } = &self.stdio {
            keep.extend([stdin, stdout, stderr].map(AsRawFd::as_raw_fd));
        }
        close_all_but(&mut keep).context("close the monitor's files")
    }

    /// Makes this process a stranger to its parent: its own ids, session, keyring and namespaces.
    fn isolate(&mut self) -> Result<Proc> {
        cgroup::enter(std::mem::take(&mut self.entrances))?;
        self.close_others()?;
        let proc = Proc::host().context("open /proc")?;
        if let Some(score) = self.process.oom_score_adj() {
            // Before the ids change and before this process is hidden: then the file is no longer ours.
            proc.this()?.write("oom_score_adj", score.to_string().as_bytes()).context("set the oom score")?;
        }
        if self.namespaces.new.contains(Namespaces::USER) {
            self.channel.expect(&Message::Mapped)?;
            idmap::verify(&proc.this()?, self.uids, self.gids)?;
            let root_or = |map: &[LinuxIdMapping], id| if idmap::maps(map, 0) { 0 } else { id };
            let user = self.process.user();
            own::become_user(
                root_or(self.uids, user.uid()),
                root_or(self.gids, user.gid()),
                confine::dropped(self.spec),
            )
            .context("become root of the user namespace")?;
        } else if self.namespaces.join_of(Namespaces::USER).is_some() {
            own::become_user(0, 0, confine::dropped(self.spec)).context("become root of the user namespace")?;
        }
        own::hide().context("hide from others")?;
        rustix::process::setsid().context("start a session")?;
        if !self.ways.keep_keyring {
            new_keyring()?;
        }
        if !self.joined {
            self.namespaces.join_others()?;
        }
        self.namespaces_verified(&proc)?;
        if self.namespaces.new.contains(Namespaces::UTS) {
            if let Some(name) = self.spec.hostname() {
                rustix::system::sethostname(name.as_bytes()).context("set the host name")?;
            }
            if let Some(name) = self.spec.domainname() {
                rustix::system::setdomainname(name.as_bytes()).context("set the domain name")?;
            }
        }
        if self.namespaces.new.contains(Namespaces::NETWORK) {
            loopback::up().context("set the loopback link up")?;
        }
        Ok(proc)
    }

    fn namespaces_verified(&self, proc: &Proc) -> Result<()> {
        // The cgroup namespace is entered later.
        self.namespaces.verify(&proc.this()?, self.before)
    }

    /// Makes the file systems and takes their root.
    fn build(&mut self, this: &Proc) -> Result<OwnedFd> {
        rustix::process::umask(Mode::empty());
        let linux = self.spec.linux().as_ref();
        let root = match std::mem::replace(&mut self.root, Root::Path(PathBuf::new())) {
            Root::Open(root) => root,
            Root::Path(path) => pivot::open_root(&path, linux.and_then(|linux| linux.rootfs_propagation().as_deref()))?,
        };
        let held = root;
        let root = held.as_fd();
        pivot::attach_root(root, self.place)?;
        let private = self.namespaces.new.contains(Namespaces::CGROUP);
        let mut view: Option<View> = None;
        let wants_view = self.mounts.iter().any(|planned| planned.kind == Kind::Cgroup);
        let (channel, follows, namespaces) = (&self.channel, self.cgroup_follows, self.namespaces);
        let mut enter_cgroup = || -> Result<View> {
            if let Some(view) = &view {
                return Ok(view.clone());
            }
            if follows {
                channel.expect(&Message::Joined)?;
            }
            let seen = if wants_view { View::read(this, private, self.cgroup_path)? } else { View::empty(private) };
            if private {
                unshare(Namespaces::CGROUP).context("make a cgroup namespace")?;
            }
            view = Some(seen.clone());
            Ok(seen)
        };
        if !self.ways.no_mtab {
            link_mtab(root);
        }
        let mut mounting = Mounting {
            root,
            bundle: self.bundle,
            sources: &mut self.sources,
            new: namespaces.new,
            separate: namespaces.separate(),
            enter_cgroup: &mut enter_cgroup,
            kernels: Vec::new(),
        };
        mounting.apply(self.mounts)?;
        enter_cgroup()?;

        if !self.mounts.iter().any(covers_dev) {
            device::setup(root, self.nodes, self.namespaces.new.contains(Namespaces::USER))?;
        }
        self.stdio.replace_null(root)?;
        if let Stdio::Terminal { size } = self.stdio {
            let terminal = terminal::open(root, size, self.process.user().uid())?;
            terminal::control(terminal.slave.as_fd())?;
            terminal::bind_console(root, terminal.slave.as_fd())?;
            self.channel.send_with(&Message::Terminal, Some(&terminal.master))?;
            let copy = || terminal.slave.try_clone().context("copy the terminal");
            self.stdio = Stdio::Fds { stdin: copy()?, stdout: copy()?, stderr: copy()? };
        }
        let paths = |paths: Option<&Option<Vec<String>>>| paths.and_then(Option::as_deref).unwrap_or_default().to_vec();
        mask::make_read_only(root, &paths(linux.map(|linux| linux.readonly_paths())))?;
        mask::mask(root, &paths(linux.map(|linux| linux.masked_paths())))?;
        if self.ways.make_directory {
            // Where it cannot be made, going there says why.
            drop(target::ensure(root, self.process.cwd(), Leaf::Directory));
        }
        if self.spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false) {
            mount::make_read_only(root)?;
        }
        self.run_hooks()?;
        if self.ways.no_pivot {
            pivot::move_over(root, self.place.is_some())?;
        } else {
            pivot::pivot(root)?;
        }
        Ok(held)
    }

    /// The hooks that come before the root is changed: those of the parent, then those of this namespace.
    fn run_hooks(&self) -> Result<()> {
        let devices = self.spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
        let hooked = [Point::Prestart, Point::CreateRuntime].iter().any(|point| !point.of(self.spec).is_empty());
        if hooked || devices.is_some_and(|devices| !devices.is_empty()) {
            self.channel.send(&Message::Hooks)?;
            self.channel.expect(&Message::Hooked)?;
        }
        let Some(subject) = self.subject else { return Ok(()) };
        subject.run(Point::CreateContainer, self.spec, Some(own_pid()))
    }

    /// Refuses a command that nobody can execute while its maker still listens, as callers of bundles expect; one that a hook
    /// may yet make, or that is named from the working directory, is looked up later.
    fn find_command(&self) -> Result<()> {
        let args = confine::strings(self.process.args().iter().flatten())?;
        let env = confine::strings(self.process.env().iter().flatten())?;
        let relative =
            args.first().is_some_and(|name| name.to_bytes().contains(&b'/') && !name.to_bytes().starts_with(b"/"));
        if relative || !Point::StartContainer.of(self.spec).is_empty() {
            return Ok(());
        }
        confine::check(&args, &env)
    }

    /// Waits to be started: by the parent, or at the gate by anybody who may.
    fn await_start(&mut self) -> Result<()> {
        let Some(gate) = &self.gate else { return self.channel.expect(&Message::Start) };
        self.channel.expect(&Message::Parked)?;
        self.channel.replace(&gate.wait()?)
    }

    /// Lets go of the host's tree, while the caller connects the network.
    fn leave_host(&self, root: &OwnedFd) -> Result<()> {
        let linux = self.spec.linux().as_ref();
        let propagation = linux.and_then(|linux| linux.rootfs_propagation().as_deref()).and_then(pivot::propagation);
        if !self.ways.no_pivot {
            pivot::leave_host()?;
        }
        pivot::propagate(root.as_fd(), propagation)
    }

    /// Writes what belongs to the namespaces, and gives the descriptors of the command.
    fn prepare(&mut self, proc: &Proc) -> Result<Vec<OwnedFd>> {
        sysctl::apply(proc, self.settings, When::Create)?;
        let mut streams = Vec::with_capacity(3 + self.preserved.fds.len());
        if let Stdio::Fds { stdin, stdout, stderr } = std::mem::replace(&mut self.stdio, Stdio::Terminal { size: None })
        {
            streams.extend([stdin, stdout, stderr]);
        }
        streams.append(&mut self.preserved.fds);
        Ok(streams)
    }

    /// Becomes the container's command.
    fn finish(&self, root: &OwnedFd, streams: Vec<OwnedFd>, proc: &Proc, this: &Proc) -> Result<Infallible> {
        sysctl::apply(proc, self.settings, When::Start)?;
        if let Some(subject) = self.subject {
            subject.run(Point::StartContainer, self.spec, Some(own_pid()))?;
        }
        let confinement = Confinement {
            process: self.process,
            seccomp: self.seccomp,
            personality: self.spec.linux().as_ref().and_then(|linux| linux.personality().as_ref()),
            memory_policy: self.spec.linux().as_ref().and_then(|linux| linux.memory_policy().as_ref()),
            root: root.as_fd(),
            this,
            channel: &self.channel,
            bound: false,
            no_directory: ErrorKind::NotExecutable,
            holes: &self.preserved.holes,
            keep_groups: confine::keeps_groups(self.spec),
        };
        confinement.execute(streams)
    }
}

/// Our number as the container sees it.
fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Gives the tree `root` an `/etc/mtab`. One that cannot be made (a read-only tree) is no reason to refuse the container.
fn link_mtab(root: BorrowedFd<'_>) {
    if let Ok((etc, _)) = target::ensure(root, Path::new("/etc"), Leaf::Directory) {
        let _ = rustix::fs::symlinkat("/proc/mounts", etc, "mtab");
    }
}

/// A bind of the user's on `/dev` replaces ours.
fn covers_dev(planned: &Planned) -> bool {
    planned.destination == std::path::Path::new("/dev") && matches!(planned.kind, Kind::Bind { .. })
}
