//! The loop of a monitor: one epoll set, one thread, buffers that are made once.
//!
//! `table.rs` says what is done upon which event; here is how. Descriptors are level-triggered, and after each event
//! their interest is set anew from what the loop could take: output is not read while the foreground client is behind,
//! clients are not read while the container does not take its stdin.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event as Ready, EventData, EventFlags};
use rustix::termios::{Winsize, tcsetwinsize};

use super::attach::{self, Backlog, Client};
use super::config::MonitorConfig;
use super::exit::{Child, End};
use super::frame::{self, FRAME, Got, PAYLOAD, Request, Sent};
use super::health::Watchman;
use super::log::{Log, Stream};
use super::relay::Relay;
use super::report::{Channel, Command, Report, failure};
use super::stdio::{self, Input, MonitorEnds, Read, Written};
use super::table::{Action, Event, State, decide};
use crate::model::container::{EndCause, ProcessRef};
use crate::model::error::Error;
use crate::model::health::{OnFailure, Verdict};
use crate::runtime::notify::Notify;
use crate::sys::process;
use crate::sys::signal::Signals;

/// How long a created container waits for its start: the engine connects its network meanwhile.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long the foreground client may take to say that it cleans up, once it has everything.
const CLEANING_PATIENCE: Duration = Duration::from_secs(10);
/// The exit code of a process whose time was over.
const TIMED_OUT: i32 = 255;
/// How often a terminal that nobody has open is looked at.
const TERMINAL_TICK: Duration = Duration::from_millis(100);
/// What is read at the end of a container at most, should others go on writing into its pipes.
const DRAIN_LIMIT: usize = 4 << 20;
/// How many full reads one event may bring, so that no descriptor starves the others.
const READS: usize = 16;
/// How long an engine may take to answer, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tokens of the epoll set.
const CHANNEL: u64 = 0;
const CHILD: u64 = 1;
const OUTPUT: [u64; 2] = [2, 3];
const STDIN: u64 = 4;
const LISTENER: u64 = 5;
const RELAY: u64 = 6;
const NOTIFY: u64 = 7;
const HEALTH: u64 = 8;
const SIGNALS: u64 = 9;
const GATE: u64 = 10;
/// Clients are this and their slot; the foreground client has slot 0.
const CLIENT: u64 = 16;
const FOREGROUND: usize = 0;

/// What has to be known before the loop.
pub(crate) struct Setup<'a> {
    pub(crate) child: Child,
    pub(crate) ends: MonitorEnds,
    /// Whether clients may write to stdin.
    pub(crate) stdin: bool,
    pub(crate) log: Log,
    pub(crate) listener: Option<OwnedFd>,
    pub(crate) foreground: Option<OwnedFd>,
    pub(crate) channel: Option<Channel>,
    /// Carries what comes to published ports by loopback.
    pub(crate) relay: Option<Relay>,
    /// Carries what the container tells its service manager.
    pub(crate) notify: Option<Notify>,
    /// Makes the health checks.
    pub(crate) health: Option<Watchman<'a>>,
    /// Of whom other checks may be asked in the middle of its run.
    pub(crate) reload: Option<(&'a MonitorConfig, ProcessRef)>,
    /// SIGTERM, which asks for the container's end.
    pub(crate) signals: Option<Signals>,
    pub(crate) stop: Option<Stop<'a>>,
    /// Lets the process execute its program. None: it runs already.
    pub(crate) start: Option<Starter<'a>>,
    /// Opens the gate at which a later engine says `Start`.
    pub(crate) keep: Option<Keeper<'a>>,
    /// Start without waiting for the command.
    pub(crate) immediately: bool,
    /// How long the process may run.
    pub(crate) timeout: Option<Duration>,
    /// Whether anything is to be cleaned up after the end: if not, nobody has to say who does it.
    pub(crate) cleans: bool,
    /// Writes the record of the end; the log is complete then.
    pub(crate) record: &'a mut dyn FnMut(End, Option<EndCause>),
}

/// How a container is asked to end.
pub(crate) struct Stop<'a> {
    pub(crate) signal: i32,
    pub(crate) grace: Duration,
    /// Lets a paused one hear it.
    pub(crate) thaw: &'a dyn Fn(),
}

/// Lets the process execute its program.
pub(crate) type Starter<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// Opens the gate at which the process waits, and records that it does.
pub(crate) type Keeper<'a> = Box<dyn FnOnce() -> Result<OwnedFd> + 'a>;

/// How the loop ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The container ran and ended, and the foreground client cleans up.
    Left,
    /// It ran and ended, and nobody but us cleans up.
    CleanUp,
    /// It never ran: what was made for it is to be undone, and then reported. The process is dead.
    Undone(Option<(Channel, Error)>),
}

/// Serves a container from its creation to its end.
pub(crate) fn serve(setup: Setup<'_>) -> Result<Outcome> {
    let mut duty = Duty::new(setup)?;
    let result = duty.run();
    if result.is_err() && duty.state == State::Created {
        duty.child.kill();
    }
    result
}

/// The state of the loop.
struct Duty<'a> {
    epoll: OwnedFd,
    state: State,
    outcome: Outcome,
    child: Child,
    /// The descriptors of stdout and stderr; with a terminal the first is its master. `None`: at its end.
    outputs: [Option<OwnedFd>; 2],
    output_watched: [Option<EventFlags>; 2],
    /// When a terminal that nobody had open is looked at again.
    terminal_retry: Option<Instant>,
    tty: bool,
    stdin: Option<OwnedFd>,
    stdin_watched: Option<EventFlags>,
    accepts_stdin: bool,
    input: Input,
    log: Log,
    listener: Option<OwnedFd>,
    clients: [Option<Client>; attach::CLIENTS],
    backlog: Backlog,
    channel: Option<Channel>,
    relay: Option<Relay>,
    notify: Option<Notify>,
    health: Option<Watchman<'a>>,
    reload: Option<(&'a MonitorConfig, ProcessRef)>,
    signals: Option<Signals>,
    stop: Option<Stop<'a>>,
    /// Why we end the container by ourselves.
    cause: Option<EndCause>,
    /// Where the relay leads, once the engine has said so.
    addresses: Vec<IpAddr>,
    start: Option<Starter<'a>>,
    keep: Option<Keeper<'a>>,
    /// Where a later engine knocks.
    gate: Option<OwnedFd>,
    /// Of the start, then of the run, then of the foreground client.
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    timed_out: bool,
    cleans: bool,
    record: &'a mut dyn FnMut(End, Option<EndCause>),
    buffer: Vec<u8>,
}

impl<'a> Duty<'a> {
    fn new(setup: Setup<'a>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("make an epoll set")?;
        let mut tty = false;
        let (stdin, outputs) = match setup.ends {
            MonitorEnds::Terminal(master) => {
                tty = true;
                (None, [Some(master), None])
            }
            MonitorEnds::Pipes { stdin, stdout, stderr } => (stdin, [Some(stdout), Some(stderr)]),
            MonitorEnds::Nothing => (None, [None, None]),
        };
        let accepts_stdin = setup.stdin && (tty || stdin.is_some());
        let mut duty = Self {
            epoll,
            state: if setup.start.is_some() { State::Created } else { State::Running },
            outcome: Outcome::CleanUp,
            child: setup.child,
            outputs,
            output_watched: [None; 2],
            terminal_retry: None,
            tty,
            stdin,
            stdin_watched: None,
            accepts_stdin,
            input: Input::new(),
            log: setup.log,
            listener: setup.listener,
            clients: [const { None }; attach::CLIENTS],
            backlog: Backlog::new(),
            channel: setup.channel,
            relay: setup.relay,
            notify: setup.notify,
            health: setup.health,
            reload: setup.reload,
            signals: setup.signals,
            stop: setup.stop,
            cause: None,
            addresses: Vec::new(),
            start: setup.start,
            keep: setup.keep,
            gate: None,
            deadline: None,
            timeout: setup.timeout,
            timed_out: false,
            cleans: setup.cleans,
            record: setup.record,
            buffer: vec![0; FRAME],
        };
        duty.watch(CHILD, duty.child.pidfd(), EventFlags::IN)?;
        if let Some(channel) = &duty.channel {
            duty.watch(CHANNEL, channel.as_fd(), EventFlags::IN)?;
        }
        if let Some(listener) = &duty.listener {
            duty.watch(LISTENER, listener.as_fd(), EventFlags::IN)?;
        }
        if let Some(relay) = &duty.relay {
            duty.watch(RELAY, relay.as_fd(), EventFlags::IN)?;
        }
        if let Some(notify) = &duty.notify {
            duty.watch(NOTIFY, notify.as_fd(), EventFlags::IN)?;
        }
        if let Some(signals) = &duty.signals {
            duty.watch(SIGNALS, signals.as_fd(), EventFlags::IN)?;
        }
        if let Some(socket) = setup.foreground {
            duty.clients[FOREGROUND] = Some(Client::greet(socket, tty, accepts_stdin));
        }
        if duty.state == State::Created {
            duty.deadline = Some(Instant::now() + START_PATIENCE);
            if setup.immediately {
                duty.happen(Event::Start)?;
            }
        } else {
            duty.deadline = duty.time_limit();
            duty.health.iter_mut().for_each(Watchman::begin);
        }
        Ok(duty)
    }

    fn watch(&self, token: u64, fd: BorrowedFd<'_>, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, fd, EventData::new_u64(token), flags).context("watch a descriptor")
    }

    fn run(&mut self) -> Result<Outcome> {
        let mut events: Vec<Ready> = Vec::with_capacity(32);
        while self.state != State::Gone {
            self.set_interest()?;
            events.clear();
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("wait for events"),
            }
            // The end last: what was written before it is read first, while clients still listen.
            let mut ended = false;
            for event in &events {
                let (token, flags) = (event.data.u64(), event.flags);
                match token {
                    CHILD => ended = true,
                    CHANNEL => self.hear_engine()?,
                    LISTENER => self.greet_clients(),
                    RELAY => {
                        if let Some(relay) = &mut self.relay {
                            relay.handle();
                        }
                    }
                    NOTIFY => {
                        if let Some(notify) = &mut self.notify {
                            notify.handle(&mut self.buffer);
                        }
                    }
                    HEALTH => self.judge()?,
                    SIGNALS => self.hear_signals()?,
                    GATE => self.let_in()?,
                    STDIN => self.write_stdin(),
                    2 => {
                        // A terminal is read and written through one descriptor.
                        if flags.contains(EventFlags::OUT) {
                            self.write_stdin();
                        }
                        self.read_output(Stream::Stdout, flags);
                    }
                    3 => self.read_output(Stream::Stderr, flags),
                    _ => self.hear_client(usize::try_from(token - CLIENT).unwrap_or(usize::MAX), flags)?,
                }
                if self.state == State::Gone {
                    break;
                }
            }
            if ended && self.state != State::Gone {
                self.happen(Event::ChildExited)?;
            }
            self.tick()?;
        }
        Ok(std::mem::replace(&mut self.outcome, Outcome::CleanUp))
    }

    /// How long to wait for events.
    fn timeout(&self) -> Option<Timespec> {
        let health = self.health.as_ref().and_then(Watchman::deadline);
        let next = [self.deadline, self.terminal_retry, health].into_iter().flatten().min()?;
        let left = next.saturating_duration_since(Instant::now());
        Some(Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        })
    }

    fn tick(&mut self) -> Result<()> {
        if self.terminal_retry.is_some_and(|at| at <= Instant::now()) {
            self.terminal_retry = None;
        }
        if self.health.as_mut().is_some_and(Watchman::tick) {
            self.watch_health()?;
        }
        if self.deadline.is_some_and(|at| at <= Instant::now()) {
            self.deadline = None;
            self.happen(Event::Deadline)?;
        }
        if self.state == State::Leaving && self.deadline.is_none() && self.backlog.is_empty() {
            let event = match &self.clients[FOREGROUND] {
                Some(_) if self.cleans => Event::Delivered,
                // What is sent is kept for the client when we end.
                Some(_) => Event::Cleaning,
                None => Event::ForegroundGone,
            };
            self.happen(event)?;
        }
        Ok(())
    }

    /// Does what the table says.
    fn happen(&mut self, event: Event) -> Result<()> {
        let (action, next) = decide(self.state, event);
        self.state = next;
        match action {
            Action::Nothing => {}
            Action::Start => {
                self.deadline = None;
                (self.keep, self.gate) = (None, None);
                // Accepting waits in the loop: nothing is relayed before the program runs.
                let relayed = self.relay.as_mut().map_or(Ok(()), |relay| relay.open(&self.addresses));
                let started = relayed.context("relay published ports");
                match started.and_then(|()| self.start.take().map_or(Ok(()), |start| start())) {
                    Ok(()) => {
                        self.deadline = self.time_limit();
                        self.report(&Report::Running);
                        self.health.iter_mut().for_each(Watchman::begin);
                    }
                    Err(error) => {
                        self.happen(Event::StartFailed)?;
                        self.undone(Some(failure(&error)));
                    }
                }
            }
            Action::Keep => match self.keep_it() {
                Ok(()) => {
                    self.deadline = None;
                    self.report(&Report::Kept);
                }
                Err(error) => {
                    self.happen(Event::StartFailed)?;
                    self.undone(Some(failure(&error)));
                }
            },
            Action::Died => {
                let how = match self.child.end().ok().flatten() {
                    Some(End::Signal(signal)) => format!("by signal {signal}"),
                    Some(end) => format!("with code {}", end.code()),
                    None => "for no known reason".to_owned(),
                };
                let message = format!("the container's first process ended before its start, {how}");
                self.undone(Some(Error::unavailable(message)));
            }
            Action::Stop => self.ask_to_end(),
            Action::Kill => {
                self.timed_out = self.cause.is_none();
                self.child.signal_kill();
            }
            Action::Undo => {
                self.start = None;
                self.child.kill();
                self.outcome = Outcome::Undone(None);
            }
            Action::Close => self.channel = None,
            Action::Finish => self.finish()?,
            Action::Await => self.deadline = Some(Instant::now() + CLEANING_PATIENCE),
            Action::Leave => self.outcome = Outcome::Left,
            Action::CleanUp => self.outcome = Outcome::CleanUp,
        }
        Ok(())
    }

    fn keep_it(&mut self) -> Result<()> {
        let gate = self.keep.take().map(|keep| keep()).transpose()?;
        if let Some(gate) = &gate {
            self.watch(GATE, gate.as_fd(), EventFlags::IN)?;
        }
        self.gate = gate;
        Ok(())
    }

    /// Takes the engine that knocks for ours. It holds the container's lock, so one before it is done.
    fn let_in(&mut self) -> Result<()> {
        let Some(socket) = self.gate.as_ref().and_then(|gate| attach::accept(gate.as_fd())) else { return Ok(()) };
        self.watch(CHANNEL, socket.as_fd(), EventFlags::IN)?;
        self.channel = Some(Channel::from_fd(socket));
        Ok(())
    }

    /// Sends the stop signal; SIGKILL follows when the grace is over.
    fn ask_to_end(&mut self) {
        self.health.iter_mut().for_each(Watchman::end);
        let Some(stop) = &self.stop else { return };
        if stop.grace.is_zero() {
            self.child.signal_kill();
        } else {
            // It may have ended by itself meanwhile.
            process::signal(self.child.pidfd(), stop.signal).ok();
            self.deadline = Instant::now().checked_add(stop.grace);
        }
        // What is paused is signalled, then thawed.
        (stop.thaw)();
    }

    /// Ends the container for a reason of our own; the first one counts.
    fn end_because(&mut self, cause: EndCause) -> Result<()> {
        if self.cause.is_some() {
            return Ok(());
        }
        self.cause = Some(cause);
        self.happen(Event::Stop)
    }

    fn hear_signals(&mut self) -> Result<()> {
        while let Some(signal) = self.signals.as_ref().and_then(|signals| signals.next().ok().flatten()) {
            if signal == libc::SIGTERM {
                self.end_because(EndCause::Terminated)?;
            }
        }
        Ok(())
    }

    /// Watches the health check that was begun.
    fn watch_health(&self) -> Result<()> {
        match self.health.as_ref().and_then(Watchman::current) {
            Some(clone) => self.watch(HEALTH, clone, EventFlags::IN),
            None => Ok(()),
        }
    }

    /// Draws the consequences of a health check that has ended.
    fn judge(&mut self) -> Result<()> {
        let Some(health) = &mut self.health else { return Ok(()) };
        if let Some(clone) = health.current() {
            // Closing would take it out as well, but not while the next clone holds a copy.
            epoll::delete(&self.epoll, clone).ok();
        }
        let (success, verdict) = health.conclude();
        let (askers, on_failure) = (std::mem::take(&mut health.askers), health.on_failure());
        self.answer(askers, success);
        match verdict {
            Verdict::Nothing | Verdict::Changed => Ok(()),
            Verdict::StartupFailed => self.end_because(EndCause::HealthRestart),
            Verdict::Unhealthy { .. } => match on_failure {
                OnFailure::None => Ok(()),
                OnFailure::Kill => {
                    self.child.signal_kill();
                    Ok(())
                }
                OnFailure::Stop => self.end_because(EndCause::HealthStop),
                OnFailure::Restart => self.end_because(EndCause::HealthRestart),
            },
        }
    }

    /// Tells the clients in `slots` how the check went that they asked for.
    fn answer(&mut self, slots: u32, success: Option<bool>) {
        for slot in (0..self.clients.len()).filter(|slot| slots >> slot & 1 == 1) {
            if let Some(client) = &self.clients[slot] {
                frame::put(client.socket(), &frame::checked(success));
            }
        }
    }

    /// When a process that runs from now on is to be killed.
    fn time_limit(&self) -> Option<Instant> {
        self.timeout.and_then(|timeout| Instant::now().checked_add(timeout))
    }

    /// Leaves the loop; who called it undoes and reports.
    fn undone(&mut self, error: Option<Error>) {
        self.outcome = Outcome::Undone(self.channel.take().zip(error));
    }

    fn report(&self, report: &Report) {
        if let Some(channel) = &self.channel {
            // An engine that is gone needs no report; that it is gone shows on the channel.
            channel.send(report, PATIENCE).ok();
        }
    }

    fn hear_engine(&mut self) -> Result<()> {
        let Some(channel) = &self.channel else { return Ok(()) };
        match channel.receive::<Command>(PATIENCE) {
            Ok(Some(Command::Start { addresses })) => {
                self.addresses = addresses;
                self.happen(Event::Start)
            }
            Ok(Some(Command::Keep)) => self.happen(Event::Keep),
            Ok(None) | Err(_) => self.happen(Event::EngineGone),
        }
    }

    /// Reaps, drains, records, and tells the clients.
    fn finish(&mut self) -> Result<()> {
        let Some(end) = self.child.end().context("reap the container")? else {
            // The pidfd fired too early; it will again.
            self.state = State::Running;
            return Ok(());
        };
        self.deadline = None;
        // As podman has it.
        let end = if self.timed_out { End::Code(TIMED_OUT) } else { end };
        epoll::delete(&self.epoll, self.child.pidfd()).context("stop watching the container")?;
        let mut drained = 0;
        for stream in [Stream::Stdout, Stream::Stderr] {
            while let Some(fd) = &self.outputs[stream as usize]
                && drained < DRAIN_LIMIT
                && let Read::Data(length) = stdio::read(fd.as_fd(), &mut self.buffer[1..])
            {
                drained += length;
                self.deliver(stream, length);
            }
        }
        self.outputs = [None, None];
        self.output_watched = [None; 2];
        self.terminal_retry = None;
        self.stdin = None;
        self.stdin_watched = None;
        self.input.fill(&[]);
        self.listener = None;
        self.gate = None;
        self.relay = None;
        self.log.finish();
        if let Some(mut health) = self.health.take() {
            health.end();
        }
        (self.record)(end, self.cause);
        let farewell = frame::exit(end.code());
        for slot in FOREGROUND + 1..self.clients.len() {
            if let Some(client) = self.clients[slot].take() {
                frame::put(client.socket(), &farewell);
            }
        }
        if let Some(client) = &self.clients[FOREGROUND]
            && !self.backlog.send(client.socket(), &farewell)
        {
            self.drop_client(FOREGROUND);
        }
        Ok(())
    }

    /// Reads what the container printed.
    fn read_output(&mut self, stream: Stream, flags: EventFlags) {
        for _ in 0..READS {
            let Some(fd) = &self.outputs[stream as usize] else { return };
            match stdio::read(fd.as_fd(), &mut self.buffer[1..]) {
                Read::Data(length) => {
                    self.deliver(stream, length);
                    if !self.backlog.is_empty() || length < PAYLOAD {
                        return;
                    }
                }
                Read::Empty if flags.contains(EventFlags::HUP) && self.tty => return self.rest_terminal(),
                Read::Empty => return,
                Read::End if self.tty => return self.rest_terminal(),
                Read::End => {
                    self.outputs[stream as usize] = None;
                    // Closing it took it out of the epoll set.
                    self.output_watched[stream as usize] = None;
                    return;
                }
            }
        }
    }

    /// Nobody has the terminal open: look again in a while, for its hang-up stays readable.
    fn rest_terminal(&mut self) {
        self.terminal_retry = Some(Instant::now() + TERMINAL_TICK);
    }

    /// Gives `length` bytes, which lie behind the first byte of the buffer, to the log and the clients.
    fn deliver(&mut self, stream: Stream, length: usize) {
        self.log.write(stream, &self.buffer[1..=length]);
        self.buffer[0] = match stream {
            Stream::Stdout => frame::STDOUT,
            Stream::Stderr => frame::STDERR,
        };
        for slot in 0..self.clients.len() {
            let Some(client) = &self.clients[slot] else { continue };
            let frame = &self.buffer[..=length];
            let keeps_up = if slot == FOREGROUND {
                self.backlog.send(client.socket(), frame)
            } else {
                frame::put(client.socket(), frame) == Sent::Done
            };
            if !keeps_up {
                self.drop_client(slot);
            }
        }
    }

    fn greet_clients(&mut self) {
        loop {
            let Some(socket) = self.listener.as_ref().and_then(|listener| attach::accept(listener.as_fd())) else {
                return;
            };
            if let Some(free) = self.clients.iter_mut().skip(FOREGROUND + 1).find(|slot| slot.is_none()) {
                *free = Some(Client::greet(socket, self.tty, self.accepts_stdin));
            }
        }
    }

    /// Forgets a client. The loop notices by itself when it was the foreground one.
    fn drop_client(&mut self, slot: usize) {
        if let Some(client) = self.clients[slot].take()
            && client.watched.is_some()
        {
            // Closing takes it out as well, but not while a child that has not executed yet holds a copy.
            epoll::delete(&self.epoll, client.socket()).ok();
        }
        if let Some(health) = &mut self.health {
            // The next one in this place did not ask.
            health.askers &= !(1 << slot);
        }
        if slot == FOREGROUND {
            self.backlog.clear();
        }
    }

    fn hear_client(&mut self, slot: usize, flags: EventFlags) -> Result<()> {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            client.hung_up = true;
            if slot == FOREGROUND {
                // Nobody is left to read it.
                self.backlog.clear();
            }
        }
        if slot == FOREGROUND && flags.contains(EventFlags::OUT) && !self.backlog.flush(client.socket()) {
            self.drop_client(slot);
            return self.happen(Event::ForegroundGone);
        }
        // One frame may fill the input; then the others have to wait.
        while self.input.is_empty() {
            let Some(client) = &self.clients[slot] else { break };
            // A client has its own frames: the buffer for output may not be used up here, but never holds anything yet.
            match frame::take(client.socket(), &mut self.buffer) {
                Got::Frame(length) => self.obey(slot, length)?,
                Got::Empty => break,
                Got::Gone => {
                    self.drop_client(slot);
                    if slot == FOREGROUND {
                        self.happen(Event::ForegroundGone)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Does what the frame in the buffer asks for.
    fn obey(&mut self, slot: usize, length: usize) -> Result<()> {
        match Request::decode(&self.buffer[..length]) {
            Some(Request::Stdin(bytes)) if self.accepts_stdin && self.state != State::Leaving => {
                self.input.fill(bytes);
                self.write_stdin();
            }
            Some(Request::StdinEof) if !self.tty => {
                self.input.close();
                self.write_stdin();
            }
            Some(Request::Resize { rows, cols }) if self.tty => {
                if let Some(master) = &self.outputs[0] {
                    let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
                    // A terminal that is hung up has no size any more.
                    tcsetwinsize(master, size).ok();
                }
            }
            Some(Request::Detach) => {
                self.drop_client(slot);
                if slot == FOREGROUND {
                    self.happen(Event::ForegroundGone)?;
                }
            }
            Some(Request::Check) => {
                let Some(health) = &mut self.health else {
                    self.answer(1 << slot, None);
                    return Ok(());
                };
                health.askers |= 1 << slot;
                if health.ask() {
                    self.watch_health()?;
                } else if health.current().is_none() {
                    let askers = std::mem::take(&mut health.askers);
                    self.answer(askers, None);
                }
            }
            Some(Request::Reload) if self.state == State::Running => {
                if let Some(health) = &mut self.health {
                    let askers = std::mem::take(&mut health.askers);
                    self.answer(askers, None);
                }
                if let Some((config, init)) = self.reload {
                    self.health = Watchman::reload(self.health.take(), config, init);
                }
                self.answer(1 << slot, None);
            }
            Some(Request::Cleaning) if slot == FOREGROUND => self.happen(Event::Cleaning)?,
            _ => {}
        }
        Ok(())
    }

    fn write_stdin(&mut self) {
        let Some(fd) = (if self.tty { &self.outputs[0] } else { &self.stdin }) else {
            self.input.fill(&[]);
            return;
        };
        match self.input.write(fd.as_fd()) {
            Written::All | Written::Waits => {}
            Written::Close if self.tty => {}
            Written::Close => {
                // Closing it is the container's end of file.
                self.stdin = None;
                self.stdin_watched = None;
                self.accepts_stdin = false;
            }
        }
    }

    /// Tells epoll what we can take now.
    fn set_interest(&mut self) -> io::Result<()> {
        let epoll = self.epoll.as_fd();
        let writes = !self.input.is_empty();
        let reads = self.backlog.is_empty();
        for stream in [0, 1] {
            let Some(fd) = &self.outputs[stream] else { continue };
            let mut want = EventFlags::empty();
            want.set(EventFlags::IN, reads && self.terminal_retry.is_none());
            want.set(EventFlags::OUT, self.tty && writes && self.terminal_retry.is_none());
            // Without interest it is taken out: a hang-up would be told again and again.
            let want = (!want.is_empty()).then_some(want);
            set(epoll, OUTPUT[stream], fd.as_fd(), &mut self.output_watched[stream], want)?;
        }
        if let Some(fd) = &self.stdin {
            // Its error (the container closed its end) is told whatever we ask for.
            let want = if writes { EventFlags::OUT } else { EventFlags::empty() };
            set(epoll, STDIN, fd.as_fd(), &mut self.stdin_watched, writes.then_some(want))?;
        }
        for (slot, client) in self.clients.iter_mut().enumerate() {
            let Some(client) = client else { continue };
            let mut want = EventFlags::empty();
            want.set(EventFlags::IN, !writes);
            want.set(EventFlags::OUT, slot == FOREGROUND && !reads);
            // One that hung up is read to its end when there is room again.
            let want = (!(client.hung_up && want.is_empty())).then_some(want);
            let mut watched = client.watched;
            set(epoll, CLIENT + slot as u64, client.socket(), &mut watched, want)?;
            client.watched = watched;
        }
        Ok(())
    }
}

/// Changes the registration of `fd` from `have` to `want`.
fn set(
    epoll: BorrowedFd<'_>,
    token: u64,
    fd: BorrowedFd<'_>,
    have: &mut Option<EventFlags>,
    want: Option<EventFlags>,
) -> io::Result<()> {
    if *have == want {
        return Ok(());
    }
    let data = EventData::new_u64(token);
    match (*have, want) {
        (None, Some(flags)) => epoll::add(epoll, fd, data, flags)?,
        (Some(_), Some(flags)) => epoll::modify(epoll, fd, data, flags)?,
        (Some(_), None) => epoll::delete(epoll, fd)?,
        (None, None) => {}
    }
    *have = want;
    Ok(())
}
