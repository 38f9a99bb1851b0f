//! `containers.conf` (containers.conf(5)): what holds where the command line is silent. Read by each command that opens
//! the store, never by a monitor: what a container needs later is in its record.
//!
//! Files are read in the order of [`place`]; a later one replaces the keys of an earlier one. An unknown key is a
//! warning, a value of the wrong type an error that names file, line and key.

pub(crate) mod mounts;
mod place;
pub(crate) mod storage;
mod table;
mod value;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::place::{Place, Places};
use self::table::{Containers, Document, EngineTable, NetworkTable, unknown, unmet};
use self::value::Merge;
use super::privilege::Privilege;
use crate::model::error::Error;

/// The most that is read of a file.
const MOST: u64 = 1 << 20;

/// What all files say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) containers: Containers,
    pub(crate) engine: EngineTable,
    pub(crate) network: NetworkTable,
    /// What is asked for and not given here, one line each.
    pub(crate) unmet: Vec<String>,
    /// What was not understood, one line each file.
    pub(crate) warnings: Vec<String>,
    /// The files that say something, in the order in which they were read.
    read: Vec<(PathBuf, String)>,
}

impl Config {
    /// Reads the files of `places`, and `modules` by name or path.
    pub(crate) fn load(places: &Places, modules: &[String]) -> Result<Self> {
        let mut config = Self::default();
        for place in &places.files {
            config.add(place)?;
        }
        for name in modules {
            config.add(&Place::Required(module(&places.modules, name)?))?;
        }
        for place in &places.last {
            config.add(place)?;
        }
        Ok(config)
    }

    fn add(&mut self, place: &Place) -> Result<()> {
        match place {
            Place::File(path) => self.add_file(path, false, false),
            Place::Required(path) => self.add_file(path, true, false),
            Place::OwnFile(path) => self.add_file(path, false, true),
            Place::Directory(path) => self.add_directory(path, false),
            Place::OwnDirectory(path) => self.add_directory(path, true),
        }
    }

    fn add_directory(&mut self, dir: &Path, own: bool) -> Result<()> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if is_missing(&error) => return Ok(()),
            entries => entries.with_context(|| format!("read {}", dir.display()))?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("read {}", dir.display()))?.path();
            if path.extension().is_some_and(|end| end == "conf") {
                files.push(path);
            }
        }
        files.sort();
        files.iter().try_for_each(|path| self.add_file(path, false, own))
    }

    fn add_file(&mut self, path: &Path, required: bool, own: bool) -> Result<()> {
        let file = match File::open(path) {
            Err(error) if is_missing(&error) && !required => return Ok(()),
            file => file.with_context(|| format!("open {}", path.display()))?,
        };
        let read = || format!("read {}", path.display());
        // Root with the home of somebody else (`sudo -E`) does not do what that one says.
        if own && file.metadata().with_context(read)?.uid() != rustix::process::geteuid().as_raw() {
            self.warnings.push(format!("{} belongs to another user and is not read", path.display()));
            return Ok(());
        }
        let mut text = String::new();
        file.take(MOST).read_to_string(&mut text).with_context(read)?;
        self.merge(path, text)
    }

    /// Adds what one file says.
    fn merge(&mut self, path: &Path, text: String) -> Result<()> {
        // The files that distributions ship are comments mostly.
        if !text.lines().any(says_something) {
            return Ok(());
        }
        let read: Document = toml::from_str(&text).map_err(|error| wrong(path, &text, &error))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(path, &text, &error))?;
        let unknown = unknown(&table);
        if !unknown.is_empty() {
            self.warnings.push(format!("{}: unknown keys: {}", path.display(), unknown.join(", ")));
        }
        self.containers.merge(read.containers);
        self.engine.merge(read.engine);
        self.network.merge(read.network);
        self.unmet.extend(unmet(&table).into_iter().map(|line| format!("{}: {line}", path.display())));
        self.read.push((path.to_owned(), text));
        Ok(())
    }

    /// Reads what this process is to read.
    pub(crate) fn of_process(privilege: &Privilege, modules: &[String]) -> Result<Self> {
        Self::load(&Places::new(&|name| std::env::var_os(name), privilege.ordinary_user()), modules)
    }

    /// What an error came with that only the files explain.
    pub(crate) fn blame(&self) -> String {
        let files: Vec<String> = self.read.iter().map(|(path, _)| path.display().to_string()).collect();
        format!("with the defaults of {}", files.join(", "))
    }

    /// Where `key` is said, `KEY in FILE:LINE`, for messages.
    pub(crate) fn origin(&self, key: &str) -> String {
        let named =
            |line: &str| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        let found = self.read.iter().rev().find_map(|(path, text)| {
            let line = text.lines().position(named)? + 1;
            Some(format!("{key} in {}:{line}", path.display()))
        });
        found.unwrap_or_else(|| key.to_owned())
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

/// Whether a line is more than a comment or the head of a table.
fn says_something(line: &str) -> bool {
    let line = line.trim_start();
    let is_head = line.starts_with('[') && line.trim_end().ends_with(']');
    !line.is_empty() && !line.starts_with('#') && !is_head
}

/// An error that names file, line and key.
fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
    let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let key = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.\"".contains(&byte)));
    let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
    let message = error.message().trim().replace('\n', " ");
    Error::invalid(format!("{}:{}: {key}{message}", path.display(), line + 1)).into()
}

/// The file of a module: a path, or a name below one of the directories.
fn module(directories: &[PathBuf], name: &str) -> Result<PathBuf> {
    if name.starts_with('/') {
        return Ok(PathBuf::from(name));
    }
    let found = directories.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let places: Vec<_> = directories.iter().map(|dir| dir.display().to_string()).collect();
        Error::not_found(format!("could not resolve module {name:?}: not found in {}", places.join(", "))).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Result<Config> {
        let mut config = Config::default();
        for (number, text) in texts.iter().enumerate() {
            config.merge(Path::new(&format!("/{number}.conf")), (*text).to_owned())?;
        }
        Ok(config)
    }

    #[test]
    fn later_files_replace_keys() {
        let config = merged(&[
            "[containers]\ntz = 'a'\numask = '0022'\nenv = ['A=1']\n[engine]\nstop_timeout = 5",
            "# nothing\n[engine]\n",
            "[containers]\ntz = 'b'\nenv = ['B=2', {append=true}]\n",
        ])
        .unwrap();
        assert_eq!(config.containers.tz.as_deref(), Some("b"));
        assert_eq!(config.containers.umask.as_deref(), Some("0022"));
        assert_eq!(config.containers.env.items(), ["A=1", "B=2"]);
        assert_eq!(config.engine.stop_timeout, Some(5));
        assert_eq!(config.read.len(), 2, "a file without keys is not parsed");
        assert_eq!(config.origin("tz"), "tz in /2.conf:2");
        assert_eq!(config.origin("umask"), "umask in /0.conf:3");
    }

    #[test]
    fn unknown_keys_are_one_warning_a_file() {
        let text = "[containers]\nfoo = 1\nlabel = true\n[engine]\nbar = 'x'\n[machine]\ncpus = 1\n[more]\nx = 1";
        assert_eq!(merged(&[text]).unwrap().warnings, ["/0.conf: unknown keys: containers.foo, engine.bar, more"]);
    }

    #[test]
    fn wrong_values_name_file_line_and_key() {
        for (text, want) in [
            ("[containers]\n\ntz = 1", "/0.conf:3: tz: invalid type: integer `1`, expected a string"),
            ("[containers]\nenv = 'A=1'", "/0.conf:2: env: invalid type: string \"A=1\", expected a list of strings"),
            ("[engine]\nstop_timeout = -1", "/0.conf:2: stop_timeout: invalid value: integer `-1`, expected u32"),
            ("containers = 1", "/0.conf:1: containers: invalid type: integer `1`, expected struct Containers"),
        ] {
            assert_eq!(merged(&[text]).unwrap_err().to_string(), want, "{text}");
        }
        assert!(merged(&["[containers\nx"]).unwrap_err().to_string().starts_with("/0.conf:1: "));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(\\[(containers|engine)\\]\n)?((env|tz|init|foo) ?= ?(\\[|\\]|'|1|true|\\{append=true\\})*\n){0,4}|\\PC{0,60}") {
            drop(merged(&[&text]));
        }
    }
}
