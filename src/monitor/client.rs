//! The client's half of the attach protocol: relays streams to a monitor and back until the container ends, the user
//! detaches, or the monitor is lost. Runs in the command; raw mode, signals and detach keys are the caller's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::frame::{self, FRAME, Got, PAYLOAD, Reply, Sent};

/// A write of this size hardly ever waits on a terminal that poll calls writable.
const SAFE_WRITE: usize = 4096;

/// A connection to a monitor.
#[derive(Debug)]
pub(crate) struct AttachClient {
    socket: OwnedFd,
}

/// The caller's streams; what is missing is not relayed.
#[derive(Default)]
pub(crate) struct Streams<'a> {
    pub(crate) stdin: Option<BorrowedFd<'a>>,
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    pub(crate) stderr: Option<BorrowedFd<'a>>,
}

/// What a caller adds to the relay.
pub(crate) trait Hooks {
    /// Sees what was typed and appends what goes to the container; `true`: the user detaches.
    fn typed(&mut self, bytes: &[u8], forward: &mut Vec<u8>) -> bool {
        forward.extend_from_slice(bytes);
        false
    }

    /// Called at the end of what is typed: gives what was kept back.
    fn typed_all(&mut self, _forward: &mut Vec<u8>) {}

    /// A descriptor whose readability calls [`Hooks::wake`]: signals.
    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Handles signals; may answer with the size of the terminal (rows, columns) to send.
    fn wake(&mut self) -> Result<Option<(u16, u16)>> {
        Ok(None)
    }
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The container ended. A foreground client says next whether it cleans up.
    Exit(i32),
    Detached,
    /// The monitor is gone without a word, or disconnected us because we did not keep up.
    Lost,
}

impl AttachClient {
    /// Makes the client of a foreground container, and the end that goes to its monitor.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (socket, theirs) = frame::pair()?;
        Ok((Self { socket }, theirs))
    }

    /// Connects to the monitor that listens at `path`.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let what = || format!("attach to {}", path.display());
        let (_dir, address) = super::attach::address(path)?;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .with_context(what)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => Ok(Self { socket }),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => {
                Err(super::attach::not_running()).with_context(what)
            }
            Err(error) => Err(error).with_context(what),
        }
    }

    /// Tells the container the size of our terminal. A monitor that is gone is found by the relay.
    pub(crate) fn resize(&self, rows: u16, cols: u16) {
        frame::put(&self.socket, &frame::resize(rows, cols));
    }

    /// Tells the monitor that we clean up after the container. An error: it is gone, and Cleanup does it.
    pub(crate) fn cleaning(&self) -> io::Result<()> {
        match frame::put(&self.socket, &[frame::CLEANING]) {
            Sent::Done => Ok(()),
            Sent::Full | Sent::Gone => Err(io::Error::from(io::ErrorKind::NotConnected)),
        }
    }

    /// Has the monitor take the health checks that the container's record asks for, and waits until it has. One of an older
    /// version has them at the next start.
    pub(crate) fn reload(&self) -> Result<()> {
        self.ask(frame::RELOAD, 2).map(drop)
    }

    /// Has a health check made, and waits for it: whether it succeeded. `None`: it does not count, or the container ended.
    pub(crate) fn check(&self) -> Result<Option<bool>> {
        self.ask(frame::CHECK, 1)
    }

    /// Says one word and waits for the answer, which monitors have from `version` on.
    fn ask(&self, word: u8, version: u8) -> Result<Option<bool>> {
        if frame::put(&self.socket, &[word]) != Sent::Done {
            return Ok(None);
        }
        let mut buffer = vec![0; FRAME];
        loop {
            match frame::take(&self.socket, &mut buffer) {
                Got::Gone => return Ok(None),
                Got::Frame(length) => match Reply::decode(&buffer[..length]) {
                    Some(Reply::Checked(success)) => return Ok(success),
                    Some(Reply::Exit { .. }) => return Ok(None),
                    Some(Reply::Hello { version: theirs, .. }) if theirs < version => return Ok(None),
                    _ => {}
                },
                Got::Empty => match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error).context("wait for the health check"),
                },
            }
        }
    }

    /// Relays until the end.
    pub(crate) fn relay(&self, streams: &Streams<'_>, hooks: &mut dyn Hooks) -> Result<Ended> {
        let mut relay = Relay {
            client: self,
            stdin: streams.stdin,
            incoming: vec![0; FRAME],
            outgoing: Vec::with_capacity(FRAME),
            typed: vec![0; PAYLOAD],
            stdout: Sinkhole::new(streams.stdout),
            stderr: Sinkhole::new(streams.stderr),
            pending: None,
            eof: false,
            end: None,
        };
        relay.run(hooks)
    }
}

/// An output of ours.
struct Sinkhole<'a> {
    fd: Option<BorrowedFd<'a>>,
    manner: Manner,
}

/// How to write so that nothing keeps us from signals.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As much as there is: a regular file never makes us wait.
    Whole,
    /// As much as fits, by `RWF_NOWAIT`: pipes and sockets. Their descriptor may be shared with others, so that it cannot
    /// be made non-blocking.
    NoWait,
    /// What poll allows, in small steps: terminals.
    Steps,
}

impl<'a> Sinkhole<'a> {
    fn new(fd: Option<BorrowedFd<'a>>) -> Self {
        let regular = fd.is_some_and(|fd| {
            rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
        });
        Self { fd, manner: if regular { Manner::Whole } else { Manner::NoWait } }
    }
}

/// Writes what can be written without waiting; `None`: nothing now.
fn write_some(fd: BorrowedFd<'_>, manner: &mut Manner, bytes: &[u8]) -> rustix::io::Result<Option<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, pwritev2};
    let written = match manner {
        Manner::Whole => rustix::io::write(fd, bytes),
        Manner::NoWait => {
            // -1: at the descriptor's own position.
            match pwritev2(fd, &[io::IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::SPIPE | Errno::NOSYS) => {
                    *manner = Manner::Steps;
                    return write_some(fd, manner, bytes);
                }
                written => written,
            }
        }
        Manner::Steps => {
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            if poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&now)) == Ok(0) {
                return Ok(None);
            }
            rustix::io::write(fd, &bytes[..bytes.len().min(SAFE_WRITE)])
        }
    };
    match written {
        Ok(length) => Ok(Some(length)),
        Err(Errno::INTR) => Ok(Some(0)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What of the incoming frame is not written yet.
struct Pending {
    stderr: bool,
    from: usize,
    to: usize,
}

struct Relay<'a> {
    client: &'a AttachClient,
    stdin: Option<BorrowedFd<'a>>,
    incoming: Vec<u8>,
    /// A frame for the monitor that its socket did not take yet; empty: none.
    outgoing: Vec<u8>,
    typed: Vec<u8>,
    stdout: Sinkhole<'a>,
    stderr: Sinkhole<'a>,
    pending: Option<Pending>,
    /// Whether our stdin ended and the monitor is to be told.
    eof: bool,
    /// Detached, once the last keys are sent.
    end: Option<Ended>,
}

impl Relay<'_> {
    fn run(&mut self, hooks: &mut dyn Hooks) -> Result<Ended> {
        loop {
            // Frames first, without asking poll while they come.
            if self.pending.is_none()
                && let Some(ended) = self.receive()?
            {
                return Ok(ended);
            }
            if !self.send()
                && self.pending.is_none()
                && let Some(ended) = self.receive()?
            {
                return Ok(ended);
            }
            if self.outgoing.is_empty()
                && let Some(end) = self.end
            {
                // Hanging up says the same, should the socket be full.
                frame::put(&self.client.socket, &[frame::DETACH]);
                return Ok(end);
            }
            self.wait(hooks)?;
        }
    }

    /// Waits until something can be done, and does what is not frames.
    fn wait(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.pending.is_none());
        flags.set(PollFlags::OUT, !self.outgoing.is_empty());
        let output = self.pending.as_ref().and_then(|pending| self.output(pending.stderr).fd);
        let input = self.stdin.filter(|_| self.outgoing.is_empty() && !self.eof && self.end.is_none());
        let (woken, writable, readable) = {
            let wake = hooks.wake_fd();
            let mut fds = [const { None }; 4];
            let socket = self.client.socket.as_fd();
            // While output waits, a hang-up of the socket is no news and would make this loop spin.
            let listen = (!flags.is_empty()).then_some((socket, flags));
            let wants = [
                listen,
                wake.map(|fd| (fd, PollFlags::IN)),
                output.map(|fd| (fd, PollFlags::OUT)),
                input.map(|fd| (fd, PollFlags::IN)),
            ];
            let mut polled = Vec::with_capacity(4);
            for (at, want) in wants.into_iter().enumerate() {
                if let Some((fd, flags)) = want {
                    fds[at] = Some(polled.len());
                    polled.push(PollFd::from_borrowed_fd(fd, flags));
                }
            }
            match poll(&mut polled, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(()),
                Err(error) => return Err(error).context("wait for the container"),
            }
            let ready = |at: usize| fds[at].is_some_and(|at| !polled[at].revents().is_empty());
            (ready(1), ready(2), ready(3))
        };
        if woken && let Some((rows, cols)) = hooks.wake()? {
            self.client.resize(rows, cols);
        }
        if writable {
            self.write()?;
        }
        if readable {
            self.read_typed(hooks)?;
        }
        Ok(())
    }

    fn output(&self, stderr: bool) -> &Sinkhole<'_> {
        if stderr { &self.stderr } else { &self.stdout }
    }

    /// Takes frames until one has to be written; each is written as far as it goes without waiting.
    fn receive(&mut self) -> Result<Option<Ended>> {
        loop {
            let length = match frame::take(&self.client.socket, &mut self.incoming) {
                Got::Frame(length) => length,
                Got::Empty => return Ok(None),
                Got::Gone => return Ok(Some(Ended::Lost)),
            };
            let stderr = match Reply::decode(&self.incoming[..length]) {
                Some(Reply::Exit { code }) => return Ok(Some(Ended::Exit(code))),
                Some(Reply::Stdout(_)) => false,
                Some(Reply::Stderr(_)) => true,
                Some(Reply::Hello { .. } | Reply::Checked(_)) | None => continue,
            };
            if self.output(stderr).fd.is_none() || length == 1 {
                continue;
            }
            self.pending = Some(Pending { stderr, from: 1, to: length });
            self.write()?;
            if self.pending.is_some() {
                return Ok(None);
            }
        }
    }

    /// Writes what is pending, as far as it goes.
    fn write(&mut self) -> Result<()> {
        while let Some(Pending { stderr, from, to }) = self.pending {
            let sink = if stderr { &mut self.stderr } else { &mut self.stdout };
            let Some(fd) = sink.fd else {
                self.pending = None;
                return Ok(());
            };
            match write_some(fd, &mut sink.manner, &self.incoming[from..to]) {
                Ok(None) => return Ok(()),
                Ok(Some(length)) if from + length < to => {
                    self.pending = Some(Pending { stderr, from: from + length, to });
                }
                Ok(Some(_)) => self.pending = None,
                // Our reader has enough (`| head`): we end as whoever writes to a closed pipe does. The container is
                // not disturbed by that.
                Err(rustix::io::Errno::PIPE) if !stderr => {
                    return Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("write the container's output");
                }
                Err(rustix::io::Errno::PIPE | rustix::io::Errno::IO) => {
                    sink.fd = None;
                    self.pending = None;
                }
                Err(error) => return Err(error).context("write the container's output"),
            }
        }
        Ok(())
    }

    fn read_typed(&mut self, hooks: &mut dyn Hooks) -> Result<()> {
        let Some(stdin) = self.stdin else { return Ok(()) };
        // The callback may add what it kept back before: leave it room in the frame.
        let room = PAYLOAD - 64;
        match rustix::io::read(stdin, &mut self.typed[..room]) {
            Ok(0) => self.end_input(hooks),
            Ok(length) => {
                self.outgoing.clear();
                self.outgoing.push(frame::STDIN);
                if hooks.typed(&self.typed[..length], &mut self.outgoing) {
                    self.end = Some(Ended::Detached);
                }
                if self.outgoing.len() == 1 {
                    self.outgoing.clear();
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // EIO: a terminal whose session is over, or that we are in the background of.
            Err(rustix::io::Errno::IO) => self.end_input(hooks),
            Err(error) => return Err(error).context("read standard input"),
        }
        Ok(())
    }

    /// Nothing more is typed: what was kept back goes out, then the end itself.
    fn end_input(&mut self, hooks: &mut dyn Hooks) {
        self.eof = true;
        self.outgoing.clear();
        self.outgoing.push(frame::STDIN);
        hooks.typed_all(&mut self.outgoing);
        if self.outgoing.len() == 1 {
            self.outgoing.clear();
        }
    }

    /// Sends what waits for the monitor. `false`: it is gone.
    fn send(&mut self) -> bool {
        loop {
            if self.outgoing.is_empty() {
                let next = if self.eof && self.stdin.take().is_some() {
                    frame::STDIN_EOF
                } else {
                    return true;
                };
                self.outgoing.push(next);
            }
            match frame::put(&self.client.socket, &self.outgoing) {
                Sent::Done => self.outgoing.clear(),
                Sent::Full => return true,
                Sent::Gone => {
                    self.outgoing.clear();
                    self.stdin = None;
                    return false;
                }
            }
        }
    }
}
