//! `top`: the processes of a container, as the host's /proc tells them. Nothing is executed, and the one thing that is
//! read of the container's files, its names of users and groups, is read below its root and within a bound.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};

use super::Engine;
use super::container::Container;
use crate::model::container::Namespace;
use crate::model::error::Error;
use crate::model::status::Status;
use crate::model::time;
use crate::runtime::capability::CapSet;
use crate::runtime::cgroup::Cgroup;
use crate::sys::path::open_in_root;

/// What podman shows where nothing else was asked for.
const DEFAULT: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];
/// Options of ps(1) that people give by habit, and the descriptors that show what they would.
const HABITS: [(&[&str], &[&str]); 3] = [
    (&["aux", "-aux", "auxww"], &["user", "pid", "pcpu", "vsz", "rss", "tty", "state", "stime", "time", "args"]),
    (&["-ef", "ef", "-eF"], &["user", "pid", "ppid", "pcpu", "stime", "tty", "time", "args"]),
    (&["-e", "-A", "ax", "-ax"], &["pid", "tty", "time", "comm"]),
];
/// Names that ps(1) has for what has another name here.
const SYNONYMS: [(&str, &str); 8] = [
    ("cmd", "args"),
    ("command", "args"),
    ("%cpu", "pcpu"),
    ("ni", "nice"),
    ("stat", "state"),
    ("s", "state"),
    ("start", "stime"),
    ("tt", "tty"),
];
/// The most that is read of a file of names.
const NAMES_LIMIT: u64 = 1 << 20;

/// A descriptor: its name, the one letter that ps(1) has for it, its heading, and what it shows.
type Column = (&'static str, &'static str, &'static str, fn(&Process, &Host) -> String);

const COLUMNS: [Column; 34] = [
    ("args", "%a", "COMMAND", |p, _| p.args()),
    ("capamb", "", "AMBIENT CAPS", |p, _| p.capabilities("CapAmb")),
    ("capbnd", "", "BOUNDING CAPS", |p, _| p.capabilities("CapBnd")),
    ("capeff", "", "EFFECTIVE CAPS", |p, _| p.capabilities("CapEff")),
    ("capinh", "", "INHERITED CAPS", |p, _| p.capabilities("CapInh")),
    ("capprm", "", "PERMITTED CAPS", |p, _| p.capabilities("CapPrm")),
    ("comm", "%c", "COMMAND", |p, _| p.comm.clone()),
    ("elapsed", "", "ELAPSED", |p, h| p.elapsed(h)),
    ("etime", "%t", "ELAPSED", |p, h| p.elapsed(h)),
    ("group", "%G", "GROUP", |p, h| h.inside.group(p, p.id("Gid", 1))),
    ("groups", "", "GROUPS", |p, h| {
        p.groups().into_iter().map(|id| h.inside.group(p, id)).collect::<Vec<_>>().join(",")
    }),
    ("hgroup", "", "HGROUP", |p, h| h.outside.name(&h.outside.groups, h.gids.outer(p.id("Gid", 1)))),
    ("hgroups", "", "HGROUPS", |p, h| {
        let name = |id| h.outside.name(&h.outside.groups, h.gids.outer(id));
        p.groups().into_iter().map(name).collect::<Vec<_>>().join(",")
    }),
    ("hpid", "", "HPID", |p, _| p.pid.to_string()),
    ("huser", "", "HUSER", |p, h| h.outside.name(&h.outside.users, h.uids.outer(p.id("Uid", 1)))),
    ("label", "", "LABEL", |p, _| p.label()),
    ("nice", "%n", "NI", |p, _| p.field(19).to_string()),
    ("pcpu", "%C", "%CPU", |p, h| p.cpu_share(h)),
    ("pgid", "%r", "PGID", |p, h| h.pid_inside(p.field(5)).to_string()),
    ("pid", "%p", "PID", |p, _| p.inside.to_string()),
    ("ppid", "%P", "PPID", |p, h| h.pid_inside(p.field(4)).to_string()),
    ("rgroup", "%g", "RGROUP", |p, h| h.inside.group(p, p.id("Gid", 0))),
    ("rss", "", "RSS", |p, _| p.kilobytes("VmRSS")),
    ("ruser", "%u", "RUSER", |p, h| h.inside.user(p, p.id("Uid", 0))),
    ("seccomp", "", "SECCOMP", |p, _| p.seccomp().to_owned()),
    ("state", "", "STATE", |p, _| p.state.clone()),
    ("stime", "", "STIME", |p, h| p.started(h)),
    ("time", "%x", "TIME", |p, h| time::print_duration(h.nanos(p.field(14).saturating_add(p.field(15))))),
    ("tty", "%y", "TTY", |p, _| terminal(p.field(7))),
    ("user", "%U", "USER", |p, h| h.inside.user(p, p.id("Uid", 1))),
    ("vsz", "%z", "VSZ", |p, _| p.kilobytes("VmSize")),
    ("uid", "", "UID", |p, _| p.map_id("uid_map", p.id("Uid", 1)).to_string()),
    ("gid", "", "GID", |p, _| p.map_id("gid_map", p.id("Gid", 1)).to_string()),
    ("threads", "", "THREADS", |p, _| p.status("Threads").unwrap_or_default().to_owned()),
];

/// The names of all descriptors.
pub(crate) fn descriptors() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|(name, ..)| *name)
}

impl Engine {
    /// The processes of the running container that `name` means, below a row of headings.
    pub(crate) fn top(&self, name: &str, descriptors: &[String]) -> Result<Vec<Vec<String>>> {
        let columns = columns(descriptors)?;
        let read = self.read(name)?;
        let init = match read.state.init {
            Some(init) if matches!(read.state.status, Status::Running | Status::Paused) => init,
            _ => return Err(Error::state("top can only be used on running containers").into()),
        };
        let pids = pids(&read, init.pid)?;
        let depth = Process::read(init.pid, 0).map_or(1, |process| process.pids.len());
        let processes: Vec<Process> = pids.into_iter().filter_map(|pid| Process::read(pid, depth)).collect();
        let host = Host::look(init.pid, &processes)?;
        let mut rows = vec![columns.iter().map(|(_, _, heading, _)| (*heading).to_owned()).collect::<Vec<_>>()];
        rows.extend(processes.iter().map(|process| columns.iter().map(|(.., show)| show(process, &host)).collect()));
        Ok(rows)
    }
}

/// Reads descriptors, separated by commas or blanks, with or without `-o`, and what people give to ps(1) by habit.
fn columns(texts: &[String]) -> Result<Vec<&'static Column>, Error> {
    let words = texts.iter().flat_map(|text| text.split([',', ' '])).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !matches!(*word, "-o" | "-eo" | "o")).collect();
    let words = match words[..] {
        [] => DEFAULT.to_vec(),
        [habit] => HABITS.iter().find(|(words, _)| words.contains(&habit)).map_or(words, |(_, names)| names.to_vec()),
        _ => words,
    };
    let find = |word: &str| {
        let lower = word.to_ascii_lowercase();
        let lower = SYNONYMS.iter().find(|(other, _)| *other == lower).map_or(lower, |(_, name)| (*name).to_owned());
        COLUMNS.iter().find(|(name, code, ..)| *name == lower || (!code.is_empty() && *code == word))
    };
    let column = |word: &&str| {
        find(word).ok_or_else(|| {
            Error::invalid(format!("unknown descriptor: {word:?}")).hint(
                "nothing is executed in containers: of the options of ps(1) only aux, -ef and -o are understood; see \
                 `man dhow-top`",
            )
        })
    };
    words.iter().map(column).collect()
}

/// The number of a process's namespace.
pub(crate) fn namespace(pid: i32, name: &str) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/{name}")).ok().map(|meta| meta.ino())
}

/// Who lives in the container: by its pid namespace, or where that is shared, by its cgroup.
fn pids(read: &Container, init: i32) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    if read.config.pid == Namespace::Private {
        let own = namespace(init, "pid");
        for entry in fs::read_dir("/proc").context("list processes")? {
            let name = entry.context("list processes")?.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok())
                && own.is_some()
                && namespace(pid, "pid") == own
            {
                pids.push(pid);
            }
        }
    } else if let Some(value) = read.state.cgroup.clone() {
        let cgroup: Cgroup = serde_json::from_value(value).context("read the cgroup of the container")?;
        pids = cgroup.processes().context("list the processes of the cgroup")?;
    }
    if pids.is_empty() {
        pids.push(init);
    }
    pids.sort_unstable();
    Ok(pids)
}

/// A process as /proc described it.
#[derive(Debug)]
struct Process {
    pid: i32,
    /// Its number in the container.
    inside: i32,
    /// Its numbers in all namespaces, the outermost first.
    pids: Vec<i32>,
    comm: String,
    state: String,
    /// Fields of `stat` from the fourth on.
    stat: Vec<i64>,
    status: BTreeMap<String, String>,
}

impl Process {
    /// Reads a process whose namespace is the `depth`-th. `None`: it is gone.
    fn read(pid: i32, depth: usize) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let (open, close) = (stat.iter().position(|b| *b == b'(')?, stat.iter().rposition(|b| *b == b')')?);
        let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
        let rest = String::from_utf8_lossy(stat.get(close + 1..)?).into_owned();
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.to_owned();
        // Addresses do not fit and are not asked for.
        let stat = fields.map(|field| field.parse().unwrap_or(0)).collect();
        let text = fs::read(format!("/proc/{pid}/status")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        let status: BTreeMap<_, _> = pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
        let numbers = status.get("NSpid").map_or("", String::as_str).split_ascii_whitespace();
        let pids: Vec<i32> = numbers.filter_map(|number| number.parse().ok()).collect();
        let inside = pids.get(depth.saturating_sub(1)).or(pids.last()).copied().unwrap_or(pid);
        Some(Self { pid, inside, pids, comm, state, stat, status })
    }

    /// A field of proc_pid_stat(5), by its number.
    fn field(&self, number: usize) -> i64 {
        self.stat.get(number - 4).copied().unwrap_or(0)
    }

    fn status(&self, key: &str) -> Option<&str> {
        self.status.get(key).map(String::as_str)
    }

    /// Of `Uid` and `Gid`: 0 is the real one, 1 the effective one.
    fn id(&self, key: &str, at: usize) -> u32 {
        let ids = self.status(key).unwrap_or_default();
        ids.split_ascii_whitespace().nth(at).and_then(|id| id.parse().ok()).unwrap_or(u32::MAX)
    }

    fn groups(&self) -> Vec<u32> {
        self.status("Groups").unwrap_or_default().split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// What an id of ours is in the process's own user namespace.
    fn map_id(&self, map: &str, id: u32) -> u32 {
        let map = fs::read_to_string(format!("/proc/{}/{map}", self.pid)).unwrap_or_default();
        let inside = map.lines().find_map(|line| {
            let numbers: Vec<u32> = line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
            let [inside, outside, size] = numbers[..] else { return None };
            id.checked_sub(outside).filter(|offset| *offset < size).map(|offset| inside + offset)
        });
        inside.unwrap_or(id)
    }

    fn args(&self) -> String {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words: Vec<_> = line.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
        let line = words.join(" ");
        // A kernel thread or a zombie has none.
        if line.trim().is_empty() { format!("[{}]", self.comm) } else { line.trim_end().to_owned() }
    }

    fn capabilities(&self, key: &str) -> String {
        let mask = u64::from_str_radix(self.status(key).unwrap_or_default(), 16).unwrap_or(0);
        let set = CapSet::from_mask(mask);
        if set == CapSet::EMPTY {
            return "none".to_owned();
        }
        if set == CapSet::ALL {
            return "full".to_owned();
        }
        let mut names: Vec<String> = set.names().map(|name| name.trim_start_matches("CAP_").to_owned()).collect();
        names.sort();
        names.join(",")
    }

    fn kilobytes(&self, key: &str) -> String {
        self.status(key).and_then(|text| text.split(' ').next()).unwrap_or("0").to_owned()
    }

    fn label(&self) -> String {
        let label = fs::read_to_string(format!("/proc/{}/attr/current", self.pid)).unwrap_or_default();
        match label.trim_end_matches(['\0', '\n']) {
            "" => "?".to_owned(),
            label => label.to_owned(),
        }
    }

    fn seccomp(&self) -> &'static str {
        match self.status("Seccomp") {
            Some("0") => "disabled",
            Some("1") => "strict",
            Some("2") => "filter",
            _ => "unknown",
        }
    }

    /// Nanoseconds since its start.
    fn age(&self, host: &Host) -> i64 {
        host.uptime.saturating_sub(host.nanos(self.field(22))).max(0)
    }

    fn elapsed(&self, host: &Host) -> String {
        time::print_duration(self.age(host))
    }

    fn started(&self, host: &Host) -> String {
        let at = i128::from(host.now) - i128::from(self.age(host));
        let at = jiff::Timestamp::from_nanosecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(jiff::tz::TimeZone::system()).strftime("%a %b %e %H:%M:%S %Y").to_string()
    }

    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn cpu_share(&self, host: &Host) -> String {
        let used = host.nanos(self.field(14).saturating_add(self.field(15)));
        let share = match self.age(host) {
            0 => 0.0,
            age => used as f64 / age as f64 * 100.0,
        };
        format!("{share:.3}")
    }
}

/// What all processes have in common.
struct Host {
    /// Nanoseconds.
    uptime: i64,
    now: i64,
    tick: i64,
    inside: Names,
    outside: Names,
    /// What the ids that we see are on the host.
    uids: OwnMap,
    gids: OwnMap,
    /// Numbers inside by numbers outside.
    pids: BTreeMap<i64, i32>,
}

impl Host {
    fn look(init: i32, processes: &[Process]) -> Result<Self> {
        let clock = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let hertz = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1);
        Ok(Self {
            uptime: clock.tv_sec.saturating_mul(1_000_000_000).saturating_add(clock.tv_nsec),
            now: i64::try_from(jiff::Timestamp::now().as_nanosecond()).context("read the clock")?,
            tick: 1_000_000_000 / hertz,
            inside: Names::of(&format!("/proc/{init}/root")),
            outside: Names::of("/"),
            uids: OwnMap::read("uid_map"),
            gids: OwnMap::read("gid_map"),
            pids: processes.iter().map(|process| (i64::from(process.pid), process.inside)).collect(),
        })
    }

    fn nanos(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.tick)
    }

    /// A process of elsewhere is 0, as the kernel has it.
    fn pid_inside(&self, pid: i64) -> i32 {
        self.pids.get(&pid).copied().unwrap_or(0)
    }
}

/// The map of our own user namespace: ranges of inside, outside and count.
#[derive(Debug)]
struct OwnMap(Vec<[u32; 3]>);

impl OwnMap {
    fn read(name: &str) -> Self {
        Self::parse(&fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let range = |line: &str| {
            let numbers: Vec<u32> = line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
            <[u32; 3]>::try_from(numbers).ok()
        };
        Self(text.lines().filter_map(range).collect())
    }

    fn outer(&self, id: u32) -> u32 {
        let within = |[inside, outside, count]: &[u32; 3]| {
            id.checked_sub(*inside).filter(|offset| offset < count).map(|offset| outside.saturating_add(offset))
        };
        self.0.iter().find_map(within).unwrap_or(id)
    }
}

/// Names of users and groups, where they are known.
#[derive(Debug, Default)]
struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    fn of(root: &str) -> Self {
        let Ok(root) = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
            return Self::default();
        };
        // A file that cannot be read names nobody.
        let read = |path: &str| -> Option<BTreeMap<u32, String>> {
            let fd =
                open_in_root(&root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).ok()?;
            let file = fs::File::from(fd);
            if !file.metadata().ok()?.is_file() {
                return None;
            }
            let mut text = Vec::new();
            file.take(NAMES_LIMIT).read_to_end(&mut text).ok()?;
            Some(parse_names(&String::from_utf8_lossy(&text)))
        };
        Self { users: read("etc/passwd").unwrap_or_default(), groups: read("etc/group").unwrap_or_default() }
    }

    fn name(&self, names: &BTreeMap<u32, String>, id: u32) -> String {
        names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn user(&self, process: &Process, id: u32) -> String {
        self.name(&self.users, process.map_id("uid_map", id))
    }

    fn group(&self, process: &Process, id: u32) -> String {
        self.name(&self.groups, process.map_id("gid_map", id))
    }
}

/// Reads `NAME:PASSWORD:ID:…`; the first name of an id counts.
fn parse_names(text: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(id)) = (fields.next(), fields.nth(1).and_then(|id| id.parse().ok()))
            && !name.is_empty()
        {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// The name of a terminal by its device number. proc_pid_stat(5), tty(4), pts(4).
fn terminal(device: i64) -> String {
    let number = u64::try_from(device).unwrap_or(0);
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00);
    match (major, minor) {
        (0, _) => "?".to_owned(),
        (136..=143, minor) => format!("pts/{}", (major - 136) * 256 + minor),
        (4, minor @ 0..64) => format!("tty{minor}"),
        (4, minor) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (major, minor) => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_podmans() {
        let names = |texts: &[&str]| -> Result<Vec<&str>, String> {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Ok(columns(&texts).map_err(|error| error.message)?.into_iter().map(|(name, ..)| *name).collect())
        };
        assert_eq!(names(&[]).unwrap(), DEFAULT);
        assert_eq!(names(&["pid,HPID", "user %C"]).unwrap(), ["pid", "hpid", "user", "pcpu"]);
        assert_eq!(names(&["-eo", "pid,comm"]).unwrap(), ["pid", "comm"]);
        assert_eq!(names(&["-o", "pid,cmd,%cpu"]).unwrap(), ["pid", "args", "pcpu"]);
        assert_eq!(names(&["-ef"]).unwrap()[..3], ["user", "pid", "ppid"]);
        assert_eq!(names(&["aux", "pid"]).unwrap_err(), "unknown descriptor: \"aux\"");
        for (words, descriptors) in HABITS {
            assert!(words.iter().all(|word| names(&[word]).unwrap() == descriptors), "{words:?}");
        }
    }

    #[test]
    fn we_are_a_process() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let process = Process::read(pid, 1).unwrap();
        let host = Host::look(pid, std::slice::from_ref(&process)).unwrap();
        assert_eq!((process.pid, host.pid_inside(pid.into()), host.pid_inside(0)), (pid, process.inside, 0));
        assert!(process.age(&host) < 3_600_000_000_000 && process.state.len() == 1);
        for (_, _, heading, show) in &COLUMNS {
            let text = show(&process, &host);
            assert!(!text.contains('\0'), "{heading} {text}");
        }
    }

    #[test]
    fn an_id_of_ours_is_another_on_the_host() {
        let map = OwnMap::parse("         0       4217          1\n         1     200000      65536\nbad\n");
        assert_eq!([0, 1, 65_536, 65_537].map(|id| map.outer(id)), [4217, 200_000, 265_535, 65_537]);
    }

    #[test]
    fn names_and_terminals() {
        let names = parse_names("root:x:0:0::/:\n:x:1\nbad\ntoor:x:0:\nu:x:7:7\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [(0, "root".to_owned()), (7, "u".to_owned())]);
        for (device, want) in
            [(0, "?"), (136 << 8 | 5, "pts/5"), (137 << 8, "pts/256"), (4 << 8 | 1, "tty1"), (4 << 8 | 64, "ttyS0")]
        {
            assert_eq!(terminal(device), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_names_users_or_not(text in "([a-z]{0,4}:[x]?:[0-9]{0,11}:?\n?){0,4}|\\PC{0,60}") {
            drop(parse_names(&text));
        }
    }
}
