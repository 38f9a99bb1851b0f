//! `cargo bench --bench order`: writes `.cargo/order`, the functions that the usual commands run, in the order in which they
//! first do. The linker puts them side by side: a start then touches a fifth of the pages.
//!
//! It needs a release binary with its symbols:
//!
//! ```text
//! cargo rustc --release --bin dhow -- -C strip=none
//! DHOW_BENCH_BINARY=$PWD/target/x86_64-unknown-linux-musl/release/dhow cargo bench --bench order
//! ```
//!
//! A breakpoint at the beginning of every function tells, in every process that comes of the command, who runs. Names hold
//! a hash of the compiler's, which changes with the dependencies, the version of dhow and the toolchain: then the file is
//! written anew. Its first line has the sum of the lock file that it is for, which `tests/structure` compares. A name that
//! is not there any more costs nothing but the gain.
#![allow(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::cast_possible_truncation
)]

#[allow(dead_code, reason = "nothing is timed")]
mod measure;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use support::image::{Image, busybox_entries};

const BREAKPOINT: u8 = 0xcc;

/// What a user does all day, in this order.
const COMMANDS: &[&[&str]] = &[
    &["oci", "run", "-b", "bundle", "one"],
    &["oci", "create", "-b", "bundle", "two"],
    &["oci", "start", "two"],
    &["oci", "state", "two"],
    &["oci", "delete", "-f", "two"],
    &["run", "--rm", "--network", "none", "busybox", "true"],
    &["run", "--rm", "busybox", "true"],
    &["run", "-d", "--name", "box", "busybox", "sleep", "1000"],
    &["exec", "box", "true"],
    &["ps"],
    &["inspect", "box"],
    &["logs", "box"],
    &["stop", "-t", "0", "box"],
    &["rm", "box"],
    &["images"],
];

fn main() {
    let binary = std::env::var_os("DHOW_BENCH_BINARY").expect("DHOW_BENCH_BINARY: a release binary with its symbols");
    let order = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo/order");
    let place = measure::enter();
    std::env::set_current_dir(&place).unwrap();
    let program = Program::read(Path::new(&binary));
    let quiet = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        match arguments {
            ["oci", rest @ ..] => command.args(["oci", "--root", "oci"]).args(rest),
            _ => command.args(["--root", "root", "--runroot", "run"]).args(arguments),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    std::fs::write("image.tar", Image::busybox().docker_archive(&["busybox"])).unwrap();
    assert!(quiet(&["load", "-q", "-i", "image.tar"]).status().unwrap().success());
    bundle(&binary);
    let mut tracer = Tracer { program: &program, seen: HashSet::new(), order: Vec::new(), known: HashSet::new() };
    for words in COMMANDS {
        let code = tracer.run(quiet(words));
        println!("{code} {} functions after {}", tracer.order.len(), words.join(" "));
        assert_eq!(code, 0, "{words:?}");
    }
    let lock = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let mut text = format!("# {}\n", support::image::digest(&lock));
    for address in &tracer.order {
        for name in &program.functions[address] {
            writeln!(text, "{name}").unwrap();
        }
    }
    std::fs::write(&order, text).unwrap();
    println!("{} of {} functions", tracer.order.len(), program.functions.len());
}

/// A bundle as `oci spec` makes it, without a terminal.
fn bundle(binary: &std::ffi::OsStr) {
    std::fs::create_dir_all("bundle/rootfs").unwrap();
    let tar = support::tar::archive(&busybox_entries());
    std::fs::write("rootfs.tar", tar).unwrap();
    assert!(Command::new("tar").args(["-xf", "rootfs.tar", "-C", "bundle/rootfs"]).status().unwrap().success());
    assert!(Command::new(binary).args(["oci", "spec", "-b", "bundle"]).status().unwrap().success());
    let path = "bundle/config.json";
    let mut spec: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    spec["process"]["terminal"] = false.into();
    spec["process"]["args"] = serde_json::json!(["/bin/true"]);
    std::fs::write(path, spec.to_string()).unwrap();
}

/// An ELF file that is loaded where it says.
struct Program {
    /// Names by address.
    functions: HashMap<u64, Vec<String>>,
    /// The code, and where it goes.
    text: Vec<u8>,
    base: u64,
}

impl Program {
    /// elf(5).
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let half = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let short = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
        let (sections, size, count) = (word(40) as usize, short(58), short(60));
        let section = |n: usize| sections + n * size;
        let place = |at: usize| (word(at + 16), word(at + 24) as usize, word(at + 32) as usize);
        let table =
            (0..count).map(section).find(|at| half(at + 4) == 2).expect("a table of symbols: build without strip");
        let (_, symbols, length) = place(table);
        let (_, names, _) = place(section(half(table + 40) as usize));
        let mut functions: HashMap<u64, Vec<String>> = HashMap::new();
        let mut within = 0;
        for at in (symbols..symbols + length).step_by(24) {
            if bytes[at + 4] & 15 == 2 && word(at + 16) > 0 {
                let name = &bytes[names + half(at) as usize..];
                let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap()).into_owned();
                functions.entry(word(at + 8)).or_default().push(name);
                within = short(at + 6);
            }
        }
        let (base, offset, length) = place(section(within));
        functions.retain(|address, _| (base..base + length as u64).contains(address));
        Self { functions, text: bytes[offset..offset + length].to_vec(), base }
    }

    fn byte(&self, address: u64) -> u8 {
        self.text[(address - self.base) as usize]
    }
}

struct Tracer<'a> {
    program: &'a Program,
    seen: HashSet<u64>,
    order: Vec<u64>,
    /// Processes that we met.
    known: HashSet<i32>,
}

impl Tracer<'_> {
    /// Runs a command to its end, and all that comes of it meanwhile. Its exit code.
    fn run(&mut self, mut command: Command) -> i32 {
        // SAFETY: one call that is safe after fork(2).
        unsafe {
            command.pre_exec(|| {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                Ok(())
            });
        }
        let root = command.spawn().unwrap().id() as i32;
        loop {
            let mut status = 0;
            // SAFETY: a plain call with a place for the status.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
            assert!(pid > 0, "the command is gone");
            if libc::WIFSTOPPED(status) {
                self.stopped(pid, status);
            } else if pid == root {
                return if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
            }
        }
    }

    fn stopped(&mut self, pid: i32, status: i32) {
        let options = libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_EXITKILL;
        let (signal, event, is_new) = (libc::WSTOPSIG(status), status >> 16, self.known.insert(pid));
        if is_new {
            ptrace(libc::PTRACE_SETOPTIONS, pid, options as usize);
        }
        let pass = match signal {
            libc::SIGTRAP if event == libc::PTRACE_EVENT_EXEC => {
                self.plant(pid);
                0
            }
            // What the command begins with, before any option.
            libc::SIGTRAP if is_new => {
                self.plant(pid);
                0
            }
            libc::SIGTRAP if event == 0 => self.hit(pid),
            libc::SIGTRAP => 0,
            libc::SIGSTOP if is_new => 0,
            other => other,
        };
        ptrace(libc::PTRACE_CONT, pid, pass as usize);
    }

    /// Puts the breakpoints into a process that is ours.
    fn plant(&self, pid: i32) {
        let Program { functions, text, base } = self.program;
        let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
        let mut now = vec![0; text.len()];
        if memory.read_exact_at(&mut now, *base).is_err() || now != *text {
            return;
        }
        for address in functions.keys() {
            now[(address - base) as usize] = BREAKPOINT;
        }
        memory.write_all_at(&now, *base).unwrap();
    }

    /// A breakpoint: takes it out of this process. The signal to pass on.
    fn hit(&mut self, pid: i32) -> i32 {
        // SAFETY: all bytes zero are registers.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        ptrace(libc::PTRACE_GETREGS, pid, &raw mut registers as usize);
        let address = registers.rip - 1;
        if !self.program.functions.contains_key(&address) {
            return libc::SIGTRAP;
        }
        let memory = File::options().write(true).open(format!("/proc/{pid}/mem")).unwrap();
        memory.write_all_at(&[self.program.byte(address)], address).unwrap();
        registers.rip = address;
        ptrace(libc::PTRACE_SETREGS, pid, &raw mut registers as usize);
        if self.seen.insert(address) {
            self.order.push(address);
        }
        0
    }
}

/// ptrace(2) of a process that may be gone meanwhile.
fn ptrace(request: libc::c_int, pid: i32, data: usize) {
    // SAFETY: the data is a number or points to what the request reads or writes.
    unsafe {
        libc::ptrace(request, pid, 0_usize, data);
    }
}
