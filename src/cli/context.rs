//! What every command is given: the global flags, and the engine once it is asked for.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Result;

use super::flags::UsageError;
use super::flags::tree::Tree;
use super::output::escape;
use crate::engine::{Config, Engine, Privilege};
use crate::model::error::Error;

/// What podman's `--log-level` takes.
const LEVELS: [&str; 8] = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

/// The flags that are understood before and after every command's name.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct GlobalArgs {
    /// Directory of images, containers and volumes
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Directory of what is gone after a reboot
    #[arg(long, value_name = "DIR")]
    pub(crate) runroot: Option<PathBuf>,
    /// Say more or less: trace, debug, info, warn, error, fatal, panic
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// How layers are kept: overlay
    #[arg(long, value_name = "DRIVER")]
    pub(crate) storage_driver: Option<String>,
    /// Who manages cgroups: cgroupfs
    #[arg(long, value_name = "MANAGER")]
    pub(crate) cgroup_manager: Option<String>,
    /// Read this file of defaults too: a path, or a name below containers.conf.modules
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Vec<String>,
    /// Print the version
    #[arg(short, long)]
    pub(crate) version: bool,
}

impl GlobalArgs {
    /// Whether only errors are to be told.
    fn is_quiet(&self) -> bool {
        let level = self.log_level.as_deref().unwrap_or_default().to_ascii_lowercase();
        matches!(level.as_str(), "error" | "fatal" | "panic")
    }

    /// Refuses what was asked for and cannot be given.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(level) = &self.log_level
            && !LEVELS.contains(&level.to_ascii_lowercase().as_str())
        {
            let message = format!("log level \"{level}\" is not supported, choose from: {}", LEVELS.join(", "));
            return Err(UsageError::new(message).into());
        }
        match self.storage_driver.as_deref() {
            None | Some("" | "overlay") => {}
            Some(other) => {
                let message = format!("storage driver \"{other}\" is not supported, choose from: overlay");
                return Err(Error::unsupported(message).into());
            }
        }
        match self.cgroup_manager.as_deref() {
            None | Some("" | "cgroupfs") => Ok(()),
            Some(other) => {
                let message = format!("cgroup manager \"{other}\" is not supported, choose from: cgroupfs");
                Err(Error::unsupported(message).into())
            }
        }
    }
}

/// One command line at work.
pub(crate) struct Context {
    pub(crate) globals: GlobalArgs,
    pub(crate) privilege: Privilege,
    /// The whole tree of commands.
    pub(crate) tree: &'static Tree<Self>,
    /// The words of the whole command line, the program's name first.
    pub(crate) args: Vec<OsString>,
    config: OnceCell<Config>,
    engine: OnceCell<Engine>,
}

impl Context {
    pub(crate) fn new(
        tree: &'static Tree<Self>,
        globals: GlobalArgs,
        privilege: Privilege,
        args: Vec<OsString>,
    ) -> Self {
        Self { globals, privilege, tree, args, config: OnceCell::new(), engine: OnceCell::new() }
    }

    /// Returns what the files say; they are read by the first who asks, who tells what was not understood.
    pub(crate) fn config(&self) -> Result<&Config> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::of_process(&self.privilege, &self.globals.module)?;
        config.warnings.iter().for_each(|warning| self.warn(warning));
        Ok(self.config.get_or_init(|| config))
    }

    /// Returns the detach keys that were `given`, else those of the files.
    pub(crate) fn detach_keys<'a>(&'a self, given: Option<&'a str>) -> Result<Option<&'a str>> {
        Ok(match given {
            Some(keys) => Some(keys),
            None => self.config()?.engine.detach_keys.as_deref(),
        })
    }

    /// Tells something that is no error.
    pub(crate) fn warn(&self, text: &str) {
        if !self.globals.is_quiet() {
            // Where standard error is closed, there is nobody to tell.
            drop(writeln!(std::io::stderr(), "Warning: {}", escape::line(text)));
        }
    }

    /// Returns the engine; the store is opened by the first who asks.
    pub(crate) fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::open(self.privilege.clone(), self.globals.root.clone(), self.globals.runroot.clone())?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// Tells whether a person reads standard output: foreign text is escaped for them.
    pub(crate) fn terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_given_is_an_error() {
        let with = |change: fn(&mut GlobalArgs)| {
            let mut globals = GlobalArgs::default();
            change(&mut globals);
            globals.check().map_err(|error| error.to_string())
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|g| g.log_level = Some("DEBUG".into())), Ok(()));
        assert_eq!(with(|g| g.storage_driver = Some("overlay".into())), Ok(()));
        assert_eq!(with(|g| g.cgroup_manager = Some("cgroupfs".into())), Ok(()));
        let error = with(|g| g.log_level = Some("loud".into())).unwrap_err();
        assert!(error.starts_with("log level \"loud\" is not supported, choose from: trace, "), "{error}");
        let error = with(|g| g.storage_driver = Some("vfs".into())).unwrap_err();
        assert_eq!(error, "storage driver \"vfs\" is not supported, choose from: overlay");
        assert!(with(|g| g.cgroup_manager = Some("systemd".into())).is_err());
    }
}
