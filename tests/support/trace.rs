//! Runs a command under ptrace and counts its calls that change something outside the process, its children's too; at
//! the n-th it kills the process that makes it, before the call happens.
//!
//! One thread seizes and waits (both belong to a thread, ptrace(2)); a second one spawns, since `Command::spawn` does
//! not return before the exec that the tracer has to be there for. When the command ends, or a process was killed, the
//! others are let go and live on untraced, as they would.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// One state-changing call, in the order seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The call's name and, where it is short, its object.
    pub(crate) what: String,
    /// Which process made it: 0 is the command, the others in the order of their birth.
    pub(crate) process: usize,
    /// The process's name, as of its last exec.
    pub(crate) program: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by process {} ({})", self.what, self.process, self.program)
    }
}

/// How a traced run ended.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) calls: Vec<Call>,
    /// The call that a process was killed at.
    pub(crate) killed: Option<Call>,
    /// How the command itself ended; None when it had to be killed for taking too long.
    pub(crate) status: Option<ExitStatus>,
}

/// What a tracer is to do.
pub(crate) struct Plan<'a> {
    /// Kill at this call, counted from 1.
    pub(crate) kill_at: Option<usize>,
    /// Whether calls of a program (by its name) count; the payload of a container does not.
    pub(crate) counts: &'a dyn Fn(&str) -> bool,
    pub(crate) limit: Duration,
}

/// Programs that tests put into containers.
pub(crate) fn not_payload(program: &str) -> bool {
    !matches!(program, "busybox" | "probe" | "racer" | "sh" | "true" | "sleep" | "cat" | "ls" | "echo")
}

const GET_SYSCALL_INFO: libc::c_uint = 0x420e;

/// `struct ptrace_syscall_info` at entry and at exit.
#[repr(C)]
#[derive(Default)]
struct SyscallInfo {
    op: u8,
    pad: [u8; 3],
    arch: u32,
    instruction: u64,
    stack: u64,
    /// The call's number at entry, its result at exit.
    number: u64,
    arguments: [u64; 6],
    more: [u64; 2],
}

impl SyscallInfo {
    const ENTRY: u8 = 1;
    const EXIT: u8 = 2;

    /// Whether the kernel will enter the call that ends here once more, unseen by the program: `ERESTARTSYS` and its
    /// siblings. Writing a network sysctl does so over and over while another process holds the links' lock.
    fn restarts(&self) -> bool {
        self.op == Self::EXIT && matches!(self.number.cast_signed(), -514..=-512 | -516)
    }
}

/// One ptrace request whose two values are plain numbers.
fn ptrace(request: libc::c_uint, pid: i32, address: usize, data: usize) -> i64 {
    // SAFETY: `address` and `data` are numbers, or the place and size of a structure that outlives the call.
    unsafe { libc::ptrace(request.cast_signed() as _, pid, address, data) }
}

/// Runs `command` by the plan.
pub(crate) fn run(mut command: Command, plan: &Plan<'_>) -> Traced {
    let text = super::env::words(&command);
    let (mut pid_out, pid_in) = std::io::pipe().expect("a pipe");
    let (go_out, mut go_in) = std::io::pipe().expect("a pipe");
    let (write_pid, read_go) = (pid_in.as_raw_fd(), go_out.as_raw_fd());
    // SAFETY: getpid, write and read on this stack's bytes.
    unsafe {
        command.pre_exec(move || {
            let pid = libc::getpid().to_ne_bytes();
            let mut byte = [0_u8];
            if libc::write(write_pid, pid.as_ptr().cast(), 4) != 4
                || libc::read(read_go, byte.as_mut_ptr().cast(), 1) != 1
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    std::thread::scope(|scope| {
        let spawner = scope.spawn(move || {
            let result = command.spawn();
            drop((pid_in, go_out));
            result
        });
        let mut bytes = [0_u8; 4];
        pid_out.read_exact(&mut bytes).unwrap_or_else(|error| panic!("start {text}: {error}"));
        let root = i32::from_ne_bytes(bytes);
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_EXITKILL;
        let seized = ptrace(libc::PTRACE_SEIZE as _, root, 0, usize::try_from(options).expect("flags are positive"));
        assert_eq!(seized, 0, "seize {text}: {}", std::io::Error::last_os_error());
        go_in.write_all(b"g").expect("let the command go");
        let mut tracer = Tracer::new(root, plan);
        tracer.follow();
        // Reaped by the tracer; the handle has nothing left to wait for.
        drop(spawner.join().expect("the spawning thread").unwrap_or_else(|error| panic!("run {text}: {error}")));
        Traced { calls: tracer.calls, killed: tracer.killed, status: tracer.status }
    })
}

struct Tracee {
    process: usize,
    program: String,
    /// Whether it has executed something since the command's first exec.
    inside: bool,
    /// The call that it entered last, and whether it is to enter it once more.
    entered: u64,
    restarts: bool,
}

impl Tracee {
    /// Whether this entry is that of a call which was counted before.
    fn enters_again(&mut self, info: &SyscallInfo) -> bool {
        let before = std::mem::replace(&mut self.restarts, info.restarts());
        if info.op != SyscallInfo::ENTRY {
            return false;
        }
        let last = std::mem::replace(&mut self.entered, info.number);
        before && last == info.number
    }
}

struct Tracer<'a> {
    root: i32,
    plan: &'a Plan<'a>,
    tracees: BTreeMap<i32, Tracee>,
    born: usize,
    started: bool,
    calls: Vec<Call>,
    killed: Option<Call>,
    status: Option<ExitStatus>,
}

impl<'a> Tracer<'a> {
    fn new(root: i32, plan: &'a Plan<'a>) -> Self {
        let first = Tracee { process: 0, program: String::new(), inside: false, entered: 0, restarts: false };
        Self {
            root,
            plan,
            tracees: BTreeMap::from([(root, first)]),
            born: 1,
            started: false,
            calls: Vec::new(),
            killed: None,
            status: None,
        }
    }

    fn follow(&mut self) {
        let mut letting_go = false;
        let mut root_ended = false;
        let too_late = Arc::new(AtomicBool::new(false));
        let mut watchdog = Some(watchdog(self.root, self.plan.limit, &too_late));
        while !self.tracees.is_empty() || self.adopt_unknown() {
            let mut raw = 0;
            // SAFETY: waits for tracees of this thread; `raw` is ours.
            let pid = unsafe { libc::waitpid(-1, &raw mut raw, libc::__WALL | libc::__WNOTHREAD) };
            if pid < 0 {
                break;
            }
            if libc::WIFEXITED(raw) || libc::WIFSIGNALED(raw) {
                self.tracees.remove(&pid);
                if pid == self.root {
                    drop(watchdog.take());
                    self.status = (!too_late.load(Ordering::SeqCst)).then(|| ExitStatus::from_raw(raw));
                    root_ended = true;
                }
            } else if letting_go && pid != self.root {
                self.detach(pid, raw);
            } else {
                self.stopped(pid, raw);
            }
            // The command alone is waited for to its end; what it left running is let go.
            if !letting_go && (root_ended || self.killed.is_some()) {
                letting_go = true;
                self.interrupt_all();
            }
        }
    }

    /// Takes in processes that are traced since their birth and have not been heard of: nobody else could reap them.
    fn adopt_unknown(&mut self) -> bool {
        let tracer = format!("TracerPid:\t{}\n", rustix::thread::gettid().as_raw_nonzero());
        for pid in super::census::pids().into_iter().filter_map(|pid| i32::try_from(pid).ok()) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            if status.contains(&tracer) {
                self.adopt(pid);
            }
        }
        !self.tracees.is_empty()
    }

    fn interrupt_all(&self) {
        for pid in self.tracees.keys().filter(|pid| **pid != self.root) {
            ptrace(libc::PTRACE_INTERRUPT as _, *pid, 0, 0);
        }
    }

    fn kill(&self, pid: i32) {
        // SAFETY: a signal to a process that this thread traces and has not reaped.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }

    /// Lets a stopped process go, with the signal that it was about to get.
    fn detach(&mut self, pid: i32, raw: i32) {
        let (signal, event) = (libc::WSTOPSIG(raw), raw >> 16);
        let pass = if event == 0 && signal != libc::SIGTRAP | 0x80 { signal } else { 0 };
        ptrace(libc::PTRACE_DETACH as _, pid, 0, usize::try_from(pass).unwrap_or(0));
        self.tracees.remove(&pid);
    }

    fn resume(&self, pid: i32, signal: i32) {
        ptrace(libc::PTRACE_SYSCALL as _, pid, 0, usize::try_from(signal).unwrap_or(0));
    }

    /// A stop of `pid`: a new process, an exec, a call, a signal.
    fn stopped(&mut self, pid: i32, raw: i32) {
        let (signal, event) = (libc::WSTOPSIG(raw), raw >> 16);
        if !self.tracees.contains_key(&pid) {
            self.adopt(pid);
        }
        if event == libc::PTRACE_EVENT_STOP {
            let group_stop = matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU);
            if group_stop {
                ptrace(libc::PTRACE_LISTEN as _, pid, 0, 0);
            } else {
                self.resume(pid, 0);
            }
        } else if event == libc::PTRACE_EVENT_EXEC {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if let Some(tracee) = self.tracees.get_mut(&pid) {
                name.trim().clone_into(&mut tracee.program);
                tracee.inside = true;
            }
            self.started = true;
            self.resume(pid, 0);
        } else if event != 0 {
            self.resume(pid, 0);
        } else if signal == libc::SIGTRAP | 0x80 {
            self.call(pid);
        } else {
            self.resume(pid, signal);
        }
    }

    /// A new process or thread; threads belong to their process.
    fn adopt(&mut self, pid: i32) {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim).unwrap_or_default();
        let leader: i32 = field("Tgid:").parse().unwrap_or(pid);
        let process = match self.tracees.get(&leader) {
            Some(tracee) if leader != pid => tracee.process,
            _ => {
                self.born += 1;
                self.born - 1
            }
        };
        let program = field("Name:").to_owned();
        self.tracees.insert(pid, Tracee { process, program, inside: true, entered: 0, restarts: false });
    }

    fn call(&mut self, pid: i32) {
        let mut info = SyscallInfo::default();
        let size = std::mem::size_of::<SyscallInfo>();
        ptrace(GET_SYSCALL_INFO, pid, size, &raw mut info as usize);
        let again = self.tracees.get_mut(&pid).is_some_and(|tracee| tracee.enters_again(&info));
        let counted = self.tracees.get(&pid).filter(|t| t.inside && (self.plan.counts)(&t.program));
        if self.started
            && info.op == SyscallInfo::ENTRY
            && !again
            && let Some(tracee) = counted
            && let Some(what) = changes(pid, &info)
        {
            let call = Call { what, process: tracee.process, program: tracee.program.clone() };
            self.calls.push(call.clone());
            if self.plan.kill_at == Some(self.calls.len()) && self.killed.is_none() {
                self.killed = Some(call);
                self.kill(pid);
                return;
            }
        }
        self.resume(pid, 0);
    }
}

/// Kills the command when it lives longer than `limit`; called off by dropping the sender.
fn watchdog(root: i32, limit: Duration, too_late: &Arc<AtomicBool>) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel();
    let too_late = too_late.clone();
    std::thread::spawn(move || {
        if receiver.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            too_late.store(true, Ordering::SeqCst);
            // SAFETY: a signal to the command, which is not reaped while the sender lives.
            unsafe { libc::kill(root, libc::SIGKILL) };
        }
    });
    sender
}

/// What a call changes outside its process; None for those that change nothing.
fn changes(pid: i32, info: &SyscallInfo) -> Option<String> {
    let argument = |n: usize| info.arguments[n];
    let number = i64::try_from(info.number).ok()?;
    if let Some((_, name)) = ALWAYS.iter().chain(OLD).find(|(call, _)| *call == number) {
        return Some((*name).to_owned());
    }
    let creates =
        |flags: u64| flags & ((libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64) != 0;
    match number {
        libc::SYS_openat if creates(argument(2)) => Some("openat with O_CREAT".to_owned()),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open if creates(argument(1)) => Some("open with O_CREAT".to_owned()),
        // Threads are no state; processes are.
        libc::SYS_clone if argument(0) & (libc::CLONE_THREAD as u64) == 0 => Some("clone".to_owned()),
        libc::SYS_fsconfig if argument(1) >= 6 => Some("fsconfig create".to_owned()),
        libc::SYS_open_tree if argument(2) & 1 != 0 => Some("open_tree clone".to_owned()),
        libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 | libc::SYS_pwritev | libc::SYS_sendfile => {
            let target = std::fs::read_link(format!("/proc/{pid}/fd/{}", argument(0))).ok()?;
            let file = target.is_absolute() && !target.starts_with("/dev");
            file.then(|| format!("write to {}", target.file_name().unwrap_or_default().to_string_lossy()))
        }
        _ => None,
    }
}

macro_rules! calls {
    ($($name:ident $text:literal),* $(,)?) => { &[$((libc::$name, $text)),*] };
}

/// Calls that always change something.
const ALWAYS: &[(i64, &str)] = calls![
    SYS_mkdirat "mkdirat", SYS_unlinkat "unlinkat", SYS_renameat2 "renameat2", SYS_linkat "linkat", SYS_symlinkat "symlinkat",
    SYS_mknodat "mknodat", SYS_truncate "truncate", SYS_ftruncate "ftruncate", SYS_fallocate "fallocate",
    SYS_fchmod "fchmod", SYS_fchmodat "fchmodat", SYS_fchown "fchown", SYS_fchownat "fchownat",
    SYS_setxattr "setxattr", SYS_lsetxattr "lsetxattr", SYS_fsetxattr "fsetxattr", SYS_removexattr "removexattr",
    SYS_utimensat "utimensat", SYS_mount "mount", SYS_umount2 "umount2", SYS_move_mount "move_mount", SYS_fsmount "fsmount",
    SYS_mount_setattr "mount_setattr", SYS_pivot_root "pivot_root", SYS_unshare "unshare", SYS_setns "setns",
    SYS_clone3 "clone3", SYS_execve "execve", SYS_execveat "execveat", SYS_sethostname "sethostname", SYS_kill "kill",
    SYS_tgkill "tgkill", SYS_pidfd_send_signal "pidfd_send_signal", SYS_bind "bind", SYS_listen "listen",
    SYS_sendmsg "sendmsg", SYS_sendto "sendto", SYS_sendmmsg "sendmmsg", SYS_copy_file_range "copy_file_range",
    SYS_flock "flock", SYS_keyctl "keyctl", SYS_bpf "bpf", SYS_fsync "fsync", SYS_syncfs "syncfs", SYS_renameat "renameat",
];

/// The old forms, which some programs still use.
#[cfg(target_arch = "x86_64")]
const OLD: &[(i64, &str)] = calls![
    SYS_mkdir "mkdir", SYS_rmdir "rmdir", SYS_unlink "unlink", SYS_rename "rename", SYS_link "link", SYS_symlink "symlink",
    SYS_mknod "mknod", SYS_creat "creat", SYS_chmod "chmod", SYS_chown "chown", SYS_lchown "lchown", SYS_fork "fork",
    SYS_vfork "vfork", SYS_utimes "utimes",
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[(i64, &str)] = &[];
