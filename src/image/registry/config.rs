//! `registries.conf`, version 2 (containers-registries.conf(5)): which registries short names are looked for in, how
//! names are rewritten, mirrored and blocked.
//!
//! Files: `CONTAINERS_REGISTRIES_CONF`, else the user's `containers/registries.conf`, else that of /etc, else that of
//! /usr/share; then the drop-ins of `registries.conf.d` of /etc and of the user, by name. A later file replaces the
//! lists and the entries with the same prefix, and adds aliases. An unknown key is a warning; a wrong value is an error
//! that names file and line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use crate::model::error::Error;
use crate::model::reference::Reference;
use crate::state::record::{self, Durability};

/// How a short name with several candidates is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ShortNameMode {
    #[default]
    Enforcing,
    Permissive,
    Disabled,
}

/// For which pulls a mirror is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PullFrom {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

/// A mirror of a registry or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) location: String,
    pub(crate) insecure: bool,
    pub(crate) pull_from: PullFrom,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    /// What names must begin with; `*.example.com` stands for every host below.
    pub(crate) prefix: String,
    /// What the prefix becomes; empty leaves the name as it is (only with a wildcard).
    pub(crate) location: String,
    pub(crate) insecure: bool,
    pub(crate) blocked: bool,
    pub(crate) mirror_by_digest_only: bool,
    pub(crate) mirrors: Vec<Mirror>,
    /// The file that says so, for messages.
    pub(crate) file: PathBuf,
}

/// Everything that the files say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registries {
    pub(crate) search: Vec<String>,
    pub(crate) registries: Vec<Registry>,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) mode: ShortNameMode,
    /// Credential helpers, asked in this order; `containers-auth.json` is our own file.
    pub(crate) helpers: Vec<String>,
    /// What was not understood, one line each.
    pub(crate) warnings: Vec<String>,
    /// Whether any file gave a search list.
    pub(crate) search_from: Option<PathBuf>,
    /// Where the choice of a user is kept.
    pub(crate) recorded_aliases: Option<PathBuf>,
}

/// Where the files are, by the environment of the user.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) main: Vec<PathBuf>,
    pub(crate) drop_ins: Vec<PathBuf>,
    /// Aliases that were recorded when a user chose, by podman or by us.
    pub(crate) recorded_aliases: Option<PathBuf>,
}

impl Places {
    /// Reads the environment through `var`; `privileged` is real root, who has no files of its own.
    pub(crate) fn new(var: &dyn Fn(&str) -> Option<OsString>, privileged: bool) -> Self {
        let dir = |name: &str, below: &str| {
            var(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
                .or_else(|| var("HOME").map(|home| Path::new(&home).join(below)))
                .filter(|path| path.is_absolute())
                .map(|path| path.join("containers"))
        };
        let user = dir("XDG_CONFIG_HOME", ".config");
        let mut main = Vec::new();
        match var("CONTAINERS_REGISTRIES_CONF").filter(|v| !v.is_empty()) {
            Some(path) => main.push(PathBuf::from(path)),
            None => {
                main.extend(user.iter().map(|dir| dir.join("registries.conf")));
                main.push("/etc/containers/registries.conf".into());
                main.push("/usr/share/containers/registries.conf".into());
            }
        }
        let mut drop_ins = vec![PathBuf::from("/etc/containers/registries.conf.d")];
        drop_ins.extend(user.iter().map(|dir| dir.join("registries.conf.d")));
        let recorded_aliases = match privileged {
            true => Some("/var/cache/containers/short-name-aliases.conf".into()),
            false => dir("XDG_CACHE_HOME", ".cache").map(|dir| dir.join("short-name-aliases.conf")),
        };
        Self { main, drop_ins, recorded_aliases }
    }
}

impl Registries {
    /// Loads the first main file that exists, and all drop-ins.
    pub(crate) fn load(places: &Places) -> Result<Self> {
        let mut all = Self::default();
        for path in &places.main {
            if let Some(text) = read(path)? {
                all.merge(path, &text)?;
                break;
            }
            // A file that the environment names must be there.
            if places.main.len() == 1 {
                bail!(Error::not_found(format!("read {}: no such file", path.display())));
            }
        }
        for dir in &places.drop_ins {
            let mut files: Vec<PathBuf> = match std::fs::read_dir(dir) {
                Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
                Err(_) => continue,
            };
            files.retain(|path| path.extension().is_some_and(|e| e == "conf"));
            files.sort();
            for path in files {
                if let Some(text) = read(&path)? {
                    all.merge(&path, &text)?;
                }
            }
        }
        if let Some(path) = &places.recorded_aliases
            && let Ok(Some(text)) = read(path)
            && let Err(error) = all.merge(path, &text)
        {
            all.warnings.push(format!("{error:#}"));
        }
        all.recorded_aliases.clone_from(&places.recorded_aliases);
        Ok(all)
    }

    /// Records that the short name `name` means `full` from now on, because a user chose so.
    pub(crate) fn record_alias(&self, name: &str, full: &str) -> Result<()> {
        let Some(path) = &self.recorded_aliases else { return Ok(()) };
        let mut table: Table = match read(path)? {
            Some(text) => toml::from_str(&text).with_context(|| format!("read {}", path.display()))?,
            None => Table::new(),
        };
        let aliases = table.entry("aliases").or_insert_with(|| Table::new().into());
        let Some(aliases) = aliases.as_table_mut() else {
            bail!(Error::invalid(format!("{}: aliases must be a table", path.display())));
        };
        aliases.insert(name.to_owned(), full.into());
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        record::write_bytes(path, table.to_string().as_bytes(), Durability::Lazy)
    }

    /// Adds what one file says.
    pub(crate) fn merge(&mut self, file: &Path, text: &str) -> Result<()> {
        let table: Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Error::invalid(format!("{}:{line}: {}", file.display(), error.message().replace('\n', " ")))
        })?;
        let part = FilePart { file, text, warnings: &mut self.warnings };
        part.apply(&table, |part, key, value| {
            match key {
                "unqualified-search-registries" => {
                    let list = part.strings(key, value)?;
                    for name in &list {
                        if format!("{name}/x").parse::<Reference>().is_ok_and(|r| r.domain().is_some()) {
                            continue;
                        }
                        return Err(part.wrong(key, &format!("invalid registry \"{}\"", name.escape_debug())));
                    }
                    self.search = list;
                    self.search_from = Some(file.to_owned());
                }
                "short-name-mode" => {
                    self.mode = match part.string(key, value)?.as_str() {
                        "" | "enforcing" => ShortNameMode::Enforcing,
                        "permissive" => ShortNameMode::Permissive,
                        "disabled" => ShortNameMode::Disabled,
                        _ => return Err(part.wrong(key, "must be enforcing, permissive or disabled")),
                    };
                }
                "credential-helpers" => self.helpers = part.strings(key, value)?,
                "aliases" => {
                    let Value::Table(aliases) = value else { return Err(part.wrong(key, "must be a table")) };
                    for (name, target) in aliases {
                        let target = part.string(name, target)?;
                        if target.is_empty() {
                            // An empty value takes an alias of an earlier file back.
                            self.aliases.remove(name);
                            continue;
                        }
                        let parsed: Reference =
                            target.parse().map_err(|error: Error| part.wrong(name, &error.message))?;
                        if parsed.is_short() || parsed.tag().is_some() || parsed.digest().is_some() {
                            return Err(part.wrong(name, "an alias stands for a full name without tag or digest"));
                        }
                        self.aliases.insert(name.clone(), target);
                    }
                }
                "registry" => {
                    let Value::Array(entries) = value else { return Err(part.wrong(key, "must be [[registry]]")) };
                    for entry in entries {
                        let registry = registry(part, entry)?;
                        self.registries.retain(|old| old.prefix != registry.prefix);
                        self.registries.push(registry);
                    }
                }
                "registries" => {
                    return Err(part.wrong(key, "the old format (version 1) of registries.conf is not supported"));
                }
                _ => return Ok(false),
            }
            Ok(true)
        })
    }

    /// The entry with the longest prefix that `name` (registry and repository, perhaps with tag or digest) begins with.
    pub(crate) fn find(&self, name: &str) -> Option<&Registry> {
        self.registries
            .iter()
            .filter_map(|registry| Some((matched(&registry.prefix, name)?, registry)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, registry)| registry)
    }
}

/// The length of the part of `name` that `prefix` covers, `None` where it does not.
pub(crate) fn matched(prefix: &str, name: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split(['/', '@']).next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        return (host.len() > domain.len() && host.ends_with(domain)).then_some(host.len());
    }
    let rest = name.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(prefix.len())
}

fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn registry(part: &mut FilePart<'_>, value: &Value) -> Result<Registry> {
    let Value::Table(table) = value else { return Err(part.wrong("registry", "must be a table")) };
    let mut made = Registry {
        prefix: String::new(),
        location: String::new(),
        insecure: false,
        blocked: false,
        mirror_by_digest_only: false,
        mirrors: Vec::new(),
        file: part.file.to_owned(),
    };
    for (key, value) in table {
        match key.as_str() {
            "prefix" => made.prefix = part.location(key, value)?,
            "location" => made.location = part.location(key, value)?,
            "insecure" => made.insecure = part.bool(key, value)?,
            "blocked" => made.blocked = part.bool(key, value)?,
            "mirror-by-digest-only" => made.mirror_by_digest_only = part.bool(key, value)?,
            "mirror" => {
                let Value::Array(mirrors) = value else {
                    return Err(part.wrong(key, "must be [[registry.mirror]]"));
                };
                for value in mirrors {
                    made.mirrors.push(mirror(part, value)?);
                }
            }
            _ => part.unknown(&format!("registry.{key}")),
        }
    }
    if made.prefix.is_empty() {
        made.prefix.clone_from(&made.location);
    } else if made.location.is_empty() && !made.prefix.starts_with('*') {
        made.location.clone_from(&made.prefix);
    }
    if made.prefix.is_empty() {
        return Err(part.wrong("registry", "has neither prefix nor location"));
    }
    if made.location.starts_with('*') {
        return Err(part.wrong("location", "has a wildcard"));
    }
    Ok(made)
}

fn mirror(part: &mut FilePart<'_>, value: &Value) -> Result<Mirror> {
    let Value::Table(table) = value else { return Err(part.wrong("mirror", "must be a table")) };
    let mut made = Mirror { location: String::new(), insecure: false, pull_from: PullFrom::All };
    for (key, value) in table {
        match key.as_str() {
            "location" => made.location = part.location(key, value)?,
            "insecure" => made.insecure = part.bool(key, value)?,
            "pull-from-mirror" => {
                made.pull_from = match part.string(key, value)?.as_str() {
                    "all" => PullFrom::All,
                    "digest-only" => PullFrom::DigestOnly,
                    "tag-only" => PullFrom::TagOnly,
                    _ => return Err(part.wrong(key, "must be all, digest-only or tag-only")),
                };
            }
            _ => part.unknown(&format!("registry.mirror.{key}")),
        }
    }
    if made.location.is_empty() || made.location.starts_with('*') {
        return Err(part.wrong("mirror", "has no location"));
    }
    Ok(made)
}

/// One file while it is read; knows how to complain about it.
struct FilePart<'a> {
    file: &'a Path,
    text: &'a str,
    warnings: &'a mut Vec<String>,
}

impl FilePart<'_> {
    fn apply(mut self, table: &Table, mut each: impl FnMut(&mut Self, &str, &Value) -> Result<bool>) -> Result<()> {
        for (key, value) in table {
            if !each(&mut self, key, value)? {
                self.unknown(key);
            }
        }
        Ok(())
    }

    /// The first line that begins with `key`: good enough for a message, since the parsed tree has no positions.
    fn line(&self, key: &str) -> usize {
        let named = |line: &str| {
            let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        self.text.lines().position(named).map_or(1, |index| index + 1)
    }

    fn wrong(&self, key: &str, why: &str) -> anyhow::Error {
        Error::invalid(format!("{}:{}: {key}: {why}", self.file.display(), self.line(key))).into()
    }

    fn unknown(&mut self, key: &str) {
        let last = key.rsplit('.').next().unwrap_or(key);
        let warning = format!("{}:{}: unknown key \"{}\"", self.file.display(), self.line(last), key.escape_debug());
        self.warnings.push(warning);
    }

    fn string(&self, key: &str, value: &Value) -> Result<String> {
        value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(key, "must be a string"))
    }

    fn bool(&self, key: &str, value: &Value) -> Result<bool> {
        value.as_bool().ok_or_else(|| self.wrong(key, "must be true or false"))
    }

    fn strings(&self, key: &str, value: &Value) -> Result<Vec<String>> {
        value
            .as_array()
            .and_then(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect())
            .ok_or_else(|| self.wrong(key, "must be a list of strings"))
    }

    /// A host with an optional part of a repository, without scheme.
    fn location(&self, key: &str, value: &Value) -> Result<String> {
        let text = self.string(key, value)?;
        let text = text.trim_end_matches('/').to_owned();
        let bare = text.strip_prefix("*.").unwrap_or(&text);
        if text.contains("://") {
            return Err(self.wrong(key, "must not have a scheme"));
        }
        let probe = if bare.contains('/') { bare.to_owned() } else { format!("{bare}/x") };
        if !text.is_empty() && probe.parse::<Reference>().is_err() {
            return Err(self.wrong(key, &format!("invalid location \"{}\"", text.escape_debug())));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Registries> {
        let mut all = Registries::default();
        all.merge(Path::new("r.conf"), text)?;
        Ok(all)
    }

    #[test]
    fn reads_every_key() {
        let all = parse(
            r#"
            unqualified-search-registries = ["a.example", "docker.io"]
            short-name-mode = "permissive"
            credential-helpers = ["containers-auth.json", "secretservice"]
            new-thing = 1
            [[registry]]
            prefix = "docker.io/library"
            location = "mirror.example:5000/lib/"
            insecure = true
            mirror-by-digest-only = true
            odd = "x"
            [[registry.mirror]]
            location = "m1.example"
            pull-from-mirror = "digest-only"
            [[registry.mirror]]
            location = "m2.example/x"
            insecure = true
            [[registry]]
            prefix = "*.blocked.example"
            blocked = true
            [aliases]
            "busybox" = "docker.io/library/busybox"
            "#,
        )
        .unwrap();
        assert_eq!(all.search, ["a.example", "docker.io"]);
        assert_eq!(all.mode, ShortNameMode::Permissive);
        assert_eq!(all.helpers.len(), 2);
        let entry = all.find("docker.io/library/busybox:1").unwrap();
        assert_eq!(entry.location, "mirror.example:5000/lib");
        assert!(entry.insecure && entry.mirror_by_digest_only);
        assert_eq!(entry.mirrors[0].pull_from, PullFrom::DigestOnly);
        assert!(entry.mirrors[1].insecure);
        assert!(all.find("docker.io/libraryx/a").is_none());
        assert!(all.find("x.blocked.example:5000/a").unwrap().blocked);
        assert!(all.find("blocked.example/a").is_none());
        assert_eq!(all.warnings, ["r.conf:5: unknown key \"new-thing\"", "r.conf:11: unknown key \"registry.odd\""]);
    }

    #[test]
    fn later_files_replace_and_add() {
        let mut all = parse("[[registry]]\nlocation='a.b'\n[aliases]\nx='a.b/x'\ny='a.b/y'").unwrap();
        all.merge(Path::new("2"), "[[registry]]\nlocation='a.b'\nblocked=true\n[aliases]\nx=''\nz='c.d/z'").unwrap();
        assert_eq!(all.registries.len(), 1);
        assert!(all.registries[0].blocked);
        assert_eq!(all.aliases.keys().collect::<Vec<_>>(), ["y", "z"]);
    }

    #[test]
    fn names_file_and_line_of_an_error() {
        for (text, words) in [
            ("\n\nx = ", "r.conf:3: "),
            ("\n[[registry]]\nlocation = 'a.b'\ninsecure = 'yes'", "r.conf:4: insecure: must be true or false"),
            ("short-name-mode = 'x'", "r.conf:1: short-name-mode: must be"),
            ("unqualified-search-registries = 'a'", "must be a list of strings"),
            ("unqualified-search-registries = ['a b']", "invalid registry"),
            ("[[registry]]\nlocation = 'https://a.b'", "r.conf:2: location: must not have a scheme"),
            ("[[registry]]\nblocked = true", "neither prefix nor location"),
            ("[registries.search]\nregistries = ['x']", "version 1"),
            ("[aliases]\nx = 'y'", "r.conf:2: x: an alias stands for a full name"),
            ("[aliases]\nx = 'a.b/y:1'", "without tag"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(words), "{error} lacks {words}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "\\PC{0,80}", key in "[a-z-]{1,12}", value in "[a-z0-9'\\[\\]{}=., *]{0,20}") {
            drop(parse(&text));
            drop(parse(&format!("[[registry]]\n{key} = {value}\n[[registry.mirror]]\n{key} = {value}")));
            drop(parse(&format!("{key} = {value}")));
            let _ = matched(&text, &key);
        }
    }
}
