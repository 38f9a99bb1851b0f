//! The files of `src/` as modules: which file is which module, and which paths each of them names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::lexer::{Token, balanced, tokens, without_tests};

/// One file of `src/`.
pub(crate) struct Source {
    /// Relative to the crate, `src/engine/start.rs`.
    pub(crate) file: String,
    /// `["engine", "start"]`; empty for lib.rs and main.rs.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
    /// Without comments, literals and tests.
    pub(crate) tokens: Vec<Token>,
    /// With the tests.
    whole: Vec<Token>,
}

/// A path that a file names, made absolute from the crate's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// The crate's directory.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `directory` whose name ends with `end`, relative to the crate, sorted.
pub(crate) fn files(directory: &str, end: &str) -> Vec<String> {
    fn walk(directory: &Path, out: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        for entry in entries.map(|e| e.expect("read the source tree")) {
            if entry.file_type().expect("the type of a source file").is_dir() {
                walk(&entry.path(), out);
            } else {
                out.push(entry.path());
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join(directory), &mut out);
    let mut names: Vec<String> = out
        .iter()
        .filter_map(|path| path.strip_prefix(root()).ok()?.to_str().map(str::to_owned))
        .filter(|name| name.ends_with(end))
        .collect();
    names.sort();
    names
}

/// All of `src/`.
pub(crate) fn all() -> Vec<Source> {
    files("src", ".rs").into_iter().map(|file| Source::read(&file)).collect()
}

impl Source {
    fn read(file: &str) -> Self {
        let text = std::fs::read_to_string(root().join(file)).expect("read a source file");
        Self::parse(file, &text)
    }

    pub(crate) fn parse(file: &str, text: &str) -> Self {
        let whole = tokens(text);
        Self {
            file: file.to_owned(),
            module: module_of(file),
            text: text.to_owned(),
            tokens: without_tests(&whole),
            whole,
        }
    }

    /// The module of the first rank that this file belongs to; `main` for lib.rs and main.rs.
    pub(crate) fn layer(&self) -> &str {
        self.module.first().map_or("main", String::as_str)
    }

    /// The modules that this file declares by `mod name;`, those of its tests too.
    pub(crate) fn declared(&self) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        self.walk(&self.whole, |at, module| {
            let word = |n: usize| self.whole.get(at + n).map_or("", |t| t.text.as_str());
            if word(0) == "mod" && word(2) == ";" {
                out.push([module, &[word(1).to_owned()]].concat());
            }
        });
        out
    }

    /// The paths inside the crate that this file names, `use` groups resolved.
    pub(crate) fn named(&self) -> Vec<Named> {
        let mut out = Vec::new();
        self.walk(&self.tokens, |at, module| {
            let before = at.checked_sub(1).map_or("", |n| self.tokens[n].text.as_str());
            let start = match self.tokens[at].text.as_str() {
                "crate" => Vec::new(),
                "super" if before != "::" => module[..module.len().saturating_sub(1)].to_vec(),
                "self" if before != "::" => module.to_vec(),
                _ => return,
            };
            // `pub(super)` and `pub(in super::x)` are visibility, not imports.
            if before == "(" && at >= 2 && self.tokens[at - 2].text == "pub" {
                return;
            }
            if self.tokens.get(at + 1).is_some_and(|t| t.text == "::") {
                collect(&self.tokens, at + 2, start, &mut out);
            }
        });
        out
    }

    /// Calls `visit` for every token with the (possibly inline) module that it is in.
    fn walk(&self, tokens: &[Token], mut visit: impl FnMut(usize, &[String])) {
        let mut module = self.module.clone();
        let mut ends: Vec<usize> = Vec::new();
        for at in 0..tokens.len() {
            while ends.last().is_some_and(|&end| at >= end) {
                ends.pop();
                module.pop();
            }
            let word = |n: usize| tokens.get(at + n).map_or("", |t| t.text.as_str());
            if word(0) == "mod" && word(2) == "{" {
                module.push(word(1).to_owned());
                ends.push(balanced(tokens, at + 2));
            }
            visit(at, &module);
        }
    }
}

fn module_of(file: &str) -> Vec<String> {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

/// Reads the rest of a path at `at`, with its groups, and adds each whole path to `out`.
fn collect(tokens: &[Token], mut at: usize, mut path: Vec<String>, out: &mut Vec<Named>) {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "super" => {
                path.pop();
            }
            "{" => {
                let end = balanced(tokens, at);
                let mut part = at + 1;
                while part < end - 1 {
                    let next = part_end(tokens, part, end - 1);
                    collect(&tokens[..next], part, path.clone(), out);
                    part = next + 1;
                }
                return;
            }
            "self" | "*" => break,
            _ if token.is_word() => path.push(token.text.clone()),
            _ => break,
        }
        if tokens.get(at + 1).is_none_or(|t| t.text != "::") {
            break;
        }
        at += 2;
    }
    let line = tokens.get(at).or_else(|| tokens.last()).map_or(0, |t| t.line);
    out.push(Named { path, line });
}

/// The index of the comma that ends the part of a group at `at`, or `end`.
fn part_end(tokens: &[Token], mut at: usize, end: usize) -> usize {
    while at < end {
        match tokens[at].text.as_str() {
            "," => return at,
            "{" => at = balanced(tokens, at),
            _ => at += 1,
        }
    }
    end
}

/// The file that holds the module, or the item's module, that `path` names.
pub(crate) fn file_of<'a>(path: &[String], modules: &'a BTreeMap<Vec<String>, String>) -> Option<&'a str> {
    (0..=path.len()).rev().find_map(|n| modules.get(&path[..n])).map(String::as_str)
}

#[test]
fn paths_and_groups_are_resolved() {
    let text = "use crate::state::{self, lock::{Lock, Held}, *}; use super::config::Bridge; use super::super::sys::fd;
        pub(in crate::network) fn f() -> crate::model::id::Id { super::g(); let x: self::Y; }
        mod inner { use super::z; } #[cfg(test)] mod tests { use crate::engine::E; } pub(super) fn h() {}";
    let source = Source::parse("src/network/firewall/nft.rs", text);
    let paths: Vec<String> = source.named().iter().map(|n| n.path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "state",
            "state::lock::Lock",
            "state::lock::Held",
            "state",
            "network::firewall::config::Bridge",
            "network::sys::fd",
            "network",
            "model::id::Id",
            "network::firewall::g",
            "network::firewall::nft::Y",
            "network::firewall::nft::z",
        ]
    );
}
