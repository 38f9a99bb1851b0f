//! The loop with real children, pipes and terminals, as an engine and a command see it.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::client::{AttachClient, Ended, Hooks, Streams};
use super::exit::{Child, End};
use super::log::read::{Piece, Query, Sink, read};
use super::log::{self, Log, Stream};
use super::report::{self, Channel, Report};
use super::serve::{Outcome, Setup, serve};
use super::stdio::{self, Kind, MonitorEnds};
use crate::model::log::{LogConfig, LogDriver};

const PATIENCE: Duration = Duration::from_secs(20);

/// A child under a monitor in a thread of this test.
struct Case {
    dir: PathBuf,
    log: LogConfig,
    channel: Channel,
    result: mpsc::Receiver<(Result<Outcome>, Option<End>)>,
}

struct Options<'a> {
    script: &'a str,
    driver: LogDriver,
    stdin: bool,
    tty: bool,
    foreground: Option<OwnedFd>,
    gated: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { script: "", driver: LogDriver::K8sFile, stdin: false, tty: false, foreground: None, gated: false }
    }
}

fn me() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// A terminal for the child: the master, and the slave as its three streams.
fn terminal() -> (MonitorEnds, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (stdio::terminal(master).unwrap(), slave)
}

// The monitor in the thread reaps the child.
#[allow(clippy::zombie_processes)]
fn start(name: &str, options: Options<'_>) -> Case {
    let dir = std::env::temp_dir().join(format!("dhow-serve-{}-{name}", std::process::id()));
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir_all(&dir).unwrap();
    let log = LogConfig { driver: options.driver, ..LogConfig::default() };
    let (ends, streams) = if options.tty {
        let (ends, slave) = terminal();
        let copy = || slave.try_clone().unwrap();
        (ends, [copy(), copy(), slave.try_clone().unwrap()])
    } else {
        let (process, ends) = stdio::create(Kind::Fifos(&dir), options.stdin, me()).unwrap();
        (ends, [process.stdin, process.stdout, process.stderr])
    };
    let [stdin, stdout, stderr] = streams.map(Stdio::from);
    let child = Command::new("/bin/sh")
        .args(["-c", options.script])
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let listener = super::attach::listen(&dir.join("attach")).unwrap();
    let (engine, channel) = Channel::pair().unwrap();
    let (done, result) = mpsc::channel();
    let writer = Log::open(&log, &dir).unwrap();
    let (foreground, stdin, gated) = (options.foreground, options.stdin, options.gated);
    std::thread::spawn(move || {
        let mut end = None;
        let outcome = serve(Setup {
            child: Child::Ours(pidfd),
            ends,
            stdin,
            log: writer,
            listener: Some(listener),
            foreground,
            channel: Some(channel),
            relay: None,
            notify: None,
            health: None,
            reload: None,
            signals: None,
            stop: None,
            start: gated.then(|| Box::new(|| Ok(())) as super::serve::Starter<'_>),
            keep: None,
            immediately: false,
            timeout: None,
            cleans: true,
            record: &mut |how, _| end = Some(how),
        });
        done.send((outcome, end)).ok();
    });
    Case { dir, log, channel: engine, result }
}

#[derive(Default)]
struct Lines(Vec<u8>);

impl Sink for Lines {
    fn piece(&mut self, piece: &Piece<'_>) -> Result<ControlFlow<()>> {
        if piece.stream == Stream::Stderr && piece.begins {
            self.0.extend_from_slice(b"E:");
        }
        self.0.extend_from_slice(piece.text);
        if piece.ends {
            self.0.push(b'\n');
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Case {
    fn end(&self) -> (Outcome, Option<End>) {
        let (outcome, end) = self.result.recv_timeout(PATIENCE).expect("the monitor ends");
        (outcome.unwrap(), end)
    }

    fn logged(&self) -> Vec<u8> {
        let mut lines = Lines::default();
        read(self.log.driver, &log::path(&self.log, &self.dir), &Query::default(), None, &mut lines).unwrap();
        lines.0
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

/// No detach keys and no signals.
struct NoHooks;

impl Hooks for NoHooks {}

/// Relays with what is typed given, and returns the end and what was printed.
fn relay(client: &AttachClient, typed: Option<&[u8]>) -> (Ended, Vec<u8>) {
    let (read_out, write_out) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let input = typed.map(|typed| {
        let (read_in, write_in) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let typed = typed.to_vec();
        std::thread::spawn(move || File::from(write_in).write_all(&typed).ok());
        read_in
    });
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(read_out).read_to_end(&mut bytes).unwrap();
        bytes
    });
    let ended = {
        let streams = Streams {
            stdin: input.as_ref().map(AsFd::as_fd),
            stdout: Some(write_out.as_fd()),
            stderr: Some(write_out.as_fd()),
        };
        client.relay(&streams, &mut NoHooks).unwrap()
    };
    drop(write_out);
    (ended, reader.join().unwrap())
}

#[test]
fn a_detached_container_is_logged_and_recorded() {
    let case = start(
        "detached",
        Options { script: "echo out; sleep 0.2; echo err >&2; sleep 0.2; printf rest; exit 3", ..Options::default() },
    );
    let (outcome, end) = case.end();
    assert!(matches!(outcome, Outcome::CleanUp), "{outcome:?}");
    assert_eq!(end, Some(End::Code(3)));
    let text = String::from_utf8(case.logged()).unwrap();
    assert!(text == "out\nE:err\nrest", "{text}");
}

#[test]
fn the_foreground_client_gets_everything_and_cleans_up() {
    let (client, theirs) = AttachClient::pair().unwrap();
    let script = "i=0; while [ $i -lt 3000 ]; do echo line number $i; i=$((i+1)); done; kill -9 $$";
    let case = start("foreground", Options { script, foreground: Some(theirs), ..Options::default() });
    let (ended, text) = relay(&client, None);
    assert_eq!(ended, Ended::Exit(137));
    client.cleaning().unwrap();
    let (outcome, end) = case.end();
    assert!(matches!(outcome, Outcome::Left), "{outcome:?}");
    assert_eq!(end, Some(End::Signal(9)));
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 3000);
    assert!(text == case.logged(), "log and client saw the same");
}

/// R36.
#[test]
fn a_slow_foreground_client_loses_nothing_and_does_not_hold_up_the_record() {
    let (client, theirs) = AttachClient::pair().unwrap();
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; exit 5";
    let case = start("slow", Options { script, foreground: Some(theirs), ..Options::default() });
    std::thread::sleep(Duration::from_millis(300));
    let (ended, text) = relay(&client, None);
    assert_eq!(ended, Ended::Exit(5));
    assert_eq!(text.len(), 3_000_001);
    drop(client);
    let (outcome, _) = case.end();
    assert!(matches!(outcome, Outcome::CleanUp), "a client that hangs up does not clean up: {outcome:?}");
    assert!(text == case.logged());
}

#[test]
fn stdin_reaches_the_container_and_ends() {
    let (client, theirs) = AttachClient::pair().unwrap();
    let options = Options { script: "sleep 0.1; wc -c", stdin: true, foreground: Some(theirs), ..Options::default() };
    let case = start("stdin", options);
    let typed = vec![b'y'; 2_000_000];
    let (ended, text) = relay(&client, Some(&typed));
    assert_eq!((ended, String::from_utf8(text).unwrap().trim()), (Ended::Exit(0), "2000000"));
    drop(client);
    case.end();
}

#[test]
fn a_terminal_has_a_size_and_echoes() {
    let (client, theirs) = AttachClient::pair().unwrap();
    client.resize(33, 77);
    let script = "read line; stty size; echo got $line";
    let options = Options { script, stdin: true, tty: true, foreground: Some(theirs), ..Options::default() };
    let case = start("terminal", options);
    let (ended, text) = relay(&client, Some(b"hello\n"));
    assert_eq!(ended, Ended::Exit(0));
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("33 77\r\n") && text.contains("got hello\r\n"), "{text:?}");
    drop(client);
    case.end();
}

#[test]
fn later_clients_see_output_and_the_exit_code() {
    let options = Options { script: "read line; echo got $line; exit 4", stdin: true, ..Options::default() };
    let case = start("later", options);
    let idle = AttachClient::connect(&case.dir.join("attach")).unwrap();
    let client = AttachClient::connect(&case.dir.join("attach")).unwrap();
    let (ended, text) = relay(&client, Some(b"hello\n"));
    assert_eq!((ended, &text[..]), (Ended::Exit(4), &b"got hello\n"[..]));
    assert_eq!(relay(&idle, None).0, Ended::Exit(4));
    let (outcome, _) = case.end();
    assert!(matches!(outcome, Outcome::CleanUp), "{outcome:?}");
}

/// R36.
#[test]
fn a_later_client_that_does_not_keep_up_is_disconnected_and_the_log_is_whole() {
    let script = "sleep 0.2; head -c 5000000 /dev/zero | tr '\\0' x; echo";
    let case = start("overflow", Options { script, ..Options::default() });
    let client = AttachClient::connect(&case.dir.join("attach")).unwrap();
    let (_, end) = case.end();
    assert_eq!(end, Some(End::Code(0)));
    assert_eq!(case.logged().len(), 5_000_001);
    let (ended, text) = relay(&client, None);
    assert_eq!(ended, Ended::Lost);
    assert!(text.len() < 1_000_000);
}

#[test]
fn detach_keys_leave_the_container_running() {
    struct Keys;
    impl Hooks for Keys {
        fn typed(&mut self, bytes: &[u8], forward: &mut Vec<u8>) -> bool {
            forward.extend(bytes.iter().take_while(|byte| **byte != b'!'));
            bytes.contains(&b'!')
        }
    }
    let case = start("detach", Options { script: "read a; read b; echo $a $b", stdin: true, ..Options::default() });
    let client = AttachClient::connect(&case.dir.join("attach")).unwrap();
    let (read_in, write_in) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::io::write(&write_in, b"one\n!").unwrap();
    let streams = Streams { stdin: Some(read_in.as_fd()), ..Streams::default() };
    assert_eq!(client.relay(&streams, &mut Keys).unwrap(), Ended::Detached);
    drop(client);
    let client = AttachClient::connect(&case.dir.join("attach")).unwrap();
    assert_eq!(relay(&client, Some(b"two\n")), (Ended::Exit(0), b"one two\n".to_vec()));
    case.end();
}

#[test]
fn an_engine_that_dies_before_the_start_takes_the_container_with_it() {
    let mut case = start("engine", Options { script: "sleep 100", gated: true, ..Options::default() });
    // Dropping our end is what the death of the engine looks like.
    case.channel = Channel::pair().unwrap().0;
    let (outcome, end) = case.end();
    assert!(matches!(outcome, Outcome::Undone(None)), "{outcome:?}");
    assert_eq!(end, None);
}

#[test]
fn the_engine_commands_the_start_and_hears_of_it() {
    let case = start("start", Options { script: "sleep 0.2", gated: true, ..Options::default() });
    case.channel.send(&report::Command::Start { addresses: Vec::new() }, PATIENCE).unwrap();
    assert_eq!(case.channel.receive::<Report>(PATIENCE).unwrap(), Some(Report::Running));
    let (outcome, end) = case.end();
    assert!(matches!(outcome, Outcome::CleanUp), "{outcome:?}");
    assert_eq!(end, Some(End::Code(0)));
}

#[test]
fn a_process_that_dies_before_its_start_is_reported() {
    let case = start("died", Options { script: "exit 9", gated: true, ..Options::default() });
    let (outcome, _) = case.end();
    let Outcome::Undone(Some((_, error))) = outcome else { panic!("{outcome:?}") };
    assert!(error.message.contains("with code 9"), "{error}");
}

#[test]
fn a_container_that_closes_its_streams_is_still_waited_for() {
    let case = start("closed", Options { script: "exec >&- 2>&- <&-; sleep 0.3; exit 6", ..Options::default() });
    assert_eq!(case.end().1, Some(End::Code(6)));
}
