//! The foreground of a container: the user's streams on one side, the monitor's client on the other.
//!
//! While it lasts the terminal is raw, its size is passed on, signals go to the container where that is wanted, and the
//! detach keys leave the container running.

use std::io::{self, Stderr, Stdin, Stdout};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context as _, Result};

use super::output::stdout::OutputClosed;
use super::terminal::{self, DetachKeys, Detector};
use crate::engine::Engine;
use crate::engine::attach::{AttachClient, Ended, Hooks, Streams};
use crate::engine::remove::is_gone;
use crate::model::error::{Error, ErrorKind};
use crate::sys::signal::Signals;

/// Signals that cannot be caught, or that say something about this process and its terminal alone.
const OURS: [i32; 8] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGCHLD,
    libc::SIGPIPE,
    libc::SIGURG,
    libc::SIGWINCH,
    libc::SIGTTIN,
    libc::SIGTTOU,
];
/// Faults of this process, which must end it.
const FAULTS: [i32; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];
const LAST: i32 = 64;

/// Which of our streams are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

impl Wanted {
    pub(crate) const OUTPUT: Self = Self { stdin: false, stdout: true, stderr: true };
    /// The container has our streams itself.
    pub(crate) const NOTHING: Self = Self { stdin: false, stdout: false, stderr: false };

    /// Reads `--attach stdin,stdout,stderr`.
    pub(crate) fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, Error> {
        let mut wanted = Self { stdin: false, stdout: false, stderr: false };
        for name in names {
            match name.as_ref().to_ascii_lowercase().as_str() {
                "stdin" => wanted.stdin = true,
                "stdout" => wanted.stdout = true,
                "stderr" => wanted.stderr = true,
                _ => {
                    return Err(Error::invalid(format!(
                        "invalid stream {:?} for --attach - must be one of stdin, stdout, or stderr: invalid argument",
                        name.as_ref()
                    )));
                }
            }
        }
        Ok(wanted)
    }
}

/// Reads detach keys; `None` is podman's default.
pub(crate) fn detach_keys(text: Option<&str>) -> Result<DetachKeys> {
    Ok(text.map(str::parse).transpose()?.unwrap_or_default())
}

/// What is set up before the container starts, so that no signal falls between.
pub(crate) struct Relay<'a> {
    engine: &'a Engine,
    wanted: Wanted,
    tty: bool,
    /// Where there is no terminal, nothing that is typed detaches.
    detector: Option<Detector>,
    signals: Signals,
    streams: (Stdin, Stdout, Stderr),
}

impl<'a> Relay<'a> {
    /// Catches signals from here on; with `proxy` those that go to the container too.
    pub(crate) fn prepare(
        engine: &'a Engine,
        wanted: Wanted,
        tty: bool,
        keys: &DetachKeys,
        proxy: bool,
    ) -> Result<Self> {
        let mut caught = if tty { vec![libc::SIGWINCH] } else { Vec::new() };
        if proxy {
            // musl keeps 32 to 34 for itself.
            let ours = |signal: &i32| OURS.contains(signal) || FAULTS.contains(signal) || (32..35).contains(signal);
            caught.extend((1..=LAST).filter(|signal| !ours(signal)));
        }
        let signals = Signals::catch(caught).context("catch signals")?;
        let detector = tty.then(|| Detector::new(keys));
        Ok(Self { engine, wanted, tty, detector, signals, streams: (io::stdin(), io::stdout(), io::stderr()) })
    }

    /// Relays until the container ends or the user detaches. Signals go to the container `proxied`.
    pub(crate) fn run(self, client: &AttachClient, proxied: Option<&str>) -> Result<Ended> {
        let Self { engine, wanted, tty, detector, signals, streams: (stdin, stdout, stderr) } = self;
        let raw = if tty && wanted.stdin { terminal::raw_stdin().context("make the terminal raw")? } else { None };
        if tty && let Some((rows, columns)) = terminal::window_size() {
            client.resize(rows, columns);
        }
        let streams = Streams {
            stdin: wanted.stdin.then(|| stdin.as_fd()),
            stdout: wanted.stdout.then(|| stdout.as_fd()),
            stderr: wanted.stderr.then(|| stderr.as_fd()),
        };
        let mut hooks = Foreground { engine, container: proxied, detector, signals };
        let ended = client.relay(&streams, &mut hooks);
        drop(raw);
        ended.map_err(|error| if is_closed(&error) { OutputClosed.into() } else { error })
    }
}

/// The callbacks of the relay.
struct Foreground<'a> {
    engine: &'a Engine,
    container: Option<&'a str>,
    detector: Option<Detector>,
    signals: Signals,
}

impl Foreground<'_> {
    /// Sends a signal on. A container that has ended meanwhile, or is not yet there, is no error.
    fn forward(&self, signal: i32) -> Result<()> {
        let Some(container) = self.container else { return Ok(()) };
        match self.engine.kill(container, signal) {
            Err(error) if is_gone(&error) || is_state(&error) => Ok(()),
            result => result.map(drop).with_context(|| format!("forward signal {signal}")),
        }
    }
}

/// Whether nobody reads our standard output any more.
fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn is_state(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<Error>()).any(|error| error.kind == ErrorKind::State)
}

impl Hooks for Foreground<'_> {
    fn typed(&mut self, bytes: &[u8], forward: &mut Vec<u8>) -> bool {
        match &mut self.detector {
            Some(detector) => detector.feed(bytes, forward),
            None => {
                forward.extend_from_slice(bytes);
                false
            }
        }
    }

    fn typed_all(&mut self, forward: &mut Vec<u8>) {
        if let Some(detector) = &mut self.detector {
            detector.finish(forward);
        }
    }

    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.signals.as_fd())
    }

    fn wake(&mut self) -> Result<Option<(u16, u16)>> {
        let mut size = None;
        while let Some(signal) = self.signals.next().context("read a signal")? {
            if signal == libc::SIGWINCH {
                size = terminal::window_size();
            } else {
                self.forward(signal)?;
            }
        }
        Ok(size)
    }
}

/// The exit code of a container as the exit code of a command; -1 (nobody knows it) is 255.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "exit codes are bytes")]
pub(crate) fn exit_code(code: i32) -> u8 {
    code as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named() {
        let stdout = Wanted { stdin: false, stdout: true, stderr: false };
        assert_eq!(Wanted::parse(&["STDOUT"]).unwrap(), stdout);
        assert_eq!(Wanted::parse(&["stdin", "stdout", "stderr"]).unwrap(), Wanted { stdin: true, ..Wanted::OUTPUT });
        let error = Wanted::parse(&["out"]).unwrap_err().message;
        assert_eq!(
            error,
            "invalid stream \"out\" for --attach - must be one of stdin, stdout, or stderr: invalid argument"
        );
        assert_eq!((exit_code(137), exit_code(-1)), (137, 255));
    }
}
