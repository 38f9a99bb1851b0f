//! The user namespace of a container: which maps it gets, and that `auto` ones never share an id.
//!
//! All maps are relative to the engine's own namespace: the host's as root, the user's when rootless, where 0 is the user
//! and 1, 2, … are the subordinate ids. What `auto` gave is known by the containers' records; between the choice and the
//! record it stands in `cache/userns.json`, under `cache/userns.lock`, for as long as the chooser lives.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::container;
use super::request::UserNamespaceRequest;
use crate::model::container::{ContainerConfig, IdRange, ProcessRef, UserNamespace};
use crate::model::error::Error;
use crate::state::lock::{Lock, Rank};
use crate::state::privilege::Privilege;
use crate::state::record::{self, Durability};
use crate::state::{boot, rootless, subid};
use crate::sys::process;

/// What the record of a namespace says whose ids no other container has.
const AUTO: &str = "auto";
/// In the files of subordinate ids, the owner of those that root's `auto` namespaces are made of.
const OWNER: &str = "containers";
/// The size of an `auto` namespace where ids are scarce.
const SMALL: u32 = 1024;
/// The size where there are many: enough for every id that images use.
const LARGE: u32 = 65_536;
/// A pool this many times as large as [`LARGE`] has many.
const MANY: u64 = 16;
/// From the choice of a map to its container's record it takes milliseconds; this old, a choice was given up.
const PATIENCE: i64 = 600;
/// Lines that the kernel takes in one map (user_namespaces(7)).
const LINES: usize = 340;

impl Engine {
    /// The user namespace that is asked for, with its maps.
    pub(crate) fn resolve_userns(&self, asked: &UserNamespaceRequest) -> Result<UserNamespace> {
        match asked {
            UserNamespaceRequest::Default | UserNamespaceRequest::Host => Ok(UserNamespace::Host),
            UserNamespaceRequest::KeepId { .. } => self.keep_id(asked),
            UserNamespaceRequest::NoMap => self.no_map(),
            UserNamespaceRequest::Auto { size, uids, gids } => self.auto(*size, uids, gids),
            UserNamespaceRequest::Owned { uids, gids } => {
                let (uids, gids) = (Spans::of_owner(uids, subid::SUBUID)?, Spans::of_owner(gids, subid::SUBGID)?);
                let (uids, gids) = (uids.numbered()?, gids.numbered()?);
                check(&uids, &Spans::own("uid_map")?, "--subuidname")?;
                check(&gids, &Spans::own("gid_map")?, "--subgidname")?;
                Ok(UserNamespace::Mapped { uids, gids, asked: "private".to_owned() })
            }
            UserNamespaceRequest::Maps { uids, gids } => {
                // As podman: one map given is both.
                let uids_or = if uids.is_empty() { gids } else { uids };
                let gids_or = if gids.is_empty() { uids } else { gids };
                check(uids_or, &Spans::own("uid_map")?, "--uidmap")?;
                check(gids_or, &Spans::own("gid_map")?, "--gidmap")?;
                Ok(UserNamespace::Mapped { uids: uids_or.clone(), gids: gids_or.clone(), asked: "private".to_owned() })
            }
            UserNamespaceRequest::Container(name) => {
                let other = self.read(name)?;
                Ok(match other.config.userns {
                    // Our own cannot be joined once more.
                    UserNamespace::Host => UserNamespace::Host,
                    _ => UserNamespace::Container { of: other.config.id },
                })
            }
            UserNamespaceRequest::Path(path) => {
                std::fs::metadata(path).with_context(|| format!("open user namespace {path}"))?;
                Ok(UserNamespace::Path { path: path.clone() })
            }
        }
    }

    /// Who a container runs as when nobody asked for a user: with `keep-id` the caller.
    pub(crate) fn user_of_userns(&self, asked: &UserNamespaceRequest) -> Option<String> {
        let (uid, gid) = self.kept_ids(asked)?;
        Some(format!("{uid}:{gid}"))
    }

    /// The caller's ids, where `keep-id` keeps them as they are.
    pub(crate) fn caller_kept(&self, asked: &UserNamespaceRequest) -> Option<(u32, u32)> {
        match (asked, &self.privilege) {
            (UserNamespaceRequest::KeepId { uid: None, gid: None, .. }, Privilege::Rootless { uid, gid }) => {
                Some((*uid, *gid))
            }
            _ => None,
        }
    }

    /// The ids that `keep-id` gives the caller inside.
    fn kept_ids(&self, asked: &UserNamespaceRequest) -> Option<(u32, u32)> {
        let UserNamespaceRequest::KeepId { uid, gid, .. } = asked else { return None };
        let (own_uid, own_gid) = match self.privilege {
            Privilege::Root => (0, 0),
            Privilege::Rootless { uid, gid } => (uid, gid),
        };
        Some((uid.unwrap_or(own_uid), gid.unwrap_or(own_gid)))
    }

    fn keep_id(&self, asked: &UserNamespaceRequest) -> Result<UserNamespace> {
        let (uid, gid) = self.kept_ids(asked).context("no keep-id")?;
        let (uids, gids) = (Spans::own("uid_map")?, Spans::own("gid_map")?);
        let UserNamespaceRequest::KeepId { size, .. } = asked else { unreachable!("kept ids are of keep-id") };
        let limit = |count: u64| size.map_or(count, |size| count.min(u64::from(size).saturating_sub(1)));
        let (uids, gids) = match self.privilege {
            // Root has nobody to swap places with: a copy of the map that there is.
            Privilege::Root => (uids.identity()?, gids.identity()?),
            Privilege::Rootless { .. } => {
                (keep(uid, limit(uids.subordinate()))?, keep(gid, limit(gids.subordinate()))?)
            }
        };
        Ok(UserNamespace::Mapped { uids, gids, asked: "keep-id".to_owned() })
    }

    fn no_map(&self) -> Result<UserNamespace> {
        let whole = |file: &str| -> Result<Vec<IdRange>> {
            let rest = Spans::own(file)?.without_first();
            match rest.count() {
                0 => Err(Error::unsupported("nomap needs ids beside the user's own, and there are none")
                    .hint(format!("give this user some in {} and {}", subid::SUBUID, subid::SUBGID))
                    .into()),
                _ => rest.numbered(),
            }
        };
        match self.privilege {
            Privilege::Root => Err(Error::unsupported("nomap is only supported in rootless mode").into()),
            Privilege::Rootless { .. } => Ok(UserNamespace::Mapped {
                uids: whole("uid_map")?,
                gids: whole("gid_map")?,
                asked: "nomap".to_owned(),
            }),
        }
    }

    /// A user namespace for a copy of a container that has `of`: where the ids are no other container's, so are the copy's.
    pub(crate) fn userns_like(&self, of: &UserNamespace) -> Result<UserNamespace> {
        let UserNamespace::Mapped { uids, gids, asked } = of else { return Ok(of.clone()) };
        if asked != AUTO {
            return Ok(of.clone());
        }
        let (uid_pool, gid_pool) = self.pools()?;
        // What is not of the pool was asked for as it is.
        let fixed = |map: &[IdRange], pool: &Spans| -> Vec<IdRange> {
            map.iter().filter(|range| !pool.covers(span(range))).copied().collect()
        };
        let (fixed_uids, fixed_gids) = (fixed(uids, &uid_pool), fixed(gids, &gid_pool));
        let given = uids.iter().filter(|range| !fixed_uids.contains(range));
        let size = given.map(|range| range.inside.saturating_add(range.size)).max();
        self.auto(size, &fixed_uids, &fixed_gids)
    }

    /// The ids that `auto` gives, of users and of groups.
    fn pools(&self) -> Result<(Spans, Spans)> {
        Ok(match self.privilege {
            Privilege::Root => (Spans::of_owner(OWNER, subid::SUBUID)?, Spans::of_owner(OWNER, subid::SUBGID)?),
            Privilege::Rootless { .. } => {
                (Spans::own("uid_map")?.without_first(), Spans::own("gid_map")?.without_first())
            }
        })
    }

    fn auto(&self, size: Option<u32>, fixed_uids: &[IdRange], fixed_gids: &[IdRange]) -> Result<UserNamespace> {
        for (fixed, file, option) in [(fixed_uids, "uid_map", "uidmapping"), (fixed_gids, "gid_map", "gidmapping")] {
            if !fixed.is_empty() {
                check(fixed, &Spans::own(file)?, option)?;
            }
        }
        let (uids, gids) = self.pools()?;
        let usual = if uids.count().min(gids.count()) >= MANY * u64::from(LARGE) { LARGE } else { SMALL };
        let size = size.unwrap_or(usual);
        if size == 0 {
            return Err(Error::invalid("the size of a user namespace must be positive").into());
        }
        let cache = self.paths.cache();
        let _lock = Lock::exclusive(Rank::Names, &cache.join("userns.lock"))?;
        let mut choices = Choices::read(&cache)?;
        let (mut taken_uids, mut taken_gids) = choices.taken();
        for id in container::ids(&self.paths)? {
            // One that cannot be read is damage to be told elsewhere; its ids are not known.
            let Ok(Some(config)) = record::read::<ContainerConfig>(&self.paths.container(&id).join("config.json"))
            else {
                continue;
            };
            if let UserNamespace::Mapped { uids, gids, asked } = &config.userns
                && !matches!(asked.as_str(), "keep-id" | "nomap")
            {
                taken_uids.extend(uids.iter().map(span));
                taken_gids.extend(gids.iter().map(span));
            }
        }
        let give = |pool: &Spans, mut taken: Vec<Span>, fixed: &[IdRange]| {
            taken.extend(fixed.iter().map(span));
            pool.allot(size, taken, fixed).ok_or_else(|| {
                let message = format!("not enough unused IDs in user namespace: {size} are needed");
                Error::unavailable(message)
                    .hint("ask for fewer with --userns=auto:size=N, or remove containers that have some")
            })
        };
        let (uids, gids) = (give(&uids, taken_uids, fixed_uids)?, give(&gids, taken_gids, fixed_gids)?);
        choices.add(uids.clone(), gids.clone())?;
        record::write(&cache.join(Choices::FILE), &choices, Durability::Lazy)?;
        Ok(UserNamespace::Mapped { uids, gids, asked: AUTO.to_owned() })
    }
}

/// Maps that were chosen for containers whose records are not written yet.
#[derive(Debug, Serialize, Deserialize)]
struct Choices {
    version: u32,
    boot: String,
    chosen: Vec<Choice>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Choice {
    by: ProcessRef,
    at: Timestamp,
    uids: Vec<IdRange>,
    gids: Vec<IdRange>,
}

impl Choices {
    const FILE: &str = "userns.json";

    /// Those whose choosers are still at it.
    fn read(cache: &std::path::Path) -> Result<Self> {
        let boot = boot::id().to_owned();
        let old = record::read::<Self>(&cache.join(Self::FILE)).ok().flatten().filter(|old| old.boot == boot);
        let mut chosen = old.map(|old| old.chosen).unwrap_or_default();
        let now = Timestamp::now().as_second();
        chosen.retain(|one| process::is_alive(one.by.pid, one.by.start_time) && now - one.at.as_second() < PATIENCE);
        Ok(Self { version: record::VERSION, boot, chosen })
    }

    fn taken(&self) -> (Vec<Span>, Vec<Span>) {
        let all = |ranges: fn(&Choice) -> &[IdRange]| {
            self.chosen.iter().flat_map(|one| ranges(one).iter().map(span)).collect()
        };
        (all(|one| &one.uids), all(|one| &one.gids))
    }

    fn add(&mut self, uids: Vec<IdRange>, gids: Vec<IdRange>) -> Result<()> {
        let (pid, start_time) = process::own().context("look at our own process")?;
        self.chosen.push(Choice { by: ProcessRef { pid, start_time }, at: Timestamp::now(), uids, gids });
        Ok(())
    }
}

/// Ids from the first up to, not including, the second. 64 bits: the end may be 2^32.
type Span = (u64, u64);

/// The outside of a range.
fn span(range: &IdRange) -> Span {
    (range.outside.into(), u64::from(range.outside) + u64::from(range.size))
}

/// A range of `size` ids; refuses what leaves 32 bits.
fn range(inside: u64, outside: u64, size: u64) -> Result<IdRange> {
    let narrow = |number: u64| u32::try_from(number).context("an id does not fit 32 bits");
    Ok(IdRange { inside: narrow(inside)?, outside: narrow(outside)?, size: narrow(size)? })
}

/// Sorted spans of ids that do not touch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spans(Vec<Span>);

impl Spans {
    fn new(mut spans: Vec<Span>) -> Self {
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for (start, end) in spans {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    /// The ids that exist in our own namespace.
    fn own(file: &str) -> Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/self/{file}")).with_context(|| format!("read {file}"))?;
        let ranges = rootless::parse_map(&text).with_context(|| format!("parse {file}"))?;
        Ok(Self::new(
            ranges.iter().map(|range| (range.inside.into(), u64::from(range.inside) + u64::from(range.size))).collect(),
        ))
    }

    /// What `file` gives to `owner`.
    fn of_owner(owner: &str, file: &str) -> Result<Self> {
        let entries = subid::ranges_of(owner, file)?;
        if entries.is_empty() {
            let kind = file.trim_start_matches("/etc/");
            let none = format!("no {kind} ranges found for user {owner:?} in {file}");
            let message = match owner {
                OWNER => format!("cannot find mappings for user {owner:?}: {none}"),
                _ => none,
            };
            let hint = format!("add to {} and to {}: {owner}:2147483647:2147483648", subid::SUBUID, subid::SUBGID);
            return Err(Error::unsupported(message).hint(hint).into());
        }
        let end = |entry: &subid::Entry| u64::from(entry.start) + u64::from(entry.count);
        Ok(Self::new(entries.iter().map(|entry| (entry.start.into(), end(entry))).collect()))
    }

    /// Without id 0, which is the user.
    fn without_first(self) -> Self {
        Self(self.0.into_iter().map(|(start, end)| (start.max(1), end)).filter(|(start, end)| start < end).collect())
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// How many ids there are beside the user.
    fn subordinate(&self) -> u64 {
        self.count().saturating_sub(1)
    }

    fn covers(&self, (start, end): Span) -> bool {
        self.0.iter().any(|&(from, to)| from <= start && end <= to)
    }

    /// A map of all of these, one after the other from 0 on.
    fn numbered(&self) -> Result<Vec<IdRange>> {
        let mut inside = 0;
        let mut map = Vec::with_capacity(self.0.len());
        for &(start, end) in &self.0 {
            map.push(range(inside, start, end - start)?);
            inside += end - start;
        }
        Ok(map)
    }

    fn identity(&self) -> Result<Vec<IdRange>> {
        self.0.iter().map(|&(start, end)| range(start, start, end - start)).collect()
    }

    /// What is left of these without `taken`.
    fn free(&self, taken: Vec<Span>) -> Vec<Span> {
        let taken = Self::new(taken).0;
        let mut free = Vec::new();
        for &(start, end) in &self.0 {
            let mut at = start;
            for &(from, to) in taken.iter().filter(|&&(from, to)| from < end && to > start) {
                if at < from {
                    free.push((at, from));
                }
                at = at.max(to);
            }
            if at < end {
                free.push((at, end));
            }
        }
        free
    }

    /// A map of the ids below `size`: those in `fixed` as they say, the others of ids that are not taken, in one piece
    /// where there is one.
    fn allot(&self, size: u32, taken: Vec<Span>, fixed: &[IdRange]) -> Option<Vec<IdRange>> {
        let inside = |range: &IdRange| (u64::from(range.inside), u64::from(range.inside) + u64::from(range.size));
        let wanted = Self(vec![(0, size.into())]).free(fixed.iter().map(inside).collect());
        let count: u64 = wanted.iter().map(|(start, end)| end - start).sum();
        let free = self.free(taken);
        // One piece that holds all, else piece by piece.
        let mut free: Vec<Span> = match free.iter().find(|(start, end)| end - start >= count) {
            Some(piece) => vec![*piece],
            None => free,
        };
        free.reverse();
        let mut map = fixed.to_vec();
        for (mut inside, end) in wanted {
            while inside < end {
                let (start, stop) = free.pop()?;
                let part = (stop - start).min(end - inside);
                map.push(range(inside, start, part).ok()?);
                inside += part;
                if start + part < stop {
                    free.push((start + part, stop));
                }
            }
        }
        map.sort_unstable_by_key(|range| range.inside);
        (map.len() <= LINES).then_some(map)
    }
}

/// podman's map for `keep-id`: the user (0 outside) is `own` inside, and the `subordinate` ids go around it.
fn keep(own: u32, subordinate: u64) -> Result<Vec<IdRange>> {
    if own == u32::MAX {
        return Err(Error::invalid("4294967295 is not an id").into());
    }
    let own = u64::from(own);
    let below = own.min(subordinate);
    let mut map = Vec::with_capacity(3);
    if below > 0 {
        map.push(range(0, 1, below)?);
    }
    map.push(range(own, 0, 1)?);
    if subordinate > own {
        map.push(range(own + 1, own + 1, subordinate - own)?);
    }
    Ok(map)
}

/// Refuses a map that the kernel would refuse, in words that name the flag (R24).
fn check(map: &[IdRange], own: &Spans, flag: &str) -> Result<()> {
    let invalid = |why: String| Err(Error::invalid(format!("invalid {flag}: {why}")).into());
    if map.is_empty() || map.len() > LINES {
        return invalid(format!("it needs 1 to {LINES} ranges"));
    }
    let words = |range: &IdRange| format!("{}:{}:{}", range.inside, range.outside, range.size);
    for range in map {
        let inside = u64::from(range.inside) + u64::from(range.size);
        if range.size == 0 || inside.max(span(range).1) > u64::from(u32::MAX) {
            return invalid(format!("{} is empty or leaves the range of ids", words(range)));
        }
        if !own.covers(span(range)) {
            return invalid(format!(
                "{} needs ids that this user does not have (there are {})",
                words(range),
                own.count()
            ));
        }
    }
    let sides: [fn(&IdRange) -> u32; 2] = [|range| range.inside, |range| range.outside];
    for side in sides {
        let mut sorted: Vec<&IdRange> = map.iter().collect();
        sorted.sort_unstable_by_key(|range| side(range));
        let overlap =
            sorted.windows(2).find(|pair| u64::from(side(pair[0])) + u64::from(pair[0].size) > side(pair[1]).into());
        if let Some(pair) = overlap {
            return invalid(format!("{} and {} overlap", words(pair[0]), words(pair[1])));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inside, outside, size.
    type Triple = (u32, u32, u32);
    /// Size, taken, and what is given.
    type AllotCase = (u32, &'static [Span], Option<&'static [Triple]>);

    fn triples(map: &[IdRange]) -> Vec<Triple> {
        map.iter().map(|range| (range.inside, range.outside, range.size)).collect()
    }

    fn ranges(triples: &[Triple]) -> Vec<IdRange> {
        triples.iter().map(|&(inside, outside, size)| IdRange { inside, outside, size }).collect()
    }

    #[test]
    fn keep_id_is_podmans() {
        let cases: &[(u32, u64, &[Triple])] = &[
            (1000, 65_536, &[(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64_536)]),
            (0, 65_536, &[(0, 0, 1), (1, 1, 65_536)]),
            (70_000, 65_536, &[(0, 1, 65_536), (70_000, 0, 1)]),
            (1000, 0, &[(1000, 0, 1)]),
            (1000, 1000, &[(0, 1, 1000), (1000, 0, 1)]),
        ];
        for (own, subordinate, expected) in cases {
            assert_eq!(triples(&keep(*own, *subordinate).unwrap()), *expected, "{own} of {subordinate}");
        }
        assert!(keep(u32::MAX, 10).is_err());
    }

    #[test]
    fn maps_that_the_kernel_refuses_are_told() {
        let own = Spans::new(vec![(0, 1), (1, 65_537)]);
        for (map, why) in [
            (&[(0, 1, 1000), (1000, 0, 1)][..], ""),
            (&[(0, 0, 65_537)], ""),
            (&[], "1 to 340"),
            (&[(0, 0, 0)], "empty"),
            (&[(4_294_967_295, 5, 1)], "leaves the range"),
            (&[(0, 65_530, 10)], "does not have (there are 65537)"),
            (&[(0, 1, 10), (5, 100, 10)], "0:1:10 and 5:100:10 overlap"),
            (&[(0, 1, 10), (50, 5, 10)], "0:1:10 and 50:5:10 overlap"),
        ] {
            let error = check(&ranges(map), &own, "--uidmap").err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(why) && error.is_empty() == why.is_empty(), "{map:?}: {error}");
        }
    }

    #[test]
    fn free_ids_are_given_in_one_piece_where_there_is_one() {
        let pool = Spans::new(vec![(100, 200), (300, 400)]);
        let cases: &[AllotCase] = &[
            (10, &[], Some(&[(0, 100, 10)])),
            (10, &[(100, 110)], Some(&[(0, 110, 10)])),
            (95, &[(100, 110)], Some(&[(0, 300, 95)])),
            (150, &[(150, 160)], Some(&[(0, 100, 50), (50, 160, 40), (90, 300, 60)])),
            (200, &[], Some(&[(0, 100, 100), (100, 300, 100)])),
            (201, &[], None),
            (1, &[(0, 1000)], None),
        ];
        for (size, taken, expected) in cases {
            let map = pool.allot(*size, taken.to_vec(), &[]);
            assert_eq!(map.as_deref().map(triples).as_deref(), *expected, "{size} without {taken:?}");
        }
        let fixed = [IdRange { inside: 0, outside: 7, size: 1 }, IdRange { inside: 5, outside: 110, size: 2 }];
        let map = pool.allot(10, vec![(110, 112)], &fixed).unwrap();
        assert_eq!(triples(&map), [(0, 7, 1), (1, 100, 4), (5, 110, 2), (7, 104, 3)]);
        assert_eq!(Spans::new(vec![(0, 1), (1, 11)]).without_first(), Spans(vec![(1, 11)]));
        assert_eq!(triples(&pool.numbered().unwrap()), [(0, 100, 100), (100, 300, 100)]);
    }

    proptest::proptest! {
        #[test]
        fn what_was_given_is_never_given_again(sizes in proptest::collection::vec(1_u32..40, 1..20)) {
            let pool = Spans::new(vec![(10, 100), (200, 300)]);
            let mut taken: Vec<Span> = Vec::new();
            for size in sizes {
                let Some(map) = pool.allot(size, taken.clone(), &[]) else { continue };
                proptest::prop_assert_eq!(map.iter().map(|range| range.size).sum::<u32>(), size);
                for range in map.iter().map(span) {
                    proptest::prop_assert!(pool.covers(range));
                    proptest::prop_assert!(taken.iter().all(|&(from, to)| range.1 <= from || to <= range.0));
                    taken.push(range);
                }
            }
        }
    }
}
