//! The last stage of every process that enters a container, of `create` as of `exec`: streams in their places, limits,
//! ids, capabilities, labels, the filter, execve. One path, so that no default can be forgotten in one of them.
//!
//! Ids and capabilities are settled, read back and compared before the filter, the command is looked up by then too: the
//! filter is the last call but execve. Without no_new_privs it needs CAP_SYS_ADMIN; one that the command is not to have
//! is kept that long, and one capset follows, which succeeds or ends all. The filter's own mode is not read back: that
//! would be one more call for a profile to allow, and seccomp(2) has no success but this.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{IOPriorityClass, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain, Process, Spec};
use rustix::fs::{FileType, Mode, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::process::Signal;

use super::channel::{Channel, Message};
use super::seccomp::{Program, notify};
use super::{capability, lsm, rlimit, schedule, user};
use crate::model::container::KEEP_GROUPS;
use crate::model::error::{Error, ErrorKind};
use crate::sys::cap::{self, Sets};
use crate::sys::exec::{Image, close_on_exec, close_on_exec_from, leave, may_execute, place, working_directory};
use crate::sys::proc::Proc;
use crate::sys::{identity as own, keyring, seccomp};

/// CAP_SYS_ADMIN, without which or no_new_privs the kernel takes no filter.
const SYS_ADMIN: u64 = 1 << 21;

/// What the process becomes.
pub(crate) struct Confinement<'a> {
    pub(crate) process: &'a Process,
    pub(crate) seccomp: Option<&'a Program>,
    pub(crate) personality: Option<&'a LinuxPersonality>,
    pub(crate) memory_policy: Option<&'a LinuxMemoryPolicy>,
    /// The root directory, which is `/` by now.
    pub(crate) root: BorrowedFd<'a>,
    /// This process's directory in the host's procfs.
    pub(crate) this: &'a Proc,
    pub(crate) channel: &'a Channel,
    /// The command dies with our parent.
    pub(crate) bound: bool,
    /// What it means that the working directory is not there: podman has 126 for a container, 127 for a session.
    pub(crate) no_directory: ErrorKind,
    /// Numbers below the last of its descriptors that it finds closed.
    pub(crate) holes: &'a [u32],
    /// The supplementary groups stay those of who started us: see [`keeps_groups`].
    pub(crate) keep_groups: bool,
}

/// Whether `spec` has [`KEEP_GROUPS`].
pub(crate) fn keeps_groups(spec: &Spec) -> bool {
    let said = spec.annotations().as_ref().and_then(|annotations| annotations.get(KEEP_GROUPS));
    said.is_some_and(|said| said == "1" || said == "true")
}

/// The groups that a process of `spec` gives up before it has those of its user: all, or none.
pub(crate) fn dropped(spec: &Spec) -> Option<&'static [u32]> {
    (!keeps_groups(spec)).then_some(&[])
}

impl Confinement<'_> {
    /// Becomes the command, with `fds` as 0, 1, 2 and so on. Returns only an error.
    pub(crate) fn execute(&self, fds: Vec<OwnedFd>) -> Result<Infallible> {
        let process = self.process;
        let args = strings(process.args().iter().flatten())?;
        let env = self.environment()?;
        let first_closed = u32::try_from(fds.len())?;

        set_label(self.this, process)?;
        set_personality(self.personality)?;
        if let Some(policy) = self.memory_policy {
            schedule::remember(policy)?;
        }
        if let Some(scheduler) = process.scheduler() {
            schedule::schedule(scheduler)?;
        }
        if let Some(io) = process.io_priority() {
            let class = match io.class() {
                IOPriorityClass::IoprioClassRt => 1,
                IOPriorityClass::IoprioClassBe => 2,
                IOPriorityClass::IoprioClassIdle => 3,
            };
            let priority = i32::try_from(io.priority()).context("io priority")?;
            own::set_io_priority(class, priority).context("set the io priority")?;
        }
        rustix::process::umask(Mode::from_raw_mode(process.user().umask().unwrap_or(0o022) & 0o777));
        place(fds).context("put the streams in their places")?;
        own::reset_signals().context("reset the signals")?;
        for limit in process.rlimits().iter().flatten() {
            let Some((resource, value)) = rlimit::resource(limit) else { continue };
            rustix::process::setrlimit(resource, value).with_context(|| format!("set limit {}", limit.typ()))?;
        }

        let sets = capability::masks(process.capabilities().as_ref());
        cap::keep_bounding(sets.bounding).context("limit the bounding set")?;
        let no_new_privileges = process.no_new_privileges().unwrap_or(false);
        let borrowed = if no_new_privileges || self.seccomp.is_none() { 0 } else { SYS_ADMIN };
        // As root first: another user may not be allowed to pass the directories above.
        let entered = self.enter_directory();
        self.become_user(sets, borrowed)?;
        entered.or_else(|_| self.enter_directory())?;
        let path = find(&args, &env)?;
        self.verify(sets, borrowed)?;
        close_on_exec_from(first_closed).context("close what is not the container's")?;
        self.holes.iter().try_for_each(|hole| close_on_exec(*hole)).context("close what is not the container's")?;
        if no_new_privileges {
            rustix::thread::set_no_new_privs(true).context("forbid new privileges")?;
        }
        if self.bound {
            // After the change of ids, which would undo it. A parent that died before does not take the message below.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("bind to the parent")?;
        }
        let image = Image::new(&path, &args, &env);
        self.channel.send(&Message::Executing)?;
        self.filter()?;
        if borrowed & !(sets.permitted & sets.effective) != 0 {
            cap::set(sets.effective, sets.permitted, sets.inheritable).context("give back CAP_SYS_ADMIN")?;
        }
        Err(exec_error(&args, &image.exec()))
    }

    /// The environment of the specification; HOME from the container's passwd when it is not set.
    fn environment(&self) -> Result<Vec<CString>> {
        let mut env = strings(self.process.env().iter().flatten())?;
        if !env.iter().any(|entry| entry.to_bytes().starts_with(b"HOME=")) {
            let home = user::home(self.root, self.process.user().uid());
            env.push(CString::new(format!("HOME={home}"))?);
        }
        Ok(env)
    }

    /// Goes to the working directory, which must lie inside the root.
    fn enter_directory(&self) -> Result<()> {
        let cwd = self.process.cwd();
        rustix::process::chdir(cwd).map_err(|errno| {
            let text = format!("workdir {:?} does not exist on container", cwd.display().to_string());
            match errno {
                Errno::NOENT => anyhow::Error::new(Error::new(self.no_directory, text)),
                Errno::NOTDIR => {
                    let text =
                        format!("workdir {:?} exists on container, but is not a directory", cwd.display().to_string());
                    anyhow::Error::new(Error::new(ErrorKind::NotExecutable, text))
                }
                errno => anyhow::Error::new(io::Error::from(errno)).context(format!("chdir to {}", cwd.display())),
            }
        })?;
        let now = working_directory().context("look at the working directory")?;
        if now.to_bytes().first() != Some(&b'/') {
            bail!("the working directory is outside the container");
        }
        Ok(())
    }

    /// Takes the ids and capabilities of the command, and `borrowed` ones besides.
    fn become_user(&self, sets: Sets, borrowed: u64) -> Result<()> {
        let user = self.process.user();
        cap::keep_over_setuid(true).context("keep the capabilities")?;
        let groups = (!self.keep_groups).then(|| user.additional_gids().as_deref().unwrap_or_default());
        own::become_user(user.uid(), user.gid(), groups)
            .with_context(|| format!("become user {} and group {}", user.uid(), user.gid()))?;
        // The kernel takes a change of ids as a reason to set this anew, as fs.suid_dumpable says.
        own::hide().context("hide from others")?;
        cap::set(sets.effective | borrowed, sets.permitted | borrowed, sets.inheritable)
            .context("set the capabilities")?;
        cap::set_ambient(sets.ambient).context("set the ambient capabilities")
    }

    /// Refuses to go on with other capabilities or ids than those of the specification, and the `borrowed` ones.
    fn verify(&self, sets: Sets, borrowed: u64) -> Result<()> {
        let now = cap::current().context("read the capabilities")?;
        // What the host does not have cannot be given, and is no danger.
        let more = |now: u64, wanted: u64| now & !wanted != 0;
        if more(now.bounding, sets.bounding)
            || now.effective != sets.effective | borrowed
            || now.permitted != sets.permitted | borrowed
            || now.inheritable != sets.inheritable
            || now.ambient != sets.ambient
        {
            bail!("the capabilities are not those that were asked for");
        }
        let user = self.process.user();
        if own::ids()? != ([user.uid(); 3], [user.gid(); 3]) {
            bail!("user and group are not those that were asked for");
        }
        Ok(())
    }

    fn filter(&self) -> Result<()> {
        if let Some(program) = self.seccomp {
            let listener = seccomp::install(&program.filter, program.flags).context("install the seccomp filter")?;
            if let Some(listener) = listener {
                notify::announce(self.channel, &listener)?;
            }
        }
        Ok(())
    }
}

/// Gives this process, and what it executes, a session keyring of its own.
pub(crate) fn new_keyring() -> Result<()> {
    match keyring::join_new_session() {
        Err(error) if error.raw_os_error() == Some(libc::EDQUOT) => {
            bail!(
                Error::unavailable("make a session keyring: the user's quota of keys is used up")
                    .hint("sysctl kernel.keys.maxkeys and kernel.keys.root_maxkeys raise it")
            )
        }
        done => done.context("make a session keyring"),
    }
}

/// Tells the parent of `error`, and ends with the code that it stands for: a filter may keep the message back.
pub(crate) fn give_up(channel: &Channel, error: &anyhow::Error) -> ! {
    // When nobody listens any more there is nobody to tell.
    drop(channel.send(&Message::report(error)));
    leave(match error.downcast_ref::<Error>().map(|error| error.kind) {
        Some(ErrorKind::NoCommand) => 127,
        _ => 126,
    })
}

/// Finds the command as execvp(3) does.
pub(crate) fn find(args: &[CString], env: &[CString]) -> Result<CString> {
    find_by(args, env, executable)
}

/// Refuses a command that no user could execute.
pub(crate) fn check(args: &[CString], env: &[CString]) -> Result<()> {
    find_by(args, env, executable_by_somebody).map(drop)
}

fn find_by(args: &[CString], env: &[CString], executable: impl Fn(&CStr) -> Result<(), Errno>) -> Result<CString> {
    let Some(name) = args.first().filter(|name| !name.is_empty()) else {
        bail!(Error::new(ErrorKind::NoCommand, "no command specified"));
    };
    if name.to_bytes().contains(&b'/') {
        return match executable(name) {
            Ok(()) => Ok(name.clone()),
            Err(errno) => Err(command_error(name, errno, false)),
        };
    }
    let path = env.iter().rev().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    let mut denied = None;
    for directory in
        path.unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(|&b| b == b':')
    {
        let directory = if directory.is_empty() { b".".as_slice() } else { directory };
        let candidate = CString::new([directory, b"/", name.to_bytes()].concat())?;
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ACCESS) => denied = Some(Errno::ACCESS),
            Err(_) => {}
        }
    }
    Err(command_error(name, denied.unwrap_or(Errno::NOENT), true))
}

/// Whether the process may execute the file at `path`; a directory is none.
fn executable(path: &CStr) -> Result<(), Errno> {
    let known = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let stat = rustix::fs::stat(path)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::ACCESS);
    }
    may_execute(rustix::fs::CWD, path).map_err(known)
}

/// Whether some user may execute the file at `path`, as far as root can tell.
fn executable_by_somebody(path: &CStr) -> Result<(), Errno> {
    let stat = match rustix::fs::stat(path) {
        // A file system whose server does not trust root.
        Err(Errno::ACCESS) => return Ok(()),
        stat => stat?,
    };
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let forbidden = || rustix::fs::statvfs(path).is_ok_and(|at| at.f_flag.contains(StatVfsMountFlags::NOEXEC));
    if regular && stat.st_mode & 0o111 != 0 && !forbidden() { Ok(()) } else { Err(Errno::ACCESS) }
}

/// Says in the words that callers know why a command cannot be executed, and with which exit code.
fn command_error(name: &CStr, errno: Errno, searched: bool) -> anyhow::Error {
    let name = name.to_string_lossy();
    let reason = os_text(errno);
    let (kind, text) = match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP if searched => {
            (ErrorKind::NoCommand, format!("executable file `{name}` not found in $PATH: {reason}"))
        }
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {
            (ErrorKind::NoCommand, format!("executable file `{name}` not found: {reason}"))
        }
        _ => (ErrorKind::NotExecutable, format!("open executable `{name}`: {reason}")),
    };
    Error::new(kind, text).into()
}

pub(crate) fn exec_error(args: &[CString], error: &io::Error) -> anyhow::Error {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    let name = args.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    let kind = match errno {
        // The interpreter of a script, or the loader of a program, is missing.
        Errno::NOENT | Errno::NOTDIR => ErrorKind::NoCommand,
        _ => ErrorKind::NotExecutable,
    };
    Error::new(kind, format!("exec container process `{name}`: {}", os_text(errno))).into()
}

/// The message of `errno`, without Rust's number behind it.
fn os_text(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Texts of the specification as C has them.
pub(crate) fn strings<'a>(texts: impl Iterator<Item = &'a String>) -> Result<Vec<CString>> {
    texts.map(|text| CString::new(text.as_str()).context("a NUL byte in an argument or variable")).collect()
}

fn set_label(this: &Proc, process: &Process) -> Result<()> {
    if let Some(profile) = process.apparmor_profile() {
        lsm::apparmor::set(this, profile)?;
    }
    if let Some(label) = process.selinux_label() {
        lsm::selinux::set(this, label)?;
    }
    Ok(())
}

fn set_personality(personality: Option<&LinuxPersonality>) -> Result<()> {
    let Some(personality) = personality else { return Ok(()) };
    let domain = match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    };
    own::set_personality(domain).context("set the personality")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_commands_have_their_kind_and_words() {
        for (errno, searched, kind, text) in [
            (
                Errno::NOENT,
                true,
                ErrorKind::NoCommand,
                "executable file `x` not found in $PATH: No such file or directory",
            ),
            (Errno::NOENT, false, ErrorKind::NoCommand, "executable file `x` not found: No such file or directory"),
            (Errno::ACCESS, true, ErrorKind::NotExecutable, "open executable `x`: Permission denied"),
        ] {
            let error = command_error(c"x", errno, searched);
            let error = error.downcast_ref::<Error>().unwrap();
            assert_eq!((error.kind, error.message.as_str()), (kind, text));
        }
        let error = exec_error(&[c"/x".to_owned()], &Errno::NOEXEC.into());
        let error = error.downcast_ref::<Error>().unwrap();
        assert_eq!(error.kind, ErrorKind::NotExecutable);
        assert_eq!(error.message, "exec container process `/x`: Exec format error");
    }

    #[test]
    fn a_directory_is_not_executable() {
        assert_eq!(executable(c"/tmp"), Err(Errno::ACCESS));
        assert_eq!(executable(c"/nowhere/x"), Err(Errno::NOENT));
    }
}
