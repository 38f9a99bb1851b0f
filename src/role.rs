//! Which process this is: the first argument says so. Roles bypass the command line's parser.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::state::privilege::Privilege;

/// What this process is (ARCHITECTURE: "Processes").
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A whole command of a user.
    Cli,
    /// The process beside a container.
    Monitor,
    /// What a monitor becomes when its container has ended.
    Cleanup,
    /// One layer, unpacked behind a lock-down.
    Unpack,
    /// `--init` inside a container.
    Reaper,
}

impl Role {
    /// Reads the role from the arguments. Inside a container the program's own name tells.
    pub(crate) fn from_args(args: &[OsString]) -> Self {
        if args.first().is_some_and(|name| name == crate::runtime::reaper::PATH) {
            return Self::Reaper;
        }
        match args.get(1).and_then(|word| word.to_str()) {
            Some("monitor") => Self::Monitor,
            Some("cleanup") => Self::Cleanup,
            Some("unpack") => Self::Unpack,
            _ => Self::Cli,
        }
    }
}

/// Runs the role that `args` ask for.
pub(crate) fn run(args: Vec<OsString>) -> ExitCode {
    match Role::from_args(&args) {
        Role::Monitor => crate::monitor::main(),
        Role::Cleanup => crate::cli::exit::finish(cleanup(&args[2..]).map(|()| 0)),
        Role::Unpack => crate::storage::unpack::main(&args[2..]),
        Role::Reaper => crate::runtime::reaper::main(&args[1..]),
        Role::Cli => crate::cli::main(args, Privilege::Root),
    }
}

/// `cleanup DATA RUN UID GID ID RUN-NUMBER`, as `Engine::cleanup_arguments` writes it; the ids are `root` for root.
fn cleanup(args: &[OsString]) -> Result<()> {
    let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
    let [data, run_dir, uid, gid, id, run] = words.as_slice() else { anyhow::bail!("cleanup: wrong arguments") };
    let privilege = match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) => Privilege::Rootless { uid, gid },
        _ => Privilege::Root,
    };
    let engine = Engine::open(privilege, Some((*data).into()), Some((*run_dir).into()))?;
    engine.clean_up(&id.parse()?, run.parse().context("cleanup: wrong run number")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        let role = |words: &[&str]| Role::from_args(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(role(&["dhow", "ps"]), Role::Cli);
        assert_eq!(role(&["dhow"]), Role::Cli);
        assert_eq!(role(&["dhow", "monitor", "--", "id"]), Role::Monitor);
        assert_eq!(role(&[crate::runtime::reaper::PATH, "--", "monitor"]), Role::Reaper);
        assert_eq!(role(&["dhow", "run", "unpack"]), Role::Cli);
    }
}
