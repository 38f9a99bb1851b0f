//! Variables and labels: from flags, from files, and from the caller's own environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::model::error::Error;

/// What a name without a value stands for.
type Host<'a> = &'a dyn Fn() -> Vec<(String, String)>;

/// The caller's variables, as far as they are text.
fn host() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Reads `--env-file` and `--env`: files first, the last one of a name wins.
pub(super) fn variables(files: &[PathBuf], flags: &[String]) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for path in files {
        let file = || format!("parsing env file {:?}", path.display());
        for line in lines(path).with_context(file)? {
            variable(&line, &host, &mut all).with_context(file)?;
        }
    }
    for text in flags {
        variable(text, &host, &mut all)?;
    }
    Ok(all)
}

/// The variables that say how the outside is reached.
const PROXY: [&str; 8] =
    ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"];

/// Puts the caller's variables, or of them those of proxies, before what was asked for by name.
pub(super) fn with_host(all: bool, proxies: bool, asked: Vec<(String, String)>) -> Vec<(String, String)> {
    if !all && !proxies {
        return asked;
    }
    let mut merged: Vec<_> = host().into_iter().filter(|(name, _)| all || PROXY.contains(&name.as_str())).collect();
    asked.into_iter().for_each(|(name, value)| set(&mut merged, name, value));
    merged
}

/// Reads `NAME=VALUE`, `NAME` (the caller's value, when there is one) or `PREFIX*` (all of the caller's that begin so).
fn variable(text: &str, host: Host<'_>, all: &mut Vec<(String, String)>) -> Result<(), Error> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let name = name.trim_start();
    if name.is_empty() || text.contains('\0') {
        return Err(Error::invalid(format!("invalid environment variable: {text:?}")));
    }
    match (value, name.strip_suffix('*')) {
        (Some(value), _) => set(all, name.to_owned(), value.to_owned()),
        (None, Some(prefix)) => {
            host().into_iter().filter(|(key, _)| key.starts_with(prefix)).for_each(|(key, value)| set(all, key, value));
        }
        (None, None) => {
            if let Some((key, value)) = host().into_iter().find(|(key, _)| key == name) {
                set(all, key, value);
            }
        }
    }
    Ok(())
}

fn set(all: &mut Vec<(String, String)>, key: String, value: String) {
    match all.iter_mut().find(|(known, _)| *known == key) {
        Some(pair) => pair.1 = value,
        None => all.push((key, value)),
    }
}

/// The lines of a file that say something.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("open {}", path.display()))?;
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// Reads `--label-file` and `--label`; a label without a value has the empty one.
pub(super) fn labels(files: &[PathBuf], flags: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut add = |text: &str| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            return Err(Error::invalid(format!("unable to process labels: invalid label format: {text:?}")));
        }
        labels.insert(key.to_owned(), value.to_owned());
        Ok(())
    };
    for path in files {
        let file = || format!("unable to process labels: parsing label file {:?}", path.display());
        for line in lines(path).with_context(file)? {
            add(&line).with_context(file)?;
        }
    }
    for text in flags {
        add(text)?;
    }
    Ok(labels)
}

/// Reads pairs that must have a value; `bad` says what is wrong with one that has none.
pub(super) fn pairs(texts: &[String], bad: impl Fn(&str) -> String) -> Result<BTreeMap<String, String>, Error> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(bad(text))),
    };
    texts.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_from_everywhere() {
        let host = || [("A", "1"), ("AB", "2"), ("C", "3")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        let mut all = Vec::new();
        for text in ["X=1", "X=2=3", "C", "D", "A*", "  E= e ", "F="] {
            variable(text, &host, &mut all).unwrap();
        }
        let all: Vec<_> = all.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(all, [("X", "2=3"), ("C", "3"), ("A", "1"), ("AB", "2"), ("E", " e "), ("F", "")]);
        assert_eq!(variable("=x", &host, &mut Vec::new()).unwrap_err().message, "invalid environment variable: \"=x\"");
    }

    #[test]
    fn labels_may_have_no_value() {
        let labels = labels(&[], &["a".into(), "b=c=d".into(), "a=1".into()]).unwrap();
        assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("a".into(), "1".into()), ("b".into(), "c=d".into())]);
    }

    proptest::proptest! {
        #[test]
        fn every_variable_is_one(texts in proptest::collection::vec("[A-C *=\\x00\\t#]{0,6}|\\PC{0,10}", 0..8)) {
            let host = || [("A", "1"), ("AB", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
            let mut all = Vec::new();
            texts.iter().for_each(|text| drop(variable(text, &host, &mut all)));
            for (at, (name, value)) in all.iter().enumerate() {
                proptest::prop_assert!(!name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'), "{name:?}");
                proptest::prop_assert!(all[..at].iter().all(|(other, _)| other != name), "{name:?} twice");
            }
        }
    }
}
