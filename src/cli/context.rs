//! What every command is given: the global flags, and the engine once it is asked for.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::flags::tree::Tree;
use super::globals::{GlobalArgs, parse_driver, parse_format};
use super::output::escape;
use crate::engine::runtime::{self, Maker};
use crate::engine::{Config, Engine, Logger, Places, Privilege, Storage, has_journal};
use crate::model::error::Error;
use crate::model::image::LayerFormat;
use crate::model::runtime::OtherRuntime;

/// dhow's own directory below one that files name, which podman may use too.
const OWN: &str = "dhow";

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
    runtime: OnceCell<Option<OtherRuntime>>,
}

impl Context {
    pub(crate) fn new(
        tree: &'static Tree<Self>,
        globals: GlobalArgs,
        privilege: Privilege,
        args: Vec<OsString>,
    ) -> Self {
        Self {
            globals,
            privilege,
            tree,
            args,
            config: OnceCell::new(),
            engine: OnceCell::new(),
            runtime: OnceCell::new(),
        }
    }

    /// Returns what the files say; they are read by the first who asks, who tells what was not understood.
    pub(crate) fn config(&self) -> Result<&Config> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::of_process(&self.privilege, &self.globals.module)?;
        config.warnings.iter().for_each(|warning| self.warn(warning));
        // The program's own variables: how registries are reached, where temporary files go.
        for pair in config.engine.env.items() {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            crate::sys::environment::set(name, value.as_ref())
                .with_context(|| format!("set {pair:?}, env in [engine]"))?;
        }
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

    /// Whether the service manager makes the cgroups of new containers. A file's wish that it cannot fulfil is told.
    pub(crate) fn by_systemd(&self) -> Result<bool> {
        match self.globals.cgroup_manager.as_deref() {
            Some("systemd") => Ok(true),
            Some("cgroupfs") => Ok(false),
            _ if self.config()?.engine.cgroup_manager.as_deref() != Some("systemd") => Ok(false),
            _ => {
                let missing = crate::engine::facts::without_systemd(&self.privilege);
                if let Some(why) = &missing {
                    self.warn(&format!("cgroup_manager = \"systemd\" has no effect: {why}"));
                }
                Ok(missing.is_none())
            }
        }
    }

    /// Returns the engine; the store is opened by the first who asks.
    pub(crate) fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let config = self.config()?;
        let given = &self.globals;
        let storage = Storage::of_process(&self.privilege)?;
        let driver = match (&given.storage_driver, &storage.driver) {
            (Some(word), _) => parse_driver(word, None)?,
            (None, Some((word, who))) => parse_driver(word, Some(who))?,
            (None, None) => None,
        };
        let format = match (given.layer_format(), &storage.layer_format) {
            (Some(word), _) => self.layer_format(word)?,
            // The file may speak to root, too.
            (None, Some((word, who))) if !self.privilege.is_rootless() => parse_format(word, Some(who))?,
            _ => LayerFormat::default(),
        };
        let volumes =
            || config.engine.volume_path.as_ref().filter(|path| !path.is_empty()).map(|path| Path::new(path).join(OWN));
        let places = Places {
            root: given.root.clone().or(storage.root),
            run: given.runroot.clone().or(storage.run),
            volumes: given.volumepath.clone().or_else(volumes),
            events: events(given.events_backend.as_deref(), config)?,
            layer_format: format,
            driver,
        };
        let engine = Engine::open(self.privilege.clone(), places)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// The format of layers that `word` asks for, if this user can have it.
    pub(crate) fn layer_format(&self, word: &str) -> Result<LayerFormat> {
        let format = parse_format(word, None)?;
        if format == LayerFormat::Erofs && self.privilege.is_rootless() {
            let message = "layers as EROFS images are mounted by root only, not by an ordinary user";
            return Err(Error::unsupported(message).hint("leave it at directories: layer_format=directory").into());
        }
        Ok(format)
    }

    /// Finds the runtime that makes containers in dhow's place, if any: the flag's, else that of the files. Where these name
    /// one that gives what dhow gives, dhow it is.
    pub(crate) fn other_runtime(&self) -> Result<Option<OtherRuntime>> {
        if let Some(found) = self.runtime.get() {
            return Ok(found.clone());
        }
        let found = self.find_runtime()?;
        Ok(self.runtime.get_or_init(|| found).clone())
    }

    fn find_runtime(&self) -> Result<Option<OtherRuntime>> {
        let from = &self.config()?.engine;
        let flag = self.globals.runtime.as_deref();
        let asked = match flag.or(from.runtime.as_deref()) {
            Some(asked) if flag.is_some() || !runtime::is_equal(asked) => asked,
            _ => return Ok(None),
        };
        self.runtime_called(asked)
    }

    /// The runtime that is called `asked`; `None` is dhow.
    pub(crate) fn runtime_called(&self, asked: &str) -> Result<Option<OtherRuntime>> {
        match runtime::find(
            asked,
            &self.globals.runtime_flag,
            &self.config()?.engine.runtimes,
            self.privilege.is_rootless(),
        )? {
            Maker::Dhow => Ok(None),
            Maker::Instead => {
                self.warn(&format!("{asked} is not installed: dhow runs the container, as it would"));
                Ok(None)
            }
            Maker::Other(other) => Ok(Some(other)),
        }
    }

    /// Tells whether a person reads standard output: foreign text is escaped for them.
    pub(crate) fn terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }
}

/// Who keeps events: as the flag says, or the configuration. Distributions name the journal there for all their hosts; the
/// file is kept in any case.
fn events(flag: Option<&str>, config: &Config) -> Result<Logger> {
    if let Some(name) = flag.filter(|name| !name.is_empty()) {
        let logger = name.parse().context("configuring runtime")?;
        if logger == Logger::Journald && !has_journal() {
            let message = "--events-backend journald: there is no journal on this host";
            return Err(Error::unavailable(message).hint("file keeps the same events in a file").into());
        }
        return Ok(logger);
    }
    match config.engine.events_logger.as_deref().filter(|name| !name.is_empty()) {
        Some("journald") if !has_journal() => Ok(Logger::File),
        Some(name) => name.parse().with_context(|| config.origin("events_logger")),
        None => Ok(Logger::File),
    }
}
