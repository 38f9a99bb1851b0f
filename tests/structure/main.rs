//! The house rules that a program can check: who may import whom, where `unsafe`, async and printing may be, which
//! files exist. The tables below are those of ARCHITECTURE.md; change both together.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod lexer;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, all, file_of, files, root};

/// The rank of each module; a module imports only lower ones, never a sibling.
const RANKS: &[(&str, u8)] = &[
    ("main", 7),
    ("role", 7),
    ("manual", 7),
    ("cli", 6),
    ("api", 6),
    ("build", 5),
    ("engine", 4),
    ("monitor", 3),
    ("image", 3),
    ("runtime", 2),
    ("network", 2),
    ("storage", 2),
    ("state", 1),
    ("quadlet", 1),
    ("model", 0),
    ("sys", 0),
];

/// Those who may import less than their rank allows: what one face can do, the other can.
const NARROW: &[(&str, &[&str])] = &[
    ("cli", &["engine", "build", "quadlet", "model", "sys"]),
    ("api", &["engine", "build", "model", "sys"]),
    ("quadlet", &["model"]),
];

/// Crates that belong to one place.
const CRATES: &[(&str, &[&str])] = &[
    ("fs2", &["src/state/lock.rs"]),
    ("clap", &["src/cli/", "src/runtime/oci/args.rs", "src/manual.rs"]),
    ("clap_complete", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("oci_client", &["src/image/"]),
    ("reqwest", &["src/image/"]),
    ("rustls", &["src/image/"]),
    ("rtnetlink", &["src/network/"]),
    ("netlink_packet_route", &["src/network/"]),
    ("hyper", &["src/api/"]),
    ("tokio", ASYNC),
    ("futures_util", ASYNC),
];

/// Where async code may be.
const ASYNC: &[&str] =
    &["src/image/registry/", "src/image/registry.rs", "src/network/link.rs", "src/network/dns/", "src/api/"];

/// Names that would refuse nothing.
const ROOMS_WITHOUT_SUBJECT: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "types", "shared"];

/// Past this many lines a file is asked whether it has two subjects.
const LONG: usize = 800;

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

fn under(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| if place.ends_with('/') { file.starts_with(place) } else { file == *place })
}

fn must_be_empty(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// What is wrong with the imports of one file.
fn imports(source: &Source) -> Vec<String> {
    let layer = source.layer();
    let Some(own) = rank(layer) else { return vec![format!("{}: module {layer} is in no rank", source.file)] };
    let mut wrong = Vec::new();
    for named in source.named() {
        let Some(target) = named.path.first() else { continue };
        let Some(other) = rank(target) else { continue };
        if target == layer || own == 7 {
            continue;
        }
        let narrow = NARROW.iter().find(|(name, _)| *name == layer).map(|(_, allowed)| *allowed);
        if other >= own || narrow.is_some_and(|allowed| !allowed.contains(&target.as_str())) {
            wrong.push(format!("{}:{}: {layer} imports {}", source.file, named.line, named.path.join("::")));
        }
    }
    wrong
}

#[test]
fn modules_import_only_lower_ranks() {
    let wrong: Vec<String> = all().iter().flat_map(imports).collect();
    must_be_empty("imports against the ranks of ARCHITECTURE.md", &wrong);
}

#[test]
fn a_wrong_import_is_seen() {
    let bad = |file: &str, text: &str| imports(&Source::parse(file, text)).len();
    assert_eq!(bad("src/storage/layer.rs", "use crate::network::x; use crate::engine::y; use crate::state::z;"), 2);
    assert_eq!(bad("src/model/id.rs", "use crate::sys::fd;"), 1);
    assert_eq!(bad("src/cli/run.rs", "use crate::{engine::Engine, storage::layer};"), 1);
    assert_eq!(bad("src/state/lock.rs", "use super::super::engine::Engine;"), 1);
    assert_eq!(bad("src/state/lock.rs", "// crate::engine\n#[cfg(test)]\nmod tests { use crate::engine::E; }"), 0);
    assert_eq!(bad("src/elsewhere/x.rs", ""), 1);
}

#[test]
fn unsafe_is_only_in_sys() {
    let mut wrong = Vec::new();
    for source in all().iter().filter(|s| !s.file.starts_with("src/sys/")) {
        for token in source.tokens.iter().filter(|t| t.text == "unsafe") {
            wrong.push(format!("{}:{}", source.file, token.line));
        }
    }
    must_be_empty("unsafe outside src/sys", &wrong);
}

#[test]
fn async_and_owned_crates_are_only_at_their_place() {
    let mut wrong = Vec::new();
    for source in &all() {
        for (at, token) in source.tokens.iter().enumerate() {
            let next = source.tokens.get(at + 1).map_or("", |t| t.text.as_str());
            let before = at.checked_sub(1).map_or("", |n| source.tokens[n].text.as_str());
            let is_crate = next == "::" && before != "::" || before == "use";
            let places = CRATES.iter().find(|(name, _)| is_crate && *name == token.text).map(|(_, places)| *places);
            let places = places.or_else(|| matches!(token.text.as_str(), "async" | "await").then_some(ASYNC));
            if places.is_some_and(|places| !under(&source.file, places)) {
                wrong.push(format!("{}:{}: {}", source.file, token.line, token.text));
            }
        }
    }
    must_be_empty("crates or async outside their place", &wrong);
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for source in all()
        .iter()
        .filter(|s| !s.file.starts_with("src/cli/") && !s.file.ends_with("/tests.rs") && !s.file.ends_with("_test.rs"))
    {
        for pair in source.tokens.windows(2) {
            let print = matches!(pair[0].text.as_str(), "println" | "print" | "eprintln" | "eprint" | "dbg");
            if print && pair[1].text == "!" {
                wrong.push(format!("{}:{}: {}!", source.file, pair[0].line, pair[0].text));
            }
        }
    }
    must_be_empty("printing outside src/cli", &wrong);
}

#[test]
fn no_file_is_forgotten() {
    let sources = all();
    let mut declared: BTreeSet<Vec<String>> = BTreeSet::new();
    for source in &sources {
        declared.extend(source.declared());
    }
    let named_by_path = |file: &str| {
        let (folder, name) = file.rsplit_once('/').unwrap();
        let attribute = format!("#[path = \"{name}\"]");
        sources.iter().any(|s| s.file.rsplit_once('/').unwrap().0 == folder && s.text.contains(&attribute))
    };
    let lost: Vec<String> = sources
        .iter()
        .filter(|s| !s.module.is_empty() && !declared.contains(&s.module) && !named_by_path(&s.file))
        .map(|s| s.file.clone())
        .collect();
    must_be_empty("files that no `mod` names", &lost);
}

#[test]
fn every_folder_of_tests_has_its_target() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut lost = Vec::new();
    for file in files("tests", "main.rs") {
        if file.matches('/').count() == 2 && !manifest.contains(&format!("\"{file}\"")) {
            lost.push(file);
        }
    }
    must_be_empty("test programs that Cargo.toml does not name", &lost);
}

#[test]
fn no_test_file_is_forgotten() {
    let names = |file: &str| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let tokens = lexer::tokens(&text);
        tokens.windows(3).filter(|w| w[0].text == "mod" && w[2].text == ";").map(|w| w[1].text.clone()).collect()
    };
    let mut lost = Vec::new();
    for main in files("tests", "/main.rs").into_iter().chain(files("tests", "/mod.rs")) {
        let declared: BTreeSet<String> = names(&main);
        let folder = main.rsplit_once('/').unwrap().0;
        for file in files(folder, ".rs") {
            let name = file[folder.len() + 1..].trim_end_matches(".rs").trim_end_matches("/mod");
            if !name.contains('/') && !matches!(name, "main" | "mod") && !declared.contains(name) {
                lost.push(file);
            }
        }
    }
    must_be_empty("test files that no `mod` names", &lost);
}

#[test]
fn no_room_is_without_a_subject() {
    let found: Vec<String> = all()
        .iter()
        .filter(|s| s.module.iter().any(|part| ROOMS_WITHOUT_SUBJECT.contains(&part.as_str())))
        .map(|s| s.file.clone())
        .collect();
    must_be_empty("modules whose name refuses nothing", &found);
}

/// Files of one layer may not import each other in a circle (the interface and the choice live apart).
#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = all();
    let modules: BTreeMap<Vec<String>, String> = sources.iter().map(|s| (s.module.clone(), s.file.clone())).collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|s| rank(s.layer()).is_some_and(|r| r < 7)) {
        for named in source.named() {
            let Some(target) = file_of(&named.path, &modules) else { continue };
            if target != source.file && !target.ends_with("lib.rs") && !target.ends_with("main.rs") {
                edges.entry(source.file.clone()).or_default().insert(target.to_owned());
            }
        }
    }
    must_be_empty("files in a circle", &circles(&edges));
}

/// Each pair of files that reach each other, as a line.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reach = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut todo = vec![from];
        while let Some(file) = todo.pop() {
            for next in edges.get(file).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = edges.keys().map(|file| (file, reach(file))).collect();
    let mut found = Vec::new();
    for (file, targets) in edges {
        for target in targets {
            if reached.get(target).is_some_and(|back| back.contains(file)) {
                found.push(format!("{file} -> {target}"));
            }
        }
    }
    found
}

#[test]
fn a_circle_is_seen() {
    let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    assert_eq!(circles(&BTreeMap::from([edge("a", "b"), edge("b", "c"), edge("d", "a")])), Vec::<String>::new());
    assert_eq!(circles(&BTreeMap::from([edge("a", "b"), edge("b", "a"), edge("d", "a")])), ["a -> b", "b -> a"]);
}

/// The tree says nothing of the machine that it was written on.
#[test]
fn no_place_of_this_machine_is_named() {
    let names = machine_names();
    let mut found = Vec::new();
    let listed = ["Cargo.toml", "README.md", ".ci/run", ".cargo/config.toml"].map(str::to_owned);
    let trees = ["src", "tests", "completions", "man"].into_iter().flat_map(|tree| files(tree, ""));
    for file in trees.chain(listed) {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if let Some(name) = names.iter().find(|name| line.contains(name.as_str())) {
                found.push(format!("{file}:{}: {name}", number + 1));
            }
        }
    }
    must_be_empty("names of this machine", &found);
}

/// The crate's own path, its parent, the host's name, and the package mirrors that are configured here.
fn machine_names() -> Vec<String> {
    let mut names = vec![root().display().to_string()];
    names.extend(root().parent().filter(|p| p.components().count() > 2).map(|p| format!("{}/", p.display())));
    let cargo_home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut places = vec!["/etc/apt/sources.list".to_owned()];
    places.extend(cargo_home.iter().map(|home| format!("{home}/config.toml")));
    let known = ["crates.io", "github.com", "debian.org", "ubuntu.com", "localhost", "127.0.0.1", "0.0.0.0"];
    for text in places.iter().filter_map(|place| std::fs::read_to_string(place).ok()) {
        for part in text.split("://").skip(1) {
            let host: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
            if host.len() > 3 && host.contains('.') && !known.iter().any(|end| host.ends_with(end)) {
                names.push(host);
            }
        }
    }
    names
}

/// A list, not a failure: a long table is fine.
/// Names of functions change with the dependencies: an order that is older puts nothing together, and a start then takes
/// twice the memory.
#[test]
fn the_order_of_functions_is_for_these_dependencies() {
    use sha2::Digest as _;
    let read = |name: &str| std::fs::read(root().join(name)).unwrap();
    let sum: String = sha2::Sha256::digest(read("Cargo.lock")).iter().map(|byte| format!("{byte:02x}")).collect();
    let order = String::from_utf8(read(".cargo/order")).unwrap();
    let first = order.lines().next().unwrap_or_default();
    assert_eq!(first, format!("# sha256:{sum}"), "write .cargo/order anew: see tests/bench/order.rs");
    assert!(order.lines().count() > 1000, "{} functions", order.lines().count());
}

#[test]
fn long_files_are_listed() {
    for source in all() {
        let lines = source.text.lines().count();
        if lines > LONG {
            println!("{}: {lines} lines", source.file);
        }
    }
}
