//! The default seccomp profile: podman's, narrowed where a whole class of attack goes and no program is missed.
//!
//! Calls that no entry names answer ENOSYS, so that a program falls back as on an older kernel; what is refused by name
//! answers EPERM. Beyond podman's: no AF_ALG and AF_VSOCK sockets (and no `socketcall` that makes a socket, which hides
//! the family from a filter), no TIOCSTI and TIOCLINUX, no x32. Refused arguments are compared in the 32 bits that the
//! kernel looks at, because a caller chooses the others. The strict form adds Docker's gates on namespaces and mounts.
//!
//! A user's own profile is read by `document`.

use anyhow::Result;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompBuilder,
    LinuxSeccompOperator as Operator, LinuxSyscall, LinuxSyscallBuilder,
};

use crate::runtime::capability::CapSet;

/// How much the profile leaves to a process without CAP_SYS_ADMIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As podman: new namespaces and mounts in them.
    Default,
    /// As Docker: neither.
    Strict,
}

/// Calls that everyone may make.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    "_llseek", "_newselect", "accept", "accept4", "access", "adjtimex", "alarm", "bind", "brk", "capget", "capset",
    "chdir", "chmod", "chown", "chown32", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64",
    "clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "close", "close_range",
    "connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "execve",
    "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate",
    "fanotify_init", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat",
    "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat",
    "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futex", "futex_requeue",
    "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futimesat", "get_mempolicy", "get_robust_list",
    "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid", "geteuid32",
    "getgid", "getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid", "getpgrp", "getpid",
    "getppid", "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit",
    "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid", "getuid32", "getxattr",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy",
    "io_getevents", "io_setup", "io_submit", "ioprio_get", "ioprio_set", "ipc", "keyctl", "kill", "landlock_add_rule",
    "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lchown32", "lgetxattr", "link", "linkat",
    "listen", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "madvise", "mbind",
    "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir", "mkdirat", "mknod", "mknodat", "mlock",
    "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
    "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "msgctl", "msgget",
    "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "name_to_handle_at", "nanosleep", "newfstatat",
    "open", "openat", "openat2", "pause", "pidfd_getfd", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2",
    "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "ppoll_time64", "prctl", "pread64", "preadv",
    "preadv2", "prlimit64", "process_mrelease", "process_vm_readv", "process_vm_writev", "pselect6",
    "pselect6_time64", "ptrace", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat",
    "readv", "reboot", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages",
    "removexattr", "rename", "renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
    "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send",
    "sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto", "set_mempolicy", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
    "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32",
    "setresuid", "setresuid32", "setreuid", "setreuid32", "setrlimit", "setsid", "setsockopt", "setuid", "setuid32",
    "setxattr", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaction", "sigaltstack", "signal", "signalfd",
    "signalfd4", "sigpending", "sigprocmask", "sigreturn", "sigsuspend", "socketpair", "splice", "stat", "stat64",
    "statfs", "statfs64", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "sysinfo", "syslog",
    "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
    "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
    "timerfd_settime", "timerfd_settime64", "times", "tkill", "truncate", "truncate64", "ugetrlimit", "umask",
    "uname", "unlink", "unlinkat", "utime", "utimensat", "utimensat_time64", "utimes", "vfork", "wait4", "waitid",
    "waitpid", "write", "writev",
];

/// Calls that nobody may make.
#[rustfmt::skip]
const DENIED: &[&str] = &[
    "bdflush", "cachestat", "io_pgetevents", "io_pgetevents_time64", "kexec_file_load", "kexec_load",
    "map_shadow_stack", "migrate_pages", "move_pages", "nfsservctl", "nice", "oldfstat", "oldlstat", "oldolduname",
    "oldstat", "olduname", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "sgetmask", "ssetmask", "swapoff",
    "swapon", "syscall", "sysfs", "uselib", "userfaultfd", "ustat", "vm86", "vm86old", "vmsplice",
];

/// Calls on namespaces and mounts, which the strict form keeps for CAP_SYS_ADMIN.
#[rustfmt::skip]
const MOUNTING: &[&str] = &[
    "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "pivot_root",
    "setns", "umount", "umount2", "unshare",
];

/// Calls that a capability opens.
const GATED: &[(&str, &[&str])] = &[
    ("CAP_DAC_READ_SEARCH", &["open_by_handle_at"]),
    ("CAP_SYS_ADMIN", &["lookup_dcookie", "quotactl", "quotactl_fd", "setdomainname", "sethostname"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    ("CAP_SYS_MODULE", &["delete_module", "finit_module", "init_module", "query_module"]),
    ("CAP_SYS_PACCT", &["acct"]),
    ("CAP_SYS_PTRACE", &["kcmp", "process_madvise"]),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    ("CAP_SYS_TIME", &["clock_settime", "clock_settime64", "settimeofday", "stime"]),
    ("CAP_SYS_TTY_CONFIG", &["vhangup"]),
];

/// Calls that either of two capabilities opens.
const OPENED: &[(&str, &str)] = &[("bpf", "CAP_BPF"), ("perf_event_open", "CAP_PERFMON")];

/// Calls that only these machines have.
#[cfg(target_arch = "x86_64")]
const NATIVE: &[&str] = &["arch_prctl", "modify_ldt"];
#[cfg(target_arch = "aarch64")]
const NATIVE: &[&str] =
    &["arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush", "set_tls", "sync_file_range2"];

/// The architectures whose programs run: x32 is not among them.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: &[Arch] = &[Arch::ScmpArchX86_64, Arch::ScmpArchX86];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: &[Arch] = &[Arch::ScmpArchAarch64, Arch::ScmpArchArm];

/// The execution domains that programs use: Linux, Linux 32 bits, each with the old uname, and the question alone.
const PERSONALITIES: &[u64] = &[0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Every CLONE_NEW flag that clone(2) takes.
const CLONE_NEW: u64 = 0x7e02_0000;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const AF_NETLINK: u64 = 16;
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
const NETLINK_AUDIT: u64 = 9;
const SOCKETCALL_SOCKET: u64 = 1;
const LOW_WORD: u64 = 0xffff_ffff;

/// Builds the profile for a process that may have `capabilities`.
pub(crate) fn default_profile(variant: Variant, capabilities: CapSet) -> Result<LinuxSeccomp> {
    let has = |name: &str| CapSet::named(name).is_some_and(|set| capabilities.contains(set));
    let eperm = libc::EPERM.unsigned_abs();
    let mut entries = vec![refuse(DENIED, eperm, vec![])?, allow(ALLOWED, vec![])?, allow(NATIVE, vec![])?];
    for value in PERSONALITIES {
        entries.push(allow(&["personality"], vec![argument(0, Operator::ScmpCmpEq, *value, None)?])?);
    }
    for (capability, names) in GATED {
        entries.push(if has(capability) { allow(names, vec![])? } else { refuse(names, eperm, vec![])? });
    }
    for (name, capability) in OPENED {
        let open = has(capability) || has("CAP_SYS_ADMIN");
        entries.push(if open { allow(&[name], vec![])? } else { refuse(&[name], eperm, vec![])? });
    }
    if variant == Variant::Default || has("CAP_SYS_ADMIN") {
        entries.push(allow(MOUNTING, vec![])?);
        entries.push(allow(&["clone", "clone3"], vec![])?);
    } else {
        entries.push(refuse(MOUNTING, eperm, vec![])?);
        let plain = argument(0, Operator::ScmpCmpMaskedEq, CLONE_NEW, Some(0))?;
        entries.push(allow(&["clone"], vec![plain])?);
        entries.push(refuse(&["clone"], eperm, vec![])?);
        // Its flags are in memory, out of a filter's sight; threads fall back to clone on ENOSYS alone.
        entries.push(refuse(&["clone3"], libc::ENOSYS.unsigned_abs(), vec![])?);
    }
    for request in [TIOCSTI, TIOCLINUX] {
        entries.push(refuse(&["ioctl"], eperm, vec![word(1, request)?])?);
    }
    for family in [AF_ALG, AF_VSOCK] {
        entries.push(refuse(&["socket"], eperm, vec![word(0, family)?])?);
    }
    if !has("CAP_AUDIT_WRITE") {
        // What a kernel without audit answers; PAM takes that for an answer.
        let audit = vec![word(0, AF_NETLINK)?, word(2, NETLINK_AUDIT)?];
        entries.push(refuse(&["socket"], libc::EINVAL.unsigned_abs(), audit)?);
    }
    entries.push(refuse(&["socketcall"], eperm, vec![word(0, SOCKETCALL_SOCKET)?])?);
    entries.push(allow(&["ioctl", "socket", "socketcall"], vec![])?);
    Ok(LinuxSeccompBuilder::default()
        .default_action(Action::ScmpActErrno)
        .default_errno_ret(libc::ENOSYS.unsigned_abs())
        .architectures(ARCHITECTURES)
        .syscalls(entries)
        .build()?)
}

fn allow(names: &[&str], arguments: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall> {
    entry(names, Action::ScmpActAllow, None, arguments)
}

fn refuse(names: &[&str], errno: u32, arguments: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall> {
    entry(names, Action::ScmpActErrno, Some(errno), arguments)
}

fn entry(names: &[&str], action: Action, errno: Option<u32>, arguments: Vec<LinuxSeccompArg>) -> Result<LinuxSyscall> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut entry = LinuxSyscallBuilder::default().names(names).action(action).build()?;
    entry.set_errno_ret(errno);
    if !arguments.is_empty() {
        entry.set_args(Some(arguments));
    }
    Ok(entry)
}

/// Compares the low 32 bits of an argument, all that the kernel reads of an int.
fn word(index: usize, value: u64) -> Result<LinuxSeccompArg> {
    argument(index, Operator::ScmpCmpMaskedEq, LOW_WORD, Some(value))
}

fn argument(index: usize, op: Operator, value: u64, two: Option<u64>) -> Result<LinuxSeccompArg> {
    let builder = LinuxSeccompArgBuilder::default().index(index).op(op).value(value);
    Ok(match two {
        Some(two) => builder.value_two(two).build()?,
        None => builder.build()?,
    })
}
