//! bpf(2), as far as device rules of a cgroup need it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// One instruction of extended BPF, `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u8,
    /// Destination in the low four bits, source in the high ones.
    pub(crate) registers: u8,
    pub(crate) offset: i16,
    pub(crate) value: i32,
}

/// A loaded program that decides on device nodes. It lives as long as this or an attachment.
#[derive(Debug)]
pub(crate) struct DeviceProgram(OwnedFd);

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const PROG_QUERY: i32 = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
/// More than that many programs on one cgroup the kernel does not take (`BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

fn bpf<T>(command: i32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: `attributes` is one of the structs above, live, mutable and of the size that is passed; what they point
    // to lives in the callers.
    let code = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    i32::try_from(code).ok().filter(|code| *code >= 0).ok_or_else(io::Error::last_os_error)
}

fn own(fd: i32) -> OwnedFd {
    // SAFETY: the callers pass what bpf(2) just returned: a new descriptor, close-on-exec, that nobody else owns.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn number(fd: impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().unsigned_abs()
}

/// Loads `instructions` as a program on devices. Needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN. bpf(2).
pub(crate) fn load(instructions: &[Instruction]) -> io::Result<DeviceProgram> {
    let mut load = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: u32::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?,
        instructions: instructions.as_ptr().addr() as u64,
        license: c"Apache-2.0".as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name: *b"dhow_device\0\0\0\0\0",
    };
    bpf(PROG_LOAD, &mut load).map(own).map(DeviceProgram)
}

/// Attaches `program` to the cgroup directory `cgroup`, then takes off those that were there.
pub(crate) fn replace(cgroup: impl AsFd, program: &DeviceProgram) -> io::Result<()> {
    let old = attached(&cgroup)?;
    let target = number(&cgroup);
    let mut attach = Attach { target, program: number(&program.0), kind: ATTACH_CGROUP_DEVICE, flags: ALLOW_MULTI };
    bpf(PROG_ATTACH, &mut attach)?;
    for id in old {
        let program = match bpf(PROG_GET_FD_BY_ID, &mut ById { id, next: 0, flags: 0 }) {
            Ok(fd) => own(fd),
            // Gone in the meantime.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            Err(error) => return Err(error),
        };
        let mut detach = Attach { target, program: number(&program), kind: ATTACH_CGROUP_DEVICE, flags: 0 };
        bpf(PROG_DETACH, &mut detach)?;
    }
    Ok(())
}

/// Gives the ids of the device programs on exactly this cgroup.
pub(crate) fn attached(cgroup: impl AsFd) -> io::Result<Vec<u32>> {
    let mut ids = vec![0_u32; MAX_PROGRAMS];
    let mut query = Query {
        target: number(cgroup),
        kind: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr().addr() as u64,
        count: u32::try_from(MAX_PROGRAMS).unwrap_or(0),
        padding: 0,
    };
    bpf(PROG_QUERY, &mut query)?;
    ids.truncate(usize::try_from(query.count).unwrap_or(0));
    Ok(ids)
}
