//! The id maps of a user namespace, as far as owners of files need them.

use super::container::IdRange;

/// The maps of users and groups of a container's user namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdMaps {
    pub(crate) uids: Vec<IdRange>,
    pub(crate) gids: Vec<IdRange>,
}

impl IdMaps {
    /// The user outside who is `uid` inside; `None` where it is not mapped.
    pub(crate) fn outside_uid(&self, uid: u32) -> Option<u32> {
        outside(&self.uids, uid)
    }

    /// The group outside that is `gid` inside.
    pub(crate) fn outside_gid(&self, gid: u32) -> Option<u32> {
        outside(&self.gids, gid)
    }

    /// The owner inside of what belongs to `uid` and `gid` outside; who is not mapped is taken for root.
    pub(crate) fn owner_inside(&self, uid: u32, gid: u32) -> (u32, u32) {
        (inside(&self.uids, uid).unwrap_or(0), inside(&self.gids, gid).unwrap_or(0))
    }

    /// The owner outside of what root has inside. Where the container has no root it stays ours.
    pub(crate) fn root(&self) -> (u32, u32) {
        (self.outside_uid(0).unwrap_or(0), self.outside_gid(0).unwrap_or(0))
    }

    /// The owner outside of what belongs to `uid` and `gid` inside; who is not mapped is taken for root.
    pub(crate) fn owner(&self, uid: u32, gid: u32) -> (u32, u32) {
        let root = self.root();
        (self.outside_uid(uid).unwrap_or(root.0), self.outside_gid(gid).unwrap_or(root.1))
    }

    /// Whether inside and outside agree for every id that is mapped: then nothing has to be shifted.
    pub(crate) fn is_identity(&self) -> bool {
        self.uids.iter().chain(&self.gids).all(|range| range.inside == range.outside)
    }

    /// The maps as text that is the same for the same maps, whatever the order and the cuts of their ranges.
    pub(crate) fn canonical(&self) -> String {
        let text = |ranges: &[IdRange]| {
            let words: Vec<_> = merged(ranges)
                .iter()
                .map(|range| format!("{}:{}:{}", range.inside, range.outside, range.size))
                .collect();
            words.join(",")
        };
        format!("{};{}", text(&self.uids), text(&self.gids))
    }
}

fn outside(ranges: &[IdRange], id: u32) -> Option<u32> {
    let range = ranges.iter().find(|range| id >= range.inside && id - range.inside < range.size)?;
    range.outside.checked_add(id - range.inside)
}

fn inside(ranges: &[IdRange], id: u32) -> Option<u32> {
    let range = ranges.iter().find(|range| id >= range.outside && id - range.outside < range.size)?;
    range.inside.checked_add(id - range.outside)
}

/// The ranges in order, those that go on from one another as one.
fn merged(ranges: &[IdRange]) -> Vec<IdRange> {
    let mut sorted: Vec<IdRange> = ranges.iter().filter(|range| range.size > 0).copied().collect();
    sorted.sort_unstable_by_key(|range| range.inside);
    let mut merged: Vec<IdRange> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last)
                if last.inside.checked_add(last.size) == Some(range.inside)
                    && last.outside.checked_add(last.size) == Some(range.outside) =>
            {
                last.size = last.size.saturating_add(range.size);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(ranges: &[(u32, u32, u32)]) -> Vec<IdRange> {
        ranges.iter().map(|&(inside, outside, size)| IdRange { inside, outside, size }).collect()
    }

    #[test]
    fn ids_are_found_outside() {
        let maps = IdMaps {
            uids: ranges(&[(0, 1, 1000), (1000, 0, 1), (1001, 1001, 64_536)]),
            gids: ranges(&[(0, 100_000, 10)]),
        };
        for (inside, outside) in [
            (0, Some(1)),
            (999, Some(1000)),
            (1000, Some(0)),
            (1001, Some(1001)),
            (65_536, Some(65_536)),
            (65_537, None),
        ] {
            assert_eq!(maps.outside_uid(inside), outside, "{inside}");
        }
        assert_eq!((maps.outside_gid(9), maps.outside_gid(10)), (Some(100_009), None));
        assert_eq!(maps.root(), (1, 100_000));
        assert_eq!((maps.owner(1000, 3), maps.owner(70_000, 10)), ((0, 100_003), (1, 100_000)));
        let wide = IdMaps { uids: ranges(&[(0, u32::MAX, 2)]), gids: Vec::new() };
        assert_eq!((wide.outside_uid(1), wide.root()), (None, (u32::MAX, 0)));
    }

    #[test]
    fn equal_maps_have_one_text() {
        let one = IdMaps { uids: ranges(&[(0, 100, 10), (10, 110, 5)]), gids: ranges(&[(5, 5, 1), (0, 7, 5)]) };
        let two = IdMaps { uids: ranges(&[(10, 110, 5), (0, 100, 10)]), gids: ranges(&[(0, 7, 5), (5, 5, 1)]) };
        assert_eq!(one.canonical(), "0:100:15;0:7:5,5:5:1");
        assert_eq!(one.canonical(), two.canonical());
        assert!(!one.is_identity());
        assert!(IdMaps { uids: ranges(&[(0, 0, 65_536)]), gids: ranges(&[(0, 0, 1)]) }.is_identity());
    }
}
