//! What cgroups the host has: the magic of /sys/fs/cgroup tells the layout, /proc/self/cgroup the hierarchies. The mount
//! table, which can be long, is not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{Access, access, statfs};

use crate::state::scope;

/// Where every system mounts them.
const ROOT: &str = "/sys/fs/cgroup";
const CGROUP: u64 = 0x0027_e0eb;
const CGROUP2: u64 = 0x6367_7270;

/// The layout that containers are placed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// None that we may use, and why.
    None(String),
    /// A hierarchy for each controller, and perhaps the tree of v2 beside them.
    V1 { mounts: BTreeMap<String, PathBuf>, unified: Option<PathBuf> },
    /// One tree; `anchor` is the part that belongs to others.
    V2 { mount: PathBuf, anchor: String },
}

/// One line of /proc/PID/cgroup.
#[derive(Debug, PartialEq, Eq)]
struct Membership<'a> {
    /// Empty for the tree of v2.
    controllers: Vec<&'a str>,
    path: &'a str,
}

impl Host {
    /// Looks at this host, as this process sees it, for root or for an ordinary `user`, who never gets the root of the
    /// tree.
    pub(crate) fn detect(user: Option<u32>) -> Result<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
        let memberships = parse(&own);
        let root = Path::new(ROOT);
        if is_unified() {
            let path = memberships.iter().find(|line| line.controllers.is_empty()).map_or("/", |line| line.path);
            // Who cleans up after a monitor starts containers where its own starter did.
            let path = path.strip_suffix(super::MONITORS).unwrap_or(path);
            return Ok(match anchor(root, path, user) {
                Some(anchor) => Self::V2 { mount: root.to_owned(), anchor },
                None => Self::None(format!("cgroup {path} was not delegated to this user")),
            });
        }
        Ok(Self::hierarchies(root, &memberships))
    }

    fn hierarchies(root: &Path, memberships: &[Membership<'_>]) -> Self {
        let mut mounts = BTreeMap::new();
        let mut unified = None;
        let mut denied = None;
        for line in memberships {
            let found = directories(root, line)
                .into_iter()
                .find(|dir| magic(dir) == Some(if line.controllers.is_empty() { CGROUP2 } else { CGROUP }));
            let Some(dir) = found else { continue };
            if !is_writable(&dir) {
                denied = Some(dir);
                continue;
            }
            match line.controllers[..] {
                [] => unified = Some(dir),
                // Named hierarchies limit nothing. systemd's tells it what belongs to a unit: of interest in one.
                ["name=systemd"] if line.path != "/" => drop(mounts.insert("name=systemd".to_owned(), dir)),
                [name] if name.starts_with("name=") => {}
                _ => mounts.extend(line.controllers.iter().map(|name| ((*name).to_owned(), dir.clone()))),
            }
        }
        match denied {
            _ if !mounts.is_empty() => Self::V1 { mounts, unified },
            Some(dir) => Self::None(format!("{} is not ours to write", dir.display())),
            None => Self::None(format!("no cgroup is mounted at {}", root.display())),
        }
    }

    /// Names the layout, for people.
    pub(crate) fn version(&self) -> &'static str {
        match self {
            Self::None(_) => "none",
            Self::V1 { .. } => "v1",
            Self::V2 { .. } => "v2",
        }
    }
}

/// Gives where the tree of v2 is mounted, if the host has no other, and which cgroup of it this process is in.
pub(super) fn own() -> Result<Option<(PathBuf, String)>> {
    if !is_unified() {
        return Ok(None);
    }
    let text = std::fs::read_to_string("/proc/self/cgroup").context("read /proc/self/cgroup")?;
    let memberships = parse(&text);
    let path = memberships.iter().find(|line| line.controllers.is_empty()).map(|line| line.path);
    Ok(path.filter(|path| !path.contains("..")).map(|path| (PathBuf::from(ROOT), path.to_owned())))
}

/// Says whether the host has cgroup v2 alone.
pub(crate) fn is_unified() -> bool {
    magic(Path::new(ROOT)) == Some(CGROUP2)
}

/// Gives where systemd's named hierarchy of version 1 is mounted.
pub(super) fn systemd() -> Option<PathBuf> {
    let dir = Path::new(ROOT).join("systemd");
    (magic(&dir) == Some(CGROUP) && is_writable(&dir)).then_some(dir)
}

/// Parses /proc/PID/cgroup; lines that are no memberships are left out.
fn parse(text: &str) -> Vec<Membership<'_>> {
    let line = |line| {
        let mut fields = str::splitn(line, 3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let controllers = controllers.split(',').filter(|name| !name.is_empty()).collect();
        path.starts_with('/').then_some(Membership { controllers, path })
    };
    text.lines().filter_map(line).collect()
}

/// Gives the directories where a hierarchy may be mounted: named after all its controllers, or after one.
fn directories(root: &Path, line: &Membership<'_>) -> Vec<PathBuf> {
    if line.controllers.is_empty() {
        return vec![root.join("unified")];
    }
    let names: Vec<&str> = line.controllers.iter().map(|name| name.strip_prefix("name=").unwrap_or(name)).collect();
    let safe = |name: &str| !name.contains('/') && name != "..";
    let mut directories = vec![names.join(",")];
    directories.extend(names.iter().map(|name| (*name).to_owned()));
    directories.into_iter().filter(|name| safe(name)).map(|name| root.join(name)).collect()
}

/// Gives the part of the tree below which we may make cgroups, seen from our own `path`: the root for root; for an
/// ordinary `user` what systemd delegated, the `user@UID.service` that we are in or that is there to take us in, else our
/// own if that was.
fn anchor(mount: &Path, path: &str, user: Option<u32>) -> Option<String> {
    let own = path.trim_end_matches('/').to_owned();
    let candidates = match user {
        None => vec![String::new(), own],
        Some(user) => {
            let theirs = scope::has_manager(user).then(|| scope::manager(user));
            manager(path).map(str::to_owned).into_iter().chain(theirs).chain([own]).collect()
        }
    };
    candidates
        .into_iter()
        .filter(|path| !path.contains(".."))
        .find(|path| is_writable(&mount.join(path.trim_start_matches('/'))))
}

/// Gives the part of `path` up to the user's service manager.
fn manager(path: &str) -> Option<&str> {
    let mut end = 0;
    for name in path.split_inclusive('/') {
        end += name.len();
        let name = name.trim_end_matches('/');
        if name.starts_with("user@") && name.ends_with(".service") {
            return Some(path[..end].trim_end_matches('/'));
        }
    }
    None
}

/// Says whether we may make cgroups here and move processes between them.
fn is_writable(dir: &Path) -> bool {
    [dir.to_owned(), dir.join("cgroup.procs")].iter().all(|path| access(path, Access::WRITE_OK).is_ok())
}

fn magic(path: &Path) -> Option<u64> {
    u64::try_from(statfs(path).ok()?.f_type).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_are_read_and_found() {
        let lines = parse("9:name=systemd:/\n4:cpu,cpuacct:/a:b\n0::/user.slice\nnonsense\n1:x\n");
        let expected = [
            Membership { controllers: vec!["name=systemd"], path: "/" },
            Membership { controllers: vec!["cpu", "cpuacct"], path: "/a:b" },
            Membership { controllers: vec![], path: "/user.slice" },
        ];
        assert_eq!(lines, expected);
        let root = Path::new("/r");
        for (line, expected) in lines.iter().zip([
            &["/r/systemd", "/r/systemd"][..],
            &["/r/cpu,cpuacct", "/r/cpu", "/r/cpuacct"],
            &["/r/unified"],
        ]) {
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(directories(root, line), expected);
        }
    }

    #[test]
    fn the_users_manager_is_found_in_a_path() {
        for (path, expected) in [
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
                Some("/user.slice/user-1000.slice/user@1000.service"),
            ),
            ("/user.slice/user-1000.slice/user@1000.service", Some("/user.slice/user-1000.slice/user@1000.service")),
            ("/user.slice/user-1000.slice/session-1.scope", None),
            ("/", None),
        ] {
            assert_eq!(manager(path), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_membership_leads_out_of_the_mount(text in "([0-9]{0,2}:[a-z=,./]{0,8}:[/a-z.]{0,8}\n?){0,4}|\\PC{0,60}") {
            for line in parse(&text) {
                proptest::prop_assert!(line.path.starts_with('/'));
                for directory in directories(Path::new("/sys/fs/cgroup"), &line) {
                    let below = directory.strip_prefix("/sys/fs/cgroup").unwrap();
                    proptest::prop_assert!(below.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                }
            }
        }
    }
}
