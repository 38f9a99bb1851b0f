//! The other OCI runtimes that containers can be made by (`--runtime`): where they are found, and how they forget one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::container::Locked;
use crate::model::error::Error;
use crate::model::runtime::OtherRuntime;
use crate::runtime::delegate::{self, Delegate};
use crate::state::installed;

/// Names of dhow itself.
const OWN: [&str; 3] = ["", "dhow", "dhow-runtime"];
/// Runtimes that give a container what dhow gives it: where they are not installed, dhow stands in for them.
const EQUAL: [&str; 3] = ["crun", "runc", "youki"];
/// Where programs of the system are. Nothing is looked for in `PATH` (R5).
const DIRECTORIES: [&str; 7] =
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin"];

/// Whether `asked` is dhow, or gives a container what dhow gives it.
pub(crate) fn is_equal(asked: &str) -> bool {
    let name = asked.rsplit('/').next().unwrap_or_default();
    OWN.contains(&name) || EQUAL.contains(&name)
}

/// Who makes containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Dhow,
    /// dhow, in the place of one that is not installed.
    Instead,
    Other(OtherRuntime),
}

/// Finds the runtime that is called `asked`: a path, or a name for which `table` has paths or which the system has.
///
/// # Errors
/// One that is not there and that dhow could not stand in for, or that strangers could change.
pub(crate) fn find(
    asked: &str,
    flags: &[String],
    table: &BTreeMap<String, Vec<String>>,
    rootless: bool,
) -> Result<Maker> {
    let name = asked.rsplit('/').next().unwrap_or_default();
    if OWN.contains(&name) {
        return Ok(Maker::Dhow);
    }
    let flags = flags.iter().map(|flag| format!("--{}", flag.trim_start_matches('-'))).collect();
    let other = |program| Ok(Maker::Other(OtherRuntime { name: name.to_owned(), program, flags }));
    if asked.starts_with('/') {
        // Whoever names a path answers for it.
        return match Path::new(asked) {
            path if path.is_file() => other(path.to_owned()),
            _ => missing(asked),
        };
    }
    let usual = DIRECTORIES.map(|dir| format!("{dir}/{name}"));
    let paths = table.get(asked).map_or(&usual[..], Vec::as_slice);
    match paths.iter().map(PathBuf::from).find(|path| path.is_absolute() && path.is_file()) {
        Some(path) => {
            // In a user namespace the owners of the system's files are nobody there.
            let own = rustix::process::getuid().as_raw();
            installed::refuse_strangers(&path, &[0, own, if rootless { installed::UNMAPPED } else { 0 }])?;
            other(path)
        }
        None => missing(asked),
    }
}

fn missing(asked: &str) -> Result<Maker> {
    if EQUAL.contains(&asked) {
        return Ok(Maker::Instead);
    }
    let message = format!("default OCI runtime {asked:?} not found: invalid argument");
    Err(Error::not_found(message).hint("without --runtime, dhow runs containers itself").into())
}

/// Has the runtime of a container that is over take away what it made.
pub(super) fn forget(locked: &Locked, runtime: &OtherRuntime) -> Result<()> {
    if !runtime.program.exists() {
        // Its cgroup and its files are taken away by us.
        return Ok(());
    }
    let cgroup = locked.cgroup()?;
    Delegate { runtime, id: locked.id().as_str(), place: delegate::place(&locked.run_dir()), cgroup: &cgroup }.delete()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_found_by_name_by_table_and_by_path() {
        let none = BTreeMap::new();
        assert_eq!(find("dhow", &[], &none, false).unwrap(), Maker::Dhow);
        assert_eq!(find("/opt/bin/dhow", &[], &none, false).unwrap(), Maker::Dhow);
        let error = find("nosuch", &[], &none, false).unwrap_err().to_string();
        assert_eq!(error, "default OCI runtime \"nosuch\" not found: invalid argument");
        let table = BTreeMap::from([
            ("mine".to_owned(), vec!["/nosuch/mine".to_owned(), "/bin/sh".to_owned()]),
            ("crun".to_owned(), vec!["/nosuch/crun".to_owned()]),
        ]);
        let Maker::Other(found) = find("mine", &["debug".to_owned()], &table, false).unwrap() else {
            panic!("not another")
        };
        assert_eq!((found.name.as_str(), found.program.to_str()), ("mine", Some("/bin/sh")));
        assert_eq!(found.flags, ["--debug"]);
        assert_eq!(find("crun", &[], &table, false).unwrap(), Maker::Instead);
        assert!(find("/nosuch/crun", &[], &table, false).is_err());
    }
}
