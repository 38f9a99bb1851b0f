//! The kernel's part of a container and nothing else: the floor that a runtime is measured against.
//!
//! `floor ROOTFS PROGRAM` makes the cgroups, the namespaces, the mounts, the devices, the masks and the new root of the
//! template of a specification, drops the capabilities, installs a filter of fifty calls, executes, waits, and takes the
//! cgroups away. There is no configuration, no state, no check and no way back: never for use.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::ffi::{CString, c_char, c_int, c_long, c_ulong};
use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (root, program) = (arguments.next().unwrap(), arguments.next().unwrap());
    let cgroups = cgroups();
    cgroups.iter().for_each(|directory| std::fs::create_dir(directory).unwrap());
    let cpuset = |file: &str| {
        let parent = std::path::Path::new("/sys/fs/cgroup/cpuset");
        if let Some(own) = cgroups.iter().find(|directory| directory.starts_with(parent)) {
            std::fs::write(own.join(file), std::fs::read(parent.join(file)).unwrap()).unwrap();
        }
    };
    cpuset("cpuset.cpus");
    cpuset("cpuset.mems");
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // SAFETY: as fork(2): no stack, no threads here; the child calls what a child of one thread may.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    if child == 0 {
        cgroups.iter().for_each(|directory| std::fs::write(directory.join("cgroup.procs"), "0").unwrap());
        contain(&root, &program);
    }
    let mut status: c_int = 0;
    // SAFETY: the child is ours, the status lives through the call.
    assert!(unsafe { libc::waitpid(c_int::try_from(child).unwrap(), &raw mut status, 0) } > 0);
    cgroups.iter().for_each(|directory| std::fs::remove_dir(directory).unwrap());
    assert_eq!(status, 0, "{program} failed");
}

/// One in each hierarchy that has controllers, as the runtimes make them.
fn cgroups() -> Vec<PathBuf> {
    let name = format!("floor-{}", std::process::id());
    let top = std::path::Path::new("/sys/fs/cgroup");
    if top.join("cgroup.controllers").exists() {
        return vec![top.join(name)];
    }
    let entries = std::fs::read_dir(top).unwrap().flatten();
    entries
        .filter(|entry| entry.file_type().unwrap().is_dir() && entry.path().join("cgroup.procs").exists())
        .map(|entry| entry.path().join(&name))
        .collect()
}

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn mount(source: &str, target: &str, kind: &str, flags: c_ulong, data: &str) {
    let (source, target, kind, data) = (text(source), text(target), text(kind), text(data));
    // SAFETY: terminated strings that live through the call.
    let done = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast()) };
    assert_eq!(done, 0, "mount on {target:?}: {}", std::io::Error::last_os_error());
}

fn contain(root: &str, program: &str) -> ! {
    use libc::{MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT};
    let safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    let inside = |path: &str| format!("{root}{path}");
    // SAFETY: no arguments that could be wrong.
    unsafe { libc::setsid() };
    mount("none", "/", "", MS_REC | MS_PRIVATE, "");
    mount(root, root, "", MS_BIND | MS_REC, "");
    mount("proc", &inside("/proc"), "proc", safe, "");
    mount("tmpfs", &inside("/dev"), "tmpfs", MS_NOSUID, "mode=755,size=65536k");
    for directory in ["pts", "shm", "mqueue"] {
        std::fs::create_dir(inside(&format!("/dev/{directory}"))).unwrap();
    }
    mount("devpts", &inside("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount("shm", &inside("/dev/shm"), "tmpfs", safe, "mode=1777,size=65536k");
    mount("mqueue", &inside("/dev/mqueue"), "mqueue", safe, "");
    mount("sysfs", &inside("/sys"), "sysfs", safe | MS_RDONLY, "");
    for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9), ("tty", 0)] {
        let major = if name == "tty" { 5 } else { 1 };
        let path = text(&inside(&format!("/dev/{name}")));
        // SAFETY: a terminated path.
        assert_eq!(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(major, minor)) }, 0);
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, inside(&format!("/dev/{name}"))).unwrap();
    }
    for path in ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] {
        let path = inside(path);
        if !std::path::Path::new(&path).exists() {
            continue;
        }
        mount(&path, &path, "", MS_BIND | MS_REC, "");
        mount("none", &path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | safe, "");
    }
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware"] {
        let path = inside(path);
        match std::fs::metadata(&path) {
            Ok(at) if at.is_dir() => mount("tmpfs", &path, "tmpfs", MS_RDONLY, ""),
            Ok(_) => mount(&inside("/dev/null"), &path, "", MS_BIND, ""),
            Err(_) => {}
        }
    }
    let (top, dot, host) = (text(root), text("."), text("floor"));
    // SAFETY: terminated strings that live through the calls.
    unsafe {
        assert_eq!(libc::sethostname(host.as_ptr(), 5), 0);
        assert_eq!(libc::chdir(top.as_ptr()), 0);
        assert_eq!(libc::syscall(libc::SYS_pivot_root, dot.as_ptr(), dot.as_ptr()), 0);
        assert_eq!(libc::umount2(dot.as_ptr(), libc::MNT_DETACH), 0);
    }
    std::env::set_current_dir("/").unwrap();
    confine();
    let program = text(program);
    let words: [*const c_char; 2] = [program.as_ptr(), std::ptr::null()];
    // SAFETY: a terminated path and a terminated list.
    unsafe { libc::execv(program.as_ptr(), words.as_ptr()) };
    unreachable!("execute {program:?}")
}

/// No capabilities, no new privileges, and fifty calls less.
fn confine() {
    let filter =
        |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k };
    let (load, equal, end) =
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET);
    let mut program = vec![filter(load, 0, 0, 0)];
    for call in 0..50_u8 {
        program.push(filter(equal, 400 + u32::from(call), 50 - call, 0));
    }
    program.push(filter(end, libc::SECCOMP_RET_ALLOW, 0, 0));
    program.push(filter(end, libc::SECCOMP_RET_ERRNO | 1, 0, 0));
    let fprog = libc::sock_fprog { len: u16::try_from(program.len()).unwrap(), filter: program.as_mut_ptr() };
    // SAFETY: numbers, and structures that live through the calls: header of version 3 and two empty sets.
    unsafe {
        for capability in 0..=40 {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        let (header, sets) = ([0x2008_0522_u32, 0], [0_u32; 6]);
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()), 0);
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode: c_long = 1;
        assert_eq!(libc::syscall(libc::SYS_seccomp, mode, 0, &raw const fprog), 0);
    }
}
