//! Runs a command on a terminal and types into it: `terminal KEYS COMMAND…`. Standard output gets what the terminal
//! shows, with control characters spelled out; the exit code is the command's.
//!
//! The file KEYS has a line `WAIT => KEYS` for each thing that is done once the terminal has shown WAIT (after what the
//! line before waited for). In it `^C` is a control character and `\r` a return; `@size 50 120` gives the terminal
//! another size, `@hangup` closes it, `@raw` and `@cooked` wait until it is so. The command is a job as a shell has it: when it
//! stops, the terminal says so and the job goes on in the foreground.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, clippy::unwrap_used, unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, Termios, Winsize};

/// How long one wait may take.
const LIMIT: Duration = Duration::from_secs(15);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let keys = std::fs::read_to_string(&words[0]).unwrap();
    let (master, slave) = open();
    size(&slave, 24, 80);
    let before = rustix::termios::tcgetattr(&slave).unwrap();
    // SAFETY: this process has one thread; the child goes on as the leader of the session.
    let leader = unsafe { libc::fork() };
    assert!(leader >= 0, "fork");
    if leader == 0 {
        drop(master);
        lead(&slave, &words[1..]);
    }
    let mut screen = Screen { master: Some(master), slave: Some(slave), leader, text: Vec::new(), done: 0 };
    for line in keys.lines() {
        let (wait, keys) = line.split_once("=> ").unwrap_or_else(|| panic!("no `=>` in {line}"));
        if !screen.shows(unspell(wait.trim_end()).as_bytes()) {
            screen.text.extend(format!("\n<never shown: {wait}>\n").bytes());
            screen.hangup();
            break;
        }
        screen.act(keys);
    }
    let code = screen.end(&before);
    print!("{}", spell(&String::from_utf8_lossy(&screen.text)));
    std::process::exit(code);
}

fn open() -> (File, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (File::from(master), slave)
}

fn size(terminal: &OwnedFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).unwrap();
}

/// The leader of the terminal's session: starts the job in the foreground, passes a hangup on, and says when it stopped.
fn lead(terminal: &OwnedFd, words: &[String]) -> ! {
    let arguments: Vec<std::ffi::CString> =
        words.iter().map(|word| std::ffi::CString::new(word.as_str()).unwrap()).collect();
    let mut pointers: Vec<*const libc::c_char> = arguments.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let fd = terminal.as_raw_fd();
    // SAFETY: system calls of a process with one thread on values that outlive them.
    unsafe {
        libc::setsid();
        libc::ioctl(fd, libc::TIOCSCTTY, 0);
        let mut taken: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut taken);
        for signal in [libc::SIGCHLD, libc::SIGHUP, libc::SIGTTOU] {
            libc::sigaddset(&raw mut taken, signal);
        }
        let mut old: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, &raw const taken, &raw mut old);
        let job = libc::fork();
        if job == 0 {
            libc::setpgid(0, 0);
            libc::tcsetpgrp(fd, libc::getpid());
            for number in 0..3 {
                libc::dup2(fd, number);
            }
            libc::setenv(c"TERM".as_ptr(), c"xterm".as_ptr(), 1);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const old, std::ptr::null_mut());
            libc::execvp(pointers[0], pointers.as_ptr());
            libc::_exit(127);
        }
        libc::setpgid(job, job);
        loop {
            let mut status = 0;
            let mut signal = 0;
            libc::sigwait(&raw const taken, &raw mut signal);
            if signal == libc::SIGHUP {
                libc::kill(-job, libc::SIGHUP);
            }
            while libc::waitpid(job, &raw mut status, libc::WNOHANG | libc::WUNTRACED) == job {
                if libc::WIFSTOPPED(status) {
                    let note = b"<stopped>\n";
                    libc::write(fd, note.as_ptr().cast(), note.len());
                    libc::tcsetpgrp(fd, job);
                    libc::kill(-job, libc::SIGCONT);
                } else {
                    let code =
                        if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
                    libc::_exit(code);
                }
            }
        }
    }
}

/// What the terminal has shown, and the terminal while it is there.
struct Screen {
    master: Option<File>,
    slave: Option<OwnedFd>,
    leader: libc::pid_t,
    text: Vec<u8>,
    /// Up to here what was waited for has been seen.
    done: usize,
}

impl Screen {
    /// Takes what comes within `limit`; false when nothing did, or will.
    fn take(&mut self, limit: Duration) -> bool {
        let Some(master) = &mut self.master else { return false };
        let mut polled = [rustix::event::PollFd::new(master, rustix::event::PollFlags::IN)];
        let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
        if rustix::event::poll(&mut polled, Some(&limit)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        let length = master.read(&mut buffer).unwrap_or(0);
        self.text.extend(&buffer[..length]);
        length > 0
    }

    fn shows(&mut self, wanted: &[u8]) -> bool {
        let deadline = Instant::now() + LIMIT;
        loop {
            let fresh = &self.text[self.done..];
            if let Some(at) = (0..=fresh.len().saturating_sub(wanted.len())).find(|at| fresh[*at..].starts_with(wanted))
            {
                self.done += at + wanted.len();
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            self.take(Duration::from_millis(100));
        }
    }

    fn act(&mut self, keys: &str) {
        let mut words = keys.split(' ');
        match words.next().unwrap() {
            "@size" => {
                let mut number = || words.next().unwrap().parse().unwrap();
                size(self.slave.as_ref().unwrap(), number(), number());
            }
            "@hangup" => self.hangup(),
            mode @ ("@raw" | "@cooked") => {
                let deadline = Instant::now() + LIMIT;
                while self.is_cooked() != (mode == "@cooked") && Instant::now() < deadline {
                    self.take(Duration::from_millis(5));
                }
            }
            _ => self.master.as_mut().unwrap().write_all(unspell(keys).as_bytes()).unwrap(),
        }
    }

    fn is_cooked(&self) -> bool {
        let modes = rustix::termios::tcgetattr(self.slave.as_ref().unwrap()).unwrap();
        modes.local_modes.contains(LocalModes::ICANON)
    }

    fn hangup(&mut self) {
        self.slave = None;
        self.master = None;
    }

    /// Waits for the end of the command, takes the rest, and says how the terminal was left; returns the exit code.
    fn end(&mut self, before: &Termios) -> i32 {
        let mut status = 0;
        // SAFETY: waits for our own child.
        while unsafe { libc::waitpid(self.leader, &raw mut status, libc::WNOHANG) } == 0 {
            if !self.take(Duration::from_millis(20)) && self.master.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        while self.take(Duration::ZERO) {}
        if let Some(slave) = &self.slave {
            let after = rustix::termios::tcgetattr(slave).unwrap();
            let same = before.local_modes == after.local_modes
                && before.input_modes == after.input_modes
                && before.output_modes == after.output_modes;
            if !same {
                self.text.extend(b"\r\n<the terminal is not as it was>\r\n");
            }
        }
        std::process::ExitStatus::from_raw(status).code().unwrap_or(255)
    }
}

/// `^C`, `\r`, `\n` and `\e` as the characters that they mean.
fn unspell(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '^' => out.push(char::from(u8::try_from(chars.next().unwrap()).unwrap() & 0x1f)),
            '\\' => match chars.next() {
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('e') => out.push('\x1b'),
                other => out.extend(other),
            },
            c => out.push(c),
        }
    }
    out
}

/// Lines as they are where they end as a terminal's do; every other control character by its name.
fn spell(text: &str) -> String {
    let mut out = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let (line, ended) = line.strip_suffix('\r').map_or((line, false), |line| (line, true));
        for c in line.chars() {
            match c {
                '\x1b' => out.push_str("\\e"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push('\t'),
                c if c.is_control() => {
                    out.push_str(&format!("^{}", char::from(u8::try_from(u32::from(c)).unwrap_or(0x7f) ^ 0x40)))
                }
                c => out.push(c),
            }
        }
        // A line feed alone goes down without going back.
        let last = number == text.matches('\n').count();
        if !ended && !last {
            out.push_str("\\n");
        }
    }
    out
}
