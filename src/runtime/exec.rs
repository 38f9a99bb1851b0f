//! `exec`: another process in a container that runs. Called in a monitor of its own, which has one thread and stays
//! outside; the child is born into the container's process ids and cgroups and joins the rest by one setns on init's
//! pidfd, user namespace first. It reads back where it is, and goes no further when that is not where the container was
//! seen. What confines it is the same code as for init.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{ContainerState, LinuxNamespaceType, Process, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::thread::CpuSet;

use super::cgroup::{self, Cgroup};
use super::channel::{Channel, Message};
use super::confine::{self, Confinement, give_up, new_keyring};
use super::create::{Heard, Placement, end, until_executed, within_pid, within_user};
use super::hook::Subject;
use super::namespace::Numbers;
use super::resctrl::Group;
use super::seccomp::notify::Observer;
use super::seccomp::{self, Program};
use super::stdio::{Preserved, Stdio};
use super::{idmap, schedule, terminal, validate};
use crate::model::error::{Error, ErrorKind};
use crate::sys::clone::{Cloned, Namespaces, enter};
use crate::sys::exec::close_all_but;
use crate::sys::identity as own;
use crate::sys::proc::Proc;

/// What a further process is made of.
pub(crate) struct ExecRequest<'a> {
    /// The container's specification.
    pub(crate) spec: &'a Spec,
    pub(crate) process: &'a Process,
    /// The container's first process.
    pub(crate) init: BorrowedFd<'a>,
    /// Its number here.
    pub(crate) init_pid: i32,
    pub(crate) stdio: Stdio,
    /// Become 3 and following.
    pub(crate) preserved: Preserved,
    pub(crate) cgroup: &'a Cgroup,
    /// The container's, where it has one.
    pub(crate) resctrl: Option<&'a Group>,
    pub(crate) seccomp_cache: Option<&'a Path>,
    /// What who decides calls is told; without it a filter that notifies is refused.
    pub(crate) subject: Option<Subject<'a>>,
    /// The process dies with this one.
    pub(crate) bound: bool,
    /// Stay in the session keyring of the caller.
    pub(crate) keep_keyring: bool,
}

/// A process that was executed; our child.
pub(crate) struct ExecChild {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    /// The master of its pty.
    pub(crate) terminal: Option<OwnedFd>,
}

/// Executes a process in the container; returns when the command has replaced the child. The kinds of errors are those
/// of `Init::start`.
pub(crate) fn exec(request: ExecRequest<'_>) -> Result<ExecChild> {
    validate::process(request.process)?;
    let linux = request.spec.linux().as_ref();
    let profile = linux.and_then(|linux| linux.seccomp().as_ref());
    let program = profile.map(|profile| seccomp::program(profile, request.seccomp_cache)).transpose()?;
    if program.as_ref().is_some_and(|program| program.listener) && request.subject.is_none() {
        bail!(Error::unsupported("seccomp notification is not supported"));
    }
    let observer = Observer::connect(profile)?;
    let affinity = request.process.exec_cpu_affinity().as_ref();
    let initial = schedule::processors(affinity.and_then(|affinity| affinity.initial().as_deref()))?;
    let last = schedule::processors(affinity.and_then(|affinity| affinity.cpu_affinity_final().as_deref()))?;
    let namespaces = own_namespaces(request.spec);
    let proc = Proc::host().context("open /proc")?;
    let before = Numbers::read(&proc.this()?)?;
    // Should the number mean another process by now, then the pidfd is of a dead one and joins nothing.
    let container = proc.process(request.init_pid).context("open the container's first process in /proc")?;
    let container = Numbers::read(&container)?;
    // The child is visible in the container's process ids from its birth on: before it could hide by itself.
    own::hide().context("hide from others")?;
    let (ours, theirs) = Channel::pair()?;
    let mut placement = Placement::new(request.cgroup, request.resctrl)?;
    let pid = namespaces.contains(Namespaces::PID).then_some(request.init);
    let own = initial
        .as_ref()
        .map(|_| rustix::thread::sched_getaffinity(None))
        .transpose()
        .context("look at our processors")?;
    if let Some(initial) = &initial {
        schedule::run_on(initial).context("process.execCPUAffinity.initial")?;
    }
    // An ordinary user who is outside the container's user namespace has no rights over its others.
    let user_first = namespaces.contains(Namespaces::USER)
        && !rustix::process::geteuid().is_root()
        && before.of(Namespaces::USER) != container.of(Namespaces::USER);
    let cloned = if user_first {
        within_user(request.init, namespaces, &mut placement)?
    } else {
        within_pid(&proc, pid, &mut placement, Namespaces::default())?
    };
    if let (Cloned::Parent { .. }, Some(own)) = (&cloned, &own) {
        schedule::run_on(own)?;
    }
    match cloned {
        Cloned::Child => Joining {
            spec: request.spec,
            process: request.process,
            init: request.init,
            stdio: request.stdio,
            preserved: request.preserved,
            namespaces,
            user_joined: user_first,
            before: &before,
            container: &container,
            seccomp: program.as_ref(),
            entrances: std::mem::take(&mut placement.entrances),
            cgroup_follows: placement.follows,
            processors: last.as_ref(),
            bound: request.bound,
            keep_keyring: request.keep_keyring,
            channel: theirs,
        }
        .main(),
        Cloned::Parent { pid, pidfd } => {
            drop(theirs);
            let heard = |number: i32| match (&observer, &request.subject) {
                (Some(observer), Some(subject)) => {
                    let state = subject.state(ContainerState::Running, Some(request.init_pid))?;
                    observer.tell(pidfd.as_fd(), pid, number, &state)
                }
                _ => bail!("nobody decides calls"),
            };
            match accompany(pid, &ours, &placement, &heard) {
                Ok(terminal) => Ok(ExecChild { pid, pidfd, terminal }),
                Err(error) => {
                    end(&pidfd);
                    Err(error)
                }
            }
        }
    }
}

/// Does the parent's part until the command runs.
fn accompany(pid: i32, channel: &Channel, placement: &Placement<'_>, heard: Heard<'_>) -> Result<Option<OwnedFd>> {
    placement.join(pid, channel)?;
    let mut terminal = None;
    loop {
        match channel.receive()? {
            (Message::Terminal, Some(master)) => terminal = Some(master),
            (Message::Ready, _) => break,
            (message, _) => bail!("unexpected message {message:?} from the process"),
        }
    }
    until_executed(channel, Some(heard))?;
    Ok(terminal)
}

/// The namespaces in which the container is not with the host.
fn own_namespaces(spec: &Spec) -> Namespaces {
    let all = spec.linux().iter().filter_map(|linux| linux.namespaces().as_ref()).flatten();
    all.fold(Namespaces::MOUNT, |kinds, namespace| {
        kinds.with(match namespace.typ() {
            LinuxNamespaceType::Mount => Namespaces::MOUNT,
            LinuxNamespaceType::Cgroup => Namespaces::CGROUP,
            LinuxNamespaceType::Uts => Namespaces::UTS,
            LinuxNamespaceType::Ipc => Namespaces::IPC,
            LinuxNamespaceType::User => Namespaces::USER,
            LinuxNamespaceType::Pid => Namespaces::PID,
            LinuxNamespaceType::Network => Namespaces::NETWORK,
            LinuxNamespaceType::Time => Namespaces::TIME,
        })
    })
}

/// The child, from its birth to execve.
struct Joining<'a> {
    spec: &'a Spec,
    process: &'a Process,
    init: BorrowedFd<'a>,
    stdio: Stdio,
    preserved: Preserved,
    namespaces: Namespaces,
    /// This process was born into the user namespace.
    user_joined: bool,
    /// The namespaces of our parent, and of the container's first process.
    before: &'a Numbers,
    container: &'a Numbers,
    seccomp: Option<&'a Program>,
    entrances: Vec<File>,
    cgroup_follows: bool,
    /// Where it runs from the command on.
    processors: Option<&'a CpuSet>,
    bound: bool,
    keep_keyring: bool,
    channel: Channel,
}

impl Joining<'_> {
    fn main(mut self) -> ! {
        let Err(error) = self.run();
        give_up(&self.channel, &error)
    }

    fn run(&mut self) -> Result<std::convert::Infallible> {
        cgroup::enter(std::mem::take(&mut self.entrances))?;
        self.close_others()?;
        let proc = Proc::host().context("open /proc")?;
        if let Some(score) = self.process.oom_score_adj() {
            proc.this()?.write("oom_score_adj", score.to_string().as_bytes()).context("set the oom score")?;
        }
        let this = proc.this().context("open this process in /proc")?;
        rustix::process::setsid().context("start a session")?;
        if !self.keep_keyring {
            new_keyring()?;
        }
        if self.cgroup_follows {
            self.channel.expect(&Message::Joined)?;
        }
        let joined = if self.user_joined { Namespaces::USER.with(Namespaces::PID) } else { Namespaces::default() };
        enter(self.init, self.namespaces.without(joined)).context("join the container's namespaces")?;
        self.verify(&this)?;
        if let Some(processors) = self.processors {
            schedule::run_on(processors).context("process.execCPUAffinity.final")?;
        }
        if self.namespaces.contains(Namespaces::USER) {
            own::become_user(0, 0, confine::dropped(self.spec)).context("become root of the user namespace")?;
        }
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .context("open the container's root")?;
        let streams = self.streams(root.as_fd())?;
        self.channel.send(&Message::Ready)?;
        let confinement = Confinement {
            process: self.process,
            seccomp: self.seccomp,
            personality: self.spec.linux().as_ref().and_then(|linux| linux.personality().as_ref()),
            memory_policy: self.spec.linux().as_ref().and_then(|linux| linux.memory_policy().as_ref()),
            root: root.as_fd(),
            this: &this,
            channel: &self.channel,
            bound: self.bound,
            no_directory: ErrorKind::NoCommand,
            holes: &self.preserved.holes,
            keep_groups: confine::keeps_groups(self.spec),
        };
        confinement.execute(streams)
    }

    /// Refuses to go on elsewhere than in the container, or with other id maps than its own.
    fn verify(&self, this: &Proc) -> Result<()> {
        self.before.verify_joined(this, self.container, self.namespaces)?;
        let linux = self.spec.linux().as_ref();
        let maps = linux.and_then(|linux| linux.uid_mappings().as_ref().zip(linux.gid_mappings().as_ref()));
        match maps.filter(|_| self.namespaces.contains(Namespaces::USER)) {
            Some((uids, gids)) => idmap::verify(this, uids, gids),
            None => Ok(()),
        }
    }

    /// Closes the monitor's files.
    fn close_others(&self) -> Result<()> {
        let mut keep = vec![self.channel.as_fd().as_raw_fd(), self.init.as_raw_fd()];
        keep.extend(self.preserved.fds.iter().map(AsRawFd::as_raw_fd));
        if let Stdio::Fds { stdin, stdout, stderr } = &self.stdio {
            keep.extend([stdin, stdout, stderr].map(AsRawFd::as_raw_fd));
        }
        close_all_but(&mut keep).context("close the monitor's files")
    }

    /// The descriptors of the command, with a new terminal if it gets one.
    fn streams(&mut self, root: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
        self.stdio.replace_null(root)?;
        let mut streams = match std::mem::replace(&mut self.stdio, Stdio::Terminal { size: None }) {
            Stdio::Fds { stdin, stdout, stderr } => vec![stdin, stdout, stderr],
            Stdio::Terminal { size } => {
                let terminal = terminal::open(root, size, self.process.user().uid())?;
                terminal::control(terminal.slave.as_fd())?;
                self.channel.send_with(&Message::Terminal, Some(&terminal.master))?;
                let copy = || terminal.slave.try_clone().context("copy the terminal");
                vec![copy()?, copy()?, copy()?]
            }
        };
        streams.append(&mut self.preserved.fds);
        Ok(streams)
    }
}
