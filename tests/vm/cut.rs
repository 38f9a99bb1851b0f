//! Power cuts at many moments of one guest's life. QEMU logs what the guest writes to a disk and when it flushes; from
//! the log this machine makes the disk as it would be had the power gone at some moment: what was flushed is there, of what
//! was written later some of it, none, or all. Then the file system recovers, and the store is judged: what a command
//! acknowledged is whole, what was being done is whole or not there, and work goes on.
//!
//! The log has the format of the kernel's dm-log-writes: a superblock, then for each request a sector that describes it
//! and the data. A request is logged once it is done.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::Programs;
use crate::machine::{self, Guest, Logged, Suite};
use crate::support::TestEnv;
use crate::support::env::Seat;
use crate::support::powercut::Disk;
use crate::work::{self, MARK, MARK_SECTOR, QUESTION, STEPS, Thing};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const SECTOR: u64 = 512;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
/// How many moments are tried beside the end of each command.
const MOMENTS: usize = 40;

/// What the guest does.
const SUITE: &[Suite] = &[Suite { program: "vm", arguments: &["--ignored", "--test-threads=1", "staged::work::"] }];

/// Where one process of this test leaves the log for the next.
fn place() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guest-cut")
}

/// Lets the guest do its work on a logged disk. False when there can be no guest here.
pub(crate) fn record(version: &str) -> bool {
    let Some(system) = machine::system("a_power_cut_takes_nothing_that_was_acknowledged") else { return false };
    let place = place();
    drop(std::fs::remove_dir_all(&place));
    std::fs::create_dir_all(&place).expect("make the guest's directory");
    let (disk, before, log) = (place.join("disk"), place.join("before"), place.join("log"));
    File::create(&disk).and_then(|file| file.set_len(work::DISK_MEBIBYTES << 20)).expect("make a disk");
    let size = format!("{}M", work::FILE_SYSTEM_MEBIBYTES);
    let made = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4", "-E", "nodiscard"]).arg(&disk).arg(size).output();
    let made = made.expect("run mke2fs");
    assert!(made.status.success(), "mke2fs: {}", String::from_utf8_lossy(&made.stderr));
    copy(&disk, &before);
    File::create(&log).expect("make a log");
    let runs: Vec<_> = SUITE.iter().map(|suite| (suite.program, suite.arguments.to_vec())).collect();
    let programs = Programs::pack(&place, &["vm"], &machine::script(&runs));
    let logged = Logged { disk: &disk, log: &log };
    let said = Guest { version, logged: Some(logged), ..Guest::new(&system, &programs, &place) }.run();
    machine::assert_passed(version, &said, &runs);
    true
}

/// Takes away what [`record`] left.
pub(crate) fn forget() {
    std::fs::remove_dir_all(place()).expect("remove the guest's directory");
}

/// A copy that keeps holes.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("--sparse=always").args([from, to]).status().expect("run cp");
    assert!(status.success(), "copy {}", from.display());
}

/// A request that the disk has done.
struct Request {
    /// In bytes, on the disk and in the log.
    offset: u64,
    length: u64,
    data: u64,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Write,
    Flush,
    /// The guest begins or has ended a step.
    Mark {
        step: usize,
        ended: bool,
    },
}

/// The log of a disk.
struct Log {
    file: File,
    requests: Vec<Request>,
}

impl Log {
    fn read(path: &Path) -> Self {
        let file = File::open(path).expect("open the log");
        let number = |offset: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, offset).expect("read the log");
            u64::from_le_bytes(bytes)
        };
        assert_eq!((number(0), number(24) & 0xffff_ffff), (MAGIC, SECTOR), "what the log is");
        let mut requests = Vec::new();
        let mut at = SECTOR;
        for _ in 0..number(16) {
            let (sector, sectors, flags) = (number(at), number(at + 8), number(at + 16));
            let mut request =
                Request { offset: sector * SECTOR, length: sectors * SECTOR, data: at + SECTOR, kind: Kind::Write };
            at += SECTOR;
            assert_eq!(flags & DISCARD, 0, "the guest discards nothing");
            if flags & FLUSH != 0 {
                request.kind = Kind::Flush;
            }
            at += request.length;
            if sector == MARK_SECTOR {
                let mut bytes = [0; 16];
                file.read_exact_at(&mut bytes, request.data).expect("read a mark");
                assert_eq!(bytes[..8], *MARK, "a mark");
                request.kind = Kind::Mark { step: usize::from(bytes[8]), ended: bytes[9] == 1 };
            }
            requests.push(request);
        }
        Self { file, requests }
    }

    /// Does `request` once more on `disk`.
    fn write(&self, request: &Request, disk: &File) {
        let mut bytes = vec![0; usize::try_from(request.length).expect("a length")];
        self.file.read_exact_at(&mut bytes, request.data).expect("read the log");
        disk.write_all_at(&bytes, request.offset).expect("write a disk");
    }
}

/// Which of what was written since the last flush has reached the disk.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Nothing,
    Everything,
    /// By chance.
    Some,
}

/// When the power goes: after so many requests.
#[derive(Clone, Copy, Debug)]
struct Cut {
    requests: usize,
    kept: Kept,
    /// Whether `system check` comes before any other command.
    checked: bool,
}

/// Chance that can be had again: Marsaglia's xorshift.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("small")
    }
}

/// Judges every moment.
pub(crate) fn judge(env: &TestEnv) {
    let seed = std::env::var("DHOW_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed) | 1);
    let log = Log::read(&place().join("log"));
    let first = log.requests.iter().position(|request| matches!(request.kind, Kind::Mark { .. })).expect("marks");
    let last = log.requests.iter().rposition(|request| matches!(request.kind, Kind::Mark { .. })).expect("marks");
    let mut cuts = Vec::new();
    for (index, request) in log.requests.iter().enumerate() {
        if matches!(request.kind, Kind::Mark { ended: true, .. }) {
            cuts.push(Cut { requests: index + 1, kept: Kept::Nothing, checked: chance.next(2) == 0 });
        }
    }
    assert_eq!(cuts.len(), STEPS.len(), "each step was ended");
    for _ in 0..MOMENTS {
        let kept = [Kept::Nothing, Kept::Everything, Kept::Some, Kept::Some][chance.next(4)];
        cuts.push(Cut { requests: first + chance.next(last - first), kept, checked: chance.next(2) == 0 });
    }
    cuts.sort_by_key(|cut| cut.requests);
    let again = env.place.join("again.tar");
    std::fs::write(&again, work::image("again").docker_archive(&["again"])).expect("write an archive");
    // What was flushed before the moment.
    let durable = env.place.join("durable");
    copy(&place().join("before"), &durable);
    let disk = File::options().write(true).open(&durable).expect("open a disk");
    let (mut done, mut ended, mut doing) = (0, 0, STEPS.len());
    let mut seen = 0;
    for cut in cuts {
        for request in &log.requests[seen..cut.requests] {
            if let Kind::Mark { step, ended: end } = request.kind {
                (ended, doing) = if end { (step + 1, STEPS.len()) } else { (step, step) };
            }
        }
        seen = cut.requests;
        let flushed = log.requests[..seen].iter().rposition(|request| request.kind == Kind::Flush).unwrap_or(0);
        for request in log.requests[done.min(flushed)..flushed].iter().filter(|request| request.kind == Kind::Write) {
            log.write(request, &disk);
        }
        done = done.max(flushed);
        let image = env.place.join("cut");
        copy(&durable, &image);
        let broken = File::options().write(true).open(&image).expect("open a disk");
        let later: Vec<&Request> =
            log.requests[done..seen].iter().filter(|request| request.kind == Kind::Write).collect();
        for request in &later {
            if matches!(cut.kept, Kept::Everything) || matches!(cut.kept, Kept::Some) && chance.next(2) == 0 {
                log.write(request, &broken);
            }
        }
        drop(broken);
        let disk = Disk::of(&image, Path::new(work::MOUNTPOINT));
        let seat = Seat { store: Path::new(work::MOUNTPOINT).join("store"), ..env.root.clone() };
        let wrong =
            Judge { seat, ended, doing, again: again.display().to_string(), wrong: Vec::new() }.all(cut.checked);
        drop(disk);
        assert!(
            wrong.is_empty(),
            "DHOW_TEST_SEED={seed}: {cut:?}, {} writes since the last flush, {ended} steps done, then {:?}:\n{}",
            later.len(),
            STEPS.get(doing).map(|step| step.words),
            wrong.join("\n")
        );
    }
}

/// Looks at a store after a power cut.
struct Judge {
    seat: Seat,
    /// How many steps were acknowledged.
    ended: usize,
    /// The one that was being done; the number of them all when none was.
    doing: usize,
    /// The archive of an image that the guest did not have.
    again: String,
    wrong: Vec<String>,
}

impl Judge {
    /// What is wrong.
    fn all(mut self, checked: bool) -> Vec<String> {
        if checked {
            self.check();
        }
        let expected = work::state(self.ended);
        let found = self.found();
        for thing in expected.keys().filter(|thing| !found.contains(thing) && !work::touches(self.doing, **thing)) {
            self.wrong.push(format!("{thing:?} is lost"));
        }
        for thing in &found {
            if !expected.contains_key(thing) && !work::touches(self.doing, *thing) {
                self.wrong.push(format!("{thing:?} should not be there"));
            }
        }
        let after = work::state((self.doing + 1).min(STEPS.len()).max(self.ended));
        for thing in found {
            if let Some(says) = expected.get(&thing).or(after.get(&thing)) {
                self.used(thing, says);
            }
        }
        self.goes_on();
        self.wrong
    }

    /// A command that must succeed.
    fn run(&mut self, words: &[&str]) -> String {
        let outcome = self.seat.run(words);
        if outcome.code != 0 {
            self.wrong.push(outcome.to_string());
        }
        outcome.text()
    }

    /// What is damaged can be repaired.
    fn check(&mut self) {
        if self.seat.run(&["system", "check"]).code != 0 {
            self.seat.run(&["system", "check", "--repair", "--force"]);
            self.run(&["system", "check"]);
        }
    }

    fn found(&mut self) -> BTreeSet<Thing> {
        let all = work::STEPS.iter().flat_map(|step| step.changes).map(|(thing, _)| *thing).collect::<BTreeSet<_>>();
        let images = self.run(&["images", "--format", "{{.Repository}}"]);
        let volumes = self.run(&["volume", "ls", "-q"]);
        let containers = self.run(&["ps", "-a", "--format", "{{.Names}}"]);
        let has = |list: &str, name: &str| list.lines().any(|line| line.rsplit('/').next() == Some(name));
        all.into_iter()
            .filter(|thing| match thing {
                Thing::Image(name) => has(&images, name),
                Thing::Volume(name) => has(&volumes, name),
                Thing::Container(name) => has(&containers, name),
            })
            .collect()
    }

    /// `thing` is whole.
    fn used(&mut self, thing: Thing, says: &str) {
        match thing {
            Thing::Image(name) => {
                let images = self.run(&["images", "--format", "{{.Repository}}"]);
                let full = images.lines().find(|line| line.rsplit('/').next() == Some(name)).unwrap_or(name).to_owned();
                let said = self.run(&["run", "--rm", "--pull=never", "--network", "none", &full, "sh", "-c", QUESTION]);
                if said != work::answer(says) {
                    self.wrong.push(format!("{thing:?} says {said:?}"));
                }
            }
            Thing::Volume(name) => drop(self.run(&["volume", "inspect", name])),
            Thing::Container(name) => {
                let status = self.run(&["ps", "-a", "--filter", &format!("name=^{name}$"), "--format", "{{.State}}"]);
                if !matches!(status.as_str(), "created" | "exited") {
                    self.wrong.push(format!("{thing:?} is {status:?}"));
                }
                let outcome = self.seat.run(&["start", "-a", name]);
                if outcome.code.to_string() != says {
                    self.wrong.push(outcome.to_string());
                }
            }
        }
    }

    /// Everything can be done again, and taken away.
    fn goes_on(&mut self) {
        let archive = self.again.clone();
        self.run(&["load", "-q", "-i", &archive]);
        let said =
            self.run(&["run", "--name", "again", "-v", "again:/v", "--network", "none", "again", "sh", "-c", QUESTION]);
        if said != work::answer("again") {
            self.wrong.push(format!("a new image says {said:?}"));
        }
        for words in [&["rm", "-f", "-a", "-t", "0"][..], &["volume", "rm", "-a"], &["rmi", "-f", "-a"]] {
            self.run(words);
        }
        self.check();
        for words in [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["images", "-aq"]] {
            let left = self.run(words);
            if !left.is_empty() {
                self.wrong.push(format!("{words:?} says {left:?}"));
            }
        }
    }
}
