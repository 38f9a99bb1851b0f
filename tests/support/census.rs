//! Everything that a container engine can leave behind, as lines of text: what two counts do not share is a leak.
//!
//! Lines carry no ids that the kernel counts up (mount ids, interface indices, inode numbers), so that the same state
//! reads the same. A store that was used and is empty again may keep its fixed directories and empty lock files
//! ([`is_skeleton`]); everything else of it is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The lines of one count, each with how often it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    lines: BTreeMap<String, usize>,
}

/// What to look at.
pub(crate) struct Scope<'a> {
    /// Stores, runtime directories, temporary places: listed file by file.
    pub(crate) trees: &'a [PathBuf],
    /// Lines that begin so are not counted.
    pub(crate) ignored: &'a [String],
}

impl Census {
    /// Counts now.
    pub(crate) fn take(scope: &Scope<'_>) -> Self {
        let mut census = Self::default();
        let mut sections: Vec<(&str, Vec<String>)> = vec![
            ("process", processes()),
            ("namespace", namespaces()),
            ("mount", mounts()),
            ("link", links()),
            ("address", addresses()),
            ("nftables", nftables()),
            ("cgroup", super::cgroup::groups()),
            ("loop", loops(scope.trees)),
        ];
        sections.push(("lock", locks(scope.trees)));
        for tree in scope.trees {
            sections.push(("file", files(tree)));
        }
        for (section, lines) in sections {
            for line in lines {
                let line = format!("{section}: {line}");
                if !scope.ignored.iter().any(|prefix| line.starts_with(prefix)) {
                    *census.lines.entry(line).or_default() += 1;
                }
            }
        }
        census
    }

    /// The lines that came (`+`) and went (`-`) since `self`.
    pub(crate) fn difference(&self, now: &Self) -> Vec<String> {
        let mut out = Vec::new();
        for (line, count) in &now.lines {
            let before = self.lines.get(line).copied().unwrap_or(0);
            out.extend((before..*count).map(|_| format!("+ {line}")));
        }
        for (line, count) in &self.lines {
            let after = now.lines.get(line).copied().unwrap_or(0);
            out.extend((after..*count).map(|_| format!("- {line}")));
        }
        out
    }
}

/// The processes of this pid namespace, without pid 1 and this one.
pub(crate) fn pids() -> Vec<u32> {
    let own = std::process::id();
    let mut out: Vec<u32> = std::fs::read_dir("/proc")
        .expect("list /proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != 1 && *pid != own)
        .collect();
    out.sort_unstable();
    out
}

/// The command line of a process, its words separated by blanks; a zombie's is its name in brackets.
pub(crate) fn command_line(pid: u32) -> String {
    let raw = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = raw
        .split(|b| *b == 0)
        .filter(|word| !word.is_empty())
        .map(|w| String::from_utf8_lossy(w).into_owned())
        .collect();
    if words.is_empty() {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("[{}]", name.trim());
    }
    words.join(" ")
}

fn processes() -> Vec<String> {
    pids().into_iter().map(command_line).filter(|line| line != "[]").collect()
}

/// The monitors that live here.
pub(crate) fn monitors() -> Vec<u32> {
    pids().into_iter().filter(|pid| command_line(*pid).split(' ').nth(1) == Some("monitor")).collect()
}

/// The processes that remove what idle networks have, a second after their last container.
pub(crate) fn attendants() -> Vec<u32> {
    let attends = |words: &[&str]| words.get(1) == Some(&"cleanup") && words.last() == Some(&"networks");
    pids().into_iter().filter(|pid| attends(&command_line(*pid).split(' ').collect::<Vec<_>>())).collect()
}

/// Whether a process, unless it is over, has SIGTERM blocked, or is a zombie.
fn takes_orders(pid: rustix::process::Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
    let blocked = u64::from_str_radix(field("SigBlk:"), 16).unwrap_or(0);
    blocked & (1 << 14) != 0 || field("State:").starts_with('Z')
}

/// Tells those who would take their time to do at once what they are there for, and waits until they have.
pub(crate) fn hurry() {
    for pid in attendants() {
        let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { continue };
        // Until it takes the signal as a message it would die of it. Who is gone has done it.
        while !takes_orders(pid) && rustix::process::test_kill_process(pid).is_ok() {
            std::thread::yield_now();
        }
        let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { continue };
        rustix::process::pidfd_send_signal(&fd, rustix::process::Signal::TERM).ok();
        let limit = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
        let mut ended = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut ended, Some(&limit)), Ok(1), "an attendant of networks does not end");
        // Whoever adopted it reaps it at once.
        while rustix::process::test_kill_process(pid).is_ok() {
            std::thread::yield_now();
        }
    }
}

/// How many namespaces of each kind the processes here are in.
fn namespaces() -> Vec<String> {
    let mut seen = BTreeSet::new();
    for pid in pids().into_iter().chain([1, std::process::id()]) {
        for kind in ["mnt", "net", "pid", "ipc", "uts", "user", "cgroup", "time"] {
            if let Ok(link) = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
                seen.insert(format!("{kind} {}", link.display()));
            }
        }
    }
    seen.iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

/// The mounts of every mount namespace that lives here.
fn mounts() -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for pid in pids().into_iter().chain([std::process::id()]) {
        let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let text = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        for line in text.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let left: Vec<&str> = left.split(' ').collect();
            let kind = right.split(' ').next().unwrap_or("");
            // An nsfs mount's root is the number of a namespace.
            let root = if kind == "nsfs" { left[3].split(':').next().unwrap_or("") } else { left[3] };
            out.push(format!("{kind} {root} on {}", left[4]));
        }
    }
    out
}

/// The links of this network namespace, with their aliases.
fn links() -> Vec<String> {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let mut out = Vec::new();
    for entry in std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        out.push(format!(
            "{name} alias \"{}\" mtu {}",
            read(entry.path().join("ifalias")),
            read(entry.path().join("mtu"))
        ));
    }
    out
}

/// The addresses, routes and listening ports of this network namespace.
fn addresses() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(format!("/proc/net/{path}")).unwrap_or_default();
    let mut out = Vec::new();
    let mut last = String::new();
    for line in read("fib_trie").lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            address.clone_into(&mut last);
        } else if line == "/32 host LOCAL" {
            out.push(format!("v4 {last}"));
        }
    }
    out.sort();
    out.dedup();
    for line in read("if_inet6").lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        // Link-local addresses come and go with duplicate address detection.
        if let [address, _, _, _, _, link] = parts[..]
            && !address.starts_with("fe80")
        {
            out.push(format!("v6 {address} on {link}"));
        }
    }
    for line in read("route").lines().skip(1) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        out.push(format!("route {} to {} by {}", parts[0], parts[1], parts[2]));
    }
    for (protocol, listening) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        for line in read(protocol).lines().skip(1) {
            let parts: Vec<&str> = line.split_whitespace().collect();
            if parts.get(3) == Some(&listening) {
                out.push(format!("{protocol} {}", parts[1]));
            }
        }
    }
    out
}

/// The whole ruleset, element by element; counters and handles are left out.
fn nftables() -> Vec<String> {
    let Some(nft) = super::require::program("nft") else { return Vec::new() };
    let output = Command::new(nft).args(["-s", "list", "ruleset"]).output().expect("run nft");
    assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty() && line != "}").collect()
}

/// Loop devices whose file is in one of the trees.
fn loops(trees: &[PathBuf]) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        if let Ok(file) = std::fs::read_to_string(entry.path().join("loop/backing_file"))
            && trees.iter().any(|tree| Path::new(file.trim()).starts_with(tree))
        {
            out.push(file.trim().to_owned());
        }
    }
    out
}

/// The files of the trees that somebody holds a lock on.
fn locks(trees: &[PathBuf]) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut held: BTreeMap<u64, String> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.contains("->")) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        if let [_, kind, _, mode, _, place, ..] = parts[..]
            && let Some(inode) = place.rsplit(':').next().and_then(|text| text.parse().ok())
        {
            held.insert(inode, format!("{kind} {mode}"));
        }
    }
    let mut out = Vec::new();
    for tree in trees {
        walk(tree, &mut |path, metadata| {
            // Device numbers are not compared: overlay and btrfs show others than /proc/locks.
            if metadata.is_file()
                && let Some(how) = held.get(&metadata.ino())
                && is_ours(path)
            {
                out.push(format!("{} {how}", normal(path)));
            }
        });
    }
    out
}

/// Whether a process of this pid namespace has `path` open; /proc/locks numbers inodes of every file system.
fn is_ours(path: &Path) -> bool {
    pids().into_iter().chain([std::process::id()]).any(|pid| {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|target| target == path)
    })
}

fn files(tree: &Path) -> Vec<String> {
    let mut out = Vec::new();
    walk(tree, &mut |path, metadata| {
        let kind = metadata.file_type();
        let what = match () {
            () if kind.is_dir() => "directory".to_owned(),
            () if kind.is_symlink() => "link".to_owned(),
            () if kind.is_fifo() => "fifo".to_owned(),
            () if kind.is_socket() => "socket".to_owned(),
            () if kind.is_char_device() => "device".to_owned(),
            () => format!("{} bytes", metadata.len()),
        };
        let below = path.strip_prefix(tree).unwrap_or(path);
        if !is_skeleton(below, metadata) {
            out.push(format!("{} {what}", path.display()));
        }
    });
    out
}

/// Visits everything below `tree`, not crossing into other file systems.
fn walk(tree: &Path, visit: &mut dyn FnMut(&Path, &std::fs::Metadata)) {
    let device = |path: &Path| path.symlink_metadata().map(|m| m.dev()).ok();
    let own = device(tree);
    for entry in std::fs::read_dir(tree).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        visit(&path, &metadata);
        if metadata.is_dir() && Some(metadata.dev()) == own {
            walk(&path, visit);
        }
    }
}

/// Whether a store that was used and is empty again may have this: a directory with a fixed name at a fixed place, an
/// empty lock file, and the few files that a store has from its first use on.
pub(crate) fn is_skeleton(below: &Path, metadata: &std::fs::Metadata) -> bool {
    // What can be made again is kept on purpose: compiled filters, by the hash of their profile.
    if below.starts_with("cache") {
        return true;
    }
    let fixed = below.iter().all(|part| part.to_str().is_some_and(|name| !looks_made(name)));
    if metadata.is_dir() {
        return fixed && below.components().count() <= 4;
    }
    let name = below.file_name().and_then(|name| name.to_str()).unwrap_or("");
    let lock = metadata.len() == 0 && (name == "lock" || name.ends_with(".lock"));
    fixed && (lock || SKELETON.contains(&name))
}

/// Files that belong to a store as such.
const SKELETON: &[&str] = &["network.json", "boot", "last", "events.log"];

/// Whether a name is an id, a digest, or a temporary or random name.
fn looks_made(name: &str) -> bool {
    let hex = name.len() >= 12 && name.bytes().all(|b| b.is_ascii_hexdigit());
    hex || name.contains("tmp.") || name.starts_with('.') || name.starts_with("tmp-") || name.contains(':')
}

/// A path with ids as `ID`, so that two runs read the same.
fn normal(path: &Path) -> String {
    let parts = path.iter().map(|part| {
        let text = part.to_string_lossy();
        if looks_made(&text) { "ID".to_owned() } else { text.into_owned() }
    });
    parts.collect::<PathBuf>().display().to_string()
}

/// The open descriptors of a process, what they are open on, without the numbers of pipes and sockets.
pub(crate) fn descriptors(pid: u32) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            let target = normal(&target);
            out.push(target.split(":[").next().unwrap_or(&target).to_owned());
        }
    }
    out.sort();
    out
}
