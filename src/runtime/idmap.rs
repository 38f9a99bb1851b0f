//! Id maps of a user namespace: written by the parent, and compared by the child.

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use oci_spec::runtime::{LinuxIdMapping, Spec};
use rustix::fs::OFlags;

use crate::model::error::Error;
use crate::state::subid;
use crate::sys::clone::{CloneArgs, Cloned, Namespaces, clone3};
use crate::sys::proc::Proc;

/// Writes both maps of process `pid`, whose user namespace is new: directly where the kernel lets us, else with
/// `newuidmap` and `newgidmap`.
pub(crate) fn write(pid: i32, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<()> {
    check(uids)?;
    check(gids)?;
    let proc = Proc::host()?;
    match proc.write(&format!("{pid}/gid_map"), text(gids).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            if single(gids) {
                // user_namespaces(7): who is not privileged may map only his own group, and must give up setgroups.
                proc.write(&format!("{pid}/setgroups"), b"deny").context("deny setgroups")?;
                proc.write(&format!("{pid}/gid_map"), text(gids).as_bytes()).context("write the map of groups")?;
            } else {
                run_helper("newgidmap", pid, gids)?;
            }
        }
        done => done.context("write the map of groups")?,
    }
    match proc.write(&format!("{pid}/uid_map"), text(uids).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !single(uids) => {
            run_helper("newuidmap", pid, uids)
        }
        done => done.context("write the map of users"),
    }
}

fn single(map: &[LinuxIdMapping]) -> bool {
    matches!(map, [one] if one.size() == 1)
}

/// Refuses an empty map, empty ranges, and ranges that overlap on either side or leave 32 bits.
fn check(map: &[LinuxIdMapping]) -> Result<()> {
    if map.is_empty() {
        bail!(Error::invalid("a user namespace needs id maps"));
    }
    for side in [LinuxIdMapping::container_id, LinuxIdMapping::host_id] {
        let mut ranges: Vec<_> = map
            .iter()
            .map(|range| (u64::from(side(range)), u64::from(side(range)) + u64::from(range.size())))
            .collect();
        ranges.sort_unstable();
        let bad = ranges.iter().any(|&(start, end)| start == end || end > u64::from(u32::MAX))
            || ranges.windows(2).any(|pair| pair[0].1 > pair[1].0);
        if bad {
            bail!(Error::invalid("invalid id map: empty, overlapping or too large"));
        }
    }
    Ok(())
}

/// As the kernel reads it: one range a line.
fn text(map: &[LinuxIdMapping]) -> String {
    map.iter().fold(String::new(), |mut text, range| {
        let _infallible = writeln!(text, "{} {} {}", range.container_id(), range.host_id(), range.size());
        text
    })
}

/// Has a helper that belongs to root write a map.
fn run_helper(name: &str, pid: i32, map: &[LinuxIdMapping]) -> Result<()> {
    let Some(path) = subid::helper(name) else {
        let error = Error::unsupported(format!("{name} is needed to map more than one id, and is not installed"));
        bail!(error.hint("install the package uidmap (shadow-utils)"));
    };
    let ranges = map.iter().map(|range| [range.container_id(), range.host_id(), range.size()]);
    subid::write_map(&path, pid, ranges).with_context(|| name.to_owned())
}

/// Refuses when the maps of this process, whose directory in proc is `this`, are not those. What the kernel shows is
/// seen from the user namespace of the reader, itself: only the inner numbers are comparable.
pub(crate) fn verify(this: &Proc, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<()> {
    for (file, map) in [("uid_map", uids), ("gid_map", gids)] {
        let text = this.read(file).with_context(|| format!("read {file}"))?;
        let mut seen = parse(&String::from_utf8_lossy(&text)).with_context(|| format!("parse {file}"))?;
        let mut wanted: Vec<_> = map.iter().map(|range| (range.container_id(), range.size())).collect();
        seen.sort_unstable();
        wanted.sort_unstable();
        if seen != wanted {
            bail!("{file} is not the one that was asked for");
        }
    }
    Ok(())
}

/// The inner start and the length of each range.
fn parse(text: &str) -> Option<Vec<(u32, u32)>> {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        match (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()) {
            (Ok(inner), Ok::<u32, _>(_), Ok(length), None) => Some((inner, length)),
            _ => None,
        }
    };
    text.lines().map(line).collect()
}

/// Whether `id` of the container is mapped.
pub(crate) fn maps(map: &[LinuxIdMapping], id: u32) -> bool {
    map.iter().any(|range| id >= range.container_id() && id - range.container_id() < range.size())
}

/// A user and group of the container as this user namespace sees them.
pub(crate) fn outer_owner(spec: &Spec, (uid, gid): (u32, u32)) -> (u32, u32) {
    let linux = spec.linux().as_ref();
    let map = |id: u32, maps: Option<&Vec<LinuxIdMapping>>| {
        let maps = maps.map(Vec::as_slice).unwrap_or_default();
        let found = maps.iter().find(|map| id >= map.container_id() && id - map.container_id() < map.size());
        found.map_or(id, |map| map.host_id() + (id - map.container_id()))
    };
    let uids = linux.and_then(|linux| linux.uid_mappings().as_ref());
    let gids = linux.and_then(|linux| linux.gid_mappings().as_ref());
    (map(uid, uids), map(gid, gids))
}

/// Makes a user namespace with these maps and no process in it, for idmapped mounts.
pub(crate) fn namespace(uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<OwnedFd> {
    // The child blocks on this socket until we are done, whatever happens to us.
    let (ours, theirs) = super::channel::Channel::pair()?;
    match clone3(CloneArgs { namespaces: Namespaces::USER, ..CloneArgs::default() }).context("make a user namespace")? {
        Cloned::Child => {
            let _closed = crate::sys::exec::close_all_but(&mut [theirs.as_fd().as_raw_fd()]);
            let _ended = theirs.receive_with();
            crate::sys::exec::leave(0)
        }
        Cloned::Parent { pid, pidfd } => {
            let made = write(pid, uids, gids).and_then(|()| of(pid));
            drop(ours);
            crate::sys::pidfd::signal(pidfd.as_fd(), libc::SIGKILL)?;
            crate::sys::pidfd::reap(pidfd.as_fd())?;
            made
        }
    }
}

/// The user namespace of process `pid`, which must be our child.
pub(crate) fn of(pid: i32) -> Result<OwnedFd> {
    // Not through `Proc::open`: the file is one of the kernel's magic links.
    let proc = Proc::host()?;
    let path = format!("{pid}/ns/user");
    rustix::fs::openat(proc.as_fd(), path, OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())
        .context("open the user namespace")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxIdMappingBuilder;

    fn map(ranges: &[(u32, u32, u32)]) -> Vec<LinuxIdMapping> {
        let range = |&(inner, outer, size): &(u32, u32, u32)| {
            LinuxIdMappingBuilder::default().container_id(inner).host_id(outer).size(size).build().unwrap()
        };
        ranges.iter().map(range).collect()
    }

    /// R24.
    #[test]
    fn bad_maps_are_refused() {
        for (ranges, fine) in [
            (&[(0, 100_000, 65_536)][..], true),
            (&[(0, 1000, 1), (1, 100_000, 65_536)], true),
            (&[], false),
            (&[(0, 1000, 0)], false),
            (&[(0, 1000, 2), (1, 5000, 1)], false),
            (&[(0, 1000, 2), (5, 1001, 1)], false),
            (&[(0, u32::MAX, 1)], false),
            (&[(0, u32::MAX - 1, 1)], true),
        ] {
            assert_eq!(check(&map(ranges)).is_ok(), fine, "{ranges:?}");
        }
    }

    #[test]
    fn maps_are_written_and_read_as_the_kernel_does() {
        let map = map(&[(0, 1000, 1), (1, 100_000, 65_535)]);
        assert_eq!(text(&map), "0 1000 1\n1 100000 65535\n");
        assert_eq!(parse("         0       1000          1\n 1 100000 65535\n"), Some(vec![(0, 1), (1, 65_535)]));
        assert_eq!(parse("0 1\n"), None);
        assert_eq!(parse("0 1 2 3\n"), None);
        assert!(maps(&map, 65_535));
        assert!(!maps(&map, 65_536));
    }

    proptest::proptest! {
        #[test]
        fn parse_never_panics(text: String) {
            let _ignored = parse(&text);
        }
    }
}
