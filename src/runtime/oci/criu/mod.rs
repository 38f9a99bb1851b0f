//! criu, which writes processes to images and makes processes of images: one run of `criu swrk`, which takes a request
//! over a socket, tells of its steps, waits for an answer to each, and ends with a response.
//!
//! The program is the host's: from a directory that only root can change, found without PATH.

pub(crate) mod wire;

use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use self::wire::{Message, Value};
use crate::model::error::Error;
use crate::state::installed;
use crate::state::subid::HELPER_DIRECTORIES;
use crate::sys::{apart, socket};

/// `criu_req_type` of criu's rpc.proto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dump = 1,
    Restore = 2,
    PreDump = 4,
}

/// The type of a message that tells of a step.
const NOTIFY: u64 = 6;
/// Longer than any message of criu.
const LONGEST: usize = 64 << 10;
/// How much of the end of a log is looked at for its errors.
const LOG_TAIL: u64 = 256 << 10;

/// A step that criu tells of, and waits until it is answered.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// The first process, in our process namespace, where there is one.
    pub(crate) pid: Option<i32>,
    /// What comes with it: the terminal of `orphan-pts-master`.
    pub(crate) fd: Option<OwnedFd>,
}

/// criu, started and waiting for its request.
#[derive(Debug)]
pub(crate) struct Criu {
    child: Child,
    socket: OwnedFd,
}

impl Criu {
    /// Starts it. `prepare` runs before that, in a mount namespace that only criu sees. It keeps our standard streams and
    /// the descriptors that are not closed on execution.
    pub(crate) fn start(prepare: impl FnOnce() -> Result<()> + Send) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!(Error::unsupported("checkpoint and restore need root"));
        }
        let Some(program) = installed::find("criu", &HELPER_DIRECTORIES, &[0]) else {
            bail!(Error::unsupported("criu is not installed").hint("install the package criu"));
        };
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .context("make a socket for criu")?;
        rustix::io::fcntl_setfd(&theirs, FdFlags::empty()).context("pass a socket on to criu")?;
        let number = theirs.as_raw_fd().to_string();
        let spawned = apart::in_private_mounts(|| {
            prepare()?;
            let mut command = Command::new(&program);
            command.arg0("criu").args(["swrk", &number]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command.spawn().with_context(|| format!("run {}", program.display()))
        });
        let child = spawned.context("leave the mount namespace")??;
        Ok(Self { child, socket: ours })
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// Asks for `kind` with `options`, a `criu_opts`, and answers each step by `told`. What criu says of a failure is in
    /// `log`.
    pub(crate) fn call(
        mut self,
        kind: Kind,
        options: &Message,
        log: &Path,
        told: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<()> {
        let done = self.converse(kind, options, log, told);
        // The end of the socket is the end of criu, also of one that would wait for further requests.
        drop(self.socket);
        if done.is_err() {
            // It may be amid its work; what it made of it goes with it.
            drop(self.child.kill());
        }
        let status = self.child.wait().context("wait for criu");
        done.and(status.map(drop))
    }

    fn converse(
        &mut self,
        kind: Kind,
        options: &Message,
        log: &Path,
        told: &mut dyn FnMut(Step) -> Result<()>,
    ) -> Result<()> {
        self.send(&Message::default().number(1, kind as u64).message(2, options))?;
        loop {
            let (bytes, fd) = socket::receive(&self.socket, LONGEST).context("hear from criu")?;
            if bytes.is_empty() {
                bail!(failure(kind, log));
            }
            let response = Response::read(&bytes).context("read what criu says")?;
            if !response.success {
                bail!(failure(kind, log));
            }
            if response.kind != NOTIFY {
                return Ok(());
            }
            let step = Step { name: response.step, pid: response.pid, fd };
            let told = told(step);
            self.send(&Message::default().number(1, NOTIFY).number(3, u64::from(told.is_ok())))?;
            told?;
        }
    }

    fn send(&self, message: &Message) -> Result<()> {
        rustix::net::send(&self.socket, message.as_bytes(), rustix::net::SendFlags::NOSIGNAL)
            .context("talk to criu")
            .map(drop)
    }
}

/// `criu_resp`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Response {
    kind: u64,
    success: bool,
    step: String,
    pid: Option<i32>,
}

impl Response {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut response = Self::default();
        for (field, value) in wire::fields(bytes)? {
            match (field, value) {
                (1, Value::Number(kind)) => response.kind = kind,
                (2, Value::Number(success)) => response.success = success != 0,
                (5, Value::Bytes(notify)) => {
                    for (field, value) in wire::fields(notify)? {
                        match (field, value) {
                            (1, Value::Bytes(name)) => response.step = String::from_utf8_lossy(name).into_owned(),
                            (2, Value::Number(pid)) => response.pid = i32::try_from(pid).ok(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(response)
    }
}

/// The error of a run that failed: what its log ends with.
fn failure(kind: Kind, log: &Path) -> Error {
    let what = if kind == Kind::Restore { "restore" } else { "checkpoint" };
    let error = match errors(log) {
        Some(said) => Error::state(format!("criu cannot {what} the container: {said}")),
        None => Error::state(format!("criu cannot {what} the container")),
    };
    error.hint(format!("see {}", log.display()))
}

/// The first error that a log tells of, which is the cause of the others.
fn errors(log: &Path) -> Option<String> {
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(length.saturating_sub(LOG_TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL).read_to_end(&mut bytes).ok()?;
    first_error(&String::from_utf8_lossy(&bytes))
}

/// `(00.012345) Error (criu/mount.c:123): mnt: …`, without what a reader has no use for.
fn first_error(text: &str) -> Option<String> {
    let errors = text.lines().filter_map(|line| line.split_once("Error (")?.1.split_once("): "));
    // That a program of its own failed, which it may live with, says nothing.
    errors.map(|(_, said)| said.trim()).find(|said| !said.starts_with("exited, status=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read() {
        let notify = Message::default().text(1, "post-restore").number(2, 4711);
        let message = Message::default().number(1, NOTIFY).number(2, 1).message(5, &notify).number(99, 7);
        let response = Response::read(message.as_bytes()).unwrap();
        let expected = Response { kind: NOTIFY, success: true, step: "post-restore".into(), pid: Some(4711) };
        assert_eq!(response, expected);
    }

    #[test]
    fn the_cause_is_told_and_not_what_came_of_it() {
        let log = "(00.1) Error (criu/util.c:642): exited, status=1\n(00.1) Dumping\n(00.2) Error (criu/mount.c:7): mnt: 5:./x doesn't have a proper root mount\n\
            (00.3) Error (criu/cr-dump.c:9): Dumping FAILED.\n";
        assert_eq!(first_error(log).unwrap(), "mnt: 5:./x doesn't have a proper root mount");
        assert_eq!(first_error("(00.1) fine\n"), None);
    }
}
