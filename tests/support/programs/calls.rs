//! Calls that a seccomp filter is there to refuse, tried one by one, by each of the ways that a processor offers: the
//! native one, x32 (the same with a bit set), and 32 bits (`int 0x80`). What would change something is called with
//! arguments that the kernel itself refuses, by another number than the filter does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const NEWUSER: i64 = 0x1000_0000;
const AF_ALG: i64 = 38;
const AF_VSOCK: i64 = 40;
const TIOCSTI: i64 = 0x5412;
const TIOCLINUX: i64 = 0x541c;
/// Above the 32 bits that the kernel looks at.
const HIGH: i64 = 1 << 32;

/// The error number of a call, 0 when it succeeded.
fn native(number: i64, arguments: [i64; 3]) -> i32 {
    let [a, b, c] = arguments;
    // SAFETY: the callers pass numbers, null, or addresses of statics.
    let result = unsafe { libc::syscall(number, a, b, c, 0, 0, 0) };
    if result < 0 { std::io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

/// The same by the entry for programs of 32 bits. None where the kernel has none.
#[cfg(target_arch = "x86_64")]
fn compatible(number: i32, arguments: [i32; 3]) -> i32 {
    let [a, b, c] = arguments;
    let result: i32;
    // SAFETY: the callers pass numbers, null, or addresses of statics, which lie below 4 GiB in a program that is not
    // position independent. rbx, which the compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "xchg {b:e}, ebx", "int 0x80", "xchg {b:e}, ebx",
            b = inout(reg) a => _, inlateout("eax") number => result, in("ecx") b, in("edx") c,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, in("esi") 0, in("edi") 0,
        );
    }
    if (-4095..0).contains(&result) { -result } else { 0 }
}

/// Makes a child with `flags` that ends at once: the error number.
fn cloned(flags: i64) -> i32 {
    // SAFETY: no new stack and no CLONE_VM: the child goes on here with a copy of the memory, and ends.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags | i64::from(libc::SIGCHLD), 0, 0, 0, 0) };
    match result {
        // SAFETY: never returns and touches no memory.
        0 => unsafe { libc::_exit(0) },
        pid if pid > 0 => {
            // SAFETY: waits for the child; no status is written.
            unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
            0
        }
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
    }
}

pub(crate) fn report() -> Value {
    let mut out: BTreeMap<String, i32> = BTreeMap::new();
    let mut put = |name: &str, errno: i32| out.insert(name.to_owned(), errno);
    for (name, number, arguments) in [
        ("socket alg", libc::SYS_socket, [AF_ALG, 5, 0]),
        ("socket alg high", libc::SYS_socket, [AF_ALG | HIGH, 5, 0]),
        ("socket vsock", libc::SYS_socket, [AF_VSOCK, 1, 0]),
        ("socket unix", libc::SYS_socket, [1, 1, 0]),
        ("socketpair alg", libc::SYS_socketpair, [AF_ALG, 5, 0]),
        // No terminal: what comes from the kernel is ENOTTY or EBADF.
        ("sti", libc::SYS_ioctl, [-1, TIOCSTI, 0]),
        ("sti high", libc::SYS_ioctl, [-1, TIOCSTI | HIGH, 0]),
        ("linux", libc::SYS_ioctl, [-1, TIOCLINUX, 0]),
        ("linux high", libc::SYS_ioctl, [-1, TIOCLINUX | HIGH, 0]),
        ("ioctl other", libc::SYS_ioctl, [-1, 0x5401, 0]),
        ("setns", libc::SYS_setns, [-1, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0]),
        ("fsopen", libc::SYS_fsopen, [0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, [-1, 0, 0]),
        ("umount2", libc::SYS_umount2, [0, 0, 0]),
        ("pivot_root", libc::SYS_pivot_root, [0, 0, 0]),
        // Structures of size 0: EINVAL from the kernel.
        ("clone3", libc::SYS_clone3, [0, 0, 0]),
        ("bpf", libc::SYS_bpf, [99, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, -1]),
        ("userfaultfd", libc::SYS_userfaultfd, [-1, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, [0, 99, 0]),
        ("init_module", libc::SYS_init_module, [0, 0, 0]),
        ("finit_module", libc::SYS_finit_module, [-1, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, [-1, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0]),
        ("swapon", libc::SYS_swapon, [0, 0, 0]),
        ("acct", libc::SYS_acct, [1, 0, 0]),
        ("settimeofday", libc::SYS_settimeofday, [1, 0, 0]),
        ("personality randomness off", libc::SYS_personality, [0x004_0000, 0, 0]),
        ("number 9999", 9999, [0; 3]),
        ("getpid", libc::SYS_getpid, [0; 3]),
        #[cfg(target_arch = "x86_64")]
        ("iopl", libc::SYS_iopl, [3, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        ("x32 getpid", 0x4000_0000 | libc::SYS_getpid, [0; 3]),
        #[cfg(target_arch = "x86_64")]
        ("x32 socket alg", 0x4000_0000 | libc::SYS_socket, [AF_ALG, 5, 0]),
        // x32 has numbers of its own from 512 on, which the native table must not take for its own.
        #[cfg(target_arch = "x86_64")]
        ("x32 ioctl sti", 0x4000_0000 | 514, [-1, TIOCSTI, 0]),
    ] {
        put(name, native(number, arguments));
    }
    put("clone", cloned(0));
    put("clone user", cloned(NEWUSER));
    // Last: they change this process.
    #[cfg(target_arch = "x86_64")]
    {
        static FAMILIES: [[u32; 3]; 2] = [[38, 5, 0], [40, 1, 0]];
        let address = |at: usize| i32::try_from(FAMILIES[at].as_ptr() as usize).unwrap();
        for (name, number, arguments) in [
            ("32 getpid", 20, [0; 3]),
            ("32 socket alg", 359, [38, 5, 0]),
            ("32 socket vsock", 359, [40, 1, 0]),
            ("32 socket unix", 359, [1, 1, 0]),
            ("32 socketcall alg", 102, [1, address(0), 0]),
            ("32 socketcall vsock", 102, [1, address(1), 0]),
            ("32 sti", 54, [-1, 0x5412, 0]),
            ("32 linux", 54, [-1, 0x541c, 0]),
            ("32 ioctl other", 54, [-1, 0x5401, 0]),
            ("32 mount", 21, [0, 0, 0]),
            ("32 setns", 346, [-1, 0, 0]),
            ("32 clone3", 435, [0, 0, 0]),
            ("32 bpf", 357, [99, 0, 0]),
            ("32 vm86old", 113, [0, 0, 0]),
            ("32 init_module", 128, [0, 0, 0]),
            ("32 number 9999", 9999, [0; 3]),
            ("32 unshare", 310, [0x1000_0000, 0, 0]),
        ] {
            put(name, compatible(number, arguments));
        }
    }
    put("unshare", native(libc::SYS_unshare, [NEWUSER, 0, 0]));
    json!(out)
}
