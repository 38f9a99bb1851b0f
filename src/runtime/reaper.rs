//! `--init`: process 1 of a container that only forwards signals and reaps, with the command as its child. Runs inside
//! the container as the role `Reaper`, executed from a read-only bind of our own binary at [`PATH`].

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::{Context, Result};
use rustix::process::{WaitOptions, WaitStatus};

use super::confine::{exec_error, find};
use crate::model::error::{Error, ErrorKind};
use crate::sys::clone::{CloneArgs, Cloned, clone3};
use crate::sys::exec::{Image, leave};
use crate::sys::{identity, pidfd};

/// Where the binary lies in a container.
pub(crate) const PATH: &str = "/dev/init";

/// Writes to the container's own standard error: nobody else is left to tell.
fn complain(error: &anyhow::Error) {
    let text = format!("Error: {error:#}\n");
    rustix::io::write(rustix::stdio::stderr(), text.as_bytes()).ok();
}

/// Runs `command` and gives its exit code, 128 and the signal's number when one ended it.
pub(crate) fn main(command: &[OsString]) -> Result<i32> {
    let texts = |texts: &mut dyn Iterator<Item = OsString>| {
        texts.map(|text| CString::new(text.into_vec())).collect::<Result<Vec<_>, _>>().context("a NUL byte")
    };
    let args = texts(&mut command.iter().cloned())?;
    let env = texts(
        &mut std::env::vars_os()
            .map(|(key, value)| OsString::from_vec([key.as_bytes(), b"=", value.as_bytes()].concat())),
    )?;
    identity::block_signals().context("block the signals")?;
    match clone3(CloneArgs::default()).context("make the command's process")? {
        Cloned::Child => {
            let error = become_command(&args, &env);
            let code = match error.downcast_ref::<Error>().map(|error| error.kind) {
                Some(ErrorKind::NoCommand) => 127,
                _ => 126,
            };
            complain(&error);
            leave(code)
        }
        Cloned::Parent { pid, pidfd } => supervise(pid, &pidfd),
    }
}

/// Becomes the command, in a process group of its own that has the terminal: what is typed there reaches it once.
fn become_command(args: &[CString], env: &[CString]) -> anyhow::Error {
    let prepared = rustix::process::setpgid(None, None)
        .context("make a process group")
        .and_then(|()| {
            if rustix::termios::isatty(rustix::stdio::stdin()) {
                // Not fatal: standard input may be another terminal than ours. The signals are still blocked.
                rustix::termios::tcsetpgrp(rustix::stdio::stdin(), rustix::process::getpid()).ok();
            }
            identity::reset_signals().context("reset the signals")
        })
        .and_then(|()| find(args, env));
    match prepared {
        Ok(path) => exec_error(args, &Image::new(&path, args, env).exec()),
        Err(error) => error,
    }
}

/// Forwards signals to the command and reaps whatever is left to process 1, until the command has ended.
fn supervise(pid: i32, command: &OwnedFd) -> Result<i32> {
    loop {
        match identity::next_signal() {
            Ok(libc::SIGCHLD) => {
                if let Some(code) = reap(pid)? {
                    return Ok(code);
                }
            }
            // Of our own reads and writes of the terminal, if at all.
            Ok(libc::SIGTTIN | libc::SIGTTOU) => {}
            // The command may be a zombie by now; then its SIGCHLD is next.
            Ok(signal) => drop(pidfd::signal(command.as_fd(), signal)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("wait for a signal"),
        }
    }
}

/// Reaps all that have ended; gives the command's exit code when it is among them.
fn reap(command: i32) -> Result<Option<i32>> {
    let mut code = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command => code = Some(exit_code(status)),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(code),
            Err(errno) => return Err(errno).context("reap"),
        }
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(255)
}
