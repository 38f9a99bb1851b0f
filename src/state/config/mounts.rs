//! `mounts.conf` (containers-mounts.conf(5)): directories of the host that every container sees, `SOURCE[:TARGET]` a line.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::is_missing;
use crate::model::error::Error;

/// A line: what is seen, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) source: String,
    pub(crate) target: String,
}

/// Reads the user's file, the administrator's and the system's; the first that has a target wins it.
pub(crate) fn load(var: &dyn Fn(&str) -> Option<OsString>, user: Option<u32>) -> Result<Vec<Shared>> {
    let mut files = vec![PathBuf::from("/etc/containers/mounts.conf"), "/usr/share/containers/mounts.conf".into()];
    if let (Some(home), Some(_)) = (var("HOME").filter(|home| !home.is_empty()), user) {
        files.insert(0, PathBuf::from(home).join(".config/containers/mounts.conf"));
    }
    let mut all: Vec<Shared> = Vec::new();
    for file in files {
        let text = match std::fs::read_to_string(&file) {
            Err(error) if is_missing(&error) => continue,
            text => text.with_context(|| format!("read {}", file.display()))?,
        };
        for (number, line) in text.lines().enumerate() {
            let at = || format!("{}:{}", file.display(), number + 1);
            if let Some(shared) = parse(line).with_context(at)?
                && !all.iter().any(|known| known.target == shared.target)
            {
                all.push(shared);
            }
        }
    }
    Ok(all)
}

/// Reads one line; `None` where it says nothing.
fn parse(line: &str) -> Result<Option<Shared>, Error> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (source, target) = line.split_once(':').unwrap_or((line, line));
    if !source.starts_with('/') || !target.starts_with('/') || target.contains(':') {
        return Err(Error::invalid(format!("{line:?} is not SOURCE:TARGET with absolute paths")));
    }
    Ok(Some(Shared { source: source.to_owned(), target: target.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let shared = |source: &str, target: &str| Some(Shared { source: source.to_owned(), target: target.to_owned() });
        for (line, want) in [("/a:/b", shared("/a", "/b")), (" /a ", shared("/a", "/a")), ("# /a:/b", None), ("", None)]
        {
            assert_eq!(parse(line).unwrap(), want, "{line}");
        }
        for bad in ["a:/b", "/a:b", "/a:/b:ro", ":"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in "[/a: #]{0,8}|\\PC{0,20}") {
            if let Ok(Some(shared)) = parse(&line) {
                proptest::prop_assert!(shared.source.starts_with('/') && shared.target.starts_with('/'));
            }
        }
    }
}
