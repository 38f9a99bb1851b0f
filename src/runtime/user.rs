//! Users of a container: numbers, or names looked up in its own passwd and group files, which are not trusted: opened
//! below the root, regular, bounded (R7), and read line by line without trimming or guessing.

use std::io::Read;
use std::os::fd::BorrowedFd;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags};

use crate::model::error::{Error, ErrorKind};
use crate::sys::path::open_in_root;

/// The largest passwd or group file.
const MAX_FILE: u64 = 1 << 20;
/// The longest line of one.
const MAX_LINE: usize = 4096;

/// Who a process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups, in the order of the group file.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
    /// The name in passwd, if there is one.
    pub(crate) name: Option<String>,
}

/// Resolves `user[:group]`, each a number or a name; empty is root. `add` are groups asked for besides.
pub(crate) fn lookup(root: BorrowedFd<'_>, user: &str, add: &[String]) -> Result<User> {
    let passwd = read(root, "etc/passwd")?;
    let group = read(root, "etc/group")?;
    resolve(&passwd, &group, user, add)
}

/// The home directory of `uid`, or `/`.
pub(crate) fn home(root: BorrowedFd<'_>, uid: u32) -> String {
    let passwd = read(root, "etc/passwd").unwrap_or_default();
    let home = users(&passwd).find(|user| user.uid == uid).map(|user| user.home.to_owned());
    home.filter(|home| home.starts_with('/')).unwrap_or_else(|| "/".to_owned())
}

/// Reads a small regular file below `root`; a missing one is empty.
pub(crate) fn read(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match open_in_root(root, path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(String::new()),
        Err(error) => return Err(error).with_context(|| format!("open /{path} of the container")),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        bail!(Error::invalid(format!("/{path} of the container is not a regular file")));
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read /{path} of the container"))?;
    if bytes.len() as u64 > MAX_FILE {
        bail!(Error::invalid(format!("/{path} of the container is larger than 1 MiB")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct PasswdLine<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn users(passwd: &str) -> impl Iterator<Item = PasswdLine<'_>> {
    lines(passwd).filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, number(fields.next()?)?, number(fields.next()?)?);
        let home = fields.nth(1).unwrap_or("");
        (!name.is_empty()).then_some(PasswdLine { name, uid, gid, home })
    })
}

struct GroupLine<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn groups(group: &str) -> impl Iterator<Item = GroupLine<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(':');
        let (name, _, gid) = (fields.next()?, fields.next()?, number(fields.next()?)?);
        (!name.is_empty()).then_some(GroupLine { name, gid, members: fields.next().unwrap_or("") })
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.len() <= MAX_LINE && !line.starts_with('#'))
}

/// A decimal number without sign, blanks or leading plus; the last one means "unchanged" to the kernel and is none.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().filter(|&number| number != u32::MAX) } else { None }
}

/// Whether `text` looks like a number, so that it can be no name.
fn numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn resolve(passwd: &str, group: &str, text: &str, add: &[String]) -> Result<User> {
    if text.chars().any(char::is_control) {
        bail!(Error::invalid(format!("invalid user {text:?}")));
    }
    let (user, wanted_group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let missing = || {
        Error::new(ErrorKind::NotExecutable, format!("unable to find user {user}: no matching entries in passwd file"))
    };
    let entry = if numeric(user) {
        // Numbers first: an image may have a user whose name is a number.
        let uid = number(user).ok_or_else(|| Error::invalid(format!("invalid user {user:?}: out of range")))?;
        users(passwd)
            .find(|entry| entry.uid == uid)
            .map_or((uid, 0, "/", None), |entry| (entry.uid, entry.gid, entry.home, Some(entry.name)))
    } else {
        let entry = users(passwd).find(|entry| entry.name == user).ok_or_else(missing)?;
        (entry.uid, entry.gid, entry.home, Some(entry.name))
    };
    let (uid, default_gid, home, name) = entry;
    let gid = match wanted_group {
        Some(wanted) => find_group(group, wanted)?,
        None => default_gid,
    };
    let mut supplementary = Vec::new();
    if let (Some(name), None) = (name, wanted_group) {
        for line in groups(group) {
            if line.members.split(',').any(|member| member == name) && !supplementary.contains(&line.gid) {
                supplementary.push(line.gid);
            }
        }
    }
    for wanted in add {
        let gid = find_group(group, wanted)?;
        if !supplementary.contains(&gid) {
            supplementary.push(gid);
        }
    }
    let home = if home.starts_with('/') { home } else { "/" };
    Ok(User { uid, gid, groups: supplementary, home: home.to_owned(), name: name.map(str::to_owned) })
}

fn find_group(group: &str, wanted: &str) -> Result<u32> {
    if numeric(wanted) {
        return Ok(number(wanted).ok_or_else(|| Error::invalid(format!("invalid group {wanted:?}: out of range")))?);
    }
    let missing = || {
        Error::new(
            ErrorKind::NotExecutable,
            format!("unable to find group {wanted}: no matching entries in group file"),
        )
    };
    Ok(groups(group).find(|line| line.name == wanted).map(|line| line.gid).ok_or_else(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# c:x:5:5::/:\nweb:x:33:34:Web:/var/www:/bin/sh\n\
                          1000:x:77:77::/n:/bin/sh\nbad:x:-1:0::/:\nbig:x:4294967295:0::/:\nnohome:x:9:9:::\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlog:x:4:web,x\ntape:x:26:webb\nlog2:x:4:web\n";

    fn user(text: &str) -> Option<(u32, u32, Vec<u32>, String)> {
        resolve(PASSWD, GROUP, text, &[]).ok().map(|user| (user.uid, user.gid, user.groups, user.home))
    }

    #[test]
    fn users_and_groups_by_name_and_number() {
        for (text, expected) in [
            ("", Some((0, 0, vec![], "/root"))),
            ("root", Some((0, 0, vec![], "/root"))),
            ("web", Some((33, 34, vec![4], "/var/www"))),
            ("33", Some((33, 34, vec![4], "/var/www"))),
            ("web:log", Some((33, 4, vec![], "/var/www"))),
            ("web:5", Some((33, 5, vec![], "/var/www"))),
            ("web:", Some((33, 34, vec![4], "/var/www"))),
            (":5", Some((0, 5, vec![], "/root"))),
            ("1000", Some((1000, 0, vec![], "/"))),
            ("nohome", Some((9, 9, vec![], "/"))),
            ("none", None),
            ("c", None),
            ("bad", None),
            ("big", None),
            ("4294967295", None),
            ("4294967296", None),
            ("-1", None),
            ("+1", None),
            ("0x10", None),
            (" 0", None),
            ("web:none", None),
            ("web:4294967295", None),
            ("root\n", None),
        ] {
            let expected = expected.map(|(uid, gid, groups, home)| (uid, gid, groups, home.to_owned()));
            assert_eq!(user(text), expected, "{text:?}");
        }
    }

    #[test]
    fn groups_that_are_added_come_once() {
        let add = ["log".to_owned(), "99".to_owned(), "99".to_owned()];
        assert_eq!(resolve(PASSWD, GROUP, "web", &add).unwrap().groups, [4, 99]);
        assert!(resolve(PASSWD, GROUP, "web", &["none".to_owned()]).is_err());
    }

    proptest::proptest! {
        /// R24.
        #[test]
        fn resolve_never_panics_and_never_gives_the_last_number(
            passwd: String, group: String, user: String
        ) {
            if let Ok(user) = resolve(&passwd, &group, &user, &[]) {
                proptest::prop_assert!(user.uid != u32::MAX && user.gid != u32::MAX);
            }
        }
    }
}
