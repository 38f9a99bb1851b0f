//! Lines for the user of a container in its own passwd and group files, as podman writes them for a number that the image
//! does not know. The files are not trusted: opened below the root, regular, bounded (R7); what is written is one line
//! each, made of checked words (R25).

use std::io::Write;
use std::os::fd::BorrowedFd;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags};

use super::user;
use crate::model::container::Accounts;
use crate::model::error::Error;
use crate::sys::path::open_in_root;

/// The file that a line is for, below the root.
pub(crate) const PASSWD: &str = "etc/passwd";
/// As [`PASSWD`].
pub(crate) const GROUP: &str = "etc/group";

/// What a file of accounts says, and what it is to say besides.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addition {
    /// [`PASSWD`] or [`GROUP`].
    pub(crate) path: &'static str,
    pub(crate) present: String,
    /// Whole lines.
    pub(crate) lines: String,
}

/// What is missing for `user` (`USER[:GROUP]`), whose home is `home`. Nothing for a user who was asked for by name.
pub(crate) fn missing(root: BorrowedFd<'_>, user: &str, home: &str, accounts: &Accounts) -> Result<Vec<Addition>> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    if accounts.untouched || accounts.host_users.is_empty() && !number(name) && !number(group) {
        return Ok(Vec::new());
    }
    let (passwd, groups) = (user::read(root, PASSWD)?, user::read(root, GROUP)?);
    let mut lines = String::new();
    for line in &accounts.host_users {
        if !knows(&passwd, line) && !knows(&lines, line) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    let mut group_lines = String::new();
    for line in &accounts.host_groups {
        let gid = line.split(':').nth(2).unwrap_or_default();
        if !knows(&groups, line) && !has_number(&groups, gid) {
            group_lines.push_str(line);
            group_lines.push('\n');
        }
    }
    if number(name) && !has_number(&passwd, name) && !has_number(&lines, name) {
        // The group may be known by its name; what is unknown the lookup of the user tells.
        let gid = user::lookup(root, user, &[])?.gid;
        lines.push_str(&passwd_line(name, gid, home, accounts)?);
    }
    let mut additions = Vec::new();
    if !lines.is_empty() {
        additions.push(Addition { path: PASSWD, present: passwd, lines });
    }
    if number(group) && !has_number(&groups, group) && !has_number(&group_lines, group) {
        let template = accounts.group_entry.as_deref().unwrap_or("$GROUPNAME:x:$GID:$USERLIST");
        group_lines.push_str(&fill(template, &[("$GROUPNAME", group), ("$GID", group), ("$USERLIST", name)])?);
    }
    if !group_lines.is_empty() {
        additions.push(Addition { path: GROUP, present: groups, lines: group_lines });
    }
    Ok(additions)
}

fn passwd_line(uid: &str, gid: u32, home: &str, accounts: &Accounts) -> Result<String> {
    let gid = gid.to_string();
    let words =
        [("$USERNAME", uid), ("$UID", uid), ("$GID", gid.as_str()), ("$NAME", "container user"), ("$HOME", home)];
    let template = accounts.passwd_entry.as_deref().unwrap_or("$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh");
    fill(template, &words)
}

/// Puts words in their places: one line, with its end.
fn fill(template: &str, words: &[(&str, &str)]) -> Result<String> {
    let mut line = template.to_owned();
    for (place, word) in words {
        if word.contains(':') || word.chars().any(char::is_control) {
            bail!(Error::invalid(format!("{word:?} cannot stand in a line of accounts")));
        }
        line = line.replace(place, word);
    }
    line.push('\n');
    Ok(line)
}

/// Whether a file of accounts has a line with this number.
fn has_number(text: &str, number: &str) -> bool {
    let wanted = number.parse::<u32>().ok();
    text.lines().any(|line| line.split(':').nth(2).is_some_and(|field| field.parse::<u32>().ok() == wanted))
}

/// Whether the name of `line` is there already.
fn knows(text: &str, line: &str) -> bool {
    let name = line.split(':').next();
    text.lines().any(|known| known.split(':').next() == name)
}

impl Addition {
    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let end = if self.present.is_empty() || self.present.ends_with('\n') { "" } else { "\n" };
        format!("{}{end}{}", self.present, self.lines)
    }

    /// Appends the lines to the file. `false` where there is none, or it cannot be written: then it can be covered.
    pub(crate) fn append(&self, root: BorrowedFd<'_>) -> Result<bool> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(file) = open_in_root(root, self.path, flags, Mode::empty()) else { return Ok(false) };
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        let end = if self.present.is_empty() || self.present.ends_with('\n') { "" } else { "\n" };
        // One write: a line is there or is not.
        let mut file = std::fs::File::from(file);
        file.write_all(format!("{end}{}", self.lines).as_bytes())
            .with_context(|| format!("write /{} of the container", self.path))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_a_number_that_is_not_there_gets_a_line() {
        let dir = std::env::temp_dir().join(format!("dhow-account-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("etc")).unwrap();
        std::fs::write(dir.join(PASSWD), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/w:/bin/sh").unwrap();
        std::fs::write(dir.join(GROUP), "web:x:34:\n").unwrap();
        let root = std::fs::File::open(&dir).unwrap();
        let lines = |user: &str, accounts: &Accounts| {
            let missing = missing(root.as_fd(), user, "/srv", accounts).unwrap();
            missing.into_iter().map(|addition| addition.lines).collect::<Vec<_>>()
        };
        let plain = Accounts::default();
        for known in ["", "0", "web", "33", "033:34", "web:34"] {
            assert!(lines(known, &plain).is_empty(), "{known}");
        }
        assert_eq!(lines("7", &plain), ["7:*:7:0:container user:/srv:/bin/sh\n"]);
        assert_eq!(lines("7:8", &plain), ["7:*:7:8:container user:/srv:/bin/sh\n", "8:x:8:7\n"]);
        assert_eq!(lines("web:8", &plain), ["8:x:8:web\n"]);
        assert!(lines("7", &Accounts { untouched: true, ..Accounts::default() }).is_empty());
        let own = Accounts { passwd_entry: Some("u$UID:x:$UID:$GID::$HOME:".into()), ..Accounts::default() };
        assert_eq!(lines("7:web", &own), ["u7:x:7:34::/srv:\n"]);
        assert!(missing(root.as_fd(), "7", "/a:b", &plain).is_err());
        let host = Accounts { host_users: vec!["kim:*:5:5::/k:/bin/sh".into()], ..Accounts::default() };
        let addition = missing(root.as_fd(), "", "/", &host).unwrap().remove(0);
        assert!(addition.append(root.as_fd()).unwrap());
        // The last line had no end.
        let text = std::fs::read_to_string(dir.join(PASSWD)).unwrap();
        assert_eq!((text.as_str(), text.lines().count()), (addition.text().as_str(), 3));
        assert!(lines("", &host).is_empty());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
