//! Subordinate ids: what `/etc/subuid` and `/etc/subgid` give a user, the maps of a user namespace made of it, and the
//! helpers that may write such maps.
//!
//! Inside, 0 is the user and 1, 2, … are the subordinate ids in the order of the files. What is given twice counts once.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::model::container::IdRange;
use crate::model::error::Error;
use crate::state::installed;

pub(crate) const SUBUID: &str = "/etc/subuid";
pub(crate) const SUBGID: &str = "/etc/subgid";

/// How many ids an ordinary image needs: nobody is 65534.
const USUAL: u64 = 65_536;
/// Where distributions let subordinate ids begin.
const FIRST: u32 = 100_000;
/// The kernel takes no more lines in a map (user_namespaces(7)); the first is the user.
const LINES: usize = 340;
/// No such file is larger; an unbounded read of a strange one must not fill the memory.
const LIMIT: u64 = 16 << 20;

/// One line: `count` ids from `start` on belong to `owner`, a name or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) owner: String,
    pub(crate) start: u32,
    pub(crate) count: u32,
}

impl Entry {
    fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(self.count)
    }

    fn overlaps(&self, other: &Self) -> bool {
        u64::from(self.start) < other.end() && u64::from(other.start) < self.end()
    }
}

/// Reads `OWNER:START:COUNT` lines. Others are passed over, as shadow's own tools do.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(entry).collect()
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.trim().split(':');
    let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
    if owner.is_empty() || owner.starts_with('#') || fields.next().is_some() {
        return None;
    }
    let entry = Entry { owner: owner.to_owned(), start: number(start)?, count: number(count)? };
    // 4294967295 is nobody's id: it means "no change" to the system calls.
    (entry.count > 0 && entry.end() <= u64::from(u32::MAX)).then_some(entry)
}

/// Digits only: no sign, no blanks.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The ids that one file gives a user, and what is odd about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// The whole map: the user first. Its only range where the file gives nothing.
    pub(crate) map: Vec<IdRange>,
    pub(crate) warnings: Vec<String>,
}

/// Makes the map of the user with id `own`, who goes by any of `names`, from the entries of `file`.
pub(crate) fn map(own: u32, names: &[String], entries: &[Entry], file: &str) -> Result<Given> {
    let mut map = vec![IdRange { inside: 0, outside: own, size: 1 }];
    let mut warnings = Vec::new();
    let mut inside = 1_u64;
    for entry in entries.iter().filter(|entry| names.contains(&entry.owner)) {
        if entry.start == 0 {
            let message = format!("{file} gives {} the id 0, root of the host", entry.owner);
            return Err(Error::invalid(message).hint(format!("remove that line from {file}")).into());
        }
        let other = entries.iter().find(|other| !names.contains(&other.owner) && entry.overlaps(other));
        if let Some(other) = other {
            warnings.push(format!(
                "{file} gives {} ids that {} has too: they can change each other's files",
                entry.owner, other.owner
            ));
        }
        for (start, size) in without(entry, &map) {
            let room = u64::from(u32::MAX) - inside;
            let size = u32::try_from(room.min(u64::from(size)))?;
            if size == 0 || map.len() == LINES {
                break;
            }
            map.push(IdRange { inside: u32::try_from(inside)?, outside: start, size });
            inside += u64::from(size);
        }
    }
    if map.len() > 1 && inside < USUAL {
        warnings
            .push(format!("{file} gives only {} ids: images with files of higher owners cannot be used", inside - 1));
    }
    Ok(Given { map, warnings })
}

/// The parts of `entry` that are not yet outside ids of `map`, as start and size.
fn without(entry: &Entry, map: &[IdRange]) -> Vec<(u32, u32)> {
    let mut taken: Vec<_> =
        map.iter().map(|range| (u64::from(range.outside), u64::from(range.outside) + u64::from(range.size))).collect();
    taken.sort_unstable();
    let (mut at, end) = (u64::from(entry.start), entry.end());
    let mut parts = Vec::new();
    for (from, to) in taken.into_iter().filter(|&(from, to)| from < end && to > u64::from(entry.start)) {
        if at < from {
            parts.push((at, from));
        }
        at = at.max(to);
    }
    if at < end {
        parts.push((at, end));
    }
    let narrow = |(from, to): (u64, u64)| Some((u32::try_from(from).ok()?, u32::try_from(to - from).ok()?));
    parts.into_iter().filter_map(narrow).collect()
}

/// The line to add to a file for `name`: the usual number of ids above all that are given.
pub(crate) fn proposal(name: &str, entries: &[Entry]) -> String {
    let end = entries.iter().map(Entry::end).max().unwrap_or_default().max(u64::from(FIRST));
    format!("{name}:{end}:{USUAL}")
}

/// The ranges of `owner` in a file, for `auto` namespaces of root.
pub(crate) fn ranges_of(owner: &str, file: &str) -> Result<Vec<Entry>> {
    Ok(parse(&read(file)?).into_iter().filter(|entry| entry.owner == owner && entry.start != 0).collect())
}

/// Reads a file of the system; that it is missing is the same as empty.
pub(crate) fn read(file: &str) -> Result<String> {
    let mut bytes = Vec::new();
    match File::open(file) {
        Ok(file_) => file_.take(LIMIT).read_to_end(&mut bytes).with_context(|| format!("read {file}"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| format!("open {file}")),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What tells whether the files were changed since a map was made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    subuid: Option<FileStamp>,
    subgid: Option<FileStamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// The files as they are now.
    pub(crate) fn now() -> Self {
        let of = |file: &str| {
            let meta = std::fs::metadata(file).ok()?;
            Some(FileStamp {
                inode: meta.ino(),
                size: meta.len(),
                seconds: meta.mtime(),
                nanoseconds: meta.mtime_nsec(),
            })
        };
        Self { subuid: of(SUBUID), subgid: of(SUBGID) }
    }
}

/// Where `newuidmap` and `newgidmap` are looked for: never in PATH.
pub(crate) const HELPER_DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/wrappers/bin"];

/// Finds a helper that may write maps: such a program with the right to do it.
pub(crate) fn helper(name: &str) -> Option<PathBuf> {
    HELPER_DIRECTORIES.iter().find_map(|directory| {
        let path = installed::find(name, &[directory], &[0])?;
        let able = std::fs::metadata(&path).ok()?.mode() & libc::S_ISUID != 0 || has_capabilities(&path);
        able.then_some(path)
    })
}

/// Runs a helper for process `pid`, with an empty environment. `map` has inside, outside and size of each range.
pub(crate) fn write_map(helper: &Path, pid: i32, map: impl IntoIterator<Item = [u32; 3]>) -> Result<()> {
    let mut command = Command::new(helper);
    command.env_clear().current_dir("/").arg(pid.to_string());
    for range in map {
        command.args(range.map(|number| number.to_string()));
    }
    let output = command.output().with_context(|| format!("run {}", helper.display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn has_capabilities(path: &Path) -> bool {
    let mut value = [0_u8; 32];
    rustix::fs::getxattr(path, c"security.capability", &mut value[..]).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map_of(text: &str) -> Result<Given> {
        map(1000, &["amal".to_owned(), "1000".to_owned()], &parse(text), "subuid")
    }

    /// Inside, outside, size.
    type Triple = (u32, u32, u32);

    fn triples(map: &[IdRange]) -> Vec<Triple> {
        map.iter().map(|range| (range.inside, range.outside, range.size)).collect()
    }

    #[test]
    fn lines_that_are_not_entries_are_passed_over() {
        let text = "# amal:1:2\n\namal:100000:65536\n amal:5:6 \namal:+1:2\namal:1\namal:1:2:3\n:1:2\namal:9:0\namal:4294967295:1\n\
                    amal:4294967294:1\namal:-1:5\namal:0x10:5\n1000:7:1";
        let entries: Vec<_> = parse(text).into_iter().map(|entry| (entry.owner, entry.start, entry.count)).collect();
        let amal = |start, count| ("amal".to_owned(), start, count);
        let expected = vec![amal(100_000, 65_536), amal(5, 6), amal(4_294_967_294, 1), ("1000".to_owned(), 7, 1)];
        assert_eq!(entries, expected);
    }

    #[test]
    fn maps_join_ranges_and_count_nothing_twice() {
        let cases: &[(&str, &[Triple])] = &[
            ("", &[(0, 1000, 1)]),
            ("other:100000:65536", &[(0, 1000, 1)]),
            ("amal:100000:65536", &[(0, 1000, 1), (1, 100_000, 65_536)]),
            ("amal:300000:10\n1000:100000:5", &[(0, 1000, 1), (1, 300_000, 10), (11, 100_000, 5)]),
            ("amal:100000:10\n1000:100000:10", &[(0, 1000, 1), (1, 100_000, 10)]),
            ("amal:100000:10\namal:99995:20", &[(0, 1000, 1), (1, 100_000, 10), (11, 99_995, 5), (16, 100_010, 5)]),
            ("amal:998:5", &[(0, 1000, 1), (1, 998, 2), (3, 1001, 2)]),
        ];
        for (text, expected) in cases {
            assert_eq!(triples(&map_of(text).unwrap().map), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_odd_is_said() {
        assert!(map_of("amal:0:5").unwrap_err().to_string().contains("root of the host"));
        assert_eq!(map_of("amal:100000:65536\nbo:165536:65536").unwrap().warnings, Vec::<String>::new());
        let warnings = map_of("amal:100000:65536\nbo:165535:2").unwrap().warnings;
        assert!(warnings[0].contains("bo has too"), "{warnings:?}");
        let warnings = map_of("amal:100000:1000").unwrap().warnings;
        assert!(warnings[0].contains("only 1000 ids"), "{warnings:?}");
    }

    #[test]
    fn the_proposal_is_above_everything() {
        assert_eq!(proposal("amal", &[]), "amal:100000:65536");
        assert_eq!(proposal("amal", &parse("a:100000:65536\nb:5:5")), "amal:165536:65536");
    }

    proptest::proptest! {
        #[test]
        fn maps_never_overlap(text in "((amal|bo|1000):[0-9]{1,10}:[0-9]{1,10}\n){0,8}") {
            if let Ok(given) = map_of(&text) {
                let mut outside: Vec<_> = given.map.iter().map(|r| (u64::from(r.outside), u64::from(r.outside) + u64::from(r.size))).collect();
                outside.sort_unstable();
                proptest::prop_assert!(outside.windows(2).all(|pair| pair[0].1 <= pair[1].0));
                proptest::prop_assert!(outside.iter().all(|&(from, to)| from > 0 && to <= u64::from(u32::MAX)));
                let inside: u64 = given.map.iter().map(|range| u64::from(range.size)).sum();
                let last = given.map.last().unwrap();
                proptest::prop_assert_eq!(inside, u64::from(last.inside) + u64::from(last.size));
            }
        }

        #[test]
        fn parse_never_panics(text: String) {
            let _ignored = parse(&text);
        }
    }
}
