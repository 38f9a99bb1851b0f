//! A line of shell as far as the sessions need it: which words are given to `podman`, and which of them are flags.

use crate::tree::{Command, Flag, Tree};

/// What follows the image or the container is not dhow's.
const STOP_AT_FIRST: [&str; 4] = ["run", "create", "exec", "unshare"];

/// The words of each call of `podman` in `line`, without the program's.
pub(crate) fn calls(line: &str) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = Vec::new();
    let mut inside = false;
    for word in words(line) {
        match word {
            None => inside = false,
            Some(word) if word == "podman" && !inside => {
                inside = true;
                calls.push(Vec::new());
            }
            Some(word) if inside => calls.last_mut().unwrap().push(word),
            Some(_) => {}
        }
    }
    calls
}

/// Words without their quotes; `None` where one command ends and another may begin.
fn words(line: &str) -> Vec<Option<String>> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => found.extend(word.take().map(Some)),
            // Descriptors that are copied are no end of a command.
            (None, '&') if word.as_ref().is_some_and(|word| word.ends_with('>')) => word.as_mut().unwrap().push(c),
            (None, ';' | '|' | '&' | '(' | ')' | '`' | '\n') => {
                found.extend(word.take().map(Some));
                found.push(None);
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word.map(Some));
    found
}

/// What one call uses.
pub(crate) struct Use<'a> {
    /// The command; `None` for the program alone.
    pub(crate) command: Option<&'a Command>,
    /// Flags of the command and of the program, with their values.
    pub(crate) flags: Vec<(&'a Flag, Option<String>)>,
    pub(crate) global: Vec<&'a Flag>,
}

/// Reads a call as the program does; words that it does not know are left out: they are there to be refused.
pub(crate) fn read<'a>(tree: &'a Tree, call: &[String]) -> Use<'a> {
    let mut found = Use { command: None, flags: Vec::new(), global: Vec::new() };
    let mut path: Vec<String> = Vec::new();
    let mut rest = call.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            break;
        }
        let known = |flag: &dyn Fn(&Flag) -> bool| -> Option<(&'a Flag, bool)> {
            let own = found.command.and_then(|command| command.flags.iter().find(|f| flag(f)));
            own.map(|f| (f, false)).or_else(|| tree.globals.iter().find(|f| flag(f)).map(|f| (f, true)))
        };
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
            let Some((flag, global)) = known(&|f: &Flag| f.longs.iter().any(|long| long == name)) else { continue };
            let value = value.or_else(|| flag.wants.then(|| rest.next().cloned()).flatten());
            if global { found.global.push(flag) } else { found.flags.push((flag, value)) }
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let Some((flag, global)) = known(&|f: &Flag| f.short == Some(letter)) else { break };
                let behind = letters[at + 1..].trim_start_matches('=');
                let mut value = None;
                if flag.wants {
                    value = if behind.is_empty() { rest.next().cloned() } else { Some(behind.to_owned()) };
                }
                let end = flag.wants || letters[at + 1..].starts_with('=');
                if global {
                    found.global.push(flag)
                } else {
                    found.flags.push((flag, value))
                }
                if end {
                    break;
                }
            }
        } else if let Some(command) = found.command {
            if STOP_AT_FIRST.contains(&command.path.last().unwrap().as_str()) {
                break;
            }
        } else {
            path.push(word.clone());
            found.command = tree.find(&path);
        }
    }
    found
}

#[test]
fn words_are_cut_as_a_shell_cuts_them() {
    assert_eq!(
        calls("A=1 podman run -e 'x y' b\"c d\" 2>&1 | podman ps; echo podman; podman logs $(podman ps -q)"),
        [vec!["run", "-e", "x y", "bc d", "2>&1"], vec!["ps"], vec![], vec!["logs", "$"], vec!["ps", "-q"]]
    );
}
