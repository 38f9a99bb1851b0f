//! Containers that another OCI runtime makes (`--runtime crun`), by the command line of runc that all of them have.
//!
//! The monitor writes a bundle of its own for the run and stays the parent of what the runtime leaves behind: it serves the
//! streams, the log and the end as for a process that it made itself. The mounts that it made for the container are
//! attached in a mount namespace which lives no longer than the runtime's `create`: nothing is left where others see it.
//!
//! ```text
//! place  config.json  the specification with what the monitor found out
//!        rootfs       where the root is attached, for the runtime alone
//!        mount-N      the same for the source of a mount
//!        state        the runtime's --root
//!        log pid      what it said, and the process that it made
//!        console      where it hands over the terminal
//! ```

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as Streams};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{Process, Spec};
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

use super::cgroup::Cgroup;
use super::channel::{Channel, Message};
use super::create::{Rootfs, end};
use super::seccomp::disjoint::disjoint;
use super::stdio::{Preserved, Stdio};
use crate::model::error::{Error, ErrorKind};
use crate::model::runtime::OtherRuntime;
use crate::sys::clone::{CloneArgs, Cloned, Namespaces, clone3};
use crate::sys::exec::{self, Image, leave};
use crate::sys::{mount, pidfd, proc, socket};

/// How long the runtime may take for one command.
const PATIENCE: Duration = Duration::from_secs(60);
/// The socket on which it hands over a terminal, in the directory that the process is made from.
const CONSOLE: &str = "console";
/// The most that is read of what it said.
const SAID: u64 = 64 << 10;

/// A runtime with the container that it is about.
pub(crate) struct Delegate<'a> {
    pub(crate) runtime: &'a OtherRuntime,
    /// The container's name for the runtime.
    pub(crate) id: &'a str,
    /// The directory of this container's run.
    pub(crate) place: PathBuf,
    pub(crate) cgroup: &'a Cgroup,
}

/// What a container is made of.
pub(crate) struct CreateRequest<'a> {
    /// Has its process, with the user as a number.
    pub(crate) spec: Spec,
    /// What relative sources are relative to.
    pub(crate) bundle: &'a Path,
    pub(crate) rootfs: Rootfs,
    /// Detached sources of mounts, by their index.
    pub(crate) sources: Vec<(usize, OwnedFd)>,
    pub(crate) stdio: Stdio,
    pub(crate) preserved: Preserved,
}

/// A process that the runtime made and that is our child now.
pub(crate) struct Delegated {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) start_time: u64,
    pub(crate) terminal: Option<OwnedFd>,
}

/// A container whose command waits for the runtime's `start`.
pub(crate) struct Waiting {
    runtime: OtherRuntime,
    id: String,
    place: PathBuf,
    cgroup: Cgroup,
    pidfd: OwnedFd,
}

/// The directory of a container's run at another runtime, below its run directory.
pub(crate) fn place(run_dir: &Path) -> PathBuf {
    run_dir.join("oci")
}

impl Waiting {
    /// Lets the command start.
    pub(crate) fn start(&self) -> Result<()> {
        let delegate =
            Delegate { runtime: &self.runtime, id: &self.id, place: self.place.clone(), cgroup: &self.cgroup };
        let started = delegate.command(&["start", &self.id], Company::default(), &self.place);
        if started.is_err() {
            end(&self.pidfd);
        }
        started
    }
}

/// What a command of the runtime is given.
#[derive(Default)]
struct Company {
    /// Its standard streams; none is the null device.
    streams: Option<[OwnedFd; 3]>,
    /// Its descriptors from 3 on.
    preserved: Vec<OwnedFd>,
    /// Mounts for its eyes alone.
    mounts: Vec<(OwnedFd, PathBuf)>,
}

impl Company {
    /// Nothing but its words.
    fn is_bare(&self) -> bool {
        self.streams.is_none() && self.preserved.is_empty() && self.mounts.is_empty()
    }
}

impl Delegate<'_> {
    /// Has the container made, ready to start.
    pub(crate) fn create(&self, request: CreateRequest<'_>) -> Result<(Delegated, Waiting)> {
        let CreateRequest { mut spec, bundle, rootfs, sources, stdio, preserved } = request;
        make_dir(&self.place)?;
        let mut company = Company { preserved: preserved.fds, ..Company::default() };
        let root = match rootfs {
            Rootfs::Path(path) => path,
            Rootfs::Detached(fd) => {
                let path = self.place.join("rootfs");
                make_dir(&path)?;
                company.mounts.push((fd, path.clone()));
                path
            }
        };
        if let Some(mut described) = spec.root().clone() {
            described.set_path(root);
            spec.set_root(Some(described));
        }
        let mut mounts = spec.mounts().clone().unwrap_or_default();
        for mount in &mut mounts {
            let is_bind = mount.options().iter().flatten().any(|option| option == "bind" || option == "rbind");
            if let Some(source) = mount.source().clone().filter(|source| is_bind && source.is_relative()) {
                mount.set_source(Some(bundle.join(source)));
            }
        }
        for (index, fd) in sources {
            let Some(mount) = mounts.get_mut(index) else { continue };
            let path = self.place.join(format!("mount-{index}"));
            match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd).context("stat a mount")?.st_mode) {
                rustix::fs::FileType::Directory => make_dir(&path)?,
                _ => drop(File::create(&path).with_context(|| format!("create {}", path.display()))?),
            }
            mount.set_source(Some(path.clone()));
            company.mounts.push((fd, path));
        }
        spec.set_mounts(Some(mounts));
        if let Some(mut linux) = spec.linux().clone() {
            linux.set_cgroups_path(self.cgroup.full_path().map(PathBuf::from));
            linux.set_seccomp(linux.seccomp().as_ref().map(disjoint).transpose()?);
            spec.set_linux(Some(linux));
        }
        // The oldest of version 1, which every runtime takes; they ignore what they do not know.
        spec.set_version("1.0.2".to_owned());
        let text = serde_json::to_vec(&spec).context("encode the specification")?;
        fs::write(self.place.join("config.json"), text).context("write the specification")?;
        let place = self.place.to_string_lossy();
        let args = ["create", "--bundle", &place];
        let made = self.process(&args, stdio, company, &self.place)?;
        let waiting = Waiting {
            runtime: self.runtime.clone(),
            id: self.id.to_owned(),
            place: self.place.clone(),
            cgroup: self.cgroup.clone(),
            pidfd: made.pidfd.try_clone().context("copy a pidfd")?,
        };
        Ok((made, waiting))
    }

    /// Has one more process made in the running container; `session` is a directory of its own.
    pub(crate) fn exec(
        &self,
        process: &Process,
        stdio: Stdio,
        preserved: Preserved,
        session: &Path,
    ) -> Result<Delegated> {
        let file = session.join("process.json");
        let text = serde_json::to_vec(process).context("encode the process")?;
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        let file = file.to_string_lossy();
        let company = Company { preserved: preserved.fds, ..Company::default() };
        self.process(&["exec", "--detach", "--process", &file], stdio, company, session)
    }

    /// Has what is left of the container outside taken away. What is gone already is fine.
    pub(crate) fn delete(&self) -> Result<()> {
        if !self.place.join("state").join(self.id).exists() {
            return Ok(());
        }
        self.command(&["delete", "--force", self.id], Company::default(), &self.place)
    }

    /// Runs a command that leaves a process behind, which is taken over as a child.
    fn process(&self, args: &[&str], stdio: Stdio, mut company: Company, dir: &Path) -> Result<Delegated> {
        let pid_file = dir.join("pid");
        let mut args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        args.extend(["--pid-file".to_owned(), pid_file.to_string_lossy().into_owned()]);
        let console = match stdio {
            Stdio::Fds { stdin, stdout, stderr } => {
                company.streams = Some([stdin, stdout, stderr]);
                None
            }
            Stdio::Terminal { .. } => {
                // Below the working directory: an address has no room for every path.
                args.extend(["--console-socket".to_owned(), CONSOLE.to_owned()]);
                let path = dir.join(CONSOLE);
                Some(socket::listen(&path).with_context(|| format!("bind {}", path.display()))?)
            }
        };
        if !company.preserved.is_empty() {
            args.extend(["--preserve-fds".to_owned(), company.preserved.len().to_string()]);
        }
        args.push(self.id.to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // The process outlives the runtime's command: then it is ours.
        let own = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(own)).context("become the parent of orphans")?;
        let taken = self.command(&args, company, dir).and_then(|()| {
            let text = fs::read_to_string(&pid_file).with_context(|| format!("read {}", pid_file.display()))?;
            let pid: i32 = text.trim().parse().with_context(|| format!("read {}", pid_file.display()))?;
            let pidfd = pidfd::open(pid).context("open the process that the runtime made")?;
            let start_time = proc::start_time(pid).context("read the start time")?;
            let taken = console.as_ref().map(|listener| socket::take(listener, PATIENCE));
            let terminal = taken.transpose().context("take the terminal")?;
            Ok(Delegated { pid, pidfd, start_time, terminal })
        });
        // What the container's own processes leave behind is not for us to keep.
        rustix::process::set_child_subreaper(None).context("leave orphans to others")?;
        taken
    }

    /// Runs a command of the runtime, in the directory `dir`, to its end.
    fn command(&self, args: &[&str], company: Company, dir: &Path) -> Result<()> {
        let name = &self.runtime.name;
        // Of the session, where it is for one: several may run at once.
        let log = dir.join("log");
        match fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", log.display()));
            }
            _ => {}
        }
        let mut words = vec![name.clone()];
        words.extend(self.runtime.flags.iter().cloned());
        let state = self.place.join("state");
        words.extend(["--root".to_owned(), state.to_string_lossy().into_owned()]);
        words.extend(["--log".to_owned(), log.to_string_lossy().into_owned()]);
        words.extend(["--log-format".to_owned(), "json".to_owned()]);
        if name == "crun" {
            let manager = if self.cgroup.is_none() { "disabled" } else { "cgroupfs" };
            words.push(format!("--cgroup-manager={manager}"));
        }
        words.extend(args.iter().map(|&arg| arg.to_owned()));
        let said =
            rustix::fs::memfd_create("said", rustix::fs::MemfdFlags::CLOEXEC).context("make a file in memory")?;
        let code = self.run(&words, company, &said, dir)?;
        if code == 0 {
            return Ok(());
        }
        let text = complaint(&log).or_else(|| words_of(said)).unwrap_or_else(|| format!("exit status {code}"));
        Err(classified(name, &text).into())
    }

    /// Executes the runtime, and waits for it.
    fn run(&self, words: &[String], company: Company, said: &OwnedFd, dir: &Path) -> Result<i32> {
        let copy = || said.try_clone().context("copy a descriptor");
        if !company.is_bare() {
            return self.run_with(words, company, [copy()?, copy()?], dir);
        }
        // An engine may have threads, without which a process could not be made as below.
        let mut command = Command::new(&self.runtime.program);
        command.arg0(&self.runtime.name).args(&words[1..]).current_dir(dir);
        command.stdin(Streams::null()).stdout(copy()?).stderr(copy()?);
        let mut child = command.spawn().with_context(|| format!("execute {}", self.runtime.program.display()))?;
        // Our child and not reaped: the number is still its own.
        let pidfd = pidfd::open(i32::try_from(child.id())?).context("open the runtime's process")?;
        self.wait(&pidfd)?;
        let status = child.wait().context("reap the runtime")?;
        Ok(status.code().unwrap_or(255))
    }

    /// The same with descriptors and mounts of its own. This process has one thread.
    fn run_with(&self, words: &[String], company: Company, said: [OwnedFd; 2], dir: &Path) -> Result<i32> {
        let Company { streams, preserved, mounts } = company;
        let text = |text: &OsStr| CString::new(text.as_bytes()).context("a NUL byte in an argument");
        let program = text(self.runtime.program.as_os_str())?;
        let args = words.iter().map(|word| text(OsStr::new(word))).collect::<Result<Vec<_>>>()?;
        let environment = std::env::vars_os().map(|(mut pair, value)| {
            pair.push("=");
            pair.push(value);
            text(&pair)
        });
        let environment = environment.collect::<Result<Vec<_>>>()?;
        let mut fds: Vec<OwnedFd> = match streams {
            Some(streams) => streams.into(),
            None => {
                let null = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
                std::iter::once(null.into()).chain(said).collect()
            }
        };
        fds.extend(preserved);
        let (ours, theirs) = Channel::pair()?;
        // Not where the program's descriptors go.
        let theirs = theirs.above(i32::try_from(fds.len())?)?;
        let namespaces = if mounts.is_empty() { Namespaces::default() } else { Namespaces::MOUNT };
        match clone3(CloneArgs { namespaces, ..CloneArgs::default() }).context("make a process for the runtime")? {
            Cloned::Child => {
                let error = become_runtime(&Image::new(&program, &args, &environment), fds, mounts, dir);
                leave(i32::from(theirs.send(&Message::report(&error)).is_err()) + 125)
            }
            Cloned::Parent { pidfd, .. } => {
                drop((theirs, fds, mounts));
                let failed = ours.receive_with()?;
                self.wait(&pidfd)?;
                let code = pidfd::reap(pidfd.as_fd()).context("reap the runtime")?;
                match failed {
                    Some((message, _)) => {
                        message.into_result()?;
                        bail!("unexpected message while the runtime is executed")
                    }
                    None => Ok(code),
                }
            }
        }
    }

    /// Waits for the end of the runtime's command; one that takes too long is killed.
    fn wait(&self, command: &OwnedFd) -> Result<()> {
        if pidfd::ended_within(command.as_fd(), Some(PATIENCE))? {
            return Ok(());
        }
        end(command);
        let message = format!("{}: no answer within {} s", self.runtime.name, PATIENCE.as_secs());
        Err(Error::new(ErrorKind::Timeout, message).into())
    }
}

/// The child's part: gives only the error.
fn become_runtime(image: &Image<'_>, fds: Vec<OwnedFd>, mounts: Vec<(OwnedFd, PathBuf)>, dir: &Path) -> anyhow::Error {
    let prepared = (|| {
        let parent = rustix::process::Signal::KILL;
        rustix::process::set_parent_process_death_signal(Some(parent)).context("die with the monitor")?;
        if !mounts.is_empty() {
            use rustix::mount::MountPropagationFlags as Flags;
            rustix::mount::mount_change("/", Flags::DOWNSTREAM | Flags::REC).context("keep mounts to ourselves")?;
        }
        for (fd, path) in &mounts {
            mount::attach(fd, open_path(path)?).with_context(|| format!("mount on {}", path.display()))?;
        }
        rustix::process::chdir(dir).with_context(|| format!("go to {}", dir.display()))?;
        exec::place(fds).context("put descriptors in their places")
    })();
    match prepared {
        Ok(()) => anyhow::Error::new(image.exec()).context("execute the runtime"),
        Err(error) => error,
    }
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).with_context(|| format!("open {}", path.display()))
}

fn make_dir(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("create directory {}", path.display()))
}

/// A line of the log of runc and crun.
#[derive(Deserialize)]
struct Line {
    level: String,
    msg: String,
}

/// The last error in the log.
fn complaint(log: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(log).ok()?.take(SAID).read_to_string(&mut text).ok()?;
    let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    lines.rfind(|line| matches!(line.level.as_str(), "error" | "fatal" | "panic")).map(|line| line.msg)
}

/// What was written to standard error.
fn words_of(said: OwnedFd) -> Option<String> {
    let mut text = Vec::new();
    rustix::fs::seek(&said, rustix::fs::SeekFrom::Start(0)).ok()?;
    File::from(said).take(SAID).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The error with the kind that decides the exit code, found by its words as podman finds it.
fn classified(name: &str, text: &str) -> Error {
    let lower = text.to_lowercase();
    let (kind, suffix) = if lower.contains("permission denied") {
        (ErrorKind::NotExecutable, ": OCI permission denied")
    } else if lower.contains("executable file") && lower.contains("not found")
        || lower.contains("no such file or directory")
    {
        (ErrorKind::NoCommand, ": OCI runtime attempted to invoke a command that was not found")
    } else {
        (ErrorKind::NotExecutable, ": OCI runtime error")
    };
    Error::new(kind, format!("{name}: {text}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_runtime_decide_the_exit_code() {
        for (text, kind) in [
            ("executable file `x` not found in $PATH: No such file or directory", ErrorKind::NoCommand),
            ("exec: \"x\": executable file not found in $PATH: unknown", ErrorKind::NoCommand),
            ("open executable: Permission denied", ErrorKind::NotExecutable),
            ("unable to start container process: open /dev/x", ErrorKind::NotExecutable),
        ] {
            assert_eq!(classified("crun", text).kind, kind, "{text}");
        }
    }
}
