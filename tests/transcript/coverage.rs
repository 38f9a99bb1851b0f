//! Every command, every flag, every key of a filter, every order and every kind of format stands in a session, or is
//! named here with the test that has it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::case::Case;
use crate::tree::Tree;
use crate::words::{calls, read};

/// What no session can have: the command, the flag, the test that has it instead, and why.
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[];

/// What is to be covered, one text each: `run`, `run --env`, `ps --filter ancestor`, `--root`.
fn demanded(tree: &Tree) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = tree.globals.iter().map(|flag| format!("--{}", flag.longs[0])).collect();
    for command in &tree.commands {
        all.insert(command.name());
        for flag in &command.flags {
            let words = format!("{} --{}", command.name(), flag.longs[0]);
            all.extend(flag.values.iter().map(|value| format!("{words} {value}")));
            all.insert(words);
        }
    }
    all
}

/// What the lines of the sessions use.
fn used<'a>(tree: &Tree, lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for call in lines.flat_map(calls) {
        let found = read(tree, &call);
        all.extend(found.global.iter().map(|flag| format!("--{}", flag.longs[0])));
        let Some(command) = found.command else { continue };
        all.insert(command.name());
        for (flag, value) in found.flags {
            let words = format!("{} --{}", command.name(), flag.longs[0]);
            if let Some(value) = value {
                let kinds = flag.values.iter().filter(|kind| is_kind(&value, kind));
                all.extend(kinds.map(|kind| format!("{words} {kind}")));
            }
            all.insert(words);
        }
    }
    all
}

/// Whether `value` is of a kind: `label=x` of `label`, `table {{.ID}}` of `table` and of `{{`.
fn is_kind(value: &str, kind: &str) -> bool {
    let begins =
        value.strip_prefix(kind).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'));
    begins || kind == "{{" && value.contains("{{")
}

#[test]
fn every_command_and_flag_is_in_a_session() {
    let tree = Tree::read();
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(crate::directory()).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let cases: Vec<Case> = texts.iter().map(|text| Case::parse(text).unwrap()).collect();
    let lines = cases.iter().flat_map(|case| &case.steps).map(|step| step.command.as_str());
    let used = used(&tree, lines);
    let demanded = demanded(&tree);
    let excused: BTreeSet<String> =
        ELSEWHERE.iter().map(|(command, flag, ..)| format!("{command} {flag}").trim().to_owned()).collect();
    let missing: Vec<&String> =
        demanded.iter().filter(|words| !used.contains(*words) && !excused.contains(*words)).collect();
    assert!(missing.is_empty(), "{} of {} in no session:\n{missing:#?}", missing.len(), demanded.len());
    for words in &excused {
        assert!(demanded.contains(words), "{words}: there is no such thing any more");
        assert!(!used.contains(words), "{words}: a session has it: take it from the list");
    }
    for (command, flag, file, why) in ELSEWHERE {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let word = if flag.is_empty() { command.rsplit(' ').next().unwrap() } else { flag.split(' ').next().unwrap() };
        let there = text.contains(&format!("\"{word}\""))
            || text.contains(&format!("{word} "))
            || text.contains(&format!("{word}="));
        assert!(there && !why.is_empty(), "{file} has no {word} of {command}");
    }
}

#[test]
fn what_is_in_no_session_is_seen() {
    let tree = Tree::read();
    let lines = [
        "podman ps -aq --filter label=x --format '{{.ID}}'",
        "podman --root x container ls -n1",
        "podman run -it --rm -e A=1 busybox --cidfile x",
    ];
    let used = used(&tree, lines.into_iter());
    for words in [
        "ps --all",
        "ps --quiet",
        "ps --filter label",
        "ps --format {{",
        "ps --last",
        "--root",
        "run --env",
        "run --tty",
    ] {
        assert!(used.contains(words), "{words}: {used:?}");
    }
    for words in ["ps --filter name", "ps --format json", "ps --latest", "run --cidfile", "rm", "create --env"] {
        assert!(!used.contains(words), "{words}");
        assert!(demanded(&tree).contains(words), "{words}");
    }
}
