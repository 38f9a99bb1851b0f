//! What belongs to the first process of a container and to its start: `--umask`, `--tz`, `--personality`, the files of
//! pids, accounts.

use std::path::Path;

use crate::cli::flags::create::CreateFlags;
use crate::engine::request::ImageVolumes;
use crate::model::container::Accounts;
use crate::model::error::Error;
use crate::model::mount::clean;

/// Reads a mask of one to four octal digits.
pub(super) fn umask(text: &str) -> Result<u32, Error> {
    let fits = (1..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
    let mask = if fits { u32::from_str_radix(text, 8).ok() } else { None };
    mask.ok_or_else(|| {
        Error::invalid(format!("running container create option: invalid umask string {text}: invalid argument"))
    })
}

/// Whether the machine looks like one of 32 bits.
pub(super) fn personality32(text: &str) -> Result<bool, Error> {
    match text {
        "LINUX" => Ok(false),
        "LINUX32" => Ok(true),
        _ => Err(Error::invalid(format!("unknown personality `{text}`")).hint("LINUX and LINUX32 are known")),
    }
}

/// Checks what the kernel would refuse at the start.
pub(super) fn oom_score_adj(asked: Option<i32>) -> Result<Option<i32>, Error> {
    match asked {
        Some(score) if !(-1000..=1000).contains(&score) => {
            Err(Error::invalid(format!("--oom-score-adj {score} is out of range: -1000 to 1000")))
        }
        asked => Ok(asked),
    }
}

/// Checks the name of a zone: below the host's zoneinfo and nowhere else.
pub(super) fn timezone(text: &str) -> Result<String, Error> {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.chars().any(char::is_control);
    match text.split('/').all(part) {
        true => Ok(text.to_owned()),
        false => Err(Error::invalid(format!("finding timezone: invalid name {text:?}"))),
    }
}

/// A path that a later process is to write, from where the user is now.
pub(super) fn path(path: &Path, cwd: &str) -> String {
    clean(&Path::new(cwd).join(path).to_string_lossy())
}

/// What becomes of the image's volumes; `bind` is podman's old name for the default.
pub(super) fn image_volumes(text: Option<&str>) -> Result<ImageVolumes, Error> {
    match text {
        None | Some("" | "anonymous" | "bind") => Ok(ImageVolumes::Anonymous),
        Some("tmpfs") => Ok(ImageVolumes::Tmpfs),
        Some("ignore") => Ok(ImageVolumes::Ignore),
        Some(other) => {
            Err(Error::invalid(format!("invalid image volume mode {other:?} required value: bind, tmpfs, ignore")))
        }
    }
}

/// Reads the lines that the account files are to get.
pub(super) fn accounts(flags: &CreateFlags) -> Result<Accounts, Error> {
    for (flag, line) in [("passwd-entry", &flags.passwd_entry), ("group-entry", &flags.group_entry)] {
        // One line, and no other account behind it (R25).
        if line.as_ref().is_some_and(|line| line.chars().any(char::is_control)) {
            return Err(Error::invalid(format!("--{flag} holds a control character")));
        }
    }
    Ok(Accounts {
        untouched: flags.passwd == Some(false),
        passwd_entry: flags.passwd_entry.clone().filter(|line| !line.is_empty()),
        group_entry: flags.group_entry.clone().filter(|line| !line.is_empty()),
        host_users: Vec::new(),
        host_groups: Vec::new(),
    })
}

/// The directories that are roots of their own, absolute.
pub(super) fn chroot_dirs(texts: &[String]) -> Result<Vec<String>, Error> {
    let dir = |text: &String| match text.starts_with('/') {
        true => Ok(clean(text)),
        false => Err(Error::invalid(format!("chroot directory {text:?} must be an absolute path"))),
    };
    texts.iter().map(dir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_zones_and_paths() {
        assert_eq!((umask("0077").unwrap(), umask("7").unwrap(), umask("22").unwrap()), (0o77, 7, 0o22));
        for bad in ["", "8", "00022", "-1", "+7", "0x7"] {
            assert!(umask(bad).is_err(), "{bad}");
        }
        assert!(timezone("Europe/Berlin").is_ok() && timezone("local").is_ok());
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\nb"] {
            assert!(timezone(bad).is_err(), "{bad:?}");
        }
        assert_eq!((path(Path::new("p"), "/w"), path(Path::new("/a/../p"), "/w")), ("/w/p".into(), "/p".into()));
        assert!(oom_score_adj(Some(1001)).is_err() && oom_score_adj(Some(-1000)).is_ok());
    }
}
