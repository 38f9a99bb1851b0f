//! Runs inside a container and says, as one JSON object on standard output, what the kernel shows it there. With
//! arguments it only does one thing: `probe exit N`, `probe signal N` (kills itself), `probe wait` (until a signal),
//! `probe flood BYTES` (writes that many), `probe eat MIB` (touches memory), `probe tree DIRECTORY` (a line of JSON for
//! each file on that file system, as an unpacked image is compared), `probe type` (types into its own terminal, as the
//! kernel sees the request and as a filter that compares 64 bits does, and says what came of it), `probe session` (the
//! number of its session keyring), `probe calls` (tries what a filter is there to refuse: error numbers as JSON).
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit, clippy::unwrap_used, unsafe_code)]

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

#[path = "calls.rs"]
mod calls;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The `Key:\tvalue` lines of /proc/self/status.
fn status() -> BTreeMap<String, String> {
    let line = |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    read("/proc/self/status").lines().filter_map(line).collect()
}

fn ids(text: &str) -> Value {
    text.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect()
}

fn capabilities(status: &BTreeMap<String, String>) -> Value {
    let mut out = Map::new();
    for (key, name) in [
        ("CapInh", "inheritable"),
        ("CapPrm", "permitted"),
        ("CapEff", "effective"),
        ("CapBnd", "bounding"),
        ("CapAmb", "ambient"),
    ] {
        out.insert(name.to_owned(), json!(status.get(key)));
    }
    Value::Object(out)
}

fn mounts() -> Value {
    let mut out = Vec::new();
    for line in read("/proc/self/mountinfo").lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
        out.push(json!({
            "root": left[3], "target": left[4], "options": left[5], "propagation": left[6..].join(" "),
            "type": right[0], "source": right[1], "super": right[2],
        }));
    }
    Value::Array(out)
}

/// Descriptors that were open before this program opened any.
fn descriptors() -> Value {
    let mut out = Map::new();
    for fd in 0..1024 {
        // SAFETY: fcntl reads the descriptor's flags only.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0 {
            let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            out.insert(fd.to_string(), json!(target));
        }
    }
    Value::Object(out)
}

fn limits() -> Value {
    let mut out = Map::new();
    for line in read("/proc/self/limits").lines().skip(1).filter(|line| line.len() > 47) {
        let words: Vec<&str> = line[26..].split_whitespace().collect();
        out.insert(line[..26].trim().to_owned(), json!([words.first(), words.get(1)]));
    }
    Value::Object(out)
}

fn namespaces() -> Value {
    let mut out = Map::new();
    for entry in std::fs::read_dir("/proc/self/ns").into_iter().flatten().flatten() {
        let link = std::fs::read_link(entry.path()).unwrap_or_default();
        out.insert(entry.file_name().to_string_lossy().into_owned(), json!(link));
    }
    Value::Object(out)
}

fn terminal() -> Value {
    let tty = |fd: i32| {
        // SAFETY: isatty looks at the descriptor only.
        unsafe { libc::isatty(fd) == 1 }
    };
    // SAFETY: the structure is plain numbers, which the kernel fills.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(0, libc::TIOCGWINSZ as _, &raw mut size) == 0).then_some([size.ws_row, size.ws_col])
    };
    json!({"stdin": tty(0), "stdout": tty(1), "stderr": tty(2), "size": size, "controlling": std::fs::File::open("/dev/tty").is_ok()})
}

fn devices() -> Value {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let mut out = Map::new();
    for entry in std::fs::read_dir("/dev").into_iter().flatten().flatten() {
        let Ok(metadata) = std::fs::symlink_metadata(entry.path()) else { continue };
        let kind = metadata.file_type();
        let what = if kind.is_char_device() {
            format!(
                "c {}:{} {:o}",
                libc::major(metadata.rdev()),
                libc::minor(metadata.rdev()),
                metadata.mode() & 0o7777
            )
        } else if kind.is_symlink() {
            std::fs::read_link(entry.path()).unwrap_or_default().display().to_string()
        } else {
            "directory or file".to_owned()
        };
        out.insert(entry.file_name().to_string_lossy().into_owned(), json!(what));
    }
    Value::Object(out)
}

fn report() -> Value {
    let fds = descriptors();
    let status = status();
    let get = |key: &str| status.get(key).cloned().unwrap_or_default();
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .map(|(key, value)| (key.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    // SAFETY: these calls read numbers of this process.
    let (sid, pgid, umask, dumpable) =
        unsafe { (libc::getsid(0), libc::getpgrp(), libc::umask(0o22), libc::prctl(libc::PR_GET_DUMPABLE)) };
    json!({
        "pid": std::process::id(), "sid": sid, "pgid": pgid, "umask": umask, "dumpable": dumpable,
        "arguments": std::env::args().collect::<Vec<_>>(),
        "uid": ids(&get("Uid")), "gid": ids(&get("Gid")), "groups": ids(&get("Groups")),
        "capabilities": capabilities(&status),
        "seccomp": get("Seccomp"), "seccomp_filters": get("Seccomp_filters"), "no_new_privs": get("NoNewPrivs"),
        "signals_ignored": get("SigIgn"), "signals_blocked": get("SigBlk"), "threads": get("Threads"),
        "uid_map": read("/proc/self/uid_map"), "gid_map": read("/proc/self/gid_map"),
        "cgroup": read("/proc/self/cgroup").lines().collect::<Vec<_>>(),
        "oom_score_adj": read("/proc/self/oom_score_adj").trim(),
        "apparmor": read("/proc/self/attr/current").trim_matches(['\n', '\0']),
        "cwd": std::env::current_dir().ok(), "environment": environment,
        "hostname": read("/proc/sys/kernel/hostname").trim(),
        "mounts": mounts(), "fds": fds, "limits": limits(), "namespaces": namespaces(), "tty": terminal(), "dev": devices(),
        "interfaces": read("/proc/net/dev").lines().skip(2).filter_map(|l| l.split(':').next()).map(str::trim).collect::<Vec<_>>(),
        "processes": std::fs::read_dir("/proc").into_iter().flatten().flatten()
            .filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())).count(),
    })
}

/// Extended attributes in hexadecimal, less those of overlays.
fn xattrs(path: &std::path::Path) -> Value {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let mut out = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name).unwrap();
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap_or(0);
        let value: String = value[..length].iter().map(|byte| format!("{byte:02x}")).collect();
        if !name.starts_with("trusted.") && !name.contains(".overlay.") {
            out.insert(name.to_owned(), value);
        }
    }
    json!(out)
}

/// Prints what is below `path`, names sorted, without other file systems.
fn tree(root: &std::path::Path, path: &std::path::Path, device: u64) {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let kind = metadata.file_type();
    let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
    let foreign = metadata.dev() != device && (kind.is_dir() || kind.is_file());
    let content = match () {
        () if foreign => json!("another file system"),
        () if kind.is_symlink() => json!(std::fs::read_link(path).unwrap().to_string_lossy()),
        () if kind.is_file() => {
            let digest = std::fs::read(path).map(|bytes| {
                sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), bytes))
            });
            let text: String = digest.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            json!([metadata.size(), text])
        }
        () => json!(null),
    };
    let mode = format!("{:o}", metadata.mode());
    let line = match foreign {
        true => json!({"name": name, "content": content}),
        false => {
            json!({"name": name, "mode": mode, "uid": metadata.uid(), "gid": metadata.gid(), "rdev": metadata.rdev(),
            "mtime": [metadata.mtime(), metadata.mtime_nsec()], "xattrs": xattrs(path), "content": content})
        }
    };
    println!("{line}");
    if kind.is_dir() && !foreign {
        let mut entries: Vec<_> = std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| tree(root, entry, device));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = || arguments.get(2).and_then(|text| text.parse::<i32>().ok()).unwrap_or(0);
    match arguments.get(1).map(String::as_str) {
        Some("exit") => std::process::exit(number()),
        // SAFETY: a signal to this process itself.
        Some("signal") => unsafe {
            libc::kill(libc::getpid(), number());
        },
        Some("wait") => loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        },
        Some("flood") => {
            let line = [b'x'; 64 * 1024];
            let mut left = usize::try_from(number()).unwrap_or(0);
            let mut out = std::io::stdout().lock();
            while left > 0 {
                let part = left.min(line.len());
                out.write_all(&line[..part]).unwrap();
                left -= part;
            }
        }
        Some("eat") => {
            let memory = vec![1_u8; usize::try_from(number()).unwrap_or(0) << 20];
            println!("{}", memory.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
        }
        Some("type") => {
            for request in [0x5412_u64, 0x1_0000_5412] {
                // SAFETY: TIOCSTI reads one byte, which is live.
                let code = unsafe { libc::syscall(libc::SYS_ioctl, 0, request, c"x".as_ptr()) };
                println!("{code} {}", std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
            }
        }
        Some("session") => {
            // SAFETY: numbers only: KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING, which is not made.
            println!("{}", unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 0) });
        }
        Some("peak") => {
            // Who executes a program inherits the most that it had itself: few others have as little as this.
            let mut command = std::process::Command::new(&arguments[2]);
            assert!(command.args(&arguments[3..]).status().unwrap().success());
            // SAFETY: plain data that lives through the call.
            let usage = unsafe {
                let mut usage = std::mem::zeroed::<libc::rusage>();
                libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
                usage
            };
            println!("{}", usage.ru_maxrss);
        }
        Some("calls") => println!("{}", calls::report()),
        Some("tree") => {
            let root = std::path::PathBuf::from(&arguments[2]);
            let device = std::os::unix::fs::MetadataExt::dev(&std::fs::symlink_metadata(&root).unwrap());
            tree(&root, &root, device);
        }
        _ => println!("{}", report()),
    }
}
