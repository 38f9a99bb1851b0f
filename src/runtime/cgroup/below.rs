//! Where a further process is to be below a container's cgroup: `PATH` for all hierarchies, or, of those of version 1,
//! `CONTROLLER[,CONTROLLER...]:PATH`, as runc has it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::normal;
use crate::model::error::Error;

/// Paths below the container's own, with a slash before each name; its own is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Below {
    Everywhere(String),
    /// By controller; elsewhere it is where the container is.
    Of(BTreeMap<String, String>),
}

/// Understands what was asked for, of which there may be several.
pub(super) fn parse(words: &[String]) -> Result<Below> {
    let mut paths = BTreeMap::new();
    for word in words {
        let bad = |why: &str| Error::invalid(format!("invalid --cgroup argument {word:?}: {why}"));
        let Some((controllers, path)) = word.split_once(':') else {
            let [only] = words else { bail!(bad("a controller is missing")) };
            return Ok(Below::Everywhere(place(only)?));
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                bail!(bad("a controller has no name"));
            }
            if paths.insert(controller.to_owned(), place(path)?).is_some() {
                bail!(bad(&format!("controller {controller} is named twice")));
            }
        }
    }
    Ok(Below::Of(paths))
}

/// The container's own cgroup has no name below itself.
fn place(path: &str) -> Result<String> {
    if path.trim_matches('/').is_empty() { Ok(String::new()) } else { normal(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Below> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_path_is_for_all_or_for_the_controllers_that_are_named() {
        assert_eq!(parsed(&["a//b/"]).unwrap(), Below::Everywhere("/a/b".to_owned()));
        assert_eq!(parsed(&["/"]).unwrap(), Below::Everywhere(String::new()));
        let paths = [("cpu", "/x"), ("cpuacct", "/x"), ("name=systemd", "/y"), ("pids", "")];
        let paths = paths.map(|(controller, path)| (controller.to_owned(), path.to_owned())).into();
        assert_eq!(parsed(&["cpu,cpuacct:x", "name=systemd:/y", "pids:/"]).unwrap(), Below::Of(paths));
        for bad in
            [&["x", "y"][..], &["cpu:x", "y"], &[":x"], &["cpu,:x"], &["cpu:x", "cpu:y"], &["../x"], &["cpu:../x"]]
        {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
